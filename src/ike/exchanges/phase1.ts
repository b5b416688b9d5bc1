// What both roles of phase 1 share: the end of the negotiation, good or bad.
import { isWeak } from '../../algorithms/levels.ts'
import { showIkeProposal } from '../../algorithms/proposals.ts'
import { wipe } from '../../crypto/constant-time.ts'
import type { Digest } from '../../crypto/hash.ts'
import type { Path } from '../../wire/address.ts'
import type { ClientKind } from '../contract.ts'
import { armProbe } from '../dpd.ts'
import type { IkeRefusal } from '../events.ts'
import * as halfOpen from '../half-open.ts'
import { addressId, identityKey, namedId, showIdentity } from '../identity.ts'
import type { IkeKeys } from '../keys.ts'
import { armIkeTimers, armKeepalive, ikeSeconds } from '../lifetimes.ts'
import { all } from '../message-rules.ts'
import { detectNat, type NatContext, type NatMethod, natMethods } from '../nat.ts'
import { inherit, initialContact, renewStragglers } from '../peers.ts'
import { hasQuirk } from '../quirks.ts'
import { advance, dropSa, follow } from '../sa.ts'
import { siteAt } from '../sites.ts'
import type { Agreed, IkeSa } from '../state.ts'
import { arm, policyOf, refuse, report, type Turn } from '../turn.ts'
import { understood } from '../wire/notifications.ts'
import { notifyType } from '../wire/numbers.ts'
import type { Identity, IdPayload, NatDPayload, NotifyPayload, Payload } from '../wire/payloads.ts'
import { sayDeleteIke } from './informational.ts'

// Ours: a nonce of 32 octets, within the 8 to 256 of RFC 2409 §5.
export const nonceOctets = 32
/** An ISAKMP SA that we replaced is deleted so long after, when quick modes of the peer's that were on their way are done. */
const retireMs = 10_000

/** Whether a nonce's length is one of RFC 2409 §5. */
export function nonceFits(nonce: Uint8Array): boolean {
  return nonce.length >= 8 && nonce.length <= 256
}

/** Finds NATs by the NAT-D payloads of MM3 or MM4. A peer that sends them has agreed on the method, even if its vendor id did not reach us whole. */
export function findNat(turn: Turn, sa: IkeSa, agreed: Agreed, payloads: readonly Payload[]): void {
  const received = all(payloads, 'NAT-D')
  sa.natMethod ??= methodOf(received[0])
  const context = natContext(turn, sa, agreed)
  if (!context) return
  const found = detectNat(context, received)
  const direct = detectNat({ ...context, publicAddress: undefined }, received)
  sa.dialledDirectly = received.length > 0 && !direct.weBehindNat
  sa.peerBehindNat = found.peerBehindNat
  sa.weBehindNat = found.weBehindNat
}

function methodOf(payload: NatDPayload | undefined): NatMethod | undefined {
  const methods: readonly NatMethod[] = ['RFC 3947', 'draft-02\\n', 'apple']
  return methods.find((method) => natMethods[method].natD === payload?.type)
}

export function natContext(turn: Turn, sa: IkeSa, agreed: Agreed): NatContext | undefined {
  if (!sa.natMethod) return undefined
  return {
    method: sa.natMethod,
    hash: agreed.proposal.hash as Digest,
    cookies: sa.cookies,
    path: sa.path,
    publicAddress: sa.dialledDirectly ? undefined : policyOf(turn).publicAddress,
  }
}

/** The address that we are for this peer. */
export function ownAddress(turn: Turn, sa: IkeSa): string {
  return (sa.dialledDirectly ? undefined : policyOf(turn).publicAddress) ?? sa.path.local.address
}

/** Who we are to this peer, with a pre-shared key. */
export function ownId(turn: Turn, sa: IkeSa): IdPayload {
  const name = siteAt(turn.state.policy, sa.path.remote.address)?.identity
  return name === undefined ? addressId(ownAddress(turn, sa)) : namedId(name)
}

/** Peers are made to believe in a NAT where their ESP must come in UDP (rule 4 of clients.md): our 1:1 NAT may not pass protocol 50. */
export function spoils(turn: Turn, sa: IkeSa): boolean {
  return policyOf(turn).forceEncapsulation === true || ownAddress(turn, sa) !== sa.path.local.address
}

/** Whether our quick modes ask a peer that speaks NAT traversal for ESP in UDP: a NAT was found, or one is pretended. */
export function asksForUdp(turn: Turn, sa: IkeSa): boolean {
  return sa.natMethod !== undefined && (sa.peerBehindNat || sa.weBehindNat || spoils(turn, sa))
}

