// Everything that phase 1 and quick mode derive from secrets: SKEYID and its children, IVs, the authenticating hashes, KEYMAT (RFC 2409 §5, §5.5,
// app. B). Pure functions of octets; the names are the RFC's.
import type { EspProposal, IkeProposal } from '../algorithms/algorithms.ts'
import { ciphers, hashes } from '../algorithms/registry.ts'
import { type CbcCipher, cbcDecrypt, cbcEncrypt } from '../crypto/cipher.ts'
import { type Digest, hash, hmac } from '../crypto/hash.ts'
import { concat } from '../wire/codec.ts'
import { protocolId } from './wire/numbers.ts'

/** What an ISAKMP SA is protected with. Plain octets, so that state can be snapshotted. */
export type IkeKeys = {
  /** The negotiated hash; HMAC with it is the prf. */
  readonly hash: Digest
  readonly cipher: CbcCipher
  readonly skeyid: Uint8Array
  /** Keys of other SAs come from it. */
  readonly skeyidD: Uint8Array
  /** Authenticates messages. */
  readonly skeyidA: Uint8Array
  /** The cipher's key comes from it. */
  readonly skeyidE: Uint8Array
  readonly cipherKey: Uint8Array
}

export type Cookies = { readonly initiatorCookie: Uint8Array; readonly responderCookie: Uint8Array }

/** SKEYID with a pre-shared key: prf(pre-shared-key, Ni_b | Nr_b). */
export function skeyidOfPreSharedKey(digest: Digest, key: Uint8Array, niB: Uint8Array, nrB: Uint8Array): Uint8Array {
  return hmac(digest, key, niB, nrB)
}

/** SKEYID with signatures: prf(Ni_b | Nr_b, g^xy). */
export function skeyidOfSignatures(digest: Digest, niB: Uint8Array, nrB: Uint8Array, gxy: Uint8Array): Uint8Array {
  return hmac(digest, concat(niB, nrB), gxy)
}

/** SKEYID_d, SKEYID_a, SKEYID_e and the cipher's key. `gxy` is the shared secret with its leading zeros. */
export function deriveIkeKeys(proposal: IkeProposal, skeyid: Uint8Array, gxy: Uint8Array, cookies: Cookies): IkeKeys {
  const digest = proposal.hash as Digest
  const cipher = proposal.cipher as CbcCipher
  const both = [gxy, cookies.initiatorCookie, cookies.responderCookie]
  const skeyidD = hmac(digest, skeyid, ...both, Uint8Array.of(0))
  const skeyidA = hmac(digest, skeyid, skeyidD, ...both, Uint8Array.of(1))
  const skeyidE = hmac(digest, skeyid, skeyidA, ...both, Uint8Array.of(2))
  const cipherKey = expandKey(digest, skeyidE, ciphers[cipher].keyOctets)
  return { hash: digest, cipher, skeyid, skeyidD, skeyidA, skeyidE, cipherKey }
}

// RFC 2409 app. B: SKEYID_e itself where it is long enough, else K1 | K2 | … with K1 = prf(SKEYID_e, 0). Weak DES keys are not looked for
// (one in 2^52; nobody else passes over them, so passing over them would not interoperate).
function expandKey(digest: Digest, skeyidE: Uint8Array, length: number): Uint8Array {
  if (skeyidE.length >= length) return skeyidE.slice(0, length)
  let block = hmac(digest, skeyidE, Uint8Array.of(0))
  let key = block
  while (key.length < length) {
    block = hmac(digest, skeyidE, block)
    key = concat(key, block)
  }
  return key.slice(0, length)
}

/** The first IV of phase 1: hash(g^xi | g^xr), cut to the cipher's block. */
export function phase1Iv(keys: IkeKeys, gxi: Uint8Array, gxr: Uint8Array): Uint8Array {
  return hash(keys.hash, gxi, gxr).slice(0, ciphers[keys.cipher].blockOctets)
}

/** The first IV of a later exchange: hash(last CBC block of phase 1 | M-ID), cut. Each informational message begins anew. */
export function exchangeIv(keys: IkeKeys, lastPhase1Block: Uint8Array, messageId: number): Uint8Array {
  return hash(keys.hash, lastPhase1Block, u32(messageId)).slice(0, ciphers[keys.cipher].blockOctets)
}

/** Encrypts a chain padded to whole blocks; `iv` is the exchange's next one. */
export function sealBody(keys: IkeKeys, iv: Uint8Array, plain: Uint8Array): { sealed: Uint8Array; iv: Uint8Array } {
  const sealed = cbcEncrypt(keys.cipher, keys.cipherKey, iv, plain)
  return { sealed, iv: lastBlock(keys, sealed) }
}

