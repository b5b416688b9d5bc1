// Remote hosts and their SA pairs: who inherits from whom, which pair carries packets, when a pair drains and when a peer is gone.
// A peer is told by the SA pairs that its packets come through. A successor inherits through its ISAKMP SA, else by equal ID and
// authenticated outer address and port; so four neighbours behind one NAT with one private ID stay four peers.

import { isWeak } from '../algorithms/levels.ts'
import { showEspProposal } from '../algorithms/proposals.ts'
import { type Path, sameEndpoint, samePath } from '../wire/address.ts'
import type { PeerGoneReason, PeerId } from './contract.ts'
import { armProbe, firstSequence } from './dpd.ts'
import { armPairTimers, disarmPair } from './lifetimes.ts'
import { challenge, exchangedHere, provenHere, vouch } from './return-path.ts'
import { standingSa } from './sa.ts'
import { sameTraffic } from './sites.ts'
import type { IkeSa, Pair, Peer, QuickMode, Selectors } from './state.ts'
import { proposalInUse } from './truncation.ts'
import { arm, emit, report, type Turn } from './turn.ts'

// Ours, with reasons.
/** A peer without a pair may still bring a successor: Windows deletes the old pair before L2TP has an answer and makes a new one (design §1.2). */
const successorMs = 5_000
/** A replaced pair is kept inbound until it was quiet for so long: old KAME stacks prefer the old SA until it dies. */
const quietMs = 30_000
/** Replaced pairs kept at once. */
const mostDraining = 8
/** Renewed by both sides within so long of one another: at once. Nobody renews so soon what has just been renewed (lifetimes.ts). */
const atOnceMs = 5_000
/** A pair that came while its ISAKMP SA was replaced is renewed after so long, well before the old one is deleted (phase1.ts, and strongSwan after 10 s). */
const stragglerMs = 500
/** A pair may have come to the peer after it took over its pairs into a new ISAKMP SA, if it is not older than this when that one stands here. */
const perhapsLateMs = 3_000
/** Packets that the peer sent on a pair before it said Delete may still be on their way. */
const lingerMs = 3_000

/** The peer that a new pair of this ISAKMP SA belongs to. */
export function peerOf(turn: Turn, sa: IkeSa): Peer {
  return heir(turn, sa) ?? newPeer(turn, sa)
}

/** Ties an ISAKMP SA, once authenticated, to the peer whose successor it is, if there is one. */
export function inherit(turn: Turn, sa: IkeSa): void {
  heir(turn, sa)
}

function heir(turn: Turn, sa: IkeSa): Peer | undefined {
  const own = sa.peer === undefined ? undefined : turn.state.peers.get(sa.peer)
  const found = own ?? samePeers(turn, sa)[0]
  sa.peer = found?.id
  if (!found) return undefined
  found.sas.add(sa.id)
  turn.state.bare.delete(sa.id)
  vouch(sa, found)
  return found
}

/** Peers with the same authenticated ID at the same outer address and port, the newest first; the address is shown to be theirs and the SA's. */
function samePeers(turn: Turn, sa: IkeSa): Peer[] {
  if (!exchangedHere(sa)) return []
  const atEndpoint = turn.state.peersByRemote.get(remoteKey(sa.path))
  return [...(atEndpoint ?? [])]
    .map((id) => turn.state.peers.get(id)!)
    .filter((peer) => peer.identity === sa.identity && provenHere(peer))
    .reverse()
}

function newPeer(turn: Turn, sa: IkeSa): Peer {
  const peer: Peer = {
    id: turn.state.next.peer++,
    identity: sa.identity ?? '',
    client: sa.client,
    path: sa.path,
    provenAt: exchangedHere(sa) ? sa.exchangedWith : undefined,
    challenge: undefined,
    sas: new Set([sa.id]),
    pairs: new Map(),
    using: undefined,
    heardAt: turn.now,
    sentAt: undefined,
    probe: undefined,
    sequence: firstSequence(turn.random),
    request: sa.request?.number,
    announced: false,
    inFastPath: false,
    lostBecause: 'expired',
  }
  turn.state.peers.set(peer.id, peer)
  indexRemote(turn, peer)
  sa.peer = peer.id
  turn.state.bare.delete(sa.id)
  return peer
}

const remoteKey = (path: Path) => `${path.remote.address} ${path.remote.port}`

function indexRemote(turn: Turn, peer: Peer): void {
  const key = remoteKey(peer.path)
  const ids = turn.state.peersByRemote.get(key) ?? new Set<PeerId>()
  turn.state.peersByRemote.set(key, ids.add(peer.id))
}

