// Counters that only rise become what moved since the last look.
import { expect, test } from 'vitest'
import { Activity } from './activity.ts'

const pair = (packetsIn: number, octetsIn: number, octetsOut: number) => ({
  ...{ peer: 1, inboundSpi: 4711, packetsIn, octetsIn, octetsOut, packetsOut: 0, replayed: 0, forged: 0 },
})

test('a pair’s octets are told once, in both directions, and it is heard where packets came in', () => {
  const activity = new Activity()
  const look = (packetsIn: number, octetsIn: number, octetsOut: number, now: number) =>
    activity.since({ pairs: [pair(packetsIn, octetsIn, octetsOut)], sessions: [] }, now).pairs
  expect(look(2, 100, 50, 1000)).toEqual([{ peer: 1, inboundSpi: 4711, at: 1000, octets: 150, sent: false }])
  expect(look(2, 100, 90, 2000)).toEqual([{ peer: 1, inboundSpi: 4711, at: undefined, octets: 40, sent: false }])
  activity.forgetPair(4711)
  expect(look(1, 10, 0, 3000)).toEqual([{ peer: 1, inboundSpi: 4711, at: 3000, octets: 10, sent: false }])
})
