// Who waits equally long: one timer for all of them, since each that comes is due after those that are there. Ten thousand peers need no timers of their own.
import type { Clock, Timers } from '../platform/clock.ts'
import type { Instant } from '../wire/machine.ts'

export class Waiting<Key> {
  readonly #platform: { readonly clock: Clock; readonly timers: Timers }
  readonly #ms: number
  readonly #due: (key: Key) => void
  /** The soonest first. */
  readonly #keys = new Map<Key, Instant>()
  #armed = false

  /** `due` is called once for each key that has waited `ms`. */
  constructor(platform: { readonly clock: Clock; readonly timers: Timers }, ms: number, due: (key: Key) => void) {
    this.#platform = platform
    this.#ms = ms
    this.#due = due
  }

  /** Its time begins now, also if it waits already. */
  add(key: Key): void {
    this.#keys.delete(key)
    this.#keys.set(key, this.#platform.clock.now() + this.#ms)
    this.#arm()
  }

  drop(key: Key): void {
    this.#keys.delete(key)
  }

  /** The timer is left alone when keys go: it looks who is due, and waits again for who is not. */
  #arm(): void {
    const [first] = this.#keys.values()
    if (first === undefined || this.#armed) return
    this.#armed = true
    this.#platform.timers.after(Math.max(0, first - this.#platform.clock.now()), () => this.#wake())
  }

  #wake(): void {
    this.#armed = false
    const now = this.#platform.clock.now()
    for (const [key, at] of this.#keys) {
      if (at > now) break
      this.#keys.delete(key)
      this.#due(key)
    }
    this.#arm()
  }
}
