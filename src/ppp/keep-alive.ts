// Is the peer still there? Asked by LCP Echo-Requests when nothing has come from it for a while (RFC 1661 §5.8).
import type { Instant } from '../wire/machine.ts'

export type KeepAliveSettings = {
  readonly idleSeconds: number
  readonly intervalSeconds: number
  readonly tries: number
}

export class KeepAlive {
  readonly #settings: KeepAliveSettings
  #heardAt: Instant = 0
  #unanswered = 0
  #nextAt: Instant | undefined

  constructor(settings: KeepAliveSettings) {
    this.#settings = settings
  }

  get deadline(): Instant | undefined {
    return this.#nextAt
  }

  start(now: Instant): void {
    this.#heardAt = now
    this.#unanswered = 0
    this.#nextAt = now + this.#settings.idleSeconds * 1000
  }

  stop(): void {
    this.#nextAt = undefined
  }

  /** Anything from the peer will do. */
  heard(now: Instant): void {
    if (this.#nextAt !== undefined) this.start(now)
  }

  /** What is to be done now: ask, or give the peer up. */
  tick(now: Instant): { readonly is: 'ask' } | { readonly is: 'silent'; readonly seconds: number } | undefined {
    if (this.#nextAt === undefined || this.#nextAt > now) return undefined
    if (this.#unanswered >= this.#settings.tries) {
      this.stop()
      return { is: 'silent', seconds: Math.round((now - this.#heardAt) / 1000) }
    }
    this.#unanswered++
    this.#nextAt = now + this.#settings.intervalSeconds * 1000
    return { is: 'ask' }
  }
}
