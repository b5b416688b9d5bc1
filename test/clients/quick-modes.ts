// First quick mode messages of the clients in the replay, put together from what is known of each: which suites, in which order, how lifetimes and
// modes are written. HASH is left zero; whoever replays puts the right one in.

import { type Attribute, attribute, longAttribute } from '../../src/ike/wire/attributes.ts'
import { emitChain } from '../../src/ike/wire/chain.ts'
import {
  doi,
  encapsulationMode,
  espAttribute,
  espAuthentication,
  espTransform,
  groupDescription,
  identificationType,
  identityOnly,
  payloadType,
  protocolId,
} from '../../src/ike/wire/numbers.ts'
import {
  hashPayload,
  idPayload,
  natOaPayload,
  noncePayload,
  type Payload,
  saPayload,
} from '../../src/ike/wire/payloads.ts'
import { addressOctets } from '../../src/wire/address.ts'

export type Suite = readonly [
  cipher: 'aes256' | 'aes192' | 'aes128' | '3des' | 'des' | 'null',
  hash: 'md5' | 'sha1' | 'sha256',
]

export type QuickModeHabits = {
  readonly suites: readonly Suite[]
  /** Windows: each suite is a proposal of its own; the others have one proposal with many transforms. */
  readonly proposalEach?: boolean
  readonly seconds: number
  readonly kilobytes?: number
  /** Lifetimes as 4-octet TLV. */
  readonly longLifetimes?: boolean
  /** Encapsulation Mode value and type of NAT-OA; without, plain transport mode. */
  readonly nat?: 'RFC 3947' | 'draft'
  readonly idPorts: readonly [own: number, ours: number]
  readonly group?: keyof typeof groupDescription
  /** The two octets of the key length in the wrong order (a beta of Vista). */
  readonly keyLengthSwapped?: boolean
}

export const ownAddress = '192.168.1.10'
export const dialled = '198.51.100.1'
const udp = 17

export function quickModeBody(habits: QuickModeHabits): Uint8Array {
  const { nat } = habits
  const id = (address: string, port: number) =>
    idPayload({ idType: identificationType.ID_IPV4_ADDR, protocol: udp, port, data: addressOctets(address)! })
  const original: Readonly<Record<string, readonly Payload[]>> = {
    'RFC 3947': [natOaPayload(payloadType['NAT-OA'], ownAddress), natOaPayload(payloadType['NAT-OA'], dialled)],
    draft: [natOaPayload(payloadType['NAT-OA (draft)'], ownAddress)],
  }
  return emitChain([
    hashPayload(new Uint8Array(20)),
    saPayload({ doi: doi.IPSEC, situation: identityOnly, proposals: proposals(habits) }),
    noncePayload(Uint8Array.from({ length: 20 }, (_, i) => i + 1)),
    id(ownAddress, habits.idPorts[0]),
    id(dialled, habits.idPorts[1]),
    ...(nat ? original[nat]! : []),
  ]).octets
}

function proposals(habits: QuickModeHabits) {
  const spi = Uint8Array.of(0xc0, 0x1d, 0xbe, 0xef)
  const { suites } = habits
  const transforms = suites.map((suite, i) => ({
    number: habits.proposalEach ? 1 : i + 1,
    id: transformId(suite),
    attributes: attributes(suite, habits),
  }))
  if (!habits.proposalEach) return [{ number: 1, protocol: protocolId.ESP, spi, transforms }]
  return transforms.map((one, i) => ({ number: i + 1, protocol: protocolId.ESP, spi, transforms: [one] }))
}

function transformId([cipher]: Suite): number {
  if (cipher === '3des') return espTransform['3DES']
  if (cipher === 'des') return espTransform.DES
  return cipher === 'null' ? espTransform.NULL : espTransform['AES-CBC']
}

