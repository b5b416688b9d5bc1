// Hiding AVP values behind MD5 and a shared secret (RFC 2661 §4.3). It keeps a value from a reader who lacks the secret; it authenticates nothing.
import { hash } from '../../crypto/hash.ts'
import { concat, Reader, Writer } from '../../wire/codec.ts'

/** The hidden form of `value`: its length, itself and `padding`, each 16 octets xored with a digest chained over the ciphertext. */
export function hide(
  type: number,
  value: Uint8Array,
  secret: Uint8Array,
  randomVector: Uint8Array,
  padding: Uint8Array,
): Uint8Array {
  const plain = new Writer().u16(value.length).put(value).put(padding).done()
  const hidden = new Uint8Array(plain.length)
  let pad = firstPad(type, secret, randomVector)
  for (let at = 0; at < plain.length; at += 16) {
    const end = Math.min(at + 16, plain.length)
    for (let i = at; i < end; i++) hidden[i] = plain[i]! ^ pad[i - at]!
    pad = hash('md5', secret, hidden.subarray(at, end))
  }
  return hidden
}

/** The value behind `hidden`. A wrong secret shows as a length that doesn't fit (WireError), or as a wrong value. */
export function reveal(type: number, hidden: Uint8Array, secret: Uint8Array, randomVector: Uint8Array): Uint8Array {
  const plain = new Uint8Array(hidden.length)
  let pad = firstPad(type, secret, randomVector)
  for (let at = 0; at < hidden.length; at += 16) {
    const end = Math.min(at + 16, hidden.length)
    for (let i = at; i < end; i++) plain[i] = hidden[i]! ^ pad[i - at]!
    pad = hash('md5', secret, hidden.subarray(at, end))
  }
  const from = new Reader(plain)
  const length = from.u16('hidden length')
  return from.take(length, 'hidden value')
}

function firstPad(type: number, secret: Uint8Array, randomVector: Uint8Array): Uint8Array {
  return hash('md5', concat(Uint8Array.of(type >>> 8, type & 0xff), secret, randomVector))
}