function unindexRemote(turn: Turn, peer: Peer): void {
  const key = remoteKey(peer.path)
  const ids = turn.state.peersByRemote.get(key)
  ids?.delete(peer.id)
  if (ids?.size === 0) turn.state.peersByRemote.delete(key)
}

/**
 * INITIAL-CONTACT (RFC 2407 §4.6.3.3), authenticated: the host has restarted and knows of no earlier SA. Only what has the same ID at the
 * same outer address and port is dropped.
 */
export function initialContact(turn: Turn, sa: IkeSa): void {
  for (const peer of samePeers(turn, sa)) {
    const its = [...peer.pairs.values()].filter((pair) => pair.ikeSa === sa.id)
    if (its.length === 0) {
      peer.sas.delete(sa.id)
      if (sa.peer === peer.id) sa.peer = undefined
      for (const id of peer.sas) turn.state.forget.push(id)
      endPeer(turn, peer, 'replaced')
    } else {
      for (const pair of [...peer.pairs.values()])
        if (pair.ikeSa !== sa.id && pair.established < sa.established!)
          removePair(turn, peer, pair, 'the peer has restarted')
    }
  }
}

/** The pair is in the fast path. */
export function addPair(turn: Turn, peer: Peer, pair: Pair): void {
  peer.pairs.set(pair.inboundSpi, pair)
  turn.state.spis.set(pair.inboundSpi, peer.id)
  arm(turn, `lost ${peer.id}`, undefined)
  armPairTimers(turn, pair)
  if (peer.announced) return
  peer.announced = true
  armProbe(turn, peer)
  const { tunnel } = pair.selectors
  emit(turn, {
    do: 'peerUp',
    peer: peer.id,
    request: peer.request,
    path: peer.path,
    client: peer.client,
    ...(tunnel ? { site: tunnel.site } : {}),
  })
}

/** The other side surely has the pair: it carries our packets from now on, and what it replaces drains. */
export function confirmPair(turn: Turn, peer: Peer, pair: Pair, by: 'message' | 'packet'): void {
  // On a first packet the fast path has switched by itself.
  if (by === 'packet' && !pair.selectors.tunnel) peer.using = pair.inboundSpi
  if (pair.state === 'draining') {
    const current = [...peer.pairs.values()].findLast((other) => other.state === 'current' && akin(other, pair))
    if (current) usePair(turn, peer, current)
  }
  if (pair.state !== 'new') return
  pair.state = 'current'
  const replaced = [...peer.pairs.values()].filter((other) => other !== pair && replaces(pair, other))
  const winner = replaced.find((other) => collided(pair, other) && other.rank > pair.rank)
  for (const other of replaced) if (other !== winner) drainPair(turn, other)
  hurry(turn, peer)
  if (winner) drainPair(turn, pair)
  usePair(turn, peer, winner ?? pair)
  if (!winner && !owned(turn, peer, pair)) arm(turn, `rekey ${pair.inboundSpi}`, turn.now + stragglerMs)
  const { inboundSpi, outboundSpi, ikeSa } = pair
  report(turn, {
    event: 'ike.pair.established',
    path: peer.path,
    peer: peer.id,
    sa: ikeSa,
    proposal: showEspProposal(proposalInUse(pair)),
    inboundSpi,
    outboundSpi,
    rekeyed: replaced.length > 0,
    weak: isWeak(pair.proposal),
  })
}

/**
 * Some peers (strongSwan) keep a pair with the ISAKMP SA of its quick mode and take over into a new one what is there when that comes up. What we made later on
 * the old one goes without a word when the old one is deleted: so it is renewed on the new one.
 */
function owned(turn: Turn, peer: Peer, { ikeSa, role }: Pair): boolean {
  const standing = standingSa(turn, peer)
  return role === 'responder' || !standing || standing.replaced || standing.id === ikeSa
}

/** A new ISAKMP SA of the peer stands: what was made on an older one only just now perhaps came too late to be taken over. */
export function renewStragglers(turn: Turn, peer: Peer): void {
  for (const pair of peer.pairs.values())
    if (pair.state === 'current' && turn.now - pair.established < perhapsLateMs && !owned(turn, peer, pair))
      arm(turn, `rekey ${pair.inboundSpi}`, turn.now + stragglerMs)
}

function replaces(pair: Pair, other: Pair): boolean {
  return other.state !== 'new' && sameSelectors(pair, other)
}

function sameSelectors(a: Pair, b: Pair): boolean {
  return same(a.selectors, b.selectors)
}

/** One may carry what the other carried: all of L2TP's, and a tunnel's of the same traffic. */
function akin(a: Pair, b: Pair): boolean {
  return a.selectors.tunnel || b.selectors.tunnel ? sameSelectors(a, b) : true
}

