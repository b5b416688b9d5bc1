// The ISAKMP header (RFC 2408 §3.1): parsed for every datagram before anything else is known about it.
import { Reader, Writer } from '../../wire/codec.ts'

export const headerOctets = 28
export const cookieOctets = 8

export type Header = {
  readonly initiatorCookie: Uint8Array
  /** All zero in an initiator's first message. */
  readonly responderCookie: Uint8Array
  /** Type of the first payload. */
  readonly next: number
  /** 1 in IKEv1; the machine judges, since the answer differs from silence. */
  readonly major: number
  readonly minor: number
  readonly exchange: number
  readonly encrypted: boolean
  readonly commit: boolean
  readonly authenticationOnly: boolean
  /** The flag bits that RFC 2408 leaves at zero, as received; the machine passes over messages that have any. */
  readonly otherFlags: number
  /** 0 in phase 1. */
  readonly messageId: number
}

/**
 * Splits a datagram into header and body. The header's length must be the datagram's: shorter is cut off, longer is padding that
 * no hash covers. Views, not copies.
 */
export function parseHeader(octets: Uint8Array): { readonly header: Header; readonly body: Uint8Array } {
  const reader = new Reader(octets)
  const initiatorCookie = reader.take(cookieOctets, 'initiator cookie')
  const responderCookie = reader.take(cookieOctets, 'responder cookie')
  const next = reader.u8('next payload')
  const version = reader.u8('version')
  const exchange = reader.u8('exchange type')
  const flags = reader.u8('flags')
  const messageId = reader.u32('message id')
  const length = reader.u32('length')
  if (length !== octets.length)
    reader.fail('length', `says ${length}, the datagram has ${octets.length} octets (UNEQUAL-PAYLOAD-LENGTHS)`)
  return {
    header: {
      initiatorCookie,
      responderCookie,
      next,
      major: version >>> 4,
      minor: version & 0x0f,
      exchange,
      encrypted: (flags & 1) !== 0,
      commit: (flags & 2) !== 0,
      authenticationOnly: (flags & 4) !== 0,
      otherFlags: flags & 0xf8,
      messageId,
    },
    body: reader.rest(),
  }
}

/** What differs from the plainest header: version 1.0, no flags, message id 0. */
export type HeaderFields = {
  readonly initiatorCookie: Uint8Array
  readonly responderCookie: Uint8Array
  readonly exchange: number
  readonly next: number
  readonly encrypted?: boolean
  readonly commit?: boolean
  readonly authenticationOnly?: boolean
  readonly otherFlags?: number
  readonly messageId?: number
  readonly major?: number
  readonly minor?: number
}

/** A whole message: header and `body`, which is a chain in clear or sealed octets. */
export function emitMessage(fields: HeaderFields, body: Uint8Array): Uint8Array {
  const flags =
    (fields.encrypted ? 1 : 0) |
    (fields.commit ? 2 : 0) |
    (fields.authenticationOnly ? 4 : 0) |
    (fields.otherFlags ?? 0)
  return new Writer()
    .put(fields.initiatorCookie)
    .put(fields.responderCookie)
    .u8(fields.next)
    .u8(((fields.major ?? 1) << 4) | (fields.minor ?? 0))
    .u8(fields.exchange)
    .u8(flags)
    .u32(fields.messageId ?? 0)
    .u32(headerOctets + body.length)
    .put(body)
    .done()
}
