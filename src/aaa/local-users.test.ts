import { describe, expect, test } from 'vitest'
import type { AuthAttempt } from '../auth/contract.ts'
import { authenticatorResponse, challengeResponse, ntPasswordHash, ntResponseV2 } from '../auth/mschap-crypto.ts'
import { hash } from '../crypto/hash.ts'
import { unhex } from '../wire/codec.ts'
import { Secret } from '../wire/secret.ts'
import { type AttemptedAt, LocalUsers } from './local-users.ts'
import { minuteOfWeek, minutesAllowed, type User } from './user.ts'

const text = (value: string) => new TextEncoder().encode(value)
const user = (name: string, more: Partial<User> = {}): User => ({
  name,
  password: new Secret('wonderland'),
  ntHash: undefined,
  enabled: true,
  passwordExpired: false,
  hours: [],
  ...more,
})
const MONDAY_9 = 9 * 60
const at = (more: Partial<AttemptedAt> = {}): AttemptedAt => ({
  now: 0,
  minuteOfWeek: MONDAY_9,
  source: '192.0.2.1',
  ...more,
})

const pap = (name: string, password = 'wonderland'): AuthAttempt => ({
  kind: 'pap',
  user: name,
  password: new Secret(password),
})
const challenge = unhex('000102030405060708090a0b0c0d0e0f')
const chap = (name: string, password = 'wonderland'): AuthAttempt => ({
  kind: 'chap',
  user: name,
  identifier: 7,
  challenge,
  response: hash('md5', unhex('07'), text(password), challenge),
})
const mschap = (name: string, password = 'wonderland'): AuthAttempt => ({
  kind: 'mschap',
  user: name,
  challenge: challenge.slice(0, 8),
  ntResponse: challengeResponse(challenge.slice(0, 8), ntPasswordHash(password)),
})
function mschapv2(name: string, password = 'wonderland', hashed = name.slice(name.lastIndexOf('\\') + 1)) {
  const exchange = { authenticatorChallenge: challenge, peerChallenge: challenge.toReversed(), user: text(hashed) }
  const ntResponse = ntResponseV2(exchange, ntPasswordHash(password))
  const attempt: AuthAttempt = { ...exchange, kind: 'mschapv2', user: name, userOctets: text(name), ntResponse }
  return { attempt, proof: authenticatorResponse(exchange, ntResponse, ntPasswordHash(password)) }
}

const accepted = (name: string, authenticatorResponse?: Uint8Array) => ({
  verdict: { is: 'accepted', user: name, authenticatorResponse },
  delayMs: 0,
})
const refused = (error: number, why: string, retry = false) => ({
  verdict: { is: 'refused', error, retry, why },
  delayMs: 0,
})

describe.each([
  ['a password', user('alice')],
  ['an NT hash', user('alice', { password: undefined, ntHash: new Secret(ntPasswordHash('wonderland')) })],
])('a user with %s', (_, alice) => {
  const users = () => new LocalUsers([user('bob', { password: new Secret('other') }), alice])

  test.each([
    ['PAP', pap],
    ['MS-CHAP', mschap],
  ])('logs in by %s', (_, attempt) => {
    expect(users().verify(attempt('alice'), at())).toEqual(accepted('alice'))
    expect(users().verify(attempt('alice', 'Wonderland'), at())).toEqual(
      refused(691, 'the password of "alice" is wrong', true),
    )
    expect(users().verify(attempt('bob'), at())).toEqual(refused(691, 'the password of "bob" is wrong', true))
  })

  test('logs in by MS-CHAPv2, with the proof that we know the password', () => {
    const { attempt, proof } = mschapv2('alice')
    expect(users().verify(attempt, at())).toEqual(accepted('alice', proof))
    expect(users().verify(mschapv2('alice', 'x').attempt, at())).toEqual(
      refused(691, 'the password of "alice" is wrong', true),
    )
  })

  test('RFC 2759 §8.2: the name counts without its domain, and as sent where a client does it so', () => {
    const right = mschapv2('CORP\\alice')
    expect(users().verify(right.attempt, at())).toEqual(accepted('alice', right.proof))
    const odd = mschapv2('CORP\\alice', 'wonderland', 'CORP\\alice')
    expect(users().verify(odd.attempt, at())).toEqual(accepted('alice', odd.proof))
  })
})

