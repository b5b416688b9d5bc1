// CONTRACT. What every protocol machine is: inputs in, effects out, one deadline. No clock, socket or random source of its own.

/** Milliseconds on a clock that never goes back. Only differences mean anything. */
export type Instant = number

/** A source of random octets: the machine's only one, so that a run replays from its seed. */
export interface Random {
  /** `length` octets, fit for keys when the platform's source stands behind it. */
  octets(length: number): Uint8Array
}

/** What surrounds one input: the moment that it is handled, and randomness. */
export type At = { readonly now: Instant; readonly random: Random }

/**
 * A protocol machine. `handle` changes the state and returns all consequences in order. A slow consequence carries a job number and
 * comes back as an input `{ on: 'done', job, … }`; a result whose job is not awaited any more is dropped.
 */
export interface Machine<Input, Effect> {
  handle(input: Input, at: At): readonly Effect[]
  /** When `{ on: 'tick' }` is due, or undefined while nothing is. */
  readonly deadline: Instant | undefined
}

/** The earlier of two deadlines, either of which may not be set. Asked after every input, so it makes nothing. */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b
  return b === undefined || a < b ? a : b
}

/** A uniform integer in [0, bound), without modulo bias; `bound` at most 2^32. */
export function randomBelow(random: Random, bound: number): number {
  const limit = Math.floor(0x1_0000_0000 / bound) * bound
  for (;;) {
    const [a, b, c, d] = random.octets(4) as unknown as [number, number, number, number]
    const value = a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d
    if (value < limit) return value % bound
  }
}

/** Of the grid that moments share which may be a little late. Our own: nobody notices a tenth of a second in a wait of many seconds. */
const gridMs = 100

/** `at` or a little later, so that what many machines have to do then is done in one go: waking up costs more than most of what is done. */
export function gathered(at: Instant): Instant {
  return Math.ceil(at / gridMs) * gridMs
}

/** `base` milliseconds spread by up to ± `share` (0.1 = ten percent), so that ten thousand timers don't fire together. */
export function jittered(random: Random, base: number, share = 0.1): number {
  return Math.round(base * (1 - share + (2 * share * randomBelow(random, 1001)) / 1000))
}
