// A daemon's life in a simulated world, which ends at a chosen moment without a word: what it would do from then on has no effect, what it wrote down and
// what its fast path holds stay for the next life.
import { deserialize, serialize } from 'node:v8'
import type { Platform } from '../../src/gateway/platform.ts'
import type { FastPath } from '../../src/platform/fast-path.ts'
import type { Journal } from '../../src/platform/journal.ts'
import type { Records } from '../../src/wire/durable.ts'
import type { FakeFastPath } from './fast-path.ts'
import type { Machine } from './platform.ts'

/** Octets by name, as a journal would have them on disk. */
export type Written = Map<string, Uint8Array>

/** What is seen of a life at its fast path. */
export type Deed =
  | { readonly did: 'apply' | 'ppp' | 'keepalive' }
  /** Names of records. */
  | { readonly did: 'write'; readonly names: readonly string[] }
  | { readonly did: 'ike' | 'control'; readonly octets: Uint8Array; readonly peer?: number }

export class Life implements Platform {
  readonly clock
  readonly random
  readonly log
  readonly network
  readonly forwardDns = undefined
  readonly journal: Journal
  readonly #machine: Machine
  readonly #written: Written
  /** Deeds until it dies. */
  deedsLeft: number = Number.POSITIVE_INFINITY
  readonly onDeed: ((deed: Deed) => void) | undefined
  #dead = false

  /** `written`: what earlier lives left; this one's writing goes there too. */
  constructor(machine: Machine, written: Written, onDeed?: (deed: Deed) => void) {
    this.#machine = machine
    this.#written = written
    this.onDeed = onDeed
    this.clock = machine.clock
    this.random = machine.random
    this.log = { write: (record: Parameters<Platform['log']['write']>[0]) => this.#dead || machine.log.write(record) }
    this.network = machine.network
    this.journal = this.#openJournal()
  }

  get dead(): boolean {
    return this.#dead
  }

  kill(): void {
    this.#dead = true
  }

  readonly timers: Platform['timers'] = {
    after: (ms, run) => this.#machine.timers.after(ms, () => this.#dead || run()),
  }

  readonly work: Platform['work'] = (work) => this.#alive(this.#machine.work(work))

  readonly openFastPath: Platform['openFastPath'] = async (options) => {
    if (!options.resume) await this.#machine.openFastPath(options)
    const { fastPath } = this.#machine
    return this.#cut(fastPath)
  }

  /** Results come to nobody once it is dead. */
  #alive<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      promise.then(
        (value) => this.#dead || resolve(value),
        (error) => this.#dead || reject(error),
      )
    })
  }

  #do(deed: Deed, act: () => void): void {
    if (this.#dead) return
    if (this.deedsLeft-- <= 0) {
      this.#dead = true
      return
    }
    this.onDeed?.(deed)
    act()
  }

  #cut(fastPath: FakeFastPath): FastPath {
    return {
      kind: fastPath.kind,
      description: fastPath.description,
      ports: fastPath.ports,
      listen: (receive) => fastPath.listen((batch) => this.#dead || receive(batch)),
      apply: (job, changes) => this.#do({ did: 'apply' }, () => fastPath.apply(job, changes)),
      sendIke: (path, octets) => this.#do({ did: 'ike', octets }, () => fastPath.sendIke(path, octets)),
      sendKeepalive: (path) => this.#do({ did: 'keepalive' }, () => fastPath.sendKeepalive(path)),
      sendControl: (peer, localPort, remotePort, octets) =>
        this.#do({ did: 'control', octets, peer }, () => fastPath.sendControl(peer, localPort, remotePort, octets)),
      sendPpp: (session, protocol, payload) =>
        this.#do({ did: 'ppp' }, () => fastPath.sendPpp(session, protocol, payload)),
      forgetTheRest: () => this.#do({ did: 'apply' }, () => fastPath.forgetTheRest()),
      activity: () => (this.#dead ? { pairs: [], sessions: [] } : fastPath.activity()),
      counters: () => fastPath.counters(),
      close: async () => {
        if (!this.#dead) await fastPath.close()
      },
    }
  }

  #openJournal(): Journal {
    const former: Records | undefined =
      this.#written.size > 0
        ? new Map([...this.#written].map(([name, octets]) => [name, deserialize(octets)]))
        : undefined
    return {
      former,
      write: (records) =>
        this.#do({ did: 'write', names: [...records.keys()] }, () => {
          for (const [name, record] of records)
            if (record === undefined) this.#written.delete(name)
            else this.#written.set(name, serialize(record))
        }),
      end: () => this.#do({ did: 'write', names: [] }, () => this.#written.clear()),
    }
  }
}
