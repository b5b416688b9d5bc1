// Tunnel authentication (RFC 2661 §4.2, §5.1.1): CHAP with MD5, whose identifier is the type of the message that carries the response.
import { sameSecret } from '../crypto/constant-time.ts'
import { hash } from '../crypto/hash.ts'
import type { Random } from '../wire/machine.ts'
import { messageTypes } from './wire/registry.ts'

/** Octets of a challenge: as long as the digest, more adds nothing. */
const challengeLength = 16

export function newChallenge(random: Random): Uint8Array {
  return random.octets(challengeLength)
}

/** The response that goes into `carrier` (SCCRP or SCCCN), 16 octets. */
export function responseTo(challenge: Uint8Array, secret: Uint8Array, carrier: 'SCCRP' | 'SCCCN'): Uint8Array {
  return hash('md5', Uint8Array.of(messageTypes[carrier]), secret, challenge)
}

export function responseFits(
  response: Uint8Array,
  challenge: Uint8Array,
  secret: Uint8Array,
  carrier: 'SCCRP' | 'SCCCN',
): boolean {
  return sameSecret(response, responseTo(challenge, secret, carrier))
}
