// The life of an ISAKMP SA outside its exchanges: made, found, moved, deleted, forgotten. Deleting one ends nothing above it.

import { wipe } from '../crypto/constant-time.ts'
import { type Path, samePath } from '../wire/address.ts'
import { equal } from '../wire/codec.ts'
import type { IkeSaId } from './contract.ts'
import type { Introduction } from './exchanges/first-message.ts'
import * as halfOpen from './half-open.ts'
import type { Cookies, IkeKeys } from './keys.ts'
import { movePeer } from './peers.ts'
import { digest } from './retransmit.ts'
import type { IkeSa, Peer, Phase1, QuickMode, Request } from './state.ts'
import { arm, policyOf, report, type Turn } from './turn.ts'

// Ours, with reasons.
/** A peer that does not go on with its negotiation is forgotten after this; a client's own patience is about as long. */
const halfOpenMs = 30_000
/** Apple's systems go on with quick modes on an ISAKMP SA that they deleted; it is answered for a minute. */
const graceMs = 60_000
/** Message ids remembered for an SA; a client that probes every 10 s needs 2,880 in 8 hours. Beyond, the oldest is forgotten. */
const seenKept = 8192

const noCookie = new Uint8Array(8)

/** A character an octet, not to be shown: asked for with every message, and hex digits cost four times as much. */
export function cookiesKey({ initiatorCookie, responderCookie }: Cookies): string {
  return eightCharacters(initiatorCookie) + eightCharacters(responderCookie)
}

function eightCharacters(o: Uint8Array): string {
  return String.fromCharCode(o[0]!, o[1]!, o[2]!, o[3]!, o[4]!, o[5]!, o[6]!, o[7]!)
}

/** Where a repeated first message belongs. Octets count: one that was damaged on the way must not stand in for the one that follows. */
export function firstKey(octets: Uint8Array, { remote }: Path): string {
  return `${digest(octets)} ${remote.address} ${remote.port}`
}

type Beginning = {
  readonly role: IkeSa['role']
  readonly path: Path
  readonly cookies: Cookies
  readonly phase1: Phase1
  /** A responder's: what the peer said of itself, and the key of its first message. */
  readonly introduction?: Introduction
  readonly first?: string
  readonly replaces?: IkeSaId | undefined
  readonly request?: Request | undefined
}

const unknown: Introduction = {
  client: 'unknown',
  software: 'unknown',
  natMethod: undefined,
  dpd: false,
  fragmentation: false,
}

export function createSa(turn: Turn, beginning: Beginning): IkeSa {
  const { role, path, cookies, phase1, introduction = unknown, first, replaces, request } = beginning
  const sa: IkeSa = {
    id: turn.state.next.sa++,
    role,
    cookies,
    path,
    exchangedWith: path.remote.address,
    phase1,
    client: introduction.client,
    software: introduction.software,
    natMethod: introduction.natMethod,
    peerBehindNat: false,
    weBehindNat: false,
    dialledDirectly: false,
    dpd: introduction.dpd,
    fragmentation: introduction.fragmentation,
    fragments: undefined,
    identity: undefined,
    shownIdentity: undefined,
    established: undefined,
    expires: undefined,
    peer: undefined,
    request,
    aggressive: false,
    replaces,
    first,
    requests: [],
    keyIndex: 0,
    replaced: false,
    hint: undefined,
    parked: undefined,
    seen: new Set(),
    answers: new Map(),
    quick: new Map(),
    keyRefused: false,
  }
  turn.state.sas.set(sa.id, sa)
  turn.state.byCookies.set(cookiesKey(cookies), sa.id)
  if (sa.first !== undefined) {
    turn.state.byFirst.set(sa.first, sa.id)
    halfOpen.opened(turn, sa.id, path)
    arm(turn, `give-up ${sa.id}`, turn.now + halfOpenMs)
  }
  return sa
}

/** The one place where phase 1 changes. */
export function advance(sa: IkeSa, phase1: Phase1): void {
  sa.phase1 = phase1
}

/** The responder's cookie is known. Our own with eight zeros stays in the index, so that our first message come back is known for what it is. */
export function completeCookies(turn: Turn, sa: IkeSa, responderCookie: Uint8Array): void {
  sa.cookies = { initiatorCookie: sa.cookies.initiatorCookie, responderCookie: responderCookie.slice() }
  turn.state.byCookies.set(cookiesKey(sa.cookies), sa.id)
}

/** A cookie that no SA has (RFC 2408 §2.5.3: unique, and only we can make it: it is random). */
export function newCookie(turn: Turn): Uint8Array {
  for (;;) {
    const cookie = turn.random.octets(8)
    if (cookie.some((octet) => octet !== 0)) return cookie
  }
}

export function findSa(turn: Pick<Turn, 'state'>, cookies: Cookies): IkeSa | undefined {
  const id =
    turn.state.byCookies.get(cookiesKey(cookies)) ??
    turn.state.byCookies.get(cookiesKey({ initiatorCookie: cookies.initiatorCookie, responderCookie: noCookie }))
  const sa = id === undefined ? undefined : turn.state.sas.get(id)
  return sa && (awaitsAnswer(sa) || sameCookies(sa.cookies, cookies)) ? sa : undefined
}

function sameCookies(a: Cookies, b: Cookies): boolean {
  return equal(a.initiatorCookie, b.initiatorCookie) && equal(a.responderCookie, b.responderCookie)
}

