// The bare DES block that MS-CHAP builds its responses from (RFC 2433 app. A.5, RFC 2759 §8.5).
import { cbcEncrypt } from './cipher.ts'

/** DES of one 8-octet block under an 8-octet key; the parity bits of the key are ignored. */
export function desEncryptBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  return cbcEncrypt('des', key, new Uint8Array(8), block)
}

/** Spreads 56 bits of key (7 octets) over 8 octets, the low bit of each left for parity (RFC 2433 app. A.5). */
export function desKeyFrom56Bits(bits: Uint8Array): Uint8Array {
  if (bits.length !== 7) throw new RangeError(`a 56-bit key has 7 octets, not ${bits.length}`)
  return Uint8Array.from({ length: 8 }, (_, i) => {
    const high = i === 0 ? 0 : bits[i - 1]! << (8 - i)
    const low = i === 7 ? 0 : bits[i]! >>> i
    return (high | low) & 0xfe
  })
}
