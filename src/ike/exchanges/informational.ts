// Informational exchanges (RFC 2409 §5.7): Delete and notifies. Authenticated ones act; others change nothing and are only reported.
import { sameSecret } from '../../crypto/constant-time.ts'
import { samePath, sourceOf } from '../../wire/address.ts'
import { WireError } from '../../wire/errors.ts'
import type { PeerGoneReason } from '../contract.ts'
import { alive } from '../dpd.ts'
import { exchangeIv, hash1, type IkeKeys } from '../keys.ts'
import { defaultSeconds, ikeSeconds } from '../lifetimes.ts'
import { hashed, type Opened, open, type Received, sealedMessage } from '../message.ts'
import { all, breach, required } from '../message-rules.ts'
import { deletedByPeer, endPeer, initialContact } from '../peers.ts'
import { espSpi, spiOctets } from '../proposals.ts'
import { allowed } from '../quota.ts'
import { remember } from '../retransmit.ts'
import { answered } from '../return-path.ts'
import { dropSa, findSa, follow, markDeleted, markSeen, newMessageId, protection, standingSa } from '../sa.ts'
import type { IkeSa, Pair, Peer, QuickMode } from '../state.ts'
import { arm, report, reportInvalid, send, type Turn } from '../turn.ts'
import { afterFirst, parseChain } from '../wire/chain.ts'
import { cookieOctets } from '../wire/header.ts'
import {
  deadPeerProbe,
  deadPeerSequence,
  ikeNotify,
  ikeSpi,
  parseResponderLifetime,
  responderLifetimeData,
  understood,
} from '../wire/notifications.ts'
import { doi, exchangeType, nameOf, notifyType, protocolId } from '../wire/numbers.ts'
import { type DeletePayload, deletePayload, type NotifyPayload, type Payload } from '../wire/payloads.ts'
import { refusedByPeer, settled } from './quick-mode-initiator.ts'
import { unfinished } from './quick-mode-responder.ts'

// --- receiving --------------------------------------------------------------------------------------------------------------------------

export function receiveInformational(turn: Turn, sa: IkeSa, received: Received): void {
  const { header, path } = received
  if (!header.encrypted) return hearStranger(turn, sa, received)
  const secured = protection(sa)
  if (!secured) return
  const quick = sa.quick.get(header.messageId)
  if (sa.seen.has(header.messageId) && quick?.is !== 'settling') return
  const iv = exchangeIv(secured.keys, secured.lastBlock, header.messageId)
  const opened = authentic(secured.keys, iv, received)
  if (typeof opened === 'string') return reportInvalid(turn, path, opened)
  // With a quick mode's message id it can be CONNECTED only, which has that of the quick mode that it ends (RFC 2408 §3.1).
  if (quick?.is === 'settling') return connected(turn, sa, quick, received, opened)
  markSeen(sa, header.messageId)
  follow(turn, sa, path)
  alive(turn, sa)
  for (const payload of opened.chain.payloads) {
    if (payload.is !== 'D' && payload.is !== 'N') continue
    if (!understood(payload))
      reportInvalid(turn, path, `a ${kindOf(payload)} for DOI ${payload.doi}, protocol ${payload.protocol}`)
    else if (payload.is === 'D') act(turn, sa, payload)
    else hear(turn, sa, payload, received)
  }
}

const kindOf = ({ is }: DeletePayload | NotifyPayload) => (is === 'D' ? 'Delete' : 'notify')

function connected(
  turn: Turn,
  sa: IkeSa,
  quick: QuickMode & { is: 'settling' },
  { header, path }: Received,
  { chain }: Opened,
): void {
  if (!all(chain.payloads, 'N').some(({ notify }) => notify === notifyType.CONNECTED)) return
  follow(turn, sa, path)
  alive(turn, sa)
  settled(turn, sa, header.messageId, quick)
}

/** Decrypted, by the rules, and with the right HASH(1); or what is wrong. */
function authentic(keys: IkeKeys, iv: Uint8Array, received: Received): Opened | string {
  try {
    const opened = open(keys, iv, received)
    if (!opened) return 'an informational message that is no whole number of cipher blocks'
    const wrong = breach('INFO', opened.chain.payloads)
    if (wrong) return wrong
    const wanted = hash1(keys, received.header.messageId, afterFirst(opened.chain))
    const given = required(opened.chain.payloads, 'HASH').data
    return sameSecret(given, wanted) ? opened : 'an informational message with a wrong HASH'
  } catch (error) {
    if (error instanceof WireError) return `an informational message that does not decrypt: ${error.message}`
    throw error
  }
}

