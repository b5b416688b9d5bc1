// Where logins and sessions are measured: a gateway on one core and a fleet of clients on another, each in a network namespace, a wire between them.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { typable } from '../../control/typable.ts'
import { runHere, ScratchNamespace } from '../scratch-namespace.ts'
import type { Login, Round } from './fleet.ts'
import type { Answer, Count, Order } from './fleet-process.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const fleetProcess = fileURLToPath(new URL('fleet-process.ts', import.meta.url))
const wire = { gateway: '192.0.2.1', client: '192.0.2.2' }
/** RFC 2544's network for benchmarks: the clients' outer addresses. */
const outer = { network: '198.18.0.0/15', first: '198.18.0.1' }

export type FieldOptions = {
  readonly users: number
  readonly ike: string
  readonly esp: string
  readonly deadPeerSeconds: number
  /** Arguments for Node before the program: `--cpu-prof`. */
  readonly nodeArguments?: readonly string[]
}

/** The cores that may be used: the gateway's and the fleet's. The same one twice where there is only one. */
export function cores(): { readonly gateway: number; readonly fleet: number } {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const allowed = list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number) as [number, number?]
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
  return { gateway: allowed[0]!, fleet: allowed[1] ?? allowed[0]! }
}

export class Field {
  readonly #gatewaySide: ScratchNamespace
  readonly #clientSide: ScratchNamespace
  readonly #folder: string
  readonly #options: FieldOptions
  readonly #secrets = { key: typable(6), password: typable(4) }
  #gateway: ChildProcess | undefined
  #fleet: ChildProcess | undefined
  #closing: Promise<void> | undefined
  /** Milliseconds from the start of the daemon to its `ready`. */
  startMs = 0

  private constructor(
    gatewaySide: ScratchNamespace,
    clientSide: ScratchNamespace,
    folder: string,
    options: FieldOptions,
  ) {
    this.#gatewaySide = gatewaySide
    this.#clientSide = clientSide
    this.#folder = folder
    this.#options = options
  }

  /** Runs `measure` in a field of its own, which is gone afterwards, also when a signal came or something failed. */
  static with<T>(options: FieldOptions, measure: (field: Field) => Promise<T>): Promise<T> {
    return Field.#during(options, measure, true)
  }

  /** The same without a fleet. */
  static gatewayAlone<T>(options: FieldOptions, measure: (field: Field) => Promise<T>): Promise<T> {
    return Field.#during(options, measure, false)
  }

