// What a peer's first packet says about the peer: facts for time-outs, quirks and the log, never for trust. Each row of the table is one piece of
// software, how it is told from the others, and where that is known from.
import type { ClientKind } from './contract.ts'
import { readIkeTransform } from './transforms.ts'
import { ikeAttribute } from './wire/numbers.ts'
import type { Payload } from './wire/payloads.ts'
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

/** How the attributes of the first transform are ordered, which differs between IKE implementations. */
type Order = 'cipher first' | 'cipher first, key last' | 'lifetime first' | 'lifetime first, key last' | undefined

/** What can be seen of a first message. */
type Facts = {
  readonly vendors: readonly VendorName[]
  readonly has: (name: VendorName) => boolean
  /** The version behind `MS NT5 ISAKMPOAKLEY`, undefined without it. */
  readonly microsoft: number | undefined
  readonly order: Order
  /** Life duration as a 4-octet TLV. */
  readonly longLifetime: boolean
  /** `aes256-sha1-modp2048`, as they come. */
  readonly transforms: readonly string[]
}

type Row = {
  readonly software: string
  readonly kind: ClientKind
  /** Where the facts are from, and how far they can be trusted. */
  readonly source: string
  readonly is: (facts: Facts) => boolean
}

/** Version words of MS NT5 ISAKMPOAKLEY: royhills/ike-scan's list of vendor ids, nmap's ike-fingerprints. */
const words = 'ike-scan ike-vendor-ids, nmap ike-fingerprints'
const racoonOrder = 'lifetime first'

// The first row that fits is it: what a peer says outright stands before what its habits say.
const rows = [
  { software: 'Gatehouse', kind: 'gatehouse', source: 'our own vendor id', is: ({ has }) => has('Gatehouse') },
  {
    software: 'Windows 8 to 11, Server 2012 and later',
    kind: 'windows',
    source: `${words}; octets of a Windows 8.1 packet (exact)`,
    is: ({ microsoft }) => microsoft !== undefined && microsoft >= 9,
  },
  {
    software: 'Windows 7 or Server 2008 R2',
    kind: 'windows',
    source: `${words}; libreswan#26 (high)`,
    is: ({ microsoft }) => microsoft === 7 || microsoft === 8,
  },
  {
    software: 'Windows Vista or Server 2008',
    kind: 'windows',
    source: `${words} (low)`,
    is: ({ microsoft }) => microsoft === 5 || microsoft === 6,
  },
  {
    software: 'Windows XP or Server 2003',
    kind: 'windows-legacy',
    source: `${words}; Linogate's support log (high)`,
    is: ({ microsoft }) => microsoft === 3 || microsoft === 4,
  },
  {
    software: 'Windows 2000',
    kind: 'windows-legacy',
    source: `${words}; ISAKMP policy exported in vpnease-l2tp (transforms high, vendor id low)`,
    is: ({ microsoft }) => microsoft !== undefined,
  },
  {
    software: 'macOS or iOS',
    kind: 'apple',
    source: 'apple-oss-distributions ppp (ipsec_utils.c) and ipsec (racoon) (high)',
    is: ({ has }) => has('draft-ietf-ipsec-nat-t-ike') && has('FRAGMENTATION'),
  },
  {
    software: 'Mac OS X 10.4 to 10.8',
    kind: 'apple',
    source: 'Apple’s racoon before fragmentation; logs (medium)',
    is: ({ has }) => has('draft-ietf-ipsec-nat-t-ike'),
  },
  {
    software: 'Android 8 to 11',
    kind: 'android',
    source: 'hwdsl2/setup-ipsec-vpn#391: SHA2-384 comes first (first two transforms high, the rest low)',
    is: (facts) => isAndroid(facts) && /-sha384-/.test(facts.transforms[0] ?? ''),
  },
  {
    software: 'Android 6 or 7',
    kind: 'android',
    source: 'android_external_ipsec-tools setup.c; one-key-ikev2-vpn#63 (high)',
    is: (facts) => isAndroid(facts) && facts.transforms.some((one) => one.includes('-sha256-')),
  },
  {
    software: 'Android 4 to 6',
    kind: 'android',
    source: 'android_external_ipsec-tools setup.c; hwdsl2/setup-ipsec-vpn#101 (high)',
    is: (facts) => isAndroid(facts) && facts.transforms.some((one) => one.startsWith('aes256-')),
  },
  {
    software: 'Android 2 to 4.0',
    kind: 'android',
    source: 'android_external_ipsec-tools setup.c (medium)',
    is: (facts) => isAndroid(facts),
  },
  {
    software: 'Cisco VPN Client',
    kind: 'cisco',
    source: 'a captured aggressive mode: XAUTH and Unity, dozens of transforms (medium)',
    is: ({ has, order }) => has('Unity') && has('XAUTH') && order !== racoonOrder,
  },
  {
    software: 'MikroTik RouterOS',
    kind: 'mikrotik',
    source: 'MikroTik’s documentation, a log on pastebin (low to medium)',
    is: ({ order, longLifetime, has }) => order === racoonOrder && longLifetime && has('draft-ietf-ipsec-nat-t-ike-08'),
  },
  {
    software: 'TP-Link router',
    kind: 'unknown',
    source: 'libreswan#141: 3DES with MD5 before SHA1, nothing else (order high, the rest low)',
    is: ({ order, transforms }) =>
      order === racoonOrder && transforms.join(' ') === '3des-md5-modp1024 3des-sha1-modp1024',
  },
  {
    software: 'ChromeOS',
    kind: 'strongswan',
    source: 'dgreid/platform2 vpn-manager/l2tpipsec_vpn.cc (medium)',
    is: (facts) => isCharon(facts) && facts.transforms[0] === 'aes128-sha256-modp3072',
  },
  {
    software: 'strongSwan (Linux, EdgeOS, OpenWrt)',
    kind: 'strongswan',
    source: 'network-manager-l2tp nm-l2tp-service.c; a captured negotiation (high)',
    is: (facts) => isCharon(facts),
  },
  {
    software: 'Cisco IOS',
    kind: 'cisco',
    source: 'suricata-verify ikev1-isakmp-main-mode.pcap (SA high)',
    is: ({ order, longLifetime, vendors }) => order === 'cipher first' && longLifetime && vendors[0] === 'RFC 3947',
  },
  {
    software: 'DrayTek Vigor',
    kind: 'draytek',
    source: 'DrayTek’s FAQ (SA exact, vendor ids assumed)',
    is: ({ order, vendors }) => order === 'lifetime first, key last' && vendors[0] === 'DPD',
  },
  {
    software: 'Microsoft L2TP/IPSec VPN Client (Windows 98, ME, NT 4)',
    kind: 'windows-legacy',
    source: 'KB325158; no log of its octets was found (low)',
    is: ({ order, vendors }) =>
      order === 'lifetime first, key last' && vendors.length === 1 && vendors[0] === 'draft-ietf-ipsec-nat-t-ike-02\\n',
  },
  {
    software: 'libreswan or Openswan',
    kind: 'libreswan',
    source: 'libreswan programs/pluto (order high, vendor ids assumed)',
    is: ({ order, vendors, has }) =>
      order === 'lifetime first, key last' && (vendors[0] === 'FRAGMENTATION' || has('DPD')),
  },
  { software: 'unknown', kind: 'unknown', source: 'nothing fits', is: () => true },
] as const satisfies readonly Row[]

