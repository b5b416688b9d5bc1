// What a peer's first packet says about the peer: facts for time-outs, quirks and the log, never for trust.
import type { ClientKind } from './contract.ts'
import { ikeAttribute } from './wire/numbers.ts'
import type { Payload, SaPayload } from './wire/payloads.ts'
import { identifyVendor, type KnownVendor, type VendorName } from './wire/vendor-ids.ts'

/** The known vendor ids of a message, in order. */
export function vendorsOf(payloads: readonly Payload[]): readonly KnownVendor[] {
  return payloads.flatMap((payload) => {
    const known = payload.is === 'VID' ? identifyVendor(payload.vendorId) : undefined
    return known ? [known] : []
  })
}

export function vendorNames(payloads: readonly Payload[]): readonly VendorName[] {
  return vendorsOf(payloads).map(({ name }) => name)
}

/** Goes by vendor ids first, then by the order of the attributes, which differs between IKE implementations. */
export function fingerprint(payloads: readonly Payload[]): ClientKind {
  const vendors = vendorsOf(payloads)
  const has = (name: VendorName) => vendors.some((vendor) => vendor.name === name)
  if (has('Gatehouse')) return 'gatehouse'
  const microsoft = vendors.find(({ name }) => name === 'MS NT5 ISAKMPOAKLEY')
  if (microsoft) return (microsoft.rest.at(-1) ?? 0) >= 5 ? 'windows' : 'windows-legacy'
  if (has('draft-ietf-ipsec-nat-t-ike')) return 'apple'
  const sa = payloads.find((payload) => payload.is === 'SA')
  return sa ? byAttributes(sa, vendors, has) : 'unknown'
}

type Order = 'cipher first' | 'cipher first, key last' | 'lifetime first' | 'lifetime first, key last'

function byAttributes(sa: SaPayload, vendors: readonly KnownVendor[], has: (name: VendorName) => boolean): ClientKind {
  const first = sa.proposals[0]?.transforms[0]
  const order = first && orderOf(first.attributes.map(({ type }) => type))
  const long = first?.attributes.some(({ type, basic }) => type === ikeAttribute['Life-Duration'] && !basic)
  const names = vendors.map(({ name }) => name)
  // racoon with Android's own list: RFC 3947, 02, 02\n, 00, FRAGMENTATION, DPD.
  if (order === 'lifetime first' && has('draft-ietf-ipsec-nat-t-ike-00') && !has('draft-ietf-ipsec-nat-t-ike-08'))
    return 'android'
  if (order === 'lifetime first' && long && has('draft-ietf-ipsec-nat-t-ike-08')) return 'mikrotik'
  if (order === 'cipher first' && names[0] === 'XAUTH' && names[1] === 'DPD') return 'strongswan'
  if (order === 'cipher first' && long && names[0] === 'RFC 3947') return 'cisco'
  if (order === 'lifetime first, key last') {
    if (names[0] === 'DPD') return 'draytek'
    if (vendors.length === 0) return 'unknown'
    if (names[0] === 'draft-ietf-ipsec-nat-t-ike-02\\n' && vendors.length === 1) return 'windows-legacy'
    if (names[0] === 'FRAGMENTATION' || names.includes('DPD')) return 'libreswan'
  }
  return 'unknown'
}

function orderOf(types: readonly number[]): Order | undefined {
  const at = (type: number) => types.indexOf(type)
  const cipher = at(ikeAttribute['Encryption-Algorithm'])
  const group = at(ikeAttribute['Group-Description'])
  const life = at(ikeAttribute['Life-Type'])
  const key = at(ikeAttribute['Key-Length'])
  const method = at(ikeAttribute['Authentication-Method'])
  if (life === 0) return key > group || method < group ? keyLast(key, group, types) : undefined
  if (cipher === 0) return key > group ? 'cipher first, key last' : 'cipher first'
  return undefined
}

// racoon: lifetime, cipher, [key], method, hash, group. libreswan and DrayTek: lifetime, cipher, hash, method, group, [key].
function keyLast(key: number, group: number, types: readonly number[]): Order {
  const hash = types.indexOf(ikeAttribute['Hash-Algorithm'])
  const method = types.indexOf(ikeAttribute['Authentication-Method'])
  return key > group || hash < method ? 'lifetime first, key last' : 'lifetime first'
}
