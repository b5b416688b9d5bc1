// Every state × event of the machines inside IKE, as snapshots: what becomes of the state, and what goes out. Two cores with known random numbers are
// brought to each state in lock step; then one of them is given each event.
import { describe, expect, test } from 'vitest'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { SeededRandom } from '../../test/scenarios/network.ts'
import { doWork } from '../../test/scenarios/sync-dh.ts'
import type { IkeEffect, IkeInput, IkePolicy } from './contract.ts'
import { IkeCore } from './core.ts'
import { parseHeader } from './wire/header.ts'
import { exchangeType } from './wire/numbers.ts'

const ends = {
  initiator: { address: '198.51.100.7', port: 500 },
  responder: { address: '192.0.2.1', port: 500 },
} as const
type Role = keyof typeof ends
const other = (role: Role): Role => (role === 'initiator' ? 'responder' : 'initiator')

type Mode = 'main' | 'aggressive'

function policy(peer: Role, mode: Mode): IkePolicy {
  const common = {
    ike: [{ cipher: 'aes128', hash: 'sha1', group: 'ecp256' }],
    esp: [{ cipher: 'aes128', hash: 'sha1', group: 'ecp256' }],
    lifetimes: { ikeSeconds: 3_600, espSeconds: 1_200, espKilobytes: 1_000 },
  } as const
  const { pfsGroups, requirePfs } = ikePolicy()
  const site = { site: 1, name: 'peer', addresses: [ends[peer].address], traffic: [], pfsGroups, requirePfs, ...common }
  return ikePolicy({ ...common, ...(mode === 'aggressive' ? { sites: [{ ...site, aggressive: true }] } : {}) })
}

const exchangeNames = new Map<number, string>([
  [exchangeType.main, 'MM'],
  [exchangeType.aggressive, 'AM'],
  [exchangeType.quick, 'QM'],
])

/** Two cores; each step handles the oldest input that waits. Messages have names: MM1 to MM6 or AM1 to AM3, QM1 to QM3. */
class LockStep {
  readonly cores: Readonly<Record<Role, IkeCore>>
  readonly messages = new Map<string, Uint8Array>()
  readonly waiting: { readonly to: Role; readonly input: IkeInput }[] = []
  now = 1_000
  readonly #random = { initiator: new SeededRandom(1), responder: new SeededRandom(2) }
  readonly #count = new Map<number, number>()

