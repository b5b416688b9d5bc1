// Main mode with signatures, both roles, from the moment the secret is known (RFC 2409 §5.1; RFC 4754 for ECDSA). Unlike with a pre-shared key the
// messages are sealed before anybody is proved, so a wrong certificate can be told from damage. The walk: the initiator signs HASH_I, MM5 carries its
// certificates; the responder has them judged, signs HASH_R, answers with its own in MM6; the initiator has those judged. Signing and judging are work:
// its results come back here.

import { WireError } from '../../wire/errors.ts'
import {
  certificateRuleFor,
  certificatesOf,
  credentialFor,
  encoded,
  requestsIn,
  requestsOf,
} from '../authentication.ts'
import type { Credential, WorkResult } from '../contract.ts'
import { deriveIkeKeys, hashI, hashR, type IkeKeys, phase1Iv, skeyidOfSignatures } from '../keys.ts'
import { type Opened, open, type Received, sealedMessage } from '../message.ts'
import { all, breach, only, required } from '../message-rules.ts'
import { remember, sendUntilAnswered } from '../retransmit.ts'
import { advance } from '../sa.ts'
import type { Exchanged, IkeSa, Phase1, SignatureWork } from '../state.ts'
import { arm, policyOf, reportInvalid, send, startCertificateWork, type Turn } from '../turn.ts'
import { ikeNotify, ikeSpi, initialContact } from '../wire/notifications.ts'
import { authenticationMethod, exchangeType, notifyType } from '../wire/numbers.ts'
import { idPayload, type Payload, sigPayload } from '../wire/payloads.ts'
import { deleteOfIke, informBy, responderLifetime } from './informational.ts'
import { establish, giveUp, seenBy } from './phase1.ts'

type Work<To extends SignatureWork['to']> = SignatureWork & { readonly to: To }

const mainMode = (sa: IkeSa) => ({ cookies: sa.cookies, exchange: exchangeType.main, messageId: 0 })

/** CERTREQ payloads for MM3 or MM4 where signatures were agreed on. */
export function certificateRequests(turn: Turn, sa: IkeSa): readonly Payload[] {
  const rule = certificateRuleFor(policyOf(turn), sa.path.remote.address)
  return rule ? requestsOf(rule) : []
}

/** Notes what certificates the peer asks for; they come in any message. */
export function noteRequests(sa: IkeSa, payloads: readonly Payload[]): void {
  const asked = requestsIn(all(payloads, 'CERTREQ'))
  if (asked.length > 0) sa.requests = [...sa.requests, ...asked].slice(0, 24)
}

/** The keys of a phase 1 with signatures, which depend on no identity. */
function keysOf({ agreed, transcript, niB, nrB, gxy }: Exchanged): IkeKeys {
  const skeyid = skeyidOfSignatures(agreed.proposal.hash as IkeKeys['hash'], niB, nrB, gxy)
  return deriveIkeKeys(agreed.proposal, skeyid, gxy, transcript)
}

// RFC 2409 §5.1: a signature tied to a hash covers HASH_I and HASH_R made with HMAC of that hash; RFC 4754 §6 ties each of its methods to one.
const tiedHash: Readonly<Record<number, IkeKeys['hash']>> = {
  [authenticationMethod['ECDSA with SHA2-256']]: 'sha256',
  [authenticationMethod['ECDSA with SHA2-384']]: 'sha384',
  [authenticationMethod['ECDSA with SHA2-512']]: 'sha512',
}

function signedBy({ hash, skeyid }: IkeKeys, { agreed }: Exchanged): Pick<IkeKeys, 'hash' | 'skeyid'> {
  return { hash: tiedHash[agreed.method] ?? hash, skeyid }
}

function firstIv(keys: IkeKeys, { transcript }: Exchanged): Uint8Array {
  return phase1Iv(keys, transcript.gxi, transcript.gxr)
}

function ownCredential(turn: Turn, sa: IkeSa, method: number): Credential | undefined {
  const rule = certificateRuleFor(policyOf(turn), sa.path.remote.address)
  return rule && credentialFor(rule, method, sa.requests)
}

const noCredential =
  'the certificate that this negotiation began with is not configured here any more: begin anew with the new configuration'

// --- our signature ----------------------------------------------------------------------------------------------------------------------

