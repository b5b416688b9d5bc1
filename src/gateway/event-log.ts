// Takes every event: counts it, makes it a record, folds what one source repeats into one line with a count, and hands it to the log and to subscribers.
import type { Clock, Timers } from '../platform/clock.ts'
import type { Log, LogRecord } from '../platform/log.ts'
import type { GatewayEvent, Origin } from './events.ts'
import { facts, render, sourceOf } from './sentences.ts'

export type Occurrence = { readonly event: GatewayEvent; readonly origin: Origin; readonly record: LogRecord }

/** Our own: a repeated event is written once in so long a time, with the count. */
const foldMs = 20_000
/** Our own: sources folded at once; beyond it, events of all further sources are folded together, so that a forger can't fill the memory. */
const mostFolds = 1024
/** Our own: so many different reasons of one source are written apart within `foldMs`. */
const mostReasons = 8

type Fold = { count: number; last: LogRecord; cancel: () => void; readonly source: string }

export class EventLog {
  readonly #clock: Clock
  readonly #timers: Timers
  readonly #log: Log
  readonly #folds = new Map<string, Fold>()
  readonly #reasons = new Map<string, number>()
  readonly #counts = new Map<string, number>()
  readonly #subscribers = new Set<(occurrence: Occurrence) => void>()

  constructor(platform: { readonly clock: Clock; readonly timers: Timers }, log: Log) {
    this.#clock = platform.clock
    this.#timers = platform.timers
    this.#log = log
  }

  emit(event: GatewayEvent, origin: Origin = {}): void {
    this.#counts.set(event.event, (this.#counts.get(event.event) ?? 0) + 1)
    const record = new Occurred(this.#clock.date(), event, origin)
    for (const subscriber of this.#subscribers) subscriber({ event, origin, record })
    if (folds(event, record)) this.#fold(event, origin, record)
    else this.#log.write(record)
  }

  /** Calls back with each event from now on; the returned function ends that. */
  subscribe(subscriber: (occurrence: Occurrence) => void): () => void {
    this.#subscribers.add(subscriber)
    return () => this.#subscribers.delete(subscriber)
  }

  /** How often each event happened, by its name. */
  counters(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** Writes what is folded and stops the clock. */
  close(): void {
    for (const fold of this.#folds.values()) {
      fold.cancel()
      this.#writeFold(fold)
    }
    this.#folds.clear()
    this.#reasons.clear()
  }

  #fold(event: GatewayEvent, origin: Origin, record: LogRecord): void {
    const source = `${event.event} ${sourceOf(event, origin)}`
    const key = this.#keyOf(source, event, origin)
    const fold = this.#folds.get(key)
    if (fold) {
      fold.count++
      fold.last = record
      return
    }
    if (key !== event.event) this.#log.write(record)
    this.#reasons.set(source, (this.#reasons.get(source) ?? 0) + 1)
    this.#folds.set(key, {
      // Whoever is beyond the bound is not written at once, but counted.
      count: key === event.event ? 1 : 0,
      last: record,
      source,
      cancel: this.#timers.after(foldMs, () => this.#due(key)),
    })
  }

  /** The reason belongs to the key while its source has few of them. */
  #keyOf(source: string, event: GatewayEvent, origin: Origin): string {
    const exact = `${source} ${'user' in event ? event.user : (origin.user ?? '')} ${reasonOf(event)}`
    if (this.#folds.has(exact)) return exact
    if ((this.#reasons.get(source) ?? 0) >= mostReasons)
      return this.#folds.has(source) || this.#folds.size < mostFolds ? source : event.event
    return this.#folds.size < mostFolds ? exact : event.event
  }

  #due(key: string): void {
    const fold = this.#folds.get(key)
    if (!fold) return
    if (fold.count === 0) {
      this.#folds.delete(key)
      const left = (this.#reasons.get(fold.source) ?? 1) - 1
      if (left > 0) this.#reasons.set(fold.source, left)
      else this.#reasons.delete(fold.source)
      return
    }
    this.#writeFold(fold)
    fold.count = 0
    fold.cancel = this.#timers.after(foldMs, () => this.#due(key))
  }

  #writeFold({ count, last }: Fold): void {
    if (count === 0) return
    const sentence = `${last.sentence} (${count === 1 ? 'once' : `${count} times`} more within ${foldMs / 1000} s)`
    this.#log.write({ ...last, at: this.#clock.date(), sentence, facts: { ...last.facts, repeated: count } })
  }
}

class Occurred implements LogRecord {
  readonly at: Date
  readonly event: string
  readonly level: LogRecord['level']
  readonly sentence: string
  readonly #about: { readonly event: GatewayEvent; readonly origin: Origin }

  constructor(at: Date, event: GatewayEvent, origin: Origin) {
    const { level, sentence } = render(event, origin)
    this.at = at
    this.event = event.event
    this.level = level
    this.sentence = sentence
    this.#about = { event, origin }
  }

  /** Made for who asks: a plain log and events below its level never do. */
  get facts(): LogRecord['facts'] {
    return facts(this.#about.event, this.#about.origin)
  }
}

/** What a stranger, or a client in a loop, can repeat as fast as the line carries; errors too, since a bug of ours may be somebody's to trigger. */
function folds(event: GatewayEvent, { level }: LogRecord): boolean {
  return level === 'warn' || level === 'error' || /invalid|stray|unknown|notify|moved|sa.established/.test(event.event)
}

function reasonOf(event: GatewayEvent): string {
  if ('why' in event) return event.why
  if (event.event === 'gateway.bug') return `${event.machine.replace(/\d+/g, '')} ${event.error}`
  if (event.event === 'ike.sa.established') return `${event.identity} ${event.path.remote.port}`
  return event.event === 'fastpath.refused' ? event.message : ''
}
