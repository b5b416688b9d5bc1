// Fragments of IKE messages ([MS-IKEE] §3.1 and §2.2.3; Cisco and racoon do the same): messages with certificates outgrow a datagram, and many firewalls
// drop IP fragments. Each fragment is a message with one payload (132) that holds a part of the whole one, in clear.
//
// Nobody can tell who sent a fragment. So they are taken only inside a negotiation in which both sides announced them, whose responder cookie the
// sender must have seen, and from its address; what is kept is bounded by message, by SA and in all; and the whole message is judged like any other.
import { concat } from '../wire/codec.ts'
import type { IkeEffect } from './contract.ts'
import type { Received } from './message.ts'
import { only } from './message-rules.ts'
import { digest, repeatAnswer } from './retransmit.ts'
import { findSa } from './sa.ts'
import type { IkeSa, IkeState } from './state.ts'
import { reportInvalid, type Turn } from './turn.ts'
import { parseChain } from './wire/chain.ts'
import { emitMessage, headerOctets, parseHeader } from './wire/header.ts'
import { payloadType } from './wire/numbers.ts'
import { type Fragment, fragmentPayload } from './wire/payloads.ts'
import { vendorOctets } from './wire/vendor-ids.ts'

/** What has come of one message, or, once it was whole, what its parts were, so that repeated ones are known. */
export type Fragments =
  | {
      readonly is: 'coming'
      readonly id: number
      readonly parts: ReadonlyMap<number, Uint8Array>
      /** Number of the last one, once that came. */
      readonly last: number | undefined
    }
  | { readonly is: 'whole'; readonly id: number; readonly parts: ReadonlyMap<number, string>; readonly message: string }

// Ours, with reasons.
/** A chain of three certificates has 6,000 octets; who sends more means ill. */
export const longestMessage = 16_384
/** racoon's fragments are the smallest known, 552 octets. */
const mostFragments = 64
/** SAs with a message in parts, in all: a megabyte at most. Beyond, the one that began first gives way. */
const mostAssembling = 64
/** The largest IP packet that every path carries (RFC 8200 §5 for IPv6; strongSwan's and Apple's choice too). */
const packetOctets = 1280
const ipAndUdpOctets = 28
const markerOctets = 4
/** Generic header, id, number, flags. */
const fragmentOctets = 8

/** Our vendor id: 16 octets, and the word of capabilities that all but Windows have behind them (racoon: main mode). */
export function fragmentationId(plain: boolean): Uint8Array {
  const id = vendorOctets('FRAGMENTATION')
  return plain ? id : concat(id, Uint8Array.of(0x80, 0, 0, 0))
}

/** Octets of an IKE message that goes out in one piece; `packet` is that of an IP packet. */
export function inOnePiece(packet = packetOctets): number {
  return packet - ipAndUdpOctets - markerOctets
}

// --- receiving --------------------------------------------------------------------------------------------------------------------------

/** The whole message, when this was the last part that lacked. The flag for encryption is not looked at: iOS sets it on fragments too. */
export function receiveFragment(turn: Turn, received: Received): Uint8Array | undefined {
  const { header, path, body } = received
  const sa = findSa(turn, header)
  // AM2 itself is what announces it, and strongSwan sends even that in fragments.
  if (!sa || (!sa.fragmentation && sa.phase1.is !== 'awaiting AM2'))
    return invalid(turn, received, 'a fragment outside a negotiation in which both sides announced them')
  if (path.remote.address !== sa.path.remote.address) return invalid(turn, received, 'a fragment from another address')
  const { payloads } = parseChain(header.next, body, 'clear')
  const fragment = only(payloads, 'FRAGMENT')
  if (!fragment || payloads.length !== 1) return invalid(turn, received, 'a fragment with other payloads beside it')
  if (fragment.data.length === 0) return invalid(turn, received, 'an empty fragment')
  if (repeatedWhole(turn, sa, received, fragment)) return undefined
  const coming = added(sa.fragments, fragment)
  if (typeof coming === 'string') return invalid(turn, received, coming)
  keep(turn.state, sa, coming)
  const whole = assembled(coming)
  if (!whole) return undefined
  const parts = new Map([...coming.parts].map(([number, octets]) => [number, digest(octets)]))
  sa.fragments = { is: 'whole', id: coming.id, parts, message: digest(whole) }
  turn.state.assembling.delete(sa.id)
  return belongs(received, whole)
    ? whole
    : invalid(turn, received, 'fragments of a message that is none of this negotiation')
}

function invalid(turn: Turn, { path }: Received, why: string): undefined {
  reportInvalid(turn, path, why)
  return undefined
}

