// Makes new inputs of old ones: flips, interesting numbers, cut and repeated pieces, pieces of other inputs, lengths that lie.
import type { FuzzRandom } from './random.ts'

/** Inputs grow no longer than a datagram on an Ethernet would let them, twice over. */
const longest = 3000

const numbers = [0, 1, 2, 3, 4, 7, 8, 12, 16, 20, 21, 28, 32, 63, 64, 100, 127, 128, 129, 130, 131, 132, 243, 254, 255]
const words = [0, 1, 2, 3, 4, 5, 6, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x3ff, 0x7fff, 0x8000, 0xfff8, 0xfffe, 0xffff]

type Mutation = (octets: Uint8Array, random: FuzzRandom, others: readonly Uint8Array[]) => Uint8Array

const mutations: readonly Mutation[] = [
  // One bit.
  (octets, random) => changed(octets, random, (octet) => octet ^ (1 << random.below(8))),
  // One octet: interesting, random, a little more or less.
  (octets, random) => changed(octets, random, () => random.pick(numbers)),
  (octets, random) => changed(octets, random, () => random.below(256)),
  (octets, random) => changed(octets, random, (octet) => octet + random.below(9) - 4),
  // Sixteen bits, as lengths and types are.
  (octets, random) => word(octets, random, () => random.pick(words)),
  (octets, random) => word(octets, random, (value) => value + random.below(33) - 16),
  (octets, random) => word(octets, random, () => octets.length),
  // Thirty-two bits: lengths of headers, SPIs, lifetimes.
  (octets, random) => {
    if (octets.length < 4) return octets
    const copy = octets.slice()
    new DataView(copy.buffer).setUint32(
      random.below(copy.length - 3),
      random.pick([0, 1, 0x7fffffff, 0x80000000, 0xffffffff]),
    )
    return copy
  },
  // Cut off, cut out, repeat, insert, pad.
  (octets, random) => octets.slice(0, random.below(octets.length + 1)),
  (octets, random) => {
    const [from, to] = range(octets, random)
    return joined(octets.subarray(0, from), octets.subarray(to))
  },
  (octets, random) => {
    const [from, to] = range(octets, random)
    return joined(octets.subarray(0, to), octets.subarray(from))
  },
  (octets, random) => {
    const at = random.below(octets.length + 1)
    return joined(octets.subarray(0, at), random.octets(1 + random.below(8)), octets.subarray(at))
  },
  (octets, random) => joined(octets, new Uint8Array(1 + random.below(16))),
  // A piece of another input: over this one, or into it.
  (octets, random, others) => {
    const other = random.pick(others)
    const [from, to] = range(other, random)
    const piece = other.subarray(from, to)
    const at = random.below(octets.length + 1)
    const until = random.chance(0.5) ? at : Math.min(octets.length, at + piece.length)
    return joined(octets.subarray(0, at), piece, octets.subarray(until))
  },
]

/** A new input from one of `corpus`, by up to eight mutations; rarely one unchanged, or noise. */
export function mutate(corpus: readonly Uint8Array[], random: FuzzRandom): Uint8Array {
  if (random.chance(0.02)) return random.octets(random.below(64))
  let octets = random.pick(corpus)
  if (random.chance(0.03)) return octets.slice()
  const times = 1 + Math.min(random.below(8), random.below(8))
  for (let i = 0; i < times; i++) octets = random.pick(mutations)(octets, random, corpus)
  return octets.slice(0, longest)
}

function changed(octets: Uint8Array, random: FuzzRandom, to: (octet: number) => number): Uint8Array {
  if (octets.length === 0) return octets
  const copy = octets.slice()
  const at = random.below(copy.length)
  copy[at] = to(copy[at]!)
  return copy
}

function word(octets: Uint8Array, random: FuzzRandom, to: (value: number) => number): Uint8Array {
  if (octets.length < 2) return octets
  const copy = octets.slice()
  const at = random.below(copy.length - 1)
  const view = new DataView(copy.buffer)
  view.setUint16(at, to(view.getUint16(at)) & 0xffff)
  return copy
}

function range(octets: Uint8Array, random: FuzzRandom): [number, number] {
  const from = random.below(octets.length + 1)
  return [from, from + random.below(Math.min(octets.length - from, 64) + 1)]
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
