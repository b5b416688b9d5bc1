// Octets of CHAP (RFC 1994 §4): protocol c223, which MS-CHAP (RFC 2433) and MS-CHAPv2 (RFC 2759) fill with values of their own.
import { Reader, Writer } from '../../wire/codec.ts'

/** Codes 5 to 7 are Microsoft's (RFC 2433 §9 and §10, RFC 2759 §7); their insides are not read: passwords are not changed over PPP. */
export const CHAP_CODES = {
  Challenge: 1,
  Response: 2,
  Success: 3,
  Failure: 4,
  'Change-Password-1': 5,
  'Change-Password-2': 6,
  'Change-Password-3': 7,
} as const

type ChangePassword = 'Change-Password-1' | 'Change-Password-2' | 'Change-Password-3'

/** A Challenge or a Response (RFC 1994 §4.1). */
export type ValuedPacket<Is extends 'Challenge' | 'Response'> = {
  readonly is: Is
  readonly id: number
  readonly value: Uint8Array
  readonly name: Uint8Array
}

export type ChapPacket =
  | ValuedPacket<'Challenge'>
  | ValuedPacket<'Response'>
  | { readonly is: 'Success' | 'Failure'; readonly id: number; readonly message: Uint8Array }
  | { readonly is: ChangePassword; readonly id: number; readonly data: Uint8Array }
  | { readonly is: 'unknown'; readonly code: number; readonly id: number; readonly data: Uint8Array }

const NAMES: ReadonlyMap<number, keyof typeof CHAP_CODES> = new Map(
  Object.entries(CHAP_CODES).map(([name, code]) => [code, name as keyof typeof CHAP_CODES]),
)

/** Octets after the length given are padding (RFC 1994 §4). Throws WireError. */
export function parseChap(octets: Uint8Array): ChapPacket {
  const whole = new Reader(octets)
  const code = whole.u8('CHAP code')
  const id = whole.u8('CHAP identifier')
  const length = whole.u16('CHAP length')
  if (length < 4) whole.fail('CHAP length', `${length} is less than the header`)
  const body = whole.within(length - 4, 'CHAP length')
  const is = NAMES.get(code)
  switch (is) {
    case undefined:
      return { is: 'unknown', code, id, data: body.rest() }
    case 'Challenge':
    case 'Response':
      return { is, id, value: body.take(body.u8('Value-Size'), 'Value'), name: body.rest() }
    case 'Success':
    case 'Failure':
      return { is, id, message: body.rest() }
    default:
      return { is, id, data: body.rest() }
  }
}

export function emitChap(packet: ChapPacket): Uint8Array {
  const out = new Writer()
  out
    .u8(packet.is === 'unknown' ? packet.code : CHAP_CODES[packet.is])
    .u8(packet.id)
    .u16(0)
  if ('value' in packet) out.u8(packet.value.length).put(packet.value).put(packet.name)
  else out.put('message' in packet ? packet.message : packet.data)
  return out.patchU16(2, out.length).done()
}
