// An authority as values: names, and dates under clocks that are wrong.
import { describe, expect, test } from 'vitest'
import {
  type Authority,
  crlDays,
  dayMs,
  issueTo,
  listIsStale,
  mostDays,
  nameFault,
  newAuthority,
  renewList,
} from './authority.ts'
import { readCertificates } from './credential.ts'
import { nameOf } from './names.ts'

const year = 365.25 * dayMs
/** When the firmware was built, and today. */
const built = Date.parse('2026-03-01T00:00:00Z')
const today = Date.parse('2027-06-01T12:00:00Z')

function madeAt(clock: number, onGateway = true) {
  const order = { subject: nameOf('Gatehouse gw'), years: 10, ecdsa: true, crlUrl: undefined }
  const { authority } = newAuthority({ ...order, ...(onGateway ? { onGateway: { notBefore: built } } : {}) }, clock)
  return authority
}

function issued(authority: Authority, kind: 'gateway' | 'client', days: number, clock: number) {
  const files = issueTo(authority, { name: 'x', kind, altNames: ['x'], ecdsa: true, days }, 'secret', clock)
  const [certificate] = readCertificates(String(files[0]!.content), 'x.pem')
  return { files: files.map(({ name, readers }) => `${name} ${readers}`), ...certificate! }
}

describe('on the gateway, whose clock', () => {
  test.each([
    ['is right', today],
    ['begins where the firmware was built', built],
    ['is eight years ahead', today + 8 * year],
  ])('%s: what it makes is valid today and for years', (_, clock) => {
    const authority = madeAt(clock)
    const begin = Math.min(built, clock - 3_600_000)
    const { notBefore, notAfter } = issued(authority, 'client', mostDays, clock)
    expect([authority.certificate.notBefore, notBefore, notAfter]).toEqual([
      begin,
      begin,
      authority.certificate.notAfter,
    ])
    expect(notAfter - today).toBeGreaterThan(8 * year)
  })

  test('days that were asked for are counted from the clock, and end with the authority at the latest', () => {
    const authority = madeAt(today)
    expect(issued(authority, 'client', 30, today).notAfter).toBe(today + 30 * dayMs)
    expect(issued(authority, 'client', mostDays, today).notAfter).toBe(authority.certificate.notAfter)
  })
})

describe('the files of', () => {
  test.each([
    ['a gateway on itself', 'gateway', true, ['x.pem all', 'x.key group']],
    ['a client on the gateway: its key in the bundle alone', 'client', true, ['x.pem all', 'x.p12 owner']],
    ['a gateway elsewhere', 'gateway', false, ['x.pem all', 'x.key owner']],
    ['a client elsewhere', 'client', false, ['x.pem all', 'x.key owner', 'x.p12 owner']],
  ] as const)('%s', (_, kind, onGateway, files) => {
    expect(issued(madeAt(today, onGateway), kind, 825, today).files).toEqual(files)
  })
})

test.each([
  ['new', 0, false],
  ['with two thirds of its time left', 9, false],
  ['with less', 11, true],
  ['expired', 31, true],
  ['of a clock that was ahead', -365, true],
  ['of a clock that was an hour ahead', -1 / 24, false],
])('a list %s: made anew %s', (_, days, stale) => {
  const authority = madeAt(today)
  expect(listIsStale(authority, today)).toBe(true)
  renewList(authority, today)
  expect(authority.register.crlNextUpdate).toBe(today + crlDays * dayMs)
  expect(listIsStale(authority, today + days * dayMs)).toBe(stale)
})

test.each([
  ['gw.example.org', true],
  ['192.0.2.1', true],
  ['alice@example.org', true],
  ['', false],
  ['-x', false],
  ['.hidden', false],
  ['a/b', false],
  ['ca', false],
  ['CRL', false],
  ['issued', false],
  ['müller', false],
])('the name %j fits a file: %s', (name, fits) => expect(nameFault(name) === undefined).toBe(fits))
