// Sites of mode l2tp: another gateway joined with ours by a link of PPP in L2TP, transport mode ESP beneath (Windows' demand-dial between routers). Either side may
// dial. Whoever does logs in at the other as a user; who is dialled knows by the user's name and the peer's address which site it is.
//
// A site is down, connecting or up. Down, its packets meet a tunnel of the fast path that holds them and asks (on-traffic) or drops them, and never leave in clear;
// up, they go to the session that has the site's networks, and the routes are in.
//
// Dialling walks: `want` → addresses → IKE `connect`, or the peer that is there already → `peerUp` → L2TP `call` → PPP as a client → `network`. What fails on the
// way leads to the next address, or a pause (redial.ts); with on-traffic the next packet after the pause dials.
//
// When both dial at once there are two links. Both sides give the networks to the one whose caller's user name comes first, and who made the other hangs it up.
import type { Configuration, SiteEntry } from '../config/configuration.ts'
import type { SiteRow } from '../control/protocol.ts'
import type { IkePolicy, PeerGoneReason, PeerId, SiteId, SitePolicy } from '../ike/contract.ts'
import type { CallId } from '../l2tp/contract.ts'
import type { FastPath, FastPathEvent, SessionCounters } from '../platform/fast-path.ts'
import type { NetworkGrant, PppPolicy } from '../ppp/contract.ts'
import { ipv4Number, showEndpoint } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'
import { showNetwork } from '../wire/network.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { Admission, Call, CallEnd, Network, Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { cidr, patience, pppRestart } from './policies.ts'
import { PeerAddresses, redialAfter, resolveMs } from './redial.ts'
import { type SitesAuthentication, siteAuthenticationOf } from './site-authentication.ts'
import { phase1Of, sameEntry } from './sites.ts'

/** Both ends of L2TP (RFC 2661 §8.1). */
const l2tpPort = 1701
/** Our own: numbers of our requests and tunnels begin here; those of sites in tunnel mode count from 1, the policies' from 2^32. */
const firstRequest = 2 ** 31
const firstSite = 2 ** 20
/** Our own: a link that was there and went is dialled again after this, where it is to be up always. */
const againMs = 1_000
/** Our own: IKE tries three times and L2TP six; longer than this nothing has come of it. */
const patienceMs = 180_000

/** What a link that is up adds to the network's plan: the addresses that PPP agreed on, where we dialled. */
export type LinkState = { readonly ours: string | undefined; readonly peers: string | undefined }

const nothing: LinkState = { ours: undefined, peers: undefined }

type Link = {
  readonly call: Call
  /** We dialled. */
  readonly dialled: boolean
  readonly addresses: LinkState
  counters: SessionCounters | undefined
  movedAt: Instant
}

type Attempt = { readonly request: number; peer: PeerId | undefined; readonly giveUp: () => void }

type Site = {
  readonly id: SiteId
  readonly entry: SiteEntry
  readonly addresses: PeerAddresses
  /** Which of its addresses is tried, among all of all peers. */
  at: number
  attempt: Attempt | undefined
  /** The peer over which we dialled last. */
  spent: PeerId | undefined
  readonly links: Map<CallId, Link>
  /** The one that has the networks. */
  carrier: Link | undefined
  failures: number
  /** No packet dials before. */
  notBefore: Instant
  since: Date | undefined
  why: string | undefined
  cancel: (() => void) | undefined
}

type Parts = {
  readonly platform: Platform
  readonly events: EventLog
  readonly fastPath: FastPath
  readonly endpoint: () => Endpoint
  /** The policy of IKE is to be made again. */
  readonly policyChanged: () => void
  /** A link came or went: the routes are to be changed. */
  readonly linksChanged: () => void
}

export class DemandDial {
  readonly #parts: Parts
  readonly #sites = new Map<SiteId, Site>()
  #configuration: Configuration
  #nextSite = firstSite
  #nextRequest = firstRequest
  #closed = false
  #resolving: (() => void) | undefined

  constructor(parts: Parts, configuration: Configuration) {
    this.#parts = parts
    this.#configuration = configuration
  }

