// The gateway under test: `./gatehouse up` where it runs, its log, its status, its end, and what it leaves.
import type { GatewayHost, Running } from './gateway-host.ts'
import { until } from './run.ts'

export type User = { name: string; password: string; address?: string }

/** The part of the configuration that tests vary; JSON is YAML. */
export type GatewaySettings = {
  /** Undefined: certificates only, in `more`. */
  psk: string | undefined
  users: readonly User[]
  pool?: string
  dns?: readonly string[]
  security?: 'modern' | 'compatible' | 'legacy'
  authentication?: readonly string[]
  /** The host's own by default: what GATEHOUSE_DATAPLANE says. */
  dataplane?: 'auto' | 'userland' | 'kernel'
  /** Other gateways, as in the configuration. */
  sites?: readonly Readonly<Record<string, unknown>>[]
  /** An IPsec policy, as in the configuration. */
  policies?: Readonly<Record<string, unknown>>
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

/** What a stopped gateway must not leave: everything where it runs that it could have made. */
export type Belongings = {
  links: string[]
  addresses: string[]
  routes: string[]
  rules: string[]
  tables: string[]
  xfrm: string[]
}

export function configuration(settings: GatewaySettings, dataplane: string): string {
  return JSON.stringify(
    {
      security: settings.security ?? 'modern',
      dataplane: settings.dataplane ?? dataplane,
      remoteAccess: {
        ...(settings.psk === undefined ? {} : { preSharedKey: settings.psk }),
        addressPool: settings.pool ?? '10.99.0.10-10.99.0.250',
        dns: settings.dns ?? ['10.99.0.1'],
        ...(settings.authentication ? { authentication: settings.authentication } : {}),
        ...settings.more,
      },
      users: settings.users,
      ...(settings.sites ? { sites: settings.sites } : {}),
      ...(settings.policies ? { policies: settings.policies } : {}),
    },
    undefined,
    2,
  )
}

export class Gateway {
  readonly host: GatewayHost
  readonly #state: string
  readonly #running: Running

  private constructor(host: GatewayHost, state: string, config: string) {
    this.host = host
    this.#state = state
    this.#running = host.start(['up', '--config', config, '--state', state])
  }

  /** Starts it and waits for its line `ready`. `name` tells its files from another gateway's in the same lab. */
  static async start(host: GatewayHost, settings: GatewaySettings, name = 'gateway'): Promise<Gateway> {
    const config = host.configure(name, configuration(settings, host.dataplane))
    const gateway = new Gateway(host, host.state(name), config)
    const { ended } = await until(
      'the gateway to say ready',
      () => (/^ready.*\n/m.test(gateway.#running.stdout) || !gateway.alive) && gateway.#running,
      { timeoutMs: 180_000 },
    ).catch((error: Error) => {
      gateway.#running.kill('SIGKILL')
      throw new Error(`${error.message}\n${gateway.log}`)
    })
    if (ended !== undefined)
      throw new Error(`the gateway ended (${ended}) before it was ready:\n${gateway.#running.stdout}${gateway.log}`)
    return gateway
  }

  /** Everything that it wrote to stderr: the log. */
  get log(): string {
    return this.#running.stderr
  }

  /** Its line on stdout that begins `ready`. */
  get ready(): string {
    return /^ready.*$/m.exec(this.#running.stdout)?.[0] ?? ''
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
    return (await this.host.status(this.#state)) as Status
  }

  /** The session of the user, once it is there; a gateway that is being started anew is asked again. */
  session(user: string, timeoutMs = 5_000): Promise<StatusSession> {
    return until(
      `a session of ${user} in the status`,
      async () => (await this.status().catch(() => undefined))?.sessions.find((session) => session.user === user),
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
    return this.#running.ended === undefined
  }

  /** SIGTERM; answers its exit code. */
  async stop(timeoutMs = 15_000): Promise<number | string> {
    this.#running.kill('SIGTERM')
    await until('the gateway to end after SIGTERM', () => !this.alive, { timeoutMs }).catch((error) => {
      this.#running.kill('SIGKILL')
      throw new Error(`${error.message}\n${this.log.split('\n').slice(-30).join('\n')}`)
    })
    return this.#running.ended as number | string
  }

  /** SIGHUP: read the configuration again. */
  reload(): void {
    this.#running.kill('SIGHUP')
  }

  /** kill -9. */
  async kill(): Promise<void> {
    this.#running.kill('SIGKILL')
    await until('the gateway to be gone after SIGKILL', () => !this.alive, { timeoutMs: 60_000 })
  }
}

/** Devices, addresses, routes, rules, nftables tables, SAs and policies where the gateway runs, in a form that can be compared. */
export async function belongings(host: GatewayHost): Promise<Belongings> {
  const tell = async (...words: string[]) => {
    const { code, stdout, stderr } = await host.exec(words)
    if (code !== 0) throw new Error(`${words.join(' ')}: exit ${code}\n${stderr}`)
    return stdout
  }
  const ip = async (...words: string[]) => JSON.parse((await tell('ip', '-j', ...words)) || '[]')
  const links: { ifname: string }[] = await ip('link', 'show')
  const found: { ifname: string; addr_info: { local: string; prefixlen: number }[] }[] = await ip('address', 'show')
  const routes: { dst: string; dev?: string; table?: string }[] = await ip('-4', 'route', 'show', 'table', 'all')
  const rules: { priority: number; table?: string }[] = await ip('-4', 'rule', 'show')
  const tables = await tell('nft', 'list', 'tables')
  const xfrm = `${await tell('ip', 'xfrm', 'state')}${await tell('ip', 'xfrm', 'policy')}`
  return {
    links: links.map((link) => link.ifname).sort(),
    addresses: found
      .flatMap((link) => link.addr_info.map((each) => `${link.ifname} ${each.local}/${each.prefixlen}`))
      .sort(),
    routes: routes.map((route) => `${route.table ?? 'main'} ${route.dst} ${route.dev ?? ''}`).sort(),
    rules: rules.map((rule) => `${rule.priority} ${rule.table ?? ''}`).sort(),
    tables: tables.split('\n').filter((line) => line !== ''),
    // Socket policies stay with their sockets: of policies and SAs the lines that begin one are enough. What the kernel notes for itself while it asks for an SA
    // goes by its own clock.
    xfrm: xfrm
      .split(/^(?=src )/m)
      .filter((entry) => entry.startsWith('src ') && !entry.includes('spi 0x00000000'))
      .map((entry) => entry.split('\n')[0]!)
      .sort(),
  }
}