function attributes([cipher, hash]: Suite, habits: QuickModeHabits): readonly Attribute[] {
  const long = habits.longLifetimes ? longAttribute : attribute
  const bits = cipher.startsWith('aes') ? Number(cipher.slice(3)) : undefined
  const mode =
    encapsulationMode[
      habits.nat === undefined ? 'transport' : habits.nat === 'draft' ? 'UDP transport (draft)' : 'UDP transport'
    ]
  const swapped = bits !== undefined && habits.keyLengthSwapped ? ((bits & 0xff) << 8) | (bits >>> 8) : bits
  return [
    attribute(espAttribute['SA Life Type'], 1),
    long(espAttribute['SA Life Duration'], habits.seconds),
    ...(habits.kilobytes
      ? [attribute(espAttribute['SA Life Type'], 2), long(espAttribute['SA Life Duration'], habits.kilobytes)]
      : []),
    attribute(espAttribute['Encapsulation Mode'], mode),
    attribute(
      espAttribute['Authentication Algorithm'],
      { md5: espAuthentication.MD5, sha1: espAuthentication.SHA1, sha256: espAuthentication['SHA2-256'] }[hash],
    ),
    ...(swapped === undefined ? [] : [attribute(espAttribute['Key Length'], swapped)]),
    ...(habits.group ? [attribute(espAttribute['Group Description'], groupDescription[habits.group])] : []),
  ]
}

const every = (ciphers: readonly Suite[0][], hashes: readonly Suite[1][]): readonly Suite[] =>
  ciphers.flatMap((cipher) => hashes.map((hash): Suite => [cipher, hash]))

const windows = {
  proposalEach: true,
  seconds: 3600,
  kilobytes: 250_000,
  longLifetimes: true,
  idPorts: [1701, 1701],
} as const

/** By name; sources as for the first packets (src/ike/fingerprint.ts). */
export const quickModes = {
  /** “Require encryption” with NAT: 332 octets are known, the content is by arithmetic. */
  'windows 7': {
    ...windows,
    nat: 'RFC 3947',
    suites: [
      ['aes128', 'sha1'],
      ['aes256', 'sha1'],
      ['3des', 'sha1'],
    ],
  },
  'vista beta': {
    ...windows,
    nat: 'RFC 3947',
    keyLengthSwapped: true,
    suites: [
      ['aes128', 'sha1'],
      ['3des', 'sha1'],
    ],
  },
  'windows 2000 with NAT-T': {
    ...windows,
    nat: 'draft',
    idPorts: [0, 1701],
    suites: [
      ['3des', 'md5'],
      ['3des', 'sha1'],
      ['des', 'md5'],
      ['des', 'sha1'],
    ],
  },
  msl2tp: { ...windows, longLifetimes: false, kilobytes: undefined!, suites: [['3des', 'sha1']] },
  'mac os x': {
    seconds: 3600,
    nat: 'RFC 3947',
    idPorts: [51234, 1701],
    suites: every(['aes128', '3des'], ['sha1', 'md5']),
  },
  'android 6': {
    seconds: 28_800,
    nat: 'RFC 3947',
    idPorts: [0, 1701],
    suites: every(['aes256', 'aes128', '3des', 'des'], ['sha256', 'sha1', 'md5']),
  },
  networkmanager: {
    seconds: 3600,
    nat: 'RFC 3947',
    idPorts: [1701, 1701],
    suites: [
      ['aes256', 'sha256'],
      ['aes256', 'sha1'],
      ['aes128', 'sha1'],
      ['3des', 'sha1'],
    ],
  },
  libreswan: {
    seconds: 28_800,
    nat: 'RFC 3947',
    idPorts: [1701, 1701],
    suites: [
      ['aes256', 'sha1'],
      ['aes128', 'sha1'],
      ['3des', 'sha1'],
    ],
  },
  router: {
    seconds: 3600,
    idPorts: [1701, 1701],
    suites: [
      ['3des', 'sha1'],
      ['3des', 'md5'],
    ],
  },
  mikrotik: {
    seconds: 1800,
    nat: 'RFC 3947',
    idPorts: [1701, 1701],
    suites: [
      ['aes256', 'sha1'],
      ['aes192', 'sha1'],
      ['aes128', 'sha1'],
    ],
  },
  draytek: {
    seconds: 3600,
    kilobytes: 0,
    idPorts: [1701, 1701],
    suites: [
      ['3des', 'md5'],
      ['des', 'md5'],
    ],
  },
  cisco: {
    seconds: 3600,
    kilobytes: 4_608_000,
    longLifetimes: true,
    idPorts: [1701, 1701],
    suites: [['aes128', 'sha1']],
  },
} as const satisfies Readonly<Record<string, QuickModeHabits>>