/** The error that a sealed message holds which came in the place of MM6, or undefined where it is something else. */
export function refusalIn({ keys, lastBlock }: Secured, received: Received): string | undefined {
  const opened = authentic(keys, exchangeIv(keys, lastBlock, received.header.messageId), received)
  if (typeof opened === 'string') return undefined
  const said = opened.chain.payloads.find((one) => one.is === 'N' && one.notify < notifyType.CONNECTED)
  return said?.is === 'N' ? nameOf(notifyType, said.notify, 'notify') : undefined
}

// Nobody can know whether a notify in clear is the peer's. It serves the sentence of a failure that happens anyway.
function hearStranger(turn: Turn, sa: IkeSa | undefined, { path, header, body }: Received): void {
  for (const payload of parseChain(header.next, body, 'clear').payloads) {
    const notify = payload.is === 'N' ? nameOf(notifyType, payload.notify, 'notify') : payload.is
    if (sa && payload.is === 'N' && payload.notify < notifyType.CONNECTED) sa.hint = notify
    if (allowed(turn.state.invalidQuota, sourceOf(path.remote.address), turn.now))
      report(turn, { event: 'ike.notify.received', path, notify, authenticated: false })
  }
}

/** An informational message for an SA that nobody has. */
export function hearUnknown(turn: Turn, received: Received): void {
  if (!received.header.encrypted) hearStranger(turn, undefined, received)
}

// Delete (RFC 2408 §3.15): of ESP SAs by the SPI at which their sender receives (strongSwan names ours where it could not install the pair), of ISAKMP
// SAs by both cookies.
function act(turn: Turn, sa: IkeSa, { protocol, spis }: DeletePayload): void {
  const peer = turn.state.peers.get(sa.peer ?? -1)
  for (const octets of spis) {
    if (protocol === protocolId.ESP && peer) {
      const spi = espSpi(octets)
      const pair = [...peer.pairs.values()].find(({ outboundSpi }) => outboundSpi === spi) ?? peer.pairs.get(spi ?? 0)
      if (pair) deletedByPeer(turn, peer, pair)
    }
    if (protocol === protocolId.ISAKMP) deleteIke(turn, sa, octets)
  }
}

function deleteIke(turn: Turn, sa: IkeSa, spi: Uint8Array): void {
  const target = findSa(turn, {
    initiatorCookie: spi.subarray(0, cookieOctets),
    responderCookie: spi.subarray(cookieOctets),
  })
  // Only its own, or another of the same peer.
  if (target && (target === sa || (target.peer !== undefined && target.peer === sa.peer)))
    markDeleted(turn, target, 'the peer deleted it')
}

function hear(turn: Turn, sa: IkeSa, payload: NotifyPayload, received: Received): void {
  const { notify } = payload
  switch (notify) {
    case notifyType['R-U-THERE']:
      return answerProbe(turn, sa, payload, received)
    case notifyType['R-U-THERE-ACK']:
      // Being authentic and new, it has counted as life already.
      return heardAnswer(turn, sa, payload)
    case notifyType['INITIAL-CONTACT']:
      initialContact(turn, sa)
      break
    case notifyType['RESPONDER-LIFETIME']:
      if (payload.protocol === protocolId.ISAKMP) shorten(turn, sa, payload)
      break
    default:
      if (notify < notifyType.CONNECTED) failedAtPeer(turn, sa, nameOf(notifyType, notify, 'notify'))
  }
  report(turn, {
    event: 'ike.notify.received',
    path: received.path,
    notify: nameOf(notifyType, notify, 'notify'),
    authenticated: true,
  })
}

// An authenticated error: what we asked for is refused, or what we answered could not be used.
function failedAtPeer(turn: Turn, sa: IkeSa, notify: string): void {
  refusedByPeer(turn, sa, notify)
  for (const [messageId, quick] of [...sa.quick])
    if (quick.is === 'awaiting QM3') unfinished(turn, sa, messageId, quick, `the peer answered it with ${notify}`)
}

function heardAnswer(turn: Turn, sa: IkeSa, payload: NotifyPayload): void {
  const peer = turn.state.peers.get(sa.peer ?? -1)
  if (peer && samePath(peer.path, sa.path)) answered(peer, deadPeerSequence(payload))
}

