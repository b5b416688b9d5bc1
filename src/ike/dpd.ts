// Dead-peer detection (RFC 3706): a peer from which nothing was heard for a while is asked, and after some unanswered questions it is dead. Any
// authentic message or packet counts as life (§5.5), what PPP's echoes bring among it: so a busy peer is never asked, nor one whose session asks for itself.
import { gathered, type Instant, jittered, type Random } from '../wire/machine.ts'
import type { ClientKind } from './contract.ts'
import { inform } from './exchanges/informational.ts'
import { endPeer } from './peers.ts'
import { hasQuirk } from './quirks.ts'
import { dropSa, standingSa } from './sa.ts'
import type { IkeSa, Peer } from './state.ts'
import { arm, policyOf, report, type Turn } from './turn.ts'
import { deadPeerProbe } from './wire/notifications.ts'

/** RFC 3706 §5.3: by chance, and low enough to rise for ever. */
export function firstSequence(random: Random): number {
  return random.octets(3).reduce((number, octet) => number * 256 + octet, 1)
}

function figures(turn: Turn, client: ClientKind) {
  const { dpd } = policyOf(turn)
  return dpd.dozing && hasQuirk('dozes', { client }) ? dpd.dozing : dpd
}

/** The peer is there; its clock starts anew. The timer is left alone: it looks when it is due. */
export function heardFrom(peer: Peer, at: Instant): void {
  peer.heardAt = Math.max(peer.heardAt, at)
  peer.probe = undefined
}

/** An authentic message came on this ISAKMP SA. */
export function alive(turn: Turn, sa: IkeSa): void {
  const peer = turn.state.peers.get(sa.peer ?? -1)
  if (peer) heardFrom(peer, turn.now)
}

export function armProbe(turn: Turn, peer: Peer): void {
  const { idleSeconds } = figures(turn, peer.client)
  if (idleSeconds > 0) armAfter(turn, peer, peer.heardAt, idleSeconds)
}

function armAfter(turn: Turn, peer: Peer, since: Instant, seconds: number): void {
  arm(turn, `probe ${peer.id}`, gathered(since + jittered(turn.random, seconds * 1000, 0.05)))
}

/** The timer is due: the peer was heard in the meantime, or is asked, or is dead. */
export function probeDue(turn: Turn, peer: Peer): void {
  const { idleSeconds, intervalSeconds, tries } = figures(turn, peer.client)
  const sa = standingSa(turn, peer)
  if (peer.heardAt + idleSeconds * 950 > turn.now) return armAfter(turn, peer, peer.heardAt, idleSeconds)
  // A peer that does not speak DPD, or has no ISAKMP SA now, can't be asked: PPP, L2TP's HELLO and the lifetimes see to it.
  if (!sa?.dpd) return armAfter(turn, peer, turn.now, idleSeconds)
  const sent = peer.probe?.sent ?? 0
  if (sent >= tries) return die(turn, peer)
  peer.sequence = (peer.sequence + 1) >>> 0
  inform(turn, sa, [deadPeerProbe(sa.cookies, peer.sequence, false)])
  peer.probe = { sent: sent + 1 }
  arm(turn, `probe ${peer.id}`, gathered(turn.now + intervalSeconds * 1000))
}

function die(turn: Turn, peer: Peer): void {
  const quietSeconds = Math.round((turn.now - peer.heardAt) / 1000)
  report(turn, { event: 'ike.peer.dead', path: peer.path, peer: peer.id, quietSeconds })
  const sas = [...peer.sas]
  endPeer(turn, peer, 'dead')
  for (const id of sas) {
    const sa = turn.state.sas.get(id)
    if (sa) dropSa(turn, sa, `the peer answered nothing for ${quietSeconds} s`)
  }
}
