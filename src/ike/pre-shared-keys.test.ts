import { expect, test } from 'vitest'
import { Secret } from '../wire/secret.ts'
import { preSharedKeysFor } from './pre-shared-keys.ts'

const key = (peer: string, text: string) => ({ peer, key: new Secret(text) })
const shown = (address: string, ...keys: { peer: string; key: Secret }[]) =>
  preSharedKeysFor({ preSharedKeys: keys }, address).map((one) => one.key.revealText())

test('the first key whose address or network fits, else all those for any peer', () => {
  const keys = [
    key('any', 'road warriors'),
    key('192.0.2.20', 'branch'),
    key('192.0.2.0/24', 'our network'),
    key('2001:db8::/33', 'six'),
    key('any', 'the new one'),
  ]
  expect(shown('192.0.2.20', ...keys)).toEqual(['branch'])
  expect(shown('192.0.2.21', ...keys)).toEqual(['our network'])
  expect(shown('192.0.3.21', ...keys)).toEqual(['road warriors', 'the new one'])
  expect(shown('2001:db8:7fff::1', ...keys)).toEqual(['six'])
  expect(shown('2001:db8:8000::1', ...keys)).toEqual(['road warriors', 'the new one'])
  expect(shown('192.0.2.20', key('10.0.0.0/8', 'elsewhere'))).toEqual([])
  expect(shown('192.0.2.20', key('0.0.0.0/0', 'everywhere'))).toEqual(['everywhere'])
})

test('several keys for the same address are all candidates, as for several peers behind one NAT', () => {
  const keys = [key('192.0.2.20', 'first'), key('192.0.2.0/24', 'network'), key('192.0.2.20', 'second')]
  expect(shown('192.0.2.20', ...keys)).toEqual(['first', 'second'])
})

test('a key for a name is a candidate for everybody without a key of his own, after those for any peer', () => {
  const keys = [key('branch.example.org', 'branch'), key('any', 'road warriors'), key('192.0.2.20', 'site')]
  expect(preSharedKeysFor({ preSharedKeys: keys }, '203.0.113.9').map(({ name }) => name)).toEqual([
    undefined,
    'branch.example.org',
  ])
  expect(shown('192.0.2.20', ...keys)).toEqual(['site'])
})

test('of many keys for any peer only so many are tried', () => {
  expect(shown('192.0.2.20', ...Array.from({ length: 100 }, (_, i) => key('any', `${i}`))).length).toBe(16)
})
