// What can be fuzzed, and what it may do: return, or throw what it is allowed to. Anything else is found.
import { WireError } from '../../src/wire/errors.ts'
import type { FuzzRandom } from './random.ts'

/** What came of one input, in few words: inputs that show something new are kept and mutated further. */
export type Outcome = string

export type Target = {
  readonly name: string
  /** Share of a run's inputs, relative to others: less for what is slow. */
  readonly weight: number
  /** Octets of real peers, malformed ones too. */
  readonly corpus: () => readonly Uint8Array[]
  /** Inputs that follow one another on one state; 1 for parsers. */
  readonly episode: number
  /** A fresh state; the function that it returns is fed one input after the other. */
  readonly begin: (random: FuzzRandom) => (octets: Uint8Array) => Outcome
}

/** A parser: throws nothing but WireError; `outcome` tells what was parsed. */
export function parser(
  name: string,
  corpus: () => readonly Uint8Array[],
  parse: (octets: Uint8Array) => Outcome,
  weight = 10,
): Target {
  const feed = (octets: Uint8Array): Outcome => {
    try {
      return parse(octets)
    } catch (error) {
      if (error instanceof WireError)
        return `${error.where}: ${error.message.replace(/^.*?at octet \d+: /, '').replace(/\d+/g, 'n')}`
      throw error
    }
  }
  return { name, weight, corpus, episode: 1, begin: () => feed }
}

/** Text as octets, for parsers of text. */
export function texts(...lines: readonly string[]): readonly Uint8Array[] {
  return lines.map((line) => new TextEncoder().encode(line))
}

export const text = (octets: Uint8Array): string => new TextDecoder().decode(octets)

/** Fails an input for a reason of our own: a property that doesn't hold. */
export function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(`property broken: ${what}`)
}
