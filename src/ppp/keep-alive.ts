// Is the peer still there? Asked by LCP Echo-Requests when nothing has come on the link for a while (RFC 1661 §5.8). Whatever comes, a packet or a frame, is an
// answer, and one that is answered counts for the layers below too: what came through the SA proves the tunnel and the host. So this is the one question that
// each client is asked; IKE and L2TP ask only when it found none to answer.
//
// A peer must answer echoes (RFC 1661 §5.8). One that never did is not given up while its host answers otherwise: the layer below is asked then, and from
// then on in the place of the echo. One that did before has no link any more when it stops, whatever its host says.
import { type At, gathered, type Instant, jittered } from '../wire/machine.ts'

export type KeepAliveSettings = {
  readonly idleSeconds: number
  readonly intervalSeconds: number
  readonly tries: number
}

/** What is to be done now: ask, by an echo, the layer below, or both; or give the peer up. */
export type KeepAliveStep =
  | { readonly is: 'ask'; readonly echo: boolean; readonly below: boolean }
  | { readonly is: 'silent'; readonly seconds: number }

/** Ours: a first question comes up to a tenth early, by chance: ten thousand links that came up together don't ask together. */
const meanShare = 0.95
const spread = 0.05

export class KeepAlive {
  readonly #settings: KeepAliveSettings
  #heardAt: Instant = 0
  /** Something came from the host, not on this link. */
  #belowAt: Instant = 0
  #unanswered = 0
  /** Of silence, until the first question. */
  #patienceMs = 0
  #nextAt: Instant | undefined
  #echoes: 'unknown' | 'answered' | 'ignored' = 'unknown'

  constructor(settings: KeepAliveSettings) {
    this.#settings = settings
  }

  get deadline(): Instant | undefined {
    return this.#nextAt
  }

  start(at: At): void {
    this.#heardAt = at.now
    this.#unanswered = 0
    this.#wait(at)
  }

  stop(): void {
    this.#nextAt = undefined
  }

  /** Anything from the peer will do. The deadline is left alone: what is due looks again, so that a busy link costs nothing here. */
  heard(now: Instant): void {
    this.#heardAt = Math.max(this.#heardAt, now)
    this.#unanswered = 0
  }

  /** An Echo-Reply. */
  replied(): void {
    this.#echoes = 'answered'
  }

  /** The peer doesn't know an Echo-Request: only the layer below is asked from now on. */
  refused(): void {
    this.#echoes = 'ignored'
  }

  /** The host was heard below, after it was asked there. */
  heardBelow(now: Instant): void {
    this.#belowAt = Math.max(this.#belowAt, now)
    if (this.#echoes === 'ignored') this.heard(now)
  }

  tick(at: At): KeepAliveStep | undefined {
    const { now } = at
    if (this.#nextAt === undefined || this.#nextAt > now) return undefined
    const { tries, intervalSeconds } = this.#settings
    if (this.#unanswered === 0 && this.#heardAt + this.#patienceMs > now) {
      this.#wait(at)
      return undefined
    }
    if (this.#unanswered >= tries) {
      if (this.#echoes !== 'answered' && this.#belowAt > this.#heardAt) {
        this.#echoes = 'ignored'
        this.heard(this.#belowAt)
        this.#wait(at)
        return undefined
      }
      this.stop()
      return { is: 'silent', seconds: Math.round((now - this.#heardAt) / 1000) }
    }
    this.#unanswered++
    this.#nextAt = gathered(now + intervalSeconds * 1000)
    const ignored = this.#echoes === 'ignored'
    return { is: 'ask', echo: !ignored, below: ignored || (this.#echoes === 'unknown' && this.#unanswered > 1) }
  }

  #wait({ now, random }: At): void {
    this.#patienceMs = jittered(random, this.#settings.idleSeconds * 1000 * meanShare, spread)
    this.#nextAt = gathered(Math.max(this.#heardAt + this.#patienceMs, now + 1))
  }
}
