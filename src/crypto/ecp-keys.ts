// ECP keys between raw octets and OpenSSL's forms. A public value is x | y, a shared one x alone (RFC 5903 §7, and the erratum of RFC 4753 that
// Windows follows).
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import type { Group } from '../algorithms/algorithms.ts'
import { groups } from '../algorithms/registry.ts'
import { der, leftPadded, tag } from './der.ts'

const curves = { ecp256: 'P-256', ecp384: 'P-384', ecp521: 'P-521' } as const

export type EcpGroup = keyof typeof curves

export function curveName(group: EcpGroup): string {
  return curves[group]
}

export function isEcp(group: Group): group is EcpGroup {
  return groups[group].kind === 'ecp'
}

const oids: Readonly<Record<EcpGroup, Uint8Array>> = {
  ecp256: Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07),
  ecp384: Uint8Array.of(0x2b, 0x81, 0x04, 0x00, 0x22),
  ecp521: Uint8Array.of(0x2b, 0x81, 0x04, 0x00, 0x23),
}

/** Why a public value may not be used, or undefined where it may: it has both coordinates of a point on the curve. */
export function ecpFault(group: EcpGroup, value: Uint8Array): string | undefined {
  const { publicOctets } = groups[group]
  if (value.length !== publicOctets)
    return `the public value has ${value.length} octets; ${group} takes ${publicOctets}`
  try {
    ecpPublicKey(group, value)
    return undefined
  } catch {
    return `the public value is no point of ${curves[group]}`
  }
}

/** Throws where the point is not on the curve. */
export function ecpPublicKey(group: EcpGroup, value: Uint8Array): KeyObject {
  const half = value.length / 2
  const [x, y] = [value.subarray(0, half), value.subarray(half)].map((part) => Buffer.from(part).toString('base64url'))
  return createPublicKey({ key: { kty: 'EC', crv: curves[group], x: x!, y: y! }, format: 'jwk' })
}

export function ecpPrivateKey(group: EcpGroup, value: Uint8Array): KeyObject {
  const secret = leftPadded(value, groups[group].sharedOctets)
  const parts = [der(tag.integer, Uint8Array.of(1)), der(tag.octetString, secret), der(0xa0, der(tag.oid, oids[group]))]
  const key = Buffer.from(der(tag.sequence, ...parts))
  try {
    return createPrivateKey({ key, format: 'der', type: 'sec1' })
  } finally {
    key.fill(0)
    secret.fill(0)
  }
}

export function ecpPublicValue(group: EcpGroup, key: KeyObject): Uint8Array {
  const { x, y } = key.export({ format: 'jwk' })
  const half = groups[group].sharedOctets
  const value = new Uint8Array(2 * half)
  value.set(leftPadded(Buffer.from(x!, 'base64url'), half))
  value.set(leftPadded(Buffer.from(y!, 'base64url'), half), half)
  return value
}

export function ecpPrivateValue(group: EcpGroup, key: KeyObject): Uint8Array {
  return leftPadded(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'), groups[group].sharedOctets)
}