test('CHAP-MD5 needs the password itself', () => {
  const users = new LocalUsers([
    user('alice'),
    user('bob', { password: undefined, ntHash: new Secret(ntPasswordHash('wonderland')) }),
  ])
  expect(users.verify(chap('alice'), at())).toEqual(accepted('alice'))
  expect(users.verify(chap('alice', 'no'), at())).toEqual(refused(691, 'the password of "alice" is wrong', true))
  expect(users.verify(chap('bob'), at())).toEqual(
    refused(
      691,
      `"bob" has only an NT hash, from which CHAP-MD5 can't be checked: give it a password, or let the client use MS-CHAPv2`,
    ),
  )
})

test('an unknown user is told from a wrong password in the log only', () => {
  const users = new LocalUsers([user('alice')])
  for (const attempt of [pap('mallory'), chap('mallory'), mschap('mallory'), mschapv2('mallory').attempt])
    expect(new LocalUsers([user('alice')]).verify(attempt, at())).toEqual(
      refused(691, 'there is no user "mallory"', true),
    )
  expect(users.verify(pap('Alice'), at())).toEqual(
    refused(691, 'there is no user "Alice" (there is "alice": capitals count)', true),
  )
  expect(users.verify(pap('evil\x1b[2J'), at())).toEqual(refused(691, 'there is no user "evil\\x1b[2J"', true))
})

test('nobody logs in with the stand-in for unknown users', () => {
  const users = new LocalUsers([])
  for (const attempt of [pap('', 'nobody'), chap('', 'nobody'), mschap('', 'nobody'), mschapv2('', 'nobody').attempt])
    expect(users.verify(attempt, at({ source: attempt.kind })).verdict.is).toBe('refused')
})

describe('who knows the password is told what is wrong with the account', () => {
  const worktime = [{ from: 8 * 60, to: 17 * 60 }]
  const users = new LocalUsers([
    user('off', { enabled: false }),
    user('old', { passwordExpired: true }),
    user('day', { hours: worktime }),
  ])
  test.each([
    ['off', 647, 'the user "off" is disabled'],
    ['old', 648, 'the password of "old" has expired: set a new one in the configuration'],
    ['day', 646, '"day" may not log in at this time: see its hours'],
  ])('%s: %i', (name, error, why) => {
    const evening = { minuteOfWeek: 20 * 60 }
    expect(users.verify(pap(name), at(evening))).toEqual(refused(error, why))
    expect(users.verify(pap(name, 'wrong'), at(evening))).toEqual(
      refused(691, `the password of "${name}" is wrong`, true),
    )
  })
  test('inside the hours', () => expect(users.verify(pap('day'), at())).toEqual(accepted('day')))
  test('before the clock is set, only who has no hours gets in', () => {
    const unset = { minuteOfWeek: undefined }
    const why =
      '"day" has hours, and the clock is not set yet (NTP): at most five minutes after the start it is judged as it is'
    expect(users.verify(pap('day'), at(unset))).toEqual(refused(646, why))
    expect(new LocalUsers([user('alice')]).verify(pap('alice'), at(unset))).toEqual(accepted('alice'))
  })
})

test('another configuration', () => {
  const users = new LocalUsers([user('alice')])
  users.change([user('bob')])
  expect(users.verify(pap('bob'), at())).toEqual(accepted('bob'))
  expect(users.verify(pap('alice'), at()).verdict).toMatchObject({ why: 'there is no user "alice"' })
})

test.each([
  ['always', [], 0, undefined],
  ['inside', [{ from: 480, to: 1020 }], 500, 520],
  ['the first minute', [{ from: 480, to: 1020 }], 480, 540],
  ['past the last minute', [{ from: 480, to: 1020 }], 1020, 0],
  [
    'two spans that touch',
    [
      { from: 480, to: 720 },
      { from: 720, to: 1020 },
    ],
    500,
    520,
  ],
  [
    'over the end of the week',
    [
      { from: 10_000, to: 10_080 },
      { from: 0, to: 60 },
    ],
    10_070,
    70,
  ],
  ['a span that runs over it by itself', [{ from: 10_000, to: 60 }], 10_070, 70],
  ['the whole week', [{ from: 0, to: 10_080 }], 77, undefined],
] as const)('hours, %s', (_, hours, minute, left) => {
  expect(minutesAllowed(hours, minute)).toBe(left)
})

