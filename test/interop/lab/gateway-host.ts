// Where the gateway under test runs: in its namespace on the machine's own kernel, or in a guest, whose kernel has ESP, L2TP and PPP.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Guest } from './guest.ts'
import type { Lease } from './lease.ts'
import { ensureModules, modulesPath } from './modules.ts'
import { gatewayPlugs, type Network, type Plug } from './network.ts'
import { must, type Output, type RunOptions } from './run.ts'

/** A gateway's guest: its name and where its two cables end. */
export type GuestPlace = { readonly name: string; readonly outside: Plug; readonly inside: Plug }

export type Signal = 'SIGTERM' | 'SIGHUP' | 'SIGKILL'

/** A gateway that was started. */
export type Running = {
  readonly stdout: string
  readonly stderr: string
  /** Exit code or the signal's name, once it has ended. */
  readonly ended: number | string | undefined
  kill(signal: Signal): void
}

export interface GatewayHost {
  /** The plane that a gateway here uses unless its settings say otherwise. */
  readonly dataplane: 'userland' | 'kernel'
  /** Writes the configuration of the gateway called `name`; its path there. */
  configure(name: string, text: string): string
  /** A state folder for the gateway called `name`. */
  state(name: string): string
  /** Starts `./gatehouse` with these arguments. */
  start(args: readonly string[]): Running
  /** What `gatehouse status --json` tells of the gateway with this state folder. */
  status(state: string): Promise<unknown>
  /** Runs another program there. */
  exec(command: readonly string[], options?: RunOptions): Promise<Output>
}

/** Where a guest's daemon leaves what it compiled, as under systemd: a start takes half as long then. */
export const compileCache = '/run/compile-cache'

/** The checkout's own command, or the one that GATEHOUSE_UNDER_TEST names. */
export const gatehouse: string =
  process.env.GATEHOUSE_UNDER_TEST ?? join(import.meta.dirname, '..', '..', '..', 'gatehouse')

/** What `npm run interop:kernel` sets: the plane that gateways use, and where: the kernel plane needs a guest. */
export const dataplane: 'userland' | 'kernel' = process.env.GATEHOUSE_DATAPLANE === 'kernel' ? 'kernel' : 'userland'
export const gatewayIn: 'namespace' | 'guest' =
  dataplane === 'kernel' || process.env.GATEHOUSE_GATEWAY_IN === 'guest' ? 'guest' : 'namespace'

export async function openGatewayHost(lease: Lease, network: Network): Promise<GatewayHost> {
  if (gatewayIn === 'namespace') return new NamespaceHost(lease, network)
  return openGuestHost(lease, network)
}

/** A guest with the gateway's addresses and cables, or with others: another server can run there, on the same kernel. */
export async function openGuestHost(
  lease: Lease,
  network: Network,
  plane: 'userland' | 'kernel' = dataplane,
  { name, outside, inside }: GuestPlace = { name: 'gate', ...gatewayPlugs },
): Promise<GuestHost> {
  await ensureModules()
  const gateway = { inside, checkout: dirname(gatehouse), modules: modulesPath() }
  const guest = await Guest.boot({ name, root: 'strongswan', plug: outside, gateway }, lease, network)
  return new GuestHost(guest, plane)
}

class NamespaceHost implements GatewayHost {
  readonly dataplane = 'userland'
  readonly #lease: Lease
  readonly #network: Network

  constructor(lease: Lease, network: Network) {
    this.#lease = lease
    this.#network = network
  }

  configure(name: string, text: string): string {
    const dir = join(this.#lease.dir, name)
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'gatehouse.yaml'), text, { mode: 0o600 })
    return join(dir, 'gatehouse.yaml')
  }

  state(name: string): string {
    return join(this.#lease.dir, name, 'state')
  }

  start(args: readonly string[]): Running {
    const child = spawn('ip', ['netns', 'exec', this.#network.ns('gw'), gatehouse, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const running = {
      stdout: '',
      stderr: '',
      ended: undefined as Running['ended'],
      kill: (signal: Signal) => void child.kill(signal),
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      running.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      running.stderr += text
    })
    child.once('exit', (code, signal) => {
      running.ended = signal ?? code ?? 0
    })
    return running
  }

  async status(state: string): Promise<unknown> {
    return JSON.parse(await must(gatehouse, ['status', '--json', '--state', state]))
  }

  exec(command: readonly string[], options?: RunOptions): Promise<Output> {
    return this.#network.exec('gw', command, options)
  }
}

/** One gateway after the other: its output comes over the guest's second and third serial line. */
export class GuestHost implements GatewayHost {
  readonly dataplane: 'userland' | 'kernel'
  readonly guest: Guest
  #current: { stdout: string; stderr: string } | undefined
  #starts = 0

  constructor(guest: Guest, plane: 'userland' | 'kernel') {
    this.guest = guest
    this.dataplane = plane
    const [stdout, stderr] = guest.outputs
    stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#current) this.#current.stdout += text
    })
    stderr?.setEncoding('utf8').on('data', (text: string) => {
      if (this.#current) this.#current.stderr += text
    })
  }

  configure(_name: string, text: string): string {
    return this.guest.put('gatehouse.yaml', text)
  }

  state(name: string): string {
    return `/run/${name}-state`
  }

  start(args: readonly string[]): Running {
    const pid = `/run/gateway-${++this.#starts}.pid`
    const guest = this.guest
    const output = { stdout: '', stderr: '' }
    this.#current = output
    const running = {
      ended: undefined as Running['ended'],
      get stdout() {
        return output.stdout
      },
      get stderr() {
        return output.stderr
      },
      // The file is there as soon as the guest has run the order before: orders run side by side.
      kill: (signal: Signal) =>
        void guest.sh(
          `for i in {1..50}; do [ -s ${pid} ] && break; sleep 0.1; done; kill -${signal.slice(3)} $(cat ${pid})`,
        ),
    }
    const words = args.map((word) => `'${word}'`).join(' ')
    const order = `echo $$ >${pid}; export NODE_COMPILE_CACHE=${compileCache}; exec /run/checkout/gatehouse ${words} >/dev/ttyS1 2>/dev/ttyS2 </dev/null`
    guest
      .sh(order, { timeoutMs: 3_600_000 })
      .then(({ code, stderr }) => {
        output.stderr += stderr
        running.ended = code > 128 ? (signals[code - 128] ?? code) : code
      })
      .catch((error: Error) => {
        output.stderr += error.message
        running.ended = 'lost'
      })
    return running
  }

  /** Straight from the control socket: a Node started for each question takes a guest two seconds. */
  async status(state: string): Promise<unknown> {
    const ask = JSON.stringify({ id: 1, ask: 'status' })
    const answer = await this.guest.must(`echo '${ask}' | socat -t 10 - UNIX-CONNECT:${state}/control.sock`)
    return JSON.parse(answer).value
  }

  exec(command: readonly string[], { timeoutMs, input }: RunOptions = {}): Promise<Output> {
    const from = input === undefined ? '' : ` <${this.guest.put('input', input)}`
    const script = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ') + from
    return this.guest.sh(script, timeoutMs === undefined ? {} : { timeoutMs })
  }
}

const signals: Readonly<Record<number, string>> = { 9: 'SIGKILL', 15: 'SIGTERM' }

/** The gateway's machine once it is there, without a failure being lost in the meantime. */
export function whenWanted<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
