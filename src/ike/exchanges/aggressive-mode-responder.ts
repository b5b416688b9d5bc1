// Aggressive mode, responder (RFC 2409 §5.4), for clients with a group name (iOS, Cisco) where the policy allows it: it shows the peer's name and a hash of
// the pre-shared key to whoever asks, so a guessable key is lost. The walk: (1) AM1 brings offer, public value, nonce and name, the work goes out;
// (2) AM2 answers all of it and proves us; (3) AM3 proves the peer, sealed, and only then is anything believed.
import { groups } from '../../algorithms/registry.ts'
import { sameSecret } from '../../crypto/constant-time.ts'
import { publicValueFault } from '../../crypto/dh.ts'
import { Reader } from '../../wire/codec.ts'
import type { Secret } from '../../wire/secret.ts'
import type { WorkResult } from '../contract.ts'
import { reportDropped } from '../half-open.ts'
import { isNamed } from '../identity.ts'
import { deriveIkeKeys, hashI, hashR, type IkeKeys, phase1Iv, skeyidOfPreSharedKey } from '../keys.ts'
import { clearMessage, type Received } from '../message.ts'
import { all, breach, required } from '../message-rules.ts'
import { natDPayloads } from '../nat.ts'
import { notifyInClear } from '../notify.ts'
import { preSharedKeysFor } from '../pre-shared-keys.ts'
import { selectIke } from '../proposals.ts'
import { remember } from '../retransmit.ts'
import { advance, createSa, newCookie } from '../sa.ts'
import type { IkeSa, Phase1, Phase1Work } from '../state.ts'
import { policyOf, refuse, reportInvalid, send, startWork, type Turn } from '../turn.ts'
import type { Chain } from '../wire/chain.ts'
import { exchangeType, notifyType, payloadType } from '../wire/numbers.ts'
import { hashPayload, type IdPayload, kePayload, noncePayload, parsePayload } from '../wire/payloads.ts'
import { introductionOf, vendorIds } from './first-message.ts'
import { responderLifetime } from './informational.ts'
import { wrongProof } from './main-mode-initiator.ts'
import { admit, badPublicValue, nonceFault, opens } from './main-mode-responder.ts'
import { establish, findNat, giveUp, natContext, nonceOctets, ownId, seenBy, spoils } from './phase1.ts'

/** Ours: work under way in all, beyond which no more is begun for a first message: some tens of milliseconds' worth, so that forged ones leave room for others'. */
const mostJobs = 64

/** (1) A first message; `first` is its key. Its KE fixes the group, which is not negotiated here (RFC 2409 §5). */
export function receiveAM1(turn: Turn, received: Received, { payloads }: Chain, first: string): void {
  const { path, header, octets } = received
  const wrong = breach('AM1', payloads) ?? nonceFault(payloads)
  if (wrong) return reportInvalid(turn, path, wrong)
  const introduction = introductionOf(payloads)
  const { client } = introduction
  const policy = policyOf(turn)
  const gxi = required(payloads, 'KE').publicValue.slice()
  const ike = policy.ike.filter(({ group }) => groups[group].publicOctets === gxi.length)
  const chosen = selectIke({ ...policy, ike }, required(payloads, 'SA'))
  const cookies = { initiatorCookie: header.initiatorCookie.slice(), responderCookie: newCookie(turn) }
  if (chosen.is === 'refused') {
    refuse(turn, { path, client }, chosen.cause, chosen.why, seenBy(client, 789))
    return notifyInClear(turn, path, cookies, chosen.notify)
  }
  if (!keyFor(turn, path.remote.address, required(payloads, 'ID'))) {
    const why = `no pre-shared key is configured for ${path.remote.address}: add one for its address, or one for any peer`
    refuse(turn, { path, client }, 'pre-shared key', why, seenBy(client, 789))
    return notifyInClear(turn, path, cookies, notifyType['NO-PROPOSAL-CHOSEN'])
  }
  const { group } = chosen.proposal
  const fault = publicValueFault(group, gxi)
  if (fault) return refuse(turn, { path, client }, 'key exchange', badPublicValue(chosen, fault), seenBy(client, 789))
  // Nobody has shown yet that it is where it says, and each costs an exchange of keys.
  if (turn.state.jobs.size >= mostJobs) return reportDropped(turn, path, 'total')
  if (!admit(turn, received)) return
  const agreed = {
    proposal: chosen.proposal,
    method: chosen.authentication,
    saiB: required(payloads, 'SA').body.slice(),
    lifeSeconds: chosen.lifetime.seconds,
    lifeKilobytes: chosen.lifetime.kilobytes,
  }
  const owner = { sa: turn.state.next.sa, messageId: 0 }
  const job = startWork(turn, owner, { do: 'exchange', group, peerPublic: gxi })
  const work: Phase1Work = {
    to: 'send AM2',
    agreed,
    answer: chosen.answer,
    gxi,
    niB: required(payloads, 'NONCE').nonce.slice(),
    idiiB: required(payloads, 'ID').body.slice(),
    received: octets.slice(),
  }
  const phase1: Phase1 = { is: 'computing', job, work }
  const sa = createSa(turn, { role: 'responder', path, cookies, phase1, introduction, first })
  sa.aggressive = true
  remember(turn, sa, octets, undefined)
}

