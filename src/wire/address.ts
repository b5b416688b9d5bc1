// Addresses and endpoints as all rooms write them: canonical text, so that equal addresses are equal strings.

/** An address in canonical text (`192.0.2.1`, `2001:db8::1`) and a port, 1 to 65535. */
export type Endpoint = { readonly address: string; readonly port: number }

/** The two ends that a datagram travels between, seen from here. */
export type Path = { readonly local: Endpoint; readonly remote: Endpoint }

export function showEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.address === b.address && a.port === b.port
}

export function samePath(a: Path, b: Path): boolean {
  return sameEndpoint(a.local, b.local) && sameEndpoint(a.remote, b.remote)
}

const dot = 0x2e
const zero = 0x30

/** The four octets of dotted text, or undefined where it is no IPv4 address (no leading zeros: `010` is not 10). */
export function ipv4Octets(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(4)
  let part = 0
  let digits = 0
  let value = 0
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : dot
    if (code === dot) {
      if (digits === 0 || part > 3) return undefined
      octets[part++] = value
      digits = 0
      value = 0
      continue
    }
    // Of any number that goes on after a zero the zero would be a leading one.
    if (code < zero || code > zero + 9 || (digits > 0 && value === 0)) return undefined
    value = value * 10 + code - zero
    digits++
    if (value > 255) return undefined
  }
  return part === 4 ? octets : undefined
}

export function ipv4Text(octets: Uint8Array): string {
  return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`
}

/** An IPv4 address as an unsigned number, for ranges; undefined where it is none. */
export function ipv4Number(text: string): number | undefined {
  const octets = ipv4Octets(text)
  return octets && new DataView(octets.buffer).getUint32(0)
}

export function ipv4FromNumber(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}

/** The sixteen octets of IPv6 text (zone ids are refused), or undefined. */
export function ipv6Octets(text: string): Uint8Array | undefined {
  let source = text
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  if (embedded) {
    const four = ipv4Octets(embedded[2]!)
    if (!four) return undefined
    source = `${embedded[1]}${((four[0]! << 8) | four[1]!).toString(16)}:${((four[2]! << 8) | four[3]!).toString(16)}`
  }
  const halves = source.split('::')
  if (halves.length > 2) return undefined
  const groups = halves.map((half) => (half === '' ? [] : half.split(':')))
  if (!groups.flat().every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined
  const missing = 8 - groups.flat().length
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const all = halves.length === 2 ? [...groups[0]!, ...Array<string>(missing).fill('0'), ...groups[1]!] : groups[0]!
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >>> 8, Number.parseInt(group, 16) & 0xff]))
}

/** Canonical text (RFC 5952). */
export function ipv6Text(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at++) {
    let length = 0
    while (at + length < 8 && groups[at + length] === 0) length++
    if (length > best.length) best = { at, length }
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':')
  return best.at < 0 ? text(groups) : `${text(groups.slice(0, best.at))}::${text(groups.slice(best.at + best.length))}`
}

/** The octets of an address of either family, or undefined. */
export function addressOctets(text: string): Uint8Array | undefined {
  return ipv4Octets(text) ?? ipv6Octets(text)
}

/** Canonical text of 4 or 16 octets. */
export function addressText(octets: Uint8Array): string {
  return octets.length === 4 ? ipv4Text(octets) : ipv6Text(octets)
}

/** What limits count as one source: an IPv4 address, or the /64 of an IPv6 one, of which every host has all addresses. */
export function sourceOf(address: string): string {
  const octets = address.includes(':') ? ipv6Octets(address) : undefined
  return octets ? `${ipv6Text(octets.fill(0, 8))}/64` : address
}
