// Quick mode, responder (RFC 2409 §5.5). The walk: (1) QM1 is authenticated and a proposal chosen; (2) with PFS the work goes out; (3) QM2 is built
// and the pair installed; (4) once the pair is in the fast path QM2 is sent: the peer's first packet never comes too early; (5) QM3 shows that the
// peer has the pair, which carries our packets from then on.

import { addressText } from '../../wire/address.ts'
import type { WorkResult } from '../contract.ts'
import { alive } from '../dpd.ts'
import type { IkeRefusal } from '../events.ts'
import { addressId } from '../identity.ts'
import { exchangeIv, hash1, hash2, hash3 } from '../keys.ts'
import { defaultSeconds, lesser } from '../lifetimes.ts'
import type { Opened, Received } from '../message.ts'
import { all, only, required } from '../message-rules.ts'
import { natMethods } from '../nat.ts'
import { addPair, confirmPair, findPair, predecessor, removePair } from '../peers.ts'
import { type EspChosen, espAnswer, offersTunnel, selectEsp, spiOctets } from '../proposals.ts'
import { hasQuirk } from '../quirks.ts'
import { remember, sendUntilAnswered } from '../retransmit.ts'
import { follow, localPorts, markSeen, protection } from '../sa.ts'
import { siteOf, trafficFault, trafficOf } from '../sites.ts'
import type { IkeSa, Nonces, Offer, QuickMode, QuickModeReply, QuickModeWork } from '../state.ts'
import { policyFor, type TrafficUse, transportUse } from '../traffic-rules.ts'
import { policyOf, refuse, reportInvalid, startWork, type Turn } from '../turn.ts'
import { espNotify, responderLifetimeData } from '../wire/notifications.ts'
import { identificationType, notifyType } from '../wire/numbers.ts'
import { type IdPayload, kePayload, natOaPayload, noncePayload, type Payload } from '../wire/payloads.ts'
import { inform } from './informational.ts'
import { badPublicValue, nonceFault } from './main-mode-responder.ts'
import { nonceOctets, ownAddress, seenBy, spoils } from './phase1.ts'
import {
  advanceQuick,
  install,
  modeOf,
  openQuick,
  promiseSpi,
  quickTimer,
  releaseSpi,
  sealQuick,
  selectorsOf,
} from './quick-mode.ts'
import { settleLater } from './quick-mode-initiator.ts'

/** (1) A peer's offer. */
export function receiveQM1(turn: Turn, sa: IkeSa, received: Received): void {
  const { keys, lastBlock } = protection(sa)!
  const { messageId } = received.header
  const iv = exchangeIv(keys, lastBlock, messageId)
  const opened = openQuick('QM1', keys, iv, received, (after) => hash1(keys, messageId, after))
  if (typeof opened === 'string') return reportInvalid(turn, received.path, opened)
  markSeen(sa, messageId)
  follow(turn, sa, received.path)
  alive(turn, sa)
  const { payloads } = opened.chain
  remember(turn, sa, received.octets, undefined)
  const wrong = nonceFault(payloads) ?? idCountFault(payloads) ?? tooMany(turn, sa)
  if (wrong) return reportInvalid(turn, received.path, wrong)
  const use = useOf(turn, sa, payloads)
  if (typeof use === 'string') return refuseQuick(turn, sa, payloads, 'selectors', use, 'INVALID-ID-INFORMATION')
  const context = {
    udp: encapsulation(turn, sa),
    keyExchangeOctets: only(payloads, 'KE')?.publicValue.length,
    keyLengthSwapped: hasQuirk('key length swapped', sa),
    mode: modeOf(use.tunnel),
  }
  const chosen = selectEsp(use.policy, required(payloads, 'SA'), context)
  if (chosen.is === 'refused') return refuseQuick(turn, sa, payloads, chosen.cause, chosen.why, 'NO-PROPOSAL-CHOSEN')
  answer(turn, sa, received, opened, chosen, use)
}

/** What the pair is to carry and what holds for it, or what is wrong with that. */
function useOf(turn: Turn, sa: IkeSa, payloads: readonly Payload[]): TrafficUse | string {
  const site = siteOf(turn, sa)
  const [peers, ours] = all(payloads, 'ID')
  if (!site || !offersTunnel(required(payloads, 'SA'))) return transportUse(policyOf(turn), sa, ours, peers)
  // Without IDs the two ends of the ISAKMP SA are meant (RFC 2409 §5.5).
  const asked = trafficOf(ours ?? addressId(ownAddress(turn, sa)), peers ?? addressId(sa.path.remote.address))
  if (typeof asked === 'string') return `the peer names ${asked} in quick mode`
  const fault = trafficFault(site, asked)
  const tunnel = { site: site.site, traffic: asked }
  return fault ?? { tunnel, policy: policyFor(policyOf(turn), sa.path.remote.address, tunnel) }
}

