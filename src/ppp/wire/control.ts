// Octets of control packets (RFC 1661 §5, RFC 1570 §2): what LCP and every NCP send each other.
import { Reader, Writer } from '../../wire/codec.ts'

/** Codes 1 to 7 belong to every control protocol, the rest to LCP alone. */
export const CODES = {
  'Configure-Request': 1,
  'Configure-Ack': 2,
  'Configure-Nak': 3,
  'Configure-Reject': 4,
  'Terminate-Request': 5,
  'Terminate-Ack': 6,
  'Code-Reject': 7,
  'Protocol-Reject': 8,
  'Echo-Request': 9,
  'Echo-Reply': 10,
  'Discard-Request': 11,
  Identification: 12, // RFC 1570 §2.1
  'Time-Remaining': 13, // RFC 1570 §2.2
} as const

/** Highest code that an NCP and LCP know. */
export const NCP_CODES = 7
export const LCP_CODES = 13

/** An option as it stands in a packet: its data without type and length. */
export type Option = { readonly type: number; readonly data: Uint8Array }

export type ConfigurePacket = {
  readonly is: 'Configure-Request' | 'Configure-Ack' | 'Configure-Nak' | 'Configure-Reject'
  readonly id: number
  readonly options: readonly Option[]
}

export type ControlPacket =
  | ConfigurePacket
  | { readonly is: 'Terminate-Request' | 'Terminate-Ack'; readonly id: number; readonly data: Uint8Array }
  /** `rejected`: the packet that was not understood, perhaps cut. */
  | { readonly is: 'Code-Reject'; readonly id: number; readonly rejected: Uint8Array }
  | { readonly is: 'Protocol-Reject'; readonly id: number; readonly protocol: number; readonly rejected: Uint8Array }
  | {
      readonly is: 'Echo-Request' | 'Echo-Reply' | 'Discard-Request' | 'Identification'
      readonly id: number
      readonly magic: number
      readonly data: Uint8Array
    }
  | {
      readonly is: 'Time-Remaining'
      readonly id: number
      readonly magic: number
      readonly seconds: number
      readonly data: Uint8Array
    }
  | { readonly is: 'unknown'; readonly code: number; readonly id: number; readonly data: Uint8Array }

const NAMES: ReadonlyMap<number, keyof typeof CODES> = new Map(
  Object.entries(CODES).map(([name, code]) => [code, name as keyof typeof CODES]),
)

/** `known` is the highest code of the protocol. Octets after the length given are padding (RFC 1661 §5). Throws WireError. */
export function parseControl(octets: Uint8Array, known: number): ControlPacket {
  const whole = new Reader(octets)
  const code = whole.u8('code')
  const id = whole.u8('identifier')
  const length = whole.u16('length')
  if (length < 4) whole.fail('length', `${length} is less than the header`)
  const body = whole.within(length - 4, 'length')
  const is = code <= known ? NAMES.get(code) : undefined
  switch (is) {
    case undefined:
      return { is: 'unknown', code, id, data: body.rest() }
    case 'Configure-Request':
    case 'Configure-Ack':
    case 'Configure-Nak':
    case 'Configure-Reject':
      return { is, id, options: parseOptions(body) }
    case 'Terminate-Request':
    case 'Terminate-Ack':
      return { is, id, data: body.rest() }
    case 'Code-Reject':
      return { is, id, rejected: body.rest() }
    case 'Protocol-Reject':
      return { is, id, protocol: body.u16('rejected protocol'), rejected: body.rest() }
    case 'Time-Remaining':
      return { is, id, magic: body.u32('magic number'), seconds: body.u32('seconds'), data: body.rest() }
    default:
      return { is, id, magic: body.u32('magic number'), data: body.rest() }
  }
}

function parseOptions(body: Reader): Option[] {
  const options: Option[] = []
  while (body.remaining > 0) {
    const type = body.u8('option type')
    const length = body.u8('option length')
    if (length < 2) body.fail('option length', `${length} is less than the option's own header`)
    options.push({ type, data: body.take(length - 2, `option ${type}`).slice() })
  }
  return options
}

export function emitControl(packet: ControlPacket): Uint8Array {
  const out = new Writer()
  out
    .u8(packet.is === 'unknown' ? packet.code : CODES[packet.is])
    .u8(packet.id)
    .u16(0)
  if ('protocol' in packet) out.u16(packet.protocol)
  if ('magic' in packet) out.u32(packet.magic)
  if ('seconds' in packet) out.u32(packet.seconds)
  if ('options' in packet) {
    for (const { type, data } of packet.options)
      out
        .u8(type)
        .u8(data.length + 2)
        .put(data)
  } else out.put('rejected' in packet ? packet.rejected : packet.data)
  return out.patchU16(2, out.length).done()
}

export function sameOptions(a: readonly Option[], b: readonly Option[]): boolean {
  return a.length === b.length && a.every((option, i) => sameOption(option, b[i]!))
}

export function sameOption(a: Option, b: Option): boolean {
  return a.type === b.type && a.data.length === b.data.length && a.data.every((octet, i) => octet === b.data[i])
}
