// Quick mode, initiator (RFC 2409 §5.5). The walk: (1) with PFS our key pair first; (2) QM1 offers; (3) QM2 has chosen, the secret is computed with
// PFS; (4) the pair is installed, then QM3 is sent; (5) a first pair carries our packets at once, a successor when the peer surely has it: some
// responders install theirs only with QM3.
import { showEspProposal } from '../../algorithms/proposals.ts'
import { publicValueFault } from '../../crypto/dh.ts'
import { showEndpoint } from '../../wire/address.ts'
import { Reader } from '../../wire/codec.ts'
import type { TunnelUse, WorkResult } from '../contract.ts'
import { alive } from '../dpd.ts'
import type { IkeRefusal } from '../events.ts'
import { addressId } from '../identity.ts'
import { exchangeIv, hash1, hash2, hash3 } from '../keys.ts'
import { defaultSeconds, lesser } from '../lifetimes.ts'
import type { Received } from '../message.ts'
import { all, only, required } from '../message-rules.ts'
import { natMethods } from '../nat.ts'
import { offerEsp, readEspAnswer } from '../offers.ts'
import { addPair, confirmPair, findPair, firstOfItsKind } from '../peers.ts'
import { remember, sendUntilAnswered } from '../retransmit.ts'
import { follow, newMessageId, protection } from '../sa.ts'
import { idsOf, sameTraffic, showTraffic, trafficOf } from '../sites.ts'
import type { IkeSa, Offer, Pair, QuickMode, QuickModeWork, Request, Selectors, Wish } from '../state.ts'
import { policyFor, transportFault } from '../traffic-rules.ts'
import { arm, policyOf, refuse, reportInvalid, send, startWork, type Turn } from '../turn.ts'
import { parseResponderLifetime } from '../wire/notifications.ts'
import { notifyType, payloadType } from '../wire/numbers.ts'
import { type IdPayload, kePayload, natOaPayload, noncePayload, type Payload, parsePayload } from '../wire/payloads.ts'
import { failSa, reasonOf } from './main-mode-initiator.ts'
import { badPublicValue, nonceFault } from './main-mode-responder.ts'
import { asksForUdp, nonceOctets, ownAddress } from './phase1.ts'
import {
  advanceQuick,
  install,
  modeOf,
  openQuick,
  oursUnderWay,
  promiseSpi,
  quickTimer,
  releaseSpi,
  sealQuick,
} from './quick-mode.ts'

const udp = 17
// Ours: transforms in one offer.
const mostOffers = 24
// Ours: a quick mode waits so long for the one before it, longer than an exchange takes to the other side of the earth: one without an answer holds up nothing.
const mostWaitMs = 350
/** A successor carries our packets after so long without another QM2, if no packet on it came first. */
const settleMs = 2_000
/** The same for the first pair of a tunnel, whose packets wait for it: strongSwan has its inbound SA only when it has worked on QM3. */
const firstSettleMs = 300

/** The first pair of a connection that was asked for. */
export function beginForRequest(turn: Turn, sa: IkeSa, { ports, tunnel }: Request): void {
  if (tunnel) return beginTunnel(turn, sa, tunnel)
  const { esp, lifetimes, requirePfs, pfsGroups } = policyFor(policyOf(turn), sa.path.remote.address, undefined)
  const group = esp[0]?.group ?? (requirePfs ? pfsGroups[0] : undefined)
  const own = ownAddress(turn, sa)
  begin(turn, sa, {
    inboundSpi: promiseSpi(turn),
    proposals: esp.filter((one) => one.group === undefined || one.group === group).slice(0, mostOffers),
    group,
    encapsulated: asksForUdp(turn, sa),
    lifeSeconds: lifetimes.espSeconds,
    lifeKilobytes: lifetimes.espKilobytes,
    selectors: {
      ours: addressId(own, udp, ports.local).body,
      peers: addressId(sa.path.remote.address, udp, ports.remote).body,
      ports,
    },
    natOa: undefined,
    replaces: undefined,
  })
}

/** A pair for traffic of a site, or of a rule in transport mode. */
export function beginTunnel(turn: Turn, sa: IkeSa, tunnel: TunnelUse): void {
  const fault = tunnel.transport && transportFault(sa)
  if (fault) return sa.request ? failSa(turn, sa, 'mode', fault) : refuse(turn, sa, 'mode', fault)
  const { esp, lifetimes, requirePfs, pfsGroups } = policyFor(policyOf(turn), sa.path.remote.address, tunnel)
  const group = esp[0]?.group ?? (requirePfs ? pfsGroups[0] : undefined)
  const ids = idsOf(tunnel.traffic)
  begin(turn, sa, {
    inboundSpi: promiseSpi(turn),
    proposals: esp.filter((one) => one.group === undefined || one.group === group).slice(0, mostOffers),
    group,
    encapsulated: asksForUdp(turn, sa),
    lifeSeconds: lifetimes.espSeconds,
    lifeKilobytes: lifetimes.espKilobytes,
    selectors: {
      ours: ids.ours.body,
      peers: ids.peers.body,
      ports: { local: tunnel.traffic.sourcePort, remote: tunnel.traffic.destinationPort },
      tunnel,
    },
    natOa: undefined,
    replaces: undefined,
  })
}

