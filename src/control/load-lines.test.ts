// The lines of `load`: what is written is read again, and what a serial line does to them is noticed.
import { expect, test } from 'vitest'
import { digestOf, loadLines, parseLoadLine, showLoadLine } from './load-lines.ts'

test('a file of 100 octets is three lines', () => {
  const file = Uint8Array.from({ length: 100 }, (_, i) => i)
  const parsed = loadLines(file).map(parseLoadLine)
  expect(parsed).toEqual([
    { is: 'line', seq: 0, octets: file.subarray(0, 48) },
    { is: 'line', seq: 1, octets: file.subarray(48, 96) },
    { is: 'line', seq: 2, octets: file.subarray(96) },
  ])
})

test('a line as it stands on the wire', () => {
  expect(showLoadLine({ seq: 0, octets: new TextEncoder().encode('hi') })).toBe(':0 aGk= 5c577c54')
})

test.each([
  [':0 aGk= 5c577c55', { is: 'garbled', seq: 0 }],
  [':1 aGk= 5c577c54', { is: 'garbled', seq: 1 }],
  [':0 aGj= 5c577c54', { is: 'garbled', seq: 0 }],
  ['0 aGk= 5c577c54', { is: 'noise' }],
  [':0 aGk=', { is: 'noise' }],
  [`:0 ${'A'.repeat(68)} 00000000`, { is: 'noise' }],
  ['', { is: 'noise' }],
])('%s', (line, parsed) => {
  expect(parseLoadLine(line)).toEqual(parsed)
})

test('the digest is SHA-256 in hex', () => {
  expect(digestOf(new Uint8Array())).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
