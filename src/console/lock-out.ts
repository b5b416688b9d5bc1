// What failed log-ins cost: after three each next try waits, twice as long every time, never more than a minute. Nobody is ever locked out for good:
// who has the cable waits that minute. A pure value; times are milliseconds of the monotonic clock, since the other may jump.

export type LockOut = {
  /** Wrong passwords since the last right one. */
  readonly failures: number
  /** Monotonic milliseconds: no try before this. */
  readonly until: number
}

export const noFailures: LockOut = { failures: 0, until: 0 }

/** Wrong passwords that cost nothing: people mistype. */
const free = 3
const firstMs = 1000
export const mostMs = 60_000

export function failed({ failures }: LockOut, now: number): LockOut {
  const count = failures + 1
  const wait = count < free ? 0 : Math.min(firstMs * 2 ** Math.min(count - free, 16), mostMs)
  return { failures: count, until: now + wait }
}

/** Milliseconds until the next try. */
export function waitMs({ until }: LockOut, now: number): number {
  return Math.min(Math.max(until - now, 0), mostMs)
}

/** From its file in the state folder; what can't be read, or is of another boot (whose clock began anew), waits at most once more. */
export function readLockOut(text: string | undefined, bootId: string, now: number): LockOut {
  if (text === undefined) return noFailures
  try {
    const { failures, until, boot } = JSON.parse(text) as Record<string, unknown>
    if (typeof failures !== 'number' || !Number.isSafeInteger(failures) || failures < 0) return noFailures
    if (typeof until !== 'number' || !Number.isFinite(until)) return noFailures
    return { failures, until: boot === bootId ? Math.min(until, now + mostMs) : now }
  } catch {
    return noFailures
  }
}

export function showLockOut(lockOut: LockOut, bootId: string): string {
  return JSON.stringify({ ...lockOut, boot: bootId })
}