test('the week begins on Monday, local time', () => {
  expect(minuteOfWeek(new Date(2026, 10, 23, 0, 0))).toBe(0)
  expect(minuteOfWeek(new Date(2026, 10, 29, 23, 59))).toBe(7 * 1440 - 1)
})

describe('guessing is slowed', () => {
  /** Tries wrong passwords one after the other, each after the answer to the last; returns the delays. */
  function guess(users: LocalUsers, name: string, count: number, now = 0, source = '198.51.100.9'): number[] {
    let clock = now
    return Array.from({ length: count }, () => {
      const { delayMs } = users.verify(pap(name, 'wrong'), at({ now: clock, source }))
      clock += delayMs
      return delayMs
    })
  }

  test('after three wrong ones, each answer waits longer, up to eight seconds', () => {
    expect(guess(new LocalUsers([user('alice')]), 'alice', 9)).toEqual([0, 0, 0, 1000, 2000, 4000, 8000, 8000, 8000])
  })

  test('unknown names are slowed as known ones are', () => {
    expect(guess(new LocalUsers([user('alice')]), 'mallory', 6)).toEqual([0, 0, 0, 1000, 2000, 4000])
  })

  test('one source with many names, and one name from many sources', () => {
    const users = new LocalUsers([user('alice')])
    for (let i = 0; i < 5; i++) guess(users, `user${i}`, 1)
    expect(users.verify(pap('alice'), at({ source: '198.51.100.9' }))).toMatchObject({ delayMs: 7000 })
    const others = new LocalUsers([user('alice')])
    for (let i = 0; i < 5; i++) guess(others, 'alice', 1, 0, `198.51.100.${i}`)
    expect(others.verify(pap('alice'), at({ source: '203.0.113.1' }))).toMatchObject({ delayMs: 7000 })
  })

  test('all at once: what would wait too long is not looked at, and the right password is no exception', () => {
    const users = new LocalUsers([user('alice')])
    const delays = Array.from({ length: 8 }, () => users.verify(pap('alice', 'x'), at()).delayMs)
    expect(delays).toEqual([0, 0, 0, 1000, 3000, 7000, 15000, 0])
    expect(users.verify(pap('alice'), at())).toEqual(
      refused(
        691,
        'too many wrong passwords lately for "alice" or from 192.0.2.1: this attempt was not looked at; it takes some seconds of quiet',
      ),
    )
  })

  test('nobody is locked out: some seconds later the right password is taken', () => {
    const users = new LocalUsers([user('alice')])
    for (let i = 0; i < 1000; i++) users.verify(pap('alice', 'x'), at())
    const { verdict, delayMs } = users.verify(pap('alice'), at({ now: 30_000 }))
    expect(verdict.is).toBe('accepted')
    expect(delayMs).toBeLessThanOrEqual(15_000)
  })

  test('who has logged in from his source before is not delayed by others', () => {
    const users = new LocalUsers([user('alice')])
    users.verify(pap('alice'), at({ source: '203.0.113.1' }))
    guess(users, 'alice', 20)
    guess(users, 'bob', 20, 0, '203.0.113.1')
    expect(users.verify(pap('alice'), at({ source: '203.0.113.1' }))).toEqual(accepted('alice'))
  })

  test('but guesses at his name from his own source are', () => {
    const users = new LocalUsers([user('alice')])
    users.verify(pap('alice'), at({ source: '203.0.113.1' }))
    expect(guess(users, 'alice', 6, 0, '203.0.113.1')).toEqual([0, 0, 0, 1000, 2000, 4000])
  })

  test('the memory fades', () => {
    const users = new LocalUsers([user('alice')])
    guess(users, 'alice', 6)
    expect(guess(users, 'alice', 3, 3_600_000)).toEqual([0, 0, 0])
  })

  test('and is bounded', () => {
    const users = new LocalUsers([user('alice')])
    for (let i = 0; i < 20_000; i++) users.verify(pap(`name${i}`, 'x'), at({ source: `s${i}` }))
    expect(users.remembered).toBeLessThanOrEqual(8192)
  })
})
