// AVPs as they stand in a message (RFC 2661 §4.1): flags, length, vendor, type and value, in order, nothing of their meaning.
import { Reader, Writer } from '../../wire/codec.ts'

export type Avp = {
  readonly mandatory: boolean
  readonly hidden: boolean
  /** The four reserved bits; zero, or the AVP is to be taken for one that nobody knows. */
  readonly reserved: number
  /** 0: IETF. */
  readonly vendor: number
  readonly type: number
  readonly value: Uint8Array
}

const MANDATORY = 0x8000
const HIDDEN = 0x4000

/** AVPs in a body, views into it; `base` is the body's offset in the message. Throws WireError where a length doesn't fit. */
export function parseAvps(body: Uint8Array, base = 12): readonly Avp[] {
  const from = new Reader(body, base)
  const avps: Avp[] = []
  while (from.remaining > 0) avps.push(parseAvp(from, 0))
  return avps
}

/** The next AVP. `excess` octets are taken off the length that it claims (see `parseClosingAvps`). */
function parseAvp(from: Reader, excess: number): Avp {
  const word = from.u16('AVP flags')
  const length = (word & 0x03ff) - excess
  if (length < 6) from.fail('AVP length', `${length} octets are shorter than the AVP's header`)
  const vendor = from.u16('AVP vendor')
  const type = from.u16('AVP type')
  const value = from.take(length - 6, 'AVP value')
  return {
    mandatory: (word & MANDATORY) !== 0,
    hidden: (word & HIDDEN) !== 0,
    reserved: (word >>> 10) & 0x0f,
    vendor,
    type,
    value,
  }
}

/**
 * AVPs of StopCCN and CDN. Apple's clients count the header of the Result Code twice, so that its length runs six octets into what
 * follows; where the body makes no sense otherwise the length is taken as it was meant.
 */
export function parseClosingAvps(body: Uint8Array, base = 12): readonly Avp[] {
  try {
    return parseAvps(body, base)
  } catch (error) {
    const lenient = parseAppleClosing(body, base)
    if (!lenient) throw error
    return lenient
  }
}

function parseAppleClosing(body: Uint8Array, base: number): readonly Avp[] | undefined {
  const from = new Reader(body, base)
  const avps: Avp[] = []
  try {
    while (from.remaining > 0) {
      const at = from.offset - base
      const isResult =
        at + 6 <= body.length && body[at + 2] === 0 && body[at + 3] === 0 && body[at + 4] === 0 && body[at + 5] === 1
      avps.push(parseAvp(from, isResult ? 6 : 0))
    }
    return avps
  } catch {
    return undefined
  }
}

export function emitAvps(avps: readonly Avp[]): Uint8Array {
  const to = new Writer()
  for (const { mandatory, hidden, reserved, vendor, type, value } of avps) {
    to.u16((mandatory ? MANDATORY : 0) | (hidden ? HIDDEN : 0) | ((reserved & 0x0f) << 10) | (6 + value.length))
    to.u16(vendor).u16(type).put(value)
  }
  return to.done()
}

/** The largest value that an AVP's ten bits of length can hold, in octets. */
export const largestValue = 1023 - 6
