// Digests and HMAC over parts, so that callers need not join octets first.
import { createHash, createHmac, createSecretKey } from 'node:crypto'

/** The digests that node:crypto computes for us; MD4 stands in md4.ts. */
export type Digest = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512'

export function hash(digest: Digest, ...parts: readonly Uint8Array[]): Uint8Array {
  const state = createHash(digest)
  for (const part of parts) state.update(part)
  return octets(state.digest())
}

/** HMAC (RFC 2104) over the parts one after the other; this is IKE's prf too (RFC 2409 §4). */
export function hmac(digest: Digest, key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  // Octets given as the key are first taken for a key object, which costs Node two exceptions: 16 µs instead of 5 (Node 24.21).
  const state = createHmac(digest, createSecretKey(key))
  for (const part of parts) state.update(part)
  return octets(state.digest())
}

function octets(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer)
}
