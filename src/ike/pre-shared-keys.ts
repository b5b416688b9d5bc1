// Which pre-shared keys may be a peer's: in main mode only its address is known when a key is needed (RFC 2409 §5.4), so behind a NAT, where addresses mean
// nothing, there are several candidates and decryption decides.
import { addressOctets } from '../wire/address.ts'
import type { Secret } from '../wire/secret.ts'
import type { IkePolicy } from './contract.ts'

// Ours: keys tried on one identification, so that nobody makes us try thousands.
const mostTried = 16

export type Candidate = {
  readonly key: Secret
  /** The name that its owner must have as ID (ID_FQDN, or ID_USER_FQDN with `@`); undefined: any ID. */
  readonly name: string | undefined
}

/** The keys of the first entry for this address or its network, and of others for exactly the same, or else all those for everybody and for names. */
export function preSharedKeysFor(policy: Pick<IkePolicy, 'preSharedKeys'>, address: string): readonly Candidate[] {
  const { preSharedKeys } = policy
  const first = preSharedKeys.find(({ peer }) => covers(peer, address))
  const own = preSharedKeys.filter(({ peer }) => peer === first?.peer)
  // Names last: who begins a negotiation takes the first.
  const others = [
    ...preSharedKeys.filter(({ peer }) => peer === 'any'),
    ...preSharedKeys.filter(({ peer }) => isName(peer)),
  ]
  return (own.length > 0 ? own : others)
    .slice(0, mostTried)
    .map(({ peer, key }) => ({ key, name: isName(peer) ? peer : undefined }))
}

function isName(peer: string): boolean {
  return peer !== 'any' && addressOctets(peer.split('/')[0]!) === undefined
}

/** Whether an address or network text (`192.0.2.0/24`) holds the address. */
export function covers(text: string, address: string): boolean {
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
