// `bench --compare OLD.json`: what got slower or faster, beyond what the repeats of both runs differ among themselves.

import { amountOf, type Result, unitOf, units } from './result.ts'
import type { Run } from './run.ts'
import { figure, percent } from './table.ts'

/** Below this a difference means nothing, however still the repeats were: another layout in memory does as much. */
const least = 0.03

export type Difference = {
  readonly key: string
  readonly verdict: 'slower' | 'faster' | 'same'
  /** Of the old one: -0.2 is a fifth worse. By the ratio to the limit where both runs have one, since it doesn't depend on the machine's mood. */
  readonly change: number
  /** How much the repeats of both differ among themselves. */
  readonly noise: number
  readonly by: 'ratio' | 'value'
  readonly before: Result
  readonly after: Result
}

export type Comparison = {
  readonly differences: readonly Difference[]
  /** Measured in only one of the runs. */
  readonly onlyBefore: readonly string[]
  readonly onlyAfter: readonly string[]
  readonly otherMachine: boolean
}

const keyOf = ({ what, esp, direction }: Result) => [what, esp, direction].filter((part) => part !== '').join(', ')

function difference(before: Result, after: Result): Difference {
  const byRatio = before.ratio !== undefined && after.ratio !== undefined
  const [old, now] = byRatio ? [before.ratio, after.ratio] : [amountOf(before), amountOf(after)]
  const noiseOf = (result: Result) => (byRatio ? (result.ratioSpread ?? result.spread) : result.spread)
  // Quartiles hold half of the repeats: twice their distance holds nearly all.
  const noise = Math.max(least, 2 * Math.hypot(noiseOf(before), noiseOf(after)))
  const rise = now / old - 1
  const change = units[unitOf(after)].better === 'less' && !byRatio ? -rise : rise
  const verdict = change < -noise ? 'slower' : change > noise ? 'faster' : 'same'
  return { key: keyOf(after), verdict, change, noise, by: byRatio ? 'ratio' : 'value', before, after }
}

export function compare(before: Run, after: Run): Comparison {
  const old = new Map(before.results.map((result) => [keyOf(result), result]))
  const now = new Map(after.results.map((result) => [keyOf(result), result]))
  const otherMachine = before.machine.cpu !== after.machine.cpu || before.machine.cores !== after.machine.cores
  const differences = [...now].flatMap(([key, result]) => {
    const former = old.get(key)
    return former && unitOf(former) === unitOf(result) ? [difference(former, result)] : []
  })
  return {
    differences,
    onlyBefore: [...old.keys()].filter((key) => !now.has(key)),
    onlyAfter: [...now.keys()].filter((key) => !old.has(key)),
    otherMachine,
  }
}

function line({ key, verdict, change, noise, by, before, after }: Difference): string {
  const show = (result: Result) =>
    by === 'ratio' ? percent(result.ratio!) : `${figure(amountOf(result))} ${units[unitOf(result)].name}`
  const of = by === 'ratio' ? ' of the limit' : ''
  return `${verdict}: ${key}: ${show(before)} then, ${show(after)} now${of} (${percent(Math.abs(change))}; the repeats differ by ${percent(noise)})`
}

export function renderComparison(comparison: Comparison, file: string): string {
  const { differences, onlyBefore, onlyAfter, otherMachine } = comparison
  const changed = differences.filter(({ verdict }) => verdict !== 'same')
  const same = differences.length - changed.length
  return [
    `compared with ${file}:`,
    ...(otherMachine ? ['that was another machine: only ratios say something'] : []),
    ...changed.toSorted((a, b) => a.change - b.change).map(line),
    `${same} of ${differences.length} are the same within what their repeats differ`,
    ...(onlyBefore.length > 0 ? [`not measured now: ${onlyBefore.join('; ')}`] : []),
    ...(onlyAfter.length > 0 ? [`not measured then: ${onlyAfter.join('; ')}`] : []),
    '',
  ].join('\n')
}
