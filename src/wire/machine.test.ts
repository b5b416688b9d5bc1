// The kit around machines: the heap of deadlines against a plain list, uniform numbers, jitter, and secrets that don't print.
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { unhex } from './codec.ts'
import { Deadlines } from './deadlines.ts'
import { jittered, randomBelow } from './machine.ts'
import { Secret } from './secret.ts'

describe('Deadlines', () => {
  test('always says what a plain list would say', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), key: fc.nat(20), at: fc.option(fc.nat(100), { nil: undefined }) }),
      fc.record({ do: fc.constant('due' as const), now: fc.nat(100) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new Deadlines<number>()
        const list = new Map<number, number>()
        for (const one of steps) {
          if (one.do === 'set') {
            heap.set(one.key, one.at)
            if (one.at === undefined) list.delete(one.key)
            else list.set(one.key, one.at)
          } else {
            const earliest = Math.min(...list.values())
            const key = heap.due(one.now)
            if (earliest > one.now) expect(key).toBeUndefined()
            else expect(list.get(key!)).toBe(earliest)
            if (key !== undefined) list.delete(key)
          }
          expect(heap.size).toBe(list.size)
          expect(heap.next).toBe(list.size === 0 ? undefined : Math.min(...list.values()))
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('randomness', () => {
  const of = (...values: readonly string[]) => {
    const queue = values.map(unhex)
    return { octets: () => queue.shift()! }
  }

  test('below a bound without bias: what would favour small numbers is drawn again', () => {
    expect(randomBelow(of('00000007'), 5)).toBe(2)
    // 2^32 is 1 modulo 3: the last value is one too many.
    expect(randomBelow(of('ffffffff', '00000004'), 3)).toBe(1)
    expect(randomBelow(of('ffffffff'), 0x1_0000_0000)).toBe(0xffff_ffff)
  })

  test('jitter reaches from one end to the other and keeps whole milliseconds', () => {
    expect(jittered(of('00000000'), 10_000)).toBe(9000)
    expect(jittered(of('000003e8'), 10_000)).toBe(11_000)
    expect(jittered(of('000001f4'), 10_000, 0.5)).toBe(10_000)
  })
})

describe('Secret', () => {
  const secret = new Secret('correct horse')

  test('shows itself nowhere', () => {
    const shown = [String(secret), JSON.stringify({ secret }), inspect({ secret }), `${secret}`]
    expect(shown.join(' ')).not.toContain('horse')
    expect(shown[1]).toBe('{"secret":"[secret]"}')
  })

  test('is there for who asks', () => {
    expect([secret.revealText(), secret.reveal().length]).toEqual(['correct horse', 13])
    expect(new Secret(unhex('c3bc')).revealText()).toBe('ü')
  })
})
