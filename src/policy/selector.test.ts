import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyNetwork, networkAround, parseNetwork } from '../wire/network.ts'
import {
  meets,
  mirrored,
  type Packet,
  type Selector,
  sameSelector,
  selectorHolds,
  selectorMeet,
  selectorOf,
  showSelector,
} from './selector.ts'

const any: Selector = {
  source: anyNetwork,
  destination: anyNetwork,
  protocol: 0,
  sourcePort: 0,
  destinationPort: 0,
}
const net = (text: string) => parseNetwork(text)!
const l2tp: Selector = { ...any, source: net('192.0.2.1/32'), protocol: 17, sourcePort: 1701 }
const packet: Packet = {
  source: '192.0.2.1',
  destination: '198.51.100.7',
  protocol: 17,
  sourcePort: 1701,
  destinationPort: 40_000,
}

/** From a small world, so that two of them have something to do with each other. */
const address = fc.constantFrom('10.1.0.1', '10.1.0.2', '10.2.0.1', '192.0.2.1')
const networks = fc
  .tuple(address, fc.constantFrom(0, 8, 16, 31, 32))
  .map(([base, prefix]) => networkAround(base, prefix))
const someSelector = fc
  .record({
    source: networks,
    destination: networks,
    protocol: fc.constantFrom(0, 1, 6, 17),
    sourcePort: fc.constantFrom(0, 1701, 80),
    destinationPort: fc.constantFrom(0, 1701, 80),
  })
  .map((each) => (each.protocol > 1 ? each : { ...each, sourcePort: 0, destinationPort: 0 }))
const somePacket = fc.record({
  source: address,
  destination: address,
  protocol: fc.constantFrom(1, 6, 17),
  sourcePort: fc.constantFrom(1701, 80, 5),
  destinationPort: fc.constantFrom(1701, 80, 5),
})

describe('which packets are meant', () => {
  test.each<[string, boolean, Packet]>([
    ['every field fits', true, packet],
    ['another source', false, { ...packet, source: '192.0.2.2' }],
    ['another protocol', false, { ...packet, protocol: 6 }],
    ['another port', false, { ...packet, sourcePort: 1702 }],
    ['whichever destination', true, { ...packet, destination: '203.0.113.1', destinationPort: 1 }],
    ['IPv6', false, { ...packet, source: '2001:db8::1' }],
  ])('%s', (_, meant, one) => {
    expect(meets(l2tp, one)).toBe(meant)
  })

  test('any means all of IPv4', () => {
    fc.assert(fc.property(somePacket, (one) => meets(any, one)))
  })

  test('what comes back is the mirror', () => {
    fc.assert(
      fc.property(someSelector, somePacket, (selector, one) => {
        const back = {
          source: one.destination,
          destination: one.source,
          protocol: one.protocol,
          sourcePort: one.destinationPort,
          destinationPort: one.sourcePort,
        }
        expect(meets(mirrored(selector), back)).toBe(meets(selector, one))
        expect(mirrored(mirrored(selector))).toEqual(selector)
      }),
    )
  })
})

describe('narrowing', () => {
  test('a peer that wants more gets what both mean', () => {
    const ours = { ...any, source: net('10.1.0.0/16'), destination: net('10.2.0.0/24') }
    const theirs = { ...any, source: net('10.1.3.0/24'), destination: net('10.2.0.0/16') }
    expect(selectorMeet(ours, theirs)).toEqual({
      ...any,
      source: net('10.1.3.0/24'),
      destination: net('10.2.0.0/24'),
    })
    expect(selectorMeet(ours, { ...any, destination: net('10.3.0.0/16') })).toBeUndefined()
    expect(selectorMeet(l2tp, { ...any, protocol: 6 })).toBeUndefined()
  })

  test('a packet is in what two have in common exactly where it is in both', () => {
    fc.assert(
      fc.property(someSelector, someSelector, somePacket, (a, b, one) => {
        const meet = selectorMeet(a, b)
        expect(meet !== undefined && meets(meet, one)).toBe(meets(a, one) && meets(b, one))
      }),
    )
  })

  test('what both mean is held by both; holding both ways is being the same', () => {
    fc.assert(
      fc.property(someSelector, someSelector, (a, b) => {
        const meet = selectorMeet(a, b)
        if (meet) expect([selectorHolds(a, meet), selectorHolds(b, meet)]).toEqual([true, true])
        expect(sameSelector(a, b)).toBe(showSelector(a) === showSelector(b))
      }),
    )
  })
})

test('as people read them', () => {
  expect(
    [any, l2tp, { ...any, source: net('10.1.0.0/16'), protocol: 132 }, selectorOf(packet)!].map(showSelector),
  ).toEqual([
    'any -> any',
    '192.0.2.1:1701 -> any udp',
    '10.1.0.0/16 -> any 132',
    '192.0.2.1:1701 -> 198.51.100.7:40000 udp',
  ])
  expect(selectorOf({ ...packet, source: '::1' })).toBeUndefined()
})
