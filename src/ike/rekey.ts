// Rekeying and expiry of both phases: make before break. What to do when a lifetime's share, its end, or a drain's end is due.

import { sayDeleteIke, sayDeletePair } from './exchanges/informational.ts'
import { sendMM1 } from './exchanges/main-mode-initiator.ts'
import { beginSuccessor } from './exchanges/quick-mode-initiator.ts'
import { drained, endPeer, findPair, giveWay, removePair, succeeding } from './peers.ts'
import { dropSa, markDeleted, standingSa } from './sa.ts'
import type { IkeSa, Pair, Peer } from './state.ts'
import { arm, type Turn } from './turn.ts'

// Ours: a rekeying that could not begin, or failed, is tried again after this, until the pair expires.
const againMs = 5_000
// Ours: a pair waits for a new ISAKMP SA on the way, looking so often, while it has as long to live: what is made on the old one may go with it at the peer.
const standing = { everyMs: 500, leastMs: 2_000 } as const
// Ours: a pair whose successor is being made carries on beyond its lifetime, so long at most and asked so often: a slow peer's packets are not lost.
const overtime = { mostMs: 10_000, everyMs: 1_000 } as const

/** A pair's share of its lifetime, octets or sequence numbers is used: a successor is made. */
export function rekeyPair(turn: Turn, peer: Peer, pair: Pair): void {
  if (pair.state === 'draining' || pair.deleteSaid) return
  arm(turn, `rekey ${pair.inboundSpi}`, turn.now + againMs)
  if (succeeding(turn, peer, pair)) return
  if (negotiating(turn, peer) && pair.expires - turn.now > standing.leastMs && !pair.used) {
    arm(turn, `rekey ${pair.inboundSpi}`, turn.now + standing.everyMs)
    return
  }
  const sa = standingSa(turn, peer)
  if (sa) beginSuccessor(turn, sa, pair)
  else if (!negotiating(turn, peer)) sendMM1(turn, { path: peer.path, peer, replaces: undefined })
}

function negotiating(turn: Turn, peer: Peer): boolean {
  return [...peer.sas].some((id) => turn.state.sas.get(id)?.established === undefined)
}

/**
 * The end of a pair's lifetime, unless its successor is on the way. Where one carries the packets already, the peer is told, and what it sent on the old pair
 * before it changed over, or before it heard of our Delete, is still taken for a few seconds.
 */
export function expirePair(turn: Turn, peer: Peer, pair: Pair, reason: string): void {
  const late = !pair.used && turn.now < pair.expires + overtime.mostMs && pair.state !== 'draining'
  if (late && !pair.deleteSaid && (succeeding(turn, peer, pair) || negotiating(turn, peer))) {
    arm(turn, `expire ${pair.inboundSpi}`, turn.now + overtime.everyMs)
    return
  }
  // It lingers already.
  if (pair.deleteSaid) return
  const sa = standingSa(turn, peer)
  if (sa) sayDeletePair(turn, sa, pair)
  if (!giveWay(turn, peer, pair, 'current')) removePair(turn, peer, pair, reason)
}

/** A draining pair was quiet for long enough, or is to be deleted by us. */
export function drainDue(turn: Turn, inboundSpi: number): void {
  const found = findPair(turn, inboundSpi)
  if (!found) return
  const { peer, pair } = found
  const sa = standingSa(turn, peer)
  const next = drained(turn, peer, pair)
  if (next === 'delete' && sa) sayDeletePair(turn, sa, pair)
  if (next === 'remove') removePair(turn, peer, pair, 'its successor carries everything')
}

/** An ISAKMP SA that we replaced: deleted when what was on its way is done. */
export function retire(turn: Turn, sa: IkeSa): void {
  if (sa.phase1.is !== 'established') return
  sayDeleteIke(turn, sa)
  markDeleted(turn, sa, 'a newer one took its place')
}

/** The end of an ISAKMP SA's lifetime. Peers and pairs stay. */
export function expireIke(turn: Turn, sa: IkeSa): void {
  if (sa.phase1.is === 'established') sayDeleteIke(turn, sa)
  markDeleted(turn, sa, 'its lifetime is over')
}

/** No pair came back in time. */
export function lost(turn: Turn, peer: Peer): void {
  if (peer.pairs.size > 0) return
  const sas = [...peer.sas]
  endPeer(turn, peer, peer.lostBecause)
  for (const id of sas) {
    const sa = turn.state.sas.get(id)
    if (sa?.phase1.is === 'deleted') dropSa(turn, sa, 'its peer is gone')
  }
}
