// NAT detection and what depends on it (RFC 3947 and the drafts before it): which method, the NAT-D hashes, who is behind a NAT, payload and
// encapsulation numbers.
import { type Digest, hash } from '../crypto/hash.ts'
import { addressOctets, type Endpoint, type Path } from '../wire/address.ts'
import { equal } from '../wire/codec.ts'
import type { Random } from '../wire/machine.ts'
import type { Cookies } from './keys.ts'
import { encapsulationMode, payloadType } from './wire/numbers.ts'
import { type NatDPayload, natDPayload } from './wire/payloads.ts'
import { type VendorName, vendorOctets } from './wire/vendor-ids.ts'

export type NatMethod = 'RFC 3947' | 'draft-03' | 'draft-02' | 'draft-02\\n' | 'apple'

export type NatMethodFacts = {
  /** The vendor id that answers for it. */
  readonly vendor: VendorName
  readonly natD: number
  readonly natOa: number
  /** Encapsulation Mode values that this method uses for UDP. */
  readonly udpTransport: number
  readonly udpTunnel: number
}

const rfcModes = { udpTransport: encapsulationMode['UDP transport'], udpTunnel: encapsulationMode['UDP tunnel'] }
const draft = {
  natD: payloadType['NAT-D (draft)'],
  natOa: payloadType['NAT-OA (draft)'],
  udpTransport: encapsulationMode['UDP transport (draft)'],
  udpTunnel: encapsulationMode['UDP tunnel (draft)'],
}

export const natMethods: Readonly<Record<NatMethod, NatMethodFacts>> = {
  'RFC 3947': { vendor: 'RFC 3947', natD: payloadType['NAT-D'], natOa: payloadType['NAT-OA'], ...rfcModes },
  'draft-03': { vendor: 'draft-ietf-ipsec-nat-t-ike-03', ...draft },
  'draft-02': { vendor: 'draft-ietf-ipsec-nat-t-ike-02', ...draft },
  'draft-02\\n': { vendor: 'draft-ietf-ipsec-nat-t-ike-02\\n', ...draft },
  apple: {
    vendor: 'draft-ietf-ipsec-nat-t-ike',
    natD: payloadType['NAT-D (Apple)'],
    natOa: payloadType['NAT-OA (Apple)'],
    ...rfcModes,
  },
}

/** Best first. Drafts 00, 01 and 04 to 08 are recognised and never chosen: who sends them sends one of these too. */
const preference: readonly NatMethod[] = ['RFC 3947', 'draft-03', 'draft-02', 'draft-02\\n', 'apple']

/** The best method among the peer's vendor ids, or undefined where it has none that we speak. */
export function chooseNatMethod(vendors: readonly VendorName[]): NatMethod | undefined {
  return preference.find((method) => vendors.includes(natMethods[method].vendor))
}

/** The vendor ids that an initiator sends to offer every method (RFC 3947 §3.1). */
export function natVendorIds(): readonly Uint8Array[] {
  return preference.filter((method) => method !== 'apple').map((method) => vendorOctets(natMethods[method].vendor))
}

/** HASH(CKY-I | CKY-R | IP | Port), with the hash negotiated in phase 1 (RFC 3947 §3.2). */
export function natHash(digest: Digest, cookies: Cookies, { address, port }: Endpoint): Uint8Array {
  const octets = addressOctets(address)
  if (!octets) throw new TypeError(`${address} is no address`)
  const ends = Uint8Array.of(port >>> 8, port & 0xff)
  return hash(digest, cookies.initiatorCookie, cookies.responderCookie, octets, ends)
}

export type NatContext = {
  readonly method: NatMethod
  readonly hash: Digest
  readonly cookies: Cookies
  readonly path: Path
  /** The address that peers dial, where a 1:1 NAT stands before us; we then claim it as ours. */
  readonly publicAddress: string | undefined
}

/**
 * Our NAT-D payloads: the peer's end first, then ours (RFC 3947 §3.2). `spoil` makes the peer find itself behind a NAT, so that its ESP comes in
 * UDP; the hash of our own end is never spoiled, because Windows XP SP2 and later refuse servers behind a NAT.
 */
export function natDPayloads(context: NatContext, spoil: boolean, random: Random): readonly NatDPayload[] {
  const { natD } = natMethods[context.method]
  const theirs = natHash(context.hash, context.cookies, context.path.remote)
  const ours = natHash(context.hash, context.cookies, ownEnd(context))
  return [natDPayload(natD, spoil ? random.octets(theirs.length) : theirs), natDPayload(natD, ours)]
}

export type NatFindings = { readonly peerBehindNat: boolean; readonly weBehindNat: boolean }

/**
 * Compares both ends as we see them with all NAT-D payloads that came, in whatever order: old Apple systems send them the wrong way round.
 * Without any there is nothing to find.
 */
export function detectNat(context: NatContext, received: readonly NatDPayload[]): NatFindings {
  if (received.length === 0) return { peerBehindNat: false, weBehindNat: false }
  const has = (end: Endpoint) => {
    const wanted = natHash(context.hash, context.cookies, end)
    return received.some((payload) => equal(payload.hash, wanted))
  }
  return { peerBehindNat: !has(context.path.remote), weBehindNat: !has(context.path.local) && !has(ownEnd(context)) }
}

function ownEnd({ path, publicAddress }: NatContext): Endpoint {
  return publicAddress === undefined ? path.local : { address: publicAddress, port: path.local.port }
}

/** Whether an Encapsulation Mode means ESP in UDP, and transport or tunnel; undefined for values that nobody defined. */
export function readEncapsulationMode(
  value: number,
): { readonly udp: boolean; readonly mode: 'transport' | 'tunnel' } | undefined {
  switch (value) {
    case encapsulationMode.tunnel:
      return { udp: false, mode: 'tunnel' }
    case encapsulationMode.transport:
      return { udp: false, mode: 'transport' }
    case encapsulationMode['UDP tunnel']:
    case encapsulationMode['UDP tunnel (draft)']:
      return { udp: true, mode: 'tunnel' }
    case encapsulationMode['UDP transport']:
    case encapsulationMode['UDP transport (draft)']:
      return { udp: true, mode: 'transport' }
    default:
      return undefined
  }
}
