// The number of clients that dial at once follows what the gateway serves.
import { expect, test } from 'vitest'
import { Pace } from './pace.ts'

test('one more for each round of swift logins, up to the most', () => {
  const pace = new Pace(10, true)
  const seen = [pace.atOnce]
  for (let login = 0; login < 30; login++) {
    pace.settled(login, login + 100, 1)
    seen.push(pace.atOnce)
  }
  expect([seen[0], seen[8], seen[17], seen[30]]).toEqual([8, 9, 10, 10])
})

test('a slow login, or one that was begun anew, halves it once, however many of the same time are slow; never below four', () => {
  const pace = new Pace(64, true)
  pace.settled(0, 2000, 1)
  expect(pace.atOnce).toBe(4)
  for (let login = 0; login < 400; login++) pace.settled(3000, 3100, 1)
  const before = pace.atOnce
  pace.settled(3000, 5000, 1)
  pace.settled(3001, 5000, 2)
  pace.settled(3002, 5000, 1)
  expect([before, pace.atOnce]).toEqual([29, 14])
})

test('a storm is always whole', () => {
  const pace = new Pace(10_000, false)
  pace.settled(0, 60_000, 8)
  expect(pace.atOnce).toBe(10_000)
})
