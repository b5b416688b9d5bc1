// CBC without padding, as IKE seals its messages with (RFC 2409 app. B).
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'

/** The ciphers of IKE phase 1. */
export type CbcCipher = 'des' | '3des' | 'aes128' | 'aes192' | 'aes256'

/**
 * Whole blocks by one call: key, IV and text stand in `octets` one after the other with these lengths, and the text is coded in place. False where it can't.
 */
export type CbcCoder = (encrypt: boolean, octets: Uint8Array, key: number, iv: number, text: number) => boolean

/** node:crypto makes objects for each message, 6 µs and garbage: without a faster one this is what codes. */
let faster: CbcCoder | undefined

/** From now on this codes what fits it: the daemon gives the native module's. Results are the same. */
export function codeCbcBy(coder: CbcCoder | undefined): void {
  faster = coder
}

/**
 * Encrypts whole blocks; the caller pads. Throws a RangeError where `plain` is no whole number of blocks or key or IV have the wrong
 * length: that is our own bug, never the peer's.
 */
export function cbcEncrypt(cipher: CbcCipher, key: Uint8Array, iv: Uint8Array, plain: Uint8Array): Uint8Array {
  check(cipher, key, iv, plain)
  const fast = coded(true, cipher, key, iv, plain)
  if (fast) return fast
  const { name, key: full } = openssl(cipher, key)
  const state = createCipheriv(name, full, iv).setAutoPadding(false)
  return new Uint8Array(state.update(plain))
}

/** Decrypts whole blocks; padding is left in place. Throws as `cbcEncrypt` does. */
export function cbcDecrypt(cipher: CbcCipher, key: Uint8Array, iv: Uint8Array, sealed: Uint8Array): Uint8Array {
  check(cipher, key, iv, sealed)
  const fast = coded(false, cipher, key, iv, sealed)
  if (fast) return fast
  const { name, key: full } = openssl(cipher, key)
  const state = createDecipheriv(name, full, iv).setAutoPadding(false)
  return new Uint8Array(state.update(sealed))
}

/** Where key, IV and text are joined; wiped after each use. */
const joined = new Uint8Array(4096)

function coded(encrypt: boolean, cipher: CbcCipher, key: Uint8Array, iv: Uint8Array, text: Uint8Array) {
  // Three equal keys make triple DES into DES.
  const times = cipher === 'des' ? 3 : 1
  const head = times * key.length + iv.length
  const all = head + text.length
  if (!faster || all > joined.length) return undefined
  for (let i = 0; i < times; i++) joined.set(key, i * key.length)
  joined.set(iv, times * key.length)
  joined.set(text, head)
  const result = faster(encrypt, joined, times * key.length, iv.length, text.length)
    ? joined.slice(head, all)
    : undefined
  joined.fill(0, 0, all)
  return result
}

const sizes: Readonly<Record<CbcCipher, { key: number; block: number }>> = {
  des: { key: 8, block: 8 },
  '3des': { key: 24, block: 8 },
  aes128: { key: 16, block: 16 },
  aes192: { key: 24, block: 16 },
  aes256: { key: 32, block: 16 },
}

function check(cipher: CbcCipher, key: Uint8Array, iv: Uint8Array, text: Uint8Array): void {
  const { key: keyLength, block } = sizes[cipher]
  if (key.length !== keyLength) throw new RangeError(`${cipher} takes a key of ${keyLength} octets, not ${key.length}`)
  if (iv.length !== block) throw new RangeError(`${cipher} takes an IV of ${block} octets, not ${iv.length}`)
  if (text.length % block !== 0) throw new RangeError(`${text.length} octets are no whole blocks of ${block}`)
}

// OpenSSL keeps single DES in a provider that Node does not load; three equal keys make 3DES into it.
// A key object is made here because Node looks for one in octets first, which costs it two exceptions: 18 µs instead of 5 (Node 24.21).
function openssl(cipher: CbcCipher, key: Uint8Array): { name: string; key: KeyObject } {
  if (cipher === '3des') return { name: 'des-ede3-cbc', key: createSecretKey(key) }
  if (cipher !== 'des') return { name: `aes-${key.length * 8}-cbc`, key: createSecretKey(key) }
  const three = new Uint8Array(24)
  for (const at of [0, 8, 16]) three.set(key, at)
  const whole = createSecretKey(three)
  three.fill(0)
  return { name: 'des-ede3-cbc', key: whole }
}
