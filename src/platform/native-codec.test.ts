// What the kernel plane's thread says of a list of changes, as octets.
import { expect, test } from 'vitest'
import { hex } from '../wire/codec.ts'
import { ChangeError, decodeEvents, MessageBatch, withChanges } from './native-codec.ts'

const octets = (...parts: (readonly number[] | string)[]) =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'string' ? [...new TextEncoder().encode(part)] : part)))

test('a list that is in force, and one that is not: job, code, words', () => {
  const good = octets([0, 0, 0, 6, 10, 0, 0, 1, 2, 0])
  const bad = octets([0, 0, 0, 16, 10, 0, 0, 0, 7, 6], 'kernel', 'why?')
  expect(decodeEvents(Uint8Array.from([...good, ...bad]))).toEqual([
    { on: 'applied', job: 258 },
    { on: 'applied', job: 7, failure: { code: 'kernel', message: 'why?' } },
  ])
})

test('a code that is longer than its event is an error', () => {
  expect(() => decodeEvents(octets([0, 0, 0, 7, 10, 0, 0, 0, 7, 9, 1]))).toThrow(/code/)
})

test('changes are wiped once they were handed over, also where one of them is refused', () => {
  const peer = { do: 'addPeer', peer: 0x01020304 } as const
  let seen: Uint8Array | undefined
  expect(
    withChanges([peer, peer], (octets) => {
      seen = octets
      return hex(octets)
    }),
  ).toBe('01010203040101020304')
  expect(seen).toEqual(new Uint8Array(10))
  expect(() => withChanges([peer, { do: 'addPeer', peer: -1 }], () => {})).toThrow(ChangeError)
  expect(withChanges([peer], hex)).toBe('0101020304')
})

test('more changes than usual', () => {
  const many = Array.from({ length: 2000 }, (_, peer) => ({ do: 'addPeer', peer }) as const)
  expect(withChanges(many, (octets) => octets.length)).toBe(10_000)
  expect(withChanges(many.slice(1, 3), hex)).toBe('01000000010100000002')
})

test('messages stand one after the other, and are wiped once they were handed over', () => {
  const batch = new MessageBatch()
  const [local, remote] = [
    { address: '192.0.2.1', port: 500 },
    { address: '2001:db8::1', port: 4500 },
  ]
  batch.ike({ local, remote: local }, octets([1, 2, 3]))
  batch.keepalive({ local: remote, remote })
  batch.control(7, 1701, 51000, octets([9]))
  batch.ppp(8, 0xc021, octets([]))
  expect(batch.count).toBe(4)
  const v4 = '04c000020101f4'
  const v6 = '1020010db80000000000000000000000011194'
  let kept: Uint8Array | undefined
  batch.hand((array, length) => {
    kept = array
    expect(hex(array.subarray(0, length))).toBe(
      `01${v4}${v4}00000003010203` + `02${v6}${v6}` + `0300000007` + `06a5c7380000000109` + `0400000008c02100000000`,
    )
  })
  expect(batch.count).toBe(0)
  expect(kept!.every((octet) => octet === 0)).toBe(true)
})
