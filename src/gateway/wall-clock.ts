// The time of day, as far as it can be believed: a board without a battery starts in the past, so hours are judged only when NTP has set the clock.
// Where that doesn't happen within a bounded wait, the clock is taken as it is, and the log says so: a provider's outage must not lock users out.
import { minuteOfWeek } from '../aaa/user.ts'
import type { Clock } from '../platform/clock.ts'
import type { Instant } from '../wire/machine.ts'
import type { EventLog } from './event-log.ts'

/** Until the clock is taken as it is: NTP answers within seconds where there is a network, and a line may take minutes to come up. */
export const longestWaitMs = 5 * 60_000

export class WallClock {
  readonly #clock: Clock
  readonly #events: EventLog
  readonly #since: Instant
  /** Once believed, for ever: a server that goes away later doesn't make the clock wrong. */
  #believed = false

  constructor(clock: Clock, events: EventLog) {
    this.#clock = clock
    this.#events = events
    this.#since = clock.now()
  }

  /** The minute of the week by local time; undefined: the clock isn't known yet. `fromNetwork`: NTP is to set it. */
  minuteOfWeek(fromNetwork: boolean): number | undefined {
    if (fromNetwork && !this.#believed) this.#believed = this.#judge()
    return fromNetwork && !this.#believed ? undefined : minuteOfWeek(this.#clock.date())
  }

  #judge(): boolean {
    if (this.#clock.synchronised?.() ?? true) return true
    if (this.#clock.now() - this.#since < longestWaitMs) return false
    this.#events.emit({ event: 'clock.unsynchronised', minutes: longestWaitMs / 60_000 })
    return true
  }
}