// AM2 is computed with one key, so there are no candidates to try: the one for the name that the peer goes by, else the first that fits the address.
function keyFor(turn: Turn, address: string, identity: IdPayload): Secret | undefined {
  const candidates = preSharedKeysFor(policyOf(turn), address)
  const own = candidates.find(({ name }) => name !== undefined && isNamed(identity, name))
  return (own ?? candidates.find(({ name }) => name === undefined))?.key
}

/** (2) Our public value exists. */
export function sendAM2(turn: Turn, sa: IkeSa, work: Phase1Work & { to: 'send AM2' }, result: WorkResult): void {
  const { agreed, answer, gxi, niB, idiiB, received } = work
  if (result.is !== 'exchanged') {
    const reason = result.is === 'failed' ? result.reason : 'wrong kind of result'
    return giveUp(turn, sa, 'key exchange', badPublicValue(agreed, reason), seenBy(sa.client, 789))
  }
  const key = keyFor(turn, sa.path.remote.address, parsePayload(payloadType.ID, new Reader(idiiB)) as IdPayload)
  if (!key) return giveUp(turn, sa, 'pre-shared key', `no pre-shared key is configured for ${sa.path.remote.address}`)
  const nrB = turn.random.octets(nonceOctets)
  const gxr = result.publicValue
  const transcript = { ...sa.cookies, gxi, gxr, saiB: agreed.saiB }
  const skeyid = skeyidOfPreSharedKey(agreed.proposal.hash as IkeKeys['hash'], key.reveal(), niB, nrB)
  const keys = deriveIkeKeys(agreed.proposal, skeyid, result.shared, transcript)
  const id = ownId(turn, sa)
  const context = natContext(turn, sa, agreed)
  const octets = clearMessage({ cookies: sa.cookies, exchange: exchangeType.aggressive, messageId: 0 }, [
    answer,
    kePayload(gxr),
    noncePayload(nrB),
    id,
    hashPayload(hashR(keys, transcript, id.body)),
    ...(context ? natDPayloads(context, spoils(turn, sa), turn.random) : []),
    ...vendorIds(sa),
  ])
  const exchanged = { agreed, transcript, niB, nrB, gxy: result.shared }
  advance(sa, { is: 'awaiting AM3', exchanged, keys, iv: phase1Iv(keys, gxi, gxr), idiiB })
  remember(turn, sa, received, octets)
  send(turn, sa.path, octets)
}

/** (3) The peer's proof. */
export function receiveAM3(turn: Turn, sa: IkeSa, phase1: Phase1 & { is: 'awaiting AM3' }, received: Received): void {
  const { exchanged, keys, iv, idiiB } = phase1
  const opened = opens(keys, iv, received)
  if (typeof opened === 'string') return notProven(turn, sa, received, 'AM3 does not decrypt')
  const { payloads } = opened.chain
  const wrong = breach('AM3', payloads)
  if (wrong) return reportInvalid(turn, received.path, wrong)
  if (!sameSecret(required(payloads, 'HASH').data, hashI(keys, exchanged.transcript, idiiB)))
    return notProven(turn, sa, received, 'AM3 decrypts but its HASH_I is wrong')
  findNat(turn, sa, exchanged.agreed, payloads)
  remember(turn, sa, received.octets, undefined)
  const identity = parsePayload(payloadType.ID, new Reader(idiiB)) as IdPayload
  const { path } = received
  const { agreed } = exchanged
  establish(turn, sa, { path, agreed, keys, lastBlock: opened.iv, identity, notifies: all(payloads, 'N') })
  responderLifetime(turn, sa)
}

// Forged, or made with another key: the right one may still come, and if none does, the sentence at the end says so.
function notProven(turn: Turn, sa: IkeSa, { path }: Received, why: string): void {
  sa.hint = wrongProof
  reportInvalid(turn, path, why)
}
