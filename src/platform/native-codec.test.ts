// What the kernel plane's thread says of a list of changes, as octets.
import { expect, test } from 'vitest'
import { decodeEvents } from './native-codec.ts'

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