/** Android’s own list of racoon’s vendor ids: RFC 3947, 02, 02\n, 00, FRAGMENTATION, DPD. */
function isAndroid({ order, has }: Facts): boolean {
  return order === racoonOrder && has('draft-ietf-ipsec-nat-t-ike-00') && !has('draft-ietf-ipsec-nat-t-ike-08')
}

function isCharon({ order, vendors }: Facts): boolean {
  return order === 'cipher first' && vendors[0] === 'XAUTH' && vendors[1] === 'DPD'
}

/** A name from the table. */
export type Software = (typeof rows)[number]['software']
export type Recognised = { readonly software: Software; readonly kind: ClientKind; readonly source: string }

/** What sent this message: vendor ids first, then the order of the attributes, then the list of transforms. */
export function recognise(payloads: readonly Payload[]): Recognised {
  const facts = factsOf(payloads)
  const { software, kind, source } = rows.find(({ is }) => is(facts))!
  return { software, kind, source }
}

export function fingerprint(payloads: readonly Payload[]): ClientKind {
  return recognise(payloads).kind
}

function factsOf(payloads: readonly Payload[]): Facts {
  const known = vendorsOf(payloads)
  const vendors = known.map(({ name }) => name)
  const microsoft = known.find(({ name }) => name === 'MS NT5 ISAKMPOAKLEY')
  const sa = payloads.find((payload) => payload.is === 'SA')
  const transforms = sa?.proposals.flatMap((proposal) => proposal.transforms) ?? []
  const [first] = transforms
  return {
    vendors,
    has: (name) => vendors.includes(name),
    microsoft: microsoft && (microsoft.rest.at(-1) ?? 0),
    order: first && orderOf(first.attributes.map(({ type }) => type)),
    longLifetime:
      first?.attributes.some(({ type, basic }) => type === ikeAttribute['Life-Duration'] && !basic) ?? false,
    transforms: transforms.map((transform) => readIkeTransform(transform).shown),
  }
}

function orderOf(types: readonly number[]): Order {
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
