// Runs every machine of a gateway: feeds inputs one at a time, executes effects in order, keeps the deadlines of all in one heap.
// A walk: an input is queued (`send`); the queue is emptied front to back; each machine's effects are executed before the next input is
// handled, and what they cause is queued behind; then the one timer is set to the earliest deadline. A machine that throws is our bug: it is
// reported with its name, its owner drops the one peer or call concerned, and everything else goes on.
import type { Clock, Timers } from '../platform/clock.ts'
import { Deadlines } from '../wire/deadlines.ts'
import type { Instant, Machine, Random } from '../wire/machine.ts'

/** One machine and what becomes of its effects. */
export type Unit<Input, Effect> = {
  /** For the log, where the machine turns out to have a bug: `ppp call 17`. */
  readonly name: string
  readonly machine: Machine<Input, Effect>
  /** The input that a due deadline stands for. */
  readonly tick: Input
  execute(effect: Effect): void
  /** It took an input, and its effects are executed. */
  handled?(input: Input): void
  /** Handling `input`, or executing what came of it, threw: drop only what it was about. */
  broken(input: Input): void
}

/** A machine's place at the driver. */
export interface Seat<Input> {
  send(input: Input): void
  /** No input, deadline or result reaches the machine any more, but `last`, which still takes its turn. */
  leave(last?: Input): void
}

export type DriverPlatform = { readonly clock: Clock; readonly timers: Timers; readonly random: Random }

/** A bug of ours, caught: which machine, what it was handling, what it threw. */
export type Bug = { readonly machine: string; readonly input: string; readonly error: unknown }

/** `leaving`: takes nothing but what is queued already. */
type Taken = { readonly unit: Unit<unknown, unknown>; faults: number; left: boolean; leaving: boolean }

/** A machine that throws on its tick is asked again after 1 s, 2 s, … 64 s, not at once for ever. */
const faultPause = 1000
const faultDoublings = 6

export class Driver {
  readonly #platform: DriverPlatform
  readonly #onBug: (bug: Bug) => void
  readonly #settled: () => void
  readonly #deadlines = new Deadlines<Taken>()
  #queue: { taken: Taken; input: unknown; last: boolean }[] = []
  #draining = false
  #closed = false
  #timer: { readonly at: Instant; readonly cancel: () => void } | undefined

  /** `settled`: the queue is empty, whatever was in it. */
  constructor(platform: DriverPlatform, onBug: (bug: Bug) => void, settled: () => void = () => {}) {
    this.#platform = platform
    this.#onBug = onBug
    this.#settled = settled
  }

  /** Machines are at work: what is done now is part of a turn that ends with `settled`. */
  get busy(): boolean {
    return this.#draining
  }

  /** How many machines have a deadline. */
  get waiting(): number {
    return this.#deadlines.size
  }

  seat<Input, Effect>(unit: Unit<Input, Effect>): Seat<Input> {
    const taken: Taken = { unit: unit as Unit<unknown, unknown>, faults: 0, left: false, leaving: false }
    this.#follow(taken, this.#platform.clock.now())
    this.#arm()
    return {
      send: (input) => {
        if (taken.left || taken.leaving || this.#closed) return
        this.#queue.push({ taken, input, last: false })
        this.#drain()
      },
      leave: (last) => {
        if (taken.left || taken.leaving) return
        if (last === undefined || this.#closed) return this.#leave(taken)
        taken.leaving = true
        this.#queue.push({ taken, input: last, last: true })
        this.#drain()
      },
    }
  }

  /** Several inputs as one: the queue is emptied and the timer set only once. */
  batch(run: () => void): void {
    if (this.#draining) {
      run()
      return
    }
    this.#draining = true
    try {
      run()
    } finally {
      this.#draining = false
      this.#drain()
    }
  }

  /** Slow work: its outcome comes back as an input, or what `failed` makes of its Error; to a seat that was left it comes to nothing. */
  job<Input, Result>(
    seat: Seat<Input>,
    work: () => Promise<Result>,
    back: (result: Result) => Input,
    failed: (error: unknown) => Input,
  ): void {
    // `then` with both: an exception from `send` itself must not count as the job's.
    Promise.resolve()
      .then(work)
      .then(back, failed)
      .then((input) => seat.send(input))
  }

  /** Runs what is no machine's: an exception is reported as a bug of `name` and goes no further. */
  guard(name: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#onBug({ machine: name, input: '', error })
    }
  }

  close(): void {
    this.#closed = true
    this.#queue = []
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #drain(): void {
    if (this.#draining) return
    this.#draining = true
    for (let i = 0; i < this.#queue.length; i++) {
      const { taken, input, last } = this.#queue[i]!
      if (!taken.left) this.#handle(taken, input)
      if (last) this.#leave(taken)
    }
    this.#queue = []
    this.#draining = false
    this.guard('driver', this.#settled)
    this.#arm()
  }

  #leave(taken: Taken): void {
    taken.left = true
    this.#deadlines.set(taken, undefined)
  }

  #handle(taken: Taken, input: unknown): void {
    const { clock, random } = this.#platform
    const now = clock.now()
    try {
      for (const effect of taken.unit.machine.handle(input, { now, random })) {
        taken.unit.execute(effect)
      }
      taken.unit.handled?.(input)
      taken.faults = 0
    } catch (error) {
      taken.faults++
      this.#fault(taken, input, error)
    }
    this.#follow(taken, now, input === taken.unit.tick)
  }

  #fault(taken: Taken, input: unknown, error: unknown): void {
    this.#onBug({ machine: taken.unit.name, input: nameOf(input), error })
    try {
      taken.unit.broken(input)
    } catch (again) {
      this.#onBug({ machine: taken.unit.name, input: `broken(${nameOf(input)})`, error: again })
    }
  }

  /** Puts the machine's deadline into the heap. After a tick it lies at least 1 ms ahead, so that no machine holds the loop. */
  #follow(taken: Taken, now: Instant, ticked = false): void {
    if (taken.left) return
    const deadline = taken.unit.machine.deadline
    const pause = taken.faults > 0 ? faultPause * 2 ** Math.min(taken.faults - 1, faultDoublings) : ticked ? 1 : 0
    this.#deadlines.set(taken, deadline === undefined ? undefined : Math.max(deadline, now + pause))
  }

  #arm(): void {
    const next = this.#closed ? undefined : this.#deadlines.next
    if (next === this.#timer?.at) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (next === undefined) return
    const cancel = this.#platform.timers.after(Math.max(next - this.#platform.clock.now(), 0), () => this.#wake())
    this.#timer = { at: next, cancel }
  }

  #wake(): void {
    this.#timer = undefined
    const now = this.#platform.clock.now()
    this.batch(() => {
      for (let taken = this.#deadlines.due(now); taken; taken = this.#deadlines.due(now)) {
        this.#queue.push({ taken, input: taken.unit.tick, last: false })
      }
    })
    this.#arm()
  }
}

/** The kind of an input, without its contents: they may be secret. */
function nameOf(input: unknown): string {
  return typeof input === 'object' && input !== null && 'on' in input ? String(input.on) : typeof input
}
