// Time that stands still until a test moves it: the clock and the timers of every machine in a scenario.
import type { Clock, Timers } from '../../src/platform/clock.ts'

type Timer = { readonly at: number; readonly order: number; readonly run: () => void; off: boolean; done: boolean }

export class VirtualTime implements Clock, Timers {
  #now = 0
  #order = 0
  #heap: Timer[] = []
  #off = 0
  /** The wall clock at moment 0. */
  readonly epoch: Date

  readonly #settle: () => Promise<void>

  /** `settled` lets the promises between two timers finish; a fixed number of turns unless said. */
  constructor(epoch = new Date('2026-01-01T00:00:00Z'), settled = settle) {
    this.epoch = epoch
    this.#settle = settled
  }

  now(): number {
    return this.#now
  }

  date(): Date {
    return new Date(this.epoch.getTime() + this.#now)
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#heap.length - this.#off
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, run, off: false, done: false }
    this.#push(timer)
    return () => {
      if (timer.off || timer.done) return
      timer.off = true
      this.#off++
    }
  }

  /** Moves `ms` ahead, running what falls due in order; promises settle after each. */
  async advance(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** Moves ahead until `done` says so, at most `ms`; tells whether it did. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    const end = this.#now + ms
    await this.#settle()
    while (!done()) {
      const next = this.#heap[0]
      if (!next || next.at > end) {
        this.#now = end
        return done()
      }
      this.#pop()
      next.done = true
      if (next.off) {
        this.#off--
        continue
      }
      this.#now = Math.max(this.#now, next.at)
      next.run()
      await this.#settle()
    }
    return true
  }

  #push(timer: Timer): void {
    const heap = this.#heap
    heap.push(timer)
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!before(heap[i]!, heap[parent]!)) break
      ;[heap[i], heap[parent]] = [heap[parent]!, heap[i]!]
      i = parent
    }
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    heap[0] = last
    for (let i = 0; ; ) {
      const left = 2 * i + 1
      let least = i
      if (left < heap.length && before(heap[left]!, heap[least]!)) least = left
      if (left + 1 < heap.length && before(heap[left + 1]!, heap[least]!)) least = left + 1
      if (least === i) return
      ;[heap[i], heap[least]] = [heap[least]!, heap[i]!]
      i = least
    }
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}

/** Lets promise chains of the cores' jobs finish: a fixed number of turns, so that runs repeat exactly. */
async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await undefined
}
