// The journal: what was written is there, whatever a crash cut off, and nobody without the key reads or changes it.
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Heading, readJournal, SealedJournal } from './sealed-journal.ts'

const key = () => new Uint8Array(32).fill(7)
const heading: Heading = { format: 1, boot: 'this one' }
let folder = ''
let path = ''
const failures: string[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-journal-'))
  path = join(folder, 'journal')
  failures.length = 0
})
afterEach(() => rmSync(folder, { recursive: true }))

const open = (former?: ReadonlyMap<string, unknown>) =>
  new SealedJournal(path, key(), heading, former, (why) => failures.push(why))
const records = () => {
  const reading = readJournal(path, key(), heading)
  if (reading.is === 'nothing') throw new Error(reading.why)
  return reading.records
}
const many = { sa: { seen: new Uint32Array([1, 2]), quick: new Map([[1, { is: 'settling' }]]), none: undefined } }

test('what was written last stands under each name; what was taken out is gone', () => {
  const journal = open()
  journal.write(
    new Map<string, unknown>([
      ['a', 1],
      ['b', many],
    ]),
  )
  journal.write(
    new Map<string, unknown>([
      ['a', 2],
      ['c', new Set(['x'])],
    ]),
  )
  journal.write(new Map([['c', undefined]]))
  expect(records()).toEqual(
    new Map<string, unknown>([
      ['a', 2],
      ['b', many],
    ]),
  )
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('cut off at every octet, the writes before stand, and a write counts as a whole', () => {
  const journal = open()
  const ends: number[] = []
  for (let i = 1; i <= 4; i++) {
    journal.write(
      new Map([
        ['a', i],
        ['b', i],
      ]),
    )
    ends.push(statSync(path).size)
  }
  for (let size = ends.at(-1)!; size >= ends[0]!; size--) {
    truncateSync(path, size)
    const whole = ends.filter((end) => end <= size).length
    expect(records()).toEqual(
      new Map([
        ['a', whole],
        ['b', whole],
      ]),
    )
  }
})

test('a changed octet ends the reading there; another key, boot or format reads nothing', () => {
  const journal = open()
  journal.write(new Map([['a', 1]]))
  const good = statSync(path).size
  journal.write(new Map([['a', 2]]))
  const octets = readFileSync(path)
  octets[good + 10]! ^= 1
  writeFileSync(path, octets)
  expect(records()).toEqual(new Map([['a', 1]]))
  const why = (given: Uint8Array, other: Partial<Heading>) => readJournal(path, given, { ...heading, ...other })
  expect([
    why(new Uint8Array(32), {}),
    why(key(), { boot: 'another' }),
    why(key(), { format: 2 }),
    readJournal(join(folder, 'none'), key(), heading),
  ]).toEqual([
    { is: 'nothing', why: 'the journal is sealed with another key' },
    { is: 'nothing', why: 'the journal is from before the machine was started' },
    { is: 'nothing', why: 'the journal is in format 1, and this program reads 2' },
    { is: 'nothing', why: 'there is no journal' },
  ])
})

test('nothing of what is written can be read in the file', () => {
  const journal = open()
  journal.write(new Map([['ike/sa 1', { skeyid: 'a secret that must not be seen' }]]))
  const text = readFileSync(path, 'latin1')
  expect(text.includes('secret') || text.includes('ike')).toBe(false)
})

test('a new process goes on from the old one’s records in a file of its own', () => {
  open().write(new Map([['a', 1]]))
  const salt = readFileSync(path).subarray(4, 36)
  const second = open(records())
  expect(readFileSync(path).subarray(4, 36).equals(salt)).toBe(false)
  expect(second.former).toEqual(new Map([['a', 1]]))
  second.write(new Map([['b', 2]]))
  expect(records()).toEqual(
    new Map([
      ['a', 1],
      ['b', 2],
    ]),
  )
})

test('the file stays small however often a record changes, and nothing is lost when it is written anew', () => {
  const journal = open()
  const large = new Uint8Array(10_000)
  for (let i = 0; i < 1000; i++) journal.write(new Map<string, unknown>([[`a${i % 7}`, { i, large }]]))
  expect(statSync(path).size).toBeLessThan(1.1 * (1 << 20))
  expect([...records().values()].map((record) => (record as { i: number }).i).sort()).toEqual([
    993, 994, 995, 996, 997, 998, 999,
  ])
})

test('after the end there is no file, and nothing is written any more', () => {
  const journal = open()
  journal.write(new Map([['a', 1]]))
  journal.end()
  journal.write(new Map([['a', 2]]))
  expect(readJournal(path, key(), heading)).toEqual({ is: 'nothing', why: 'there is no journal' })
})

test('a folder that can’t be written to is said once, and nothing half-written stays', () => {
  const journal = new SealedJournal(join(folder, 'no', 'journal'), key(), heading, undefined, (why) =>
    failures.push(why),
  )
  journal.write(new Map([['a', 1]]))
  expect(failures).toEqual([expect.stringContaining('ENOENT')])
})