/** Nothing of the peer's carries this yet. */
export function firstOfItsKind(peer: Peer, selectors: Selectors): boolean {
  return ![...peer.pairs.values()].some((other) =>
    selectors.tunnel || other.selectors.tunnel ? same(other.selectors, selectors) : true,
  )
}

/** The pair that a quick mode for these selectors, begun now, would take the place of. */
export function predecessor(peer: Peer | undefined, selectors: Selectors): number | undefined {
  return [...(peer?.pairs.values() ?? [])].findLast(
    (pair) => pair.state === 'current' && same(pair.selectors, selectors),
  )?.inboundSpi
}

/** Whether a successor of this pair is there or being made, by either side. */
export function succeeding(turn: Turn, peer: Peer, pair: Pair): boolean {
  if ([...peer.pairs.values()].some((other) => other.state === 'new' && sameSelectors(other, pair))) return true
  for (const id of peer.sas)
    for (const quick of turn.state.sas.get(id)?.quick.values() ?? []) {
      const selectors = selectorsOfQuick(quick)
      if (selectors && same(selectors, pair.selectors)) return true
    }
  return false
}

function selectorsOfQuick(quick: QuickMode): Selectors | undefined {
  if (quick.is === 'awaiting QM2' || quick.is === 'waiting') return quick.wish.selectors
  if (quick.is === 'installing') return quick.pair.selectors
  if (quick.is !== 'computing') return undefined
  return quick.work.to === 'send QM1' ? quick.work.wish.selectors : quick.work.offer.selectors
}

function same(a: Selectors, b: Selectors): boolean {
  if (a.tunnel && b.tunnel) return a.tunnel.site === b.tunnel.site && sameTraffic(a.tunnel.traffic, b.tunnel.traffic)
  return !a.tunnel && !b.tunnel && a.ports.local === b.ports.local && a.ports.remote === b.ports.remote
}

/**
 * Both sides rekeyed at once: both pairs are good, and both sides choose the same one to keep by the lesser nonce, as IKEv2 does (RFC 7296 §2.8.1). A QM1 that
 * was late found a successor in place already, so that its two sides don't agree on what it replaces: then the short time between the two tells.
 */
function collided(pair: Pair, other: Pair): boolean {
  if (other.state !== 'current' || other.role === pair.role) return false
  const same = pair.predecessor !== undefined && pair.predecessor === other.predecessor
  return same || (other.predecessor !== undefined && pair.established - other.established < atOnceMs)
}

function usePair(turn: Turn, peer: Peer, pair: Pair): void {
  if (pair.selectors.tunnel) return emit(turn, { do: 'use', peer: peer.id, inboundSpi: pair.inboundSpi })
  if (peer.using === pair.inboundSpi) return
  peer.using = pair.inboundSpi
  emit(turn, { do: 'use', peer: peer.id, inboundSpi: pair.inboundSpi })
}

/** Kept inbound; deleted by whoever started the rekeying, or when it is quiet or expires. */
function drainPair(turn: Turn, pair: Pair): void {
  if (pair.state === 'draining') return
  pair.state = 'draining'
  pair.drainsUntil = turn.now + quietMs
  arm(turn, `rekey ${pair.inboundSpi}`, undefined)
  arm(turn, `drain ${pair.inboundSpi}`, pair.drainsUntil)
}

// At line speed kilobyte lifetimes bring a successor every second or so: the oldest pairs need not wait their whole time.
function hurry(turn: Turn, peer: Peer): void {
  const draining = [...peer.pairs.values()].filter(({ state, deleteSaid }) => state === 'draining' && !deleteSaid)
  for (const pair of draining.slice(0, Math.max(0, draining.length - mostDraining))) {
    pair.heardAt = turn.now - quietMs
    arm(turn, `drain ${pair.inboundSpi}`, turn.now)
  }
}

/**
 * A draining pair whose time has come. Whoever started the rekeying says Delete then; the other side only when nothing came on the pair any more.
 * Nobody drops it without a word: the other side might fall back on it.
 */
export function drained(turn: Turn, peer: Peer, pair: Pair): 'delete' | 'wait' | 'remove' {
  if (pair.deleteSaid) return 'remove'
  const weRekeyed = [...peer.pairs.values()].some(
    (other) => other.state === 'current' && other.role === 'initiator' && replaces(other, pair),
  )
  const quietAt = pair.heardAt + quietMs
  if (!weRekeyed && quietAt > turn.now) {
    arm(turn, `drain ${pair.inboundSpi}`, quietAt)
    return 'wait'
  }
  linger(turn, pair)
  return 'delete'
}

function linger(turn: Turn, pair: Pair): void {
  pair.deleteSaid = true
  arm(turn, `drain ${pair.inboundSpi}`, turn.now + lingerMs)
}

