// Main mode, responder (RFC 2409 §5.4). The walk: (1) MM1 chooses a proposal and answers it; (2) MM3 brings the peer's public value, the work goes
// out; (3) its result answers with ours; (4) MM5 comes sealed, the pre-shared key shows itself right or wrong; (5) MM6 proves us.

import type { Group } from '../../algorithms/algorithms.ts'
import { ciphers } from '../../algorithms/registry.ts'
import { sameSecret } from '../../crypto/constant-time.ts'
import { publicValueFault } from '../../crypto/dh.ts'
import { WireError } from '../../wire/errors.ts'
import { methodsFor, signs } from '../authentication.ts'
import type { WorkResult } from '../contract.ts'
import * as halfOpen from '../half-open.ts'
import { isNamed, showIdentity } from '../identity.ts'
import { deriveIkeKeys, hashI, hashR, type IkeKeys, openBody, phase1Iv, skeyidOfPreSharedKey } from '../keys.ts'
import { clearMessage, type Opened, open, type Received, sealedMessage } from '../message.ts'
import { all, breach, only, required } from '../message-rules.ts'
import { natDPayloads } from '../nat.ts'
import { notifyInClear } from '../notify.ts'
import { preSharedKeysFor } from '../pre-shared-keys.ts'
import { remember } from '../retransmit.ts'
import { advance, createSa, dropSa, newCookie } from '../sa.ts'
import type { Exchanged, IkeSa, Phase1, Phase1Work } from '../state.ts'
import { policyOf, refuse, reportInvalid, send, startWork, type Turn } from '../turn.ts'
import type { Chain } from '../wire/chain.ts'
import { emitMessage } from '../wire/header.ts'
import { exchangeType, notifyType, payloadType } from '../wire/numbers.ts'
import { hashPayload, kePayload, noncePayload, type Payload } from '../wire/payloads.ts'
import { judgeFirst } from './first-message.ts'
import { responderLifetime } from './informational.ts'
import { certificateRequests, noteRequests, receiveSignedMM5 } from './main-mode-signatures.ts'
import { establish, findNat, giveUp, natContext, nonceFits, nonceOctets, ownId, seenBy, spoils } from './phase1.ts'

/** (1) A first message; `first` is its key. Nothing is kept unless it can be answered. Throws WireError. */
export function receiveMM1(turn: Turn, received: Received, first: string): void {
  const { path, header, octets, body } = received
  const { initiatorCookie } = header
  const { address } = path.remote
  const methods = methodsFor(policyOf(turn), address)
  const judged = judgeFirst(policyOf(turn), address, methods, { next: header.next, body })
  if (judged.is === 'wrong') return reportInvalid(turn, path, judged.why)
  if (judged.is !== 'chosen') {
    const { client } = judged
    const { cause, why, notify } = judged.is === 'refused' ? judged : unknownAt(address)
    refuse(turn, { path, client }, cause, why, seenBy(client, 789))
    return notifyInClear(turn, path, { initiatorCookie, responderCookie: newCookie(turn) }, notify)
  }
  if (!admit(turn, received)) return
  const { introduction, agreed, requests, answer } = judged
  const cookies = { initiatorCookie: initiatorCookie.slice(), responderCookie: newCookie(turn) }
  const phase1: Phase1 = { is: 'awaiting MM3', agreed }
  const sa = createSa(turn, { role: 'responder', path, cookies, phase1, introduction, first })
  sa.requests = requests
  const mm2 = { ...sa.cookies, exchange: exchangeType.main, next: answer.first }
  reply(turn, sa, octets, emitMessage(mm2, answer.octets))
}

function unknownAt(address: string) {
  const why = `neither a pre-shared key nor a certificate is configured for ${address}: add one for its address, or one for any peer`
  return { cause: 'pre-shared key', why, notify: notifyType['NO-PROPOSAL-CHOSEN'] } as const
}

export function admit(turn: Turn, { path }: Received): boolean {
  const admission = halfOpen.admission(turn, path)
  if (admission.is === 'dropped') {
    halfOpen.reportDropped(turn, path, admission.limit)
    return false
  }
  const evicted = turn.state.sas.get(admission.inPlaceOf ?? -1)
  if (evicted) {
    halfOpen.reportDropped(turn, evicted.path, 'total')
    dropSa(turn, evicted, 'its place was needed')
  }
  return true
}

function reply(turn: Turn, sa: IkeSa, received: Uint8Array, octets: Uint8Array): void {
  remember(turn, sa, received, octets)
  send(turn, sa.path, octets)
}

