// What one offered transform means in our own terms: the step between the wire's numbers and a choice. Reading never fails; what can't be used
// says why, so that a refusal can be explained.
import type { Cipher, Group, Hash, IkeProposal } from '../algorithms/algorithms.ts'
import { ciphers, espCipherOf, espHashOf, groupOfValue, ikeCipherOf, ikeHashOf } from '../algorithms/registry.ts'
import { readEncapsulationMode } from './nat.ts'
import { type Attribute, attributeNumber } from './wire/attributes.ts'
import { type Lifetime, lifetimesConflict, readLifetime } from './wire/notifications.ts'
import {
  authenticationMethod,
  encapsulationMode,
  espAttribute,
  espAuthentication,
  espTransform,
  groupDescription,
  ikeAttribute,
  ikeEncryption,
  ikeHash,
  KEY_IKE,
  nameOf,
} from './wire/numbers.ts'
import type { Transform } from './wire/security-association.ts'

/** A phase 1 transform. `shown` is how a sentence names it: as a proposal string where all parts are ours. */
export type IkeTransform = {
  readonly shown: string
  readonly proposal: IkeProposal | undefined
  readonly authentication: number | undefined
  readonly lifetime: Lifetime
}

export function readIkeTransform({ id, attributes }: Transform): IkeTransform {
  const read = reader(attributes, [ikeAttribute['Life-Type'], ikeAttribute['Life-Duration']])
  const encryption = read.number(ikeAttribute['Encryption-Algorithm'])
  const keyBits = read.number(ikeAttribute['Key-Length'])
  const hashValue = read.number(ikeAttribute['Hash-Algorithm'])
  const groupValue = read.number(ikeAttribute['Group-Description'])
  const authentication = read.number(ikeAttribute['Authentication-Method'])
  const cipher = encryption === undefined ? undefined : ikeCipherOf(encryption, keyBits)
  const hash = hashValue === undefined ? undefined : ikeHashOf(hashValue)
  const group = groupValue === undefined ? undefined : groupOfValue(groupValue)
  const readable = id === KEY_IKE && !read.repeated && !read.others(ikeKnown)
  const parts = [
    cipher ?? unknownCipher(ikeEncryption, encryption, keyBits),
    hash ?? unknownPart(ikeHash, hashValue, 'hash'),
    group ?? unknownPart(groupDescription, groupValue, 'group'),
  ]
  return {
    shown: parts.join('-') + (readable ? '' : ' (with attributes that we do not know, or that contradict each other)'),
    proposal: readable && cipher && hash && group ? { cipher, hash, group } : undefined,
    authentication,
    lifetime: readLifetime(1, attributes),
  }
}

const ikeKnown: readonly number[] = [
  ikeAttribute['Encryption-Algorithm'],
  ikeAttribute['Hash-Algorithm'],
  ikeAttribute['Authentication-Method'],
  ikeAttribute['Group-Description'],
  // Says MODP or ECP, which the description says too.
  ikeAttribute['Group-Type'],
  ikeAttribute['Life-Type'],
  ikeAttribute['Life-Duration'],
  ikeAttribute['Key-Length'],
]

/** A phase 2 transform of ESP. */
export type EspTransform = {
  readonly shown: string
  /** Undefined where a part is unknown, or the transform is no ESP that can be keyed. */
  readonly algorithms: { readonly cipher: Cipher; readonly hash: Hash | undefined } | undefined
  /** `unknown`: PFS is asked for in a group that we don't have. */
  readonly group: Group | 'unknown' | undefined
  readonly encapsulation: { readonly udp: boolean; readonly mode: 'transport' | 'tunnel' } | undefined
  readonly encapsulationShown: string
  readonly esn: boolean
  readonly lifetime: Lifetime
}

