import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ipv4FromNumber, ipv4Number } from './address.ts'
import {
  anyNetwork,
  hostNetwork,
  maskText,
  networkAround,
  networkHolds,
  networkMeet,
  networkRange,
  parseNetwork,
  prefixOfMask,
  showNetwork,
} from './network.ts'

const network = fc
  .tuple(fc.nat(0xffff_ffff), fc.integer({ min: 0, max: 32 }))
  .map(([number, prefix]) => networkAround(ipv4FromNumber(number), prefix))

test('text: bits beyond the prefix are cleared, what is none is undefined', () => {
  const texts = ['10.1.0.0/16', '10.1.2.3/16', '0.0.0.0/0', '10.1.0.0/33', '10.1.0.0', '10.1/16', '::/0', '']
  expect(texts.map((text) => parseNetwork(text)).map((value) => value && showNetwork(value))).toEqual([
    '10.1.0.0/16',
    '10.1.0.0/16',
    '0.0.0.0/0',
    ...Array(5).fill(undefined),
  ])
  expect([hostNetwork('192.0.2.1'), hostNetwork('2001:db8::1')]).toEqual([
    { address: '192.0.2.1', prefix: 32 },
    undefined,
  ])
})

test('masks: the 33 with all ones in front', () => {
  for (let prefix = 0; prefix <= 32; prefix++) expect(prefixOfMask(maskText(prefix))).toBe(prefix)
  expect(['255.0.255.0', '0.0.0.255', '256.0.0.0', 'x'].map(prefixOfMask)).toEqual(Array(4).fill(undefined))
})

test('holding is holding both ends of the range; what two have in common is what ranges have in common', () => {
  fc.assert(
    fc.property(network, network, (a, b) => {
      const [x, y] = [networkRange(a), networkRange(b)]
      expect(networkHolds(a, b)).toBe(x.first <= y.first && y.last <= x.last)
      const meet = networkMeet(a, b)
      const first = Math.max(x.first, y.first)
      const last = Math.min(x.last, y.last)
      expect(meet && networkRange(meet)).toEqual(first <= last ? { first, last } : undefined)
    }),
  )
})

test('every address is in any, and in the network around it', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.integer({ min: 0, max: 32 }), (address, prefix) => {
      if (ipv4Number(address) === undefined) return
      const host = hostNetwork(address)!
      expect([networkHolds(anyNetwork, host), networkHolds(networkAround(address, prefix), host)]).toEqual([true, true])
    }),
  )
})
