// Two PPP links against each other in virtual time, over a path that loses, repeats and reorders as a seed says.
import { LocalUsers } from '../../src/aaa/local-users.ts'
import type { User } from '../../src/aaa/user.ts'
import type { NetworkGrant, PppEffect, PppInput, PppPolicy } from '../../src/ppp/contract.ts'
import { PppLink } from '../../src/ppp/link.ts'
import type { Instant, Random } from '../../src/wire/machine.ts'
import { Secret } from '../../src/wire/secret.ts'

/** mulberry32: the same numbers for the same seed. */
export class Seeded implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }

  octets(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.next() * 256))
  }
}

export const user = (name: string, more: Partial<User> = {}): User => ({
  name,
  password: new Secret('wonderland'),
  ntHash: undefined,
  enabled: true,
  passwordExpired: false,
  hours: [],
  ...more,
})

export const serverPolicy: PppPolicy = {
  role: 'server',
  authentication: ['mschapv2'],
  name: 'gw',
  credentials: undefined,
  mru: 1400,
  echo: { idleSeconds: 20, intervalSeconds: 10, tries: 3 },
  restart: { ms: 3000, maxConfigure: 10, maxTerminate: 2, maxFailure: 5 },
  authSeconds: 60,
  authTries: 3,
  ipv6: true,
}

export const clientPolicy: PppPolicy = {
  ...serverPolicy,
  role: 'client',
  authentication: ['mschapv2', 'mschap', 'chap', 'pap'],
  credentials: { user: 'alice', password: new Secret('wonderland') },
}

export const grant: NetworkGrant & { is: 'granted' } = {
  is: 'granted',
  ours: '10.99.0.1',
  peers: '10.99.0.10',
  dns: ['10.99.0.1', '9.9.9.9'],
  nbns: [],
  interfaceId: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
  sessionSeconds: undefined,
  idleSeconds: undefined,
}

/** Probabilities for one frame; the delay of a frame that is held back, in milliseconds. */
export type Path = { readonly loss: number; readonly repeat: number; readonly reorder: number; readonly heldMs: number }
export const goodPath: Path = { loss: 0, repeat: 0, reorder: 0, heldMs: 0 }
export const badPath: Path = { loss: 0.2, repeat: 0.1, reorder: 0.1, heldMs: 300 }

type Side = 'server' | 'client'
type Due = { readonly at: Instant; readonly order: number; readonly run: () => void }

export class Pair {
  now: Instant = 0
  readonly links: Readonly<Record<Side, PppLink>>
  /** All effects but frames, in order. */
  readonly effects: Record<Side, PppEffect[]> = { server: [], client: [] }
  frames = 0
  readonly #path: Path
  readonly #random: Seeded
  readonly #users: LocalUsers
  #queue: Due[] = []
  #order = 0

  constructor(seed: number, path: Path, server = serverPolicy, client = clientPolicy, users = [user('alice')]) {
    this.#random = new Seeded(seed)
    this.#path = path
    this.#users = new LocalUsers(users)
    this.links = { server: new PppLink(server), client: new PppLink(client) }
  }

  give(side: Side, input: PppInput): void {
    for (const effect of this.links[side].handle(input, { now: this.now, random: this.#random })) this.#do(side, effect)
  }

  up(): void {
    this.give('server', { on: 'up' })
    this.give('client', { on: 'up' })
  }

  last<Do extends PppEffect['do']>(side: Side, which: Do): (PppEffect & { do: Do }) | undefined {
    return this.effects[side].findLast((effect) => effect.do === which) as (PppEffect & { do: Do }) | undefined
  }

  /** Runs until `done` says so or the time is over; tells whether it did. */
  run(ms: number, done: () => boolean = () => false): boolean {
    const end = this.now + ms
    while (!done()) {
      const next = this.#next()
      if (!next || next.at > end) {
        this.now = end
        return done()
      }
      this.now = Math.max(this.now, next.at)
      next.run()
    }
    return true
  }

  #next(): Due | undefined {
    const ticks = (['server', 'client'] as const).flatMap((side) => {
      const at = this.links[side].deadline
      return at === undefined ? [] : [{ at, order: Number.MAX_VALUE, run: () => this.give(side, { on: 'tick' }) }]
    })
    const [queued] = this.#queue
    const next = [...ticks, ...(queued ? [queued] : [])].sort((a, b) => a.at - b.at || a.order - b.order)[0]
    if (next && next === queued) this.#queue.shift()
    return next
  }

  #after(ms: number, run: () => void): void {
    this.#queue.push({ at: this.now + ms, order: this.#order++, run })
    this.#queue.sort((a, b) => a.at - b.at || a.order - b.order)
  }

  #do(side: Side, effect: PppEffect): void {
    switch (effect.do) {
      case 'send':
        this.#transmit(side === 'server' ? 'client' : 'server', effect.protocol, effect.payload)
        return
      case 'verify': {
        const at = { now: this.now, minuteOfWeek: 0, source: 'here' }
        const { verdict, delayMs } = this.#users.verify(effect.attempt, at)
        this.#after(delayMs + 1, () => this.give(side, { on: 'verdict', job: effect.job, verdict }))
        return
      }
      case 'grant':
        this.#after(1, () => this.give(side, { on: 'grant', job: effect.job, grant }))
        return
      default:
        this.effects[side].push(effect)
    }
  }

  #transmit(to: Side, protocol: number, payload: Uint8Array): void {
    this.frames++
    const { loss, repeat, reorder, heldMs } = this.#path
    const copies = this.#random.next() < repeat ? 2 : 1
    for (let i = 0; i < copies; i++) {
      if (this.#random.next() < loss) continue
      const held = this.#random.next() < reorder ? this.#random.next() * heldMs : 0
      this.#after(10 + held, () => this.give(to, { on: 'frame', protocol, payload }))
    }
  }
}
