// What each timer means. A timer's key is what it is about and whose it is: `rekey SPI`, `resend SA`, `quick SA MESSAGE-ID`.
import { probeDue } from './dpd.ts'
import { rekeyIke, unanswered, wrongProof } from './exchanges/main-mode-initiator.ts'
import { giveUp, seenBy } from './exchanges/phase1.ts'
import { quickTimer } from './exchanges/quick-mode.ts'
import { settled, unansweredQuick, waited } from './exchanges/quick-mode-initiator.ts'
import { unfinished } from './exchanges/quick-mode-responder.ts'
import { armKeepalive } from './lifetimes.ts'
import { findPair } from './peers.ts'
import { drainDue, expireIke, expirePair, lost, rekeyPair, retire } from './rekey.ts'
import { fewSends, sendAgain } from './retransmit.ts'
import { advance, dropSa, localPorts } from './sa.ts'
import { siteOf } from './sites.ts'
import type { IkeSa } from './state.ts'
import { emit, policyOf, type Turn } from './turn.ts'

export function timerDue(turn: Turn, timer: string): void {
  const [what, id, messageId] = timer.split(' ') as [string, string, string | undefined]
  const number = Number(id)
  const pairDue = onPair[what]
  if (pairDue) return pairDue(turn, number)
  const saDue = onSa[what]
  const sa = turn.state.sas.get(number)
  if (saDue && sa) return saDue(turn, sa)
  if (what === 'quick' && sa) return quickDue(turn, sa, Number(messageId))
  const peer = turn.state.peers.get(number)
  if (what === 'probe' && peer) probeDue(turn, peer)
  if (what === 'lost' && peer) lost(turn, peer)
}

const onPair: Readonly<Record<string, (turn: Turn, inboundSpi: number) => void>> = {
  rekey: (turn, spi) => {
    const found = findPair(turn, spi)
    if (found) rekeyPair(turn, found.peer, found.pair)
  },
  expire: (turn, spi) => {
    const found = findPair(turn, spi)
    if (found) expirePair(turn, found.peer, found.pair, 'its lifetime is over')
  },
  drain: drainDue,
}

const onSa: Readonly<Record<string, (turn: Turn, sa: IkeSa) => void>> = {
  'give-up': (turn, sa) => abandoned(turn, sa),
  resend: (turn, sa) => resendDue(turn, sa),
  'ike-rekey': (turn, sa) => rekeyIke(turn, sa),
  'ike-expire': (turn, sa) => expireIke(turn, sa),
  retire: (turn, sa) => retire(turn, sa),
  forget: (turn, sa) => dropSa(turn, sa, 'deleted'),
  answers: (_, sa) => sa.answers.clear(),
  keepalive: (turn, sa) => keepalive(turn, sa),
}

// A responder's negotiation that the peer does not go on with. After MM4 the next message comes from port 4500, which is blocked more often than 500.
function abandoned(turn: Turn, sa: IkeSa): void {
  if (sa.phase1.is === 'awaiting AM3') return withoutAM3(turn, sa)
  if (sa.phase1.is !== 'awaiting MM5' || sa.keyRefused) return dropSa(turn, sa, 'not finished')
  const behind = sa.peerBehindNat || sa.weBehindNat
  const why = behind
    ? `the peer behind a NAT did not go on from UDP port ${localPorts(turn).natt}: let that port through to this gateway`
    : 'the peer stopped after the key exchange: it gave up, or something on the way drops its packets'
  giveUp(turn, sa, 'no answer', why, seenBy(sa.client, 809))
}

// In aggressive mode our proof comes first, and a peer with another key goes no further. That it has seen our cookie is shown by what it says, in clear or sealed with
// keys of its own; silence may be that of a forged first message's address, so it is told of sites alone.
function withoutAM3(turn: Turn, sa: IkeSa): void {
  if (sa.hint === undefined && sa.parked === undefined && !siteOf(turn, sa)) return dropSa(turn, sa, 'not finished')
  const said =
    sa.hint === undefined ? '' : sa.hint === wrongProof ? ` (it sent ${wrongProof})` : ` (it said ${sa.hint})`
  const why = `the peer did not go on after our proof${said}: the pre-shared key is another there, or it knows us by another name`
  giveUp(turn, sa, 'pre-shared key', why, seenBy(sa.client, 789))
}

function resendDue(turn: Turn, sa: IkeSa): void {
  const { phase1 } = sa
  if (!('resend' in phase1)) return
  const first = phase1.is === 'awaiting MM2' || phase1.is === 'awaiting AM2'
  const most = first ? undefined : fewSends
  const resend = sendAgain(turn, `resend ${sa.id}`, sa.path, phase1.resend, most)
  if (resend) advance(sa, { ...phase1, resend })
  else unanswered(turn, sa)
}

function quickDue(turn: Turn, sa: IkeSa, messageId: number): void {
  const quick = sa.quick.get(messageId)
  if (quick?.is === 'settling') return settled(turn, sa, messageId, quick)
  if (quick?.is === 'waiting') return waited(turn, sa, messageId, quick)
  if (quick?.is !== 'awaiting QM2' && quick?.is !== 'awaiting QM3') return
  const timer = quickTimer(sa, messageId)
  const resend = sendAgain(turn, timer, sa.path, quick.resend)
  if (resend) sa.quick.set(messageId, { ...quick, resend })
  else if (quick.is === 'awaiting QM2') unansweredQuick(turn, sa, messageId, quick)
  else unfinished(turn, sa, messageId, quick)
}

// RFC 3948 §4: whoever is behind the NAT keeps its binding alive, if no other packet has gone out for as long. Of the peer's pairs it is known to the second.
function keepalive(turn: Turn, sa: IkeSa): void {
  if (sa.phase1.is !== 'established' || sa.replaced) return
  const sentAt = turn.state.peers.peek(sa.peer ?? -1)?.sentAt
  if (sentAt !== undefined && sentAt + policyOf(turn).keepaliveSeconds * 1000 > turn.now)
    return armKeepalive(turn, sa, sentAt)
  emit(turn, { do: 'keepalive', path: sa.path })
  armKeepalive(turn, sa)
}
