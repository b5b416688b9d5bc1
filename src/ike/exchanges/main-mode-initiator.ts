// Main mode, initiator (RFC 2409 §5.4). The walk: (1) MM1 offers; (2) MM2 has chosen, our key pair is made; (3) MM3 carries it; (4) MM4 brings the
// peer's value, the secret is computed, NAT is found or not; (5) MM5 identifies us, from port 4500 where there is a NAT; (6) MM6 proves the peer.
import { sameSecret } from '../../crypto/constant-time.ts'
import { publicValueFault } from '../../crypto/dh.ts'
import { type Path, showEndpoint } from '../../wire/address.ts'
import { equal } from '../../wire/codec.ts'
import { methodsFor, signs } from '../authentication.ts'
import type { IkeSaId, WorkResult } from '../contract.ts'
import type { IkeRefusal } from '../events.ts'
import { recognise, vendorNames } from '../fingerprint.ts'
import { fragmentationId } from '../fragmentation.ts'
import { deriveIkeKeys, hashI, hashR, phase1Iv, skeyidOfPreSharedKey } from '../keys.ts'
import { clearMessage, type Received, sealedMessage } from '../message.ts'
import { all, breach, only, required } from '../message-rules.ts'
import { chooseNatMethod, natDPayloads, natVendorIds } from '../nat.ts'
import { offerIke, readIkeAnswer } from '../offers.ts'
import { preSharedKeysFor } from '../pre-shared-keys.ts'
import { patienceMs, remember, sendUntilAnswered } from '../retransmit.ts'
import { advance, completeCookies, createSa, dropSa, localPorts, newCookie } from '../sa.ts'
import { policyAt, siteAt } from '../sites.ts'
import type { IkeSa, Peer, Phase1, Phase1Work, Request, SignatureWork } from '../state.ts'
import { arm, emit, policyOf, refuse, reportInvalid, startWork, type Turn } from '../turn.ts'
import type { Chain } from '../wire/chain.ts'
import { initialContact } from '../wire/notifications.ts'
import { exchangeType } from '../wire/numbers.ts'
import { hashPayload, kePayload, noncePayload, type Payload, vidPayload } from '../wire/payloads.ts'
import { vendorOctets } from '../wire/vendor-ids.ts'
import { beginAggressive } from './aggressive-mode-initiator.ts'
import { refusalIn, sayDeleteIke } from './informational.ts'
import { badPublicValue, nonceFault, opens } from './main-mode-responder.ts'
import {
  signatureDone as afterSignature,
  beginSignedMM5,
  certificateRequests,
  noteRequests,
  receiveSignedMM6,
} from './main-mode-signatures.ts'
import { asksForUdp, establish, findNat, natContext, nonceOctets, ownId, spoils } from './phase1.ts'
import { beginForRequest } from './quick-mode-initiator.ts'

/** The hint that a proof of aggressive mode's was wrong. */
export const wrongProof = 'a proof that does not fit our pre-shared key'

// Ours: transforms in one offer, so that MM1 fits one datagram.
const mostOffers = 24
/** Whole negotiations that `connect` tries with a peer that answered its first message. */
const attempts = 3

export type Occasion = {
  readonly path: Path
  readonly request?: Request | undefined
  /** Rekeying: the ISAKMP SA that goes, and whose it is. */
  readonly replaces?: IkeSa | undefined
  readonly peer?: Peer | undefined
}

/** (1) Our first message; a site's entry may want aggressive mode. */
export function sendMM1(turn: Turn, occasion: Occasion): void {
  const { path, request, replaces, peer } = occasion
  if (siteAt(policyOf(turn), path.remote.address)?.aggressive) return beginAggressive(turn, occasion)
  const { ike, lifetimes } = policyAt(policyOf(turn), path.remote.address)
  const before = replaces?.phase1
  const agreed = before && 'agreed' in before ? before.agreed : undefined
  const proposals = agreed ? [agreed.proposal] : ike.slice(0, mostOffers)
  const seconds = Math.min(agreed?.lifeSeconds ?? lifetimes.ikeSeconds, lifetimes.ikeSeconds)
  const methods = agreed ? [agreed.method] : methodsFor(policyOf(turn), path.remote.address)
  const offered = offerIke(
    proposals.slice(0, Math.ceil(mostOffers / methods.length)),
    { seconds, kilobytes: undefined },
    methods,
  )
  const cookies = { initiatorCookie: newCookie(turn), responderCookie: new Uint8Array(8) }
  const octets = clearMessage({ cookies, exchange: exchangeType.main, messageId: 0 }, [offered, ...ownVendors()])
  const timer = `resend ${turn.state.next.sa}`
  const resend = sendUntilAnswered(turn, timer, path, octets)
  const phase1: Phase1 = { is: 'awaiting MM2', offered, resend }
  const sa = createSa(turn, { role: 'initiator', path, cookies, phase1, request, replaces: replaces?.id })
  sa.peer = peer?.id
  sa.keyIndex = replaces?.keyIndex ?? 0
  peer?.sas.add(sa.id)
}

