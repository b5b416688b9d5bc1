// Thousands of clients in one endpoint, each with an outer address of its own: what `bench logins` and `bench sessions` log in with. They are real
// initiators (main mode, quick mode, L2TP, PPP as a client); only the address that PPP gives them is put onto no device, and all
// use one Diffie-Hellman key pair, so that the generator costs less than the gateway that it drives.
import { parseEspProposal, parseIkeProposal } from '../../algorithms/proposals.ts'
import { runWork } from '../../crypto/dh.ts'
import { cores } from '../../gateway/cores.ts'
import { Endpoint } from '../../gateway/endpoint.ts'
import { EventLog } from '../../gateway/event-log.ts'
import { farewell } from '../../gateway/farewell.ts'
import type { Admission, Call, CallEnd, EndpointOwner, Network, Peer } from '../../gateway/owner.ts'
import { doubt, patience, pppRestart } from '../../gateway/policies.ts'
import type { IkePolicy, PeerGoneReason, Work, WorkResult } from '../../ike/contract.ts'
import type { Change, FastPath } from '../../platform/fast-path.ts'
import { systemClock, systemRandom, systemTimers } from '../../platform/linux/system-clock.ts'
import { openUserland } from '../../platform/userland.ts'
import type { NetworkGrant, PppPolicy } from '../../ppp/contract.ts'
import { ipv4FromNumber, ipv4Number } from '../../wire/address.ts'
import { Secret } from '../../wire/secret.ts'
import { FleetIke } from './fleet-ike.ts'
import { Pace } from './pace.ts'

export type FleetOptions = {
  readonly gateway: string
  /** Outer address of the first client; the others count up from it. */
  readonly firstAddress: string
  readonly preSharedKey: string
  /** Users are `u0`, `u1` … with this password, in turn. */
  readonly users: number
  readonly password: string
  readonly ike: string
  readonly esp: string
  readonly deadPeerSeconds: number
}

/** One login that came to its end: milliseconds from the first packet, and how often it was begun. */
export type Login = { readonly milliseconds: number; readonly attempts: number }

/** What a round of logins came to. */
export type Round = { readonly seconds: number; readonly logins: readonly Login[]; readonly lost: readonly string[] }

const l2tpPort = 1701
/** A client that failed dials again so often: people and automatic reconnects do. */
const mostAttempts = 8

/** Nobody reads the log of ten thousand clients. */
class NoLog extends EventLog {
  override emit(): void {}
}

type Client = {
  readonly request: number
  readonly startedAt: number
  attempts: number
  call: Call | undefined
  up: boolean
}

export class Fleet implements EndpointOwner {
  readonly #options: FleetOptions
  readonly #endpoint: Endpoint
  readonly #fastPath: FastPath
  readonly #clients = new Map<number, Client>()
  readonly #requests = new Map<number, number>()
  readonly #policy: Omit<PppPolicy, 'credentials'>
  readonly #password: Secret
  #lastRequest = 0
  #round:
    | { inFlight: number; left: number; logins: Login[]; lost: string[]; readonly pace: Pace; done: () => void }
    | undefined
  /** Sessions that ended without being asked to. */
  dropped: string[] = []
  #leaving = false

