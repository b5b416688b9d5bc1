import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ipv4Number } from '../wire/address.ts'
import { AddressPool, type PoolPlan } from './pool.ts'

const plan = (from: string, to: string, more: Partial<PoolPlan> = {}): PoolPlan => ({
  ranges: [{ first: ipv4Number(from)!, last: ipv4Number(to)! }],
  excluded: ['10.0.0.1'],
  fixed: new Map(),
  ...more,
})

test('addresses come in turn, each once, and then no more', () => {
  const pool = new AddressPool(plan('10.0.0.10', '10.0.0.12'))
  expect([pool.size, pool.used]).toEqual([3, 0])
  expect(['a', 'b', 'a', 'c'].map((user) => pool.take(user, 0))).toEqual([
    '10.0.0.10',
    '10.0.0.11',
    '10.0.0.12',
    undefined,
  ])
  expect(pool.used).toBe(3)
})

test('the gateway’s own address is never given out and does not count', () => {
  const pool = new AddressPool(plan('10.0.0.0', '10.0.0.2'))
  expect(pool.size).toBe(2)
  expect(['a', 'b', 'c'].map((user) => pool.take(user, 0))).toEqual(['10.0.0.0', '10.0.0.2', undefined])
})

test('a user gets his last address again, others the one that has rested longest', () => {
  const pool = new AddressPool(plan('10.0.0.10', '10.0.0.13'))
  for (const user of ['a', 'b', 'c']) pool.take(user, 0)
  pool.release('10.0.0.11', 100)
  expect(pool.take('b', 101)).toBe('10.0.0.11')
  pool.release('10.0.0.12', 200)
  pool.release('10.0.0.10', 300)
  expect(pool.take('d', 301)).toBe('10.0.0.13')
  // Nothing else is free: a rest refuses nobody.
  expect(pool.take('e', 302)).toBe('10.0.0.12')
  expect(pool.take('f', 303)).toBe('10.0.0.10')
})

test('a rested address is as good as a fresh one', () => {
  const pool = new AddressPool(plan('10.0.0.10', '10.0.0.11'))
  pool.take('a', 0)
  pool.release('10.0.0.10', 0)
  expect(pool.take('b', 60_000)).toBe('10.0.0.11')
  expect(pool.take('c', 60_000)).toBe('10.0.0.10')
})

test('a fixed address is kept for its user, inside the ranges or not', () => {
  const fixed = new Map([
    ['boss', '10.0.0.10'],
    ['far', '192.0.2.9'],
  ])
  const pool = new AddressPool(plan('10.0.0.10', '10.0.0.11', { fixed }))
  expect(pool.take('a', 0)).toBe('10.0.0.11')
  expect(pool.take('b', 0)).toBe(undefined)
  expect(pool.take('boss', 0)).toBe('10.0.0.10')
  expect(pool.take('boss', 0)).toBe(undefined)
  expect(pool.take('far', 0)).toBe('192.0.2.9')
  pool.release('10.0.0.10', 1)
  expect(pool.take('boss', 1)).toBe('10.0.0.10')
})

test('a changed plan names the held addresses that it would not give', () => {
  const pool = new AddressPool(plan('10.0.0.10', '10.0.0.19'))
  for (const user of ['a', 'b', 'c']) pool.take(user, 0)
  expect(pool.change(plan('10.0.0.11', '10.0.0.30', { fixed: new Map([['b', '10.0.0.25']]) }))).toEqual([
    '10.0.0.10',
    '10.0.0.11',
  ])
  expect([pool.size, pool.used]).toEqual([20, 3])
})

test('whatever is taken and given back, no address is held twice, and none is refused while one is free', () => {
  const users = ['a', 'b', 'c', 'd', 'e', 'fixed']
  const step = fc.record({
    user: fc.constantFrom(...users),
    give: fc.boolean(),
    wait: fc.integer({ min: 0, max: 60_000 }),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const pool = new AddressPool(plan('10.0.0.1', '10.0.0.5', { fixed: new Map([['fixed', '10.0.0.5']]) }))
      const held = new Map<string, string>()
      let now = 0
      for (const { user, give, wait } of steps) {
        now += wait
        if (give) {
          const [address] = [...held].find(([, holder]) => holder === user) ?? []
          if (address !== undefined) {
            pool.release(address, now)
            held.delete(address)
          }
          continue
        }
        const address = pool.take(user, now)
        const free =
          user === 'fixed'
            ? !held.has('10.0.0.5')
            : [...held.values()].filter((holder) => holder !== 'fixed').length < 3
        expect(address !== undefined).toBe(free)
        if (address === undefined) continue
        expect(held.has(address) || address === '10.0.0.1').toBe(false)
        held.set(address, user)
      }
      expect(pool.used).toBe(held.size)
    }),
  )
})
