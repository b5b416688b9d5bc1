// A small seeded generator, fast enough that it doesn't show in a fuzzing run (sfc32 by Chris Doty-Humphrey, public domain design).
import type { Random } from '../../src/wire/machine.ts'

export class FuzzRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter = 1

  /** Equal seeds give equal runs. */
  constructor(...seed: readonly (string | number)[]) {
    const text = seed.join('|')
    this.#a = fold(text, 0x811c9dc5)
    this.#b = fold(text, 0x9e3779b9)
    this.#c = fold(text, 0x85ebca6b)
    for (let i = 0; i < 12; i++) this.u32()
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound)
  }

  chance(share: number): boolean {
    return this.u32() < share * 0x1_0000_0000
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  octets(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.u32() & 0xff)
  }
}

// FNV-1a.
function fold(text: string, basis: number): number {
  let hash = basis
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
