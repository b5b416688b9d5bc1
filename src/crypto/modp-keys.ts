// MODP keys between raw octets and OpenSSL's forms (PKCS #3 parameters inside PKCS #8 and SubjectPublicKeyInfo).
import { createPrivateKey, createPublicKey, getDiffieHellman, type KeyObject } from 'node:crypto'
import type { Group } from '../algorithms/algorithms.ts'
import { groups } from '../algorithms/registry.ts'
import { der, derChildren, derInteger, leftPadded, tag, withoutZeros } from './der.ts'

/** OpenSSL's names: its groups are known safe primes, which it need not test. */
const names = {
  modp768: 'modp1',
  modp1024: 'modp2',
  modp1536: 'modp5',
  modp2048: 'modp14',
  modp3072: 'modp15',
  modp4096: 'modp16',
} as const

export type ModpGroup = keyof typeof names

export function modpName(group: ModpGroup): string {
  return names[group]
}

export function isModp(group: Group): group is ModpGroup {
  return groups[group].kind === 'modp'
}

const primes = new Map<ModpGroup, Uint8Array>()

/** The group's prime (RFC 2409 §6, RFC 3526), big-endian. */
export function primeOf(group: ModpGroup): Uint8Array {
  const known = primes.get(group)
  if (known) return known
  const prime = Uint8Array.from(getDiffieHellman(names[group]).getPrime())
  primes.set(group, prime)
  return prime
}

/** Why a public value may not be used, or undefined where it may: it lies in 2 … p-2 and has the group's length (RFC 2409 §5). */
export function modpFault(group: ModpGroup, value: Uint8Array): string | undefined {
  const prime = primeOf(group)
  if (value.length !== prime.length)
    return `the public value has ${value.length} octets; ${group} takes ${prime.length}`
  const bare = withoutZeros(value)
  if (bare.length === 0) return 'the public value is 0'
  if (bare.length === 1 && bare[0] === 1) return 'the public value is 1'
  const order = compare(value, prime)
  if (order > 0) return 'the public value is greater than the prime'
  if (order === 0) return 'the public value is the prime'
  const below = prime.slice()
  below[below.length - 1]! -= 1
  return compare(value, below) === 0 ? 'the public value is p-1' : undefined
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (const [i, octet] of a.entries()) if (octet !== b[i]) return octet - b[i]!
  return 0
}

const dhKeyAgreement = Uint8Array.of(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01)
const generator = Uint8Array.of(2)
const version0 = Uint8Array.of(0)

function algorithm(group: ModpGroup): Uint8Array {
  const parameters = der(tag.sequence, derInteger(primeOf(group)), derInteger(generator))
  return der(tag.sequence, der(tag.oid, dhKeyAgreement), parameters)
}

export function modpPublicKey(group: ModpGroup, value: Uint8Array): KeyObject {
  const bits = der(tag.bitString, Uint8Array.of(0), derInteger(value))
  return createPublicKey({ key: buffer(der(tag.sequence, algorithm(group), bits)), format: 'der', type: 'spki' })
}

export function modpPrivateKey(group: ModpGroup, value: Uint8Array): KeyObject {
  const secret = der(tag.octetString, derInteger(value))
  const key = buffer(der(tag.sequence, der(tag.integer, version0), algorithm(group), secret))
  try {
    return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
  } finally {
    key.fill(0)
    secret.fill(0)
  }
}

/** The public value of a key, padded to the group's length (RFC 2409 §5). */
export function modpPublicValue(group: ModpGroup, key: KeyObject): Uint8Array {
  const [whole] = derChildren(key.export({ format: 'der', type: 'spki' }))
  const bits = derChildren(whole!.value)[1]!
  const [value] = derChildren(bits.value.subarray(1))
  return leftPadded(value!.value, groups[group].publicOctets)
}

export function modpPrivateValue(key: KeyObject): Uint8Array {
  const exported = key.export({ format: 'der', type: 'pkcs8' })
  const [whole] = derChildren(exported)
  const secret = derChildren(whole!.value)[2]!
  const [value] = derChildren(secret.value)
  const octets = Uint8Array.from(withoutZeros(value!.value))
  exported.fill(0)
  return octets
}

function buffer(octets: Uint8Array): Buffer {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length)
}
