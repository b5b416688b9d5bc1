// The one table of algorithms: sizes, the numbers that IKEv1 uses for them, and the security level from which they are allowed.
import type { Cipher, Group, Hash } from './algorithms.ts'

/** The setting `security` of a configuration, from the strictest. */
export type SecurityLevel = 'modern' | 'compatible' | 'legacy'

/** From which level on an algorithm is allowed; `rule`: only where a rule names it. */
export type AllowedFrom = SecurityLevel | 'rule'

export type CipherFacts = {
  /** Octets of the key without salt. */
  readonly keyOctets: number
  /** Octets of salt that KEYMAT gives after the key (RFC 4106 §8.1). */
  readonly saltOctets: number
  /** Octets of the cipher's block, and of the IV of a CBC cipher. */
  readonly blockOctets: number
  /** Octets of the IV in each ESP packet. */
  readonly ivOctets: number
  /** Octets of the tag that an AEAD cipher makes itself, else 0. */
  readonly icvOctets: number
  readonly aead: boolean
  /** Encryption-Algorithm of phase 1 (RFC 2409 app. A, RFC 3602 §5.1), or undefined where phase 1 has none. */
  readonly ikeValue: number | undefined
  /** ESP transform identifier (RFC 2407 §4.4.4, RFC 3602 §5.3, RFC 4106 §8.2). */
  readonly espTransform: number
  /** Bits for the Key Length attribute, or undefined where the attribute must not be sent. */
  readonly keyLengthAttribute: number | undefined
  readonly from: AllowedFrom
}

export type HashFacts = {
  /** Octets of the whole digest: what HASH_I and SKEYID have. */
  readonly digestOctets: number
  /** Octets of the key that HMAC takes from KEYMAT in ESP (RFC 2403, 2404, 4868). */
  readonly keyOctets: number
  /** Octets of the tag in ESP. */
  readonly icvOctets: number
  /** Hash-Algorithm of phase 1, or undefined where it is for ESP only. */
  readonly ikeValue: number | undefined
  /** Authentication Algorithm of ESP (RFC 2407 §4.5; 252: what Linux gateways use among themselves for the 96-bit variant). */
  readonly espValue: number
  readonly from: AllowedFrom
}

export type GroupFacts = {
  readonly kind: 'modp' | 'ecp'
  /** Group-Description (RFC 2409 §6, RFC 3526, RFC 5903). */
  readonly value: number
  readonly bits: number
  /** Octets of the public value in KE: the prime's length, or both coordinates. */
  readonly publicOctets: number
  /** Octets of g^xy: the prime's length, or the x coordinate alone (RFC 5903 §7). */
  readonly sharedOctets: number
  readonly from: AllowedFrom
}

const aesCbc = (bits: number): CipherFacts => ({
  keyOctets: bits / 8,
  saltOctets: 0,
  blockOctets: 16,
  ivOctets: 16,
  icvOctets: 0,
  aead: false,
  ikeValue: 7,
  espTransform: 12,
  keyLengthAttribute: bits,
  from: 'modern',
})

const aesGcm = (bits: number): CipherFacts => ({
  keyOctets: bits / 8,
  saltOctets: 4,
  blockOctets: 16,
  ivOctets: 8,
  icvOctets: 16,
  aead: true,
  ikeValue: undefined,
  espTransform: 20,
  keyLengthAttribute: bits,
  from: 'modern',
})

const des = { saltOctets: 0, blockOctets: 8, ivOctets: 8, icvOctets: 0, aead: false, keyLengthAttribute: undefined }

export const ciphers: Readonly<Record<Cipher, CipherFacts>> = {
  des: { ...des, keyOctets: 8, ikeValue: 1, espTransform: 2, from: 'legacy' },
  '3des': { ...des, keyOctets: 24, ikeValue: 5, espTransform: 3, from: 'compatible' },
  aes128: aesCbc(128),
  aes192: aesCbc(192),
  aes256: aesCbc(256),
  aes128gcm16: aesGcm(128),
  aes192gcm16: aesGcm(192),
  aes256gcm16: aesGcm(256),
  null: {
    ...des,
    keyOctets: 0,
    blockOctets: 1,
    ivOctets: 0,
    ikeValue: undefined,
    espTransform: 11,
    from: 'rule',
  },
}

