// Sites: other gateways, whose networks are joined with ours in tunnel mode. What the configuration says becomes tunnels of the fast path (packets for a site
// go through its SAs or nowhere), and SAs are asked for: on the first packet, at once, or when the peer begins.
//
// A site is down, connecting or up. It is up with its first pair; a tunnel for each of our networks and each of theirs follows when it is wanted. Where a peer
// doesn't answer, the next of the site is tried; when all were, at-once waits (5 s, doubled up to 5 minutes), on-traffic for the next packet.
import { isWeak } from '../algorithms/levels.ts'
import { showEspProposal } from '../algorithms/proposals.ts'
import type { Configuration, SiteEntry } from '../config/configuration.ts'
import type { SiteRow } from '../control/protocol.ts'
import { hashHex } from '../crypto/hash.ts'
import type { IkePolicy, PeerGoneReason, PeerId, SaPair, SiteId, SitePolicy, Traffic } from '../ike/contract.ts'
import { sameTraffic, trafficHolds } from '../ike/sites.ts'
import type { FastPath, FastPathEvent, TunnelCounters } from '../platform/fast-path.ts'
import { showEndpoint } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'
import { showNetwork } from '../wire/network.ts'
import { selectorOf } from './changes.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { PeerAddresses, redialAfter, resolveMs } from './redial.ts'
import { type SitesAuthentication, secretsOf, siteAuthenticationOf } from './site-authentication.ts'

/** Our own: a tunnel that was asked for on a standing ISAKMP SA and didn't come is asked for again after this. */
const askAgainMs = 10_000

type Site = {
  readonly id: SiteId
  entry: SiteEntry
  traffic: readonly Traffic[]
  readonly addresses: PeerAddresses
  /** Which of its addresses is tried, among all of all peers. */
  at: number
  state: 'up' | 'connecting' | 'down'
  request: number | undefined
  peer: Peer | undefined
  readonly pairs: Map<number, Traffic>
  /** Tunnels that were asked for, by place in `traffic`, and when. */
  readonly asked: Map<number, Instant>
  readonly wanted: Set<number>
  since: Date | undefined
  esp: string | undefined
  weak: boolean
  why: string | undefined
  failures: number
  cancel: (() => void) | undefined
  counters: TunnelCounters | undefined
}

type SiteRecord = Pick<Site, 'id' | 'since' | 'esp' | 'weak'> & {
  readonly name: string
  /** Of all that the configuration said of it. */
  readonly entry: string
  readonly peer: PeerId | undefined
  readonly pairs: readonly (readonly [number, Traffic])[]
}
/** What a restart that ends no session takes: pairs are known by their site's number. */
export type SitesRecord = { readonly next: SiteId; readonly sites: readonly SiteRecord[] }

/** What other sites than those in tunnel mode need of IKE. */
type Others = (policy: IkePolicy) => SitesAuthentication & Required<Pick<IkePolicy, 'sites'>>

export class Sites {
  readonly #platform: Platform
  readonly #events: EventLog
  readonly #fastPath: FastPath
  readonly #endpoint: () => Endpoint
  readonly #sites = new Map<SiteId, Site>()
  readonly #others: Others
  #policy: IkePolicy | undefined
  #nextSite = 1
  #nextRequest = 1
  #closed = false
  #resolving: (() => void) | undefined
  #former: readonly SiteRecord[] = []
  #touched = false

  constructor(platform: Platform, events: EventLog, fastPath: FastPath, endpoint: () => Endpoint, others: Others) {
    this.#platform = platform
    this.#events = events
    this.#fastPath = fastPath
    this.#endpoint = endpoint
    this.#others = others
  }

