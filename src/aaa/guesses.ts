// Guessing passwords is slowed down, by user and by source, and nobody is locked out: each wrong guess makes the next answer wait longer, up to
// seconds, and the memory of it fades. Somebody who has logged in from his source before is counted for himself: what others try
// with his name from elsewhere, or with other names from his office, doesn't delay him.
import type { Instant } from '../wire/machine.ts'

/** Ours, all of them. Wrong guesses that cost nothing: people mistype. */
const FREE = 3
const FIRST_STEP_MS = 1_000
const MOST_STEP_MS = 8_000
/** An attempt that would wait longer is not judged at all. */
const MOST_WAIT_MS = 15_000
/** Half of the wrong guesses are forgotten in this time. */
const HALVED_MS = 600_000
/** Counters, and pairs of user and source that have logged in; the ones not used for longest are forgotten. */
const MOST_ENTRIES = 8_192

type Entry = { readonly failures: number; readonly at: Instant; readonly free: Instant }

export type GuessesRecord = { readonly entries: ReadonlyMap<string, Entry>; readonly known: ReadonlySet<string> }

export class Guesses {
  readonly #entries: Map<string, Entry> = new Map()
  readonly #known: Set<string> = new Set()

  /** Milliseconds that the answer to an attempt has to wait, whatever it will be; undefined where too many wait already. */
  admit(user: string, source: string, now: Instant): number | undefined {
    const keys = this.#keys(user, source)
    const wait = Math.max(0, ...keys.map((key) => this.#entry(key, now).free - now))
    return wait > MOST_WAIT_MS ? undefined : wait
  }

  /** `wait` is what `admit` gave: the next answer comes a step after this one. */
  failed(user: string, source: string, now: Instant, wait: number): void {
    for (const key of this.#keys(user, source)) {
      const entry = this.#entry(key, now)
      const failures = entry.failures + 1
      this.#put(key, { failures, at: entry.failures === 0 ? now : entry.at, free: now + wait + step(failures) })
    }
  }

  succeeded(user: string, source: string): void {
    const pair = pairOf(user, source)
    this.#known.delete(pair)
    this.#known.add(pair)
    this.#entries.delete(pair)
    if (this.#known.size > MOST_ENTRIES) this.#known.delete(this.#known.values().next().value!)
  }

  /** Plain data, and the way back. */
  record(): GuessesRecord {
    return { entries: this.#entries, known: this.#known }
  }

  restore({ entries, known }: GuessesRecord): void {
    for (const [key, entry] of entries) this.#entries.set(key, entry)
    for (const pair of known) this.#known.add(pair)
  }

  get size(): number {
    return this.#entries.size
  }

  #keys(user: string, source: string): readonly string[] {
    const pair = pairOf(user, source)
    return this.#known.has(pair) ? [pair] : [`user ${user}`, `source ${source}`]
  }

  #entry(key: string, now: Instant): Entry {
    const entry = this.#entries.get(key)
    if (!entry) return { failures: 0, at: now, free: now }
    const halvings = Math.floor((now - entry.at) / HALVED_MS)
    if (halvings === 0) return entry
    return {
      failures: Math.floor(entry.failures / 2 ** halvings),
      at: entry.at + halvings * HALVED_MS,
      free: entry.free,
    }
  }

  #put(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    if (this.#entries.size > MOST_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!)
  }
}

function pairOf(user: string, source: string): string {
  return `pair ${source} ${user}`
}

function step(failures: number): number {
  return failures < FREE ? 0 : Math.min(MOST_STEP_MS, FIRST_STEP_MS * 2 ** Math.min(failures - FREE, 10))
}
