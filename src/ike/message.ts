// A message as the exchanges see it: received with its path, opened with an exchange's IV, and built again, in clear or sealed.
import { ciphers } from '../algorithms/registry.ts'
import type { Path } from '../wire/address.ts'
import { type Cookies, type IkeKeys, openBody, sealBody } from './keys.ts'
import { type Chain, emitChain, padded, parseChain } from './wire/chain.ts'
import { emitMessage, type Header } from './wire/header.ts'
import { hashPayload, type Payload } from './wire/payloads.ts'

export type Received = {
  readonly path: Path
  readonly octets: Uint8Array
  readonly header: Header
  readonly body: Uint8Array
}

/** `iv` is the next one of the exchange; to be kept only once the message is authentic. */
export type Opened = { readonly chain: Chain; readonly iv: Uint8Array }

/** Decrypts and parses. Undefined where the body is no whole number of blocks; throws WireError where what comes out is no chain. */
export function open(keys: IkeKeys, iv: Uint8Array, { header, body }: Received): Opened | undefined {
  const opened = openBody(keys, iv, body)
  return opened && { chain: parseChain(header.next, opened.plain, 'decrypted'), iv: opened.iv }
}

export type Outgoing = { readonly cookies: Cookies; readonly exchange: number; readonly messageId: number }

export function clearMessage({ cookies, exchange, messageId }: Outgoing, payloads: readonly Payload[]): Uint8Array {
  const chain = emitChain(payloads)
  return emitMessage({ ...cookies, exchange, messageId, next: chain.first }, chain.octets)
}

export function sealedMessage(
  keys: IkeKeys,
  iv: Uint8Array,
  { cookies, exchange, messageId }: Outgoing,
  payloads: readonly Payload[],
): { readonly octets: Uint8Array; readonly iv: Uint8Array } {
  const chain = emitChain(payloads)
  const { sealed, iv: next } = sealBody(keys, iv, padded(chain.octets, ciphers[keys.cipher].blockOctets))
  const header = { ...cookies, exchange, messageId, next: chain.first, encrypted: true }
  return { octets: emitMessage(header, sealed), iv: next }
}

/** HASH(1) or HASH(2) before the payloads that it covers. */
export function hashed(payloads: readonly Payload[], hashOf: (after: Uint8Array) => Uint8Array): readonly Payload[] {
  return [hashPayload(hashOf(emitChain(payloads).octets)), ...payloads]
}
