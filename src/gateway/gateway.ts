// The gateway: the server's side of an endpoint, with users, pool, limits, what lies behind, reload, status and the goodbye.
//
// Start: fast path (ports, TUN), then the network behind it, then DNS; only then is it ready. Stop: LCP Terminate and CDN for every session,
// StopCCN for every tunnel, Delete for every SA, then DNS, network and fast path are taken away in the reverse order.
import type { GuessesRecord } from '../aaa/guesses.ts'
import { LocalUsers } from '../aaa/local-users.ts'
import type { AuthAttempt, AuthVerdict } from '../auth/contract.ts'
import type { Configuration } from '../config/configuration.ts'
import type { EventRecord, Status } from '../control/protocol.ts'
import type { IkePolicy, PeerGoneReason, PeerId, SaPair } from '../ike/contract.ts'
import type { FastPath, FastPathEvent, SessionCounters, TunnelCounters } from '../platform/fast-path.ts'
import type { NetworkGrant, PppPolicy } from '../ppp/contract.ts'
import { sourceOf } from '../wire/address.ts'
import type { Records } from '../wire/durable.ts'
import type { Instant } from '../wire/machine.ts'
import { certificateSettingsOf } from './certificates.ts'
import { type Cores, cores as realCores } from './cores.ts'
import { DemandDial } from './demand-dial.ts'
import { Endpoint } from './endpoint.ts'
import { EventLog, type Occurrence } from './event-log.ts'
import { farewell } from './farewell.ts'
import { Forwarders } from './forwarders.ts'
import type { Admission, Call, CallEnd, EndpointOwner, Network, Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import {
  cidr,
  dnsOf,
  ikePolicyOf,
  l2tpPolicyOf,
  networkPlanOf,
  pppPolicyOf,
  takesRestart,
  userOf,
  withoutRestart,
} from './policies.ts'
import { PolicySide } from './policy-side.ts'
import { type SessionRecord, Sessions } from './sessions.ts'
import { Sites, type SitesRecord } from './sites.ts'
import { statusOf } from './status.ts'
import { WallClock } from './wall-clock.ts'

/** The running gateway, as its command and its control socket see it. */
export type Gateway = {
  readonly events: EventLog
  /** Ports really bound. */
  readonly ports: FastPath['ports']
  status(): Status
  /** Ends the sessions of a user, or the one with this inner address; how many there were. */
  disconnect(target: string): number
  /** Puts another configuration in force; sessions that it doesn't touch go on. */
  reload(configuration: Configuration): Promise<void>
  subscribe(receive: (record: EventRecord) => void): () => void
  /** Resolves when the driver has turned and the data plane has answered; where either hangs, never. */
  pulse(): Promise<void>
  /** Says goodbye to everybody and takes everything away. Idempotent. */
  stop(): Promise<void>
}

/** Starts a gateway; resolves when it accepts clients. Fails with an Error whose message says what to do; then nothing is left behind. */
export async function createGateway(
  platform: Platform,
  configuration: Configuration,
  cores: Cores = realCores,
): Promise<Gateway> {
  const events = new EventLog(platform, platform.log)
  platform.certificates?.configure(certificateSettingsOf(configuration))
  const former = platform.journal?.former
  if (former) await platform.network.keep()
  else {
    const removed = await platform.network.recover()
    if (removed.length > 0) events.emit({ event: 'network.leftovers.removed', what: removed })
  }
  const fastPath = await platform.openFastPath({
    listen: configuration.listen,
    ports: configuration.ports,
    tunName: configuration.device,
    tunAddress: undefined,
    tunMtu: tunMtu,
    workers: configuration.workers,
    engine: configuration.engine,
    ...(former ? { resume: true } : {}),
  })
  const house = new House(platform, configuration, cores, events, fastPath)
  try {
    await house.open()
  } catch (error) {
    await house.abandon()
    throw error
  }
  return house
}

/** Inner packets up to a client's MRU, 1,500 at most; what doesn't fit a session is answered by the fast path. */
const tunMtu = 1500

/** Our own: what is known of guesses is written down so often at most. */
const guessesMs = 5_000

class House implements Gateway, EndpointOwner {
  readonly events: EventLog
  readonly #platform: Platform
  readonly #fastPath: FastPath
  readonly #endpoint: Endpoint
  readonly #sessions: Sessions
  readonly #sites: Sites
  readonly #dialled: DemandDial
  readonly #policy: PolicySide
  readonly #users: LocalUsers
  readonly #cores: Cores
  readonly #since: Date
  readonly #wallClock: WallClock
  #configuration: Configuration
  #guessesDue: Instant = 0
  readonly #dns: Forwarders
  #reloading: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined

  constructor(platform: Platform, configuration: Configuration, cores: Cores, events: EventLog, fastPath: FastPath) {
    this.#platform = platform
    this.#configuration = configuration
    this.events = events
    this.#fastPath = fastPath
    this.#since = platform.clock.date()
    this.#wallClock = new WallClock(platform.clock, events)
    this.#dns = new Forwarders(platform, events)
    this.#cores = cores
    this.#users = new LocalUsers(configuration.users)
    this.#sessions = new Sessions(platform, configuration, events, () => this.#endpoint)
    const endpoint = () => this.#endpoint
    const tellIke = () => this.#sites.tellIke()
    const parts = { platform, events, fastPath, endpoint, policyChanged: tellIke, linksChanged: () => this.#reroute() }
    this.#dialled = new DemandDial(parts, configuration)
    this.#sites = new Sites(platform, events, fastPath, endpoint, (policy) => this.#dialled.policies(policy))
    this.#policy = new PolicySide(
      platform,
      events,
      fastPath,
      () => this.#endpoint,
      () => this.#policyChanged(),
    )
    this.#endpoint = new Endpoint({
      platform,
      cores,
      events,
      fastPath,
      ikePolicy: ikePolicyOf(configuration),
      l2tpPolicy: l2tpPolicyOf(configuration),
      owner: this,
      journal: platform.journal,
    })
  }

  get ports(): FastPath['ports'] {
    return this.#fastPath.ports
  }

  async open(): Promise<void> {
    await this.#resume()
    await this.#policy.change(this.#configuration)
    await this.#serve(this.#configuration)
    await this.#changeSites(this.#configuration, ikePolicyOf(this.#configuration))
    await this.#openDns()
    const { ike, natt } = this.#fastPath.ports
    const addresses = this.#configuration.listen.length > 0 ? this.#configuration.listen.join(', ') : 'every address'
    this.events.emit({
      event: 'gateway.ready',
      dataplane: this.#fastPath.kind,
      description: this.#fastPath.description,
      listening: `${addresses}, UDP ${ike} and ${natt}`,
    })
  }

  /** Goes on with the sessions of a former process. What was left and nobody claims goes. */
  async #resume(): Promise<void> {
    const former = this.#platform.journal?.former
    if (!former) return
    const guesses = former.get('owner/guesses')
    if (guesses) this.#users.restore(guesses as GuessesRecord)
    await this.#endpoint.resume(former)
    const sites = former.get('owner/sites')
    if (sites) this.#sites.restore(sites as SitesRecord)
    this.#policy.restore((former.get('owner/rules') ?? []) as readonly PeerId[])
    this.events.emit({
      event: 'gateway.resumed',
      sessions: this.#sessions.all.length,
      peers: this.#endpoint.peers.size,
    })
  }

  /** Undoes a start that failed. */
  async abandon(): Promise<void> {
    await this.#takeAway()
    this.events.close()
  }

  status(): Status {
    return statusOf({
      configuration: this.#configuration,
      fastPath: this.#fastPath,
      endpoint: this.#endpoint,
      sessions: this.#sessions,
      sites: this.#sites,
      dialled: this.#dialled,
      policy: this.#policy,
      events: this.events,
      since: this.#since,
      clock: this.#platform.clock,
    })
  }

  pulse(): Promise<void> {
    return this.#endpoint.pulse()
  }

  disconnect(target: string): number {
    return this.#sessions.disconnect(target)
  }

  /** One after the other: two may be asked for at once. */
  reload(configuration: Configuration): Promise<void> {
    const done = this.#reloading.then(() => this.#reload(configuration))
    this.#reloading = done.catch(() => {})
    return done
  }

  /** What can fail comes first: where the network refuses, the running configuration stays. */
  async #reload(after: Configuration): Promise<void> {
    const before = this.#configuration
    const kept = withoutRestart(before, after)
    const policy = ikePolicyOf(kept)
    try {
      await this.#policy.change(kept)
      await this.#serve(kept)
    } catch (error) {
      await this.#policy.change(before)
      await this.#serve(before)
      throw error
    }
    this.#configuration = kept
    this.#users.change(after.users)
    this.#platform.certificates?.configure(certificateSettingsOf(kept))
    await this.#changeSites(kept, policy)
    this.#endpoint.l2tp({ on: 'policy', policy: l2tpPolicyOf(kept) })
    const ended = this.#sessions.change(kept)
    await this.#openDns()
    this.events.emit({ event: 'gateway.reloaded', ended, later: takesRestart(before, after) })
  }

  async #changeSites(configuration: Configuration, policy: IkePolicy): Promise<void> {
    await this.#dialled.change(configuration)
    await this.#sites.change(this.#policy.joined(configuration), this.#policy.informed(policy))
    this.#dialled.begin()
  }

  /** A site's link came or went. After a reload that is under way, whose configuration counts. */
  #reroute(): void {
    this.#reloading = this.#reloading
      .then(() => (this.#stopping ? undefined : this.#serve(this.#configuration)))
      .catch((error: Error) =>
        this.events.emit({ event: 'network.trouble', what: 'the routes of a site', why: error.message }),
      )
  }

  subscribe(receive: (record: EventRecord) => void): () => void {
    return this.events.subscribe(({ record: { at, level, event, sentence, facts } }: Occurrence) =>
      receive({ at: at.toISOString(), level, event, sentence, facts }),
    )
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#sayGoodbye()
    return this.#stopping
  }

  async #sayGoodbye(): Promise<void> {
    this.events.emit({ event: 'gateway.stopping', sessions: this.#sessions.all.length })
    await farewell(this.#endpoint, this.#platform.timers, 'the gateway stops')
    this.#platform.journal?.end()
    await this.#takeAway()
    this.events.emit({ event: 'gateway.stopped' })
    this.events.close()
  }

  async #takeAway(): Promise<void> {
    this.#sites.close()
    this.#dialled.close()
    this.#endpoint.close()
    await this.#dns.close()
    await this.#platform.network.clear()
    await this.#policy.close()
    await this.#fastPath.close()
  }

  /** An address of the machine came or went, and rules mean something else. */
  #policyChanged(): void {
    this.#reloading = this.#reloading
      .then(async () => {
        if (this.#stopping) return
        await this.#serve(this.#configuration)
        await this.#changeSites(this.#configuration, ikePolicyOf(this.#configuration))
      })
      .catch((error: Error) =>
        this.events.emit({ event: 'network.trouble', what: 'the IPsec policy', why: error.message }),
      )
  }

  async #serve(configuration: Configuration): Promise<void> {
    const troubles = await this.#platform.network.serve(
      networkPlanOf(this.#policy.joined(configuration), this.#fastPath.kind, this.#dialled.links()),
    )
    for (const why of troubles) this.events.emit({ event: 'network.trouble', what: 'what lies behind', why })
  }

  /** For clients at the inner address, and on an appliance for its LAN. */
  #openDns(): Promise<void> {
    const { remoteAccess, system } = this.#configuration
    return this.#dns.serve([remoteAccess.gatewayAddress, ...(system?.lan ? [system.lan.address.address] : [])])
  }

  // --- what the endpoint asks ------------------------------------------------------------------------------------------------------------

  pppPolicy(peer: Peer, request: number | undefined): PppPolicy {
    return this.#dialled.pppPolicy(peer, request) ?? pppPolicyOf(this.#configuration, peer.client)
  }

  /** Slowed answers wait here, right or wrong. */
  async verify(call: Call, attempt: AuthAttempt): Promise<AuthVerdict> {
    const { clock, timers } = this.#platform
    const { verdict, delayMs } = this.#users.verify(attempt, {
      now: clock.now(),
      minuteOfWeek: this.#wallClock.minuteOfWeek((this.#configuration.system?.ntp.length ?? 0) > 0),
      source: sourceOf(call.peer.path.remote.address),
    })
    if (delayMs > 0) await new Promise<void>((resolve) => timers.after(delayMs, resolve))
    return verdict
  }

  grant(call: Call, user: string): NetworkGrant {
    return this.#dialled.refusal(call, user) ?? this.#sessions.grant(call, user)
  }

  network(call: Call, network: Network): Admission {
    const dialled = call.request === undefined ? undefined : this.#dialled.network(call, network, undefined)
    if (dialled) return dialled
    const session = this.#sessions.opened(call, network)
    const joined = session && this.#dialled.network(call, network, session.user)
    const networks = session ? (userOf(this.#configuration, session.user)?.networks ?? []) : []
    return { networks: [...networks.map(cidr), ...(joined?.networks ?? [])], anySource: false }
  }

  counted(call: Call, counters: SessionCounters): void {
    this.#sessions.counted(call, counters)
    this.#dialled.counted(call, counters)
  }

  dhcp(call: Call, packet: Uint8Array): Uint8Array | undefined {
    const session = this.#sessions.of(call)
    const { remoteAccess } = this.#configuration
    return (
      session &&
      this.#cores.inform(packet, {
        client: session.address,
        server: remoteAccess.gatewayAddress,
        dns: dnsOf(this.#configuration),
        domain: remoteAccess.domain,
        routes: remoteAccess.routes,
      })
    )
  }

  ended(call: Call, end: CallEnd): void {
    this.#sessions.ended(call, end)
    this.#dialled.ended(call, end)
  }

  peerUp(peer: Peer, request: number | undefined): void {
    if (this.#policy.peerUp(peer, request) || this.#dialled.peerUp(peer, request)) return
    this.#sites.peerUp(peer, request)
  }

  peerGone(peer: Peer, reason: PeerGoneReason): void {
    this.#sites.peerGone(peer, reason)
    this.#dialled.peerGone(peer, reason)
  }

  retrying(_request: number, _reason: string): void {}

  failed(request: number, reason: string, silent?: boolean): void {
    if (this.#policy.failed(request, reason, silent) || this.#dialled.failed(request, reason)) return
    this.#sites.failed(request, reason)
  }

  pairUp(peer: Peer, pair: SaPair): void {
    if (!this.#policy.pairUp(peer, pair)) this.#sites.pairUp(peer, pair)
  }

  pairDown(inboundSpi: number): void {
    this.#policy.pairDown(inboundSpi)
    this.#sites.pairDown(inboundSpi)
  }

  acquire(wanted: Extract<FastPathEvent, { readonly on: 'acquire' }>): void {
    if (!this.#policy.acquire(wanted)) this.#sites.acquire(wanted)
    this.#dialled.acquire(wanted)
  }

  tunnelCounted(counters: TunnelCounters): void {
    this.#sites.counted(counters)
  }

  keeps(call: Call): SessionRecord | 'dialled' | undefined {
    return call.request === undefined ? this.#sessions.record(call) : 'dialled'
  }

  /** A call without a session had not logged in: it may go on to. One that we made is made anew. */
  resumed(call: Call, kept: unknown): boolean {
    if (kept === 'dialled') return false
    return kept === undefined || this.#sessions.resumed(call, kept as SessionRecord)
  }

  /** Guesses are written down every few seconds only: whoever guesses makes many. */
  changes(): Records {
    const now = this.#platform.clock.now()
    const guesses = now >= this.#guessesDue ? this.#users.changed() : undefined
    if (guesses) this.#guessesDue = now + guessesMs
    const sites = this.#sites.changed()
    const rules = this.#policy.changed()
    return new Map<string, unknown>([
      ...(guesses ? [['guesses', guesses] as const] : []),
      ...(sites ? [['sites', sites] as const] : []),
      ...(rules ? [['rules', rules] as const] : []),
    ])
  }
}
