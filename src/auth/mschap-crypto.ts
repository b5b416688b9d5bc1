// The arithmetic of MS-CHAP, versions 1 and 2: pure functions, checked against the examples of RFC 2433 and RFC 2759.
// LAN Manager hashes are neither made nor accepted (RFC 2433 §10).
import { desEncryptBlock, desKeyFrom56Bits } from '../crypto/des.ts'
import { hash } from '../crypto/hash.ts'
import { md4 } from '../crypto/md4.ts'
import { concat, hex } from '../wire/codec.ts'

const ascii = new TextEncoder()
const MAGIC_1 = ascii.encode('Magic server to client signing constant')
const MAGIC_2 = ascii.encode('Pad to make it do more than one iteration')

/** UTF-16, little-endian: how Windows writes passwords. */
export function utf16le(text: string): Uint8Array {
  const octets = new Uint8Array(text.length * 2)
  const view = new DataView(octets.buffer)
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i), true)
  return octets
}

/** NtPasswordHash (RFC 2433 §A.2, RFC 2759 §8.3): 16 octets. */
export function ntPasswordHash(password: string): Uint8Array {
  const unicode = utf16le(password)
  const digest = md4(unicode)
  unicode.fill(0)
  return digest
}

/** ChallengeResponse (RFC 2433 §A.5, RFC 2759 §8.5): 24 octets from an 8-octet challenge and a 16-octet hash. */
export function challengeResponse(challenge: Uint8Array, passwordHash: Uint8Array): Uint8Array {
  const key = new Uint8Array(21)
  key.set(passwordHash)
  const block = (from: number) => desEncryptBlock(desKeyFrom56Bits(key.subarray(from, from + 7)), challenge)
  const response = concat(block(0), block(7), block(14))
  key.fill(0)
  return response
}

/** The name without a Windows domain before it (RFC 2759 §4: `BIGCO\johndoe` counts as `johndoe`). */
export function withoutDomain(user: Uint8Array): Uint8Array {
  return user.subarray(user.lastIndexOf(0x5c) + 1)
}

/** ChallengeHash (RFC 2759 §8.2): the 8-octet challenge of version 2. `user` is without its domain. */
export function challengeHash(
  peerChallenge: Uint8Array,
  authenticatorChallenge: Uint8Array,
  user: Uint8Array,
): Uint8Array {
  return hash('sha1', peerChallenge, authenticatorChallenge, user).slice(0, 8)
}

export type V2Exchange = {
  readonly authenticatorChallenge: Uint8Array
  readonly peerChallenge: Uint8Array
  /** Octets of the name, without the domain. */
  readonly user: Uint8Array
}

/** GenerateNTResponse (RFC 2759 §8.1): 24 octets. */
export function ntResponseV2(exchange: V2Exchange, passwordHash: Uint8Array): Uint8Array {
  const challenge = challengeHash(exchange.peerChallenge, exchange.authenticatorChallenge, exchange.user)
  return challengeResponse(challenge, passwordHash)
}

/** GenerateAuthenticatorResponse (RFC 2759 §8.7): 20 octets, by which the server proves that it knows the hash too. */
export function authenticatorResponse(
  exchange: V2Exchange,
  ntResponse: Uint8Array,
  passwordHash: Uint8Array,
): Uint8Array {
  const digest = hash('sha1', md4(passwordHash), ntResponse, MAGIC_1)
  const challenge = challengeHash(exchange.peerChallenge, exchange.authenticatorChallenge, exchange.user)
  return hash('sha1', digest, challenge, MAGIC_2)
}

/** `S=` and forty upper-case hex digits (RFC 2759 §5). */
export function authenticatorResponseText(response: Uint8Array): string {
  return `S=${hex(response).toUpperCase()}`
}
