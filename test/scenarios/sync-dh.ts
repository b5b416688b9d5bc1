// Diffie-Hellman at once and from the seed, so that a scenario replays exactly; the gateway itself computes on the thread pool (src/crypto/dh.ts).
import { createECDH, type DiffieHellmanGroup, type ECDH, getDiffieHellman } from 'node:crypto'
import type { Group } from '../../src/algorithms/algorithms.ts'
import { groups } from '../../src/algorithms/registry.ts'
import { publicValueFault } from '../../src/crypto/dh.ts'
import type { Work, WorkResult } from '../../src/ike/contract.ts'
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
  const publicValue = publicOf(group, key)
  if (work.do === 'generate') return { is: 'generated', privateValue, publicValue }
  const shared = secretOf(group, key, work.peerPublic)
  return work.do === 'exchange' ? { is: 'exchanged', publicValue, shared } : { is: 'agreed', shared }
}

type Key = ECDH | DiffieHellmanGroup

function keyOf(group: Group, privateValue: Uint8Array): Key {
  const curve = curves[group]
  const key = curve ? createECDH(curve) : getDiffieHellman(primes[group]!)
  ;(key as ECDH).setPrivateKey(privateValue)
  if (!curve) (key as DiffieHellmanGroup).generateKeys()
  return key
}

// KE carries a point's coordinates without the octet 04 that OpenSSL puts before them.
function publicOf(group: Group, key: Key): Uint8Array {
  const octets = Uint8Array.from(key.getPublicKey())
  return curves[group] ? octets.slice(1) : padded(octets, groups[group].publicOctets)
}

function secretOf(group: Group, key: Key, peerPublic: Uint8Array): Uint8Array {
  const value = curves[group] ? Uint8Array.of(4, ...peerPublic) : peerPublic
  return padded(Uint8Array.from(key.computeSecret(value)), groups[group].sharedOctets)
}

function padded(octets: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(length)
  whole.set(octets, length - octets.length)
  return whole
}
