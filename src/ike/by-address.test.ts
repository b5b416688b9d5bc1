import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressOctets } from '../wire/address.ts'
import { entryFor } from './by-address.ts'

const find = (texts: readonly string[], address: string) => {
  const list = texts.map((peer) => ({ peer }))
  return entryFor(list, ({ peer }) => [peer], address)?.peer
}

test('the first entry that names the address or a network around it; names and any are nobody’s address', () => {
  const texts = [
    'any',
    'vpn.example.org',
    '192.0.2.7',
    '192.0.2.0/24',
    '192.0.2.8',
    '2001:DB8::1',
    '2001:db8::/32',
    '0.0.0.0/0',
  ]
  expect(
    ['192.0.2.7', '192.0.2.8', '198.51.100.1', '2001:db8::1', '2001:db8::2', '2001:db9::1'].map((address) =>
      find(texts, address),
    ),
  ).toEqual(['192.0.2.7', '192.0.2.0/24', '0.0.0.0/0', '2001:DB8::1', '2001:db8::/32', undefined])
  expect([find([], '192.0.2.7'), find(['any'], '192.0.2.7'), find(['192.0.2.7/32'], '192.0.2.7')]).toEqual([
    undefined,
    undefined,
    '192.0.2.7/32',
  ])
})

test('an entry of several addresses', () => {
  const sites = [{ at: ['192.0.2.1', '192.0.2.2'] }, { at: ['192.0.2.2', '192.0.2.3'] }]
  const at = (address: string) => entryFor(sites, (one) => one.at, address)
  expect([at('192.0.2.2'), at('192.0.2.3'), at('192.0.2.4')]).toEqual([sites[0], sites[1], undefined])
})

test('the same as looking at each in turn', () => {
  const address = fc.tuple(fc.constantFrom(10, 192), fc.nat(1), fc.nat(1), fc.nat(3)).map((octets) => octets.join('.'))
  const text = fc.oneof(
    address,
    fc.tuple(address, fc.nat(32)).map(([one, bits]) => `${one}/${bits}`),
    fc.constant('any'),
  )
  const number = (dotted: string) => addressOctets(dotted)!.reduce((sum, octet) => sum * 256 + octet, 0)
  const covers = (one: string, wanted: string) => {
    if (one === 'any') return false
    const [start, bits = '32'] = one.split('/')
    const size = 2 ** (32 - Number(bits))
    return Math.floor(number(start!) / size) === Math.floor(number(wanted) / size)
  }
  fc.assert(
    fc.property(fc.array(text), address, (texts, wanted) => {
      expect(find(texts, wanted)).toBe(texts.find((one) => covers(one, wanted)))
    }),
  )
})
