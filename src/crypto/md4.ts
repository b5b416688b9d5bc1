// MD4 (RFC 1320), which MS-CHAP's password hash needs and node:crypto no longer has.

const rotations = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const
const orders = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
] as const
const constants = [0, 0x5a827999, 0x6ed9eba1] as const
const mixes = [
  (x: number, y: number, z: number) => (x & y) | (~x & z),
  (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
  (x: number, y: number, z: number) => x ^ y ^ z,
] as const

/** The 16-octet MD4 digest. */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n, true)
  const state = new Uint32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476])
  for (let at = 0; at < padded.length; at += 64) {
    block(
      state,
      Array.from({ length: 16 }, (_, i) => view.getUint32(at + 4 * i, true)),
    )
  }
  const digest = new DataView(new ArrayBuffer(16))
  for (let i = 0; i < 4; i++) digest.setUint32(4 * i, state[i]!, true)
  padded.fill(0)
  return new Uint8Array(digest.buffer)
}

// RFC 1320 §3.4: three rounds of sixteen steps; each step replaces the register that stands first and turns them round by one.
function block(state: Uint32Array, words: readonly number[]): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number]
  for (let round = 0; round < 3; round++) {
    for (let step = 0; step < 16; step++) {
      const sum = (a + mixes[round]!(b, c, d) + words[orders[round]![step]!]! + constants[round]!) >>> 0
      const by = rotations[round]![step % 4]!
      const turned = ((sum << by) | (sum >>> (32 - by))) >>> 0
      a = d
      d = c
      c = b
      b = turned
    }
  }
  state[0]! += a
  state[1]! += b
  state[2]! += c
  state[3]! += d
}
