// The client's side of an endpoint (LAC): IKE initiator, one L2TP call, PPP as a client, an address on a TUN device.
// `connect` walks: fast path → IKE `connect` → `peerUp` → L2TP `call` → PPP → `network` → address and routes on the device → a session.
// Whatever fails on the way rejects with one sentence and leaves nothing behind. Several may run in one process.
import type { EspProposal, IkeProposal } from '../algorithms/algorithms.ts'
import { offersFor, proposalsFor } from '../algorithms/levels.ts'
import type { AuthVerdict } from '../auth/contract.ts'
import type { CertificatesEntry } from '../config/certificates-section.ts'
import type { PeerGoneReason } from '../ike/contract.ts'
import type { FastPath, SessionCounters } from '../platform/fast-path.ts'
import type { AuthKind, NetworkGrant, PppPolicy } from '../ppp/contract.ts'
import type { Records } from '../wire/durable.ts'
import type { Secret } from '../wire/secret.ts'
import { certificateRulesOf, settingsOf } from './certificates.ts'
import { type Cores, cores as realCores } from './cores.ts'
import { Endpoint } from './endpoint.ts'
import { EventLog } from './event-log.ts'
import { farewell } from './farewell.ts'
import type { Admission, Call, CallEnd, EndpointOwner, Network, Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { doubt, patience, pppRestart } from './policies.ts'

export type ConnectOptions = {
  /** The gateway: address in canonical text, and its UDP ports (500 and 4500). */
  readonly server: { readonly address: string; readonly ike: number; readonly natt: number }
  /** Our address towards it. */
  readonly localAddress: string
  /** Our own UDP ports; 0: any free one. */
  readonly ports: { readonly ike: number; readonly natt: number }
  /** Undefined: with a certificate only. */
  readonly preSharedKey: Secret | undefined
  /** Our certificate, and whose the gateway's must be. */
  readonly certificates?: CertificatesEntry | undefined
  readonly user: string
  readonly password: Secret
  /** In order of preference; undefined: what `security: modern` offers. */
  readonly ike: readonly IkeProposal[] | undefined
  readonly esp: readonly EspProposal[] | undefined
  /** Kinds that we agree to prove the password by. */
  readonly authentication: readonly AuthKind[]
  readonly hostName: string
  readonly device: string
  /** Networks to reach through the gateway beside its own inner address; `0.0.0.0/0` for all. */
  readonly routes: readonly string[]
  readonly mru: number
  /** Until the session must be up. */
  readonly timeoutSeconds: number
  /** Dead-peer detection and PPP echo: seconds until a silent gateway counts as gone. */
  readonly deadPeerSeconds: number
  /** Ask for UDP encapsulation where no NAT calls for it: where protocol 50 doesn't get through. */
  readonly forceEncapsulation: boolean
}

export type ClientSession = {
  readonly address: string
  /** The gateway's inner address. */
  readonly gateway: string
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  readonly device: string
  /** What protects it, as proposals. */
  readonly ike: string
  readonly esp: string
  readonly natted: boolean
  /** For a command that runs in the session: PPP_LOCAL, PPP_REMOTE, PPP_IFACE, DNS1, DNS2. */
  readonly environment: Readonly<Record<string, string>>
  readonly events: EventLog
  counters(): SessionCounters | undefined
  /** Resolves when the session is over, to the reason in words; never rejects. */
  readonly ended: Promise<string>
  /** Says goodbye on every layer and takes everything away. Idempotent. */
  disconnect(): Promise<void>
}

/** The session did not come up. The message is one sentence. */
export class ConnectError extends Error {
  readonly code = 'connect-failed'
  constructor(message: string) {
    super(message)
    this.name = 'ConnectError'
  }
}

export async function connect(
  options: ConnectOptions,
  platform: Platform,
  cores: Cores = realCores,
): Promise<ClientSession> {
  const events = new EventLog(platform, platform.log)
  platform.certificates?.configure(settingsOf(options.certificates, { purpose: 'gateway', weak: false }))
  const fastPath = await platform.openFastPath({
    listen: [],
    ports: options.ports,
    tunName: options.device,
    tunAddress: undefined,
    tunMtu: options.mru,
    workers: undefined,
    engine: undefined,
  })
  return new Client(options, platform, cores, events, fastPath).up
}

/** Both ends of L2TP (RFC 2661 §8.1). */
const l2tpPort = 1701
/** The only request that a client's cores get. */
const request = 1

class Client implements EndpointOwner {
  readonly up: Promise<ClientSession>
  readonly #options: ConnectOptions
  readonly #platform: Platform
  readonly #events: EventLog
  readonly #fastPath: FastPath
  readonly #endpoint: Endpoint
  readonly #ended: Promise<string>
  readonly #onEnd: (why: string) => void
  readonly #onUp: (session: ClientSession) => void
  readonly #onFailure: (error: Error) => void
  readonly #stopWaiting: () => void
  #counters: SessionCounters | undefined
  /** Why an attempt came to nothing while another goes on. */
  #suspicion: string | undefined
  /** The first reason that anybody gave. */
  #why: string | undefined
  #leaving: Promise<void> | undefined

  constructor(options: ConnectOptions, platform: Platform, cores: Cores, events: EventLog, fastPath: FastPath) {
    this.#options = options
    this.#platform = platform
    this.#events = events
    this.#fastPath = fastPath
    const up = Promise.withResolvers<ClientSession>()
    const ended = Promise.withResolvers<string>()
    this.up = up.promise
    this.#onUp = up.resolve
    this.#onFailure = up.reject
    this.#ended = ended.promise
    this.#onEnd = ended.resolve
    const { ike, natt } = fastPath.ports
    const own = ike === 500 && natt === 4500 ? {} : { ports: { ike, natt } }
    this.#endpoint = new Endpoint({
      platform,
      cores,
      events,
      fastPath,
      ikePolicy: { ...ikePolicyOf(options), ...own },
      l2tpPolicy: {
        hostName: options.hostName,
        secret: undefined,
        portLimit: undefined,
        receiveWindow: 8,
        helloSeconds: options.deadPeerSeconds,
        retransmit: { firstMs: 1000, capMs: 8000, tries: 6 },
        hideAvps: false,
      },
      owner: this,
    })
    this.#stopWaiting = platform.timers.after(options.timeoutSeconds * 1000, () =>
      this.#over(
        `no session after ${options.timeoutSeconds} s: ${this.#suspicion ?? `${options.server.address} does not answer`}`,
      ),
    )
    this.#endpoint.ike({
      on: 'connect',
      request,
      path: {
        local: { address: options.localAddress, port: ike },
        remote: { address: options.server.address, port: options.server.ike },
      },
      ports: { local: l2tpPort, remote: l2tpPort },
      ...(options.server.natt === 4500 ? {} : { nattPort: options.server.natt }),
    })
  }

  /** The session is over or never came: everything is taken away, once. */
  #over(why: string): void {
    this.#why ??= why
    this.#leave()
  }

  #leave(): Promise<void> {
    this.#leaving ??= this.#sayGoodbye()
    return this.#leaving
  }

  async #sayGoodbye(): Promise<void> {
    this.#stopWaiting()
    await farewell(this.#endpoint, this.#platform.timers, 'the client disconnects')
    this.#endpoint.close()
    await this.#platform.network.clear()
    await this.#fastPath.close()
    this.#events.close()
    const why = this.#why ?? 'disconnected'
    this.#onFailure(new ConnectError(why))
    this.#onEnd(why)
  }

  async #join(call: Call, { ipv4, mtu }: Network): Promise<void> {
    if (!ipv4 || this.#leaving) return
    const { device, routes, server } = this.#options
    const { ours, peers, dns, nbns } = ipv4
    try {
      await this.#platform.network.join({
        device,
        address: ours,
        gatewayAddress: peers,
        mtu,
        routes,
        outer: server.address,
      })
    } catch (error) {
      return this.#over((error as Error).message)
    }
    this.#stopWaiting()
    const { ike, esp, natted } = call.peer
    this.#onUp({
      address: ours,
      gateway: peers,
      dns,
      nbns,
      device,
      ike,
      esp,
      natted,
      environment: {
        PPP_LOCAL: ours,
        PPP_REMOTE: peers,
        PPP_IFACE: device,
        ...Object.fromEntries(dns.slice(0, 2).map((address, i) => [`DNS${i + 1}`, address])),
      },
      events: this.#events,
      counters: () => this.#counters,
      ended: this.#ended,
      disconnect: () => this.#leave(),
    })
  }

  // --- what the endpoint asks ------------------------------------------------------------------------------------------------------------

  peerUp(peer: Peer): void {
    this.#endpoint.l2tp({ on: 'call', request, peer: peer.id, localPort: l2tpPort, remotePort: l2tpPort })
  }

  peerGone(_peer: Peer, reason: PeerGoneReason): void {
    if (!this.#leaving)
      this.#over(
        reason === 'deleted-by-peer' ? 'the gateway closed IPsec' : `IPsec with the gateway is gone (${reason})`,
      )
  }

  retrying(_request: number, reason: string): void {
    this.#suspicion = reason
  }

  failed(_request: number, reason: string): void {
    this.#over(reason)
  }

  // A client is not resumed: who started it starts it again.
  keeps(): undefined {}

  resumed(): boolean {
    return false
  }

  changes(): Records {
    return new Map()
  }

  pppPolicy(): PppPolicy {
    const { authentication, hostName, user, password, mru, deadPeerSeconds, timeoutSeconds } = this.#options
    return {
      role: 'client',
      authentication,
      name: hostName,
      credentials: { user, password },
      mru,
      echo: patience(deadPeerSeconds),
      restart: pppRestart,
      authSeconds: timeoutSeconds,
      authTries: 1,
      ipv6: false,
    }
  }

  verify(): Promise<AuthVerdict> {
    return Promise.reject(new Error('a client judges nobody'))
  }

  grant(): NetworkGrant {
    return { is: 'refused', reason: 'a client grants nothing' }
  }

  network(call: Call, network: Network): Admission {
    void this.#join(call, network)
    return { networks: ['0.0.0.0/0'], anySource: true }
  }

  counted(_call: Call, counters: SessionCounters): void {
    this.#counters = counters
  }

  dhcp(): undefined {
    return undefined
  }

  ended(_call: Call, { why }: CallEnd): void {
    if (!this.#leaving) this.#over(why)
  }
}

/** An initiator's policy; lifetimes as Windows asks for them. */
function ikePolicyOf({ ike, esp, preSharedKey, certificates, deadPeerSeconds, forceEncapsulation }: ConnectOptions) {
  const offers = offersFor('modern')
  return {
    ike: ike ?? offers.ike,
    esp: esp ?? offers.esp,
    pfsGroups: proposalsFor('legacy').pfsGroups,
    requirePfs: false,
    preSharedKeys: preSharedKey ? [{ peer: 'any', key: preSharedKey }] : [],
    certificates: certificateRulesOf(certificates),
    lifetimes: { ikeSeconds: 28_800, espSeconds: 3600, espKilobytes: undefined },
    replayWindow: 1024,
    publicAddress: undefined,
    forceEncapsulation,
    dpd: doubt(deadPeerSeconds),
    keepaliveSeconds: 20,
    halfOpen: { perSource: 16, total: 64 },
    disabled: [],
  }
}
