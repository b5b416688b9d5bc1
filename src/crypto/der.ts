// The little DER that OpenSSL's key forms need: writing a few nested values, reading one path through them.

export const tag = { integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30 } as const

export function der(tagNumber: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const head = lengthOctets(length)
  const whole = new Uint8Array(1 + head.length + length)
  whole.set([tagNumber, ...head])
  let at = 1 + head.length
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function lengthOctets(length: number): readonly number[] {
  if (length < 0x80) return [length]
  if (length < 0x100) return [0x81, length]
  if (length < 0x1_0000) return [0x82, length >>> 8, length & 0xff]
  return [0x83, length >>> 16, (length >>> 8) & 0xff, length & 0xff]
}

/** An unsigned INTEGER: without leading zeros but the one that keeps it positive. */
export function derInteger(octets: Uint8Array): Uint8Array {
  const bare = withoutZeros(octets)
  return (bare[0] ?? 0x80) >= 0x80 ? der(tag.integer, Uint8Array.of(0), bare) : der(tag.integer, bare)
}

/** The values (views) directly inside a constructed value, each with its tag. Only for what OpenSSL wrote: anything unexpected is our own bug. */
export function derChildren(octets: Uint8Array): readonly { readonly tag: number; readonly value: Uint8Array }[] {
  const children: { tag: number; value: Uint8Array }[] = []
  for (let at = 0; at < octets.length; ) {
    const first = octets[at + 1]!
    const lengthOctets = first < 0x80 ? 0 : first & 0x7f
    const length =
      lengthOctets === 0
        ? first
        : octets.subarray(at + 2, at + 2 + lengthOctets).reduce((value, octet) => value * 256 + octet, 0)
    const from = at + 2 + lengthOctets
    children.push({ tag: octets[at]!, value: octets.subarray(from, from + length) })
    at = from + length
  }
  return children
}

export function withoutZeros(octets: Uint8Array): Uint8Array {
  const first = octets.findIndex((octet) => octet !== 0)
  return first < 0 ? new Uint8Array() : octets.subarray(first)
}

/** Zeros in front, up to `length`; cuts leading zeros that are too many. */
export function leftPadded(octets: Uint8Array, length: number): Uint8Array {
  const bare = octets.length > length ? withoutZeros(octets) : octets
  if (bare.length > length) throw new RangeError(`${bare.length} octets do not fit ${length}`)
  const whole = new Uint8Array(length)
  whole.set(bare, length - bare.length)
  return whole
}
