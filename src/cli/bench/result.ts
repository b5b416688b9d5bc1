// What a benchmark says: figures with the limit that was taken in the same run, as the table, the JSON and the page show them.

/** Gbit/s of payload; events a second; MB (10^6 octets) of memory; milliseconds; per cent of one core. */
export const units = {
  gbps: { name: 'Gbit/s', better: 'more' },
  perSecond: { name: '/s', better: 'more' },
  megabytes: { name: 'MB', better: 'less' },
  milliseconds: { name: 'ms', better: 'less' },
  corePercent: { name: '% of a core', better: 'less' },
} as const
export type Unit = keyof typeof units

/**
 * What is to be reached: a share of the limit, or a figure in the result's own unit. `within`: the noise that the run measured itself, of the ratio; a ratio that is
 * below by no more has reached it.
 */
export type Aim =
  | { readonly ratio: number; readonly within?: number }
  | { readonly atLeast: number }
  | { readonly atMost: number }

/** One figure: exactly one of the units is there. */
export type Result = { readonly [unit in Unit]?: number } & {
  /** `ESP in memory, ipsec-mb, 1400 octets`, `TCP, one client`. Figures with the same words stand in one plot. */
  readonly what: string
  /** A proposal string (`aes128-sha1`), or what else tells the figures of one plot apart. */
  readonly esp: string
  /** `seal`, `open`, `up` (client to gateway), `down`, `both`; empty where there is none. */
  readonly direction: string
  /** In the same unit, of the same run. */
  readonly limit?: number
  /** Value / limit: the median of the rounds' own ratios, not the ratio of the medians. */
  readonly ratio?: number
  /** What the limit is, in words. */
  readonly limitOf?: string
  /** Half the distance between the quartiles of the repeats, as a share of the median; the same of the ratios. */
  readonly spread: number
  readonly ratioSpread?: number
  readonly aim?: Aim
  /** One sentence that a reader needs: what the figure costs besides, or what it leaves out. */
  readonly note?: string
}

/** Tells how far a run is: done, of how many, what comes now. */
export type Progress = (done: number, all: number, what: string) => void

/** What a benchmark is told: fewer and shorter repeats with `quick`. */
export type Bench = (quick: boolean, progress: Progress) => Promise<Result[]>

export function unitOf(result: Result): Unit {
  return (Object.keys(units) as Unit[]).find((unit) => result[unit] !== undefined) ?? 'perSecond'
}

export function amountOf(result: Result): number {
  return result[unitOf(result)] ?? Number.NaN
}

/** Undefined where there is no aim. */
export function reached(result: Result): boolean | undefined {
  const { aim } = result
  if (!aim) return undefined
  if ('ratio' in aim) return (result.ratio ?? Number.NaN) >= aim.ratio - (aim.within ?? 0)
  return 'atLeast' in aim ? amountOf(result) >= aim.atLeast : amountOf(result) <= aim.atMost
}

/** Linear between the two neighbours; of nothing NaN. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)] ?? Number.NaN
  const above = sorted[Math.ceil(at)] ?? Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

/** The median, and half the distance between the quartiles as a share of it. */
export function summarise(values: readonly number[]): { readonly median: number; readonly spread: number } {
  const median = quantile(values, 0.5)
  return { median, spread: (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median }
}

/** The figures of several rounds, each with its own limit, as one: medians, and the median of the rounds' own ratios. */
export function ofRounds(rounds: readonly { readonly value: number; readonly limit: number }[]): {
  readonly value: number
  readonly limit: number
  readonly ratio: number
  readonly spread: number
  readonly ratioSpread: number
} {
  const value = summarise(rounds.map((round) => round.value))
  const ratio = summarise(rounds.map((round) => round.value / round.limit))
  return {
    value: value.median,
    limit: summarise(rounds.map((round) => round.limit)).median,
    ratio: ratio.median,
    spread: value.spread,
    ratioSpread: ratio.spread,
  }
}
