// What wins, and what is said of it.
import { expect, test } from 'vitest'
import type { NativeBenchResult } from '../addon.ts'
import { choose, priorityAbove, scoreOf } from './engine-choice.ts'

/** IMIX both ways at these speeds, and another size that must not count. */
function measured(engine: string, algorithm: string, idle: number, loaded: number): NativeBenchResult[] {
  const of = (size: string, direction: 'seal' | 'open', isLoaded: boolean, gbps: number): NativeBenchResult => ({
    ...{ engine, algorithm, direction, size, gbps, loaded: isLoaded },
    ...{ packetsPerSecond: 1, spread: 0, limitGbps: gbps, ratio: 1, ratioSpread: 0, processorShare: 1 },
  })
  return (['seal', 'open'] as const).flatMap((direction) => [
    of('imix', direction, false, idle),
    of('imix', direction, true, loaded),
    of('1400', direction, false, 1000),
  ])
}

test('the geometric mean over what is wanted, idle and loaded alike', () => {
  const results = [...measured('a', 'aes128-sha1', 4, 1), ...measured('a', '3des-sha1', 1, 0.25)]
  expect(scoreOf(results, 'a', ['aes128-sha1', '3des-sha1'])).toEqual({ engine: 'a', idle: 2, loaded: 0.5, both: 1 })
  expect(scoreOf(results, 'a', ['aes128-sha1', 'des-sha1'])).toBeUndefined()
  expect(scoreOf(results, 'a', [])).toBeUndefined()
})

test('a device that is slower alone wins where it is faster under load', () => {
  const results = [...measured('aesni', 'aes128-sha1', 8, 1), ...measured('device', 'aes128-sha1', 4, 4)]
  expect(choose(results, ['aesni', 'device'], ['aes128-sha1'])).toMatchObject({
    winner: 'device',
    why: '4.00 Gbit/s idle and 4.00 loaded, against aesni 8.00 Gbit/s idle and 1.00 loaded',
  })
})

test('what is in effect stays unless another is worth it; one that lacks an algorithm is no rival', () => {
  const results = [...measured('now', 'aes128-sha1', 1, 1), ...measured('other', 'aes128-sha1', 1.04, 1.04)]
  expect(choose(results, ['now', 'other'], ['aes128-sha1'])).toMatchObject({
    winner: 'now',
    why: '1.00 Gbit/s idle and 1.00 loaded, against other 1.04 Gbit/s idle and 1.04 loaded; other is not 5 % faster',
  })
  expect(
    choose([...results, ...measured('now', '3des-sha1', 1, 1)], ['other', 'now'], ['aes128-sha1', '3des-sha1']),
  ).toMatchObject({
    winner: 'now',
    why: '1.00 Gbit/s idle and 1.00 loaded, and nothing else can',
  })
  expect(choose([], ['now'], ['aes128-sha1'])).toBeUndefined()
})

test('a raised driver stands above all others', () => {
  expect(priorityAbove([100, 400])).toBe(5000)
  expect(priorityAbove([4500])).toBe(5500)
})
