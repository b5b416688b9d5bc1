// Vendor ids: what a peer says that it can do, and from which we guess what it is. Derived ones are MD5 of the text beside them.
import { equal, unhex } from '../../wire/codec.ts'

/** `startsWith`: further octets follow (a version, flags). */
type Entry = { readonly name: string; readonly octets: Uint8Array; readonly startsWith?: true }

const entry = (name: string, octets: string): Entry => ({ name, octets: unhex(octets) })
const prefix = (name: string, octets: string): Entry => ({ name, octets: unhex(octets), startsWith: true })

const table = [
  entry('RFC 3947', '4a131c81070358455c5728f20e95452f'),
  entry('draft-ietf-ipsec-nat-t-ike', '4df37928e9fc4fd1b3262170d515c662'),
  entry('draft-ietf-ipsec-nat-t-ike-00', '4485152d18b6bbcd0be8a8469579ddcc'),
  entry('draft-ietf-ipsec-nat-t-ike-02', 'cd60464335df21f87cfdb2fc68b6a448'),
  entry('draft-ietf-ipsec-nat-t-ike-02\\n', '90cb80913ebb696e086381b5ec427b1f'),
  entry('draft-ietf-ipsec-nat-t-ike-03', '7d9419a65310ca6f2c179d9215529d56'),
  entry('draft-ietf-ipsec-nat-t-ike-04', '9909b64eed937c6573de52ace952fa6b'),
  entry('draft-ietf-ipsec-nat-t-ike-05', '80d0bb3def54565ee84645d4c85ce3ee'),
  entry('draft-ietf-ipsec-nat-t-ike-06', '4d1e0e136deafa34c4f3ea9f02ec7285'),
  entry('draft-ietf-ipsec-nat-t-ike-07', '439b59f8ba676c4c7737ae22eab8f582'),
  entry('draft-ietf-ipsec-nat-t-ike-08', '8f8d83826d246b6fc7a8a6a428c11de8'),
  prefix('FRAGMENTATION', '4048b7d56ebce88525e7de7f00d6c2d3'),
  entry('DPD', 'afcad71368a1f1c96b8696fc77570100'),
  entry('XAUTH', '09002689dfd6b712'),
  prefix('Unity', '12f5f28c457168a9702d9fe274cc'),
  prefix('MS NT5 ISAKMPOAKLEY', '1e2b516905991c7d7c96fcbfb587e461'),
  prefix('Windows 8', '01528bbbc00696121849ab9a1c5b2a51'),
  entry('MS-Negotiation Discovery Capable', 'fb1de3cdf341b7ea16b7e5be0855f120'),
  entry('Vid-Initial-Contact', '26244d38eddb61b3172a36e3d0cfb819'),
  entry('IKE CGA version 1', 'e3a5966a76379fe707228231e5ce8652'),
  entry('MS-MamieExists', '214ca4faffa7f32d6748e5303395ae83'),
  entry('NLBS_PRESENT', '72872b95fcda2eb708efe322119b4971'),
  entry('GSSAPI', '621b04bb09882ac1e15935fefa24aeee'),
  entry('KAME/racoon', '7003cbc1097dbe9c2600ba6983bc8b35'),
  prefix('SafeNet SoftRemote', '47bbe7c993f1fc13b4e6d0db565c68e5'),
  prefix('Safenet or Watchguard', 'da8e9378'),
  // MD5 of "Gatehouse".
  entry('Gatehouse', '0753ec4eae88261ff542f9f4883100fe'),
] as const satisfies readonly Entry[]

export type VendorName =
  | 'RFC 3947'
  | 'draft-ietf-ipsec-nat-t-ike'
  | `draft-ietf-ipsec-nat-t-ike-0${0 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`
  | 'draft-ietf-ipsec-nat-t-ike-02\\n'
  | 'FRAGMENTATION'
  | 'DPD'
  | 'XAUTH'
  | 'Unity'
  | 'MS NT5 ISAKMPOAKLEY'
  | 'Windows 8'
  | 'MS-Negotiation Discovery Capable'
  | 'Vid-Initial-Contact'
  | 'IKE CGA version 1'
  | 'MS-MamieExists'
  | 'NLBS_PRESENT'
  | 'GSSAPI'
  | 'KAME/racoon'
  | 'SafeNet SoftRemote'
  | 'Safenet or Watchguard'
  | 'Gatehouse'

/** What a vendor id is known as; `rest` are the octets after a known beginning. */
export type KnownVendor = { readonly name: VendorName; readonly rest: Uint8Array }

export function identifyVendor(octets: Uint8Array): KnownVendor | undefined {
  for (const known of table as readonly Entry[]) {
    const head = octets.subarray(0, known.octets.length)
    if (equal(head, known.octets) && (known.startsWith || octets.length === known.octets.length))
      return { name: known.name as VendorName, rest: octets.subarray(known.octets.length) }
  }
  return undefined
}

/** The octets of a known vendor id (of its beginning, where more follows). */
export function vendorOctets(name: VendorName): Uint8Array {
  return (table as readonly Entry[]).find((known) => known.name === name)!.octets
}
