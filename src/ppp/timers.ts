// A handful of named deadlines.
import { earlier, type Instant } from '../wire/machine.ts'

export class Timers<Name extends string> {
  readonly #due: Map<Name, Instant> = new Map()

  get deadline(): Instant | undefined {
    let first: Instant | undefined
    for (const at of this.#due.values()) first = earlier(first, at)
    return first
  }

  set(name: Name, at: Instant): void {
    this.#due.set(name, at)
  }

  has(name: Name): boolean {
    return this.#due.has(name)
  }

  clear(...names: Name[]): void {
    for (const name of names) this.#due.delete(name)
  }

  clearAll(): void {
    this.#due.clear()
  }

  /** Plain data, and the way back. */
  record(): ReadonlyMap<Name, Instant> {
    return this.#due
  }

  restore(record: ReadonlyMap<Name, Instant>): void {
    for (const [name, at] of record) this.#due.set(name, at)
  }

  /** Takes out one that is due, or undefined. */
  take(now: Instant): Name | undefined {
    for (const [name, at] of this.#due) {
      if (at > now) continue
      this.#due.delete(name)
      return name
    }
    return undefined
  }
}
