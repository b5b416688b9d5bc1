// Aggressive mode, initiator (RFC 2409 §5.4), for sites whose entry says so: their peers speak nothing else, or need our name before a key. The walk: (1) our key
// pair is made; (2) AM1 offers in its one group, with our public value, nonce and name; (3) AM2 chooses and proves the peer, the secret is computed; (4) with the
// proof right, AM3 proves us, from port 4500 where there is a NAT, and the ISAKMP SA stands: nobody answers AM3, so a repeated AM2 is answered with it again.
import { sameSecret } from '../../crypto/constant-time.ts'
import { publicValueFault } from '../../crypto/dh.ts'
import type { WorkResult } from '../contract.ts'
import { recognise, vendorNames } from '../fingerprint.ts'
import { deriveIkeKeys, hashI, hashR, type IkeKeys, phase1Iv, skeyidOfPreSharedKey } from '../keys.ts'
import { clearMessage, type Received, sealedMessage } from '../message.ts'
import { breach, required } from '../message-rules.ts'
import { chooseNatMethod, natDPayloads } from '../nat.ts'
import { offerIke, readIkeAnswer } from '../offers.ts'
import { preSharedKeysFor } from '../pre-shared-keys.ts'
import { remember, sendUntilAnswered } from '../retransmit.ts'
import { advance, completeCookies, createSa, newCookie } from '../sa.ts'
import { policyAt } from '../sites.ts'
import type { Agreed, IkeSa, Phase1, Phase1Work } from '../state.ts'
import { arm, policyOf, refuse, reportInvalid, send, startWork, type Turn } from '../turn.ts'
import { type Chain, parseChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'
import { initialContact } from '../wire/notifications.ts'
import { exchangeType } from '../wire/numbers.ts'
import { hashPayload, type IdPayload, kePayload, noncePayload, type Payload } from '../wire/payloads.ts'
import { inform } from './informational.ts'
import { failSa, float, knowsNothing, type Occasion, ownVendors, reasonOf, wrongProof } from './main-mode-initiator.ts'
import { badPublicValue, nonceFault } from './main-mode-responder.ts'
import { establish, findNat, natContext, nonceOctets, ownId, spoils } from './phase1.ts'
import { beginForRequest } from './quick-mode-initiator.ts'

// Ours: as in main mode.
const mostOffers = 24

/** (1) Nothing can be sent before our public value is there. */
export function beginAggressive(turn: Turn, { path, request, replaces, peer }: Occasion): void {
  const { ike, lifetimes } = policyAt(policyOf(turn), path.remote.address)
  const before = replaces?.phase1
  const agreed = before && 'agreed' in before ? before.agreed : undefined
  const [first] = agreed ? [agreed.proposal] : ike
  const proposals = agreed ? [agreed.proposal] : ike.filter(({ group }) => group === first?.group)
  const seconds = Math.min(agreed?.lifeSeconds ?? lifetimes.ikeSeconds, lifetimes.ikeSeconds)
  const { group } = proposals[0]!
  const offered = offerIke(proposals.slice(0, mostOffers), { seconds, kilobytes: undefined })
  const cookies = { initiatorCookie: newCookie(turn), responderCookie: new Uint8Array(8) }
  const job = startWork(turn, { sa: turn.state.next.sa, messageId: 0 }, { do: 'generate', group })
  const phase1: Phase1 = { is: 'computing', job, work: { to: 'send AM1', offered, group } }
  const sa = createSa(turn, { role: 'initiator', path, cookies, phase1, request, replaces: replaces?.id })
  sa.aggressive = true
  sa.peer = peer?.id
  sa.keyIndex = replaces?.keyIndex ?? 0
  peer?.sas.add(sa.id)
}

/** (2) Our key pair exists. */
export function sendAM1(turn: Turn, sa: IkeSa, work: Phase1Work & { to: 'send AM1' }, result: WorkResult): void {
  const { offered, group } = work
  if (result.is !== 'generated')
    return failSa(turn, sa, 'key exchange', `no key pair for ${group}: ${reasonOf(result)}`)
  const niB = turn.random.octets(nonceOctets)
  const { privateValue, publicValue: gxi } = result
  const id = ownId(turn, sa)
  const octets = clearMessage({ cookies: sa.cookies, exchange: exchangeType.aggressive, messageId: 0 }, [
    offered,
    kePayload(gxi),
    noncePayload(niB),
    id,
    ...ownVendors(),
  ])
  const resend = sendUntilAnswered(turn, `resend ${sa.id}`, sa.path, octets)
  advance(sa, { is: 'awaiting AM2', offered, group, privateValue, gxi, niB, idiiB: id.body, resend })
}

/** (3) The responder's choice and proof. Nothing of it is believed before the secret has shown the proof to be right. */
export function receiveAM2(
  turn: Turn,
  sa: IkeSa,
  phase1: Phase1 & { is: 'awaiting AM2' },
  received: Received,
  { payloads }: Chain,
): void {
  const { path, header, octets } = received
  const wrong = breach('AM2', payloads) ?? nonceFault(payloads)
  if (wrong) return reportInvalid(turn, path, wrong)
  const answer = readIkeAnswer(phase1.offered, required(payloads, 'SA'))
  if (answer.is === 'refused') return reportInvalid(turn, path, answer.why)
  const gxr = required(payloads, 'KE').publicValue.slice()
  const agreed = {
    proposal: answer.proposal,
    method: answer.method,
    saiB: phase1.offered.body,
    lifeSeconds: answer.lifetime.seconds,
    lifeKilobytes: answer.lifetime.kilobytes,
  }
  const fault = publicValueFault(phase1.group, gxr)
  if (fault) return refuse(turn, sa, 'key exchange', badPublicValue(agreed, fault))
  const timer = `resend ${sa.id}`
  const resendAt = turn.state.timers.at(timer) ?? turn.now
  arm(turn, timer, undefined)
  const { privateValue, group } = phase1
  const job = startWork(turn, { sa: sa.id, messageId: 0 }, { do: 'agree', group, privateValue, peerPublic: gxr })
  const work: Phase1Work = {
    to: 'send AM3',
    awaiting: phase1,
    agreed,
    gxr,
    responderCookie: header.responderCookie.slice(),
    received: octets.slice(),
    path,
    resendAt,
  }
  advance(sa, { is: 'computing', job, work })
}

/** (4) The secret exists: the peer's proof is right or not. */
export function sendAM3(turn: Turn, sa: IkeSa, work: Phase1Work & { to: 'send AM3' }, result: WorkResult): void {
  const { awaiting, agreed, gxr, responderCookie, received } = work
  if (result.is !== 'agreed') return waitOn(turn, sa, work, badPublicValue(agreed, reasonOf(result)))
  const candidates = preSharedKeysFor(policyOf(turn), sa.path.remote.address)
  const { key } = candidates[sa.keyIndex] ?? candidates[0] ?? {}
  if (!key) return failSa(turn, sa, 'pre-shared key', `no pre-shared key is configured for ${sa.path.remote.address}`)
  const { header, payloads } = readAgain(received)
  const nrB = required(payloads, 'NONCE').nonce.slice()
  const identity = required(payloads, 'ID')
  const cookies = { initiatorCookie: header.initiatorCookie.slice(), responderCookie }
  const transcript = { ...cookies, gxi: awaiting.gxi, gxr, saiB: agreed.saiB }
  const hash = agreed.proposal.hash as 'sha1'
  const skeyid = skeyidOfPreSharedKey(hash, key.reveal(), awaiting.niB, nrB)
  const keys = deriveIkeKeys(agreed.proposal, skeyid, result.shared, transcript)
  if (!sameSecret(required(payloads, 'HASH').data, hashR(keys, transcript, identity.body))) {
    sa.hint = wrongProof
    return waitOn(turn, sa, work, 'AM2 has a wrong HASH_R: the pre-shared key is another there, or it was forged')
  }
  completeCookies(turn, sa, responderCookie)
  noteVendors(sa, payloads)
  findNat(turn, sa, agreed, payloads)
  const context = natContext(turn, sa, agreed)
  const natDs = context ? natDPayloads(context, spoils(turn, sa), turn.random) : []
  float(turn, sa)
  const outgoing = { cookies: sa.cookies, exchange: exchangeType.aggressive, messageId: 0 }
  const am3 = sealedMessage(keys, phase1Iv(keys, awaiting.gxi, gxr), outgoing, [
    hashPayload(hashI(keys, transcript, awaiting.idiiB)),
    ...natDs,
  ])
  remember(turn, sa, received, am3.octets)
  finish(turn, sa, { agreed, keys, am3, identity })
}

type Proven = {
  readonly agreed: Agreed
  readonly keys: IkeKeys
  readonly am3: { readonly octets: Uint8Array; readonly iv: Uint8Array }
  readonly identity: IdPayload
}

function finish(turn: Turn, sa: IkeSa, { agreed, keys, am3, identity }: Proven): void {
  const contact = knowsNothing(turn, sa)
  send(turn, sa.path, am3.octets)
  // What AM2 says beside its proof is not covered by it.
  establish(turn, sa, { path: sa.path, agreed, keys, lastBlock: am3.iv, identity, notifies: [] })
  // In an exchange of its own: a status notify MUST NOT be part of aggressive mode (RFC 2407 §4.6.3).
  if (contact) inform(turn, sa, [initialContact(sa.cookies)])
  if (sa.request) beginForRequest(turn, sa, sa.request)
}

function readAgain(octets: Uint8Array) {
  const { header, body } = parseHeader(octets)
  return { header, payloads: parseChain(header.next, body, 'clear').payloads }
}

function noteVendors(sa: IkeSa, payloads: readonly Payload[]): void {
  const vendors = vendorNames(payloads)
  const { kind, software } = recognise(payloads)
  sa.client = kind
  sa.software = software
  sa.natMethod = chooseNatMethod(vendors)
  sa.dpd = vendors.includes('DPD')
  sa.fragmentation = vendors.includes('FRAGMENTATION')
}

/** That AM2 was nobody's, or somebody's with another key: the right one may still come. AM1 goes out again when it would have. */
function waitOn(
  turn: Turn,
  sa: IkeSa,
  { awaiting, resendAt, path }: Phase1Work & { to: 'send AM3' },
  why: string,
): void {
  reportInvalid(turn, path, why)
  advance(sa, awaiting)
  arm(turn, `resend ${sa.id}`, Math.max(resendAt, turn.now))
}
