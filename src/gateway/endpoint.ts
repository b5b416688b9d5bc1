// One end of L2TP/IPsec, of either role: it wires IKE, L2TP and a PPP machine per call to the fast path, and keeps peers and calls.
// What makes it a gateway or a client (who may come in, which address, what a session means) is its owner's: gateway.ts, connect.ts.
//
// A login walks: `ike` datagrams → IKE → `install` → the fast path → `installed` → `peerUp`; L2TP control through that SA → `callUp` →
// `addSession` → a PPP machine, `up` → `verify` and `grant` of the owner → `network` → `configureSession`: packets flow, none of them here.
// The end walks back from whichever layer ends first: PPP `finished` → hangUp; L2TP `callDown` → PPP `down`; IKE `peerGone` → both.

import type { IkeInput, IkePolicy, IkeSaStatus, PeerId, StandingPeer } from '../ike/contract.ts'
import type { CallId, L2tpInput, L2tpPolicy, L2tpTunnelStatus, StandingCall } from '../l2tp/contract.ts'
import type { Change, FastPath, FastPathEvent } from '../platform/fast-path.ts'
import type { Journal } from '../platform/journal.ts'
import { showEndpoint } from '../wire/address.ts'
import { printable } from '../wire/codec.ts'
import type { Records } from '../wire/durable.ts'
import type { Instant } from '../wire/machine.ts'
import { Activity } from './activity.ts'
import { CallSide } from './call-side.ts'
import { Changes, changesOf } from './changes.ts'
import type { Cores } from './cores.ts'
import { Driver } from './driver.ts'
import type { EventLog } from './event-log.ts'
import type { Origin } from './events.ts'
import { IkeSide } from './ike-side.ts'
import { Keeper, under } from './keeper.ts'
import { L2tpSide } from './l2tp-side.ts'
import type { Call, EndpointOwner, Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { originOf, type Surroundings } from './surroundings.ts'
import { WriteAhead } from './write-ahead.ts'

export type EndpointOptions = {
  readonly platform: Platform
  readonly cores: Cores
  readonly events: EventLog
  readonly fastPath: FastPath
  readonly ikePolicy: IkePolicy
  readonly l2tpPolicy: L2tpPolicy
  readonly owner: EndpointOwner
  /** Where what is known is written down, and what an earlier endpoint wrote; then `resume` is called before anything else. */
  readonly journal?: Journal | undefined
}

/** Our own: liveness and counters are looked at once a second. */
const activityMs = 1000
/**
 * Our own: where there are more sessions than this, those that end together share a look at the counters, since each passes all of them; what a session carried
 * in its last tenth of a second may not be counted then.
 */
const alwaysLooked = 64
const sharedLookMs = 100

export class Endpoint {
  readonly driver: Driver
  readonly #s: Surroundings
  readonly #ike: IkeSide
  readonly #l2tp: L2tpSide
  readonly #calls: CallSide
  #polling: (() => void) | undefined
  #lookedAt: Instant = Number.NEGATIVE_INFINITY
  #closed = false
  readonly #gate: WriteAhead | undefined
  /** Events that came before `resume` was over: until then the fast path looks for what it is told among what is there. */
  #held: FastPathEvent[] | undefined

  constructor(options: EndpointOptions) {
    const { platform, cores, events, owner, journal, ikePolicy, l2tpPolicy } = options
    this.driver = new Driver(
      platform,
      ({ machine, input, error }) => {
        const { message, stack } = error instanceof Error ? error : new Error(String(error))
        events.emit({ event: 'gateway.bug', machine, input, error: printable(message, 200), stack: stack ?? '' })
      },
      () => this.#gate?.flush(),
    )
    const records = journal?.former
    const now = platform.clock.now()
    const ike = cores.ike(ikePolicy, records && { records: under('ike/', records), now })
    const l2tp = cores.l2tp(l2tpPolicy, records && { records: under('l2tp/', records), now })
    const peers = new Map<PeerId, Peer>()
    const calls = new Map<CallId, Call>()
    const keeper = journal && new Keeper({ journal, ike, l2tp, peers, calls, owner })
    if (keeper) {
      this.#gate = new WriteAhead(options.fastPath, {
        write: () => keeper.write(),
        busy: () => this.driver.busy,
        guard: (act) => this.driver.guard('fast path', act),
      })
    }
    const fastPath = this.#gate ?? options.fastPath
    const changes = new Changes(fastPath, events)
    const { driver } = this
    const world = { platform, cores, events, fastPath, owner, driver, changes, activity: new Activity() }
    this.#s = {
      ...world,
      keeper,
      peers,
      calls,
      idle: new Set(),
      ike: (input) => this.#ike.send(input),
      l2tp: (input) => this.#l2tp.send(input),
      drop: (call, end) => this.#calls.drop(call, end),
      poll: () => this.#poll(),
      look: () => {
        if (this.#s.calls.size <= alwaysLooked || platform.clock.now() - this.#lookedAt >= sharedLookMs) this.#look()
      },
      afterwards: (act) => (this.#gate ? this.#gate.afterwards(act) : act()),
      closed: () => this.#closed,
    }
    this.#calls = new CallSide(this.#s)
    this.#ike = new IkeSide(this.#s, ike)
    this.#l2tp = new L2tpSide(this.#s, l2tp, (up) => this.#calls.up(up))
    this.#held = records ? [] : undefined
    fastPath.listen((batch) => this.#take(batch))
  }

  /** A change of nothing, there and back through the fast path's queue. */
  pulse(): Promise<void> {
    return new Promise((resolve) => this.#s.changes.apply([], 'a sign of life', () => resolve()))
  }

  /**
   * Goes on with what an earlier endpoint had: each peer and call is given to the fast path again, which finds it there. What it does not find ends, and is
   * said goodbye to. Resolves when all is decided.
   */
  async resume(records: Records): Promise<void> {
    const standing = this.#ike.resume(records)
    const next = this.#l2tp.standing().map((call) => this.#calls.resume(call, records))
    const peers = standing.map((peer) => this.#adoptPeer(peer))
    const calls = this.#l2tp.standing().map((call) => this.#adoptCall(call))
    await Promise.all([...peers, ...calls])
    for (const go of next) go()
    const tunnels = new Set(this.#l2tp.status().map(({ peer }) => peer))
    for (const id of this.#s.peers.keys()) if (!tunnels.has(id)) this.#l2tp.idle(id)
    for (const id of tunnels) if (!this.#s.peers.has(id)) this.#l2tp.send({ on: 'peerGone', peer: id })
    this.#s.fastPath.forgetTheRest?.()
    const held = this.#held ?? []
    this.#held = undefined
    this.#take(held)
    // What was counted before is counted.
    this.#s.activity.since(this.#s.fastPath.activity(), this.#s.platform.clock.now())
    this.#poll()
    this.#gate?.flush()
  }

  /** The pairs that peers lean on must be there; one that drains may have gone meanwhile. All is asked for at once, before anything is due. */
  async #adoptPeer({ peer, pairs, using }: StandingPeer): Promise<void> {
    const what = `peer ${peer} after the restart`
    const found = this.#adopt([{ do: 'addPeer', peer }], what)
    const results = pairs.map(async (pair) => {
      const missing = await this.#adopt(changesOf(pair, false), what)
      return pair.inbound.spi === using || pairs.length === 1 ? missing : undefined
    })
    const reason = (await Promise.all([found, ...results])).find((missing) => missing !== undefined)
    if (reason !== undefined) this.#ike.send({ on: 'disconnect', peer, reason: `lost in the restart: ${reason}` })
  }

  async #adoptCall({ call: id, peer, local, remote, sequencing }: StandingCall): Promise<void> {
    const call = this.#s.calls.get(id)
    if (!call) return
    const failure = await this.#adopt(
      [
        { do: 'addSession', session: call.id, peer, local, remote, sequencing },
        ...(call.configured ? [call.configured] : []),
      ],
      `session ${call.id} after the restart`,
    )
    if (failure !== undefined) this.#calls.finish(call, { why: `lost in the restart: ${failure}`, byPeer: false })
  }

  #adopt(changes: readonly Change[], what: string): Promise<string | undefined> {
    return new Promise((resolve) => this.#s.changes.apply(changes, what, resolve))
  }

  get calls(): ReadonlyMap<CallId, Call> {
    return this.#s.calls
  }

  get peers(): ReadonlyMap<PeerId, Peer> {
    return this.#s.peers
  }

  ike(input: IkeInput): void {
    this.#ike.send(input)
  }

  l2tp(input: L2tpInput): void {
    this.#l2tp.send(input)
  }

  ikeStatus(): readonly IkeSaStatus[] {
    return this.#ike.status()
  }

  l2tpStatus(): readonly L2tpTunnelStatus[] {
    return this.#l2tp.status()
  }

  /** Ends a call politely: LCP Terminate, then CDN. Its address carries nothing from now on. */
  end(call: Call, why: string): void {
    this.#calls.end(call, why)
  }

  /** Which networks are behind a call that carries packets. */
  routeTo(call: Call, networks: readonly string[]): void {
    this.#calls.routeTo(call, networks)
  }

  /** Ends a call at once: CDN, without a word of PPP. */
  hangUp(call: Call, why: string): void {
    this.#calls.finish(call, { why, byPeer: false })
  }

  /** Stops at once and says nothing; the fast path is the caller's. */
  close(): void {
    this.#closed = true
    this.#s.changes.close()
    this.#polling?.()
    this.driver.close()
  }

  /** Changes of the owner's own: tunnels. */
  apply(changes: readonly Change[], what: string): void {
    this.#s.changes.apply(changes, what)
  }

  originOf(peer: Peer | undefined, call?: Call): Origin {
    return originOf(peer, call)
  }

  // --- the fast path ---------------------------------------------------------------------------------------------------------------------

  #take(batch: readonly FastPathEvent[]): void {
    this.driver.batch(() => {
      for (const event of batch) {
        if (this.#held && event.on !== 'applied') this.#held.push(event)
        else this.driver.guard(`fast path event ${event.on}`, () => this.#onFastPath(event))
      }
    })
  }

  #onFastPath(event: FastPathEvent) {
    switch (event.on) {
      case 'applied':
        return this.#s.changes.applied(event)
      case 'ike':
        return this.#ike.send({ on: 'datagram', path: event.path, octets: event.octets })
      case 'control':
        if (this.#s.peers.has(event.peer)) this.#l2tp.send(event)
        return
      case 'ppp':
        return this.#s.calls
          .get(event.session)
          ?.seat.send({ on: 'frame', protocol: event.protocol, payload: event.payload })
      case 'dhcp':
        return this.#onDhcp(event.session, event.packet)
      case 'strayData':
        return this.#s.events.emit(
          { event: 'data.stray', tunnel: event.tunnel, session: event.session },
          originOf(this.#s.peers.get(event.peer)),
        )
      case 'unknownSpi':
        return this.#s.events.emit({ event: 'spi.unknown', spi: event.spi }, { peer: showEndpoint(event.path.remote) })
      case 'acquire':
        return this.#s.owner.acquire?.(event)
      case 'moved':
      case 'pairUsed':
      case 'sequenceLow':
        return this.#ike.send(event)
    }
  }

  #onDhcp(session: number, packet: Uint8Array): void {
    const call = this.#s.calls.get(session)
    if (!call || call.ended) return
    const answer = this.#s.owner.dhcp(call, packet)
    if (answer) this.#s.fastPath.sendPpp(session, 0x0021, answer)
  }

  /** Once a second while there are peers: who was heard, what moved. */
  #poll(): void {
    if (this.#polling || this.#closed || this.#s.peers.size === 0) return
    this.#polling = this.#s.platform.timers.after(activityMs, () => {
      this.#polling = undefined
      this.driver.batch(() => this.driver.guard('activity', () => this.#look()))
      this.#poll()
    })
  }

  /** Something came from a host whose calls had PPP ask for it. */
  #answerAsked(id: PeerId): void {
    for (const call of this.#s.peers.get(id)?.calls.values() ?? []) {
      if (!call.asked) continue
      call.asked = false
      call.seat.send({ on: 'heard', inbound: false, user: false, below: true })
    }
  }

  #look(): void {
    this.#lookedAt = this.#s.platform.clock.now()
    const moved = this.#s.activity.since(this.#s.fastPath.activity(), this.#s.platform.clock.now())
    if (moved.pairs.length > 0) this.#ike.send({ on: 'heard', pairs: moved.pairs })
    if (moved.peers.length > 0) this.#l2tp.send({ on: 'heard', peers: moved.peers })
    for (const peer of moved.peers) this.#answerAsked(peer)
    for (const counters of moved.tunnels) this.#s.owner.tunnelCounted?.(counters)
    for (const { counters, inbound, user, wrongSource } of moved.sessions) {
      const call = this.#s.calls.get(counters.session)
      if (!call || call.ended) continue
      this.#s.owner.counted(call, counters)
      if (inbound || user) call.seat.send({ on: 'heard', inbound, user })
      if (wrongSource > 0) {
        this.#s.events.emit(
          { event: 'session.wrong-source', session: call.id, packets: wrongSource },
          originOf(call.peer, call),
        )
      }
    }
  }
}