function idCountFault(payloads: readonly Payload[]): string | undefined {
  return all(payloads, 'ID').length === 1 ? 'QM1 holds one ID; both or none are allowed' : undefined
}

// Ours: even an authenticated peer gets no more than this; real ones have two pairs, for a moment four.
const mostQuickModes = 32
const mostPairs = 64

function tooMany(turn: Turn, sa: IkeSa): string | undefined {
  const pairs = turn.state.peers.get(sa.peer ?? -1)?.pairs.size ?? 0
  if (sa.quick.size >= mostQuickModes) return `more than ${mostQuickModes} quick modes at once`
  return pairs >= mostPairs ? `more than ${mostPairs} SA pairs` : undefined
}

// A peer that came to the port for encapsulation speaks NAT traversal, whatever its vendor ids said.
function encapsulation(turn: Turn, sa: IkeSa): 'must' | 'may' | 'never' {
  if (sa.path.local.port !== localPorts(turn).natt) return 'never'
  return sa.peerBehindNat || sa.weBehindNat || spoils(turn, sa) ? 'must' : 'may'
}

/** A refusal inside the ISAKMP SA: the peer can trust this notify. */
function refuseQuick(
  turn: Turn,
  sa: IkeSa,
  payloads: readonly Payload[],
  cause: IkeRefusal,
  why: string,
  notify: keyof typeof notifyType,
): void {
  refuse(turn, sa, cause, why, seenBy(sa.client, 789))
  const spi = only(payloads, 'SA')?.proposals[0]?.spi.slice() ?? new Uint8Array()
  inform(turn, sa, [espNotify(notifyType[notify], spi)])
}

function answer(
  turn: Turn,
  sa: IkeSa,
  received: Received,
  opened: Opened,
  chosen: EspChosen,
  { tunnel, policy }: TrafficUse,
): void {
  const { payloads } = opened.chain
  const { messageId } = received.header
  const inboundSpi = promiseSpi(turn)
  const { lifetimes } = policy
  const asked = chosen.lifetime
  const [peers, ours] = all(payloads, 'ID')
  const selectors = selectorsOf(ours, peers, tunnel)
  const lifeSeconds = Math.min(asked.seconds ?? defaultSeconds, lifetimes.espSeconds)
  const lifeKilobytes = lesser(asked.kilobytes, lifetimes.espKilobytes)
  const offer: Offer = {
    proposal: chosen.proposal,
    encapsulated: chosen.udp,
    lifeSeconds,
    lifeKilobytes,
    inboundSpi,
    outboundSpi: chosen.peerSpi,
    esn: chosen.esn,
    selectors,
    natOa: tunnel ? undefined : natOaOf(turn, sa, chosen, payloads),
    predecessor: predecessor(turn.state.peers.get(sa.peer ?? -1), selectors),
    commit: received.header.commit,
  }
  const shorter = lifeSeconds < (asked.seconds ?? defaultSeconds) || lifeKilobytes !== asked.kilobytes
  const behind = [
    // As they came, octet for octet: transport mode's IDs mean nothing to us and much to the peer.
    ...[peers, ours].filter((id): id is IdPayload => id !== undefined).map((id) => ({ ...id, body: id.body.slice() })),
    ...(chosen.udp && chosen.mode === 'transport' ? natOaBack(turn, sa, payloads) : []),
    ...(shorter ? [lifetimeNotify(inboundSpi, lifeSeconds, lifeKilobytes)] : []),
  ]
  const reply: QuickModeReply = {
    answer: espAnswer(chosen, inboundSpi),
    behind,
    iv: opened.iv,
    received: received.octets.slice(),
  }
  const nonces = { niB: required(payloads, 'NONCE').nonce.slice(), nrB: turn.random.octets(nonceOctets) }
  const ke = only(payloads, 'KE')
  if (!ke || !offer.proposal.group) return answerWith(turn, sa, messageId, { offer, nonces, reply }, undefined)
  const peerPublic = ke.publicValue.slice()
  const job = startWork(turn, { sa: sa.id, messageId }, { do: 'exchange', group: offer.proposal.group, peerPublic })
  advanceQuick(turn, sa, messageId, { is: 'computing', job, work: { to: 'send QM2', offer, nonces, reply } })
}

function lifetimeNotify(spi: number, seconds: number, kilobytes: number | undefined): Payload {
  return espNotify(notifyType['RESPONDER-LIFETIME'], spiOctets(spi), responderLifetimeData(2, { seconds, kilobytes }))
}

/** The addresses that the peer sees in its inner checksums: what it says in NAT-OA, else what its IDci says, else what we see (RFC 3947 §5.2). */
function natOaOf(turn: Turn, sa: IkeSa, chosen: EspChosen, payloads: readonly Payload[]): Offer['natOa'] {
  if (!chosen.udp) return undefined
  const [oai, oar] = all(payloads, 'NAT-OA')
  const idci = all(payloads, 'ID')[0]
  const named =
    idci?.idType === identificationType.ID_IPV4_ADDR && idci.data.length === 4 ? addressText(idci.data) : undefined
  const own = ownAddress(turn, sa)
  return { peers: oai?.address ?? named ?? sa.path.remote.address, ours: oar?.address ?? own }
}