/** The peer said Delete for a pair: with a successor it lingers for packets on their way, without one it is gone. */
export function deletedByPeer(turn: Turn, peer: Peer, pair: Pair): void {
  if (giveWay(turn, peer, pair, 'any')) return
  peer.lostBecause = 'deleted-by-peer'
  removePair(turn, peer, pair, 'the peer deleted it')
}

/** Another pair, if there is one, carries what this one carried; this one lingers for packets on their way. False: nothing was changed. */
export function giveWay(turn: Turn, peer: Peer, pair: Pair, successors: 'current' | 'any'): boolean {
  const others = [...peer.pairs.values()].filter(
    (other) => other !== pair && !other.deleteSaid && sameSelectors(other, pair),
  )
  const current = others.find(
    ({ state, expires }) => state === 'current' && (successors === 'any' || expires > turn.now),
  )
  const successor = current ?? (successors === 'any' ? likeliest(others) : undefined)
  if (!successor) return false
  if (peer.using === pair.inboundSpi || pair.selectors.tunnel) usePair(turn, peer, successor)
  drainPair(turn, pair)
  linger(turn, pair)
  return true
}

/** Of pairs none of which is current, the one that the peer most likely has: it had one that drains, and as responder it has put in what QM2 was about. */
function likeliest(pairs: readonly Pair[]): Pair | undefined {
  return (
    pairs.findLast(({ state }) => state === 'draining') ??
    pairs.findLast(({ role }) => role === 'initiator') ??
    pairs.at(-1)
  )
}

export function removePair(turn: Turn, peer: Peer, pair: Pair, reason: string): void {
  if (!peer.pairs.delete(pair.inboundSpi)) return
  turn.state.spis.delete(pair.inboundSpi)
  disarmPair(turn, pair)
  emit(turn, { do: 'remove', peer: peer.id, inboundSpi: pair.inboundSpi })
  report(turn, {
    event: 'ike.pair.removed',
    path: peer.path,
    peer: peer.id,
    inboundSpi: pair.inboundSpi,
    reason,
  })
  if (peer.using === pair.inboundSpi) peer.using = undefined
  const all = [...peer.pairs.values()]
  if (all.length === 0) arm(turn, `lost ${peer.id}`, turn.now + successorMs)
  // Of a tunnel's pairs the fast path chooses.
  const left = all.filter(({ selectors }) => !selectors.tunnel)
  const next =
    left.findLast(({ state }) => state === 'current') ?? left.findLast(({ deleteSaid }) => !deleteSaid) ?? left.at(-1)
  if (next && peer.using === undefined) usePair(turn, peer, next)
}

/** Everything of the peer goes, silently; goodbyes are said before (informational.ts). Its ISAKMP SAs stay and may make a new peer. */
export function endPeer(turn: Turn, peer: Peer, reason: PeerGoneReason): void {
  arm(turn, `lost ${peer.id}`, undefined)
  arm(turn, `probe ${peer.id}`, undefined)
  for (const pair of [...peer.pairs.values()]) {
    peer.pairs.delete(pair.inboundSpi)
    turn.state.spis.delete(pair.inboundSpi)
    disarmPair(turn, pair)
    emit(turn, { do: 'remove', peer: peer.id, inboundSpi: pair.inboundSpi })
  }
  for (const id of peer.sas) {
    const sa = turn.state.sas.get(id)
    if (sa?.peer !== peer.id) continue
    sa.peer = undefined
    turn.state.bare.add(sa.id)
  }
  unindexRemote(turn, peer)
  turn.state.peers.delete(peer.id)
  if (peer.announced || peer.inFastPath) emit(turn, { do: 'peerGone', peer: peer.id, reason })
}

/** An authenticated packet or message inside the window came from elsewhere (RFC 3947 §6): everything of the peer goes there from now on. */
export function movePeer(turn: Turn, peer: Peer, path: Path): void {
  if (samePath(peer.path, path)) return
  const from = peer.path
  unindexRemote(turn, peer)
  peer.path = path
  indexRemote(turn, peer)
  for (const id of peer.sas) {
    const sa = turn.state.sas.get(id)
    if (sa && sameEndpoint(sa.path.remote, from.remote)) sa.path = path
  }
  emit(turn, { do: 'move', peer: peer.id, path })
  report(turn, { event: 'ike.peer.moved', peer: peer.id, from, to: path })
  if (from.remote.address !== path.remote.address) challenge(turn, peer)
}

/** The pair of an inbound SPI, with its peer. */
export function findPair(turn: Turn, inboundSpi: number): { peer: Peer; pair: Pair } | undefined {
  const peer = turn.state.peers.get(turn.state.spis.get(inboundSpi) ?? -1)
  const pair = peer?.pairs.get(inboundSpi)
  return peer && pair && { peer, pair }
}
