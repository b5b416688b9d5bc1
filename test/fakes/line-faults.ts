// A fault at a random octet of a provisioning run, from a seed.
import type { Fault } from './serial-cable.ts'

/** Mulberry32: neighbouring seeds have nothing in common. Numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let state = Math.imul(seed, 2_654_435_761) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Noise (flipped, inserted or lost octets), a pulled cable or a reboot at an octet below `octets`. */
export function faultOf(seed: number, octets: number): Fault {
  const next = seeded(seed)
  const at = Math.floor(next() * octets)
  const kind = Math.floor(next() * 5)
  const some = 1 + Math.floor(next() * 24)
  if (kind === 0) return { at, is: 'flip', mask: 1 << Math.floor(next() * 8), octets: some }
  if (kind === 1) return { at, is: 'insert', noise: Uint8Array.from({ length: some }, () => next() * 256) }
  if (kind === 2) return { at, is: 'drop', octets: some }
  if (kind === 3) return { at, is: 'pulled', ms: 500 + next() * 40_000 }
  return { at, is: 'reboot' }
}
