// The gateway under test: `./gatehouse up` in its namespace, its log, its status, its end, and what it leaves.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lease } from './lease.ts'
import type { Network } from './network.ts'
import { must, run, until } from './run.ts'

/** The checkout's own command, or the one that GATEHOUSE_UNDER_TEST names. */
export const gatehouse: string =
  process.env.GATEHOUSE_UNDER_TEST ?? join(import.meta.dirname, '..', '..', '..', 'gatehouse')

export type User = { name: string; password: string; address?: string }

/** The part of the configuration that tests vary; JSON is YAML. */
export type GatewaySettings = {
  psk: string
  users: readonly User[]
  pool?: string
  dns?: readonly string[]
  security?: 'modern' | 'compatible' | 'legacy'
  authentication?: readonly string[]
  /** More keys of `remoteAccess`. */
  more?: Readonly<Record<string, unknown>>
}

export type StatusSession = {
  user: string
  address: string
  peer: string
  natted: boolean
  ike: string
  esp: string
  weak: boolean | string | readonly string[]
  since: string
  bytesIn: number
  bytesOut: number
}
export type Status = {
  dataplane: string
  pool: { size: number; used: number }
  ikeSas: readonly unknown[]
  sessions: readonly StatusSession[]
  tunnels: readonly unknown[]
}

/** What a stopped gateway must not leave: everything in its namespace that it could have made. */
export type Belongings = { links: string[]; addresses: string[]; routes: string[]; rules: string[]; tables: string[] }

export function configuration(settings: GatewaySettings): string {
  return JSON.stringify(
    {
      security: settings.security ?? 'modern',
      dataplane: 'userland',
      remoteAccess: {
        preSharedKey: settings.psk,
        addressPool: settings.pool ?? '10.99.0.10-10.99.0.250',
        dns: settings.dns ?? ['10.99.0.1'],
        ...(settings.authentication ? { authentication: settings.authentication } : {}),
        ...settings.more,
      },
      users: settings.users,
    },
    undefined,
    2,
  )
}

export class Gateway {
  /** Everything that it wrote to stderr: the log. */
  log = ''
  readonly state: string
  readonly #network: Network
  readonly #child: ChildProcess
  #stdout = ''
  #ended: number | string | undefined

  private constructor(network: Network, state: string, config: string) {
    this.#network = network
    this.state = state
    const command = [gatehouse, 'up', '--config', config, '--state', state]
    this.#child = spawn('ip', ['netns', 'exec', network.ns('gw'), ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text
    })
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.log += text
    })
    this.#child.once('exit', (code, signal) => {
      this.#ended = signal ?? code ?? 0
    })
  }

  /** Starts it and waits for its line `ready`. `name` tells its files from another gateway's in the same lab. */
  static async start(lease: Lease, network: Network, settings: GatewaySettings, name = 'gateway'): Promise<Gateway> {
    const dir = join(lease.dir, name)
    mkdirSync(dir, { recursive: true })
    const config = join(dir, 'gatehouse.yaml')
    writeFileSync(config, configuration(settings), { mode: 0o600 })
    const gateway = new Gateway(network, join(dir, 'state'), config)
    await until('the gateway to say ready', () => /^ready/m.test(gateway.#stdout) || gateway.#ended !== undefined, {
      timeoutMs: 30_000,
    }).catch((error: Error) => {
      gateway.#child.kill('SIGKILL')
      throw new Error(`${error.message}\n${gateway.log}`)
    })
    if (gateway.#ended !== undefined)
      throw new Error(`the gateway ended (${gateway.#ended}) before it was ready:\n${gateway.#stdout}${gateway.log}`)
    return gateway
  }

  /** A place in the log, to look only at what comes after. */
  mark(): number {
    return this.log.length
  }

  /** The log since `mark`. */
  since(mark: number): string {
    return this.log.slice(mark)
  }

  /** Waits for a line in the log that matches; answers the line. */
  says(pattern: RegExp, { since = 0, timeoutMs = 10_000 } = {}): Promise<string> {
    return until(
      `the gateway's log to say ${pattern}`,
      () =>
        this.since(since)
          .split('\n')
          .find((line) => pattern.test(line)),
      { timeoutMs },
    ).catch((error: Error) => {
      throw new Error(`${error.message}\nIt said:\n${this.since(since).split('\n').slice(-40).join('\n')}`)
    })
  }

  async status(): Promise<Status> {
    const { code, stdout, stderr } = await run(gatehouse, ['status', '--json', '--state', this.state])
    if (code !== 0) throw new Error(`gatehouse status: exit ${code}\n${stdout}${stderr}`)
    return JSON.parse(stdout)
  }

  /** The session of the user, once it is there. */
  session(user: string, timeoutMs = 5_000): Promise<StatusSession> {
    return until(
      `a session of ${user} in the status`,
      async () => (await this.status()).sessions.find((session) => session.user === user),
      { timeoutMs, everyMs: 200 },
    )
  }

  /** Waits until nobody is connected and no address is in use. */
  async empty(timeoutMs = 10_000): Promise<void> {
    await until(
      'the gateway to have no session and no address in use',
      async () => {
        const { sessions, pool } = await this.status()
        return sessions.length === 0 && pool.used === 0
      },
      { timeoutMs, everyMs: 200 },
    )
  }

  get alive(): boolean {
    return this.#ended === undefined
  }

  /** SIGTERM; answers its exit code. */
  async stop(timeoutMs = 15_000): Promise<number | string> {
    this.#child.kill('SIGTERM')
    await until('the gateway to end after SIGTERM', () => this.#ended !== undefined, { timeoutMs }).catch((error) => {
      this.#child.kill('SIGKILL')
      throw new Error(`${error.message}\n${this.log.split('\n').slice(-30).join('\n')}`)
    })
    return this.#ended as number | string
  }

  /** SIGHUP: read the configuration again. */
  reload(): void {
    this.#child.kill('SIGHUP')
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await until('the gateway to be gone after SIGKILL', () => this.#ended !== undefined)
  }

  belongings(): Promise<Belongings> {
    return belongings(this.#network)
  }
}

/** Devices, addresses, routes, rules and nftables tables of the gateway's namespace, in a form that can be compared. */
export async function belongings(network: Network): Promise<Belongings> {
  const ns = network.ns('gw')
  const ip = async (...words: string[]) => JSON.parse((await must('ip', ['-n', ns, '-j', ...words])) || '[]')
  const links: { ifname: string }[] = await ip('link', 'show')
  const found: { ifname: string; addr_info: { local: string; prefixlen: number }[] }[] = await ip('address', 'show')
  const routes: { dst: string; dev?: string; table?: string }[] = await ip('-4', 'route', 'show', 'table', 'all')
  const rules: { priority: number; table?: string }[] = await ip('-4', 'rule', 'show')
  const tables = await network.mustExec('gw', ['nft', 'list', 'tables'])
  return {
    links: links.map((link) => link.ifname).sort(),
    addresses: found
      .flatMap((link) => link.addr_info.map((each) => `${link.ifname} ${each.local}/${each.prefixlen}`))
      .sort(),
    routes: routes.map((route) => `${route.table ?? 'main'} ${route.dst} ${route.dev ?? ''}`).sort(),
    rules: rules.map((rule) => `${rule.priority} ${rule.table ?? ''}`).sort(),
    tables: tables.split('\n').filter((line) => line !== ''),
  }
}
