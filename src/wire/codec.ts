// The codec kit: a bounds-checked reader and a growing writer, big-endian as all our protocols are.
import { WireError } from './errors.ts'

export class Reader {
  readonly octets: Uint8Array
  readonly #base: number
  #at = 0

  /** `base` is the offset of `octets` in the whole message, so that errors name the right octet. */
  constructor(octets: Uint8Array, base = 0) {
    // A Buffer's slice is a view where a Uint8Array's is a copy: who copies what is kept shall have a copy.
    const plain = octets.constructor === Uint8Array
    this.octets = plain ? octets : new Uint8Array(octets.buffer, octets.byteOffset, octets.byteLength)
    this.#base = base
  }

  /** Octets from the start of the whole message. */
  get offset(): number {
    return this.#base + this.#at
  }

  get remaining(): number {
    return this.octets.length - this.#at
  }

  u8(where: string): number {
    return this.octets[this.#take(1, where)]!
  }

  u16(where: string): number {
    const from = this.#take(2, where)
    return (this.octets[from]! << 8) | this.octets[from + 1]!
  }

  u32(where: string): number {
    const from = this.#take(4, where)
    const { octets } = this
    return ((octets[from]! << 24) | (octets[from + 1]! << 16) | (octets[from + 2]! << 8) | octets[from + 3]!) >>> 0
  }

  /** The next `length` octets, as a view into the message (copy what is kept). */
  take(length: number, where: string): Uint8Array {
    const from = this.#take(length, where)
    return this.octets.subarray(from, from + length)
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    return this.take(this.remaining, 'rest')
  }

  /** A reader over the next `length` octets that keeps counting from the message's start. */
  within(length: number, where: string): Reader {
    const base = this.offset
    return new Reader(this.take(length, where), base)
  }

  fail(where: string, what: string): never {
    throw new WireError(where, this.offset, what)
  }

  #take(length: number, where: string): number {
    if (length < 0 || length > this.remaining) {
      throw new WireError(where, this.offset, `needs ${length} octets, ${this.remaining} are left`)
    }
    const from = this.#at
    this.#at += length
    return from
  }
}

/**
 * Octets that writers lend and give back wiped: to have so many allocated costs more than to write a message into them. A message is a few hundred octets,
 * and a few writers are open at once.
 */
const spare: Uint8Array[] = []
const spareOctets = 2048
const mostSpare = 8
const none = new Uint8Array()

export class Writer {
  #octets = spare.pop() ?? new Uint8Array(spareOctets)
  #length = 0

  get length(): number {
    return this.#length
  }

  u8(value: number): this {
    this.#grow(1)
    this.#octets[this.#length++] = value
    return this
  }

  u16(value: number): this {
    return this.u8((value >>> 8) & 0xff).u8(value & 0xff)
  }

  u32(value: number): this {
    return this.u16((value >>> 16) & 0xffff).u16(value & 0xffff)
  }

  put(octets: Uint8Array): this {
    this.#grow(octets.length)
    this.#octets.set(octets, this.#length)
    this.#length += octets.length
    return this
  }

  zeros(count: number): this {
    this.#grow(count)
    this.#octets.fill(0, this.#length, this.#length + count)
    this.#length += count
    return this
  }

  /** Writes `value` over two octets already written: lengths that are known only afterwards. */
  patchU16(at: number, value: number): this {
    if (at + 2 > this.#length) throw new RangeError(`octet ${at} is not written yet`)
    this.#octets[at] = (value >>> 8) & 0xff
    this.#octets[at + 1] = value & 0xff
    return this
  }

  patchU32(at: number, value: number): this {
    return this.patchU16(at, (value >>> 16) & 0xffff).patchU16(at + 2, value & 0xffff)
  }

  /** What was written; the writer is empty afterwards. */
  done(): Uint8Array {
    const written = this.#octets.slice(0, this.#length)
    this.#octets.fill(0, 0, this.#length)
    if (this.#octets.length === spareOctets && spare.length < mostSpare) spare.push(this.#octets)
    this.#octets = none
    this.#length = 0
    return written
  }

  #grow(by: number): void {
    if (this.#length + by <= this.#octets.length) return
    const larger = new Uint8Array(Math.max(this.#octets.length * 2, this.#length + by))
    larger.set(this.#octets.subarray(0, this.#length))
    this.#octets.fill(0, 0, this.#length)
    this.#octets = larger
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Equality of public values. Secrets are compared by `crypto/constant-time.ts`. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** In one piece: put together from digits it would be a tree of strings, thirty times as large where it is kept. */
export function hex(octets: Uint8Array): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('hex')
}

/** Octets of a hex string; white space and colons are passed over. */
export function unhex(text: string): Uint8Array {
  const digits = text.replace(/[\s:]/g, '')
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits))
    throw new WireError('hex', 0, 'not an even run of hex digits')
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16))
}

/** Text that a peer sent, safe to show: printable ASCII as it is, everything else escaped, cut at `limit` characters. */
export function printable(octets: Uint8Array | string, limit = 64): string {
  const source = typeof octets === 'string' ? new TextEncoder().encode(octets) : octets
  let text = ''
  for (const octet of source) {
    if (text.length >= limit) return `${text}…`
    text +=
      octet >= 0x20 && octet < 0x7f && octet !== 0x5c
        ? String.fromCharCode(octet)
        : `\\x${octet.toString(16).padStart(2, '0')}`
  }
  return text
}
