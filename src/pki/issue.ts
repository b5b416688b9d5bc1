// Making certificates and revocation lists (RFC 5280 §4, §5): a small authority for people who have none. Signatures are node:crypto's.
import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { der, derInteger } from '../crypto/der.ts'
import { addressOctets } from '../wire/address.ts'
import { unhex } from '../wire/codec.ts'
import { type Certificate, usageBit } from './certificate.ts'
import { context, DerReader, implicit, tags } from './der-reader.ts'
import {
  derBits,
  derExplicit,
  derImplicit,
  derNamedBits,
  derNull,
  derNumber,
  derOctets,
  derOid,
  derSequence,
  derTime,
  derTrue,
} from './der-writer.ts'
import type { Name } from './names.ts'
import { oid } from './oids.ts'

/** What goes into one certificate. */
export type Order = {
  readonly subject: Name
  /** Names and addresses: `gw.example.org`, `192.0.2.1`, `user@example.org`. */
  readonly altNames: readonly string[]
  readonly publicKey: KeyObject
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly authority: { readonly pathLength: number | undefined } | undefined
  /** Object identifiers. */
  readonly extendedKeyUsage: readonly string[]
  readonly crlUrls: readonly string[]
  readonly ocspUrls?: readonly string[]
  readonly permitted?: readonly string[]
  /** More extensions, each a whole element. */
  readonly more?: readonly Uint8Array[]
  /** 16 random octets where it isn't given. */
  readonly serial?: Uint8Array
}

/** Who signs: for a self-signed certificate its own subject and key. `hash` is SHA-256 but in tests of what is refused. */
export type Signer = { readonly subject: Name; readonly key: KeyObject; readonly hash?: 'sha1' | 'sha256' | 'md5' }

/** The DER of a new certificate. */
export function issue(order: Order, signer: Signer): Uint8Array {
  const algorithm = signatureAlgorithm(signer)
  const tbs = derSequence(
    derExplicit(0, derNumber(2)),
    derInteger(order.serial ?? freshSerial()),
    algorithm,
    signer.subject.der,
    derSequence(derTime(order.notBefore), derTime(order.notAfter)),
    order.subject.der,
    spki(order.publicKey),
    derExplicit(3, derSequence(...extensions(order, signer))),
  )
  return signed(tbs, algorithm, signer)
}

function freshSerial(): Uint8Array {
  const octets = randomBytes(16)
  octets[0] = (octets[0]! & 0x7f) | 0x40
  return Uint8Array.from(octets)
}

function signed(tbs: Uint8Array, algorithm: Uint8Array, { key, hash = 'sha256' }: Signer): Uint8Array {
  return derSequence(tbs, algorithm, derBits(Uint8Array.from(sign(hash, tbs, key))))
}

function signatureAlgorithm({ key, hash = 'sha256' }: Signer): Uint8Array {
  const rsa = { sha1: oid.sha1WithRsa, sha256: oid.sha256WithRsa, md5: oid.md5WithRsa }
  const ecdsa = { sha1: oid.ecdsaWithSha1, sha256: oid.ecdsaWithSha256, md5: oid.ecdsaWithSha1 }
  return key.asymmetricKeyType === 'rsa' ? derSequence(derOid(rsa[hash]), derNull) : derSequence(derOid(ecdsa[hash]))
}

function spki(key: KeyObject): Uint8Array {
  return Uint8Array.from((key.type === 'private' ? createPublicKey(key) : key).export({ type: 'spki', format: 'der' }))
}

/** RFC 5280 §4.2.1.2, method 1: SHA-1 of the key's bits. */
export function keyId(key: KeyObject): Uint8Array {
  const inner = new DerReader(spki(key), 'public key').inside(tags.sequence, 'sequence')
  inner.take(tags.sequence, 'algorithm')
  const bits = inner.take(tags.bitString, 'bits').value.subarray(1)
  return Uint8Array.from(createHash('sha1').update(bits).digest())
}

function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return derSequence(derOid(id), ...(critical ? [derTrue] : []), derOctets(value))
}