const hash = (octets: number, icvOctets: number, ikeValue: number | undefined, espValue: number): HashFacts => ({
  digestOctets: octets,
  keyOctets: octets,
  icvOctets,
  ikeValue,
  espValue,
  from: 'modern',
})

export const hashes: Readonly<Record<Hash, HashFacts>> = {
  md5: { ...hash(16, 12, 1, 1), from: 'legacy' },
  sha1: hash(20, 12, 2, 2),
  sha256: hash(32, 16, 4, 5),
  sha256_96: hash(32, 12, undefined, 252),
  sha384: hash(48, 24, 5, 6),
  sha512: hash(64, 32, 6, 7),
}

const modp = (value: number, bits: number, from: AllowedFrom): GroupFacts => ({
  kind: 'modp',
  value,
  bits,
  publicOctets: bits / 8,
  sharedOctets: bits / 8,
  from,
})

const ecp = (value: number, bits: number): GroupFacts => ({
  kind: 'ecp',
  value,
  bits,
  publicOctets: 2 * Math.ceil(bits / 8),
  sharedOctets: Math.ceil(bits / 8),
  from: 'modern',
})

export const groups: Readonly<Record<Group, GroupFacts>> = {
  modp768: modp(1, 768, 'legacy'),
  modp1024: modp(2, 1024, 'compatible'),
  modp1536: modp(5, 1536, 'compatible'),
  modp2048: modp(14, 2048, 'modern'),
  modp3072: modp(15, 3072, 'modern'),
  modp4096: modp(16, 4096, 'modern'),
  ecp256: ecp(19, 256),
  ecp384: ecp(20, 384),
  ecp521: ecp(21, 521),
}

const keysOf = <K extends string>(table: Readonly<Record<K, unknown>>) => Object.keys(table) as K[]

export const cipherNames: readonly Cipher[] = keysOf(ciphers)
export const hashNames: readonly Hash[] = keysOf(hashes)
export const groupNames: readonly Group[] = keysOf(groups)

/** The group of a Group-Description value, or undefined where we don't have it. */
export function groupOfValue(value: number): Group | undefined {
  return groupNames.find((name) => groups[name].value === value)
}

/** The phase 1 cipher of an Encryption-Algorithm value and a key length in bits (undefined or 0: absent). */
export function ikeCipherOf(value: number, keyBits: number | undefined): Cipher | undefined {
  return cipherNames.find((name) => ciphers[name].ikeValue === value && keyLengthFits(name, keyBits))
}

/** The phase 1 hash of a Hash-Algorithm value. */
export function ikeHashOf(value: number): Hash | undefined {
  return hashNames.find((name) => hashes[name].ikeValue === value)
}

/** The ESP cipher of a transform identifier and a key length in bits (undefined or 0: absent). */
export function espCipherOf(transform: number, keyBits: number | undefined): Cipher | undefined {
  return cipherNames.find((name) => ciphers[name].espTransform === transform && keyLengthFits(name, keyBits))
}

/** The ESP hash of an Authentication Algorithm value. */
export function espHashOf(value: number): Hash | undefined {
  return hashNames.find((name) => hashes[name].espValue === value)
}

// AES without a key length: RFC 3602 §5.3 demands the attribute in phase 1; implementations that leave it out (or send 0) mean 128 bits.
// Fixed-length ciphers: RFC 2409 app. A forbids the attribute; one that states the right length does no harm.
function keyLengthFits(cipher: Cipher, keyBits: number | undefined): boolean {
  const { keyOctets, keyLengthAttribute } = ciphers[cipher]
  if (keyLengthAttribute === undefined) return !keyBits || keyBits === keyOctets * 8 || keyBits === (keyOctets / 8) * 56
  return keyBits ? keyBits === keyLengthAttribute : keyLengthAttribute === 128
}
