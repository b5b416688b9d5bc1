// The chain of payloads that a message's body is (RFC 2408 §3.2), in clear or after decryption.
import { Reader, Writer } from '../../wire/codec.ts'
import { type Payload, parsePayload } from './payloads.ts'

export type Chain = {
  readonly payloads: readonly Payload[]
  /** The chain's octets without what follows the last payload. */
  readonly octets: Uint8Array
}

/** Payloads in one message. The longest known first message has 14; certificates and their requests add a dozen. */
export const mostPayloads = 64

/**
 * Parses the chain that begins with a payload of type `first`. After the last payload, a decrypted body may hold padding of any content
 * (clients pad with zeros, random octets or RFC 2406's count); a clear one only the few zeros with which some peers round their messages up.
 * Throws WireError. A RESERVED octet that is not zero is an error (RFC 2408 §5.3), and the surest sign of a wrong key after decryption.
 */
export function parseChain(first: number, body: Uint8Array, as: 'clear' | 'decrypted'): Chain {
  const reader = new Reader(body)
  const payloads: Payload[] = []
  let next = first
  while (next !== 0) {
    if (payloads.length === mostPayloads) reader.fail('chain', `more than ${mostPayloads} payloads`)
    const type = next
    next = reader.u8('next payload')
    if (reader.u8('RESERVED') !== 0) reader.fail('RESERVED', 'is not zero')
    const length = reader.u16('payload length')
    if (length < 4) reader.fail('payload length', `${length} is shorter than its own header`)
    payloads.push(parsePayload(type, reader.within(length - 4, 'payload')))
  }
  const octets = body.subarray(0, reader.offset)
  if (as === 'clear') {
    const rest = reader.rest()
    if (rest.length > 15 || rest.some((octet) => octet !== 0))
      reader.fail('chain', `${rest.length} octets after the last payload`)
  }
  return { payloads, octets }
}

/** The octets behind the first payload: what HASH(1) and HASH(2) cover after the message id (RFC 2409 §5.5). */
export function afterFirst({ payloads, octets }: Chain): Uint8Array {
  const first = payloads[0]
  return first ? octets.subarray(4 + first.body.length) : octets
}

/** `first` is 0 and `octets` empty where there are no payloads. */
export type EmittedChain = { readonly first: number; readonly octets: Uint8Array }

export function emitChain(payloads: readonly Payload[]): EmittedChain {
  const writer = new Writer()
  for (const [i, { body }] of payloads.entries()) {
    writer
      .u8(payloads[i + 1]?.type ?? 0)
      .u8(0)
      .u16(4 + body.length)
      .put(body)
  }
  return { first: payloads[0]?.type ?? 0, octets: writer.done() }
}

/** Zeros up to whole blocks, as a sealed body needs (RFC 2409 app. B). */
export function padded(octets: Uint8Array, blockOctets: number): Uint8Array {
  const whole = new Uint8Array(Math.ceil(octets.length / blockOctets) * blockOctets)
  whole.set(octets)
  return whole
}
