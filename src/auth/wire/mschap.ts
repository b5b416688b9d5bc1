// What MS-CHAP puts into CHAP's values and messages (RFC 2433 §4 to §6, RFC 2759 §4 to §6).
import { hex, Reader, unhex, Writer } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'

const text = new TextDecoder()

/** Value of a version 1 Response: 24 octets LAN Manager, 24 octets NT, one octet that says whether NT is to be used. */
export type MschapResponse = {
  readonly lmResponse: Uint8Array
  readonly ntResponse: Uint8Array
  readonly useNt: boolean
}

/** Value of a version 2 Response; eight octets between are reserved. */
export type Mschapv2Response = {
  readonly peerChallenge: Uint8Array
  readonly ntResponse: Uint8Array
}

function sized(value: Uint8Array): Reader {
  if (value.length !== 49)
    throw new WireError('Value-Size', 4, `an MS-CHAP response has 49 octets, not ${value.length}`)
  return new Reader(value, 5)
}

export function parseMschapResponse(value: Uint8Array): MschapResponse {
  const body = sized(value)
  const lmResponse = body.take(24, 'LAN Manager response')
  const ntResponse = body.take(24, 'NT response')
  return { lmResponse, ntResponse, useNt: body.u8('use NT') !== 0 }
}

export function emitMschapResponse(response: MschapResponse): Uint8Array {
  return new Writer()
    .put(response.lmResponse)
    .put(response.ntResponse)
    .u8(response.useNt ? 1 : 0)
    .done()
}

/** Reserved octets and flags "must be zero", and are not looked at: clients set them. */
export function parseMschapv2Response(value: Uint8Array): Mschapv2Response {
  const body = sized(value)
  const peerChallenge = body.take(16, 'Peer-Challenge')
  body.take(8, 'Reserved')
  return { peerChallenge, ntResponse: body.take(24, 'NT-Response') }
}

export function emitMschapv2Response(response: Mschapv2Response): Uint8Array {
  return new Writer().put(response.peerChallenge).zeros(8).put(response.ntResponse).u8(0).done()
}

/** Failure message: `E=691 R=1 C=… V=3 M=…`. Version 1 has neither `M=` nor, from old servers, `V=`. */
export type MschapFailure = {
  readonly error: number
  readonly retry: boolean
  readonly challenge: Uint8Array | undefined
  readonly version: number | undefined
  readonly message: string | undefined
}

export function emitMschapFailure(failure: MschapFailure): Uint8Array {
  const parts = [`E=${failure.error}`, `R=${failure.retry ? 1 : 0}`]
  if (failure.challenge) parts.push(`C=${hex(failure.challenge).toUpperCase()}`)
  if (failure.version !== undefined) parts.push(`V=${failure.version}`)
  if (failure.message !== undefined) parts.push(`M=${failure.message}`)
  return new TextEncoder().encode(parts.join(' '))
}

/** Undefined where the text has no `E=`: some servers send plain words. */
export function parseMschapFailure(message: Uint8Array): MschapFailure | undefined {
  const said = text.decode(message)
  const error = /(?:^| )E=(\d{1,10})/.exec(said)?.[1]
  if (error === undefined) return undefined
  const challenge = /(?:^| )C=((?:[0-9a-f]{2}){8,16})(?: |$)/i.exec(said)?.[1]
  const version = /(?:^| )V=(\d{1,4})/.exec(said)?.[1]
  return {
    error: Number(error),
    retry: /(?:^| )R=1/.test(said),
    challenge: challenge === undefined ? undefined : unhex(challenge),
    version: version === undefined ? undefined : Number(version),
    message: /(?:^| )M=([\s\S]*)$/.exec(said)?.[1],
  }
}

/** The 20 octets after `S=` in a version 2 Success message (RFC 2759 §5), or undefined where there are none. */
export function parseMschapv2Success(message: Uint8Array): Uint8Array | undefined {
  const digits = /^S=([0-9a-f]{40})(?: |$)/i.exec(text.decode(message))?.[1]
  return digits === undefined ? undefined : unhex(digits)
}
