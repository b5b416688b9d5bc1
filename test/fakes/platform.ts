// A platform for whole gateways and clients in one process: simulated network, virtual time, everything random from one seed.
import type { Group } from '../../src/algorithms/algorithms.ts'
import { groups } from '../../src/algorithms/registry.ts'
import type { Platform } from '../../src/gateway/platform.ts'
import type { Work, WorkResult } from '../../src/ike/contract.ts'
import type { Clock, Timers } from '../../src/platform/clock.ts'
import type { LogRecord } from '../../src/platform/log.ts'
import type { Network as Behind, ClientPlan, GatewayPlan } from '../../src/platform/network.ts'
import { ipv4Octets } from '../../src/wire/address.ts'
import { Writer } from '../../src/wire/codec.ts'
import type { Random } from '../../src/wire/machine.ts'
import {
  type Faults,
  fairNetwork,
  type Host,
  type Nat,
  Network,
  SeededRandom,
  VirtualTime,
} from '../scenarios/network.ts'
import { FakeFastPath } from './fast-path.ts'

/** Tells whether anything happened, so that it can be run step by step. */
class CountingTime extends VirtualTime {
  acted = 0

  override at(moment: number, action: () => void): void {
    super.at(moment, () => {
      this.acted++
      action()
    })
  }
}

/** One simulated world. */
export class World {
  readonly time = new CountingTime()
  readonly random: SeededRandom
  readonly network: Network

  constructor(seed = 1, faults: Faults = fairNetwork) {
    this.random = new SeededRandom(seed)
    this.network = new Network(this.time, new SeededRandom(seed ^ 0x5eed), faults)
  }

  /** A machine with its own platform. */
  machine(address: string, behind?: Nat): Machine {
    return new Machine(this, this.network.host(address, behind))
  }

  /** Moves time until `done`, at most `ms`; promises settle after each step. Tells whether it was done. */
  async until(done: () => boolean, ms: number): Promise<boolean> {
    const end = this.time.now + ms
    await settle()
    while (!done()) {
      const { acted } = this.time
      this.time.run(end, () => this.time.acted > acted)
      await settle()
      if (this.time.acted === acted) return done()
    }
    return true
  }

  async run(ms: number): Promise<void> {
    await this.until(() => false, ms)
  }

  /** Waits, in virtual time, for a promise. */
  async of<T>(promise: Promise<T>, ms = 120_000): Promise<T> {
    let settled = false
    promise.then(
      () => (settled = true),
      () => (settled = true),
    )
    if (!(await this.until(() => settled, ms))) throw new Error(`nothing came of it within ${ms} ms of virtual time`)
    return promise
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export class Machine implements Platform {
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly records: LogRecord[] = []
  readonly log = { write: (record: LogRecord) => void this.records.push(record) }
  readonly host: Host
  readonly network = new FakeNetwork()
  readonly #world: World
  forwardDns: Platform['forwardDns'] = undefined
  fastPath!: FakeFastPath

  constructor(world: World, host: Host) {
    const { time } = world
    const epoch = Date.parse('2026-01-01T00:00:00Z')
    this.#world = world
    this.host = host
    this.clock = { now: () => time.now, date: () => new Date(epoch + time.now) }
    this.timers = {
      after: (ms, run) => {
        let off = false
        time.after(ms, () => off || run())
        return () => {
          off = true
        }
      },
    }
    this.random = new SeededRandom(world.random.next())
  }

  readonly openFastPath: Platform['openFastPath'] = async (options) => {
    this.fastPath = new FakeFastPath(this.#world.network, this.host, options)
    return this.fastPath
  }

  /** Names that this machine can look up. */
  readonly names = new Map<string, readonly string[]>()
  readonly resolve: Platform['resolve'] & {} = async (name) => {
    const found = this.names.get(name)
    if (!found) throw new Error(`${name} is not known`)
    return found
  }

  readonly localAddressFor: Platform['localAddressFor'] & {} = async () => this.host.address

  readonly work: Platform['work'] = async (work) => toyWork(work, this.random)

  /** Sentences of the log from `least` up. */
  said(...levels: LogRecord['level'][]): string[] {
    return this.records
      .filter(({ level }) => levels.length === 0 || levels.includes(level))
      .map(({ sentence }) => sentence)
  }
}

/** Remembers what was asked for. */
export class FakeNetwork implements Behind {
  plan: GatewayPlan | undefined
  joined: ClientPlan | undefined
  readonly clients = new Set<string>()
  cleared = false

  async recover(): Promise<readonly string[]> {
    return []
  }

  async keep(): Promise<void> {}

  async serve(plan: GatewayPlan): Promise<readonly string[]> {
    this.plan = plan
    return []
  }

  async client(address: string, present: boolean): Promise<void> {
    if (present) this.clients.add(address)
    else this.clients.delete(address)
  }

  async join(plan: ClientPlan): Promise<void> {
    this.joined = plan
  }

  async clear(): Promise<void> {
    this.plan = undefined
    this.joined = undefined
    this.cleared = true
  }
}

/** 2^61 - 1 and a generator: quick, and the same on every machine. Values are padded to the group's length. */
const prime = 2n ** 61n - 1n
const generator = 37n

/** Diffie-Hellman in a toy group: what protocols do with the values is under test, not the values. */
function toyWork(work: Work, random: Random): WorkResult {
  const fresh = () => random.octets(7)
  switch (work.do) {
    case 'generate': {
      const privateValue = fresh()
      return { is: 'generated', privateValue, publicValue: power(generator, privateValue, work.group, 'publicOctets') }
    }
    case 'exchange': {
      const privateValue = fresh()
      return {
        is: 'exchanged',
        publicValue: power(generator, privateValue, work.group, 'publicOctets'),
        shared: power(numberOf(work.peerPublic), privateValue, work.group, 'sharedOctets'),
      }
    }
    case 'agree':
      return { is: 'agreed', shared: power(numberOf(work.peerPublic), work.privateValue, work.group, 'sharedOctets') }
  }
}

function numberOf(octets: Uint8Array): bigint {
  return octets.reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
}

function power(base: bigint, exponent: Uint8Array, group: Group, length: 'publicOctets' | 'sharedOctets'): Uint8Array {
  let result = 1n
  let square = base % prime
  for (let left = numberOf(exponent); left > 0n; left >>= 1n) {
    if (left & 1n) result = (result * square) % prime
    square = (square * square) % prime
  }
  const octets = new Uint8Array(groups[group][length])
  for (let i = octets.length - 1; i >= 0 && result > 0n; i--, result >>= 8n) octets[i] = Number(result & 0xffn)
  return octets
}

/** An IPv4 packet with nothing but addresses, protocol 253 and a payload. */
export function ipv4Packet(from: string, to: string, payload: Uint8Array): Uint8Array {
  const header = new Writer()
    .u8(0x45)
    .u8(0)
    .u16(20 + payload.length)
    .u32(0)
    .u8(64)
    .u8(253)
    .u16(0)
  return header.put(ipv4Octets(from)!).put(ipv4Octets(to)!).put(payload).done()
}
