// Which pre-shared keys may be a peer's: in main mode only its address is known when a key is needed (RFC 2409 §5.4).
import { addressOctets } from '../wire/address.ts'
import type { Secret } from '../wire/secret.ts'
import type { IkePolicy } from './contract.ts'

// Ours: keys tried on one identification, so that nobody makes us try thousands.
const mostTried = 8

/** The key for this address, or else all those for everybody, of which decryption decides. */
export function preSharedKeysFor(policy: Pick<IkePolicy, 'preSharedKeys'>, address: string): readonly Secret[] {
  const own = policy.preSharedKeys.find(({ peer }) => peer !== 'any' && covers(peer, address))
  if (own) return [own.key]
  return policy.preSharedKeys
    .filter(({ peer }) => peer === 'any')
    .slice(0, mostTried)
    .map(({ key }) => key)
}

/** Whether an address or network text (`192.0.2.0/24`) holds the address. */
function covers(text: string, address: string): boolean {
  const [network = '', length] = text.split('/')
  const wanted = addressOctets(network)
  const octets = addressOctets(address)
  if (!wanted || !octets || wanted.length !== octets.length) return false
  const bits = length === undefined ? octets.length * 8 : Number(length)
  return octets.every((octet, i) => {
    const mask = 0xff & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i)))
    return (octet & mask) === (wanted[i]! & mask)
  })
}
