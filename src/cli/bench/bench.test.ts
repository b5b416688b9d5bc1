// What the figures become: table, page, comparison, and the file that is read again.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { compare, renderComparison } from './compare.ts'
import type { Machine } from './machine.ts'
import { renderPage, roundUp } from './page.ts'
import { showProgress } from './progress.ts'
import { ofRounds, quantile, type Result, reached } from './result.ts'
import { type Run, readRun } from './run.ts'
import { figure, renderTable } from './table.ts'
import { cipherLimit } from './throughput.ts'

const machine: Machine = {
  cpu: 'A Processor',
  cores: 2,
  memory: 2 ** 34,
  kernel: '6.1',
  node: 'v24',
  architecture: 'x64',
  engines: ['ipsec-mb 1.3 (AVX512)'],
  load: 0.1,
  date: '2026-01-01T00:00:00.000Z',
}

function tcp(fields: Partial<Result> = {}): Result {
  return { what: 'TCP', esp: 'aes128gcm16', direction: 'up', gbps: 6, limit: 10, ratio: 0.6, spread: 0.02, ...fields }
}

const runOf = (...results: Result[]): Run => ({ machine, results })

describe('figures', () => {
  test('the quartiles lie between neighbours, and nothing has none', () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((share) => quantile([4, 1, 3, 2], share))).toEqual([1, 1.75, 2.5, 3.25, 4])
    expect(quantile([], 0.5)).toBeNaN()
  })

  test('the ratio is the median of the rounds, not of the medians', () => {
    const rounds = [
      { value: 1, limit: 2 },
      { value: 4, limit: 8 },
      { value: 3, limit: 4 },
    ]
    expect(ofRounds(rounds)).toEqual({ value: 3, limit: 4, ratio: 0.5, spread: 0.25, ratioSpread: 0.125 })
  })

  test('three figures that count', () => {
    expect([1234567, 123.4, 12.34, 1.234, 0.1234, Number.NaN].map(figure)).toEqual([
      '1,234,567',
      '123',
      '12.3',
      '1.23',
      '0.123',
      '?',
    ])
    expect([0, 0.7, 1, 1.1, 2.4, 4, 6, 99, 250].map(roundUp)).toEqual([1, 1, 1, 2, 2.5, 5, 10, 100, 250])
  })

  test('a cipher limits one flow by its slower end, two flows by all cores', () => {
    expect([cipherLimit(3, 6, 'up', 2), cipherLimit(3, 6, 'down', 1)]).toEqual([3, 2])
    expect([1, 2, 8].map((cores) => cipherLimit(3, 6, 'both', cores))).toEqual([2, 4, 6])
  })

  test('an aim is a share of the limit, or a figure to be passed', () => {
    const of = (fields: Partial<Result>) => reached(tcp(fields))
    expect([of({}), of({ aim: { ratio: 0.6 } }), of({ aim: { ratio: 0.61 } })]).toEqual([undefined, true, false])
    expect([of({ aim: { ratio: 0.65, within: 0.06 } }), of({ aim: { ratio: 0.65, within: 0.04 } })]).toEqual([
      true,
      false,
    ])
    expect([of({ aim: { atLeast: 6.1 } }), of({ aim: { atMost: 6.1 } })]).toEqual([false, true])
  })
})

test('the table: machine, a row each, what the limit is', () => {
  const events: Result = {
    what: 'Logins',
    esp: 'ECP256',
    direction: '',
    perSecond: 612.3,
    spread: 0.1,
    aim: { atLeast: 500 },
  }
  const run = runOf(tcp({ aim: { ratio: 0.7 }, limitOf: 'a tunnel that does nothing' }), events)
  expect(renderTable(run).split('\n')).toEqual([
    'A Processor, 2 cores, 16 GiB, Linux 6.1, Node v24',
    'engines: ipsec-mb 1.3 (AVX512)',
    '',
    'WHAT    ESP          DIR       FIGURE  SPREAD  LIMIT  RATIO  AIM',
    'TCP     aes128gcm16  up   6.00 Gbit/s    ±2 %   10.0   60 %  at least 70 %: missed',
    'Logins  ECP256                 612 /s   ±10 %                at least 500 /s: reached',
    '',
    'limit: a tunnel that does nothing',
    '',
  ])
  expect(renderTable({ machine: { ...machine, load: 3 }, results: [] })).toContain(
    'the machine had other work (load 3)',
  )
})