/** The error number that a Windows user sees; told for every client that may be a Windows one, since only Apple's and Android's show none for sure. */
export function seenBy(client: ClientKind, number: number): number | undefined {
  return hasQuirk('shows no numbers', { client }) ? undefined : number
}

type Proof = {
  readonly path: Path
  readonly agreed: Agreed
  readonly keys: IkeKeys
  /** The last CBC block of phase 1, from which later IVs come. */
  readonly lastBlock: Uint8Array
  readonly identity: Identity
  /** How it is shown, where a certificate says it better than the octets. */
  readonly subject?: string
  readonly notifies: readonly NotifyPayload[]
}

/** The peer has authenticated himself. */
export function establish(turn: Turn, sa: IkeSa, proof: Proof): void {
  const { path, agreed, keys, lastBlock, identity, notifies } = proof
  follow(turn, sa, path)
  arm(turn, `give-up ${sa.id}`, undefined)
  arm(turn, `resend ${sa.id}`, undefined)
  const holder = sa.phase1.is === 'computing' ? sa.phase1.work : sa.phase1
  if ('exchanged' in holder) wipe(holder.exchanged.gxy)
  sa.requests = []
  advance(sa, { is: 'established', agreed, keys, lastBlock })
  sa.identity = identityKey(identity)
  sa.shownIdentity = proof.subject ?? showIdentity(identity)
  halfOpen.closed(turn, sa.id)
  halfOpen.completed(turn, sa.exchangedWith)
  sa.established = turn.now
  if (notifies.some((one) => one.notify === notifyType['INITIAL-CONTACT'] && understood(one))) initialContact(turn, sa)
  inherit(turn, sa)
  makeRoom(turn, sa)
  armIkeTimers(turn, sa, ikeSeconds(turn, agreed.lifeSeconds))
  succeed(turn, sa)
  if (sa.weBehindNat) armKeepalive(turn, sa)
  report(turn, {
    event: 'ike.sa.established',
    path: sa.path,
    sa: sa.id,
    proposal: showIkeProposal(agreed.proposal),
    client: sa.client,
    identity: sa.shownIdentity,
    natted: sa.peerBehindNat || sa.weBehindNat,
    rekeyed: sa.replaces !== undefined || sa.peer !== undefined,
    weak: isWeak(agreed.proposal) || sa.aggressive,
  })
}

// Ours. ISAKMP SAs on which no pair was made yet, in all: a client goes on within a second. And those of one peer: real ones have two, Apple's a few.
const mostBare = 1024
const mostOfPeer = 8

/** Whoever has the pre-shared key can make ISAKMP SAs without end; the oldest give way. */
function makeRoom(turn: Turn, sa: IkeSa): void {
  const { bare, peers, sas } = turn.state
  if (sa.peer === undefined) bare.add(sa.id)
  const own = [...(peers.get(sa.peer ?? -1)?.sas ?? [])].filter((id) => id !== sa.id && sas.get(id)?.established)
  const surplus = [...own.slice(0, -(mostOfPeer - 1)), ...[...bare].slice(0, Math.max(0, bare.size - mostBare))]
  for (const id of surplus) {
    const other = sas.get(id)
    if (!other) continue
    if (other.phase1.is === 'established') sayDeleteIke(turn, other)
    dropSa(turn, other, 'newer ones took its place')
  }
}

// Older ISAKMP SAs of the same peer stand until they are deleted or expire, but start nothing any more.
function succeed(turn: Turn, sa: IkeSa): void {
  const peer = sa.peer === undefined ? undefined : turn.state.peers.get(sa.peer)
  const older = new Set(peer?.sas)
  if (sa.replaces !== undefined) older.add(sa.replaces)
  for (const id of older) {
    const other = turn.state.sas.get(id)
    if (!other || other === sa) continue
    other.replaced = true
    for (const what of ['ike-rekey', 'keepalive']) arm(turn, `${what} ${id}`, undefined)
  }
  // Only what we set out to replace: where both sides rekeyed at once, each would delete the other's.
  if (sa.replaces !== undefined) arm(turn, `retire ${sa.replaces}`, turn.now + retireMs)
  if (peer) {
    peer.heardAt = turn.now
    peer.sas.delete(sa.id)
    peer.sas.add(sa.id)
    armProbe(turn, peer)
    renewStragglers(turn, peer)
  }
}

/** A negotiation of the responder's ends without success. */
export function giveUp(turn: Turn, sa: IkeSa, cause: IkeRefusal, why: string, userSees?: number): void {
  refuse(turn, sa, cause, why, userSees)
  dropSa(turn, sa, why)
}