// A message that was whole before and is sent again: its last part asks for our answer once more.
function repeatedWhole(turn: Turn, sa: IkeSa, { path }: Received, { id, number, last, data }: Fragment): boolean {
  const { fragments } = sa
  if (fragments?.is !== 'whole' || fragments.id !== id || fragments.parts.get(number) !== digest(data)) return false
  if (last) repeatAnswer(turn, sa, path, fragments.message)
  return true
}

type Coming = Fragments & { readonly is: 'coming' }

/** With one more part; or why it can't be one. Another id, or the same with other octets, begins another message: libreswan numbers all of them 1. */
function added(before: Fragments | undefined, { id, number, last, data }: Fragment): Coming | string {
  if (number > mostFragments) return `fragment ${number}; at most ${mostFragments} are taken`
  const same = before?.is === 'coming' && before.id === id && fits(before, number, data) ? before : undefined
  const parts = new Map(same?.parts)
  parts.set(number, data.slice())
  const end = last ? number : same?.last
  if (end !== undefined && [...parts.keys()].some((one) => one > end))
    return `fragment ${Math.max(...parts.keys())} of ${end}`
  const octets = [...parts.values()].reduce((sum, part) => sum + part.length, 0)
  if (octets > longestMessage) return `fragments of more than ${longestMessage} octets`
  return { is: 'coming', id, parts, last: end }
}

function fits({ parts }: Coming, number: number, data: Uint8Array): boolean {
  const there = parts.get(number)
  return there === undefined || digest(there) === digest(data)
}

function keep({ assembling, sas }: IkeState, sa: IkeSa, coming: Coming): void {
  sa.fragments = coming
  assembling.add(sa.id)
  if (assembling.size <= mostAssembling) return
  const [oldest] = [...assembling]
  assembling.delete(oldest!)
  const other = sas.get(oldest!)
  if (other?.fragments?.is === 'coming') other.fragments = undefined
}

function assembled({ parts, last }: Coming): Uint8Array | undefined {
  if (last === undefined || parts.size < last) return undefined
  const whole = new Uint8Array([...parts.values()].reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (let number = 1; number <= last; number++) {
    const part = parts.get(number)!
    whole.set(part, at)
    at += part.length
  }
  return whole
}

// Its cookies and exchange are the fragments'; it is no fragment itself.
function belongs({ header }: Received, whole: Uint8Array): boolean {
  if (whole.length < headerOctets) return false
  const inner = parseHeader(whole).header
  return (
    inner.next !== payloadType.FRAGMENT &&
    inner.exchange === header.exchange &&
    digest(inner.initiatorCookie) === digest(header.initiatorCookie) &&
    digest(inner.responderCookie) === digest(header.responderCookie)
  )
}

// --- sending ----------------------------------------------------------------------------------------------------------------------------

/** Our own long messages in parts, where the peer announced that it takes them; `packet` bounds the IP packet. */
export function inFragments(
  state: IkeState,
  effects: readonly IkeEffect[],
  packet = packetOctets,
): readonly IkeEffect[] {
  const most = inOnePiece(packet)
  if (!effects.some((effect) => effect.do === 'send' && effect.octets.length > most)) return effects
  return effects.flatMap((effect): readonly IkeEffect[] => {
    if (effect.do !== 'send' || effect.octets.length <= most || !takesFragments(state, effect.octets)) return [effect]
    return split(effect.octets, most - headerOctets - fragmentOctets).map((octets) => ({ ...effect, octets }))
  })
}

function takesFragments(state: IkeState, octets: Uint8Array): boolean {
  const { header } = parseHeader(octets)
  return findSa({ state }, header)?.fragmentation === true
}

/** The id is the message's own digest, so that a repeated message has the same fragments. */
function split(octets: Uint8Array, most: number): readonly Uint8Array[] {
  const { header } = parseHeader(octets)
  const id = Number.parseInt(digest(octets).slice(0, 4), 16) || 1
  const count = Math.ceil(octets.length / most)
  return Array.from({ length: count }, (_, i) => {
    const data = octets.subarray(i * most, (i + 1) * most)
    const { body } = fragmentPayload({ id, number: i + 1, last: i + 1 === count, data })
    const payload = new Uint8Array(4 + body.length)
    new DataView(payload.buffer).setUint16(2, payload.length)
    payload.set(body, 4)
    const { initiatorCookie, responderCookie, exchange, messageId } = header
    return emitMessage({ initiatorCookie, responderCookie, exchange, messageId, next: payloadType.FRAGMENT }, payload)
  })
}