/** What we announce in a first message. */
export function ownVendors(): readonly Payload[] {
  const ids = [...natVendorIds(), fragmentationId(false), vendorOctets('DPD'), vendorOctets('Gatehouse')]
  return ids.map(vidPayload)
}

/** (2) The responder's choice. */
export function receiveMM2(
  turn: Turn,
  sa: IkeSa,
  phase1: Phase1 & { is: 'awaiting MM2' },
  received: Received,
  { payloads }: Chain,
): void {
  const wrong = breach('MM2', payloads)
  if (wrong) return reportInvalid(turn, received.path, wrong)
  const answer = readIkeAnswer(phase1.offered, required(payloads, 'SA'))
  if (answer.is === 'refused') return reportInvalid(turn, received.path, answer.why)
  completeCookies(turn, sa, received.header.responderCookie)
  remember(turn, sa, received.octets, undefined)
  arm(turn, `resend ${sa.id}`, undefined)
  const vendors = vendorNames(payloads)
  const { kind, software } = recognise(payloads)
  sa.client = kind
  sa.software = software
  sa.natMethod = chooseNatMethod(vendors)
  sa.dpd = vendors.includes('DPD')
  sa.fragmentation = vendors.includes('FRAGMENTATION')
  const agreed = {
    proposal: answer.proposal,
    method: answer.method,
    saiB: phase1.offered.body,
    lifeSeconds: answer.lifetime.seconds,
    lifeKilobytes: answer.lifetime.kilobytes,
  }
  noteRequests(sa, payloads)
  const job = startWork(turn, { sa: sa.id, messageId: 0 }, { do: 'generate', group: agreed.proposal.group })
  advance(sa, { is: 'computing', job, work: { to: 'send MM3', agreed } })
}

/** (3) Our key pair exists. */
export function sendMM3(turn: Turn, sa: IkeSa, { agreed }: Phase1Work & { to: 'send MM3' }, result: WorkResult): void {
  if (result.is !== 'generated')
    return failSa(turn, sa, 'key exchange', `no key pair for ${agreed.proposal.group}: ${reasonOf(result)}`)
  const niB = turn.random.octets(nonceOctets)
  const { privateValue, publicValue: gxi } = result
  const context = natContext(turn, sa, agreed)
  const octets = clearMessage({ cookies: sa.cookies, exchange: exchangeType.main, messageId: 0 }, [
    kePayload(gxi),
    noncePayload(niB),
    ...(signs(agreed.method) ? certificateRequests(turn, sa) : []),
    ...(context ? natDPayloads(context, spoils(turn, sa), turn.random) : []),
  ])
  const resend = sendUntilAnswered(turn, `resend ${sa.id}`, sa.path, octets)
  advance(sa, { is: 'awaiting MM4', agreed, privateValue, gxi, niB, resend })
}

export function reasonOf(result: WorkResult): string {
  return result.is === 'failed' ? result.reason : 'wrong kind of result'
}

/** (4) The responder's public value. */
export function receiveMM4(
  turn: Turn,
  sa: IkeSa,
  phase1: Phase1 & { is: 'awaiting MM4' },
  received: Received,
  { payloads }: Chain,
): void {
  const { agreed, privateValue, gxi, niB } = phase1
  const wrong = breach('MM4', payloads) ?? nonceFault(payloads) ?? reflected(gxi, payloads)
  if (wrong) return reportInvalid(turn, received.path, wrong)
  const gxr = required(payloads, 'KE').publicValue.slice()
  const fault = publicValueFault(agreed.proposal.group, gxr)
  if (fault) return refuse(turn, sa, 'key exchange', badPublicValue(agreed, fault))
  findNat(turn, sa, agreed, payloads)
  noteRequests(sa, payloads)
  remember(turn, sa, received.octets, undefined)
  arm(turn, `resend ${sa.id}`, undefined)
  const nrB = required(payloads, 'NONCE').nonce.slice()
  const { group } = agreed.proposal
  const job = startWork(turn, { sa: sa.id, messageId: 0 }, { do: 'agree', group, privateValue, peerPublic: gxr })
  const transcript = { ...sa.cookies, gxi, gxr, saiB: agreed.saiB }
  advance(sa, { is: 'computing', job, work: { to: 'send MM5', agreed, transcript, niB, nrB } })
}

// Our own MM3 come back has the form of MM4.
function reflected(gxi: Uint8Array, payloads: readonly Payload[]): string | undefined {
  return equal(only(payloads, 'KE')!.publicValue, gxi) ? 'MM4 holds our own public value' : undefined
}

