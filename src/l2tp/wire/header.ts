// The L2TP header (RFC 2661 §3.1): of control messages, which are always T, L and S, and of data messages in every combination of flags.
import { Reader, Writer } from '../../wire/codec.ts'

export type ControlHeader = {
  readonly tunnel: number
  readonly session: number
  readonly ns: number
  readonly nr: number
}

export type DataHeader = {
  readonly tunnel: number
  readonly session: number
  /** L: the whole message's length in octets, header included; undefined where the bit is not set. */
  readonly length: number | undefined
  /** S: Ns and the reserved Nr. */
  readonly sequence: { readonly ns: number; readonly nr: number } | undefined
  /** O: octets of padding between header and payload. */
  readonly offset: number | undefined
  /** P: preferential treatment. */
  readonly priority: boolean
}

const T = 0x8000
const L = 0x4000
const S = 0x0800
const O = 0x0200
const P = 0x0100
const VERSION = 2

/** Whether the octets are a control message, by the T bit alone. */
export function isControl(message: Uint8Array): boolean {
  return ((message[0] ?? 0) & 0x80) !== 0
}

function flagsOf(from: Reader): number {
  const flags = from.u16('flags')
  const version = flags & 0x000f
  if (version === 1) from.fail('version', 'is 1: this is L2F (RFC 2341), not L2TP')
  if (version === 3) from.fail('version', 'is 3: this is L2TPv3 (RFC 3931); L2TPv2 is spoken here')
  if (version !== VERSION) from.fail('version', `is ${version}, not 2`)
  return flags
}

/** A control message taken apart. `body` is a view; octets behind the Length field are not looked at. Reserved flag bits are ignored. */
export function parseControl(message: Uint8Array): { readonly header: ControlHeader; readonly body: Uint8Array } {
  const from = new Reader(message)
  const flags = flagsOf(from)
  if ((flags & T) === 0) from.fail('flags', 'the T bit is not set: this is a data message')
  if ((flags & L) === 0) from.fail('flags', 'a control message without the L bit')
  if ((flags & S) === 0) from.fail('flags', 'a control message without the S bit')
  if ((flags & O) !== 0) from.fail('flags', 'a control message with the O bit')
  const length = from.u16('length')
  if (length < 12) from.fail('length', `${length} octets are shorter than the header`)
  if (length > message.length) from.fail('length', `claims ${length} octets, ${message.length} are there`)
  const header = {
    tunnel: from.u16('tunnel ID'),
    session: from.u16('session ID'),
    ns: from.u16('Ns'),
    nr: from.u16('Nr'),
  }
  return { header, body: from.take(length - 12, 'body') }
}

/** Flags are exactly C802: Android's mtpd takes nothing else. */
export function emitControl(header: ControlHeader, body: Uint8Array): Uint8Array {
  return new Writer()
    .u16(T | L | S | VERSION)
    .u16(12 + body.length)
    .u16(header.tunnel)
    .u16(header.session)
    .u16(header.ns)
    .u16(header.nr)
    .put(body)
    .done()
}

/** A data message taken apart; `payload` (a PPP frame) is a view. */
export function parseData(message: Uint8Array): { readonly header: DataHeader; readonly payload: Uint8Array } {
  const from = new Reader(message)
  const flags = flagsOf(from)
  if ((flags & T) !== 0) from.fail('flags', 'the T bit is set: this is a control message')
  const length = (flags & L) !== 0 ? from.u16('length') : undefined
  if (length !== undefined && length > message.length) {
    from.fail('length', `claims ${length} octets, ${message.length} are there`)
  }
  const tunnel = from.u16('tunnel ID')
  const session = from.u16('session ID')
  const sequence = (flags & S) !== 0 ? { ns: from.u16('Ns'), nr: from.u16('Nr') } : undefined
  const offset = (flags & O) !== 0 ? from.u16('offset') : undefined
  if (offset !== undefined) from.take(offset, 'offset pad')
  const payload = from.take((length ?? message.length) - from.offset, 'payload')
  return { header: { tunnel, session, length, sequence, offset, priority: (flags & P) !== 0 }, payload }
}

/** `header.length` only says whether the field is sent; the octets are counted here. */
export function emitData(header: DataHeader, payload: Uint8Array): Uint8Array {
  const { length, sequence, offset } = header
  const flags =
    (length !== undefined ? L : 0) | (sequence ? S : 0) | (offset !== undefined ? O : 0) | (header.priority ? P : 0)
  const to = new Writer().u16(flags | VERSION)
  const lengthAt = to.length
  if (length !== undefined) to.u16(0)
  to.u16(header.tunnel).u16(header.session)
  if (sequence) to.u16(sequence.ns).u16(sequence.nr)
  if (offset !== undefined) to.u16(offset).zeros(offset)
  to.put(payload)
  if (length !== undefined) to.patchU16(lengthAt, to.length)
  return to.done()
}
