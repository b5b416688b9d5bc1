// DER that we write ourselves, on top of crypto's: identifiers, texts, times, bit strings.
import { der, derInteger } from '../crypto/der.ts'
import { context, implicit, tags } from './der-reader.ts'
import { oid } from './oids.ts'

const encode = (text: string) => new TextEncoder().encode(text)

export function derOid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return der(tags.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

function base128(arc: number): number[] {
  const octets = [arc % 128]
  for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) octets.unshift(0x80 + (left % 128))
  return octets
}

/** Country names are PrintableString and mail addresses IA5String by their own rules, all else is UTF-8 (RFC 5280 §4.1.2.4). */
export function derText(type: string, text: string): Uint8Array {
  const tag =
    type === oid.country
      ? tags.printable
      : type === oid.emailAddress || type === oid.domainComponent
        ? tags.ia5
        : tags.utf8
  return der(tag, encode(text))
}

export function derIa5(text: string): Uint8Array {
  return der(tags.ia5, encode(text))
}

/** UTCTime to 2049, GeneralizedTime after (RFC 5280 §4.1.2.5); whole seconds. */
export function derTime(at: number): Uint8Array {
  const digits = new Date(at)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return Number(digits.slice(0, 4)) < 2050
    ? der(tags.utcTime, encode(digits.slice(2)))
    : der(tags.generalizedTime, encode(digits))
}

export function derGeneralizedTime(at: number): Uint8Array {
  return der(
    tags.generalizedTime,
    encode(
      new Date(at)
        .toISOString()
        .replace(/\.\d+Z$/, 'Z')
        .replace(/[-:T]/g, ''),
    ),
  )
}

export function derBits(octets: Uint8Array, unused = 0): Uint8Array {
  return der(tags.bitString, Uint8Array.of(unused), octets)
}

/** A BIT STRING with named bits, without trailing zeros (X.690 §11.2.2). */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const last = Math.max(-1, ...bits)
  const octets = new Uint8Array(Math.floor(last / 8) + 1)
  for (const bit of bits) octets[bit >> 3]! |= 0x80 >> (bit & 7)
  return derBits(octets, last < 0 ? 0 : 7 - (last & 7))
}

export function derOctets(...parts: readonly Uint8Array[]): Uint8Array {
  return der(tags.octetString, ...parts)
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return der(tags.sequence, ...parts)
}

/** SET OF in DER: the elements in the order of their octets. */
export function derSet(...parts: readonly Uint8Array[]): Uint8Array {
  return der(tags.set, ...parts.toSorted((a, b) => Buffer.compare(a, b)))
}

export function derExplicit(n: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return der(context(n), ...parts)
}

export function derImplicit(n: number, octets: Uint8Array): Uint8Array {
  return der(implicit(n), octets)
}

export function derNumber(value: number): Uint8Array {
  const hex = value.toString(16)
  return derInteger(Uint8Array.from(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')))
}

export const derNull = Uint8Array.of(tags.null, 0)
export const derTrue = Uint8Array.of(tags.boolean, 1, 0xff)