// RFC 3706 §5.3: the answer repeats the sequence number. A repeat of the message is answered from the cache.
function answerProbe(turn: Turn, sa: IkeSa, payload: NotifyPayload, received: Received): void {
  const sequence = deadPeerSequence(payload)
  if (sequence === undefined) return
  const octets = inform(turn, sa, [deadPeerProbe(sa.cookies, sequence, true)])
  if (octets) remember(turn, sa, received.octets, octets)
}

// The responder keeps our ISAKMP SA shorter than we asked for (RFC 2407 §4.6.3.1).
function shorten(turn: Turn, sa: IkeSa, payload: NotifyPayload): void {
  const { seconds } = parseResponderLifetime(1, payload)
  if (
    sa.role !== 'initiator' ||
    seconds === undefined ||
    sa.established === undefined ||
    sa.phase1.is !== 'established'
  )
    return
  const expires = sa.established + seconds * 1000
  if (sa.expires === undefined || expires >= sa.expires) return
  sa.expires = expires
  arm(turn, `ike-expire ${sa.id}`, expires)
  arm(turn, `ike-rekey ${sa.id}`, sa.established + seconds * 820)
}

// --- sending ----------------------------------------------------------------------------------------------------------------------------

/** Sends payloads sealed and authenticated in an exchange of their own; returns the message. */
export function inform(turn: Turn, sa: IkeSa, payloads: readonly Payload[]): Uint8Array | undefined {
  const secured = protection(sa)
  return secured && informBy(turn, sa, secured, payloads)
}

type Secured = { readonly keys: IkeKeys; readonly lastBlock: Uint8Array }

/** The same before the ISAKMP SA stands: who refuses an identification has keys already, and nothing is told in clear. */
export function informBy(
  turn: Turn,
  sa: IkeSa,
  { keys, lastBlock }: Secured,
  payloads: readonly Payload[],
): Uint8Array {
  const messageId = newMessageId(turn, sa)
  const iv = exchangeIv(keys, lastBlock, messageId)
  const chain = hashed(payloads, (after) => hash1(keys, messageId, after))
  const outgoing = { cookies: sa.cookies, exchange: exchangeType.informational, messageId }
  const { octets } = sealedMessage(keys, iv, outgoing, chain)
  send(turn, sa.path, octets)
  return octets
}

/** Our ISAKMP SA lives shorter than the initiator asked for: it is told so. */
export function responderLifetime(turn: Turn, sa: IkeSa): void {
  if (sa.phase1.is !== 'established') return
  const asked = sa.phase1.agreed.lifeSeconds ?? defaultSeconds
  const seconds = ikeSeconds(turn, sa.phase1.agreed.lifeSeconds)
  if (seconds >= asked) return
  const data = responderLifetimeData(1, { seconds, kilobytes: undefined })
  inform(turn, sa, [ikeNotify(notifyType['RESPONDER-LIFETIME'], ikeSpi(sa.cookies), data)])
}

export function sayDeletePair(turn: Turn, sa: IkeSa, { inboundSpi }: Pair): void {
  inform(turn, sa, [deletePayload({ doi: doi.IPSEC, protocol: protocolId.ESP, spis: [spiOctets(inboundSpi)] })])
}

export function sayDeleteIke(turn: Turn, sa: IkeSa): void {
  inform(turn, sa, [deleteOfIke(sa)])
}

export function deleteOfIke({ cookies }: IkeSa): Payload {
  return deletePayload({ doi: doi.IPSEC, protocol: protocolId.ISAKMP, spis: [ikeSpi(cookies)] })
}

/** Deletes of everything of the peer, ESP first, ISAKMP last, as Windows says them; then it is forgotten. */
export function sayGoodbye(turn: Turn, peer: Peer, reason: PeerGoneReason, why: string): void {
  const sa = standingSa(turn, peer)
  if (sa) for (const pair of peer.pairs.values()) sayDeletePair(turn, sa, pair)
  const sas = [...peer.sas].map((id) => turn.state.sas.get(id)).filter((one) => one !== undefined)
  for (const one of sas) if (one.phase1.is === 'established') sayDeleteIke(turn, one)
  endPeer(turn, peer, reason)
  for (const one of sas) dropSa(turn, one, why)
}
