// TCP through a whole gateway and client of ours, each in a network namespace of its own, against the bare wire between the two.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { typable } from '../../control/typable.ts'
import { runHere, ScratchNamespace } from '../scratch-namespace.ts'
import type { Progress, Result } from './result.ts'

const gatehouse = fileURLToPath(new URL('../../../gatehouse', import.meta.url))
const wire = { gateway: '192.0.2.1', client: '192.0.2.2' }
const inner = '10.99.0.1'
const proposals = ['aes128gcm16', 'aes128-sha1', 'aes256-sha1', 'aes256-sha256', '3des-sha1']
/** Of one iperf3 run, and runs of each figure; the median counts. */
const seconds = 3
const repeats = 3

/** Needs root and iperf3. `quick`: one short run of each figure. */
export async function benchThroughput(quick: boolean, progress: Progress): Promise<Result[]> {
  if (spawnSync('iperf3', ['--version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error('throughput is measured with iperf3, which is not here: apt-get install iperf3')
  }
  if (process.getuid?.() !== 0)
    throw new Error('network namespaces and TUN devices take root: sudo ./gatehouse bench throughput')
  const [gateway, client] = [await ScratchNamespace.open(), await ScratchNamespace.open()]
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-bench-'))
  const bench = new Bench(gateway, client, folder, quick ? { seconds: 1, repeats: 1 } : { seconds, repeats })
  const stop = () => void bench.close()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop)
  try {
    return await bench.run(progress)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop)
    await bench.close()
  }
}

type Figure = { readonly gbps: number; readonly spread: number }

class Bench {
  readonly #gateway: ScratchNamespace
  readonly #client: ScratchNamespace
  readonly #folder: string
  readonly #effort: { readonly seconds: number; readonly repeats: number }
  readonly #key = typable(6)
  readonly #password = typable(4)

  constructor(
    gateway: ScratchNamespace,
    client: ScratchNamespace,
    folder: string,
    effort: { seconds: number; repeats: number },
  ) {
    this.#gateway = gateway
    this.#client = client
    this.#folder = folder
    this.#effort = effort
  }

  async run(progress: Progress): Promise<Result[]> {
    runHere('ip', [
      'link',
      'add',
      'wire',
      'netns',
      this.#gateway.pid,
      'type',
      'veth',
      'peer',
      'name',
      'wire',
      'netns',
      this.#client.pid,
    ])
    for (const [namespace, address] of [
      [this.#gateway, wire.gateway],
      [this.#client, wire.client],
    ] as const) {
      namespace.run('ip', ['address', 'add', `${address}/30`, 'dev', 'wire'])
      namespace.run('ip', ['link', 'set', 'wire', 'up'])
    }
    const all = proposals.length * 2 + 2
    let done = 0
    const next = (what: string) => progress(done++, all, what)
    const sink = spawn(...this.#gateway.enter(['iperf3', '--server']), { stdio: 'ignore' })
    try {
      const limit = {
        up: this.#measure(this.#client.enter([]), wire.gateway, 'up', next),
        down: this.#measure(this.#client.enter([]), wire.gateway, 'down', next),
      }
      const results: Result[] = []
      const stop = await this.#startGateway()
      try {
        for (const esp of proposals) {
          for (const direction of ['up', 'down'] as const) {
            next(`TCP ${direction}, ${esp}`)
            const figure = this.#measure(this.#dialled(esp), inner, direction)
            results.push({
              what: 'TCP, one client',
              esp,
              direction,
              ...figure,
              limit: limit[direction].gbps,
              ratio: figure.gbps / limit[direction].gbps,
            })
          }
        }
      } finally {
        await stop()
      }
      return results
    } finally {
      sink.kill('SIGKILL')
    }
  }

  async close(): Promise<void> {
    await this.#client.close()
    await this.#gateway.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** The gateway in its namespace; resolves when it accepts clients, to what ends it. */
  async #startGateway(): Promise<() => Promise<void>> {
    const config = join(this.#folder, 'gatehouse.yaml')
    writeFileSync(
      config,
      `security: compatible
remoteAccess:
  preSharedKey: ${this.#key}
  addressPool: 10.99.0.10-10.99.0.20
  gatewayServices: true
users: [{ name: bench, password: ${this.#password} }]
`,
      { mode: 0o600 },
    )
    const state = join(this.#folder, 'state')
    const child = spawn(...this.#gateway.enter([gatehouse, 'up', '--config', config, '--state', state]), {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    child.stderr.on('data', (chunk) => {
      said += chunk
    })
    const ready = await Promise.race([
      once(child.stdout, 'data').then(() => true),
      once(child, 'exit').then(() => false),
    ])
    if (!ready) throw new Error(`the gateway did not start: ${said.trim()}`)
    return async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      await ended
    }
  }

  /** The command line that runs a command inside a session of our client with this proposal. */
  #dialled(esp: string): [file: string, args: string[]] {
    const who = ['--server', wire.gateway, '--user', 'bench', '--esp', esp, '--encapsulate', '--device', 'ghbench']
    return this.#client.enter([gatehouse, 'connect', ...who, '--'])
  }

  #measure(
    [file, prefix]: [string, string[]],
    server: string,
    direction: 'up' | 'down',
    next?: (what: string) => void,
  ): Figure {
    next?.(`the bare wire, ${direction}`)
    const words = [
      'iperf3',
      '--client',
      server,
      '--json',
      '--time',
      String(this.#effort.seconds),
      ...(direction === 'down' ? ['--reverse'] : []),
    ]
    const rates = Array.from({ length: this.#effort.repeats }, () => {
      const { status, stdout, stderr } = spawnSync(file, [...prefix, ...words], {
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
        env: { ...process.env, GATEHOUSE_PSK: this.#key, GATEHOUSE_PASSWORD: this.#password },
      })
      if (status !== 0) throw new Error(`iperf3 to ${server} failed: ${stderr.trim().split('\n').at(-1)}`)
      return (
        (JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } }).end.sum_received
          .bits_per_second / 1e9
      )
    }).sort((a, b) => a - b)
    const gbps = rates[Math.floor(rates.length / 2)]!
    return { gbps, spread: (rates.at(-1)! - rates[0]!) / 2 / gbps }
  }
}