// Only to who sent them, and where ESP in UDP and transport mode was chosen (RFC 3947 §5.2). What the peer said itself is repeated: then its correction of our
// checksums, computed with those addresses, changes nothing.
function natOaBack(turn: Turn, sa: IkeSa, payloads: readonly Payload[]): readonly Payload[] {
  const came = all(payloads, 'NAT-OA')
  if (came.length === 0 || !sa.natMethod) return []
  const { natOa } = natMethods[sa.natMethod]
  const own = ownAddress(turn, sa)
  if (came.length === 1) return [natOaPayload(natOa, own)]
  return [natOaPayload(natOa, came[0]!.address ?? sa.path.remote.address), natOaPayload(natOa, came[1]!.address ?? own)]
}

/** (2) Our public value and the secret exist. */
export function sendQM2(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  work: QuickModeWork & { to: 'send QM2' },
  result: WorkResult,
): void {
  if (result.is === 'exchanged') return answerWith(turn, sa, messageId, work, result)
  const { proposal, inboundSpi } = work.offer
  const reason = result.is === 'failed' ? result.reason : 'wrong kind of result'
  releaseSpi(turn, inboundSpi)
  advanceQuick(turn, sa, messageId, undefined)
  const why = badPublicValue({ proposal: { group: proposal.group! } }, reason)
  refuseQuick(turn, sa, [work.reply.answer], 'key exchange', why, 'INVALID-KEY-INFORMATION')
}

type Answering = { readonly offer: Offer; readonly nonces: Nonces; readonly reply: QuickModeReply }
type Exchanged = { readonly publicValue: Uint8Array; readonly shared: Uint8Array }

/** (3) QM2 waits for the pair. */
function answerWith(turn: Turn, sa: IkeSa, messageId: number, answering: Answering, dh: Exchanged | undefined): void {
  const { offer, nonces, reply } = answering
  const { keys } = protection(sa)!
  const payloads = [reply.answer, noncePayload(nonces.nrB), ...(dh ? [kePayload(dh.publicValue)] : []), ...reply.behind]
  const qm2 = sealQuick(sa, messageId, reply.iv, payloads, (after) => hash2(keys, messageId, nonces.niB, after))
  const { received } = reply
  install(turn, sa, {
    role: 'responder',
    messageId,
    offer,
    nonces,
    gxy: dh?.shared,
    message: qm2.octets,
    iv: qm2.iv,
    received,
  })
}

/** (4) The pair is in the fast path. */
export function installedResponder(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  quick: QuickMode & { is: 'installing' },
): void {
  const peer = turn.state.peers.get(quick.peer)
  if (!peer) return advanceQuick(turn, sa, messageId, undefined)
  const { nonces, iv, message, pair, commit } = quick
  advanceQuick(turn, sa, messageId, undefined)
  remember(turn, sa, quick.received, message)
  const resend = sendUntilAnswered(turn, quickTimer(sa, messageId), sa.path, message)
  sa.quick.set(messageId, { is: 'awaiting QM3', inboundSpi: pair.inboundSpi, commit, nonces, iv, resend })
  addPair(turn, peer, pair)
}

/** (5) The peer has the pair. */
export function receiveQM3(turn: Turn, sa: IkeSa, quick: QuickMode & { is: 'awaiting QM3' }, received: Received): void {
  const { keys } = protection(sa)!
  const { messageId } = received.header
  const { niB, nrB } = quick.nonces
  const opened = openQuick('QM3', keys, quick.iv, received, () => hash3(keys, messageId, niB, nrB))
  if (typeof opened === 'string') return reportInvalid(turn, received.path, opened)
  remember(turn, sa, received.octets, undefined)
  follow(turn, sa, received.path)
  alive(turn, sa)
  advanceQuick(turn, sa, messageId, undefined)
  if (quick.commit || received.header.commit) {
    sa.quick.set(messageId, { is: 'settling', inboundSpi: quick.inboundSpi, iv: opened.iv })
    return settleLater(turn, sa, messageId)
  }
  const found = findPair(turn, quick.inboundSpi)
  if (found) confirmPair(turn, found.peer, found.pair, 'message')
}

/** Nobody sent QM3 and no packet came on the pair, or the peer says that it can't use it. */
export function unfinished(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  { inboundSpi }: QuickMode & { is: 'awaiting QM3' },
  why = 'the peer did not finish quick mode',
): void {
  advanceQuick(turn, sa, messageId, undefined)
  const found = findPair(turn, inboundSpi)
  if (found) removePair(turn, found.peer, found.pair, why)
}