  /** Puts sites in force; one whose entry didn't change goes on as it is. IKE gets `policy` with the sites in it. */
  async change({ sites }: Configuration, policy: IkePolicy): Promise<void> {
    // A gateway without sites begins with the policy that it was made with.
    const quiet = this.#policy === undefined && sites.length === 0 && policy.rules === undefined
    this.#policy = policy
    if (quiet && this.#former.length === 0) return
    const endpoint = this.#endpoint()
    const before = new Map([...this.#sites.values()].map((site) => [site.entry.name, site]))
    for (const entry of sites.filter(({ mode }) => mode === 'tunnel')) {
      const same = before.get(entry.name)
      if (same && sameEntry(same.entry, entry)) before.delete(entry.name)
      else this.#add(entry)
    }
    this.#leaveFormer()
    for (const gone of before.values()) this.#remove(gone, 'the configuration changed')
    await Promise.all([...this.#sites.values()].map(({ addresses }) => addresses.resolve(this.#platform, this.#events)))
    endpoint.ike({ on: 'policy', policy: this.#withSites(policy) })
    for (const site of this.#sites.values())
      if (site.entry.start === 'at-once' && site.state === 'down') this.#begin(site, [0])
    this.#resolveLater()
  }

  /** What an earlier process had, before the first `change`. */
  restore({ next, sites }: SitesRecord): void {
    this.#nextSite = next
    this.#former = sites
    for (const { id, peer } of sites) {
      const standing = peer === undefined ? undefined : this.#endpoint().peers.get(peer)
      if (standing) standing.site = id
    }
  }

  /** What to write down, if it is another than the last time. */
  changed(): SitesRecord | undefined {
    if (!this.#touched) return undefined
    this.#touched = false
    return { next: this.#nextSite, sites: [...this.#sites.values()].map(recordOf) }
  }

  /** IKE is told again what it must know of the peers. */
  tellIke(): void {
    if (this.#policy) this.#endpoint().ike({ on: 'policy', policy: this.#withSites(this.#policy) })
  }

  close(): void {
    this.#closed = true
    this.#resolving?.()
    for (const site of this.#sites.values()) site.cancel?.()
  }

  rows(): readonly SiteRow[] {
    return [...this.#sites.values()].map(rowOf)
  }

  // --- what the endpoint tells -------------------------------------------------------------------------------------------------------------

  acquire({ tunnel, protocol, source, destination }: Extract<FastPathEvent, { readonly on: 'acquire' }>): void {
    const site = this.#sites.get(tunnel)
    if (!site || site.entry.start === 'by-peer') return
    const packet: Traffic = {
      source: { address: source.address, prefix: 32 },
      destination: { address: destination.address, prefix: 32 },
      protocol,
      sourcePort: source.port,
      destinationPort: destination.port,
    }
    const which = site.traffic.findIndex((traffic) => trafficHolds(traffic, packet))
    if (which >= 0) this.#want(site, which)
  }

  pairUp(peer: Peer, pair: SaPair): void {
    const site = this.#sites.get(pair.tunnel!.site)
    if (!site) return
    const { traffic } = pair.tunnel!
    const renewed = [...site.pairs.values()].some((other) => sameTraffic(other, traffic))
    this.#touched = true
    site.pairs.set(pair.inbound.spi, traffic)
    site.peer = peer
    site.esp = showEspProposal(pair.proposal)
    site.weak = peer.weak || isWeak(pair.proposal)
    site.since ??= this.#platform.clock.date()
    site.why = undefined
    site.failures = 0
    site.state = 'up'
    if (renewed) return
    const { name } = site.entry
    const networks = `${showNetwork(traffic.source)} - ${showNetwork(traffic.destination)}`
    const { ike, natted } = peer
    const event = { event: 'site.up', site: name, networks, ike, esp: site.esp, weak: site.weak, natted } as const
    this.#events.emit(event, this.#endpoint().originOf(peer))
  }

  pairDown(inboundSpi: number): void {
    for (const site of this.#sites.values()) {
      const traffic = site.pairs.get(inboundSpi)
      if (!site.pairs.delete(inboundSpi) || !traffic) continue
      this.#touched = true
      if (site.state !== 'up') continue
      const which = site.traffic.findIndex((one) => sameTraffic(one, traffic))
      const left = [...site.pairs.values()].some((other) => sameTraffic(other, traffic))
      // The peer stays for a while without a pair, and takes another.
      if (!left && site.entry.start === 'at-once' && which >= 0) this.#askSoon(site, which)
    }
  }

  peerUp(peer: Peer, _request: number | undefined): void {
    const site = peer.site === undefined ? undefined : this.#sites.get(peer.site)
    if (!site) return
    site.request = undefined
    site.cancel?.()
    site.cancel = undefined
    const rest = site.entry.start === 'at-once' ? site.traffic.map((_, i) => i) : [...site.wanted]
    site.wanted.clear()
    for (const which of rest) this.#want(site, which)
  }

  peerGone(peer: Peer, reason: PeerGoneReason): void {
    for (const site of this.#sites.values()) {
      if (site.peer?.id !== peer.id) continue
      const was = site.state
      this.#touched = true
      site.peer = undefined
      site.pairs.clear()
      site.asked.clear()
      site.since = undefined
      site.state = 'down'
      site.why = goneBecause[reason]
      if (was === 'up') this.#events.emit({ event: 'site.down', site: site.entry.name, why: site.why })
      if (reason === 'dead') site.at++
      if (site.entry.start === 'at-once' && reason !== 'shutdown') this.#later(site, 1000)
    }
  }

  failed(request: number, reason: string): void {
    const site = [...this.#sites.values()].find((one) => one.request === request)
    if (!site) return
    site.request = undefined
    site.state = site.pairs.size > 0 ? 'up' : 'down'
    site.why = reason
    site.at++
    site.failures++
    const { others, ms } = redialAfter(site.failures, site.addresses.all.length)
    const again = others || site.entry.start === 'at-once'
    const next = others
      ? 'its next peer is tried'
      : again
        ? `tried again in ${Math.round(ms / 1000)} s`
        : 'tried again with the next packet'
    this.#events.emit({ event: 'site.failed', site: site.entry.name, why: reason, next })
    if (again) this.#later(site, ms)
  }

  counted(counters: TunnelCounters): void {
    const site = this.#sites.get(counters.tunnel)
    if (!site) return
    const wrong = counters.wrongSource - (site.counters?.wrongSource ?? 0)
    site.counters = counters
    if (wrong > 0) this.#events.emit({ event: 'site.wrong-traffic', site: site.entry.name, packets: wrong })
  }

  // --- bringing up -------------------------------------------------------------------------------------------------------------------------

  #want(site: Site, which: number): void {
    const traffic = site.traffic[which]!
    if ([...site.pairs.values()].some((pair) => sameTraffic(pair, traffic))) return
    if (site.state === 'down') return this.#begin(site, [which])
    if (site.state === 'connecting') return void site.wanted.add(which)
    const now = this.#platform.clock.now()
    const asked = site.asked.get(which)
    if (asked !== undefined && now < asked + askAgainMs) return
    site.asked.set(which, now)
    this.#connect(site, traffic, site.peer!.path.local.address, site.peer!.path.remote.address)
  }

  #askSoon(site: Site, which: number): void {
    this.#platform.timers.after(1000, () => {
      if (!this.#closed && site.state === 'up') this.#want(site, which)
    })
  }

  #begin(site: Site, wanted: readonly number[]): void {
    for (const which of wanted) site.wanted.add(which)
    if (site.state !== 'down') return
    site.cancel?.()
    site.cancel = undefined
    site.state = 'connecting'
    void this.#attempt(site)
  }

  async #attempt(site: Site): Promise<void> {
    site.request = this.#nextRequest++
    const { request } = site
    try {
      await site.addresses.resolve(this.#platform, this.#events)
      const all = site.addresses.all
      const remote = all[site.at % Math.max(1, all.length)]
      if (remote === undefined) throw new Error(`no address is known of ${site.entry.peers.join(', ')}`)
      this.#endpoint().ike({ on: 'policy', policy: this.#withSites(this.#policy!) })
      const local = (await this.#platform.localAddressFor?.(remote)) ?? ''
      if (this.#closed || site.request !== request || site.state !== 'connecting') return
      const [first = 0] = site.wanted
      this.#connect(site, site.traffic[first]!, local, remote)
    } catch (error) {
      this.failed(request, (error as Error).message)
    }
  }

  #connect(site: Site, traffic: Traffic, local: string, remote: string): void {
    const { ike } = this.#fastPath.ports
    const request = site.request ?? this.#nextRequest++
    this.#endpoint().ike({
      on: 'connect',
      request,
      path: { local: { address: local, port: ike }, remote: { address: remote, port: 500 } },
      ports: { local: traffic.sourcePort, remote: traffic.destinationPort },
      tunnel: { site: site.id, traffic },
    })
  }

  #later(site: Site, ms: number): void {
    site.cancel?.()
    site.cancel = this.#platform.timers.after(ms, () => {
      site.cancel = undefined
      if (!this.#closed && this.#sites.has(site.id)) this.#begin(site, site.wanted.size > 0 ? [] : [0])
    })
  }

  // --- the configuration -------------------------------------------------------------------------------------------------------------------

  #add(entry: SiteEntry): void {
    const former = this.#former.find((one) => one.name === entry.name && one.entry === digestOf(entry))
    this.#former = this.#former.filter((one) => one !== former)
    const id = former?.id ?? this.#nextSite++
    const peer = former?.peer === undefined ? undefined : this.#endpoint().peers.get(former.peer)
    const stands = peer !== undefined && former !== undefined && former.pairs.length > 0
    this.#touched = true
    const traffic = entry.localNetworks.flatMap((source) =>
      entry.remoteNetworks.map(
        (destination): Traffic => ({ source, destination, protocol: 0, sourcePort: 0, destinationPort: 0 }),
      ),
    )
    this.#sites.set(id, {
      id,
      entry,
      traffic,
      addresses: new PeerAddresses(entry.name, entry.peers),
      at: 0,
      state: stands ? 'up' : 'down',
      request: undefined,
      peer: stands ? peer : undefined,
      pairs: new Map(stands ? former.pairs : []),
      asked: new Map(),
      wanted: new Set(),
      since: stands ? former.since : undefined,
      esp: stands ? former.esp : undefined,
      weak: stands && former.weak,
      why: undefined,
      failures: 0,
      cancel: undefined,
      counters: undefined,
    })
    const hold = entry.start !== 'by-peer'
    const selectors = traffic.map(selectorOf)
    this.#endpoint().apply([{ do: 'setTunnel', tunnel: id, hold, selectors }], `the tunnel of site ${entry.name}`)
  }

  /** Sites that an earlier process had, and that aren't the same any more. */
  #leaveFormer(): void {
    for (const { id, name, peer, pairs } of this.#former) {
      if (peer === undefined || !this.#endpoint().peers.has(peer)) continue
      this.#endpoint().ike({ on: 'disconnect', peer, reason: 'the configuration changed' })
      if (pairs.length > 0)
        this.#endpoint().apply([{ do: 'removeTunnel', tunnel: id }], `to remove the former tunnel of ${name}`)
    }
    this.#former = []
  }

  #remove(site: Site, why: string): void {
    this.#touched = true
    this.#sites.delete(site.id)
    site.cancel?.()
    const { peer } = site
    if (peer) this.#endpoint().ike({ on: 'disconnect', peer: peer.id, reason: why })
    if (site.state === 'up') this.#events.emit({ event: 'site.down', site: site.entry.name, why })
    this.#endpoint().apply([{ do: 'removeTunnel', tunnel: site.id }], `to remove the tunnel of ${site.entry.name}`)
  }

  /** A peer that begins must be known by its address, though its name has another one since. */
  #resolveLater(): void {
    this.#resolving?.()
    this.#resolving = undefined
    const named = [...this.#sites.values()].filter(({ addresses }) => addresses.named)
    if (named.length === 0) return
    this.#resolving = this.#platform.timers.after(resolveMs, () => {
      void Promise.all(named.map(({ addresses }) => addresses.resolve(this.#platform, this.#events))).then(() => {
        if (this.#closed) return
        this.#endpoint().ike({ on: 'policy', policy: this.#withSites(this.#policy!) })
        this.#resolveLater()
      })
    })
  }

  #withSites(policy: IkePolicy): IkePolicy {
    const all = [...this.#sites.values()]
    const own = siteAuthenticationOf(all.map(({ entry, addresses }) => ({ entry, addresses: addresses.all })))
    const sites = all.map((site): SitePolicy => {
      const { name, ike, esp, requirePfs, lifetimes } = site.entry
      const phase1 = phase1Of(site.entry)
      const { pfsGroups } = policy
      const addresses = site.addresses.all
      return {
        ...{ site: site.id, name, addresses, traffic: site.traffic },
        ...{ ike, esp, requirePfs, pfsGroups, lifetimes, ...phase1 },
      }
    })
    const others = this.#others(policy)
    const preSharedKeys = [...own.preSharedKeys, ...others.preSharedKeys, ...policy.preSharedKeys]
    const certificates = [...own.certificates, ...others.certificates, ...(policy.certificates ?? [])]
    const methods = [...own.methods, ...others.methods, ...(policy.methods ?? [])]
    return { ...policy, preSharedKeys, certificates, methods, sites: [...sites, ...others.sites] }
  }
}

function recordOf({ id, entry, peer, pairs, since, esp, weak }: Site): SiteRecord {
  return { ...{ id, name: entry.name, entry: digestOf(entry), peer: peer?.id }, pairs: [...pairs], since, esp, weak }
}

/** What an entry says of phase 1 beside its proposals. */
export function phase1Of({ exchange, localIdentity }: SiteEntry): Pick<SitePolicy, 'aggressive' | 'identity'> {
  return { aggressive: exchange === 'aggressive', identity: localIdentity }
}

/** Whether nothing about a site changed. */
export function sameEntry(a: SiteEntry, b: SiteEntry): boolean {
  return wordsOf(a) === wordsOf(b)
}

/** Secrets show as the same; what they hold stands apart. */
function wordsOf(entry: SiteEntry): string {
  return JSON.stringify([entry, ...secretsOf(entry), entry.dialOut?.password.revealText()])
}

function digestOf(entry: SiteEntry): string {
  return hashHex('sha256', new TextEncoder().encode(wordsOf(entry)))
}

function rowOf({ entry, state, peer, esp, weak, since, why, pairs, counters }: Site): SiteRow {
  const up = state === 'up'
  const networks = [...pairs.values()].map(
    ({ source, destination }) => `${showNetwork(source)} - ${showNetwork(destination)}`,
  )
  return {
    site: entry.name,
    mode: entry.mode,
    state,
    peer: peer && showEndpoint(peer.path.remote),
    natted: peer?.natted ?? false,
    ike: up ? peer?.ike : undefined,
    esp: up ? esp : undefined,
    weak: up && weak,
    since: since?.toISOString(),
    why,
    networks: [...new Set(networks)],
    bytesIn: counters?.octetsIn ?? 0,
    bytesOut: counters?.octetsOut ?? 0,
    packetsIn: counters?.packetsIn ?? 0,
    packetsOut: counters?.packetsOut ?? 0,
  }
}

const goneBecause: Record<PeerGoneReason, string> = {
  'deleted-by-peer': 'the peer deleted its SAs',
  dead: 'the peer is gone without a word (dead-peer detection)',
  expired: 'the last ESP SA expired and no successor came',
  disconnected: 'we closed it',
  replaced: 'the peer came anew',
  shutdown: 'the gateway stops',
}
