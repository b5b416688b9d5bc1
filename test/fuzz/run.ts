// One fuzzing run over the targets, from a seed: deterministic, so that a failure replays. Knows nothing of processes or threads.
import { hex } from '../../src/wire/codec.ts'
import { mutate } from './mutate.ts'
import { FuzzRandom } from './random.ts'
import type { Target } from './target.ts'

export type Failure = {
  readonly target: string
  readonly seed: number
  readonly episode: number
  /** All inputs of the episode, the last one failed. */
  readonly inputs: readonly string[]
  readonly error: string
}

export type Report = {
  readonly inputs: number
  readonly outcomes: number
  readonly slowest: { readonly target: string; readonly ms: number; readonly input: string }
  readonly failures: readonly Failure[]
}

export type Watch = {
  /** Before each input: what is about to be fed. */
  readonly before?: (target: number, octets: Uint8Array) => void
}

// Ours: interesting inputs kept for each target beside its corpus.
const kept = 256
const outcomesKnown = 20_000

/** Feeds `inputs` inputs in all, shared out by weight; stops a target at its first failure. */
export function fuzz(targets: readonly Target[], seed: number, inputs: number, watch: Watch = {}): Report {
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0)
  const failures: Failure[] = []
  let [fed, outcomes] = [0, 0]
  let slowest: Report['slowest'] = { target: '', ms: 0, input: '' }
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  for (const [index, target] of targets.entries()) {
    const share = Math.max(target.episode, Math.round((inputs * target.weight) / weights))
    const result = fuzzTarget(target, seed, share, (octets) => watch.before?.(index, octets))
    fed += result.fed
    outcomes += result.outcomes
    if (result.slowest.ms > slowest.ms) slowest = { target: target.name, ...result.slowest }
    if (result.failure) failures.push(result.failure)
  }
  Error.stackTraceLimit = limit
  return { inputs: fed, outcomes, slowest, failures }
}

function fuzzTarget(target: Target, seed: number, share: number, before: (octets: Uint8Array) => void) {
  const given = target.corpus()
  const corpus = [...given]
  const seen = new Set<string>()
  let slowest = { ms: 0, input: '' }
  let fed = 0
  for (let episode = 0; fed < share; episode++) {
    const random = new FuzzRandom(seed, target.name, episode, 'inputs')
    const feed = begin(target, seed, episode)
    const inputs: Uint8Array[] = []
    for (let i = 0; i < target.episode && fed < share; i++, fed++) {
      const octets = mutate(corpus, random)
      inputs.push(octets)
      before(octets)
      const began = performance.now()
      try {
        const outcome = feed(octets.slice())
        if (!seen.has(outcome) && seen.size < outcomesKnown) {
          seen.add(outcome)
          if (corpus.length < given.length + kept) corpus.push(octets)
          else corpus[given.length + random.below(kept)] = octets
        }
      } catch (error) {
        const failure = {
          target: target.name,
          seed,
          episode,
          inputs: inputs.map(hex),
          error: explain(error, target, seed, episode, inputs),
        }
        return { fed: fed + 1, outcomes: seen.size, slowest, failure }
      }
      const ms = performance.now() - began
      if (ms > slowest.ms) slowest = { ms, input: hex(octets) }
    }
  }
  return { fed, outcomes: seen.size, slowest, failure: undefined }
}

/** Feeds recorded inputs to a target again, as one episode; throws what it throws. */
export function replay(target: Target, seed: number, episode: number, inputs: readonly Uint8Array[]): void {
  const feed = begin(target, seed, episode)
  for (const octets of inputs) feed(octets.slice())
}

// The state's randomness is its own: recorded inputs meet the same state again.
function begin(target: Target, seed: number, episode: number) {
  return target.begin(new FuzzRandom(seed, target.name, episode, 'state'))
}

// Runs without stack traces, which cost more than most parsers; what failed runs again with one.
function explain(first: unknown, target: Target, seed: number, episode: number, inputs: readonly Uint8Array[]): string {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 20
  try {
    replay(target, seed, episode, inputs)
    return `did not fail again: ${show(first)}`
  } catch (error) {
    return show(error)
  } finally {
    Error.stackTraceLimit = limit
  }
}

function show(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