/** For tests of what must be refused: an extension of any kind. */
export { extension as extensionOf }

function extensions(order: Order, signer: Signer): Uint8Array[] {
  const { authority, altNames, extendedKeyUsage, crlUrls, ocspUrls = [], permitted = [], more = [] } = order
  const bits = authority
    ? [usageBit.keyCertSign, usageBit.crlSign]
    : [usageBit.digitalSignature, usageBit.keyEncipherment]
  const length = authority?.pathLength
  return [
    ...(authority
      ? [
          extension(
            oid.basicConstraints,
            true,
            derSequence(derTrue, ...(length === undefined ? [] : [derNumber(length)])),
          ),
        ]
      : [extension(oid.basicConstraints, true, derSequence())]),
    extension(oid.keyUsage, true, derNamedBits(bits)),
    ...(extendedKeyUsage.length > 0
      ? [extension(oid.extendedKeyUsage, false, derSequence(...extendedKeyUsage.map(derOid)))]
      : []),
    extension(oid.subjectKeyIdentifier, false, derOctets(keyId(order.publicKey))),
    extension(oid.authorityKeyIdentifier, false, derSequence(derImplicit(0, keyId(signer.key)))),
    ...(altNames.length > 0 ? [extension(oid.subjectAltName, false, derSequence(...altNames.map(general)))] : []),
    ...(permitted.length > 0
      ? [
          extension(
            oid.nameConstraints,
            true,
            derSequence(derExplicit(0, ...permitted.map((name) => derSequence(constraint(name))))),
          ),
        ]
      : []),
    ...(crlUrls.length > 0 ? [extension(oid.crlDistributionPoints, false, derSequence(...crlUrls.map(point)))] : []),
    ...(ocspUrls.length > 0
      ? [
          extension(
            oid.authorityInfoAccess,
            false,
            derSequence(...ocspUrls.map((url) => derSequence(derOid(oid.ocsp), uri(url)))),
          ),
        ]
      : []),
    ...more,
  ]
}

const text = (value: string) => new TextEncoder().encode(value)
const uri = (url: string) => derImplicit(6, text(url))
const point = (url: string) => derSequence(derExplicit(0, der(context(0), uri(url))))

function general(name: string): Uint8Array {
  const address = addressOctets(name)
  if (address) return derImplicit(7, address)
  return name.includes('@') ? derImplicit(1, text(name)) : derImplicit(2, text(name))
}

/** `example.org`, or a network as address and mask: `10.0.0.0/255.0.0.0`. */
function constraint(name: string): Uint8Array {
  const [address, mask] = name.split('/').map((part) => addressOctets(part ?? ''))
  return address && mask ? der(implicit(7), address, mask) : general(name)
}

// --- revocation lists -------------------------------------------------------------------------------------------------------------------

export type RevokedEntry = { readonly serial: string; readonly at: number }

export type CrlOrder = {
  readonly number: number
  readonly thisUpdate: number
  readonly nextUpdate: number
  readonly revoked: readonly RevokedEntry[]
}

/** The DER of a list (RFC 5280 §5), version 2. */
export function issueCrl({ number, thisUpdate, nextUpdate, revoked }: CrlOrder, signer: Signer): Uint8Array {
  const algorithm = signatureAlgorithm(signer)
  const entries = revoked.map(({ serial, at }) => derSequence(derInteger(unhex(serial)), derTime(at)))
  const tbs = derSequence(
    derNumber(1),
    algorithm,
    signer.subject.der,
    derTime(thisUpdate),
    derTime(nextUpdate),
    ...(entries.length > 0 ? [derSequence(...entries)] : []),
    derExplicit(
      0,
      derSequence(
        extension(oid.authorityKeyIdentifier, false, derSequence(derImplicit(0, keyId(signer.key)))),
        extension(oid.crlNumber, false, derNumber(number)),
      ),
    ),
  )
  return signed(tbs, algorithm, signer)
}

/** A certificate's own name as a signer's. */
export function signerOf({ subject }: Pick<Certificate, 'subject'>, key: KeyObject): Signer {
  return { subject, key }
}
