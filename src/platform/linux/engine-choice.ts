// From measurements to a choice: which userland engine carries ESP, and which driver comes first in the kernel. Pure; every choice says why.
//
// What counts of an engine is the geometric mean, over the proposals that count, of its speed with IMIX packets, sealing and opening, on the idle machine and
// under load: a device that is slow alone but leaves the processor to others wins where the processor is busy. The other sizes are for people to read.
import type { NativeBenchResult } from '../addon.ts'

/** What is in effect stays unless another is faster by this share: two measurements of one thing differ as much. */
const worthChanging = 0.05
/** Above what drivers give themselves: 100 for plain code, 300 to 500 for processors' instructions, up to 4001 for accelerators. */
const raised = 5000

export type Score = {
  readonly engine: string
  /** Gbit/s of ESP payload, as above. */
  readonly idle: number
  readonly loaded: number
  readonly both: number
}

export type Verdict = { readonly winner: string; readonly scores: readonly Score[]; readonly why: string }

/** Undefined if one of the algorithms was not measured: an engine that lacks it would refuse SAs that are agreed upon. */
export function scoreOf(
  results: readonly NativeBenchResult[],
  engine: string,
  algorithms: readonly string[],
): Score | undefined {
  const mean = (loaded: boolean) => {
    const speeds = algorithms.flatMap((algorithm) =>
      ['seal', 'open'].map(
        (direction) =>
          results.find(
            (one) =>
              one.engine === engine &&
              one.algorithm === algorithm &&
              one.direction === direction &&
              one.size === 'imix' &&
              one.loaded === loaded,
          )?.gbps,
      ),
    )
    if (speeds.length === 0 || speeds.includes(undefined)) return undefined
    return Math.exp(speeds.reduce<number>((sum, speed) => sum + Math.log(speed!), 0) / speeds.length)
  }
  const [idle, loaded] = [mean(false), mean(true)]
  return idle === undefined || loaded === undefined
    ? undefined
    : { engine, idle, loaded, both: Math.sqrt(idle * loaded) }
}

/** `engines`: what is in effect today comes first. Undefined if none was measured with all of the algorithms. */
export function choose(
  results: readonly NativeBenchResult[],
  engines: readonly string[],
  algorithms: readonly string[],
): Verdict | undefined {
  const scores = engines.flatMap((engine) => scoreOf(results, engine, algorithms) ?? [])
  const [present] = scores
  if (!present) return undefined
  const best = scores.reduce((a, b) => (b.both > a.both ? b : a))
  const winner = best.both > present.both * (1 + worthChanging) ? best : present
  const others = scores.filter((one) => one !== winner)
  const figure = ({ idle, loaded }: Score) => `${gbps(idle)} Gbit/s idle and ${gbps(loaded)} loaded`
  const rivals = others.map((one) => `${one.engine} ${figure(one)}`).join(', ')
  const close = winner !== best ? `; ${best.engine} is not ${worthChanging * 100} % faster` : ''
  return {
    winner: winner.engine,
    scores,
    why: `${figure(winner)}${rivals === '' ? ', and nothing else can' : `, against ${rivals}`}${close}`,
  }
}

export function gbps(speed: number): string {
  return speed >= 10 ? speed.toFixed(1) : speed >= 0.1 ? speed.toFixed(2) : speed.toFixed(4)
}

/** The priority that puts a driver before the others of its algorithm. */
export function priorityAbove(others: readonly number[]): number {
  return Math.max(raised, ...others.map((one) => one + 1000))
}