  /** Puts sites in force; one whose entry didn't change goes on as it is. */
  async change(configuration: Configuration): Promise<void> {
    this.#configuration = configuration
    const before = new Map([...this.#sites.values()].map((site) => [site.entry.name, site]))
    for (const entry of configuration.sites.filter(({ mode }) => mode === 'l2tp')) {
      const same = before.get(entry.name)
      if (same && sameEntry(same.entry, entry)) before.delete(entry.name)
      else this.#add(entry)
    }
    for (const gone of before.values()) this.#remove(gone)
    await Promise.all([...this.#sites.values()].map((site) => this.#resolve(site)))
    this.#resolveLater()
  }

  /** After `change`, and once IKE has the policy. */
  begin(): void {
    for (const site of this.#sites.values()) if (site.entry.start === 'at-once') this.#want(site)
  }

  close(): void {
    this.#closed = true
    this.#resolving?.()
    for (const site of this.#sites.values()) {
      site.cancel?.()
      site.attempt?.giveUp()
    }
  }

  rows(): readonly SiteRow[] {
    return [...this.#sites.values()].map(rowOf)
  }

  /** By name of site. */
  links(): ReadonlyMap<string, LinkState> {
    const up = [...this.#sites.values()].filter(({ carrier }) => carrier !== undefined)
    return new Map(up.map(({ entry, carrier }) => [entry.name, carrier!.addresses]))
  }

  /** What IKE must know of the peers. */
  policies({ pfsGroups }: IkePolicy): SitesAuthentication & { readonly sites: readonly SitePolicy[] } {
    const all = [...this.#sites.values()]
    return {
      ...siteAuthenticationOf(all.map(({ entry, addresses }) => ({ entry, addresses: addresses.all }))),
      sites: all.map(({ id: site, addresses, entry }) => {
        const { name, ike, esp, requirePfs, lifetimes } = entry
        const terms = { ike, esp, requirePfs, pfsGroups, lifetimes, ...phase1Of(entry) }
        return { site, name, addresses: addresses.all, traffic: [], ...terms }
      }),
    }
  }

  // --- what the endpoint tells and asks ------------------------------------------------------------------------------------------------------

  acquire({ tunnel }: Extract<FastPathEvent, { readonly on: 'acquire' }>): void {
    const site = this.#sites.get(tunnel)
    if (site) this.#want(site)
  }

  /** A peer of one of ours that dials may have come up by its own doing too: either serves. */
  peerUp(peer: Peer, request: number | undefined): boolean {
    const asked = this.#byRequest(request)
    const site = asked ?? [...this.#sites.values()].find((one) => this.#isPeerOf(one, peer) && one.attempt)
    if (site?.attempt && site.attempt.peer === undefined) this.#call(site, site.attempt, peer)
    return asked !== undefined
  }

  peerGone(peer: Peer, reason: PeerGoneReason): void {
    const site = [...this.#sites.values()].find(({ attempt }) => attempt?.peer === peer.id)
    // Its calls have ended before; an attempt that had none yet fails here.
    if (site?.attempt) this.#failed(site, `IPsec with ${showEndpoint(peer.path.remote)} is gone (${reason})`)
  }

  /** Whether the request was ours. */
  failed(request: number, reason: string): boolean {
    const site = this.#byRequest(request)
    if (site) this.#failed(site, reason)
    return site !== undefined || (request >= firstRequest && request < 2 ** 32)
  }

  /** PPP of a call that we made; undefined: it isn't ours. */
  pppPolicy(peer: Peer, request: number | undefined): PppPolicy | undefined {
    const dialOut = this.#byRequest(request)?.entry.dialOut
    if (!dialOut) return undefined
    const { hostname, remoteAccess } = this.#configuration
    const { user, password, authentication } = dialOut
    return {
      role: 'client',
      authentication,
      name: hostname,
      credentials: { user, password },
      mru: remoteAccess.mru,
      echo: patience(peer.client === 'android' ? remoteAccess.deadPeerSecondsAndroid : remoteAccess.deadPeerSeconds),
      restart: pppRestart,
      authSeconds: 60,
      authTries: 1,
      ipv6: false,
    }
  }

  /** Why a user who is a site's may not come in by this call. */
  refusal(call: Call, user: string): (NetworkGrant & { readonly is: 'refused' }) | undefined {
    const site = this.#ofUser(user)
    if (!site || this.#isPeerOf(site, call.peer)) return undefined
    const { name } = site.entry
    const known = site.addresses.all.join(', ') || 'an address that is not known'
    const reason = `${user} is the user of site ${name}, which is at ${known}; this call came from ${call.peer.path.remote.address}`
    return { is: 'refused', reason }
  }

  /** PPP of a call carries packets; `user` where it logged in here. Undefined: it is no site's. */
  network(call: Call, { ipv4 }: Network, user: string | undefined): Admission | undefined {
    const dialled = user === undefined
    const site = dialled ? this.#byRequest(call.request) : this.#ofUser(user)
    const known = site?.links.get(call.id)
    if (!site || !ipv4) return undefined
    if (!known) {
      const addresses = dialled ? this.#usable(site, ipv4) : nothing
      const link = { call, dialled, addresses, counters: undefined, movedAt: this.#parts.platform.clock.now() }
      site.links.set(call.id, link)
      this.#joined(site, link)
    }
    const link = site.links.get(call.id)!
    const networks = site.carrier === link ? site.entry.remoteNetworks.map(cidr) : []
    return {
      networks,
      anySource: false,
      ...(link.dialled && link.addresses.peers === undefined ? { withoutAddress: true } : {}),
    }
  }

  counted(call: Call, counters: SessionCounters): void {
    for (const { links } of this.#sites.values()) {
      const link = links.get(call.id)
      if (!link) continue
      link.counters = counters
      link.movedAt = this.#parts.platform.clock.now()
    }
  }

  /** Whether the call was one that we made. */
  ended(call: Call, { why }: CallEnd): boolean {
    for (const site of this.#sites.values()) {
      const link = site.links.get(call.id)
      if (link) this.#left(site, link, why)
      else if (call.request !== undefined && site.attempt?.request === call.request) this.#failed(site, why)
    }
    return call.request !== undefined && call.request >= firstRequest
  }

  // --- dialling ----------------------------------------------------------------------------------------------------------------------------

  #want(site: Site): void {
    const { platform } = this.#parts
    if (site.links.size > 0 || site.attempt || site.entry.start === 'by-peer' || this.#closed) return
    const left = site.notBefore - platform.clock.now()
    if (left > 0) {
      // What asks now is dialled for when the pause is over.
      site.cancel ??= platform.timers.after(left, () => this.#again(site))
      return
    }
    site.cancel?.()
    site.cancel = undefined
    const request = this.#nextRequest++
    const giveUp = platform.timers.after(patienceMs, () => {
      if (site.attempt?.request === request) this.#failed(site, `no link came up within ${patienceMs / 1000} s`)
    })
    site.attempt = { request, peer: undefined, giveUp }
    void this.#dial(site, site.attempt)
  }

  #again(site: Site): void {
    site.cancel = undefined
    if (this.#sites.has(site.id)) this.#want(site)
  }

  async #dial(site: Site, attempt: Attempt): Promise<void> {
    const { platform, endpoint, fastPath } = this.#parts
    try {
      await this.#resolve(site)
      const { all } = site.addresses
      const remote = all[site.at % Math.max(1, all.length)]
      if (remote === undefined) throw new Error(`no address is known of ${site.entry.peers.join(', ')}`)
      this.#parts.policyChanged()
      const local = (await platform.localAddressFor?.(remote)) ?? ''
      if (this.#closed || site.attempt !== attempt || attempt.peer !== undefined) return
      const standing = [...endpoint().peers.values()].find(
        ({ up, site: other, path }) => up && other === undefined && path.remote.address === remote,
      )
      // Over the SAs of the last link nothing may come any more, if the peer has started anew: dead-peer detection takes a minute, new SAs a moment.
      const spent = standing !== undefined && standing.id === site.spent && standing.calls.size === 0
      if (spent) endpoint().ike({ on: 'disconnect', peer: standing.id, reason: 'dialled anew' })
      else if (standing) return this.#call(site, attempt, standing)
      endpoint().ike({
        on: 'connect',
        request: attempt.request,
        path: { local: { address: local, port: fastPath.ports.ike }, remote: { address: remote, port: 500 } },
        ports: { local: l2tpPort, remote: l2tpPort },
      })
    } catch (error) {
      if (site.attempt === attempt) this.#failed(site, (error as Error).message)
    }
  }

  #call(site: Site, attempt: Attempt, peer: Peer): void {
    attempt.peer = peer.id
    site.spent = peer.id
    const { request } = attempt
    this.#parts.endpoint().l2tp({ on: 'call', request, peer: peer.id, localPort: l2tpPort, remotePort: l2tpPort })
    site.why = undefined
  }

  #failed(site: Site, why: string): void {
    const { platform, events } = this.#parts
    this.#endAttempt(site)
    site.why = why
    if (site.links.size > 0 || !this.#sites.has(site.id)) return
    site.at++
    site.failures++
    const { others, ms } = redialAfter(site.failures, site.addresses.all.length)
    site.notBefore = platform.clock.now() + ms
    const always = others || site.entry.start === 'at-once'
    const seconds = Math.round(ms / 1000)
    const next = others
      ? 'its next peer is tried'
      : always
        ? `tried again in ${seconds} s`
        : `tried again with the next packet, after ${seconds} s`
    events.emit({ event: 'site.failed', site: site.entry.name, why, next })
    if (always) this.#want(site)
  }

  #endAttempt(site: Site): void {
    site.attempt?.giveUp()
    site.attempt = undefined
  }

  // --- links -------------------------------------------------------------------------------------------------------------------------------

  #joined(site: Site, link: Link): void {
    const { platform, events, endpoint } = this.#parts
    if (link.dialled) this.#endAttempt(site)
    site.failures = 0
    site.notBefore = 0
    site.why = undefined
    site.since ??= platform.clock.date()
    this.#choose(site)
    if (link.dialled && site.entry.start === 'on-traffic') this.#watchIdle(site, link)
    if (site.links.size > 1) {
      const loser = [...site.links.values()].find((one) => one !== site.carrier && one.dialled)
      if (loser) endpoint().end(loser.call, 'both sides dialled at once')
      return
    }
    const { name, localNetworks, remoteNetworks } = site.entry
    const { ike, esp, weak, natted } = link.call.peer
    const networks = networksOf(localNetworks, remoteNetworks).join(', ')
    events.emit({ event: 'site.up', site: name, networks, ike, esp, weak, natted }, endpoint().originOf(link.call.peer))
  }

  /** Which link has the networks; both sides come to the same one. */
  #choose(site: Site): void {
    const { dialOut, dialIn } = site.entry
    const oursFirst = (dialOut?.user ?? '') < (dialIn?.user ?? '')
    const all = [...site.links.values()]
    const best = all.find(({ dialled }) => dialled === oursFirst) ?? all[0]
    if (best === site.carrier) return
    const { endpoint, linksChanged } = this.#parts
    if (site.carrier && site.links.has(site.carrier.call.id)) endpoint().routeTo(site.carrier.call, [])
    site.carrier = best
    // A link that is just coming up is configured with what `network` answers.
    if (best?.call.configured) endpoint().routeTo(best.call, site.entry.remoteNetworks.map(cidr))
    linksChanged()
  }

  #left(site: Site, link: Link, why: string): void {
    const { events } = this.#parts
    site.links.delete(link.call.id)
    this.#choose(site)
    if (site.links.size > 0) return
    site.since = undefined
    site.why = why
    events.emit({ event: 'site.down', site: site.entry.name, why })
    if (site.entry.start !== 'at-once' || this.#closed) return
    site.notBefore = this.#parts.platform.clock.now() + againMs
    this.#want(site)
  }

  #watchIdle(site: Site, link: Link): void {
    const { platform, endpoint } = this.#parts
    const idleMs = (site.entry.idleSeconds ?? 0) * 1000
    if (idleMs === 0) return
    const left = link.movedAt + idleMs - platform.clock.now()
    platform.timers.after(Math.max(left, 1), () => {
      if (this.#closed || !site.links.has(link.call.id)) return
      if (platform.clock.now() < link.movedAt + idleMs) return this.#watchIdle(site, link)
      endpoint().end(link.call, `no packet for ${idleMs / 1000} s`)
    })
  }

  /** Addresses that PPP agreed on and that nobody here has already: two gateways may have the same pool, and links need no addresses to join networks. */
  #usable(site: Site, { ours, peers }: NonNullable<Network['ipv4']>): LinkState {
    const { pool, gatewayAddress } = this.#configuration.remoteAccess
    const others = [...this.#sites.values()].flatMap((one) => (one === site ? [] : [...one.links.values()]))
    const taken = others.flatMap(({ addresses }) => [addresses.ours, addresses.peers])
    const free = (address: string) => {
      const value = ipv4Number(address) ?? 0
      const inPool = pool.some(({ first, last }) => value >= first && value <= last)
      return !inPool && address !== gatewayAddress && !taken.includes(address)
    }
    return { ours: free(ours) ? ours : undefined, peers: free(peers) && ours !== peers ? peers : undefined }
  }

  // --- the configuration -------------------------------------------------------------------------------------------------------------------

  #add(entry: SiteEntry): void {
    const id = this.#nextSite++
    this.#sites.set(id, {
      id,
      entry,
      addresses: new PeerAddresses(entry.name, entry.peers),
      at: 0,
      attempt: undefined,
      spent: undefined,
      links: new Map(),
      carrier: undefined,
      failures: 0,
      notBefore: 0,
      since: undefined,
      why: undefined,
      cancel: undefined,
    })
    const selectors = entry.localNetworks.flatMap((local) =>
      entry.remoteNetworks.map((remote) => {
        return { local: cidr(local), remote: cidr(remote), protocol: 0, localPort: 0, remotePort: 0 }
      }),
    )
    const hold = entry.start === 'on-traffic'
    const { endpoint } = this.#parts
    endpoint().apply([{ do: 'setTunnel', tunnel: id, hold, selectors }], `what asks for site ${entry.name}`)
  }

  #remove(site: Site): void {
    const { endpoint, events } = this.#parts
    const why = 'the configuration changed'
    const links = [...site.links.values()]
    this.#sites.delete(site.id)
    site.cancel?.()
    this.#endAttempt(site)
    for (const { call } of links) endpoint().end(call, why)
    if (links.length > 0) events.emit({ event: 'site.down', site: site.entry.name, why })
    endpoint().apply([{ do: 'removeTunnel', tunnel: site.id }], `to forget site ${site.entry.name}`)
  }

  #resolve({ addresses }: Site): Promise<void> {
    return addresses.resolve(this.#parts.platform, this.#parts.events)
  }

  #resolveLater(): void {
    this.#resolving?.()
    this.#resolving = undefined
    const named = [...this.#sites.values()].filter(({ addresses }) => addresses.named)
    if (named.length === 0) return
    this.#resolving = this.#parts.platform.timers.after(resolveMs, () => {
      void Promise.all(named.map((site) => this.#resolve(site))).then(() => {
        if (this.#closed) return
        this.#parts.policyChanged()
        this.#resolveLater()
      })
    })
  }

  // --- who is who --------------------------------------------------------------------------------------------------------------------------

  #byRequest(request: number | undefined): Site | undefined {
    if (request === undefined) return undefined
    for (const site of this.#sites.values()) {
      const link = [...site.links.values()].some(({ call }) => call.request === request)
      if (link || site.attempt?.request === request) return site
    }
    return undefined
  }

  #ofUser(user: string): Site | undefined {
    return [...this.#sites.values()].find(({ entry }) => entry.dialIn?.user === user)
  }

  #isPeerOf({ addresses }: Site, { path }: Peer): boolean {
    return addresses.all.includes(path.remote.address)
  }
}

function networksOf(locals: SiteEntry['localNetworks'], remotes: SiteEntry['remoteNetworks']): string[] {
  return locals.flatMap((local) => remotes.map((remote) => `${showNetwork(local)} - ${showNetwork(remote)}`))
}

function rowOf({ entry, carrier, attempt, since, why }: Site): SiteRow {
  const peer = carrier?.call.peer
  return {
    site: entry.name,
    mode: entry.mode,
    state: carrier ? 'up' : attempt ? 'connecting' : 'down',
    peer: peer && showEndpoint(peer.path.remote),
    natted: peer?.natted ?? false,
    ike: peer?.ike,
    esp: peer?.esp,
    weak: peer?.weak ?? false,
    since: since?.toISOString(),
    why,
    networks: carrier ? networksOf(entry.localNetworks, entry.remoteNetworks) : [],
    bytesIn: carrier?.counters?.octetsIn ?? 0,
    bytesOut: carrier?.counters?.octetsOut ?? 0,
    packetsIn: carrier?.counters?.packetsIn ?? 0,
    packetsOut: carrier?.counters?.packetsOut ?? 0,
  }
}
