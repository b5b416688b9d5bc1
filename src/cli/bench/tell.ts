// What is done with a run once it is measured or read: the table or the JSON on stdout, the page, and what got slower since an older one.
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { compare, renderComparison } from './compare.ts'
import { renderPage } from './page.ts'
import { type Run, readRun } from './run.ts'
import { renderTable } from './table.ts'

export type Telling = {
  readonly json: boolean
  /** Where the page is written. */
  readonly html?: string | undefined
  /** The older run's file. */
  readonly compare?: string | undefined
}

/** Exit code of --compare when something got slower. */
const slower = 4

/** Reads the older run before minutes are spent on `measure`. Answers the exit code. */
export async function tell(measure: () => Promise<Run>, { json, html, compare: file }: Telling): Promise<number> {
  const before = file === undefined ? undefined : { file, run: readRun(file) }
  const run = await measure()
  if (html !== undefined) writeFileSync(html, renderPage(run))
  process.stdout.write(json ? `${JSON.stringify(run, null, 2)}\n` : renderTable(run))
  if (!before) return 0
  const comparison = compare(before.run, run)
  // With --json stdout is for machines.
  const to = json ? process.stderr : process.stdout
  to.write(`\n${renderComparison(comparison, before.file)}`)
  return comparison.differences.some(({ verdict }) => verdict === 'slower') ? slower : 0
}