/** `swapped`: the quirk of a peer that sends the two octets of a key length in the wrong order. */
export function readEspTransform({ id, attributes }: Transform, swapped = false): EspTransform {
  const read = reader(attributes, [espAttribute['SA Life Type'], espAttribute['SA Life Duration']])
  const keyLength = read.number(espAttribute['Key Length'])
  const keyBits = swapped ? unswapped(keyLength) : keyLength
  const authValue = read.number(espAttribute['Authentication Algorithm'])
  const groupValue = read.number(espAttribute['Group Description'])
  // Absent means tunnel or transport as the host likes (RFC 2407 §4.5): transport, since nothing else was agreed on.
  const modeValue = read.number(espAttribute['Encapsulation Mode']) ?? encapsulationMode.transport
  const cipher = espCipherOf(id, keyBits)
  const hash = authValue === undefined ? undefined : espHashOf(authValue)
  const aead = cipher !== undefined && ciphers[cipher].aead
  const readable = !read.repeated && !read.others(espKnown) && !lifetimesConflict(2, attributes)
  const usable = readable && cipher !== undefined && (aead ? authValue === undefined : hash !== undefined)
  const group = groupValue === undefined ? undefined : (groupOfValue(groupValue) ?? 'unknown')
  const parts = [
    cipher ?? unknownCipher(espTransform, id, keyBits),
    ...(aead && authValue === undefined
      ? []
      : [hash ?? (authValue === undefined ? 'no integrity' : unknownPart(espAuthentication, authValue, 'hash'))]),
    ...(groupValue === undefined ? [] : [nameOf(groupDescription, groupValue, 'group')]),
  ]
  return {
    shown: parts.join('-') + (readable ? '' : ' (with attributes that we do not know, or that contradict each other)'),
    algorithms: usable ? { cipher, hash: aead ? undefined : hash } : undefined,
    group,
    encapsulation: readEncapsulationMode(modeValue),
    encapsulationShown: nameOf(encapsulationMode, modeValue, 'mode'),
    esn: read.number(espAttribute['Extended Sequence Number']) === 1,
    lifetime: readLifetime(2, attributes),
  }
}

// 128, 192 and 256 have other octets than 0x8000, 0xc000 and 0x0001, so the right order is understood too.
function unswapped(bits: number | undefined): number | undefined {
  const turned = bits === undefined || bits > 0xffff ? undefined : ((bits & 0xff) << 8) | (bits >>> 8)
  return turned === 128 || turned === 192 || turned === 256 ? turned : bits
}

const espKnown: readonly number[] = [
  espAttribute['SA Life Type'],
  espAttribute['SA Life Duration'],
  espAttribute['Group Description'],
  espAttribute['Encapsulation Mode'],
  espAttribute['Authentication Algorithm'],
  espAttribute['Key Length'],
  espAttribute['ECN Tunnel'],
  espAttribute['Extended Sequence Number'],
]

export function showAuthentication(method: number | undefined): string {
  return method === undefined
    ? 'no authentication method'
    : nameOf(authenticationMethod, method, 'authentication method')
}

function unknownPart(registry: Readonly<Record<string, number>>, value: number | undefined, kind: string): string {
  return value === undefined ? `no ${kind}` : nameOf(registry, value, kind)
}

function unknownCipher(
  registry: Readonly<Record<string, number>>,
  value: number | undefined,
  keyBits: number | undefined,
): string {
  const name = unknownPart(registry, value, 'cipher')
  return keyBits ? `${name} of ${keyBits} bits` : name
}

// The numbers of a transform's attributes. A class that stands twice with different values makes the transform meaningless; lifetimes may repeat.
function reader(attributes: readonly Attribute[], mayRepeat: readonly number[]) {
  const numbers = new Map<number, number | undefined>()
  let repeated = false
  for (const one of attributes) {
    const value = attributeNumber(one)
    if (numbers.has(one.type) && numbers.get(one.type) !== value && !mayRepeat.includes(one.type)) repeated = true
    if (!numbers.has(one.type)) numbers.set(one.type, value)
  }
  return {
    repeated,
    number: (type: number) => numbers.get(type),
    others: (known: readonly number[]) => [...numbers.keys()].some((type) => !known.includes(type)),
  }
}
