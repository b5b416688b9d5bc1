// PKCS #12 (RFC 7292): a key and its certificates in one file under a password, in the one form that Windows since 2000, macOS, iOS and Android all import:
// PBE with SHA-1 and 3DES for key and certificates, HMAC-SHA-1 over the whole. Newer forms (PBES2 with AES) are refused by Windows before 10 and by macOS' key chain before 15.
import { createCipheriv, createHash, createHmac, type KeyObject, randomBytes } from 'node:crypto'
import { der } from '../crypto/der.ts'
import { concat } from '../wire/codec.ts'
import { implicit, tags } from './der-reader.ts'
import { derExplicit, derNull, derNumber, derOctets, derOid, derSequence, derSet } from './der-writer.ts'
import { oid } from './oids.ts'

// Ours: as many rounds as OpenSSL's compatible form takes.
const rounds = 2048

/** The file. `friendlyName` is what Windows lists it as; the first certificate is the key's own. */
export function pkcs12(
  {
    key,
    certificates,
    friendlyName,
  }: { readonly key: KeyObject; readonly certificates: readonly Uint8Array[]; readonly friendlyName: string },
  password: string,
): Uint8Array {
  const id = Uint8Array.from(createHash('sha1').update(certificates[0]!).digest())
  const attributes = derSet(
    derSequence(derOid(oid.friendlyName), derSet(der(tags.bmp, bmp(friendlyName)))),
    derSequence(derOid(oid.localKeyId), derSet(derOctets(id))),
  )
  const certBags = certificates.map((one, i) =>
    derSequence(
      derOid(oid.certBag),
      derExplicit(0, derSequence(derOid(oid.x509Certificate), derExplicit(0, derOctets(one)))),
      ...(i === 0 ? [attributes] : []),
    ),
  )
  const sealedCerts = seal(derSequence(...certBags), password)
  const encrypted = derSequence(
    derNumber(0),
    derSequence(derOid(oid.data), sealedCerts.algorithm, der(implicit(0), sealedCerts.octets)),
  )
  const sealedKey = seal(Uint8Array.from(key.export({ type: 'pkcs8', format: 'der' })), password)
  const keyBag = derSequence(
    derOid(oid.shroudedKeyBag),
    derExplicit(0, derSequence(sealedKey.algorithm, derOctets(sealedKey.octets))),
    attributes,
  )
  const safe = derSequence(
    derSequence(derOid(oid.encryptedData), derExplicit(0, encrypted)),
    derSequence(derOid(oid.data), derExplicit(0, derOctets(derSequence(keyBag)))),
  )
  const salt = Uint8Array.from(randomBytes(8))
  const mac = Uint8Array.from(
    createHmac('sha1', derive(3, password, salt, 20))
      .update(safe)
      .digest(),
  )
  return derSequence(
    derNumber(3),
    derSequence(derOid(oid.data), derExplicit(0, derOctets(safe))),
    derSequence(
      derSequence(derSequence(derOid(oid.sha1), derNull), derOctets(mac)),
      derOctets(salt),
      derNumber(rounds),
    ),
  )
}

function seal(plain: Uint8Array, password: string): { readonly algorithm: Uint8Array; readonly octets: Uint8Array } {
  const salt = Uint8Array.from(randomBytes(8))
  const cipher = createCipheriv('des-ede3-cbc', derive(1, password, salt, 24), derive(2, password, salt, 8))
  const octets = concat(Uint8Array.from(cipher.update(plain)), Uint8Array.from(cipher.final()))
  return {
    algorithm: derSequence(derOid(oid.pbeWithSha1And3Des), derSequence(derOctets(salt), derNumber(rounds))),
    octets,
  }
}

/** RFC 7292 app. B.2 with SHA-1; `purpose` 1 is a key, 2 an IV, 3 a MAC key. */
export function derive(purpose: number, password: string, salt: Uint8Array, length: number): Uint8Array {
  const v = 64
  const fill = (octets: Uint8Array) => {
    const size = v * Math.ceil(octets.length / v)
    return Uint8Array.from({ length: size }, (_, i) => octets[i % octets.length]!)
  }
  const diversifier = new Uint8Array(v).fill(purpose)
  const input = concat(fill(salt), fill(concat(bmp(password), Uint8Array.of(0, 0))))
  const out: number[] = []
  for (;;) {
    let a = Uint8Array.from(createHash('sha1').update(diversifier).update(input).digest())
    for (let i = 1; i < rounds; i++) a = Uint8Array.from(createHash('sha1').update(a).digest())
    out.push(...a)
    if (out.length >= length) return Uint8Array.from(out.slice(0, length))
    const b = fill(a).subarray(0, v)
    // Each block of the input plus B plus one, modulo 2^512.
    for (let at = 0; at < input.length; at += v) {
      let carry = 1
      for (let i = v - 1; i >= 0; i--) {
        carry += input[at + i]! + b[i]!
        input[at + i] = carry & 0xff
        carry >>= 8
      }
    }
  }
}

function bmp(text: string): Uint8Array {
  return Uint8Array.from(
    Array.from({ length: text.length }, (_, i) => [text.charCodeAt(i) >> 8, text.charCodeAt(i) & 0xff]).flat(),
  )
}
