// Complete logins a second (main mode, quick mode, L2TP, PPP with MS-CHAPv2, an address) at a gateway on one core, from a fleet on another; and a storm: ten
// thousand clients that dial at the same moment.
import { availableParallelism } from 'node:os'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { runHere } from '../scratch-namespace.ts'
import { cores, Field, percentile } from './field.ts'
import type { Round } from './fleet.ts'
import { needRoot } from './need-root.ts'
import { processorSeconds } from './process-figures.ts'
import { ofRounds, type Progress, type Result } from './result.ts'

/** With the least that is to be reached on one core. */
const groups = [
  { group: 'ecp256', atLeast: 500 },
  { group: 'modp2048', atLeast: 300 },
] as const
const operationsOfALogin = 2
/** Under way at any time while the gateway warms up. */
const atOnceAtFirst = 64
/**
 * Then as many as it served in a quarter of a second: it has something to do while the clients' process collects garbage for 15 ms, and nobody waits for the second
 * after which messages are repeated.
 */
const shareOfASecond = 0.25
const bounds = { least: 16, most: 256 }
/** Signs of life are `bench sessions`' to measure: among thousands of sessions on a slow machine they cost as much as the logins. */
const deadPeerSeconds = 3600
const limitProcess = fileURLToPath(new URL('diffie-hellman.ts', import.meta.url))

/** How much is measured; a test asks for little. */
export type Effort = {
  /** Logins that are not measured, before each group: V8 compiles what runs often for some thousand of them, on threads whose time counts as the gateway's. */
  readonly warmUp: number
  readonly logins: number
  readonly rounds: number
  readonly storm: number
  readonly seconds: number
  /** Of processor time, for the limit. */
  readonly limitMilliseconds: number
}

const whole: Effort = { warmUp: 4000, logins: 2000, rounds: 5, storm: 10_000, seconds: 120, limitMilliseconds: 1000 }
const short: Effort = { warmUp: 1500, logins: 300, rounds: 2, storm: 1000, seconds: 60, limitMilliseconds: 200 }

/** Needs root. */
export function benchLogins(quick: boolean, progress: Progress): Promise<Result[]> {
  return measureLogins(quick ? short : whole, progress)
}

export async function measureLogins(effort: Effort, progress: Progress): Promise<Result[]> {
  needRoot('logins')
  const all = groups.length * effort.rounds + 1
  const results: Result[] = []
  for (const [index, { group, atLeast }] of groups.entries()) {
    const users = Math.min(10_000, effort.warmUp + effort.logins * effort.rounds)
    const figures = await Field.with(
      { users, ike: `aes256-sha256-${group}`, esp: 'aes128-sha1', deadPeerSeconds },
      async (field) => {
        progress(index * effort.rounds, all, `warming up, ${group}`)
        const warm = await field.logIn(effort.warmUp, atOnceAtFirst, effort.seconds)
        complete(warm)
        const atOnce = together(warm)
        const rounds = []
        for (let round = 0; round < effort.rounds; round++) {
          progress(index * effort.rounds + round, all, `logins, ${group}`)
          rounds.push(await measureRound(field, group, effort, atOnce))
        }
        return rounds
      },
    )
    results.push(...resultsOf(group, atLeast, figures))
  }
  progress(all - 1, all, `a storm of ${effort.storm}`)
  results.push(...(await storm(effort)))
  return results
}

/** How many are to be under way at any time, by what the gateway served before. */
export function together({ logins, seconds }: Pick<Round, 'logins' | 'seconds'>): number {
  return Math.min(bounds.most, Math.max(bounds.least, Math.round((logins.length / seconds) * shareOfASecond)))
}

type Figures = { readonly byClock: number; readonly byProcessor: number; readonly limit: number }

async function measureRound(field: Field, group: string, effort: Effort, atOnce: number): Promise<Figures> {
  const limit = diffieHellman(group, effort.limitMilliseconds) / operationsOfALogin
  const before = processorSeconds(field.gatewayPid)
  const round = await field.logIn(effort.logins, atOnce, effort.seconds)
  const seconds = processorSeconds(field.gatewayPid) - before
  complete(round)
  return {
    byClock: round.logins.length / round.seconds,
    byProcessor: round.logins.length / Math.max(seconds, 0.01),
    limit,
  }
}

function resultsOf(group: string, atLeast: number, rounds: readonly Figures[]): Result[] {
  const limitOf = `Diffie-Hellman alone on the same core, ${operationsOfALogin} operations a login`
  const result = (what: string, note: string, value: (figures: Figures) => number): Result => {
    const figures = ofRounds(rounds.map((round) => ({ value: value(round), limit: round.limit })))
    const { value: perSecond, ...rest } = figures
    return { what, esp: group, direction: '', perSecond, ...rest, limitOf, aim: { atLeast }, note }
  }
  const cramped = availableParallelism() < 2 ? '; gateway and clients share the only core' : ''
  return [
    result(
      'logins, one core',
      `by the clock; whatever else the machine does makes it less${cramped}`,
      ({ byClock }) => byClock,
    ),
    result(
      'logins, a second of processor time',
      'by the processor time of all the gateway’s threads: what the core would do if nothing else ran and the clients were fast enough',
      ({ byProcessor }) => byProcessor,
    ),
  ]
}

async function storm({ storm: count, seconds }: Effort): Promise<Result[]> {
  const users = Math.min(10_000, count)
  const options = { users, ike: 'aes256-sha256-ecp256', esp: 'aes128-sha1', deadPeerSeconds }
  return Field.with(options, async (field) => {
    const round = await field.logIn(count, count, Math.max(seconds, 120))
    complete(round)
    const again = round.logins.filter(({ attempts }) => attempts > 1).length
    const what = `storm of ${count.toLocaleString('en')} at once`
    const note = `none lost; ${again} had to dial again`
    return ([0.5, 0.99] as const).map((share) => ({
      what,
      esp: `ecp256, ${share === 0.5 ? 'median' : '99th percentile'}`,
      direction: '',
      milliseconds: percentile(round.logins, share),
      spread: 0,
      note,
    }))
  })
}

/** Throws an Error where a login was lost. */
function complete({ lost }: Round): void {
  if (lost.length > 0) throw new Error(`${lost.length} logins failed: ${[...new Set(lost)].slice(0, 3).join('; ')}`)
}

/** Operations a second of processor time on the gateway's core. */
function diffieHellman(group: string, milliseconds: number): number {
  const pinned = ['--cpu-list', String(cores().gateway), process.execPath, '--disable-warning=ExperimentalWarning']
  const { perSecond } = JSON.parse(runHere('taskset', [...pinned, limitProcess, group, String(milliseconds)]))
  return perSecond
}
