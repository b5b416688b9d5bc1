// The forms that AVP values take: for each one reader and one writer. A value of the wrong length is a WireError.
import type { Reader, Writer } from '../../wire/codec.ts'

export type Form<Value> = {
  readonly read: (from: Reader) => Value
  readonly write: (to: Writer, value: Value) => void
}

/** Result, error (0 where absent) and advisory text, as StopCCN and CDN carry them (RFC 2661 §4.4.2). */
export type ResultCode = { readonly result: number; readonly error: number; readonly text: Uint8Array }
export type Version = { readonly version: number; readonly revision: number }
export type Q931Cause = { readonly cause: number; readonly message: number; readonly text: Uint8Array }
export type CallErrors = {
  readonly crc: number
  readonly framing: number
  readonly hardwareOverruns: number
  readonly bufferOverruns: number
  readonly timeOut: number
  readonly alignment: number
}
export type Accm = { readonly send: number; readonly receive: number }

function whole<Value>(from: Reader, value: Value): Value {
  if (from.remaining !== 0) from.fail('value', `${from.remaining} octets too many`)
  return value
}

export const u16: Form<number> = {
  read: (from) => whole(from, from.u16('value')),
  write: (to, value) => to.u16(value),
}

export const u16NotZero: Form<number> = {
  read: (from) => {
    const value = whole(from, from.u16('value'))
    if (value === 0) from.fail('range', 'is zero')
    return value
  },
  write: (to, value) => to.u16(value),
}

export const u32: Form<number> = {
  read: (from) => whole(from, from.u32('value')),
  write: (to, value) => to.u32(value),
}

/** Octets of any number: text (whose encoding is the peer's affair), challenges, LCP packets. */
export const octets: Form<Uint8Array> = {
  read: (from) => from.rest().slice(),
  write: (to, value) => to.put(value),
}

export const octets16: Form<Uint8Array> = {
  read: (from) => whole(from, from.take(16, 'value').slice()),
  write: (to, value) => to.put(value),
}

/** Eight octets, compared as an unsigned number (RFC 2661 §4.4.3). */
export const tieBreaker: Form<Uint8Array> = {
  read: (from) => whole(from, from.take(8, 'value').slice()),
  write: (to, value) => to.put(value),
}

export const nothing: Form<true> = {
  read: (from) => whole(from, true as const),
  write: () => {},
}

export const version: Form<Version> = {
  read: (from) => {
    const value = { version: from.u8('version'), revision: from.u8('revision') }
    return whole(from, value)
  },
  write: (to, value) => to.u8(value.version).u8(value.revision),
}

/** The error code is always sent: Windows' own messages have it, and nobody objects to it. */
export const resultCode: Form<ResultCode> = {
  read: (from) => {
    const result = from.u16('result')
    const error = from.remaining > 0 ? from.u16('error') : 0
    return { result, error, text: from.rest().slice() }
  },
  write: (to, value) => to.u16(value.result).u16(value.error).put(value.text),
}

export const q931Cause: Form<Q931Cause> = {
  read: (from) => ({ cause: from.u16('cause'), message: from.u8('message'), text: from.rest().slice() }),
  write: (to, value) => to.u16(value.cause).u8(value.message).put(value.text),
}

/** The CHAP identifier behind a reserved octet (RFC 2661 §4.4.5). */
export const proxyAuthenId: Form<number> = {
  read: (from) => {
    from.u8('reserved')
    return whole(from, from.u8('identifier'))
  },
  write: (to, value) => to.u8(0).u8(value),
}

export const callErrors: Form<CallErrors> = {
  read: (from) => {
    from.u16('reserved')
    return whole(from, {
      crc: from.u32('CRC errors'),
      framing: from.u32('framing errors'),
      hardwareOverruns: from.u32('hardware overruns'),
      bufferOverruns: from.u32('buffer overruns'),
      timeOut: from.u32('time-out errors'),
      alignment: from.u32('alignment errors'),
    })
  },
  write: (to, value) =>
    to
      .u16(0)
      .u32(value.crc)
      .u32(value.framing)
      .u32(value.hardwareOverruns)
      .u32(value.bufferOverruns)
      .u32(value.timeOut)
      .u32(value.alignment),
}

export const accm: Form<Accm> = {
  read: (from) => {
    from.u16('reserved')
    return whole(from, { send: from.u32('send ACCM'), receive: from.u32('receive ACCM') })
  },
  write: (to, value) => to.u16(0).u32(value.send).u32(value.receive),
}