function sign(turn: Turn, sa: IkeSa, work: Work<'sign MM5' | 'sign MM6'>): void {
  const { credential, exchanged, keys } = work
  const cover = sa.role === 'initiator' ? hashI : hashR
  const { body } = idPayload({ protocol: 0, port: 0, ...credential.identity })
  const hash = cover(signedBy(keys, exchanged), exchanged.transcript, body)
  const job = startCertificateWork(turn, { sa: sa.id, messageId: 0 }, { do: 'sign', credential: credential.name, hash })
  advance(sa, { is: 'computing', job, work })
}

function identification(sa: IkeSa, credential: Credential, signature: Uint8Array): readonly Payload[] {
  return [
    idPayload({ protocol: 0, port: 0, ...credential.identity }),
    ...certificatesOf(credential, sa.requests),
    sigPayload(signature),
  ]
}

const unsigned = (credential: Credential, result: WorkResult) =>
  `our certificate ${credential.name} could not sign: ${result.is === 'failed' ? result.reason : 'wrong kind of result'}; see that its key is the right one`

// --- the peer's -------------------------------------------------------------------------------------------------------------------------

type Opening = { readonly opened: Opened; readonly identity: Extract<Payload, { is: 'ID' }> }

function openSealed(
  turn: Turn,
  keys: IkeKeys,
  iv: Uint8Array,
  received: Received,
  name: 'MM5' | 'MM6',
): Opening | undefined {
  let opened: Opened | undefined
  try {
    opened = open(keys, iv, received)
  } catch (error) {
    if (!(error instanceof WireError)) throw error
  }
  const wrong = opened ? breach(name, opened.chain.payloads) : 'it does not decrypt'
  if (!opened || wrong) {
    reportInvalid(turn, received.path, `${name} with a signature was expected: ${wrong}`)
    return undefined
  }
  const { payloads } = opened.chain
  if (!only(payloads, 'SIG')) {
    reportInvalid(turn, received.path, `${name} holds no SIG, and signatures with certificates were agreed on`)
    return undefined
  }
  return { opened, identity: required(payloads, 'ID') }
}

function judge(
  turn: Turn,
  sa: IkeSa,
  { opened, identity }: Opening,
  exchanged: Exchanged,
  keys: IkeKeys,
  received: Received,
): void {
  const { payloads } = opened.chain
  const role = sa.role === 'initiator' ? 'responder' : 'initiator'
  const cover = role === 'initiator' ? hashI : hashR
  noteRequests(sa, payloads)
  const job = startCertificateWork(
    turn,
    { sa: sa.id, messageId: 0 },
    {
      do: 'verify',
      rule: certificateRuleFor(policyOf(turn), sa.path.remote.address)?.name ?? '',
      method: exchanged.agreed.method,
      hash: cover(signedBy(keys, exchanged), exchanged.transcript, identity.body),
      signature: required(payloads, 'SIG').data.slice(),
      certificates: encoded(all(payloads, 'CERT')),
      identity: { idType: identity.idType, data: identity.data.slice() },
      role,
    },
  )
  const kept = { notifies: all(payloads, 'N'), path: received.path, received: received.octets.slice() }
  const to = role === 'initiator' ? 'judge MM5' : 'judge MM6'
  advance(sa, { is: 'computing', job, work: { to, exchanged, keys, iv: opened.iv.slice(), identity, ...kept } })
}

// --- responder --------------------------------------------------------------------------------------------------------------------------

/** The initiator's identification; what it proves is judged first. */
export function receiveSignedMM5(
  turn: Turn,
  sa: IkeSa,
  { exchanged }: Phase1 & { is: 'awaiting MM5' },
  received: Received,
): void {
  const keys = keysOf(exchanged)
  const opening = openSealed(turn, keys, firstIv(keys, exchanged), received, 'MM5')
  if (!opening) return
  remember(turn, sa, received.octets, undefined)
  judge(turn, sa, opening, exchanged, keys, received)
}

function judgedMM5(turn: Turn, sa: IkeSa, work: Work<'judge MM5'>, result: WorkResult): void {
  if (result.is !== 'verified') {
    informBy(turn, sa, { keys: work.keys, lastBlock: work.iv }, [faultOf(sa, result)])
    return giveUp(turn, sa, 'certificate', refusal(result), seenBy(sa.client, 789))
  }
  const credential = ownCredential(turn, sa, work.exchanged.agreed.method)
  if (!credential) return giveUp(turn, sa, 'certificate', noCredential, seenBy(sa.client, 789))
  sign(turn, sa, { ...work, to: 'sign MM6', credential, subject: result.subject })
}

function refusal(result: WorkResult): string {
  return result.is === 'failed' ? result.reason : 'the certificate was judged with the wrong kind of result'
}

