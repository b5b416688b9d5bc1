// Ranges as the fewest networks, for routes.
import { ipv4FromNumber, ipv4Number } from '../../wire/address.ts'

type Range = { readonly first: number; readonly last: number }

/** The networks, in CIDR text, that cover exactly this range. */
export function coverOf({ first, last }: Range): string[] {
  const networks: string[] = []
  for (let at = first; at <= last; ) {
    let prefix = 32
    while (prefix > 0 && at % 2 ** (33 - prefix) === 0 && at + 2 ** (33 - prefix) - 1 <= last) prefix--
    networks.push(`${ipv4FromNumber(at)}/${prefix}`)
    at += 2 ** (32 - prefix)
  }
  return networks
}

export function inRanges(address: string, ranges: readonly Range[]): boolean {
  const value = ipv4Number(address)
  return value !== undefined && ranges.some(({ first, last }) => value >= first && value <= last)
}
