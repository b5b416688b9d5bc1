// CONTRACT. Time as the outside gives it: the gateway takes these two interfaces, so that its tests run in virtual time.
import type { Instant } from '../wire/machine.ts'

export interface Clock {
  /** Milliseconds that never go back. */
  now(): Instant
  /** The wall clock, for logs and status only. */
  date(): Date
  /** Whether NTP has set the wall clock since the boot; absent where nobody can tell. */
  synchronised?(): boolean
}

export interface Timers {
  /** Runs once, `ms` milliseconds from now at the earliest; the returned function calls it off. */
  after(ms: number, run: () => void): () => void
}