/** A successor for a pair, with the same algorithms and selectors, whoever made the first. */
export function beginSuccessor(turn: Turn, sa: IkeSa, pair: Pair): void {
  begin(turn, sa, {
    inboundSpi: promiseSpi(turn),
    proposals: [pair.proposal],
    group: pair.proposal.group,
    encapsulated: pair.encapsulated,
    lifeSeconds: Math.round((pair.expires - pair.established) / 1000),
    lifeKilobytes: pair.lifeKilobytes,
    selectors: pair.selectors,
    natOa: pair.natOa,
    replaces: pair.inboundSpi,
  })
}

/** One after the other: strongSwan keeps the state of three exchanges (max_ikev1_exchanges) and can't read QM3 of the first where four are under way. */
function begin(turn: Turn, sa: IkeSa, wish: Wish): void {
  const messageId = newMessageId(turn, sa)
  if (!oursUnderWay(sa)) return start(turn, sa, messageId, wish)
  advanceQuick(turn, sa, messageId, { is: 'waiting', wish })
  arm(turn, quickTimer(sa, messageId), turn.now + mostWaitMs)
}

/** The one before it is done, or has taken too long. Where the peer has renewed the pair meanwhile, or it is gone, there is nothing to begin. */
export function waited(turn: Turn, sa: IkeSa, messageId: number, { wish }: QuickMode & { is: 'waiting' }): void {
  const pair = wish.replaces === undefined ? undefined : findPair(turn, wish.replaces)?.pair
  if (wish.replaces === undefined || (pair && pair.state !== 'draining')) return start(turn, sa, messageId, wish)
  releaseSpi(turn, wish.inboundSpi)
  advanceQuick(turn, sa, messageId, undefined)
}

function start(turn: Turn, sa: IkeSa, messageId: number, wish: Wish): void {
  if (!wish.group) return sendQM1(turn, sa, messageId, wish, undefined)
  const job = startWork(turn, { sa: sa.id, messageId }, { do: 'generate', group: wish.group })
  advanceQuick(turn, sa, messageId, { is: 'computing', job, work: { to: 'send QM1', wish } })
}

/** (1) Our key pair exists. */
export function generatedForQM1(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  { wish }: QuickModeWork & { to: 'send QM1' },
  result: WorkResult,
): void {
  if (result.is === 'generated') return sendQM1(turn, sa, messageId, wish, result)
  failQuick(turn, sa, messageId, wish.inboundSpi, 'key exchange', `no key pair for ${wish.group}: ${reasonOf(result)}`)
}

type KeyPair = { readonly privateValue: Uint8Array; readonly publicValue: Uint8Array }

/** (2) Our offer. */
function sendQM1(turn: Turn, sa: IkeSa, messageId: number, wish: Wish, pair: KeyPair | undefined): void {
  const { keys, lastBlock } = protection(sa)!
  const offered = offerEsp({
    proposals: wish.proposals,
    group: wish.group,
    spi: wish.inboundSpi,
    udp: wish.encapsulated ? (sa.natMethod ?? 'RFC 3947') : undefined,
    lifetime: { seconds: wish.lifeSeconds, kilobytes: wish.lifeKilobytes },
    mode: modeOf(wish.selectors.tunnel),
  })
  const niB = turn.random.octets(nonceOctets)
  const payloads = [
    offered,
    noncePayload(niB),
    ...(pair ? [kePayload(pair.publicValue)] : []),
    ...idPayloads(wish.selectors),
    ...natOaPayloads(turn, sa, wish),
  ]
  const iv = exchangeIv(keys, lastBlock, messageId)
  const qm1 = sealQuick(sa, messageId, iv, payloads, (after) => hash1(keys, messageId, after))
  const resend = sendUntilAnswered(turn, quickTimer(sa, messageId), sa.path, qm1.octets)
  const { privateValue } = pair ?? { privateValue: undefined }
  sa.quick.set(messageId, { is: 'awaiting QM2', wish, offered, niB, iv: qm1.iv, privateValue, resend })
}

function idPayloads({ ours, peers }: Selectors): readonly IdPayload[] {
  return [ours, peers].flatMap((body) => (body ? [parsePayload(payloadType.ID, new Reader(body)) as IdPayload] : []))
}

