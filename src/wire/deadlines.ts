// One indexed heap of deadlines: finding the next, moving and dropping one all cost O(log n), so that ten thousand timers are cheap.
import type { Instant } from './machine.ts'

export class Deadlines<Key> {
  readonly #heap: { key: Key; at: Instant }[] = []
  readonly #index = new Map<Key, number>()

  /** The earliest deadline, or undefined. */
  get next(): Instant | undefined {
    return this.#heap[0]?.at
  }

  /** The deadline of `key`, or undefined. */
  at(key: Key): Instant | undefined {
    const i = this.#index.get(key)
    return i === undefined ? undefined : this.#heap[i]!.at
  }

  get size(): number {
    return this.#heap.length
  }

  /** Sets, moves or (with undefined) drops the deadline of `key`. */
  set(key: Key, at: Instant | undefined): void {
    const i = this.#index.get(key)
    if (at === undefined) {
      if (i !== undefined) this.#drop(i)
    } else if (i === undefined) {
      this.#heap.push({ key, at })
      this.#index.set(key, this.#heap.length - 1)
      this.#up(this.#heap.length - 1)
    } else if (this.#heap[i]!.at !== at) {
      this.#heap[i]!.at = at
      this.#up(i)
      this.#down(this.#index.get(key)!)
    }
  }

  /** Takes out one key whose deadline is at or before `now`, the earliest first. */
  due(now: Instant): Key | undefined {
    const top = this.#heap[0]
    if (!top || top.at > now) return undefined
    this.#drop(0)
    return top.key
  }

  #drop(i: number): void {
    this.#index.delete(this.#heap[i]!.key)
    const last = this.#heap.pop()!
    if (i === this.#heap.length) return
    this.#heap[i] = last
    this.#index.set(last.key, i)
    this.#up(i)
    this.#down(this.#index.get(last.key)!)
  }

  #up(from: number): void {
    let i = from
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (this.#heap[parent]!.at <= this.#heap[i]!.at) return
      this.#swap(i, parent)
      i = parent
    }
  }

  #down(from: number): void {
    let i = from
    for (;;) {
      const left = 2 * i + 1
      const right = left + 1
      let least = i
      if (left < this.#heap.length && this.#heap[left]!.at < this.#heap[least]!.at) least = left
      if (right < this.#heap.length && this.#heap[right]!.at < this.#heap[least]!.at) least = right
      if (least === i) return
      this.#swap(i, least)
      i = least
    }
  }

  #swap(i: number, j: number): void {
    const a = this.#heap[i]!
    const b = this.#heap[j]!
    this.#heap[i] = b
    this.#heap[j] = a
    this.#index.set(a.key, j)
    this.#index.set(b.key, i)
  }
}
