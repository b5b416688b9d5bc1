import { expect, test } from 'vitest'
import type { EventLog } from './event-log.ts'
import type { GatewayEvent } from './events.ts'
import { longestWaitMs, WallClock } from './wall-clock.ts'

// A Wednesday, 12:34 by local time.
const noon = new Date(2026, 10, 18, 12, 34)
const minute = 2 * 1440 + 12 * 60 + 34

function world() {
  const time = { now: 1000, synchronised: false as boolean | undefined }
  const events: GatewayEvent[] = []
  const log = { emit: (event: GatewayEvent) => void events.push(event) } as unknown as EventLog
  const clock = {
    now: () => time.now,
    date: () => noon,
    synchronised: () => time.synchronised ?? false,
  }
  return { time, events, wall: new WallClock(clock, log), log }
}

test('before NTP has set the clock there is no time of day', () => {
  const { wall, events } = world()
  expect([wall.minuteOfWeek(true), events]).toEqual([undefined, []])
})

test('once it is set it is believed for ever', () => {
  const { wall, time } = world()
  time.synchronised = true
  expect(wall.minuteOfWeek(true)).toBe(minute)
  time.synchronised = false
  expect(wall.minuteOfWeek(true)).toBe(minute)
})

test('after a bounded wait the clock is taken as it is, and the log says so once', () => {
  const { wall, time, events } = world()
  time.now += longestWaitMs - 1
  expect(wall.minuteOfWeek(true)).toBe(undefined)
  time.now += 1
  expect([wall.minuteOfWeek(true), wall.minuteOfWeek(true)]).toEqual([minute, minute])
  expect(events).toEqual([{ event: 'clock.unsynchronised', minutes: 5 }])
})

test('where NTP is not asked, or nobody can tell, the clock is taken as it is', () => {
  const { wall, log } = world()
  expect(wall.minuteOfWeek(false)).toBe(minute)
  expect(new WallClock({ now: () => 0, date: () => noon }, log).minuteOfWeek(true)).toBe(minute)
})
