// IKE at an endpoint: its effects become sends, jobs and changes to the fast path; peers come and go.
import { isWeak } from '../algorithms/levels.ts'
import { parseIkeProposal, showEspProposal } from '../algorithms/proposals.ts'
import type {
  IkeEffect,
  IkeInput,
  IkeSaId,
  IkeSaStatus,
  PeerGoneReason,
  PeerId,
  SaPair,
  StandingPeer,
} from '../ike/contract.ts'
import type { IkeEvent } from '../ike/events.ts'
import { showEndpoint } from '../wire/address.ts'
import type { Records } from '../wire/durable.ts'
import { changesOf, wipe } from './changes.ts'
import type { IkeMachine } from './cores.ts'
import type { Seat } from './driver.ts'
import type { PeerRecord } from './keeper.ts'
import type { Peer } from './owner.ts'
import { originOf, type Surroundings } from './surroundings.ts'
import { Waiting } from './waiting.ts'

/** Our own: a pair is installed in milliseconds. */
const announceMs = 60_000

/** Our own: peers without a session, in all: a thousand log-ins a second may be under way. */
const mostWithoutSession = 4096

export class IkeSide {
  readonly #s: Surroundings
  readonly #machine: IkeMachine
  readonly #seat: Seat<IkeInput>
  readonly #sas = new Map<IkeSaId, { proposal: string; weak: boolean; natted: boolean }>()
  /** Peers whose first pair is being installed. */
  readonly #expected: Waiting<Peer>