  static async #during<T>(
    options: FieldOptions,
    measure: (field: Field) => Promise<T>,
    withFleet: boolean,
  ): Promise<T> {
    const gatewaySide = await ScratchNamespace.open()
    const clientSide = await ScratchNamespace.open().catch(async (error) => {
      await gatewaySide.close()
      throw error
    })
    const field = new Field(gatewaySide, clientSide, mkdtempSync(join(tmpdir(), 'gatehouse-bench-')), options)
    const interrupted = Promise.withResolvers<never>()
    interrupted.promise.catch(() => {})
    const stop = (signal: NodeJS.Signals) => interrupted.reject(new Error(`stopped by ${signal}`))
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
    try {
      return await Promise.race([field.#open(withFleet).then(() => measure(field)), interrupted.promise])
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
      await field.close()
    }
  }

  async #open(withFleet: boolean): Promise<void> {
    const [a, b] = [this.#gatewaySide, this.#clientSide]
    runHere(
      'ip',
      'link add wire netns A type veth peer name wire netns B'
        .split(' ')
        .map((word) => (word === 'A' ? a.pid : word === 'B' ? b.pid : word)),
    )
    for (const [namespace, address] of [
      [a, wire.gateway],
      [b, wire.client],
    ] as const) {
      namespace.run('ip', ['address', 'add', `${address}/30`, 'dev', 'wire'])
      namespace.run('ip', ['link', 'set', 'wire', 'up'])
    }
    // Each end's packets are received on its own core.
    spread(a, cores().gateway)
    spread(b, cores().fleet)
    a.run('ip', ['route', 'add', outer.network, 'via', wire.client])
    b.run('ip', ['route', 'add', 'local', outer.network, 'dev', 'lo'])
    await this.#startGateway()
    if (withFleet) await this.#startFleet()
  }

  async #startGateway(): Promise<void> {
    const { users, deadPeerSeconds, nodeArguments = [] } = this.#options
    const { key, password } = this.#secrets
    const config = join(this.#folder, 'gatehouse.yaml')
    const lines = Array.from({ length: users }, (_, i) => `  - { name: u${i}, password: ${password} }`)
    writeFileSync(
      config,
      `remoteAccess:
  preSharedKey: ${key}
  gatewayAddress: 10.96.0.1
  addressPool: 10.96.1.0-10.96.255.255
  deadPeer: ${deadPeerSeconds}s
users:
${lines.join('\n')}
`,
      { mode: 0o600 },
    )
    const log = openSync(join(this.#folder, 'log'), 'w')
    const state = join(this.#folder, 'state')
    const command = [
      ...['taskset', '--cpu-list', String(cores().gateway), process.execPath, '--disable-warning=ExperimentalWarning'],
      ...[...nodeArguments, join(root, 'src/main.ts'), 'up', '--config', config, '--state', state],
    ]
    const startedAt = performance.now()
    const child = spawn(...this.#gatewaySide.enter(command), { stdio: ['ignore', 'pipe', log], cwd: this.#folder })
    closeSync(log)
    this.#gateway = child
    const ready = await Promise.race([
      once(child.stdout!, 'data').then(() => true),
      once(child, 'exit').then(() => false),
    ])
    if (!ready) throw new Error(`the gateway did not start: ${this.log().trim()}`)
    this.startMs = performance.now() - startedAt
    child.stdout!.resume()
  }

  async #startFleet(): Promise<void> {
    const command = [
      'taskset',
      '--cpu-list',
      String(cores().fleet),
      process.execPath,
      '--disable-warning=ExperimentalWarning',
    ]
    this.#fleet = spawn(...this.#clientSide.enter([...command, fleetProcess]), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const { key, password } = this.#secrets
    const { users, ike, esp, deadPeerSeconds } = this.#options
    await this.#order({
      order: 'open',
      options: {
        gateway: wire.gateway,
        firstAddress: outer.first,
        preSharedKey: key,
        users,
        password,
        ike,
        esp,
        deadPeerSeconds,
      },
    })
  }

  #order<Result>(order: Order): Promise<Result> {
    const child = this.#fleet!
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error('the generator of logins ended by itself'))
      child.once('exit', ended)
      child.once('message', (answer: Answer) => {
        child.off('exit', ended)
        if (answer.is === 'done') resolve(answer.result as Result)
        else reject(new Error(`the generator of logins: ${answer.why}`))
      })
      child.send(order)
    })
  }

  /** `count` more clients log in, `atOnce` under way at any time; with `paced` at most so many, as the gateway serves them. */
  logIn(count: number, atOnce: number, seconds: number, paced = false): Promise<Round> {
    return this.#order({ order: 'logIn', count, atOnce, seconds, paced })
  }

  count(): Promise<Count> {
    return this.#order({ order: 'count' })
  }

  get gatewayPid(): number {
    return this.#gateway!.pid!
  }

  get gatewaySide(): ScratchNamespace {
    return this.#gatewaySide
  }

  /** What the gateway wrote on stderr. */
  log(): string {
    return readFileSync(join(this.#folder, 'log'), 'utf8')
  }

  get folder(): string {
    return this.#folder
  }

  /** Ends both processes and takes the namespaces away. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await ended(this.#fleet, 'SIGKILL', 5_000)
    // With thousands of sessions a goodbye to everybody takes a while; what it leaves goes with the namespace.
    await ended(this.#gateway, 'SIGTERM', 10_000)
    await this.#clientSide.close()
    await this.#gatewaySide.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Packets that come in by `wire` are handled on this core (RPS); else on the sender's, since veth hands them over there. */
function spread(namespace: ScratchNamespace, core: number): void {
  const mask = (1n << BigInt(core)).toString(16).replace(/\B(?=(.{8})+$)/g, ',')
  const script = `mount -t sysfs sysfs /sys && echo ${mask} > /sys/class/net/wire/queues/rx-0/rps_cpus`
  namespace.run('unshare', ['--mount', 'sh', '-c', script])
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals, patienceMs: number): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
  await exit
  clearTimeout(timer)
}

/** Milliseconds at the share of the logins that is asked for. */
export function percentile(logins: readonly Login[], share: number): number {
  const sorted = logins.map(({ milliseconds }) => milliseconds).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}
