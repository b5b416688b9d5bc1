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
  const { p, b } = equations[group]
  const x = whole(value.subarray(0, value.length / 2))
  const y = whole(value.subarray(value.length / 2))
  const on = x < p && y < p && (y * y - x * (x * x - 3n) - b) % p === 0n
  return on ? undefined : `the public value is no point of ${curves[group]}`
}

/**
 * y² = x³ - 3x + b over p (FIPS 186-4 D.1.2). Looked at in whole numbers, because importing a key for it costs 90 µs and this one costs 2; the library looks
 * again when the value is used.
 */
const equations: Readonly<Record<EcpGroup, { readonly p: bigint; readonly b: bigint }>> = {
  ecp256: {
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8_aa3a93e7_b3ebbd55_769886bc_651d06b0_cc53b0f6_3bce3c3e_27d2604bn,
  },
  ecp384: {
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7_e23ee7e4_988e056b_e3f82d19_181d9c6e_fe814112_0314088f_5013875a_c656398d_8a2ed19d_2a85c8ed_d3ec2aefn,
  },
  ecp521: {
    p: 2n ** 521n - 1n,
    b: 0x0051_953eb961_8e1c9a1f_929a21a0_b68540ee_a2da725b_99b315f3_b8b48991_8ef109e1_56193951_ec7e937b_1652c0bd_3bb1bf07_3573df88_3d2c34f1_ef451fd4_6b503f00n,
  },
}

function whole(octets: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('hex')}`)
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
