// A run as text.
import { busy, type Machine } from './machine.ts'
import { type Aim, amountOf, type Result, reached, unitOf, units } from './result.ts'
import type { Run } from './run.ts'

/** Three figures that count, and no more. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '?'
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3
  return value.toLocaleString('en-GB', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

export function showAim(aim: Aim, result: Result): string {
  if ('ratio' in aim)
    return `at least ${percent(aim.ratio)}${aim.within === undefined ? '' : `, within ${percent(aim.within)}`}`
  const unit = units[unitOf(result)].name
  return 'atLeast' in aim ? `at least ${figure(aim.atLeast)} ${unit}` : `at most ${figure(aim.atMost)} ${unit}`
}

/** One line a fact. */
export function machineLines(machine: Machine): readonly string[] {
  const memory = `${Math.round(machine.memory / 2 ** 30)} GiB`
  return [
    `${machine.cpu}, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}, ${memory}, Linux ${machine.kernel}, Node ${machine.node}`,
    ...(machine.engines.length > 0 ? [`engines: ${machine.engines.join('; ')}`] : []),
    ...(busy(machine)
      ? [`the machine had other work (load ${machine.load}): ratios and the spread are to be read, not the figures`]
      : []),
  ]
}

const columns = ['WHAT', 'ESP', 'DIR', 'FIGURE', 'SPREAD', 'LIMIT', 'RATIO', 'AIM'] as const

function row(result: Result): readonly string[] {
  const met = reached(result)
  return [
    result.what,
    result.esp,
    result.direction,
    `${figure(amountOf(result))} ${units[unitOf(result)].name}`,
    `±${percent(result.spread)}`,
    result.limit === undefined ? '' : figure(result.limit),
    result.ratio === undefined ? '' : percent(result.ratio),
    result.aim === undefined ? '' : `${showAim(result.aim, result)}: ${met ? 'reached' : 'missed'}`,
  ]
}

export function renderTable({ machine, results }: Run): string {
  const rows = [columns, ...results.map(row)]
  const widths = columns.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)))
  const leftAligned = (column: number) => column < 3 || column === 7
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => (leftAligned(column) ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  const limits = [...new Set(results.map(({ limitOf }) => limitOf).filter((text) => text !== undefined))]
  const notes = [...new Set(results.map(({ note }) => note).filter((text) => text !== undefined))]
  return [
    ...machineLines(machine),
    '',
    ...lines,
    ...(limits.length > 0 ? ['', ...limits.map((text) => `limit: ${text}`)] : []),
    ...(notes.length > 0 ? ['', ...notes] : []),
    '',
  ].join('\n')
}
