// Diffie-Hellman at once and from the seed, so that a scenario replays exactly; the gateway itself computes on the thread pool (src/crypto/dh.ts).
import { createECDH, getDiffieHellman } from 'node:crypto'
import type { Group } from '../../src/algorithms/algorithms.ts'
import { groups } from '../../src/algorithms/registry.ts'
import { publicValueFault } from '../../src/crypto/dh.ts'
import type { Work, WorkResult } from '../../src/ike/contract.ts'
import { hex, unhex } from '../../src/wire/codec.ts'
import type { Random } from '../../src/wire/machine.ts'

const curves: Partial<Record<Group, string>> = { ecp256: 'prime256v1', ecp384: 'secp384r1', ecp521: 'secp521r1' }
const primes: Partial<Record<Group, string>> = {
  modp768: 'modp1',
  modp1024: 'modp2',
  modp1536: 'modp5',
  modp2048: 'modp14',
  modp3072: 'modp15',
  modp4096: 'modp16',
}

/** A private value has 32 octets in every group: enough for a test, and fast. */
export function doWork(work: Work, random: Random): WorkResult {
  const { group } = work
  if (work.do !== 'generate') {
    const reason = publicValueFault(group, work.peerPublic)
    if (reason) return { is: 'failed', reason }
  }
  const privateValue = work.do === 'agree' ? work.privateValue : random.octets(32)
  const key = keyOf(group, privateValue)
  const { publicValue } = key
  if (work.do === 'generate') return { is: 'generated', privateValue, publicValue }
  const shared = key.secretWith(work.peerPublic)
  return work.do === 'exchange' ? { is: 'exchanged', publicValue, shared } : { is: 'agreed', shared }
}

/** Public value and shared secret of a private value, in KE's form. */
type Key = { readonly publicValue: Uint8Array; secretWith(peerPublic: Uint8Array): Uint8Array }

function keyOf(group: Group, privateValue: Uint8Array): Key {
  return curves[group] ? curveKey(curves[group], privateValue) : modpKey(group, privateValue)
}

// KE carries a point's coordinates without the octet 04 that OpenSSL puts before them.
function curveKey(curve: string, privateValue: Uint8Array): Key {
  const key = createECDH(curve)
  key.setPrivateKey(privateValue)
  return {
    publicValue: Uint8Array.from(key.getPublicKey()).slice(1),
    secretWith: (peerPublic) => Uint8Array.from(key.computeSecret(Uint8Array.of(4, ...peerPublic))),
  }
}

// Node takes no private value for a named group, and a prime of one's own costs 200 ms: whole numbers are quick enough for short exponents.
function modpKey(group: Group, privateValue: Uint8Array): Key {
  const prime = number(getDiffieHellman(primes[group]!).getPrime())
  const exponent = number(privateValue)
  const { publicOctets } = groups[group]
  return {
    publicValue: octets(power(2n, exponent, prime), publicOctets),
    secretWith: (peerPublic) => octets(power(number(peerPublic), exponent, prime), publicOctets),
  }
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  let square = base % modulus
  for (let left = exponent; left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

const number = (value: Uint8Array) => BigInt(`0x${hex(value)}`)
const octets = (value: bigint, length: number) => unhex(value.toString(16).padStart(2 * length, '0'))