/** (5) The secret exists: we say who we are. */
export function sendMM5(turn: Turn, sa: IkeSa, work: Phase1Work & { to: 'send MM5' }, result: WorkResult): void {
  const { agreed, transcript, niB, nrB } = work
  if (result.is !== 'agreed') return failSa(turn, sa, 'key exchange', badPublicValue(agreed, reasonOf(result)))
  const exchanged = { agreed, transcript, niB, nrB, gxy: result.shared }
  if (signs(agreed.method)) {
    float(turn, sa)
    const why = beginSignedMM5(turn, sa, exchanged)
    return why === undefined ? undefined : failSa(turn, sa, 'certificate', why)
  }
  const candidates = preSharedKeysFor(policyOf(turn), sa.path.remote.address)
  const { key } = candidates[sa.keyIndex] ?? candidates[0] ?? {}
  if (!key) return failSa(turn, sa, 'pre-shared key', `no pre-shared key is configured for ${sa.path.remote.address}`)
  const skeyid = skeyidOfPreSharedKey(digestOf(agreed.proposal), key.reveal(), niB, nrB)
  const keys = deriveIkeKeys(agreed.proposal, skeyid, result.shared, transcript)
  float(turn, sa)
  const id = ownId(turn, sa)
  const iv = phase1Iv(keys, transcript.gxi, transcript.gxr)
  const outgoing = { cookies: sa.cookies, exchange: exchangeType.main, messageId: 0 }
  const mm5 = sealedMessage(keys, iv, outgoing, [
    id,
    hashPayload(hashI(keys, transcript, id.body)),
    ...(knowsNothing(turn, sa) ? [initialContact(sa.cookies)] : []),
  ])
  const resend = sendUntilAnswered(turn, `resend ${sa.id}`, sa.path, mm5.octets)
  advance(sa, { is: 'awaiting MM6', exchanged, keys, iv: mm5.iv, resend })
}

const digestOf = ({ hash }: { readonly hash: string }) => hash as 'sha1'

// RFC 3947 §4: where a NAT was found, or is pretended, both ports become 4500 with this message.
export function float(turn: Turn, sa: IkeSa): void {
  const { natt } = localPorts(turn)
  if (!asksForUdp(turn, sa) || sa.path.local.port === natt) return
  sa.path = {
    local: { address: sa.path.local.address, port: natt },
    remote: { address: sa.path.remote.address, port: sa.request?.nattPort ?? 4500 },
  }
}

// INITIAL-CONTACT is true only where no other ISAKMP SA or peer of ours is at that address.
export function knowsNothing(turn: Turn, sa: IkeSa): boolean {
  const { address } = sa.path.remote
  if (sa.replaces !== undefined || sa.peer !== undefined) return false
  for (const peer of turn.state.peers.values()) if (peer.path.remote.address === address) return false
  for (const other of turn.state.sas.values())
    if (other !== sa && other.established !== undefined && other.path.remote.address === address) return false
  return true
}

/** (6) The responder's identification. */
export function receiveMM6(turn: Turn, sa: IkeSa, phase1: Phase1 & { is: 'awaiting MM6' }, received: Received): void {
  const { exchanged, keys, iv } = phase1
  if (signs(exchanged.agreed.method)) return receiveSignedMM6(turn, sa, phase1, received)
  const opened = opens(keys, iv, received)
  if (typeof opened === 'string') return reportInvalid(turn, received.path, 'MM6 does not decrypt')
  const { payloads } = opened.chain
  const hash = only(payloads, 'HASH')
  const wrong = breach('MM6', payloads) ?? (hash ? undefined : 'MM6 holds no HASH')
  if (wrong) return reportInvalid(turn, received.path, wrong)
  if (!sameSecret(hash!.data, hashR(keys, exchanged.transcript, required(payloads, 'ID').body)))
    return reportInvalid(turn, received.path, 'MM6 decrypts but its HASH_R is wrong')
  remember(turn, sa, received.octets, undefined)
  establish(turn, sa, {
    path: received.path,
    agreed: exchanged.agreed,
    keys,
    lastBlock: opened.iv,
    identity: required(payloads, 'ID'),
    notifies: all(payloads, 'N'),
  })
  if (sa.request) beginForRequest(turn, sa, sa.request)
}

/**
 * (6) A sealed error in the place of MM6: our identification is refused. With signatures the keys prove no more than that whoever made the exchange with
 * us says so, and he could as well keep silent. Answers whether it was one.
 */