  constructor(options: FleetOptions, fastPath: FastPath = userland()) {
    this.#options = options
    this.#password = new Secret(options.password)
    this.#fastPath = withoutAddresses(fastPath)
    const platform = { clock: systemClock, timers: systemTimers, random: systemRandom }
    const log = { write: () => {} }
    this.#policy = {
      role: 'client',
      authentication: ['mschapv2'],
      name: 'fleet',
      mru: 1400,
      echo: patience(options.deadPeerSeconds),
      restart: pppRestart,
      authSeconds: 60,
      authTries: 1,
      ipv6: false,
    }
    this.#endpoint = new Endpoint({
      platform: {
        ...platform,
        log,
        work: oneKeyPair(),
        openFastPath: () => Promise.reject(new Error('it is open')),
        network: undefined as never,
        forwardDns: undefined,
      },
      cores: { ...cores, ike: (policy) => new FleetIke(policy) },
      events: new NoLog(platform, log),
      fastPath: this.#fastPath,
      ikePolicy: ikePolicyOf(options),
      l2tpPolicy: {
        hostName: 'fleet',
        secret: undefined,
        portLimit: undefined,
        receiveWindow: 8,
        helloSeconds: options.deadPeerSeconds,
        retransmit: { firstMs: 1000, capMs: 8000, tries: 6 },
        hideAvps: false,
      },
      owner: this,
    })
  }

  get up(): number {
    let up = 0
    for (const client of this.#clients.values()) if (client.up) up++
    return up
  }

  /**
   * `count` new clients, `atOnce` of them under way at any time, or with `paced` at most so many and as the gateway serves them; those that came up stay. Ends after
   * `seconds` in any case.
   */
  async logIn(count: number, atOnce: number, seconds: number, paced = false): Promise<Round> {
    const done = Promise.withResolvers<void>()
    const pace = new Pace(atOnce, paced)
    const round = { inFlight: 0, left: count, logins: [] as Login[], lost: [] as string[], pace, done: done.resolve }
    this.#round = round
    const startedAt = performance.now()
    const stop = systemTimers.after(seconds * 1000, done.resolve)
    this.#fill()
    const refill = setInterval(() => this.#fill(), 1)
    await done.promise
    clearInterval(refill)
    stop()
    this.#round = undefined
    const unfinished = round.inFlight + round.left
    const lost = unfinished > 0 ? [...round.lost, `${unfinished} had not come up after ${seconds} s`] : round.lost
    return { seconds: (performance.now() - startedAt) / 1000, logins: round.logins, lost }
  }

  /** Sends `count` IPv4 packets up through the oldest session. */
  sendUp(packet: Uint8Array, count: number): void {
    const call = [...this.#clients.values()].find((client) => client.up)?.call
    if (!call) throw new Error('no session is up')
    for (let i = 0; i < count; i++) this.#fastPath.sendPpp(call.id, 0x0021, packet)
  }

  async close(politely: boolean): Promise<void> {
    this.#leaving = true
    if (politely) await farewell(this.#endpoint, systemTimers, 'the benchmark is over')
    this.#endpoint.close()
    await this.#fastPath.close()
  }

  #fill(): void {
    const round = this.#round
    if (!round) return
    // A few at a time, so that what comes back is read between them.
    for (let begun = 0; round.left > 0 && round.inFlight < round.pace.atOnce && begun < 32; begun++) {
      round.left--
      round.inFlight++
      const request = ++this.#lastRequest
      const client = { request, startedAt: performance.now(), attempts: 0, call: undefined, up: false }
      this.#clients.set(request, client)
      this.#dial(client)
    }
  }

  #dial(client: Client): void {
    client.attempts++
    const address = ipv4FromNumber(ipv4Number(this.#options.firstAddress)! + client.request)
    this.#endpoint.ike({
      on: 'connect',
      request: client.request,
      path: { local: { address, port: 500 }, remote: { address: this.#options.gateway, port: 500 } },
      ports: { local: l2tpPort, remote: l2tpPort },
    })
  }

  #cameUp(client: Client): void {
    client.up = true
    const { startedAt, attempts } = client
    const now = performance.now()
    this.#round?.logins.push({ milliseconds: now - startedAt, attempts })
    this.#round?.pace.settled(startedAt, now, attempts)
    this.#settled()
  }

  #failed(request: number | undefined, why: string): void {
    const client = request === undefined ? undefined : this.#clients.get(request)
    if (!client || this.#leaving) return
    if (client.up) {
      client.up = false
      this.dropped.push(why)
      return
    }
    if (client.attempts < mostAttempts) {
      systemTimers.after(1000, () => this.#dial(client))
      return
    }
    this.#round?.lost.push(why)
    this.#settled()
  }

  #settled(): void {
    const round = this.#round
    if (!round) return
    round.inFlight--
    if (round.inFlight === 0 && round.left === 0) round.done()
  }

  // --- what the endpoint asks ------------------------------------------------------------------------------------------------------------

  peerUp(peer: Peer, request: number | undefined): void {
    if (request === undefined) return
    this.#requests.set(peer.id, request)
    this.#endpoint.l2tp({ on: 'call', request, peer: peer.id, localPort: l2tpPort, remotePort: l2tpPort })
  }

  peerGone(peer: Peer, reason: PeerGoneReason): void {
    const request = this.#requests.get(peer.id)
    this.#requests.delete(peer.id)
    this.#failed(request, `IPsec is gone: ${reason}`)
  }

  failed(request: number, reason: string): void {
    this.#failed(request, reason)
  }

  retrying(request: number): void {
    const client = this.#clients.get(request)
    if (client) client.attempts++
  }

  pppPolicy(peer: Peer): PppPolicy {
    const user = `u${(this.#requests.get(peer.id) ?? 0) % this.#options.users}`
    return { ...this.#policy, credentials: { user, password: this.#password } }
  }

  network(call: Call, { ipv4 }: Network): Admission {
    const client = this.#clients.get(this.#requests.get(call.peer.id) ?? 0)
    if (client && ipv4 && !client.up) {
      client.call = call
      this.#cameUp(client)
    }
    return { networks: [], anySource: false }
  }

  ended(call: Call, { why }: CallEnd): void {
    const request = this.#requests.get(call.peer.id)
    // Its peer goes with it, and is dialled anew.
    if (!this.#leaving) this.#endpoint.ike({ on: 'disconnect', peer: call.peer.id, reason: why })
    this.#requests.delete(call.peer.id)
    this.#failed(request, why)
  }

  verify(): Promise<never> {
    return Promise.reject(new Error('a client judges nobody'))
  }

  grant(): NetworkGrant {
    return { is: 'refused', reason: 'a client grants nothing' }
  }

  counted(): void {}

  dhcp(): undefined {}

  keeps(): undefined {}

  resumed(): boolean {
    return false
  }

  changes(): ReadonlyMap<string, unknown> {
    return new Map()
  }
}

function userland(): FastPath {
  return openUserland({
    listen: [],
    ports: { ike: 500, natt: 4500 },
    tunName: 'ghfleet',
    tunAddress: undefined,
    tunMtu: 1400,
    workers: 1,
    engine: undefined,
  })
}

/** Every client's peer is the gateway's one inner address, which a data plane would give to one session only: sessions stay without. */
function withoutAddresses(fastPath: FastPath): FastPath {
  const kept = (changes: readonly Change[]) => changes.filter((change) => change.do !== 'configureSession')
  return new Proxy(fastPath, {
    get(target, name) {
      if (name === 'apply') return (job: number, changes: readonly Change[]) => target.apply(job, kept(changes))
      const value = Reflect.get(target, name) as unknown
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** The first key pair of each group serves everybody; the shared secret is computed for each. */
function oneKeyPair(): (work: Work) => Promise<WorkResult> {
  const pairs = new Map<string, Promise<WorkResult>>()
  return (work) => {
    if (work.do !== 'generate') return runWork(work)
    const made = pairs.get(work.group) ?? runWork(work)
    pairs.set(work.group, made)
    return made
  }
}

function ikePolicyOf({ ike, esp, preSharedKey, deadPeerSeconds }: FleetOptions): IkePolicy {
  const [phase1, phase2] = [parseIkeProposal(ike), parseEspProposal(esp)]
  if (phase1.is === 'fault') throw new Error(phase1.fault)
  if (phase2.is === 'fault') throw new Error(phase2.fault)
  return {
    ike: [phase1.proposal],
    esp: [phase2.proposal],
    pfsGroups: [],
    requirePfs: false,
    preSharedKeys: [{ peer: 'any', key: new Secret(preSharedKey) }],
    lifetimes: { ikeSeconds: 28_800, espSeconds: 3600, espKilobytes: undefined },
    replayWindow: 64,
    publicAddress: undefined,
    dpd: doubt(deadPeerSeconds),
    keepaliveSeconds: 20,
    halfOpen: { perSource: 16, total: 64 },
    disabled: [],
  }
}
