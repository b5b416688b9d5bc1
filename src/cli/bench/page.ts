// `bench --html FILE`: a run as one page that can be sent to somebody. Nothing is loaded from elsewhere and no script runs; the plots are SVG.
import { amountOf, type Result, reached, type Unit, unitOf, units } from './result.ts'
import type { Run } from './run.ts'
import { figure, machineLines, percent, showAim } from './table.ts'

const style = `
:root { color-scheme: light dark; --ink: #1c2730; --paper: #fff; --faint: #8a97a1; --rule: #d9dfe3; --bar: #2f6f9f; --limit: #e6ebee; --good: #1d7a46; --bad: #b3401f }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ec; --paper: #14191d; --faint: #84919a; --rule: #2d363c; --bar: #5aa2d6; --limit: #242c32; --good: #58bf85; --bad: #ec7f5c } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin: 2.2rem 0 .3rem }
p { margin: .2rem 0 } .faint, .note { color: var(--faint) }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--ink) } svg .faint { fill: var(--faint) } svg .rule { stroke: var(--rule) }
svg .limit { fill: var(--limit) } svg .bar { fill: var(--bar) } svg .spread { stroke: var(--ink) } svg .aim { stroke: var(--ink); stroke-dasharray: 3 2 }
.reached { color: var(--good); fill: var(--good) } .missed { color: var(--bad); fill: var(--bad) }
svg text.reached { fill: var(--good) } svg text.missed { fill: var(--bad) }
table { border-collapse: collapse; font-size: .9rem; width: 100% } td, th { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--rule) } td.number { text-align: right; font-variant-numeric: tabular-nums }
`

/** Of a plot, in units of its view box. */
const plot = { width: 900, names: 220, figures: 250, row: 24, bar: 14, axis: 24 }

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** A round number not below this: 1, 2, 2.5 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return power * ([1, 2, 2.5, 5].find((step) => step * power >= value * 0.999999) ?? 10)
}

/** One group of figures: those with the same words and unit. */
type Group = { readonly what: string; readonly unit: Unit; readonly results: readonly Result[] }

function groupsOf(results: readonly Result[]): readonly Group[] {
  const groups = new Map<string, Result[]>()
  for (const result of results) {
    const key = `${result.what}\n${unitOf(result)}`
    groups.set(key, [...(groups.get(key) ?? []), result])
  }
  return [...groups.values()].map((of) => ({ what: of[0]!.what, unit: unitOf(of[0]!), results: of }))
}

function bar(result: Result, index: number, scale: (value: number) => number): string {
  const top = index * plot.row + plot.axis + (plot.row - plot.bar) / 2
  const middle = top + plot.bar / 2
  const value = amountOf(result)
  const at = (x: number) => x.toFixed(1)
  const [low, high] = [scale(value * Math.max(0, 1 - result.spread)), scale(value * (1 + result.spread))]
  const met = reached(result)
  const label = [result.esp, result.direction].filter((part) => part !== '').join(', ')
  const words = [
    `${figure(value)} ±${percent(result.spread)}`,
    ...(result.ratio === undefined ? [] : [`${percent(result.ratio)} of ${figure(result.limit ?? Number.NaN)}`]),
  ]
  const text = (x: number, anchor: string, body: string, kind = '') =>
    `<text x="${at(x)}" y="${at(middle + 4)}" text-anchor="${anchor}"${kind && ` class="${kind}"`}>${escapeText(body)}</text>`
  const verdict = met === undefined ? '' : met ? 'reached' : 'missed'
  const share =
    result.aim && 'ratio' in result.aim && result.limit !== undefined ? result.aim.ratio * result.limit : undefined
  const aim = result.aim && !('ratio' in result.aim) ? Object.values(result.aim)[0] : share
  return [
    text(plot.names - 8, 'end', label),
    ...(result.limit === undefined
      ? []
      : [
          `<rect class="limit" x="${plot.names}" y="${at(top - 3)}" width="${at(scale(result.limit) - plot.names)}" height="${plot.bar + 6}"/>`,
        ]),
    `<rect class="bar" x="${plot.names}" y="${at(top)}" width="${at(Math.max(1, scale(value) - plot.names))}" height="${plot.bar}"/>`,
    `<path class="spread" fill="none" d="M${at(low)} ${at(middle)}H${at(high)}M${at(low)} ${at(middle - 3)}v6M${at(high)} ${at(middle - 3)}v6"/>`,
    ...(aim === undefined ? [] : [`<path class="aim" d="M${at(scale(aim))} ${at(top - 4)}v${plot.bar + 8}"/>`]),
    text(plot.width - plot.figures + 12, 'start', words.join(', '), verdict),
  ].join('')
}

function drawGroup({ what, unit, results }: Group): string {
  const largest = Math.max(...results.flatMap((result) => [amountOf(result) * (1 + result.spread), result.limit ?? 0]))
  const end = roundUp(largest)
  const scale = (value: number) => plot.names + (Math.min(value, end) / end) * (plot.width - plot.names - plot.figures)
  const height = plot.axis + results.length * plot.row + 6
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const x = scale(end * share).toFixed(1)
    return `<path class="rule" d="M${x} ${plot.axis - 6}V${height}"/><text class="faint" x="${x}" y="12" text-anchor="middle">${figure(end * share)}</text>`
  })
  const body = results.map((result, index) => bar(result, index, scale)).join('')
  const remarks = [...new Set(results.flatMap(({ limitOf, note }) => [limitOf && `Limit: ${limitOf}.`, note]))].filter(
    (text) => text !== undefined,
  )
  return [
    `<h2>${escapeText(what)} <span class="faint">${escapeText(units[unit].name)}${units[unit].better === 'less' ? ', less is better' : ''}</span></h2>`,
    `<svg viewBox="0 0 ${plot.width} ${height}" role="img" aria-label="${escapeText(what)}">${ticks.join('')}${body}</svg>`,
    ...remarks.map((text) => `<p class="note">${escapeText(text)}</p>`),
  ].join('\n')
}

function aimsTable(results: readonly Result[]): string {
  const aimed = results.filter(({ aim }) => aim !== undefined)
  if (aimed.length === 0) return ''
  const rows = aimed.map((result) => {
    const met = reached(result) === true
    const shown =
      'ratio' in result.aim!
        ? percent(result.ratio ?? Number.NaN)
        : `${figure(amountOf(result))} ${units[unitOf(result)].name}`
    const cells = [result.what, result.esp, result.direction, showAim(result.aim!, result)]
    return `<tr>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}<td class="number">${escapeText(shown)}</td><td class="${met ? 'reached' : 'missed'}">${met ? 'reached' : 'missed'}</td></tr>`
  })
  return `<h2>Aims</h2><table><tr><th>what</th><th>ESP</th><th></th><th>aim</th><th>measured</th><th></th></tr>${rows.join('')}</table>`
}

/** The whole page. */
export function renderPage({ machine, results }: Run): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>gatehouse bench</title><style>${style}</style></head>
<body><h1>gatehouse bench</h1>
${[...machineLines(machine), machine.date].map((text) => `<p class="faint">${escapeText(text)}</p>`).join('\n')}
<p class="note">A bar is the median of the repeats, its whisker half of them; the pale bar is the limit that was taken in the same run; a dashed line is the aim.</p>
${aimsTable(results)}
${groupsOf(results).map(drawGroup).join('\n')}
</body></html>
`
}
