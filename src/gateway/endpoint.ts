// One end of L2TP/IPsec, of either role: it wires IKE, L2TP and a PPP machine per call to the fast path, and keeps peers and calls.
// What makes it a gateway or a client (who may come in, which address, what a session means) is its owner's: gateway.ts, connect.ts.
//
// A login walks: `ike` datagrams → IKE → `install` → the fast path → `installed` → `peerUp`; L2TP control through that SA → `callUp` →
// `addSession` → a PPP machine, `up` → `verify` and `grant` of the owner → `network` → `configureSession`: packets flow, none of them here.
// The end walks back from whichever layer ends first: PPP `finished` → hangUp; L2TP `callDown` → PPP `down`; IKE `peerGone` → both.

import { isWeak } from '../algorithms/levels.ts'
import { parseIkeProposal, showEspProposal } from '../algorithms/proposals.ts'
import type {
  IkeEffect,
  IkeInput,
  IkePolicy,
  IkeSaId,
  IkeSaStatus,
  PeerGoneReason,
  PeerId,
  SaPair,
  StandingPeer,
} from '../ike/contract.ts'
import type { IkeEvent } from '../ike/events.ts'
import type { CallId, L2tpEffect, L2tpInput, L2tpPolicy, L2tpTunnelStatus, StandingCall } from '../l2tp/contract.ts'
import type { L2tpEvent } from '../l2tp/events.ts'
import type { Change, FastPath, FastPathEvent } from '../platform/fast-path.ts'
import type { Journal } from '../platform/journal.ts'
import type { PppEffect, PppInput } from '../ppp/contract.ts'
import type { PppEvent } from '../ppp/events.ts'
import { showEndpoint } from '../wire/address.ts'
import { printable } from '../wire/codec.ts'
import type { Records } from '../wire/durable.ts'
import type { Instant } from '../wire/machine.ts'
import { Activity } from './activity.ts'
import { Changes, changesOf, wipe } from './changes.ts'
import type { Cores, IkeMachine, L2tpMachine, PppMachine } from './cores.ts'
import { Driver, type Seat } from './driver.ts'
import type { EventLog } from './event-log.ts'
import type { Origin } from './events.ts'
import { type CallRecord, Keeper, type PeerRecord, under } from './keeper.ts'
import type { Call, CallEnd, EndpointOwner, Network, Peer } from './owner.ts'
import type { Platform } from './platform.ts'
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

/** Our own: a pair is installed in milliseconds. */
const announceMs = 60_000
/** Our own: IPsec without L2TP is kept so long for a client that dials again on it; a new dial takes a second, so ten minutes are generous. */
const idleMs = 600_000

/** Our own: calls of one peer that have not proved a password. Whoever has the pre-shared key can make them; a gateway that dials for others has a few at once. */
const mostUnproven = 64

/** Our own: peers without a session, in all: a thousand log-ins a second may be under way. */
const mostWithoutSession = 4096

export class Endpoint {
  readonly driver: Driver
  readonly #platform: Platform
  readonly #cores: Cores
  readonly #events: EventLog
  readonly #fastPath: FastPath
  readonly #owner: EndpointOwner
  readonly #ike: IkeMachine
  readonly #l2tp: L2tpMachine
  readonly #ikeSeat: Seat<IkeInput>
  readonly #l2tpSeat: Seat<L2tpInput>
  readonly #peers = new Map<PeerId, Peer>()
  readonly #calls = new Map<CallId, Call>()
  readonly #sas = new Map<IkeSaId, { proposal: string; weak: boolean; natted: boolean }>()
  readonly #changes: Changes
  readonly #activity = new Activity()
  /** Peers that were without L2TP last at this moment; each has a timer. */
  readonly #idleSince = new Map<PeerId, Instant>()
  #polling: (() => void) | undefined
  #closed = false
  readonly #keeper: Keeper | undefined
  readonly #gate: WriteAhead | undefined
  /** Events that came before `resume` was over: until then the fast path looks for what it is told among what is there. */
  #held: FastPathEvent[] | undefined

