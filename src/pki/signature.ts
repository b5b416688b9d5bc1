// The signatures of IKEv1: over HASH_I or HASH_R as they are, without hashing them again. RSA is PKCS #1 padding around the bare hash, with no DigestInfo
// (RFC 2409 §5.1); ECDSA is r and s behind each other, each of the curve's length (RFC 4754 §7).
//
// node:crypto hashes whatever it signs with ECDSA, so the curves are @noble/curves'. RSA is OpenSSL's.
import { constants, type KeyObject, privateEncrypt, publicDecrypt } from 'node:crypto'
import { p256, p384, p521 } from '@noble/curves/nist.js'
import { equal } from '../wire/codec.ts'

/** Authentication methods of phase 1 (RFC 2409 app. A, RFC 4754 §6). */
export const signatureMethod = { rsa: 3, ecdsa256: 9, ecdsa384: 10, ecdsa521: 11 } as const

const curves = {
  prime256v1: { method: signatureMethod.ecdsa256, curve: p256 },
  secp384r1: { method: signatureMethod.ecdsa384, curve: p384 },
  secp521r1: { method: signatureMethod.ecdsa521, curve: p521 },
} as const

/** The method that a key signs with, or undefined where IKEv1 has none for it. */
export function methodOf(key: KeyObject): number | undefined {
  if (key.asymmetricKeyType === 'rsa') return signatureMethod.rsa
  return curveOf(key)?.method
}

function curveOf(key: KeyObject): (typeof curves)[keyof typeof curves] | undefined {
  if (key.asymmetricKeyType !== 'ec') return undefined
  return curves[key.asymmetricKeyDetails?.namedCurve as keyof typeof curves]
}

/** Signs a hash. Throws where the key is of no kind that IKEv1 knows, or too short for the hash. */
export function signHash(key: KeyObject, hash: Uint8Array): Uint8Array {
  if (key.asymmetricKeyType === 'rsa')
    return Uint8Array.from(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, hash))
  const known = curveOf(key)
  if (!known) throw new Error(`IKEv1 has no signatures with keys of the kind ${key.asymmetricKeyType}`)
  const scalar = Uint8Array.from(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'))
  try {
    return Uint8Array.from(known.curve.sign(hash, scalar, { prehash: false, lowS: false }))
  } finally {
    scalar.fill(0)
  }
}

/** Whether the signature is this key's over the hash. */
export function verifyHash(key: KeyObject, hash: Uint8Array, signature: Uint8Array): boolean {
  try {
    if (key.asymmetricKeyType === 'rsa')
      return equal(publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature), hash)
    const known = curveOf(key)
    if (!known) return false
    const { x, y } = key.export({ format: 'jwk' })
    const point = Uint8Array.from([4, ...Buffer.from(x!, 'base64url'), ...Buffer.from(y!, 'base64url')])
    return known.curve.verify(signature, hash, point, { prehash: false, lowS: false })
  } catch {
    return false
  }
}
