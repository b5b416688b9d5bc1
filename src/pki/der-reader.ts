// Strict DER for what strangers send: definite and shortest lengths, one-octet tags, nothing beyond the end. Anything else is a WireError that names
// the field, so that what OpenSSL verifies and what we read are the same octets in the same sense.
import { WireError } from '../wire/errors.ts'

/** Universal tags and the constructed bit; `context(n)` is a constructed context tag, `implicit(n)` a primitive one. */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8: 0x0c,
  numeric: 0x12,
  printable: 0x13,
  teletex: 0x14,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universal: 0x1c,
  bmp: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

export const context = (n: number) => 0xa0 + n
export const implicit = (n: number) => 0x80 + n

/** One element: `value` and `whole` are views. */
export type Element = { readonly tag: number; readonly value: Uint8Array; readonly whole: Uint8Array }

/** Reads elements one after the other; `where` names what is read, for the sentence of a refusal. */
export class DerReader {
  readonly #octets: Uint8Array
  readonly #where: string
  #at = 0

  constructor(octets: Uint8Array, where: string) {
    // A Buffer's slice is a view where a Uint8Array's is a copy: who copies what is kept shall have a copy.
    const plain = octets.constructor === Uint8Array
    this.#octets = plain ? octets : new Uint8Array(octets.buffer, octets.byteOffset, octets.byteLength)
    this.#where = where
  }

  get more(): boolean {
    return this.#at < this.#octets.length
  }

  /** The tag of what comes next; undefined at the end. */
  get peek(): number | undefined {
    return this.#octets[this.#at]
  }

  /** The next element, whatever it is. */
  any(what = 'an element'): Element {
    const from = this.#at
    const tag = this.#octet(what)
    if ((tag & 0x1f) === 0x1f) this.#fail(what, 'a tag of several octets, which nothing here has')
    const length = this.#length(what)
    if (length > this.#octets.length - this.#at)
      this.#fail(what, `${length} octets are announced and ${this.#octets.length - this.#at} are left`)
    const value = this.#octets.subarray(this.#at, this.#at + length)
    this.#at += length
    return { tag, value, whole: this.#octets.subarray(from, this.#at) }
  }

  /** The next element, which must have this tag. */
  take(tag: number, what: string): Element {
    if (this.peek !== tag)
      this.#fail(
        what,
        `the tag ${shown(tag)} is right and ${this.peek === undefined ? 'nothing' : shown(this.peek)} is here`,
      )
    return this.any(what)
  }

  /** The next element if it has this tag. */
  optional(tag: number, what: string): Element | undefined {
    return this.peek === tag ? this.take(tag, what) : undefined
  }

  /** A reader of what is inside the next element, which must have this tag. */
  inside(tag: number, what: string): DerReader {
    return new DerReader(this.take(tag, what).value, `${this.#where}, ${what}`)
  }

  /** A reader of what is inside the next element, if it has this tag. */
  optionalInside(tag: number, what: string): DerReader | undefined {
    return this.peek === tag ? this.inside(tag, what) : undefined
  }

  /** Nothing may be left. */
  end(): void {
    if (this.more) this.#fail('its end', `${this.#octets.length - this.#at} octets too many`)
  }

  #octet(what: string): number {
    const octet = this.#octets[this.#at]
    if (octet === undefined) this.#fail(what, 'it ends too early')
    this.#at++
    return octet as number
  }

  #length(what: string): number {
    const first = this.#octet(what)
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 4) this.#fail(what, 'a length that is indefinite or too long')
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#octet(what)
    if (length < 0x80 || length < 256 ** (count - 1)) this.#fail(what, 'a length that could be written shorter')
    return length
  }

  #fail(what: string, fault: string): never {
    throw new WireError(`${this.#where}, ${what}`, this.#at, fault)
  }
}

const shown = (tag: number) => `0x${tag.toString(16).padStart(2, '0')}`

/** The dotted text of an object identifier. */
export function oidText(octets: Uint8Array, where: string): string {
  const arcs: number[] = []
  let arc = 0
  let begun = false
  for (const [i, octet] of octets.entries()) {
    if (!begun && octet === 0x80) throw new WireError(where, i, 'an object identifier with a leading zero')
    begun = true
    arc = arc * 128 + (octet & 0x7f)
    if (arc > Number.MAX_SAFE_INTEGER / 128) throw new WireError(where, i, 'an object identifier with a huge number')
    if (octet < 0x80) {
      arcs.push(arc)
      arc = 0
      begun = false
    }
  }
  const [first, ...rest] = arcs
  if (first === undefined || begun)
    throw new WireError(where, octets.length, 'an object identifier that ends too early')
  const top = Math.min(2, Math.floor(first / 40))
  return [top, first - 40 * top, ...rest].join('.')
}

/** The bits of a BIT STRING with named bits, the first being bit 0. */
export function namedBits(value: Uint8Array, where: string): ReadonlySet<number> {
  const [unused, ...octets] = value
  if (unused === undefined || unused > 7 || (octets.length === 0 && unused !== 0))
    throw new WireError(where, 0, 'a bit string without its count of unused bits')
  const set = new Set<number>()
  for (const [i, octet] of octets.entries())
    for (let bit = 0; bit < 8; bit++) if (octet & (0x80 >> bit)) set.add(8 * i + bit)
  return set
}

/** A small unsigned INTEGER. */
export function smallInteger(value: Uint8Array, where: string): number {
  if (value.length === 0 || value.length > 4 || value[0]! >= 0x80)
    throw new WireError(where, 0, 'a number that is negative, empty or too large')
  return value.reduce((sum, octet) => sum * 256 + octet, 0)
}

/** UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5, in milliseconds since 1970. */
export function time({ tag, value }: Element, where: string): number {
  const text = latin1(value)
  const long = tag === tags.generalizedTime
  const match = (long ? /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/).exec(
    text,
  )
  if ((!long && tag !== tags.utcTime) || !match)
    throw new WireError(where, 0, 'a time that is not in the form of RFC 5280')
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const full = long ? year : year < 50 ? 2000 + year : 1900 + year
  const at = Date.UTC(full, month - 1, day, hour, minute, second)
  const back = new Date(at)
  if (back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day || hour > 23 || minute > 59 || second > 59)
    throw new WireError(where, 0, `${text} is no time`)
  return at
}

export function latin1(octets: Uint8Array): string {
  return String.fromCharCode(...octets.subarray(0, 4096))
}

/** The octets of a PEM text's blocks of this kind, in their order. */
export function pemBlocks(text: string, label: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  const pattern = new RegExp(`-----BEGIN (?:${label})-----([A-Za-z0-9+/=\\s]*?)-----END (?:${label})-----`, 'g')
  for (const [, body] of text.matchAll(pattern))
    blocks.push(Uint8Array.from(Buffer.from(body!.replace(/\s/g, ''), 'base64')))
  return blocks
}

export function pem(label: string, octets: Uint8Array): string {
  const lines =
    Buffer.from(octets)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