/** Decrypts a body; undefined where it is empty or no whole number of blocks. `iv` is the exchange's next one, to be kept once the message is authentic. */
export function openBody(
  keys: IkeKeys,
  iv: Uint8Array,
  sealed: Uint8Array,
): { plain: Uint8Array; iv: Uint8Array } | undefined {
  if (sealed.length === 0 || sealed.length % ciphers[keys.cipher].blockOctets !== 0) return undefined
  return { plain: cbcDecrypt(keys.cipher, keys.cipherKey, iv, sealed), iv: lastBlock(keys, sealed) }
}

function lastBlock(keys: IkeKeys, sealed: Uint8Array): Uint8Array {
  return Uint8Array.from(sealed.subarray(-ciphers[keys.cipher].blockOctets))
}

/** What HASH_I and HASH_R cover besides keys. `saiB` is the initiator's SA body as it came. */
export type Phase1Transcript = Cookies & {
  readonly gxi: Uint8Array
  readonly gxr: Uint8Array
  readonly saiB: Uint8Array
}

/** HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b). */
export function hashI(keys: Pick<IkeKeys, 'hash' | 'skeyid'>, t: Phase1Transcript, idiiB: Uint8Array): Uint8Array {
  return hmac(keys.hash, keys.skeyid, t.gxi, t.gxr, t.initiatorCookie, t.responderCookie, t.saiB, idiiB)
}

/** HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b). */
export function hashR(keys: Pick<IkeKeys, 'hash' | 'skeyid'>, t: Phase1Transcript, idirB: Uint8Array): Uint8Array {
  return hmac(keys.hash, keys.skeyid, t.gxr, t.gxi, t.responderCookie, t.initiatorCookie, t.saiB, idirB)
}

/** HASH(1) = prf(SKEYID_a, M-ID | what follows the HASH payload); of informational messages too (RFC 2409 §5.7). */
export function hash1(keys: IkeKeys, messageId: number, after: Uint8Array): Uint8Array {
  return hmac(keys.hash, keys.skeyidA, u32(messageId), after)
}

/** HASH(2) = prf(SKEYID_a, M-ID | Ni_b | what follows the HASH payload). */
export function hash2(keys: IkeKeys, messageId: number, niB: Uint8Array, after: Uint8Array): Uint8Array {
  return hmac(keys.hash, keys.skeyidA, u32(messageId), niB, after)
}

/** HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b). */
export function hash3(keys: IkeKeys, messageId: number, niB: Uint8Array, nrB: Uint8Array): Uint8Array {
  return hmac(keys.hash, keys.skeyidA, Uint8Array.of(0), u32(messageId), niB, nrB)
}

/** What KEYMAT depends on besides the keys; `gxy` with PFS only. */
export type QuickModeSecrets = {
  readonly niB: Uint8Array
  readonly nrB: Uint8Array
  readonly gxy: Uint8Array | undefined
}

/** KEYMAT of `length` octets for the SA with this SPI: the one that its receiver chose. */
export function keymat(
  keys: IkeKeys,
  secrets: QuickModeSecrets,
  protocol: number,
  spi: Uint8Array,
  length: number,
): Uint8Array {
  const { niB, nrB, gxy } = secrets
  const seed = [...(gxy ? [gxy] : []), Uint8Array.of(protocol), spi, niB, nrB]
  let block = hmac(keys.hash, keys.skeyidD, ...seed)
  let all = block
  while (all.length < length) {
    block = hmac(keys.hash, keys.skeyidD, block, ...seed)
    all = concat(all, block)
  }
  return all.slice(0, length)
}

/** The keys of one ESP SA: the cipher's first (with the salt of GCM behind it, RFC 4106 §8.1), then the integrity key (RFC 2409 §5.5). */
export function espKeys(
  keys: IkeKeys,
  secrets: QuickModeSecrets,
  esp: EspProposal,
  spi: number,
): { readonly cipherKey: Uint8Array; readonly integrityKey: Uint8Array } {
  const cipherOctets = ciphers[esp.cipher].keyOctets + ciphers[esp.cipher].saltOctets
  const integrityOctets = esp.hash ? hashes[esp.hash].keyOctets : 0
  const all = keymat(keys, secrets, protocolId.ESP, u32(spi), cipherOctets + integrityOctets)
  return { cipherKey: all.slice(0, cipherOctets), integrityKey: all.slice(cipherOctets) }
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}