  constructor({ platform, cores, events, fastPath, ikePolicy, l2tpPolicy, owner, journal }: EndpointOptions) {
    this.#platform = platform
    this.#cores = cores
    this.#events = events
    this.#owner = owner
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
    this.#ike = cores.ike(ikePolicy, records && { records: under('ike/', records), now })
    this.#l2tp = cores.l2tp(l2tpPolicy, records && { records: under('l2tp/', records), now })
    if (journal) {
      const parts = { journal, ike: this.#ike, l2tp: this.#l2tp, peers: this.#peers, calls: this.#calls, owner }
      const keeper = new Keeper(parts)
      this.#keeper = keeper
      this.#gate = new WriteAhead(fastPath, {
        write: () => keeper.write(),
        busy: () => this.driver.busy,
        guard: (act) => this.driver.guard('fast path', act),
      })
    }
    this.#fastPath = this.#gate ?? fastPath
    this.#changes = new Changes(this.#fastPath, events)
    this.#ikeSeat = this.driver.seat<IkeInput, IkeEffect>({
      name: 'ike',
      machine: this.#ike,
      tick: { on: 'tick' },
      execute: (effect) => this.#onIke(effect),
      broken: (input) => this.#ikeBroke(input),
    })
    this.#l2tpSeat = this.driver.seat<L2tpInput, L2tpEffect>({
      name: 'l2tp',
      machine: this.#l2tp,
      tick: { on: 'tick' },
      execute: (effect) => this.#onL2tp(effect),
      broken: (input) => this.#l2tpBroke(input),
    })
    this.#held = records ? [] : undefined
    fastPath.listen((batch) => this.#take(batch))
  }

  /** A change of nothing, there and back through the fast path's queue. */
  pulse(): Promise<void> {
    return new Promise((resolve) => this.#changes.apply([], 'a sign of life', () => resolve()))
  }

  /**
   * Goes on with what an earlier endpoint had: each peer and call is given to the fast path again, which finds it there. What it does not find ends, and is
   * said goodbye to. Resolves when all is decided.
   */
  async resume(records: Records): Promise<void> {
    for (const { peer: id, path, client } of this.#ike.standing()) {
      const kept = records.get(`peer/${id}`) as PeerRecord | undefined
      const unknown = { ike: '', esp: '', weak: false, natted: false }
      this.#peers.set(id, { id, path, client, ...(kept ?? unknown), calls: new Map(), up: true })
      this.#keeper?.peerChanged(id)
    }
    for (const { id, proposal, natted } of this.#ike.status())
      if (proposal !== undefined) this.#sas.set(id, { proposal, weak: weakIke(proposal), natted })
    const next = this.#l2tp.standing().map((call) => this.#resumeCall(call, records))
    const peers = this.#ike.standing().map((peer) => this.#adoptPeer(peer))
    const calls = this.#l2tp.standing().map((call) => this.#adoptCall(call))
    await Promise.all([...peers, ...calls])
    for (const go of next) go()
    const tunnels = new Set(this.#l2tp.status().map(({ peer }) => peer))
    for (const id of this.#peers.keys()) if (!tunnels.has(id)) this.#idle(id)
    for (const id of tunnels) if (!this.#peers.has(id)) this.#l2tpSeat.send({ on: 'peerGone', peer: id })
    this.#fastPath.forgetTheRest?.()
    const held = this.#held ?? []
    this.#held = undefined
    this.#take(held)
    // What was counted before is counted.
    this.#activity.since(this.#fastPath.activity(), this.#platform.clock.now())
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
    if (reason !== undefined) this.#ikeSeat.send({ on: 'disconnect', peer, reason: `lost in the restart: ${reason}` })
  }

  async #adoptCall({ call: id, peer, local, remote, sequencing }: StandingCall): Promise<void> {
    const call = this.#calls.get(id)
    if (!call) return
    const failure = await this.#adopt(
      [
        { do: 'addSession', session: call.id, peer, local, remote, sequencing },
        ...(call.configured ? [call.configured] : []),
      ],
      `session ${call.id} after the restart`,
    )
    if (failure !== undefined) this.#finish(call, { why: `lost in the restart: ${failure}`, byPeer: false })
  }

  #adopt(changes: readonly Change[], what: string): Promise<string | undefined> {
    return new Promise((resolve) => this.#changes.apply(changes, what, resolve))
  }

  /** Seats the call. Returns what is to be done once the fast path has it: nothing, negotiate its link anew, or end it. */
  #resumeCall(standing: StandingCall, records: Records): () => void {
    const peer = this.#peers.get(standing.peer)
    if (!peer) return () => {}
    const record = records.get(`call/${standing.call}`) as CallRecord | undefined
    const policy = this.#owner.pppPolicy(peer)
    const former = record?.link && { record: record.link, now: this.#platform.clock.now() }
    const call = this.#seatCall(standing, peer, this.#cores.ppp(policy, former))
    call.configured = record?.configured
    if (!record || record.leaving || !this.#owner.resumed(call, record.kept))
      return () => this.#finish(call, { why: 'it was ending when the gateway was restarted', byPeer: false })
    return former ? () => {} : () => call.seat.send({ on: 'up' })
  }

  get calls(): ReadonlyMap<CallId, Call> {
    return this.#calls
  }

  get peers(): ReadonlyMap<PeerId, Peer> {
    return this.#peers
  }

  ike(input: IkeInput): void {
    this.#ikeSeat.send(input)
  }

  l2tp(input: L2tpInput): void {
    this.#l2tpSeat.send(input)
  }

  ikeStatus(): readonly IkeSaStatus[] {
    return this.#ike.status()
  }

  l2tpStatus(): readonly L2tpTunnelStatus[] {
    return this.#l2tp.status()
  }

  /** Ends a call politely: LCP Terminate, then CDN. Its address carries nothing from now on. */
  end(call: Call, why: string): void {
    if (call.ended) return
    this.#changes.apply([{ do: 'configureSession', session: call.id, ...shut }], `to close session ${call.id}`)
    call.seat.send({ on: 'close', reason: why })
  }

  /** Ends a call at once: CDN, without a word of PPP. */
  hangUp(call: Call, why: string): void {
    this.#finish(call, { why, byPeer: false })
  }

  /** Stops at once and says nothing; the fast path is the caller's. */
  close(): void {
    this.#closed = true
    this.#changes.close()
    this.#polling?.()
    this.driver.close()
  }

  /** What the log adds to an event of a peer or a call. */
  originOf(peer: Peer | undefined, call?: Call): Origin {
    return {
      peer: peer && showEndpoint(peer.path.remote),
      client: peer?.client,
      user: call?.link.status().user,
      address: call?.link.status().address,
      session: call?.id,
    }
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
        return this.#changes.applied(event)
      case 'ike':
        return this.#ikeSeat.send({ on: 'datagram', path: event.path, octets: event.octets })
      case 'control':
        if (this.#peers.has(event.peer)) this.#l2tpSeat.send(event)
        return
      case 'ppp':
        return this.#calls
          .get(event.session)
          ?.seat.send({ on: 'frame', protocol: event.protocol, payload: event.payload })
      case 'dhcp':
        return this.#onDhcp(event.session, event.packet)
      case 'strayData':
        return this.#events.emit(
          { event: 'data.stray', tunnel: event.tunnel, session: event.session },
          this.originOf(this.#peers.get(event.peer)),
        )
      case 'unknownSpi':
        return this.#events.emit({ event: 'spi.unknown', spi: event.spi }, { peer: showEndpoint(event.path.remote) })
      case 'moved':
      case 'pairUsed':
      case 'sequenceLow':
        return this.#ikeSeat.send(event)
    }
  }

  #onDhcp(session: number, packet: Uint8Array): void {
    const call = this.#calls.get(session)
    if (!call || call.ended) return
    const answer = this.#owner.dhcp(call, packet)
    if (answer) this.#fastPath.sendPpp(session, 0x0021, answer)
  }

  /** Once a second while there are peers: who was heard, what moved. */
  #poll(): void {
    if (this.#polling || this.#closed || this.#peers.size === 0) return
    this.#polling = this.#platform.timers.after(activityMs, () => {
      this.#polling = undefined
      this.driver.batch(() => this.driver.guard('activity', () => this.#look()))
      this.#poll()
    })
  }

  #look(): void {
    const moved = this.#activity.since(this.#fastPath.activity(), this.#platform.clock.now())
    if (moved.pairs.length > 0) this.#ikeSeat.send({ on: 'heard', pairs: moved.pairs })
    if (moved.peers.length > 0) this.#l2tpSeat.send({ on: 'heard', peers: moved.peers })
    for (const { counters, inbound, user, wrongSource } of moved.sessions) {
      const call = this.#calls.get(counters.session)
      if (!call || call.ended) continue
      this.#owner.counted(call, counters)
      if (inbound || user) call.seat.send({ on: 'heard', inbound, user })
      if (wrongSource > 0) {
        this.#events.emit(
          { event: 'session.wrong-source', session: call.id, packets: wrongSource },
          this.originOf(call.peer, call),
        )
      }
    }
  }

  // --- IKE -------------------------------------------------------------------------------------------------------------------------------

  #onIke(effect: IkeEffect) {
    switch (effect.do) {
      case 'send':
        return this.#fastPath.sendIke(effect.path, effect.octets)
      case 'keepalive':
        return this.#fastPath.sendKeepalive(effect.path)
      case 'work':
        return this.driver.job(
          this.#ikeSeat,
          () => this.#platform.work(effect.work),
          (result): IkeInput => ({ on: 'done', job: effect.job, result }),
          (error): IkeInput => ({ on: 'done', job: effect.job, result: { is: 'failed', reason: String(error) } }),
        )
      case 'install':
        return this.#install(effect.job, effect.pair, effect.newPeer)
      case 'use':
        return this.#changes.apply([{ ...effect, do: 'useOutbound' }], 'to use a new pair')
      case 'remove':
        this.#activity.forgetPair(effect.inboundSpi)
        return this.#changes.apply([{ ...effect, do: 'removePair' }], 'to remove a pair')
      case 'move': {
        const peer = this.#peers.get(effect.peer)
        if (peer) peer.path = effect.path
        return this.#changes.apply([effect], 'to move a peer')
      }
      case 'peerUp':
        return this.#peerUp(effect)
      case 'peerGone':
        return this.#peerGone(effect.peer, effect.reason)
      case 'retrying':
        return this.#owner.retrying(effect.request, effect.reason)
      case 'failed':
        return this.#owner.failed(effect.request, effect.reason)
      case 'report':
        return this.#ikeReports(effect.event)
    }
  }

  #ikeReports(event: IkeEvent): void {
    if (event.event === 'ike.sa.established') {
      this.#sas.set(event.sa, { proposal: event.proposal, weak: event.weak, natted: event.natted })
    }
    const peer = 'peer' in event && event.peer !== undefined ? this.#peers.get(event.peer) : undefined
    this.#events.emit(event, this.originOf(peer))
    if (event.event === 'ike.sa.closed') this.#sas.delete(event.sa)
  }

  #install(job: number, pair: SaPair, newPeer: boolean): void {
    const sa = this.#sas.get(pair.ikeSa)
    const known = this.#peers.get(pair.peer)
    const peer: Peer = known ?? {
      id: pair.peer,
      path: pair.path,
      client: 'unknown',
      ike: '',
      esp: '',
      weak: false,
      natted: false,
      calls: new Map(),
      up: false,
    }
    this.#peers.set(peer.id, peer)
    if (newPeer) this.#expectUp(peer)
    this.#changes.apply(changesOf(pair, newPeer), `an ESP pair with ${showEndpoint(pair.path.remote)}`, (failure) => {
      if (failure === undefined) {
        peer.ike = sa?.proposal ?? peer.ike
        peer.esp = showEspProposal(pair.proposal)
        peer.weak = (sa?.weak ?? false) || isWeak(pair.proposal)
        peer.natted = sa?.natted ?? pair.encapsulated
        this.#keeper?.peerChanged(peer.id)
      } else if (newPeer) {
        this.#peers.delete(peer.id)
      }
      this.#ikeSeat.send(failure === undefined ? { on: 'installed', job } : { on: 'installed', job, failure })
    })
    if (this.#gate) this.#gate.afterwards(() => wipe(pair))
    else wipe(pair)
    this.#poll()
  }

  /** A negotiation can end while its pair is being installed: then IKE never announces the peer, and nobody else would take it away. */
  #expectUp(peer: Peer): void {
    this.#platform.timers.after(announceMs, () => {
      if (peer.up || this.#closed || this.#peers.get(peer.id) !== peer) return
      this.#peers.delete(peer.id)
      this.#changes.apply([{ do: 'removePeer', peer: peer.id }], 'to remove a peer that never came up')
    })
  }

  #peerUp({ peer: id, request, path, client }: Extract<IkeEffect, { do: 'peerUp' }>): void {
    const peer = this.#peers.get(id)
    if (!peer) return
    peer.path = path
    peer.client = client
    peer.up = true
    this.#keeper?.peerChanged(id)
    this.#owner.peerUp(peer, request)
    this.#makeRoom(peer)
  }

  /** A client logs in within seconds; whoever has the pre-shared key can make peers that never do. The oldest of these gives way. */
  #makeRoom(newest: Peer): void {
    if (this.#peers.size <= mostWithoutSession) return
    const idle = [...this.#peers.values()].filter((peer) => peer.up && peer !== newest && !hasSession(peer))
    if (idle.length < mostWithoutSession) return
    this.#ikeSeat.send({ on: 'disconnect', peer: idle[0]!.id, reason: 'no session for longest among too many' })
  }

  #peerGone(id: PeerId, reason: PeerGoneReason): void {
    const peer = this.#peers.get(id)
    if (!peer) return
    for (const call of [...peer.calls.values()])
      this.#drop(call, { why: goneBecause[reason], byPeer: reason === 'deleted-by-peer' })
    this.#l2tpSeat.send({ on: 'peerGone', peer: id })
    this.#peers.delete(id)
    this.#keeper?.peerChanged(id)
    this.#changes.apply([{ do: 'removePeer', peer: id }], 'to remove a peer')
    this.#owner.peerGone(peer, reason)
  }

  /**
   * A bug while IKE handled something of a peer: that peer goes, by Delete where IKE can still say it. A datagram only claims who sent it: it is lost, and
   * retransmission or dead-peer detection sees to the rest.
   */
  #ikeBroke(input: IkeInput): void {
    if (!('peer' in input)) return
    if (input.on !== 'disconnect') this.#ikeSeat.send({ on: 'disconnect', peer: input.peer, reason: 'a bug of ours' })
    else this.#peerGone(input.peer, 'disconnected')
  }

  // --- L2TP ------------------------------------------------------------------------------------------------------------------------------

  #onL2tp(effect: L2tpEffect) {
    switch (effect.do) {
      case 'send':
        return this.#fastPath.sendControl(effect.peer, effect.localPort, effect.remotePort, effect.octets)
      case 'callUp':
        return this.#callUp(effect)
      case 'callDown': {
        const call = this.#calls.get(effect.call)
        // PPP that says goodbye knows why; its `finished` tells.
        if (call?.link.status().phase === 'terminate') call.seat.send({ on: 'down' })
        else if (call) this.#drop(call, { why: effect.reason, byPeer: true })
        return
      }
      case 'callFailed':
        return this.#owner.failed(effect.request, effect.reason)
      case 'idle':
        return this.#idle(effect.peer)
      case 'report':
        return this.#l2tpReports(effect.event)
    }
  }

  /** Nothing is above the SAs any more. A host that doesn't come back for a while has gone, and its Delete was lost. */
  #idle(id: PeerId): void {
    const waiting = this.#idleSince.has(id)
    this.#idleSince.set(id, this.#platform.clock.now())
    if (!waiting) this.#platform.timers.after(idleMs, () => this.#idleDue(id))
  }

  #idleDue(id: PeerId): void {
    const left = (this.#idleSince.get(id) ?? 0) + idleMs - this.#platform.clock.now()
    if (left > 0 && this.#peers.has(id)) {
      this.#platform.timers.after(left, () => this.#idleDue(id))
      return
    }
    this.#idleSince.delete(id)
    const peer = this.#peers.get(id)
    if (!peer || peer.calls.size > 0 || this.#l2tp.status().some((tunnel) => tunnel.peer === id)) return
    this.#ikeSeat.send({ on: 'disconnect', peer: id, reason: 'no L2TP for ten minutes' })
  }

  #l2tpReports(event: L2tpEvent): void {
    const call = 'call' in event ? this.#calls.get(event.call) : undefined
    this.#events.emit(event, this.originOf(this.#peers.get(event.peer), call))
  }

  #callUp(up: Extract<L2tpEffect, { do: 'callUp' }>): void {
    const peer = this.#peers.get(up.peer)
    if (!peer) {
      this.#l2tpSeat.send({ on: 'hangUp', call: up.call, result: 2, error: 0, text: 'no such peer' })
      return
    }
    const unproven = [...peer.calls.values()].filter(({ link }) => link.status().phase !== 'network').length
    if (unproven >= mostUnproven) {
      const why = `${unproven} calls of this peer have not logged in yet; more are taken when some have`
      this.#events.emit({ event: 'l2tp.session.refused', peer: peer.id, why, userSees: undefined }, this.originOf(peer))
      this.#l2tpSeat.send({ on: 'hangUp', call: up.call, ...noFacilities, text: 'too many calls without a log-in' })
      return
    }
    const call = this.#seatCall(up, peer, this.#cores.ppp(this.#owner.pppPolicy(peer)))
    const { seat } = call
    const { local, remote, sequencing } = up
    this.#changes.apply(
      [{ do: 'addSession', session: call.id, peer: peer.id, local, remote, sequencing }],
      `session ${call.id}`,
      (failure) => {
        if (failure === undefined) seat.send({ on: 'up' })
        else this.#finish(call, { why: failure, byPeer: false })
      },
    )
  }

  #seatCall({ call: id, peerHostName: hostName }: StandingCall, peer: Peer, link: PppMachine): Call {
    const seat = this.driver.seat<PppInput, PppEffect>({
      name: `ppp call ${id}`,
      machine: link,
      tick: { on: 'tick' },
      execute: (effect) => this.#onPpp(call, effect),
      // What was heard when is told again by whoever counts it.
      handled: (input) => {
        if (input.on !== 'heard') this.#keeper?.callChanged(id)
      },
      broken: () => this.#finish(call, { why: 'a bug of ours', byPeer: false }),
    })
    const call: Call = { id, peer, hostName, seat, link, configured: undefined, silent: false, ended: false }
    this.#calls.set(id, call)
    peer.calls.set(id, call)
    this.#keeper?.callChanged(id)
    return call
  }

  #l2tpBroke(input: L2tpInput): void {
    const peer = 'peer' in input ? input.peer : input.on === 'hangUp' ? this.#calls.get(input.call)?.peer.id : undefined
    if (peer !== undefined && input.on !== 'peerGone')
      this.#ikeSeat.send({ on: 'disconnect', peer, reason: 'a bug of ours' })
  }

  // --- PPP -------------------------------------------------------------------------------------------------------------------------------

  #onPpp(call: Call, effect: PppEffect) {
    if (effect.do === 'report') return this.#pppReports(call, effect.event)
    if (call.ended) return
    switch (effect.do) {
      case 'send':
        return this.#fastPath.sendPpp(call.id, effect.protocol, effect.payload)
      case 'verify':
        return this.driver.job(
          call.seat,
          () => this.#owner.verify(call, effect.attempt),
          (verdict): PppInput => ({ on: 'verdict', job: effect.job, verdict }),
          (error): PppInput => ({
            on: 'verdict',
            job: effect.job,
            verdict: {
              is: 'refused',
              error: 691,
              retry: false,
              why: `the password could not be checked: ${String(error)}`,
            },
          }),
        )
      case 'grant':
        return call.seat.send({ on: 'grant', job: effect.job, grant: this.#owner.grant(call, effect.user) })
      case 'network':
        return this.#network(call, effect)
      case 'finished':
        return this.#finish(call, { why: effect.reason, byPeer: effect.byPeer }, effect.toPeer)
    }
  }

  #pppReports(call: Call, event: PppEvent): void {
    if (event.event === 'ppp.peer.silent') call.silent = true
    this.#events.emit(event, this.originOf(call.peer, call))
  }

  #network(call: Call, network: Network): void {
    const { networks, anySource } = this.#owner.network(call, network)
    call.configured = {
      do: 'configureSession',
      session: call.id,
      acfc: network.acfc,
      pfc: network.pfc,
      mtu: network.mtu,
      address: network.ipv4?.peers,
      networks,
      ...(anySource ? { anySource } : {}),
      ...(network.ipv6 ? { interfaceId: network.ipv6.peers } : {}),
    }
    this.#changes.apply([call.configured], `session ${call.id}`)
  }

  /** PPP is over: CDN, and where the host fell silent and carries nothing else, its SAs go too. */
  #finish(call: Call, end: CallEnd, toPeer = end.byPeer ? '' : end.why): void {
    if (call.ended) return
    const { peer, silent } = call
    this.#l2tpSeat.send({
      on: 'hangUp',
      call: call.id,
      ...administrative,
      text: printable(toPeer, 120),
    })
    this.#drop(call, end)
    if (silent && peer.calls.size === 0) this.#ikeSeat.send({ on: 'disconnect', peer: peer.id, reason: 'silent' })
  }

  /** Takes a call away; L2TP knows already. */
  #drop(call: Call, end: CallEnd): void {
    if (call.ended) return
    this.#look()
    call.ended = true
    this.#keeper?.callChanged(call.id)
    this.#owner.ended(call, end)
    this.#calls.delete(call.id)
    call.peer.calls.delete(call.id)
    this.#activity.forgetSession(call.id)
    this.#changes.apply([{ do: 'removeSession', session: call.id }], `to remove session ${call.id}`)
    call.seat.leave({ on: 'down' })
  }
}

/** CDN's result code 3: the call was ended for administrative reasons (RFC 2661 §4.4.2), as Windows itself says it. */
const administrative = { result: 3, error: 0 } as const

function weakIke(proposal: string): boolean {
  const parsed = parseIkeProposal(proposal)
  return parsed.is === 'proposal' && isWeak(parsed.proposal)
}

function hasSession({ calls }: Peer): boolean {
  return [...calls.values()].some(({ link }) => link.status().phase === 'network')
}

/** CDN's result code 4 and general error 4: no facilities at the moment, insufficient resources (RFC 2661 §4.4.2). */
const noFacilities = { result: 4, error: 4 } as const

/** What a session is set to while it says goodbye: no packet passes. */
const shut = { acfc: false, pfc: false, mtu: 1400, address: undefined, networks: [] } as const

const goneBecause: Record<PeerGoneReason, string> = {
  'deleted-by-peer': 'the client closed IPsec',
  dead: 'the client is gone without a word (dead-peer detection)',
  expired: 'the last ESP SA expired and no successor came',
  disconnected: 'IPsec with the client was closed by us',
  replaced: 'the same client came anew',
  shutdown: 'the gateway stops',
}
