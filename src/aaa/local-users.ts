// The users of the configuration as verifier: an attempt in, a verdict out, and how long the answer has to wait.
//
// A peer learns nothing but "wrong" until its password is right: unknown users cost the same work as known ones, and that an account is
// disabled, expired or out of its hours is said only to who knows the password. The operator reads which it was in `why`.

import type { AuthAttempt, AuthVerdict } from '../auth/contract.ts'
import {
  authenticatorResponse,
  challengeResponse,
  ntPasswordHash,
  ntResponseV2,
  withoutDomain,
} from '../auth/mschap-crypto.ts'
import { sameSecret } from '../crypto/constant-time.ts'
import { hash } from '../crypto/hash.ts'
import { printable } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import { Secret } from '../wire/secret.ts'
import { Guesses, type GuessesRecord } from './guesses.ts'
import { minutesAllowed, type User } from './user.ts'

/** What surrounds an attempt. `source`: where it comes from, the peer's outer address. */
export type AttemptedAt = {
  readonly now: Instant
  /** Undefined: the clock isn't known yet. */
  readonly minuteOfWeek: number | undefined
  readonly source: string
}

/** `delayMs`: the answer is to be held back so long, right or wrong. */
export type Judged = { readonly verdict: AuthVerdict; readonly delayMs: number }

type Check =
  | { readonly is: 'right'; readonly authenticatorResponse: Uint8Array | undefined }
  | { readonly is: 'wrong' }
  | { readonly is: 'impossible'; readonly why: string }

/** Stands in for users that don't exist, so that they cost the same work. Nothing logs in with it. */
const NOBODY: User = {
  name: '',
  password: new Secret('nobody'),
  ntHash: undefined,
  enabled: false,
  passwordExpired: false,
  hours: [],
}

export class LocalUsers {
  readonly #guesses = new Guesses()
  #changed = false
  #users: ReadonlyMap<string, User>
  /** Names as they stand in the configuration, by their lower-case form: looked up, so that an unknown user is answered as soon as a known one. */
  #spellings: ReadonlyMap<string, string>

  constructor(users: readonly User[]) {
    this.#users = byName(users)
    this.#spellings = bySpelling(users)
  }

  /** Another configuration; what is known of guesses stays. */
  change(users: readonly User[]): void {
    this.#users = byName(users)
    this.#spellings = bySpelling(users)
  }

  /** What is known of guesses, as plain data, if that changed since the last call. */
  changed(): GuessesRecord | undefined {
    if (!this.#changed) return undefined
    this.#changed = false
    return this.#guesses.record()
  }

  restore(record: GuessesRecord): void {
    this.#guesses.restore(record)
  }

  /** Counters of guesses that are kept. */
  get remembered(): number {
    return this.#guesses.size
  }

  verify(attempt: AuthAttempt, at: AttemptedAt): Judged {
    const user = this.#find(attempt.user)
    const name = user?.name ?? attempt.user.slice(0, 128)
    const delayMs = this.#guesses.admit(name, at.source, at.now)
    if (delayMs === undefined) {
      const why = `too many wrong passwords lately for "${printable(name)}" or from ${at.source}: this attempt was not looked at; it takes some seconds of quiet`
      return { verdict: refused(691, why), delayMs: 0 }
    }
    const check = checked(user ?? NOBODY, attempt)
    const verdict = user ? judged(user, attempt, check, at.minuteOfWeek) : this.#unknown(attempt)
    this.#changed = true
    if (user && check.is === 'right') this.#guesses.succeeded(name, at.source)
    else if (check.is === 'wrong' || !user) this.#guesses.failed(name, at.source, at.now, delayMs)
    return { verdict, delayMs }
  }

  /** As sent, else without a Windows domain before it. */
  #find(sent: string): User | undefined {
    return this.#users.get(sent) ?? this.#users.get(sent.slice(sent.lastIndexOf('\\') + 1))
  }

