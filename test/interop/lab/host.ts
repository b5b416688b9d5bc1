// The hosts that clients reach through the tunnel, as the tests see them: what did they receive, what did they send?
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Network, Place } from './network.ts'
import { until } from './run.ts'

export type Transfer = { bytes: number; sha256: string }

export class Host {
  readonly place: Place
  readonly address: string
  readonly #network: Network
  readonly #told = new Map<string, Transfer>()
  #ready = false

  private constructor(place: Place, address: string, network: Network, child: ChildProcess) {
    this.place = place
    this.address = address
    this.#network = network
    let rest = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const { id, ready, ...transfer } = JSON.parse(line)
        if (ready) this.#ready = true
        else this.#told.set(id, transfer)
      }
    })
  }

  static async start(place: Place, address: string, network: Network): Promise<Host> {
    const program = join(import.meta.dirname, 'host-service.ts')
    const child = spawn('ip', ['netns', 'exec', network.ns(place), process.execPath, program, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const host = new Host(place, address, network, child)
    await until(`the host in ${place}`, () => host.#ready)
    return host
  }

  /** What this host says of the transfer `id`. */
  transfer(id: string): Promise<Transfer> {
    return until(`transfer ${id} at ${this.place}`, () => this.#told.get(id))
  }

  /** TCP segments that this host's namespace had to send again, since it was made. */
  async retransmissions(): Promise<number> {
    return retransSegs(await this.#network.mustExec(this.place, ['nstat', '-asz', 'TcpRetransSegs']))
  }
}

/** The counter in nstat's table. */
export function retransSegs(table: string): number {
  const found = /TcpRetransSegs\s+(\d+)/.exec(table)
  if (!found) throw new Error(`nstat told no TcpRetransSegs:\n${table}`)
  return Number(found[1])
}