/** Nobody knows the responder's cookie yet. */
function awaitsAnswer({ phase1 }: IkeSa): boolean {
  if (phase1.is === 'computing') return phase1.work.to === 'send AM3'
  return phase1.is === 'awaiting MM2' || phase1.is === 'awaiting AM2'
}

/** Keys and last phase 1 block, of an SA on which later exchanges may happen. */
export function protection(sa: IkeSa): { readonly keys: IkeKeys; readonly lastBlock: Uint8Array } | undefined {
  return sa.phase1.is === 'established' || sa.phase1.is === 'deleted' ? sa.phase1 : undefined
}

/** The ISAKMP SA for what we start with this peer: the newest one that stands. */
export function standingSa(turn: Turn, peer: Peer): IkeSa | undefined {
  const standing = [...peer.sas]
    .map((id) => turn.state.sas.get(id))
    .filter((sa): sa is IkeSa => sa?.phase1.is === 'established')
  return standing.filter((sa) => !sa.replaced).at(-1) ?? standing.at(-1)
}

/** A message id for an exchange of ours: not zero, and new to this SA (RFC 2408 §3.1). */
export function newMessageId(turn: Turn, sa: IkeSa): number {
  for (;;) {
    const [a, b, c, d] = turn.random.octets(4) as unknown as [number, number, number, number]
    const id = a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d
    if (id !== 0 && !sa.seen.has(id)) {
      markSeen(sa, id)
      return id
    }
  }
}

/** Notes the message id of an authentic exchange; a later message that would begin one with it is a replay. */
export function markSeen(sa: IkeSa, messageId: number): void {
  if (sa.seen.size >= seenKept) sa.seen.delete(sa.seen.values().next().value!)
  sa.seen.add(messageId)
}

/** An authentic new message came by this path: the peer is there now (RFC 3947 §6), and everything of his goes there. */
export function follow(turn: Turn, sa: IkeSa, path: Path): void {
  if (samePath(sa.path, path)) return
  const { natt } = localPorts(turn)
  // A stray message on the IKE port does not take ESP away from the port for encapsulation.
  if (sa.path.local.port === natt && path.local.port !== natt) return
  const peer = sa.peer === undefined ? undefined : turn.state.peers.get(sa.peer)
  if (peer && samePath(peer.path, sa.path)) movePeer(turn, peer, path)
  sa.path = path
}

export function localPorts(turn: Turn): { readonly ike: number; readonly natt: number } {
  return policyOf(turn).ports ?? { ike: 500, natt: 4500 }
}

/** Delete was said by either side: nothing is started on it any more, quick modes of the peer are answered for a while. */
export function markDeleted(turn: Turn, sa: IkeSa, reason: string): void {
  if (sa.phase1.is !== 'established') return
  advance(sa, { ...sa.phase1, is: 'deleted' })
  for (const what of ['ike-rekey', 'ike-expire', 'keepalive']) arm(turn, `${what} ${sa.id}`, undefined)
  arm(turn, `forget ${sa.id}`, turn.now + graceMs)
  report(turn, { event: 'ike.sa.closed', path: sa.path, sa: sa.id, reason })
}

function forgetSecrets(phase1: Phase1): void {
  const holder = phase1.is === 'computing' ? phase1.work : phase1
  if ('exchanged' in holder) wipe(holder.exchanged.gxy)
  if (!('keys' in holder)) return
  const { skeyid, skeyidD, skeyidA, skeyidE, cipherKey } = holder.keys
  wipe(skeyid, skeyidD, skeyidA, skeyidE, cipherKey)
}

// The SPI of a pair that is not asked for yet; one that is being installed is given up when the fast path has answered.
function promised(quick: QuickMode): number | undefined {
  if (quick.is === 'awaiting QM2' || quick.is === 'waiting') return quick.wish.inboundSpi
  if (quick.is !== 'computing') return undefined
  return quick.work.to === 'send QM1' ? quick.work.wish.inboundSpi : quick.work.offer.inboundSpi
}

/** Forgets an SA and everything that went on in it; pairs and peer stay. */
export function dropSa(turn: Turn, sa: IkeSa, reason: string): void {
  const { state } = turn
  if (!state.sas.delete(sa.id)) return
  state.byCookies.delete(cookiesKey(sa.cookies))
  if (sa.role === 'initiator') state.byCookies.delete(cookiesKey({ ...sa.cookies, responderCookie: noCookie }))
  if (sa.first !== undefined) state.byFirst.delete(sa.first)
  halfOpen.closed(turn, sa.id)
  state.bare.delete(sa.id)
  state.assembling.delete(sa.id)
  for (const what of ['give-up', 'resend', 'ike-rekey', 'ike-expire', 'retire', 'forget', 'answers', 'keepalive'])
    arm(turn, `${what} ${sa.id}`, undefined)
  for (const messageId of sa.quick.keys()) arm(turn, `quick ${sa.id} ${messageId}`, undefined)
  for (const quick of sa.quick.values()) {
    const spi = promised(quick)
    if (spi !== undefined && state.spis.get(spi) === -1) state.spis.delete(spi)
  }
  if (sa.peer !== undefined) state.peers.get(sa.peer)?.sas.delete(sa.id)
  forgetSecrets(sa.phase1)
  if (sa.phase1.is === 'established') report(turn, { event: 'ike.sa.closed', path: sa.path, sa: sa.id, reason })
}