/** (2) The peer's public value and nonce. */
export function receiveMM3(
  turn: Turn,
  sa: IkeSa,
  phase1: Phase1 & { is: 'awaiting MM3' },
  received: Received,
  { payloads }: Chain,
): void {
  const wrong = breach('MM3', payloads) ?? nonceFault(payloads)
  if (wrong) return reportInvalid(turn, received.path, wrong)
  const { agreed } = phase1
  const { publicValue } = required(payloads, 'KE')
  const fault = publicValueFault(agreed.proposal.group, publicValue)
  if (fault) return refuse(turn, sa, 'key exchange', badPublicValue(agreed, fault), seenBy(sa.client, 789))
  findNat(turn, sa, agreed, payloads)
  noteRequests(sa, payloads)
  remember(turn, sa, received.octets, undefined)
  halfOpen.answered(turn, sa.id)
  const gxi = publicValue.slice()
  const niB = required(payloads, 'NONCE').nonce.slice()
  const job = startWork(
    turn,
    { sa: sa.id, messageId: 0 },
    { do: 'exchange', group: agreed.proposal.group, peerPublic: gxi },
  )
  const work: Phase1Work = { to: 'send MM4', agreed, gxi, niB, received: received.octets.slice() }
  advance(sa, { is: 'computing', job, work })
}

export function nonceFault(payloads: readonly Payload[]): string | undefined {
  const nonce = only(payloads, 'NONCE')?.nonce
  return nonce && !nonceFits(nonce) ? `a nonce of ${nonce.length} octets; 8 to 256 are allowed` : undefined
}

/** (3) Our public value exists. */
export function sendMM4(turn: Turn, sa: IkeSa, work: Phase1Work & { to: 'send MM4' }, result: WorkResult): void {
  const { agreed, gxi, niB, received } = work
  if (result.is !== 'exchanged') {
    const reason = result.is === 'failed' ? result.reason : 'wrong kind of result'
    return giveUp(turn, sa, 'key exchange', badPublicValue(agreed, reason), seenBy(sa.client, 789))
  }
  const nrB = turn.random.octets(nonceOctets)
  const context = natContext(turn, sa, agreed)
  const octets = clearMessage({ cookies: sa.cookies, exchange: exchangeType.main, messageId: 0 }, [
    kePayload(result.publicValue),
    noncePayload(nrB),
    ...(signs(agreed.method) ? certificateRequests(turn, sa) : []),
    ...(context ? natDPayloads(context, spoils(turn, sa), turn.random) : []),
  ])
  const transcript = { ...sa.cookies, gxi, gxr: result.publicValue, saiB: agreed.saiB }
  advance(sa, { is: 'awaiting MM5', exchanged: { agreed, transcript, niB, nrB, gxy: result.shared } })
  reply(turn, sa, received, octets)
}

/** The sentence for a value of 0, 1, p-1, p or above, or off the curve. */
export function badPublicValue({ proposal }: { readonly proposal: { readonly group: Group } }, reason: string): string {
  return `the peer's public value for ${proposal.group} is refused: ${reason}; its software is broken or somebody changed it on the way`
}

type Tried =
  | { readonly is: 'authentic'; readonly opened: Opened; readonly keys: IkeKeys; readonly keyIndex: number }
  | { readonly is: 'wrong key' }
  | { readonly is: 'damaged'; readonly why: string }
  | { readonly is: 'signature' }
  | { readonly is: 'another name'; readonly name: string; readonly identity: string }

/** (4) The peer's identification, sealed with a key that depends on the pre-shared one. */
export function receiveMM5(turn: Turn, sa: IkeSa, phase1: Phase1 & { is: 'awaiting MM5' }, received: Received): void {
  const { exchanged } = phase1
  if (signs(exchanged.agreed.method)) return receiveSignedMM5(turn, sa, phase1, received)
  const tried = tryKeys(turn, exchanged, received)
  if (tried.is === 'damaged') return reportInvalid(turn, received.path, tried.why)
  if (tried.is === 'signature') {
    const why =
      'the peer signs its identification although a pre-shared key was agreed on: choose the pre-shared key on the client'
    return refuse(turn, sa, 'authentication method', why, seenBy(sa.client, 789))
  }
  if (tried.is === 'another name') {
    const why = `the pre-shared key is the one for ${tried.name}, and the peer calls itself ${tried.identity}: give it that ID, or configure the key for any peer`
    return refuse(turn, sa, 'pre-shared key', why, seenBy(sa.client, 789))
  }
  if (tried.is === 'wrong key') return reportWrongKey(turn, sa)
  sa.keyIndex = tried.keyIndex
  sendMM6(turn, sa, exchanged, tried, received)
}

