// Rounds in which all are measured seconds from each other, and what is told of them: figures of ours, with the other's as the limit.
import { ofRounds, type Result } from '../../../src/cli/bench/result.ts'
import type { Carried, Passed } from './load.ts'
import { filter, type Lane, type Stand } from './stand.ts'

/** Ours; strongSwan, xl2tpd and pppd with the same filter around their clients; the same without any. */
export const arms = ['ours', 'theirs', 'bare'] as const
export type Arm = (typeof arms)[number]
export type Round<T> = Readonly<Partial<Record<Arm, T>>>
/** How far two guests that do the same differ, as a share: of what arrives by the clock, and by processor time. */
export type Noise = { readonly clock: number; readonly processor: number }

/** Who begins changes with each round, so that drift favours nobody. */
export async function inTurn<T>(
  stand: Stand,
  who: readonly Arm[],
  rounds: number,
  take: (lane: Lane) => Promise<T>,
): Promise<readonly Round<T>[]> {
  const all: Round<T>[] = []
  for (let round = 0; round < rounds; round++) {
    const taken: Partial<Record<Arm, T>> = {}
    const first = round % who.length
    for (const arm of [...who.slice(first), ...who.slice(0, first)]) {
      if (arm !== 'ours') await filter(stand, arm === 'theirs')
      taken[arm] = await take(arm === 'ours' ? stand.lanes.ours : stand.lanes.theirs)
    }
    all.push(taken)
  }
  return all
}

const byProcessor = "a second of the server's processor time"
const limits = {
  ours: '',
  theirs:
    'strongSwan, xl2tpd and pppd on the same kernel, with the same filter between their clients and the rest, in the same round',
  bare: 'strongSwan, xl2tpd and pppd on the same kernel, without any filter, in the same round',
} as const
const twins = 'the same without a session, through the other guest: they should not differ'

type Figure<T> = {
  readonly what: string
  readonly esp: string
  readonly direction: string
  readonly unit: 'gbps' | 'perSecond'
  readonly of: (one: T) => number
  /** Of two guests that do the same; absent while that is measured. */
  readonly noise: number | undefined
}

/** Beside each of the others; the aim is to be at least what theirs is, within the noise. */
function results<T>(rounds: readonly Round<T>[], figure: Figure<T>): Result[] {
  const { what, esp, direction, unit, of, noise } = figure
  const others = (['theirs', 'bare'] as const).filter((arm) => rounds[0]?.[arm] !== undefined)
  return others.map((arm): Result => {
    const pairs = rounds.map((round) => ({ value: of(round.ours as T), limit: of(round[arm] as T) }))
    const { value, limit, ratio, spread, ratioSpread } = ofRounds(pairs)
    const named = noise !== undefined && arm === 'bare' ? `${what}, beside a server without a filter` : what
    const numbers = { what: named, esp, direction, [unit]: value, limit, ratio, spread, ratioSpread }
    if (noise === undefined) return { ...numbers, limitOf: twins }
    if (arm === 'bare') return { ...numbers, limitOf: limits.bare }
    return { ...numbers, limitOf: limits.theirs, aim: { ratio: 1, within: Math.max(ratioSpread, noise) } }
  })
}

/** The root of the mean square of what the twins differ. */
export function noiseOf(control: readonly Result[]): Noise {
  const of = (ofProcessor: boolean) => {
    const ratios = control
      .filter(({ what }) => what.includes(byProcessor) === ofProcessor)
      .map(({ ratio = 1 }) => ratio)
    return Math.sqrt(ratios.reduce((sum, ratio) => sum + (ratio - 1) ** 2, 0) / ratios.length)
  }
  return { clock: of(false), processor: of(true) }
}

/** Without `noise` it is the measurement of the noise. */
export function tcpResults(esp: string, direction: string, rounds: readonly Round<Carried>[], noise?: Noise): Result[] {
  const same = { esp, direction, unit: 'gbps' } as const
  return [
    ...results(rounds, { ...same, what: 'TCP, one client', of: ({ gbps }) => gbps, noise: noise?.clock }),
    ...results(rounds, {
      ...same,
      what: `TCP, ${byProcessor}`,
      of: ({ gigabits, seconds }) => gigabits / seconds,
      noise: noise?.processor,
    }),
  ]
}

export function packetResults(esp: string, direction: string, rounds: readonly Round<Passed>[], noise?: Noise) {
  const what = `UDP packets of 64 octets, ${byProcessor}`
  const of = ({ packets, seconds }: Passed) => packets / seconds
  return results(rounds, { what, esp, direction, unit: 'perSecond', of, noise: noise?.processor })
}

/** `seconds` by the clock, `processor` the server's. */
export type Login = { readonly seconds: number; readonly processor: number }

const ofLogins =
  "a login by the clock is mostly its client's programs being started; xl2tpd and pppd also lose the first LCP request, 3 s"

export function loginResults(esp: string, rounds: readonly Round<Login>[], noise: Noise): Result[] {
  const same = { esp, direction: '', unit: 'perSecond' } as const
  return [
    ...results(rounds, {
      ...same,
      what: 'Logins, one after the other',
      of: ({ seconds }) => 1 / seconds,
      noise: noise.clock,
    }).map((one) => ({ ...one, note: ofLogins })),
    ...results(rounds, {
      ...same,
      what: `Logins, ${byProcessor}`,
      of: ({ processor }) => 1 / processor,
      noise: noise.processor,
    }),
  ]
}

export function restResult(ours: number, theirs: number): Result {
  const numbers = { corePercent: ours, limit: theirs, spread: 0, limitOf: limits.bare }
  return { what: 'At rest, one session', esp: '', direction: '', ...numbers }
}
