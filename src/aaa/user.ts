// A user as the verifier sees one: a plain value, of which a configuration's entry is a larger kind.
import type { Secret } from '../wire/secret.ts'

/** Minutes from Monday 00:00 of the gateway's local time; `from` belongs to it, `to` doesn't. 7 × 1,440 make the week. */
export type WeekSpan = { readonly from: number; readonly to: number }

export type User = {
  readonly name: string
  readonly password: Secret | undefined
  /** 16 octets: MD4 of the UTF-16LE password (RFC 2433 §A.2): serves MS-CHAP and PAP, not CHAP-MD5. Used where there is no password. */
  readonly ntHash: Secret | undefined
  readonly enabled: boolean
  readonly passwordExpired: boolean
  /** Empty: at any time. */
  readonly hours: readonly WeekSpan[]
}

const WEEK = 7 * 24 * 60

/** Minutes from Monday 00:00 of the date's local time. */
export function minuteOfWeek(date: Date): number {
  return ((date.getDay() + 6) % 7) * 1440 + date.getHours() * 60 + date.getMinutes()
}

/** Minutes for which the hours still allow a session that is there at this minute: 0 where they don't; undefined where they never end it. */
export function minutesAllowed(hours: readonly WeekSpan[], minute: number): number | undefined {
  if (hours.length === 0) return undefined
  let end = minute
  for (let joined = true; joined && end - minute < WEEK; ) {
    const span = hours.find(({ from, to }) => contains(from, to, end % WEEK))
    joined = span !== undefined
    if (span) end += (span.to - (end % WEEK) + WEEK) % WEEK || WEEK
  }
  return end - minute >= WEEK ? undefined : end - minute
}

/** A span may run over the end of the week. */
function contains(from: number, to: number, minute: number): boolean {
  return from < to ? minute >= from && minute < to : minute >= from || minute < to
}