// No notify goes back: the peer could not trust it, and some answer it with one of their own.
function reportWrongKey(turn: Turn, sa: IkeSa): void {
  if (sa.keyRefused) return
  sa.keyRefused = true
  const why = `the pre-shared key of ${sa.path.remote.address} is not the one configured here: its identification does not decrypt; enter the same key on both sides`
  refuse(turn, sa, 'pre-shared key', why, seenBy(sa.client, 789))
}

function tryKeys(turn: Turn, exchanged: Exchanged, received: Received): Tried {
  let tried: Tried = { is: 'wrong key' }
  const candidates = preSharedKeysFor(policyOf(turn), received.path.remote.address)
  // All of them, whichever it was: how long it takes tells nothing.
  for (const [keyIndex, { key, name }] of candidates.entries()) {
    const { agreed, transcript, niB, nrB, gxy } = exchanged
    const skeyid = skeyidOfPreSharedKey(transcriptDigest(exchanged), key.reveal(), niB, nrB)
    const keys = deriveIkeKeys(agreed.proposal, skeyid, gxy, transcript)
    const one = tryKey(keys, exchanged, received)
    if (tried.is === 'authentic' || one.is === 'wrong key') continue
    tried = one.is === 'authentic' ? named({ ...one, keyIndex }, name) : one
  }
  return tried
}

/** A key that is configured for a name is its owner's only. */
function named(tried: Tried & { is: 'authentic' }, name: string | undefined): Tried {
  const identity = required(tried.opened.chain.payloads, 'ID')
  if (name === undefined || isNamed(identity, name)) return tried
  return { is: 'another name', name, identity: showIdentity(identity) }
}

const transcriptDigest = ({ agreed }: Exchanged) => agreed.proposal.hash as IkeKeys['hash']

function tryKey(keys: IkeKeys, { transcript }: Exchanged, received: Received): Tried {
  if (received.body.length % ciphers[keys.cipher].blockOctets !== 0)
    return { is: 'damaged', why: `MM5 of ${received.body.length} octets is no whole number of cipher blocks` }
  const iv = phase1Iv(keys, transcript.gxi, transcript.gxr)
  const opened = opens(keys, iv, received)
  if (opened === 'wrong key') return { is: 'wrong key' }
  if (opened === 'damaged') return { is: 'damaged', why: 'MM5 decrypts but does not parse' }
  const { payloads } = opened.chain
  const wrong = breach('MM5', payloads)
  if (wrong) return { is: 'damaged', why: wrong }
  const hash = only(payloads, 'HASH')
  if (!hash) return only(payloads, 'SIG') ? { is: 'signature' } : { is: 'damaged', why: 'MM5 holds no HASH' }
  const wanted = hashI(keys, transcript, required(payloads, 'ID').body)
  if (!sameSecret(hash.data, wanted)) return { is: 'damaged', why: 'MM5 decrypts but its HASH_I is wrong' }
  return { is: 'authentic', opened, keys, keyIndex: 0 }
}

/** A wrong key makes noise of the first block; damage elsewhere leaves an ID payload's header at its place. */
export function opens(keys: IkeKeys, iv: Uint8Array, received: Received): Opened | 'wrong key' | 'damaged' {
  try {
    return open(keys, iv, received) ?? 'damaged'
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return looksLikeId(keys, iv, received) ? 'damaged' : 'wrong key'
  }
}

const afterId: readonly number[] = [
  payloadType.HASH,
  payloadType.SIG,
  payloadType.CERT,
  payloadType.CERTREQ,
  payloadType.N,
  payloadType.VID,
]

function looksLikeId(keys: IkeKeys, iv: Uint8Array, { body }: Received): boolean {
  const plain = openBody(keys, iv, body)?.plain ?? body
  const [next, reserved, high, low] = plain as unknown as [number, number, number, number]
  const length = high * 256 + low
  return afterId.includes(next) && reserved === 0 && length >= 8 && length < body.length
}

/** (5) Our own identification; the SA stands. */
function sendMM6(
  turn: Turn,
  sa: IkeSa,
  { agreed, transcript }: Exchanged,
  { opened, keys }: Tried & { is: 'authentic' },
  received: Received,
): void {
  const { payloads } = opened.chain
  const id = ownId(turn, sa)
  const mm6 = sealedMessage(keys, opened.iv, { cookies: sa.cookies, exchange: exchangeType.main, messageId: 0 }, [
    id,
    hashPayload(hashR(keys, transcript, id.body)),
  ])
  establish(turn, sa, {
    path: received.path,
    agreed,
    keys,
    lastBlock: mm6.iv,
    identity: required(payloads, 'ID'),
    notifies: all(payloads, 'N'),
  })
  reply(turn, sa, received.octets, mm6.octets)
  responderLifetime(turn, sa)
}