  #unknown({ user }: AuthAttempt): AuthVerdict {
    const plain = user.slice(user.lastIndexOf('\\') + 1).toLowerCase()
    const near = this.#spellings.get(plain)
    const hint = near === undefined ? '' : ` (there is "${near}": capitals count)`
    return refused(691, `there is no user "${printable(user)}"${hint}`, true)
  }
}

function byName(users: readonly User[]): ReadonlyMap<string, User> {
  return new Map(users.map((user) => [user.name, user]))
}

function bySpelling(users: readonly User[]): ReadonlyMap<string, string> {
  return new Map(users.map(({ name }) => [name.toLowerCase(), name]))
}

function refused(error: 646 | 647 | 648 | 691, why: string, retry = false): AuthVerdict {
  return { is: 'refused', error, retry, why }
}

function judged(user: User, attempt: AuthAttempt, check: Check, minute: number | undefined): AuthVerdict {
  if (check.is === 'impossible') return refused(691, check.why)
  if (check.is === 'wrong') return refused(691, `the password of "${user.name}" is wrong`, true)
  if (!user.enabled) return refused(647, `the user "${user.name}" is disabled`)
  if (user.passwordExpired)
    return refused(648, `the password of "${user.name}" has expired: set a new one in the configuration`)
  if (minute === undefined && user.hours.length > 0) {
    const why = `"${user.name}" has hours, and the clock is not set yet (NTP): at most five minutes after the start it is judged as it is`
    return refused(646, why)
  }
  if (minute !== undefined && minutesAllowed(user.hours, minute) === 0)
    return refused(646, `"${user.name}" may not log in at this time: see its hours`)
  const { authenticatorResponse } = check
  return {
    is: 'accepted',
    user: user.name,
    authenticatorResponse: attempt.kind === 'mschapv2' ? authenticatorResponse : undefined,
  }
}

function checked(user: User, attempt: AuthAttempt): Check {
  switch (attempt.kind) {
    case 'pap':
      return outcome(samePassword(user, attempt.password))
    case 'chap': {
      if (!user.password) {
        const why = `"${user.name}" has only an NT hash, from which CHAP-MD5 can't be checked: give it a password, or let the client use MS-CHAPv2`
        return { is: 'impossible', why }
      }
      const { identifier, challenge, response } = attempt
      return outcome(sameSecret(hash('md5', Uint8Array.of(identifier), user.password.reveal(), challenge), response))
    }
    case 'mschap':
      return outcome(sameSecret(challengeResponse(attempt.challenge, ntHashOf(user)), attempt.ntResponse))
    case 'mschapv2':
      return checkedV2(user, attempt)
  }
}

function outcome(right: boolean): Check {
  return right ? { is: 'right', authenticatorResponse: undefined } : { is: 'wrong' }
}

/** RFC 2759 §8.2 hashes the name without its domain; some clients hash it as they send it. */
function checkedV2(user: User, attempt: AuthAttempt & { kind: 'mschapv2' }): Check {
  const passwordHash = ntHashOf(user)
  const plain = withoutDomain(attempt.userOctets)
  const names = plain.length === attempt.userOctets.length ? [plain] : [plain, attempt.userOctets]
  for (const name of names) {
    const exchange = { ...attempt, user: name }
    if (!sameSecret(ntResponseV2(exchange, passwordHash), attempt.ntResponse)) continue
    return { is: 'right', authenticatorResponse: authenticatorResponse(exchange, attempt.ntResponse, passwordHash) }
  }
  return { is: 'wrong' }
}

function ntHashOf({ password, ntHash }: User): Uint8Array {
  return password ? ntPasswordHash(password.revealText()) : (ntHash?.reveal() ?? new Uint8Array(16))
}

/** Hashes are compared, so that the time doesn't tell the length. */
function samePassword(user: User, sent: Secret): boolean {
  if (user.password) return sameSecret(hash('sha256', user.password.reveal()), hash('sha256', sent.reveal()))
  return sameSecret(ntHashOf(user), ntPasswordHash(sent.revealText()))
}