export function receiveRefusal(
  turn: Turn,
  sa: IkeSa,
  { exchanged, keys, iv }: Phase1 & { is: 'awaiting MM6' },
  received: Received,
): boolean {
  const said = refusalIn({ keys, lastBlock: iv }, received)
  if (said === undefined) return false
  const signed = signs(exchanged.agreed.method)
  const why = `${showEndpoint(sa.path.remote)} refused our ${signed ? 'certificate' : 'identification'} (it said ${said}): its log says why`
  failSa(turn, sa, signed ? 'certificate' : 'pre-shared key', why)
  return true
}

/** A signature or a judgement of certificates is there. */
export function signatureDone(turn: Turn, sa: IkeSa, work: SignatureWork, result: WorkResult): void {
  afterSignature(turn, sa, work, result, {
    contact: () => knowsNothing(turn, sa),
    fail: (why) => failSa(turn, sa, 'certificate', why),
    established: () => sa.request && beginForRequest(turn, sa, sa.request),
  })
}

// --- failure ----------------------------------------------------------------------------------------------------------------------------

/** Nobody answered the message that was sent again and again. */
export function unanswered(turn: Turn, sa: IkeSa): void {
  const at = showEndpoint(sa.path.remote)
  const seconds = Math.round(patienceMs / 1000)
  const said = sa.hint ? ` (it said ${sa.hint}, which nobody can prove)` : ''
  switch (sa.phase1.is) {
    case 'awaiting MM2': {
      if (sa.hint === 'NO-PROPOSAL-CHOSEN')
        return failSa(
          turn,
          sa,
          'proposal',
          `${at} accepts none of our phase 1 proposals (it said NO-PROPOSAL-CHOSEN): give it one with --ike that it knows`,
        )
      return failSa(
        turn,
        sa,
        'no answer',
        `${at} did not answer for ${seconds} s${said}: it is down, or a firewall stops UDP ports 500 and 4500, or it has no key for us`,
      )
    }
    case 'awaiting AM2':
      return failSa(
        turn,
        sa,
        sa.hint === wrongProof ? 'pre-shared key' : 'no answer',
        sa.hint === wrongProof
          ? `${at} answers with a proof that does not fit our pre-shared key: the key is another there, or it knows us by another name`
          : `${at} did not answer aggressive mode for ${seconds} s${said}: it is down, or a firewall stops UDP ports 500 and 4500, or it has no key for our name, or speaks main mode only`,
      )
    case 'awaiting MM6':
      if (signs(sa.phase1.exchanged.agreed.method))
        return retryOrFail(
          turn,
          sa,
          'certificate',
          `${at} did not accept our identification${said}: most likely it does not trust our certificate (its log says why), or a firewall drops large packets on UDP port ${sa.path.remote.port}`,
        )
      return retryOrFail(
        turn,
        sa,
        'pre-shared key',
        `${at} did not accept our identification${said}: most likely the pre-shared key is another there, or a firewall stops UDP port ${sa.path.remote.port}`,
      )
    default:
      return retryOrFail(turn, sa, 'no answer', `${at} stopped answering in the middle of phase 1${said}`)
  }
}

/** What was damaged on the way, so that the two sides have different keys, is mended by beginning anew. */
function retryOrFail(turn: Turn, sa: IkeSa, cause: IkeRefusal, why: string): void {
  const { request } = sa
  if (!request || request.attempt >= attempts) return failSa(turn, sa, cause, why)
  dropSa(turn, sa, why)
  emit(turn, { do: 'retrying', request: request.number, reason: why })
  sendMM1(turn, { path: request.path, request: { ...request, attempt: request.attempt + 1 } })
}

/** Ends a negotiation of ours; who asked for it hears why. */
export function failSa(turn: Turn, sa: IkeSa, cause: IkeRefusal, why: string): void {
  const first = sa.phase1.is === 'awaiting MM2' || sa.phase1.is === 'awaiting AM2'
  // A later attempt is made only with who answered an earlier one.
  const answered = (sa.request?.attempt ?? 1) > 1 || sa.hint !== undefined
  const silent = cause === 'no answer' && first && !answered
  refuse(turn, sa, cause, why)
  if (sa.phase1.is === 'established') sayDeleteIke(turn, sa)
  dropSa(turn, sa, why)
  if (sa.request) emit(turn, { do: 'failed', request: sa.request.number, reason: why, ...(silent ? { silent } : {}) })
}

/** A new main mode in place of an ISAKMP SA, over the same path. */
export function rekeyIke(turn: Turn, sa: IkeSa): void {
  const peer = turn.state.peers.get(sa.peer ?? -1)
  // An ISAKMP SA that nobody's pairs depend on may end.
  if (!peer || sa.replaced || sa.phase1.is !== 'established' || inProgress(turn, sa.id)) return
  sendMM1(turn, { path: sa.path, replaces: sa, peer })
}

function inProgress(turn: Turn, replaced: IkeSaId): boolean {
  return [...turn.state.sas.values()].some(
    ({ replaces, established }) => replaces === replaced && established === undefined,
  )
}