  constructor(mode: Mode = 'main') {
    this.cores = {
      initiator: new IkeCore(policy('responder', mode)),
      responder: new IkeCore(policy('initiator', mode)),
    }
    const path = { local: ends.initiator, remote: ends.responder }
    this.give('initiator', { on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
  }

  give(to: Role, input: IkeInput): readonly IkeEffect[] {
    const effects = this.cores[to].handle(input, { now: this.now, random: this.#random[to] })
    for (const effect of effects) this.#after(to, effect)
    return effects
  }

  datagram(to: Role, octets: Uint8Array): IkeInput {
    return { on: 'datagram', path: { local: ends[to], remote: ends[other(to)] }, octets }
  }

  step(): void {
    const next = this.waiting.shift()
    if (!next) throw new Error('nothing waits')
    this.give(next.to, next.input)
  }

  /** Steps until the core is in this state, and then to where its next input waits. */
  until(role: Role, state: string): void {
    for (let steps = 0; stateOf(this.cores[role]) !== state; steps++) {
      if (steps > 40) throw new Error(`${role} never came to “${state}”`)
      this.step()
    }
  }

  /** What the core in that state waits for. */
  next(role: Role): IkeInput | undefined {
    for (let steps = 0; steps < 6; steps++) {
      const [first] = this.waiting
      if (!first || first.to === role) return first?.input
      this.step()
    }
    return undefined
  }

  #after(from: Role, effect: IkeEffect): void {
    const to = other(from)
    if (effect.do === 'send') {
      this.messages.set(this.#name(effect.octets), effect.octets)
      this.waiting.push({ to, input: this.datagram(to, effect.octets) })
    }
    if (effect.do === 'work')
      this.waiting.push({
        to: from,
        input: { on: 'done', job: effect.job, result: doWork(effect.work, this.#random[from]) },
      })
    if (effect.do === 'install') this.waiting.push({ to: from, input: { on: 'installed', job: effect.job } })
  }

  #name(octets: Uint8Array): string {
    const { exchange } = parseHeader(octets).header
    const n = (this.#count.get(exchange) ?? 0) + 1
    this.#count.set(exchange, n)
    return `${exchangeNames.get(exchange) ?? 'INFO'}${n}`
  }
}

/** Phase 1 until it stands, then quick mode, then the pair. */
function stateOf({ state }: IkeCore): string {
  const sa = [...state.sas.values()][0]
  const [pair] = [...state.peers.values()].flatMap(({ pairs }) => [...pairs.values()])
  if (!sa) return pair ? `${pair.state} pair without ISAKMP SA` : 'nothing'
  const { phase1 } = sa
  if (phase1.is === 'computing') return `computing, to ${phase1.work.to}`
  const [quick] = [...sa.quick.values()]
  const parts = [
    phase1.is,
    ...(quick ? [quick.is === 'computing' ? `computing, to ${quick.work.to}` : quick.is] : []),
    ...(pair ? [`${pair.state} pair`] : []),
  ]
  return parts.join(', ')
}

function show(effect: IkeEffect): string {
  switch (effect.do) {
    case 'report':
      return effect.event.event === 'ike.negotiation.refused' ? `refused: ${effect.event.cause}` : effect.event.event
    case 'work':
      return `work ${effect.work.do}`
    case 'peerGone':
      return `peerGone ${effect.reason}`
    default:
      return effect.do
  }
}

/** A whole run, for the names and octets of its messages: random numbers are the same in every run. */
function wholeRun(mode: Mode): LockStep {
  const run = new LockStep(mode)
  while (run.waiting.length > 0) run.step()
  return run
}

const spoiled = (octets: Uint8Array) => octets.map((octet, i) => (i === 40 ? octet ^ 0x80 : octet))

/** Names and makers of events; undefined where the state has no such event. */
type Event = readonly [name: string, make: (run: LockStep, role: Role) => IkeInput | undefined]

const messageEvents = (mode: Mode) =>
  [...wholeRun(mode).messages].flatMap(([name, octets]): Event[] => [[name, (run, role) => run.datagram(role, octets)]])

const spi = (run: LockStep, role: Role) => [...run.cores[role].state.spis.keys()][0]

const eventsOf = (mode: Mode): readonly Event[] => [
  ['what it waits for', (run, role) => run.next(role)],
  ['its work fails', (run, role) => failing(run.next(role))],
  ['a result of other work', () => ({ on: 'done', job: 999, result: { is: 'failed', reason: 'stale' } })],
  ['its install fails', (run, role) => refusing(run.next(role))],
  ...messageEvents(mode),
  ['what it waits for, damaged', (run, role) => damaged(run.next(role))],
  ['what it waits for, from elsewhere', (run, role) => elsewhere(run.next(role))],
  ['a notify in clear', (run, role) => run.datagram(role, clearNotify(run, role))],
  [
    'octets',
    (run, role) =>
      run.datagram(
        role,
        Uint8Array.from({ length: 100 }, (_, i) => i),
      ),
  ],
  ['its next deadline', (run, role) => later(run, (run.cores[role].deadline ?? run.now) - run.now)],
  ['a minute of nothing', (run) => later(run, 60_000)],
  ['two hours of nothing', (run) => later(run, 7_200_000)],
  ['pairUsed', (run, role) => pairEvent(run, role, 'pairUsed')],
  ['sequenceLow', (run, role) => pairEvent(run, role, 'sequenceLow')],
  ['moved', (run, role) => movedEvent(run, role)],
  ['a megabyte', (run, role) => heardEvent(run, role)],
  ['disconnect', () => ({ on: 'disconnect', peer: 1, reason: 'test' })],
  ['shutdown', () => ({ on: 'shutdown' })],
]

const events = eventsOf('main')
const aggressiveEvents = eventsOf('aggressive')

function failing(input: IkeInput | undefined): IkeInput | undefined {
  return input?.on === 'done' ? { ...input, result: { is: 'failed', reason: 'the value is 1' } } : undefined
}

function refusing(input: IkeInput | undefined): IkeInput | undefined {
  return input?.on === 'installed' ? { ...input, failure: 'no memory' } : undefined
}

function damaged(input: IkeInput | undefined): IkeInput | undefined {
  return input?.on === 'datagram' ? { ...input, octets: spoiled(input.octets) } : undefined
}

function elsewhere(input: IkeInput | undefined): IkeInput | undefined {
  if (input?.on !== 'datagram') return undefined
  return { ...input, path: { ...input.path, remote: { address: '203.0.113.66', port: 4500 } } }
}

function later(run: LockStep, milliseconds: number): IkeInput {
  run.now += milliseconds
  return { on: 'tick' }
}

function pairEvent(run: LockStep, role: Role, on: 'pairUsed' | 'sequenceLow'): IkeInput | undefined {
  const inboundSpi = spi(run, role)
  return inboundSpi === undefined ? undefined : { on, peer: 1, inboundSpi }
}

function movedEvent(run: LockStep, role: Role): IkeInput | undefined {
  const inboundSpi = spi(run, role)
  const path = { local: ends[role], remote: { address: '203.0.113.66', port: 4500 } }
  return inboundSpi === undefined ? undefined : { on: 'moved', peer: 1, inboundSpi, path }
}

function heardEvent(run: LockStep, role: Role): IkeInput | undefined {
  const inboundSpi = spi(run, role)
  return inboundSpi === undefined
    ? undefined
    : { on: 'heard', pairs: [{ peer: 1, inboundSpi, at: run.now, octets: 1_000_000 }] }
}

/** INVALID-KEY-INFORMATION with the cookies of the negotiation. */
function clearNotify(run: LockStep, role: Role): Uint8Array {
  const sa = [...run.cores[role].state.sas.values()][0]
  const cookies = [
    ...(sa?.cookies.initiatorCookie ?? new Uint8Array(8)),
    ...(sa?.cookies.responderCookie ?? new Uint8Array(8)),
  ]
  return Uint8Array.of(...cookies, 11, 0x10, 5, 0, 1, 2, 3, 4, 0, 0, 0, 40, 0, 0, 0, 12, 0, 0, 0, 1, 1, 0, 0, 17)
}

const states: readonly (readonly [Role, string])[] = [
  ['responder', 'nothing'],
  ['responder', 'awaiting MM3'],
  ['responder', 'computing, to send MM4'],
  ['responder', 'awaiting MM5'],
  ['responder', 'established'],
  ['responder', 'established, computing, to send QM2'],
  ['responder', 'established, installing'],
  ['responder', 'established, awaiting QM3, new pair'],
  ['responder', 'established, current pair'],
  ['initiator', 'awaiting MM2'],
  ['initiator', 'computing, to send MM3'],
  ['initiator', 'awaiting MM4'],
  ['initiator', 'computing, to send MM5'],
  ['initiator', 'awaiting MM6'],
  ['initiator', 'established, computing, to send QM1'],
  ['initiator', 'established, awaiting QM2'],
  ['initiator', 'established, computing, to send QM3'],
  ['initiator', 'established, installing'],
  ['initiator', 'established, current pair'],
]

/** The same while a pair is rekeyed by one of them, and after the ISAKMP SA's end. */
const laterStates: readonly (readonly [Role, string, Role | 'expired'])[] = [
  ['initiator', 'established, computing, to send QM1, current pair', 'initiator'],
  ['initiator', 'established, awaiting QM2, current pair', 'initiator'],
  ['initiator', 'established, installing, current pair', 'initiator'],
  ['initiator', 'established, settling, current pair', 'initiator'],
  ['responder', 'established, awaiting QM3, current pair', 'initiator'],
  ['responder', 'established, draining pair', 'initiator'],
  ['responder', 'established, settling, current pair', 'responder'],
  ['initiator', 'established, awaiting QM3, current pair', 'responder'],
  ['responder', 'deleted, current pair', 'expired'],
  ['initiator', 'deleted, current pair', 'expired'],
]

const aggressiveStates: readonly (readonly [Role, string])[] = [
  ['responder', 'computing, to send AM2'],
  ['responder', 'awaiting AM3'],
  ['initiator', 'computing, to send AM1'],
  ['initiator', 'awaiting AM2'],
  ['initiator', 'computing, to send AM3'],
]

function begin(role: Role, state: string, then?: Role | 'expired', mode: Mode = 'main'): LockStep {
  const run = new LockStep(mode)
  if (then) {
    while (run.waiting.length > 0) run.step()
    const who = then === 'expired' ? 'initiator' : then
    if (then === 'expired') run.cores[who].state.timers.set('ike-expire 1', run.now)
    const inboundSpi = spi(run, who)!
    run.give(who, then === 'expired' ? { on: 'tick' } : { on: 'sequenceLow', peer: 1, inboundSpi })
  }
  run.until(role, state)
  return run
}

function outcome(
  role: Role,
  state: string,
  [name, make]: Event,
  then?: Role | 'expired',
  mode: Mode = 'main',
): string[] {
  const run = begin(role, state, then, mode)
  const input = make(run, role)
  if (!input) return []
  const effects = run.give(role, input)
  const shown = effects.map(show).join(', ')
  const after = stateOf(run.cores[role])
  return [`${name}: ${after === state ? 'stays' : after}${shown ? ` (${shown})` : ''}`]
}

describe('state × event', () => {
  for (const [role, state] of states)
    test(`${role}, ${state}`, () => {
      expect(events.flatMap((event) => outcome(role, state, event))).toMatchSnapshot()
    })

  for (const [role, state, then] of laterStates)
    test(`${role}, ${state}, ${then === 'expired' ? then : `rekeyed by the ${then}`}`, () => {
      expect(events.flatMap((event) => outcome(role, state, event, then))).toMatchSnapshot()
    })

  for (const [role, state] of aggressiveStates)
    test(`aggressive mode: ${role}, ${state}`, () => {
      expect(
        aggressiveEvents.flatMap((event) => outcome(role, state, event, undefined, 'aggressive')),
      ).toMatchSnapshot()
    })

  test('every state of phase 1 and of quick mode was visited', () => {
    const visited = [...states, ...laterStates, ...aggressiveStates].map(([, state]) => state).join('; ')
    for (const is of [
      'awaiting AM2',
      'awaiting AM3',
      'awaiting MM2',
      'awaiting MM3',
      'awaiting MM4',
      'awaiting MM5',
      'awaiting MM6',
      'established',
      'awaiting QM2',
      'awaiting QM3',
      'settling',
      'deleted',
      'new pair',
      'draining pair',
      'installing',
    ])
      expect(visited).toContain(is)
    for (const to of ['AM1', 'AM2', 'AM3', 'MM3', 'MM4', 'MM5', 'QM1', 'QM2', 'QM3'])
      expect(visited).toContain(`to send ${to}`)
  })
})

test('what is remembered is plain data', () => {
  for (const [role, state, then] of [...states.map((one) => [...one, undefined] as const), ...laterStates]) {
    const run = begin(role, state, then)
    const { timers: _, ...rest } = run.cores[role].state
    const { policy: __, ...plain } = rest
    expect(structuredClone(plain)).toEqual({ ...plain, sas: new Map(plain.sas), peers: new Map(plain.peers) })
  }
})
