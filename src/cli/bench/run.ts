// One run of `bench` as it is written to a file and read again by --compare and --from: the contract's JSON.
import { readFileSync } from 'node:fs'
import type { Machine } from './machine.ts'
import { type Result, units } from './result.ts'

export type Run = { readonly machine: Machine; readonly results: readonly Result[] }

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const numbers = [...Object.keys(units), 'limit', 'ratio', 'ratioSpread']

/** What is wrong with one result, or undefined. */
function fault(result: unknown): string | undefined {
  if (!isFields(result)) return 'is no object'
  const text = ['what', 'esp', 'direction'].find((name) => typeof result[name] !== 'string')
  if (text !== undefined) return `has no text ${text}`
  if (typeof result.spread !== 'number') return 'has no number spread'
  const number = numbers.find((name) => result[name] !== undefined && typeof result[name] !== 'number')
  if (number !== undefined) return `has a ${number} that is no number`
  const given = Object.keys(units).filter((unit) => result[unit] !== undefined)
  return given.length === 1
    ? undefined
    : `has ${given.length} figures where one of ${Object.keys(units).join(', ')} is right`
}

/** An older run may lack what was added since. */
const unknown: Machine = {
  cpu: 'unknown',
  cores: 0,
  memory: 0,
  kernel: 'unknown',
  node: 'unknown',
  architecture: 'unknown',
  engines: [],
  load: 0,
  date: '',
}

/** Throws an Error that names the file and what is wrong in it. */
export function readRun(file: string): Run {
  let given: unknown
  try {
    given = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Error(`${file} can't be read as a run of bench: ${(error as Error).message}`)
  }
  const wrong = (what: string) => new Error(`${file} is no run of bench (bench … --json writes one): ${what}`)
  if (!isFields(given) || !isFields(given.machine) || !Array.isArray(given.results))
    throw wrong('no machine and results')
  for (const [index, result] of given.results.entries()) {
    const what = fault(result)
    if (what !== undefined) throw wrong(`result ${index} ${what}`)
  }
  return { machine: { ...unknown, ...given.machine }, results: given.results as Result[] }
}
