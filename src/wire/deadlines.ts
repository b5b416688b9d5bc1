// One indexed heap of deadlines: finding the next, moving and dropping one all cost O(log n), so that ten thousand timers are cheap.
import type { Instant } from './machine.ts'

/** Knows its own place, so that moving it in the heap is an assignment and no look-up. */
type Entry<Key> = { readonly key: Key; at: Instant; place: number }

export class Deadlines<Key> {
  readonly #heap: Entry<Key>[] = []
  readonly #entries = new Map<Key, Entry<Key>>()

  /** The earliest deadline, or undefined. */
  get next(): Instant | undefined {
    return this.#heap[0]?.at
  }

  /** The deadline of `key`, or undefined. */
  at(key: Key): Instant | undefined {
    return this.#entries.get(key)?.at
  }

  get size(): number {
    return this.#heap.length
  }

  /** Sets, moves or (with undefined) drops the deadline of `key`. */
  set(key: Key, at: Instant | undefined): void {
    const entry = this.#entries.get(key)
    if (at === undefined) {
      if (entry) this.#drop(entry)
    } else if (!entry) {
      const added = { key, at, place: this.#heap.length }
      this.#entries.set(key, added)
      this.#heap.push(added)
      this.#up(added)
    } else if (entry.at !== at) {
      const sooner = at < entry.at
      entry.at = at
      if (sooner) this.#up(entry)
      else this.#down(entry)
    }
  }

  /** Takes out one key whose deadline is at or before `now`, the earliest first. */
  due(now: Instant): Key | undefined {
    const top = this.#heap[0]
    if (!top || top.at > now) return undefined
    this.#drop(top)
    return top.key
  }

  #drop(entry: Entry<Key>): void {
    this.#entries.delete(entry.key)
    const last = this.#heap.pop()!
    if (last === entry) return
    this.#put(last, entry.place)
    this.#up(last)
    this.#down(last)
  }

  #up(entry: Entry<Key>): void {
    while (entry.place > 0) {
      const parent = this.#heap[(entry.place - 1) >> 1]!
      if (parent.at <= entry.at) return
      this.#exchange(entry, parent)
    }
  }

  #down(entry: Entry<Key>): void {
    for (;;) {
      const left = this.#heap[2 * entry.place + 1]
      const right = this.#heap[2 * entry.place + 2]
      const sooner = right && right.at < left!.at ? right : left
      if (!sooner || sooner.at >= entry.at) return
      this.#exchange(entry, sooner)
    }
  }

  #exchange(a: Entry<Key>, b: Entry<Key>): void {
    const place = a.place
    this.#put(a, b.place)
    this.#put(b, place)
  }

  #put(entry: Entry<Key>, place: number): void {
    entry.place = place
    this.#heap[place] = entry
  }
}