// Under the keys of the exchange: nobody else learns what we think of the peer.
function faultOf({ cookies }: IkeSa, result: WorkResult): Payload {
  const what = (result.is === 'failed' && result.tell) || 'AUTHENTICATION-FAILED'
  return ikeNotify(notifyType[what], ikeSpi(cookies))
}

function sendSignedMM6(turn: Turn, sa: IkeSa, work: Work<'sign MM6'>, result: WorkResult): void {
  const { credential, exchanged, keys, iv, identity, subject, notifies, path, received } = work
  if (result.is !== 'signed') return giveUp(turn, sa, 'certificate', unsigned(credential, result))
  const mm6 = sealedMessage(keys, iv, mainMode(sa), identification(sa, credential, result.signature))
  establish(turn, sa, { path, agreed: exchanged.agreed, keys, lastBlock: mm6.iv, identity, subject, notifies })
  remember(turn, sa, received, mm6.octets)
  send(turn, sa.path, mm6.octets)
  responderLifetime(turn, sa)
}

// --- initiator --------------------------------------------------------------------------------------------------------------------------

/** The secret exists: HASH_I is signed. Answers the sentence of a failure. */
export function beginSignedMM5(turn: Turn, sa: IkeSa, exchanged: Exchanged): string | undefined {
  const credential = ownCredential(turn, sa, exchanged.agreed.method)
  if (!credential) return noCredential
  const keys = keysOf(exchanged)
  sign(turn, sa, { to: 'sign MM5', exchanged, keys, iv: firstIv(keys, exchanged), credential })
  return undefined
}

type Fail = (why: string) => void

function sendSignedMM5(
  turn: Turn,
  sa: IkeSa,
  work: Work<'sign MM5'>,
  result: WorkResult,
  contact: boolean,
  fail: Fail,
): void {
  const { credential, exchanged, keys, iv } = work
  if (result.is !== 'signed') return fail(unsigned(credential, result))
  const payloads = [
    ...identification(sa, credential, result.signature),
    ...(contact ? [initialContact(sa.cookies)] : []),
  ]
  const mm5 = sealedMessage(keys, iv, mainMode(sa), payloads)
  const resend = sendUntilAnswered(turn, `resend ${sa.id}`, sa.path, mm5.octets)
  advance(sa, { is: 'awaiting MM6', exchanged, keys, iv: mm5.iv, resend })
}

/** The responder's identification; what it proves is judged first. */
export function receiveSignedMM6(
  turn: Turn,
  sa: IkeSa,
  phase1: Phase1 & { is: 'awaiting MM6' },
  received: Received,
): void {
  const { exchanged, keys, iv } = phase1
  const opening = openSealed(turn, keys, iv, received, 'MM6')
  if (!opening) return
  remember(turn, sa, received.octets, undefined)
  arm(turn, `resend ${sa.id}`, undefined)
  judge(turn, sa, opening, exchanged, keys, received)
}

function judgedMM6(turn: Turn, sa: IkeSa, work: Work<'judge MM6'>, result: WorkResult, fail: Fail): void {
  const { exchanged, keys, iv, identity, notifies, path } = work
  if (result.is !== 'verified') {
    // For the responder the ISAKMP SA stands since it sent MM6.
    const secured = { keys, lastBlock: iv }
    informBy(turn, sa, secured, [faultOf(sa, result)])
    informBy(turn, sa, secured, [deleteOfIke(sa)])
    return fail(refusal(result))
  }
  establish(turn, sa, {
    path,
    agreed: exchanged.agreed,
    keys,
    lastBlock: iv,
    identity,
    subject: result.subject,
    notifies,
  })
}

/** What the initiator's side does besides: whether INITIAL-CONTACT is true, what a failure means, what comes next. */
export type InitiatorSide = { readonly contact: () => boolean; readonly fail: Fail; readonly established: () => void }

/** A signature or a judgement is there. */
export function signatureDone(
  turn: Turn,
  sa: IkeSa,
  work: SignatureWork,
  result: WorkResult,
  side: InitiatorSide,
): void {
  switch (work.to) {
    case 'judge MM5':
      return judgedMM5(turn, sa, work as Work<'judge MM5'>, result)
    case 'sign MM6':
      return sendSignedMM6(turn, sa, work, result)
    case 'sign MM5':
      return sendSignedMM5(turn, sa, work, result, side.contact(), side.fail)
    case 'judge MM6':
      judgedMM6(turn, sa, work as Work<'judge MM6'>, result, side.fail)
      if (sa.phase1.is === 'established') side.established()
  }
}
