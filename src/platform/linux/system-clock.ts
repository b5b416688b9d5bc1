// The machine's own clock, timers and randomness.
import { randomFillSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import process from 'node:process'
import type { Random } from '../../wire/machine.ts'
import type { Clock, Timers } from '../clock.ts'

/** systemd-timesyncd makes it when it has set the clock for the first time; adjtimex(2) would say it too, but a sandboxed daemon may not call it. */
const synchronisedFile = '/run/systemd/timesync/synchronized'

export const systemClock: Clock = {
  // CLOCK_MONOTONIC: its origin is the boot, not this process, so that what a former process wrote down still means the same.
  now: () => {
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + Math.floor(nanoseconds / 1e6)
  },
  date: () => new Date(),
  synchronised: () => existsSync(synchronisedFile),
}

/** Node's timers wrap above 2^31 ms and then fire at once. */
const longest = 2 ** 31 - 1

/** They keep no process alive: the fast path does, until it is closed. */
export const systemTimers: Timers = {
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(Math.ceil(ms), 0), longest)).unref()
    return () => clearTimeout(timer)
  },
}

/** Drawn at once, since each call costs 5 µs however little it is asked for. What was given out is wiped here. */
const drawn = new Uint8Array(4096)
let left = 0

export const systemRandom: Random = {
  octets(length) {
    if (length > drawn.length) return randomFillSync(new Uint8Array(length))
    if (length > left) {
      randomFillSync(drawn)
      left = drawn.length
    }
    const octets = drawn.slice(left - length, left)
    drawn.fill(0, left - length, left)
    left -= length
    return octets
  },
}