// RFC 3947 §5.2: initiator's and responder's original address; the drafts know the sender's only.
function natOaPayloads(turn: Turn, sa: IkeSa, { encapsulated, natOa, selectors }: Wish): readonly Payload[] {
  // In tunnel mode no inner checksum depends on outer addresses (RFC 3947 §5.2).
  if (!encapsulated || !sa.natMethod || selectors.tunnel) return []
  const type = natMethods[sa.natMethod].natOa
  const ours = natOa?.ours ?? ownAddress(turn, sa)
  const peers = natOa?.peers ?? sa.path.remote.address
  return type === payloadType['NAT-OA (draft)']
    ? [natOaPayload(type, ours)]
    : [natOaPayload(type, ours), natOaPayload(type, peers)]
}

/** (3) The responder's choice. */
export function receiveQM2(turn: Turn, sa: IkeSa, quick: QuickMode & { is: 'awaiting QM2' }, received: Received): void {
  const { keys } = protection(sa)!
  const { messageId } = received.header
  const { wish, offered, niB } = quick
  const opened = openQuick('QM2', keys, quick.iv, received, (after) => hash2(keys, messageId, niB, after))
  if (typeof opened === 'string') return reportInvalid(turn, received.path, opened)
  follow(turn, sa, received.path)
  alive(turn, sa)
  const { payloads } = opened.chain
  const answer = readEspAnswer(offered, required(payloads, 'SA'))
  const wrong =
    answer.is === 'refused'
      ? answer.why
      : (nonceFault(payloads) ?? keyExchangeFault(wish, payloads) ?? idFault(wish, payloads))
  if (answer.is === 'refused' || wrong)
    return failQuick(turn, sa, messageId, wish.inboundSpi, 'proposal', wrong ?? 'the answer fits no offer of ours')
  remember(turn, sa, received.octets, undefined)
  const lifetime = shortest(answer.lifetime, payloads)
  const offer: Offer = {
    proposal: answer.proposal,
    encapsulated: answer.udp,
    lifeSeconds: Math.min(lifetime.seconds ?? defaultSeconds, wish.lifeSeconds),
    lifeKilobytes: lesser(lifetime.kilobytes, wish.lifeKilobytes),
    inboundSpi: wish.inboundSpi,
    outboundSpi: answer.peerSpi,
    esn: answer.esn,
    selectors: wish.selectors,
    natOa: wish.natOa,
    predecessor: wish.replaces,
    commit: received.header.commit,
  }
  const nonces = { niB, nrB: required(payloads, 'NONCE').nonce.slice() }
  const ke = only(payloads, 'KE')
  const { iv } = opened
  const work = { to: 'send QM3', offer, nonces, iv, received: received.octets.slice() } as const
  if (!ke || !quick.privateValue || !wish.group) return finish(turn, sa, messageId, work, undefined)
  const { privateValue } = quick
  const peerPublic = ke.publicValue.slice()
  const job = startWork(turn, { sa: sa.id, messageId }, { do: 'agree', group: wish.group, privateValue, peerPublic })
  advanceQuick(turn, sa, messageId, { is: 'computing', job, work })
}

// The responder repeats what we asked for (RFC 2409 §5.5); one that has something else in mind would drop our packets.
function idFault({ selectors: { tunnel } }: Wish, payloads: readonly Payload[]): string | undefined {
  const [ours, peers] = all(payloads, 'ID')
  if (!tunnel || !ours || !peers) return undefined
  const answered = trafficOf(ours, peers)
  if (typeof answered === 'string') return `the peer's answer names ${answered}`
  if (sameTraffic(answered, tunnel.traffic)) return undefined
  return `the peer answers with a tunnel between ${showTraffic(answered)}, and we asked for ${showTraffic(tunnel.traffic)}: set the same networks on both sides`
}

function keyExchangeFault({ group }: Wish, payloads: readonly Payload[]): string | undefined {
  const ke = only(payloads, 'KE')
  if (!group !== !ke) return `QM2 ${ke ? 'holds' : 'lacks'} a KE payload`
  const fault = group && ke && publicValueFault(group, ke.publicValue)
  return fault ? badPublicValue({ proposal: { group } }, fault) : undefined
}

// RESPONDER-LIFETIME (RFC 2407 §4.6.3.1) says what the chosen transform, which is ours, can't.
function shortest(
  chosen: { seconds: number | undefined; kilobytes: number | undefined },
  payloads: readonly Payload[],
) {
  const said = all(payloads, 'N').find(({ notify }) => notify === notifyType['RESPONDER-LIFETIME'])
  if (!said) return chosen
  const { seconds, kilobytes } = parseResponderLifetime(2, said)
  return { seconds: lesser(chosen.seconds, seconds), kilobytes: lesser(chosen.kilobytes, kilobytes) }
}

