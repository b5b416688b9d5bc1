// `bench logins`, small: that every login succeeds and what it says has its shape. How fast is not looked at.
import { spawnSync } from 'node:child_process'
import process from 'node:process'
import { expect, test } from 'vitest'
import { measureLogins, together } from './logins.ts'
import { amountOf, unitOf } from './result.ts'

test.each([
  { rate: 4, atOnce: 16 },
  { rate: 444, atOnce: 111 },
  { rate: 5000, atOnce: 256 },
])('a gateway that serves $rate a second has $atOnce at once', ({ rate, atOnce }) => {
  const logins = Array.from({ length: 2 * rate }, () => ({ milliseconds: 1, attempts: 1 }))
  expect(together({ logins, seconds: 2 })).toBe(atOnce)
})

const namespaces = process.getuid?.() === 0 && spawnSync('unshare', ['--net', 'true']).status === 0

test.skipIf(!namespaces)(
  'twenty logins by each key exchange, and a storm of twenty (needs root and network namespaces)',
  {
    timeout: 600_000,
  },
  async () => {
    const effort = { warmUp: 5, logins: 20, rounds: 1, storm: 20, seconds: 150, limitMilliseconds: 20 }
    const results = await measureLogins(effort, () => {})
    expect(
      results.map((result) => [
        result.what,
        result.esp,
        result.direction,
        unitOf(result),
        amountOf(result) > 0,
        result.limit! > 0,
      ]),
    ).toEqual([
      ['logins, one core', 'ecp256', '', 'perSecond', true, true],
      ['logins, a second of processor time', 'ecp256', '', 'perSecond', true, true],
      ['logins, one core', 'modp2048', '', 'perSecond', true, true],
      ['logins, a second of processor time', 'modp2048', '', 'perSecond', true, true],
      ['storm of 20 at once', 'ecp256, median', '', 'milliseconds', true, false],
      ['storm of 20 at once', 'ecp256, 99th percentile', '', 'milliseconds', true, false],
    ])
  },
)
