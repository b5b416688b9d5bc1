// MD4 (RFC 1320), which MS-CHAP's password hash needs and node:crypto no longer has.

// RFC 1320 §3.4: of each round the turns to the left, the order in which it takes the words, and what it adds.
const turns = [3, 7, 11, 19, 3, 5, 9, 13, 3, 9, 11, 15]
const orders = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ...[0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
  ...[0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
]
const constants = [0, 0x5a827999, 0x6ed9eba1]

/** The words of one block; wiped after each message, since it is a password. */
const words = new Int32Array(16)

/** The 16-octet MD4 digest. */
export function md4(message: Uint8Array): Uint8Array {
  const padded = new Uint8Array(Math.ceil((message.length + 9) / 64) * 64)
  padded.set(message)
  padded[message.length] = 0x80
  // Bits: 2^32 octets and more are no password.
  putWord(padded, padded.length - 8, message.length << 3)
  putWord(padded, padded.length - 4, Math.floor(message.length / 2 ** 29))
  const state: [number, number, number, number] = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476]
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = wordAt(padded, at + 4 * i)
    block(state)
  }
  const digest = new Uint8Array(16)
  for (let i = 0; i < 4; i++) putWord(digest, 4 * i, state[i]!)
  padded.fill(0)
  words.fill(0)
  return digest
}

// Three rounds of sixteen steps; each step replaces the register that stands first and turns them round by one.
function block(state: [number, number, number, number]): void {
  let [a, b, c, d] = state
  for (let step = 0; step < 48; step++) {
    const round = step >> 4
    const mixed = round === 0 ? (b & c) | (~b & d) : round === 1 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d
    const sum = (a + mixed + words[orders[step]!]! + constants[round]!) | 0
    const by = turns[4 * round + (step & 3)]!
    a = d
    d = c
    c = b
    b = (sum << by) | (sum >>> (32 - by))
  }
  state[0] = (state[0] + a) | 0
  state[1] = (state[1] + b) | 0
  state[2] = (state[2] + c) | 0
  state[3] = (state[3] + d) | 0
}

/** Little-endian. */
function wordAt(octets: Uint8Array, at: number): number {
  return octets[at]! | (octets[at + 1]! << 8) | (octets[at + 2]! << 16) | (octets[at + 3]! << 24)
}

function putWord(to: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) to[at + i] = word >>> (8 * i)
}
