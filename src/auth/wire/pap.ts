// Octets of PAP (RFC 1334 §2.2): protocol c023.
import { Reader, Writer } from '../../wire/codec.ts'

export const PAP_CODES = { 'Authenticate-Request': 1, 'Authenticate-Ack': 2, 'Authenticate-Nak': 3 } as const

export type PapPacket =
  | {
      readonly is: 'Authenticate-Request'
      readonly id: number
      /** At most 255 octets each. */
      readonly user: Uint8Array
      readonly password: Uint8Array
    }
  | { readonly is: 'Authenticate-Ack' | 'Authenticate-Nak'; readonly id: number; readonly message: Uint8Array }
  | { readonly is: 'unknown'; readonly code: number; readonly id: number; readonly data: Uint8Array }

/** Octets after the length given are padding (RFC 1334 §2.2). Throws WireError. */
export function parsePap(octets: Uint8Array): PapPacket {
  const whole = new Reader(octets)
  const code = whole.u8('PAP code')
  const id = whole.u8('PAP identifier')
  const length = whole.u16('PAP length')
  if (length < 4) whole.fail('PAP length', `${length} is less than the header`)
  const body = whole.within(length - 4, 'PAP length')
  switch (code) {
    case PAP_CODES['Authenticate-Request']: {
      const user = body.take(body.u8('Peer-ID Length'), 'Peer-ID')
      const password = body.take(body.u8('Passwd-Length'), 'Password')
      return { is: 'Authenticate-Request', id, user, password }
    }
    case PAP_CODES['Authenticate-Ack']:
    case PAP_CODES['Authenticate-Nak']:
      return {
        is: code === PAP_CODES['Authenticate-Ack'] ? 'Authenticate-Ack' : 'Authenticate-Nak',
        id,
        // Some peers leave even the length octet out.
        message: body.remaining === 0 ? new Uint8Array() : body.take(body.u8('Msg-Length'), 'Message'),
      }
    default:
      return { is: 'unknown', code, id, data: body.rest() }
  }
}

export function emitPap(packet: PapPacket): Uint8Array {
  const out = new Writer()
  if (packet.is === 'unknown') out.u8(packet.code).u8(packet.id).u16(0).put(packet.data)
  else {
    out.u8(PAP_CODES[packet.is]).u8(packet.id).u16(0)
    if (packet.is === 'Authenticate-Request')
      out.u8(packet.user.length).put(packet.user).u8(packet.password.length).put(packet.password)
    else out.u8(packet.message.length).put(packet.message)
  }
  return out.patchU16(2, out.length).done()
}