describe('the page', () => {
  const run = runOf(
    tcp({ aim: { ratio: 0.7 } }),
    tcp({ direction: 'down', gbps: 7.5, ratio: 0.75, aim: { ratio: 0.7 } }),
    { what: 'Memory <b>', esp: '', direction: '', megabytes: 600, spread: 0, aim: { atMost: 600 }, note: 'a & b' },
  )
  const page = renderPage(run)

  test('loads nothing, runs nothing, and its text stays text', () => {
    expect(page).not.toMatch(/<script|https?:|src=|@import|url\(/)
    expect(page).toContain('Memory &lt;b&gt;')
    expect(page).toContain('a &amp; b')
  })

  test('one plot for each thing, one bar for each figure, and the aims told apart', () => {
    const count = (pattern: RegExp) => page.match(pattern)?.length
    expect([count(/<svg /g), count(/class="bar"/g), count(/class="limit"/g), count(/class="aim"/g)]).toEqual([
      2, 3, 2, 3,
    ])
    expect([...page.matchAll(/<td class="(reached|missed)">/g)].map(([, verdict]) => verdict)).toEqual([
      'missed',
      'reached',
      'reached',
    ])
  })

  test('bars end inside of their plot', () => {
    const ends = [...page.matchAll(/<rect class="(?:bar|limit)" x="(\d+)"[^>]* width="([\d.]+)"/g)].map(
      ([, x, width]) => Number(x) + Number(width),
    )
    expect(ends.length).toBe(5)
    expect(ends.every((end) => end > 220 && end <= 650)).toBe(true)
  })
})

describe('compare', () => {
  const verdicts = (before: Result, after: Result) =>
    compare(runOf(before), runOf(after)).differences.map(({ verdict, by }) => `${verdict} by ${by}`)

  test('the ratio says it where both have one, whatever the machine did meanwhile', () => {
    expect(verdicts(tcp(), tcp({ gbps: 3, limit: 5 }))).toEqual(['same by ratio'])
    expect(verdicts(tcp(), tcp({ ratio: 0.5 }))).toEqual(['slower by ratio'])
    expect(verdicts(tcp(), tcp({ ratio: 0.7 }))).toEqual(['faster by ratio'])
  })

  test('within what the repeats differ nothing is said', () => {
    expect(verdicts(tcp({ ratioSpread: 0.1 }), tcp({ ratio: 0.5 }))).toEqual(['same by ratio'])
    expect(verdicts(tcp({ ratioSpread: 0 }), tcp({ ratio: 0.585, ratioSpread: 0 }))).toEqual(['same by ratio'])
  })

  test('of memory less is better', () => {
    const memory = (megabytes: number): Result => ({ what: 'Memory', esp: '', direction: '', megabytes, spread: 0 })
    expect([verdicts(memory(100), memory(120)), verdicts(memory(100), memory(80))]).toEqual([
      ['slower by value'],
      ['faster by value'],
    ])
  })

  test('in words, with what only one run has', () => {
    const before = runOf(tcp(), tcp({ direction: 'down' }))
    const after: Run = {
      machine: { ...machine, cpu: 'Another' },
      results: [tcp({ ratio: 0.5 }), tcp({ direction: 'both' })],
    }
    expect(renderComparison(compare(before, after), 'old.json').split('\n')).toEqual([
      'compared with old.json:',
      'that was another machine: only ratios say something',
      'slower: TCP, aes128gcm16, up: 60 % then, 50 % now of the limit (17 %; the repeats differ by 6 %)',
      '0 of 1 are the same within what their repeats differ',
      'not measured now: TCP, aes128gcm16, down',
      'not measured then: TCP, aes128gcm16, both',
      '',
    ])
  })
})

describe('a run that is read again', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-test-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function read(content: string): unknown {
    const file = join(folder, 'old.json')
    writeFileSync(file, content)
    try {
      return readRun(file)
    } catch (error) {
      return (error as Error).message.replace(file, 'FILE')
    }
  }

  test('is what was written', () => {
    const run = runOf(tcp())
    expect(read(JSON.stringify(run))).toEqual(run)
  })

  test('says what is wrong with it', () => {
    const no = 'FILE is no run of bench (bench … --json writes one): '
    const { gbps: _gbps, ...without } = tcp()
    const wrong = [without, { ...tcp(), perSecond: 1 }, { ...tcp(), limit: 'x' }, { ...tcp(), what: 1 }, 7]
    expect(read('{')).toMatch(/^FILE can't be read as a run of bench: /)
    expect(read('[]')).toBe(`${no}no machine and results`)
    expect(wrong.map((result) => read(JSON.stringify({ machine, results: [result] })))).toEqual([
      `${no}result 0 has 0 figures where one of gbps, perSecond, megabytes, milliseconds, corePercent is right`,
      `${no}result 0 has 2 figures where one of gbps, perSecond, megabytes, milliseconds, corePercent is right`,
      `${no}result 0 has a limit that is no number`,
      `${no}result 0 has no text what`,
      `${no}result 0 is no object`,
    ])
  })
})

test('progress: one line written over on a terminal, else a line for each new thing', () => {
  const told = (isTTY: boolean) => {
    let text = ''
    let now = 0
    const { progress, end } = showProgress({ isTTY, write: (more) => (text += more) }, () => now)
    progress(0, 4, 'up')
    now = 3000
    progress(1, 4, 'up')
    progress(2, 4, 'down')
    end()
    return text
  }
  expect(told(false).split('\n')).toEqual(['measuring, 0 of 4 done: up', 'measuring, 2 of 4 done: down', ''])
  expect(told(true).split('\r\x1b[K').slice(1)).toEqual([
    '[........................] 0 %  up',
    '[######..................] 25 %, 9 s left  up',
    '[############............] 50 %, 3 s left  down',
    '',
  ])
})
