// Which pre-shared keys may be a peer's: in main mode only its address is known when a key is needed (RFC 2409 §5.4), so behind a NAT, where addresses mean
// nothing, there are several candidates and decryption decides.
import { addressOctets } from '../wire/address.ts'
import type { Secret } from '../wire/secret.ts'
import { entryFor } from './by-address.ts'
import type { IkePolicy } from './contract.ts'

// Ours: keys tried on one identification, so that nobody makes us try thousands.
const mostTried = 16

export type Candidate = {
  readonly key: Secret
  /** The name that its owner must have as ID (ID_FQDN, or ID_USER_FQDN with `@`); undefined: any ID. */
  readonly name: string | undefined
}

type Keys = IkePolicy['preSharedKeys']
/** By the list of keys; each text's candidates, and under `others` those of whom no entry names. */
const candidatesOf = new WeakMap<Keys, Map<string, readonly Candidate[]>>()
const others = 'others'

/** The keys of the first entry for this address or its network, and of others for exactly the same, or else all those for everybody and for names. */
export function preSharedKeysFor(
  { preSharedKeys }: Pick<IkePolicy, 'preSharedKeys'>,
  address: string,
): readonly Candidate[] {
  const text = entryFor(preSharedKeys, ({ peer }) => [peer], address)?.peer ?? others
  let known = candidatesOf.get(preSharedKeys)
  if (!known) {
    known = new Map()
    candidatesOf.set(preSharedKeys, known)
  }
  const before = known.get(text)
  if (before) return before
  const found = text === others ? othersOf(preSharedKeys) : preSharedKeys.filter(({ peer }) => peer === text)
  const candidates = found.slice(0, mostTried).map(({ peer, key }) => ({ key, name: isName(peer) ? peer : undefined }))
  known.set(text, candidates)
  return candidates
}

// Names last: who begins a negotiation takes the first.
function othersOf(keys: Keys): Keys {
  return [...keys.filter(({ peer }) => peer === 'any'), ...keys.filter(({ peer }) => isName(peer))]
}

function isName(peer: string): boolean {
  return peer !== 'any' && addressOctets(peer.split('/')[0]!) === undefined
}
