// IPv4 networks as all rooms write them, and the arithmetic of masks.
import { ipv4FromNumber, ipv4Number } from './address.ts'

/** `10.1.0.0/16`: canonical network address (no bits beyond the prefix) and prefix length, 0 to 32. A host is a /32, any address `0.0.0.0/0`. */
export type Network = { readonly address: string; readonly prefix: number }

export const anyNetwork: Network = { address: '0.0.0.0', prefix: 0 }

/** `number` with only its first `prefix` bits kept. */
export function maskOf(number: number, prefix: number): number {
  return prefix === 0 ? 0 : (number & (0xffff_ffff << (32 - prefix))) >>> 0
}

/** The network that an address belongs to; `address` is an IPv4 address. */
export function networkAround(address: string, prefix: number): Network {
  return { address: ipv4FromNumber(maskOf(ipv4Number(address)!, prefix)), prefix }
}

/** The network of one address; undefined where that is none of IPv4. */
export function hostNetwork(address: string): Network | undefined {
  return ipv4Number(address) === undefined ? undefined : { address, prefix: 32 }
}

/** Reads `10.1.0.0/16`; bits beyond the prefix are cleared. Undefined where it is no network. */
export function parseNetwork(text: string): Network | undefined {
  const [, base, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? []
  const prefix = Number(bits)
  return ipv4Number(base ?? '') === undefined || !(prefix <= 32) ? undefined : networkAround(base!, prefix)
}

export function showNetwork({ address, prefix }: Network): string {
  return `${address}/${prefix}`
}

/** First and last address as unsigned numbers. */
export function networkRange({ address, prefix }: Network): { readonly first: number; readonly last: number } {
  const first = ipv4Number(address)!
  return { first, last: first + 2 ** (32 - prefix) - 1 }
}

/** Whether every address of `inner` is one of `outer`. */
export function networkHolds(outer: Network, inner: Network): boolean {
  return inner.prefix >= outer.prefix && networkAround(inner.address, outer.prefix).address === outer.address
}

/** The addresses of both, which is the smaller of the two or none. */
export function networkMeet(a: Network, b: Network): Network | undefined {
  if (networkHolds(a, b)) return b
  return networkHolds(b, a) ? a : undefined
}

/** `255.255.0.0` for 16. */
export function maskText(prefix: number): string {
  return ipv4FromNumber(maskOf(0xffff_ffff, prefix))
}

/** The prefix length of `255.255.0.0`; undefined where the ones aren't all in front. */
export function prefixOfMask(mask: string): number | undefined {
  const prefix = Array.from({ length: 33 }, (_, i) => i).find((length) => maskText(length) === mask)
  return prefix
}
