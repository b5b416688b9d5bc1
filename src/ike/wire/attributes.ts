// Data attributes (RFC 2408 §3.3): a type and a value, short ones in place (TV), others with a length (TLV). Encodings are kept, because a
// chosen transform is echoed exactly as it came.
import type { Reader, Writer } from '../../wire/codec.ts'

export type Attribute = {
  /** 15 bits. */
  readonly type: number
  /** True: TV, and `value` has two octets. */
  readonly basic: boolean
  readonly value: Uint8Array
}

/** Attributes in one transform; real clients send at most ten. */
const most = 32

export function parseAttributes(reader: Reader): readonly Attribute[] {
  const attributes: Attribute[] = []
  while (reader.remaining > 0) {
    if (attributes.length === most) reader.fail('attribute', `more than ${most} in one transform`)
    const word = reader.u16('attribute type')
    const basic = (word & 0x8000) !== 0
    const length = basic ? 2 : reader.u16('attribute length')
    attributes.push({ type: word & 0x7fff, basic, value: reader.take(length, 'attribute value') })
  }
  return attributes
}

export function putAttribute(writer: Writer, { type, basic, value }: Attribute): void {
  if (basic) writer.u16(0x8000 | type).put(value)
  else writer.u16(type).u16(value.length).put(value)
}

/**
 * The value as an unsigned number, whatever its length. Values above 2^53 - 1 (lifetimes of more octets than anybody needs) become that;
 * an empty value is undefined.
 */
export function attributeNumber({ value }: Attribute): number | undefined {
  if (value.length === 0) return undefined
  let number = 0
  for (const octet of value) {
    number = number * 256 + octet
    if (number > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER
  }
  return number
}

/** The number of the first attribute of `type`, or undefined where there is none or it is empty. */
export function findNumber(attributes: readonly Attribute[], type: number): number | undefined {
  const found = attributes.find((attribute) => attribute.type === type)
  return found && attributeNumber(found)
}

/** A TV attribute, or a 4-octet TLV where `value` has more than 16 bits. */
export function attribute(type: number, value: number): Attribute {
  return value <= 0xffff
    ? { type, basic: true, value: Uint8Array.of(value >>> 8, value & 0xff) }
    : longAttribute(type, value)
}

/** A TLV attribute of four octets. */
export function longAttribute(type: number, value: number): Attribute {
  const octets = Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
  return { type, basic: false, value: octets }
}
