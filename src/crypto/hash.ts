// Digests and HMAC over parts, so that callers need not join octets first.
//
// A login takes some forty of them. node:crypto's objects cost 3 µs a digest and 6 an HMAC, most of it for a stream, a key object and memory outside the heap;
// its one call for a whole message, with the digest as a string, costs 0.5. So HMAC is put together from two of these here (RFC 2104 §2).
import { hash as digestOf } from 'node:crypto'
import { wipe } from './constant-time.ts'

/** The digests that node:crypto computes for us; MD4 stands in md4.ts. */
export type Digest = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** Octets of a block of the compression function, and of the digest (FIPS 180-4 §1, RFC 1321 §3.4). */
const sizes: Readonly<Record<Digest, { readonly block: number; readonly digest: number }>> = {
  md5: { block: 64, digest: 16 },
  sha1: { block: 64, digest: 20 },
  sha256: { block: 64, digest: 32 },
  sha384: { block: 128, digest: 48 },
  sha512: { block: 128, digest: 64 },
}

/** RFC 2104 §2. */
const [innerPad, outerPad] = [0x36, 0x5c]

/** Where parts are joined; wiped after each use. Longer messages get octets of their own. */
const joined = new Uint8Array(4096)
const outer = new Uint8Array(128 + 64)

export function hash(digest: Digest, ...parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(sizes[digest].digest)
  put(result, 0, digestOfParts(digest, 0, parts))
  return result
}

/** The digest as hex digits. */
export function hashHex(digest: Digest, octets: Uint8Array): string {
  return digestOf(digest, octets, 'hex')
}

/** HMAC (RFC 2104) over the parts one after the other; this is IKE's prf too (RFC 2409 §4). */
export function hmac(digest: Digest, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const { block, digest: length } = sizes[digest]
  const short = key.length > block ? hash(digest, key) : key
  joined.fill(innerPad, 0, block)
  outer.fill(outerPad, 0, block)
  for (let i = 0; i < short.length; i++) {
    joined[i]! ^= short[i]!
    outer[i]! ^= short[i]!
  }
  put(outer, block, digestOfParts(digest, block, parts))
  const result = new Uint8Array(length)
  put(result, 0, digestOf(digest, outer.subarray(0, block + length), 'binary'))
  outer.fill(0)
  if (short !== key) wipe(short)
  return result
}

/** Of what stands in the first `from` octets of `joined`, and then the parts; a character an octet. */
function digestOfParts(digest: Digest, from: number, parts: readonly Uint8Array[]): string {
  if (from === 0 && parts.length === 1) return digestOf(digest, parts[0]!, 'binary')
  let end = from
  for (const part of parts) end += part.length
  const whole = end <= joined.length ? joined : new Uint8Array(end)
  if (whole !== joined) whole.set(joined.subarray(0, from))
  let at = from
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  const result = digestOf(digest, whole.subarray(0, end), 'binary')
  whole.fill(0, 0, end)
  joined.fill(0, 0, from)
  return result
}

function put(to: Uint8Array, at: number, characters: string): void {
  for (let i = 0; i < characters.length; i++) to[at + i] = characters.charCodeAt(i)
}