/** (3) The secret exists. */
export function agreedForQM3(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  work: QuickModeWork & { to: 'send QM3' },
  result: WorkResult,
): void {
  if (result.is === 'agreed') return finish(turn, sa, messageId, work, result.shared)
  const { proposal, inboundSpi } = work.offer
  const why = badPublicValue({ proposal: { group: proposal.group! } }, reasonOf(result))
  failQuick(turn, sa, messageId, inboundSpi, 'key exchange', why)
}

/** (4) The pair is to be installed; QM3 waits for it. */
function finish(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  work: QuickModeWork & { to: 'send QM3' },
  gxy: Uint8Array | undefined,
): void {
  const { offer, nonces, iv, received } = work
  const { keys } = protection(sa)!
  const qm3 = sealQuick(sa, messageId, iv, [], () => hash3(keys, messageId, nonces.niB, nonces.nrB))
  install(turn, sa, { role: 'initiator', messageId, offer, nonces, gxy, message: qm3.octets, iv: qm3.iv, received })
}

/** (5) The pair is in the fast path. */
export function installedInitiator(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  quick: QuickMode & { is: 'installing' },
): void {
  const peer = turn.state.peers.get(quick.peer)
  advanceQuick(turn, sa, messageId, undefined)
  if (!peer) return
  const { pair, message, received } = quick
  remember(turn, sa, received, message)
  send(turn, sa.path, message)
  const first = firstOfItsKind(peer, pair.selectors)
  // Installed so that it is used at once.
  const atOnce = first && !pair.selectors.tunnel && !quick.commit
  if (atOnce) peer.using = pair.inboundSpi
  addPair(turn, peer, pair)
  if (atOnce) return confirmPair(turn, peer, pair, 'message')
  sa.quick.set(messageId, { is: 'settling', inboundSpi: pair.inboundSpi, iv: quick.iv })
  arm(turn, quickTimer(sa, messageId), turn.now + (first && !quick.commit ? firstSettleMs : settleMs))
}

/** A QM2 came again, so QM3 was lost: the pair settles later. */
export function settleLater(turn: Turn, sa: IkeSa, messageId: number): void {
  arm(turn, quickTimer(sa, messageId), turn.now + settleMs)
}

/** CONNECTED as the fourth message of quick mode, as racoon and Windows send it to their own commit bit; HASH(4) is made like HASH(1). */
export function receiveConnected(
  turn: Turn,
  sa: IkeSa,
  quick: QuickMode & { is: 'settling' },
  received: Received,
): void {
  const { keys } = protection(sa)!
  const { messageId } = received.header
  const opened = openQuick('QM4', keys, quick.iv, received, (after) => hash1(keys, messageId, after))
  // A repeated message that is not known any more looks the same as one of another form.
  if (typeof opened === 'string') return
  follow(turn, sa, received.path)
  alive(turn, sa)
  if (all(opened.chain.payloads, 'N').some(({ notify }) => notify === notifyType.CONNECTED))
    settled(turn, sa, messageId, quick)
}

export function settled(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  { inboundSpi }: QuickMode & { is: 'settling' },
): void {
  advanceQuick(turn, sa, messageId, undefined)
  const found = findPair(turn, inboundSpi)
  if (found) confirmPair(turn, found.peer, found.pair, 'message')
}

// --- failure ----------------------------------------------------------------------------------------------------------------------------

/** Nobody answered QM1. */
export function unansweredQuick(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  { wish }: QuickMode & { is: 'awaiting QM2' },
): void {
  const offers = wish.proposals.map(showEspProposal).join(', ')
  const why = `${showEndpoint(sa.path.remote)} did not answer quick mode: perhaps it accepts no ESP proposal of ${offers}`
  failQuick(turn, sa, messageId, wish.inboundSpi, 'no answer', why)
}

/** An authenticated error notify: what we asked for is refused. */
export function refusedByPeer(turn: Turn, sa: IkeSa, notify: string): void {
  for (const [messageId, quick] of [...sa.quick]) {
    if (quick.is !== 'awaiting QM2') continue
    const offers = quick.wish.proposals.map(showEspProposal).join(', ')
    const why = `${showEndpoint(sa.path.remote)} refused our quick mode with ${notify}; we offered ${offers}: give it one with --esp that it knows`
    failQuick(turn, sa, messageId, quick.wish.inboundSpi, notify === 'NO-PROPOSAL-CHOSEN' ? 'proposal' : 'notify', why)
  }
}

function failQuick(turn: Turn, sa: IkeSa, messageId: number, inboundSpi: number, cause: IkeRefusal, why: string): void {
  releaseSpi(turn, inboundSpi)
  advanceQuick(turn, sa, messageId, undefined)
  const peer = turn.state.peers.get(sa.peer ?? -1)
  if (sa.request && !peer?.announced) return failSa(turn, sa, cause, why)
  refuse(turn, sa, cause, why)
}
