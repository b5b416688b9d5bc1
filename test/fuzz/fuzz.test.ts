// The short run over every target, what earlier runs have found, and the fuzzer itself: that it finds, replays and repeats.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unhex } from '../../src/wire/codec.ts'
import { WireError } from '../../src/wire/errors.ts'
import { mutate } from './mutate.ts'
import { FuzzRandom } from './random.ts'
import { type Failure, fuzz, replay } from './run.ts'
import { parser, type Target } from './target.ts'
import { targets } from './targets/all.ts'

const found = join(import.meta.dirname, 'found')

describe('every target', () => {
  // 200,000 inputs in all, by weight; the seed is fixed so that the test says the same each time. `npm run fuzz` takes others.
  test('takes its share of 200,000 inputs', { timeout: 120_000 }, () => {
    const { failures, inputs, slowest } = fuzz(targets, 1, 200_000)
    expect(failures).toEqual([])
    expect(inputs).toBeGreaterThan(199_000)
    expect(slowest.ms).toBeLessThan(5_000)
  })

  test('has a name of its own and a corpus', () => {
    expect(new Set(targets.map(({ name }) => name)).size).toBe(targets.length)
    expect(targets.filter(({ corpus }) => corpus().length === 0)).toEqual([])
  })
})

test('what was found once is not found again', () => {
  for (const file of readdirSync(found).filter((name) => name.endsWith('.json'))) {
    const failure = JSON.parse(readFileSync(join(found, file), 'utf8')) as Failure
    const target = targets.find(({ name }) => name === failure.target)
    if (!target) throw new Error(`${file} is of a target that is no more`)
    replay(target, failure.seed, failure.episode, failure.inputs.map(unhex))
  }
})

describe('the fuzzer', () => {
  const seeds = () => [unhex('0102030405060708'), unhex('ff00ff00')]
  /** Breaks where a third octet is 0xff and a first one is even: a bug for the fuzzer to find. */
  const buggy: Target = parser('buggy', seeds, (octets) => {
    if (octets.length === 0) throw new WireError('octets', 0, 'there are none')
    if (octets[2] === 0xff && octets[0]! % 2 === 0) throw new TypeError('a bug')
    return 'fine'
  })

  test('finds a bug, writes down what replays, and repeats itself from its seed', () => {
    const [one, two] = [fuzz([buggy], 3, 10_000), fuzz([buggy], 3, 10_000)]
    expect(one.failures.length).toBe(1)
    expect(one.failures[0]!.error).toContain('a bug')
    expect(one.failures[0]!.inputs).toEqual(two.failures[0]!.inputs)
    const { seed, episode, inputs } = one.failures[0]!
    expect(() => replay(buggy, seed, episode, inputs.map(unhex))).toThrow('a bug')
  })

  test('a WireError is what a parser may throw', () => {
    expect(
      fuzz(
        [
          parser('strict', seeds, () => {
            throw new WireError('all', 0, 'wrong')
          }),
        ],
        1,
        1000,
      ).failures,
    ).toEqual([])
  })

  test('a state remembers its episode’s inputs', () => {
    const stateful: Target = {
      name: 'stateful',
      weight: 1,
      episode: 8,
      corpus: seeds,
      begin: () => {
        let fed = 0
        return () => {
          if (++fed === 5) throw new Error('the fifth')
          return String(fed)
        }
      },
    }
    expect(fuzz([stateful], 1, 100).failures).toMatchObject([{ episode: 0, inputs: { length: 5 } }])
  })

  test('mutations never change the corpus, and reach every length', () => {
    const corpus = seeds()
    const random = new FuzzRandom(1)
    const lengths = new Set(Array.from({ length: 5000 }, () => mutate(corpus, random).length))
    expect(corpus).toEqual(seeds())
    expect([0, 1, 2, 3, 4, 8, 9, 12, 20].filter((length) => !lengths.has(length))).toEqual([])
  })
})
