// How many clients may dial at once. A fixed number is a storm for a gateway that serves fewer in the time that clients wait for an answer: it then answers
// repetitions instead of logins. So the number follows what comes back, as TCP's window does: one more for each round that went well, half after one that didn't.

/** Our own: well within the second after which clients repeat their messages. */
const swiftMs = 600
const fewest = 4

export class Pace {
  readonly #most: number
  readonly #follows: boolean
  #atOnce: number
  #good = 0
  /** Logins begun before this moment say nothing of the present number. */
  #since = 0

  /** `follows`: else it is always `most`. */
  constructor(most: number, follows: boolean) {
    this.#most = most
    this.#follows = follows
    this.#atOnce = follows ? Math.min(most, 2 * fewest) : most
  }

  get atOnce(): number {
    return this.#atOnce
  }

  /** A login that began at `startedAt` was over at `now` (milliseconds), `attempts` after it had first been tried. */
  settled(startedAt: number, now: number, attempts: number): void {
    if (!this.#follows) return
    if (attempts === 1 && now - startedAt <= swiftMs) {
      this.#good++
      if (this.#good < this.#atOnce) return
      this.#good = 0
      this.#atOnce = Math.min(this.#most, this.#atOnce + 1)
      return
    }
    if (startedAt < this.#since) return
    this.#since = now
    this.#good = 0
    this.#atOnce = Math.max(fewest, this.#atOnce >> 1)
  }
}