  constructor(surroundings: Surroundings, machine: IkeMachine) {
    this.#s = surroundings
    this.#machine = machine
    this.#expected = new Waiting(surroundings.platform, announceMs, (peer) => this.#neverUp(peer))
    this.#seat = surroundings.driver.seat<IkeInput, IkeEffect>({
      name: 'ike',
      machine,
      tick: { on: 'tick' },
      execute: (effect) => this.#on(effect),
      broken: (input) => this.#broke(input),
    })
  }

  send(input: IkeInput): void {
    this.#seat.send(input)
  }

  status(): readonly IkeSaStatus[] {
    return this.#machine.status()
  }

  /** The peers that an earlier endpoint had. */
  resume(records: Records): readonly StandingPeer[] {
    for (const { peer: id, path, client } of this.#machine.standing()) {
      const kept = records.get(`peer/${id}`) as PeerRecord | undefined
      const unknown = { ike: '', esp: '', weak: false, natted: false }
      const peer: Peer = { id, path, client, ...(kept ?? unknown), calls: new Map(), up: true }
      this.#s.peers.set(id, peer)
      this.#s.idle.add(peer)
      this.#s.keeper?.peerChanged(id)
    }
    for (const { id, proposal, natted } of this.#machine.status())
      if (proposal !== undefined) this.#sas.set(id, { proposal, weak: weakIke(proposal), natted })
    return this.#machine.standing()
  }

  #on(effect: IkeEffect) {
    switch (effect.do) {
      case 'send':
        return this.#s.fastPath.sendIke(effect.path, effect.octets)
      case 'keepalive':
        return this.#s.fastPath.sendKeepalive(effect.path)
      case 'work':
        return this.#s.driver.job(
          this.#seat,
          () => this.#s.platform.work(effect.work),
          (result): IkeInput => ({ on: 'done', job: effect.job, result }),
          (error): IkeInput => ({ on: 'done', job: effect.job, result: { is: 'failed', reason: String(error) } }),
        )
      case 'certificateWork':
        return this.#s.driver.job(
          this.#seat,
          () => this.#s.platform.certificates?.work(effect.work) ?? Promise.reject(new Error('no certificates here')),
          (result): IkeInput => ({ on: 'done', job: effect.job, result }),
          (error): IkeInput => ({ on: 'done', job: effect.job, result: { is: 'failed', reason: String(error) } }),
        )
      case 'install':
        return this.#install(effect.job, effect.pair, effect.newPeer)
      case 'use':
        return this.#s.changes.apply([{ ...effect, do: 'useOutbound' }], 'to use a new pair')
      case 'remove':
        this.#s.activity.forgetPair(effect.inboundSpi)
        this.#s.owner.pairDown?.(effect.inboundSpi)
        return this.#s.changes.apply([{ ...effect, do: 'removePair' }], 'to remove a pair')
      case 'move': {
        const peer = this.#s.peers.get(effect.peer)
        if (peer) peer.path = effect.path
        return this.#s.changes.apply([effect], 'to move a peer')
      }
      case 'peerUp':
        return this.#peerUp(effect)
      case 'peerGone':
        return this.#peerGone(effect.peer, effect.reason)
      case 'retrying':
        return this.#s.owner.retrying(effect.request, effect.reason)
      case 'failed':
        return this.#s.owner.failed(effect.request, effect.reason, effect.silent ?? false)
      case 'report':
        return this.#report(effect.event)
    }
  }

  #report(event: IkeEvent): void {
    if (event.event === 'ike.sa.established') {
      this.#sas.set(event.sa, { proposal: event.proposal, weak: event.weak, natted: event.natted })
    }
    const peer = 'peer' in event && event.peer !== undefined ? this.#s.peers.get(event.peer) : undefined
    this.#s.events.emit(event, originOf(peer))
    if (event.event === 'ike.sa.closed') this.#sas.delete(event.sa)
  }

  #install(job: number, pair: SaPair, newPeer: boolean): void {
    const sa = this.#sas.get(pair.ikeSa)
    const known = this.#s.peers.get(pair.peer)
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
    this.#s.peers.set(peer.id, peer)
    if (newPeer) this.#expected.add(peer)
    this.#s.changes.apply(changesOf(pair, newPeer), `an ESP pair with ${showEndpoint(pair.path.remote)}`, (failure) => {
      if (failure === undefined) {
        peer.ike = sa?.proposal ?? peer.ike
        peer.esp = showEspProposal(pair.proposal)
        peer.weak = (sa?.weak ?? false) || isWeak(pair.proposal)
        peer.natted = sa?.natted ?? pair.encapsulated
        this.#s.keeper?.peerChanged(peer.id)
        if (pair.tunnel) {
          peer.site = pair.tunnel.site
          this.#s.owner.pairUp?.(peer, pair)
        }
      } else if (newPeer) {
        this.#s.peers.delete(peer.id)
      }
      this.#s.ike(failure === undefined ? { on: 'installed', job } : { on: 'installed', job, failure })
    })
    this.#s.afterwards(() => wipe(pair))
    this.#s.poll()
  }

  /** A negotiation can end while its pair is being installed: then IKE never announces the peer, and nobody else would take it away. */
  #neverUp(peer: Peer): void {
    if (peer.up || this.#s.closed() || this.#s.peers.get(peer.id) !== peer) return
    this.#s.peers.delete(peer.id)
    this.#s.changes.apply([{ do: 'removePeer', peer: peer.id }], 'to remove a peer that never came up')
  }

  #peerUp({ peer: id, request, path, client }: Extract<IkeEffect, { do: 'peerUp' }>): void {
    const peer = this.#s.peers.get(id)
    if (!peer) return
    peer.path = path
    peer.client = client
    peer.up = true
    this.#expected.drop(peer)
    this.#s.keeper?.peerChanged(id)
    this.#s.owner.peerUp(peer, request)
    this.#makeRoom(peer)
  }

  /** A client logs in within seconds; whoever has the pre-shared key can make peers that never do. The oldest of these gives way. */
  #makeRoom(newest: Peer): void {
    const { idle, peers } = this.#s
    idle.add(newest)
    if (idle.size <= mostWithoutSession) return
    // Who has one by now is looked at once, not at every peer that comes: ten thousand may dial at the same moment.
    for (const peer of idle)
      if (peers.get(peer.id) !== peer || peer.site !== undefined || hasSession(peer)) idle.delete(peer)
    const [oldest] = idle
    if (oldest && idle.size > mostWithoutSession)
      this.#s.ike({ on: 'disconnect', peer: oldest.id, reason: 'no session for longest among too many' })
  }

  #peerGone(id: PeerId, reason: PeerGoneReason): void {
    const peer = this.#s.peers.get(id)
    if (!peer) return
    for (const call of [...peer.calls.values()])
      this.#s.drop(call, { why: goneBecause[reason], byPeer: reason === 'deleted-by-peer' })
    this.#s.l2tp({ on: 'peerGone', peer: id })
    this.#s.peers.delete(id)
    this.#s.idle.delete(peer)
    this.#expected.drop(peer)
    this.#s.keeper?.peerChanged(id)
    this.#s.changes.apply([{ do: 'removePeer', peer: id }], 'to remove a peer')
    this.#s.owner.peerGone(peer, reason)
  }

  /**
   * A bug while IKE handled something of a peer: that peer goes, by Delete where IKE can still say it. A datagram only claims who sent it: it is lost, and
   * retransmission or dead-peer detection sees to the rest.
   */
  #broke(input: IkeInput): void {
    if (!('peer' in input)) return
    if (input.on !== 'disconnect') this.#s.ike({ on: 'disconnect', peer: input.peer, reason: 'a bug of ours' })
    else this.#peerGone(input.peer, 'disconnected')
  }
}

function hasSession({ calls }: Peer): boolean {
  return [...calls.values()].some(({ link }) => link.status().phase === 'network')
}

function weakIke(proposal: string): boolean {
  const parsed = parseIkeProposal(proposal)
  return parsed.is === 'proposal' && isWeak(parsed.proposal)
}

const goneBecause: Record<PeerGoneReason, string> = {
  'deleted-by-peer': 'the client closed IPsec',
  dead: 'the client is gone without a word (dead-peer detection)',
  expired: 'the last ESP SA expired and no successor came',
  disconnected: 'IPsec with the client was closed by us',
  replaced: 'the same client came anew',
  shutdown: 'the gateway stops',
}
