// A guest: Debian in user-mode Linux on one tap, with an agent on its serial line that runs what tests ask for.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync, readdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Lease } from './lease.ts'
import type { Network, Plug } from './network.ts'
import { type RootName, rootPath } from './roots.ts'
import { type Output, say, until } from './run.ts'

const scripts = join(import.meta.dirname, 'guest')
/** Starting takes two seconds alone, minutes on a machine that is busy with what goes before it. */
const bootTimeoutMs = 170_000
/** USER_HZ, the same on every Linux that we run on. */
const ticksPerSecond = 100

export type GuestOptions = {
  name: string
  root: RootName
  plug: Plug
  /** Makes the guest a place for a gateway: a second cable, more memory, a checkout at /run/checkout, modules of our own, two more lines (`outputs`). */
  gateway?: { inside: Plug; checkout: string; modules: string }
}

export class Guest {
  readonly name: string
  /** The folder that the guest sees as /share. */
  readonly share: string
  /** What is written to the guest's /dev/ttyS1 and /dev/ttyS2; none but in a gateway's guest. */
  readonly outputs: readonly Duplex[]
  readonly #network: Network
  readonly #process: ChildProcess
  readonly #line: Duplex
  readonly #waiting = new Map<string, (code: number) => void>()
  #jobs = 0
  #plug: Plug
  #dead: string | undefined

  private constructor(options: GuestOptions, lease: Lease, network: Network) {
    this.name = options.name
    this.#network = network
    this.#plug = options.plug
    const dir = join(lease.dir, options.name)
    this.share = join(dir, 'share')
    mkdirSync(join(this.share, 'jobs'), { recursive: true })
    mkdirSync(join(lease.dir, 'uml'), { recursive: true })
    const log = openSync(join(dir, 'console.log'), 'w')
    const line = umlArguments(options, lease, this.share)
    const outputs: 'pipe'[] = options.gateway ? ['pipe', 'pipe'] : []
    this.#process = spawn('ip', ['netns', 'exec', network.ns('hub'), 'linux.uml', ...line], {
      stdio: ['ignore', log, log, 'pipe', 'pipe', ...outputs],
      env: { PATH: process.env.PATH, TMPDIR: memoryFolder(), HOME: dir },
      detached: true,
    })
    this.#line = this.#process.stdio[3] as Duplex
    this.#listen(this.#process.stdio[4] as Duplex)
    this.outputs = outputs.map((_, index) => this.#process.stdio[5 + index] as unknown as Duplex)
    for (const output of this.outputs) output.on('error', () => {})
    this.#process.once('exit', (code, signal) => this.#die(`guest ${this.name} ended (${signal ?? code})`))
    this.#line.on('error', () => {})
  }

  static async boot(options: GuestOptions, lease: Lease, network: Network): Promise<Guest> {
    await network.tap(options.name, options.plug)
    if (options.gateway) await network.tap(`${options.name}.in`, options.gateway.inside)
    const guest = new Guest(options, lease, network)
    const booted = new Promise<number>((resolve) => guest.#waiting.set('boot', resolve))
    let up = false
    void booted.then((code) => {
      up = code === 0
    })
    await until(`guest ${options.name} to start (console: ${guest.console()})`, () => up || guest.#dead !== undefined, {
      timeoutMs: bootTimeoutMs,
    })
    if (!up) throw new Error(`guest ${options.name} did not start:\n${guest.console()}`)
    return guest
  }

  /** Runs a shell script in the guest. Never throws for a code: 124 is «took longer than `timeoutMs`». */
  async sh(script: string, { timeoutMs = 30_000 }: { timeoutMs?: number } = {}): Promise<Output> {
    if (this.#dead !== undefined) throw new Error(this.#dead)
    const id = `j${++this.#jobs}`
    const at = join(this.share, 'jobs', id)
    writeFileSync(at, script)
    const ended = new Promise<number>((resolve) => this.#waiting.set(id, resolve))
    this.#line.write(`${id} ${Math.ceil(timeoutMs / 1000)}\n`)
    // The guest's own timeout comes first; ours is for a guest that no longer answers.
    let timer: NodeJS.Timeout | undefined
    const mute = new Promise<number>((resolve) => {
      timer = setTimeout(() => resolve(-1), timeoutMs + 15_000)
    })
    const code = await Promise.race([ended, mute])
    clearTimeout(timer)
    this.#waiting.delete(id)
    if (code === -1) throw new Error(this.#dead ?? `guest ${this.name} no longer answers; it was to run:\n${script}`)
    return { code, stdout: readFileSync(`${at}.out`, 'utf8'), stderr: readFileSync(`${at}.err`, 'utf8') }
  }

  /** As `sh`, but a code other than 0 is an error that carries the output. Answers stdout without its last newline. */
  async must(script: string, options: { timeoutMs?: number } = {}): Promise<string> {
    const { code, stdout, stderr } = await this.sh(script, options)
    if (code !== 0) throw new Error(`${this.name}: exit ${code} of\n${script}\n${stdout}${stderr}`)
    return stdout.trimEnd()
  }

  /** Puts a file into a new folder that the guest can read; answers its path in the guest. Never reuses a name: hostfs caches. */
  put(name: string, text: string | Uint8Array): string {
    const dir = `f${++this.#jobs}`
    mkdirSync(join(this.share, dir))
    writeFileSync(join(this.share, dir, name), text, { mode: 0o600 })
    return `/share/${dir}/${name}`
  }

  get plug(): Plug {
    return this.#plug
  }

  /** Moves the guest's cable to another bridge and gives it the address that it has there. */
  async replug(plug: Plug): Promise<void> {
    await this.#network.connect(this.name, plug)
    await this.must(`/lab/address.sh ${plug.address} ${plug.gateway}`)
    this.#plug = plug
  }

  /** Pulls the cable, and puts it back in. */
  async cable(state: 'in' | 'out'): Promise<void> {
    if (state === 'out') await this.#network.unplug(this.name)
    else await this.#network.connect(this.name, this.#plug)
  }

  /** What the guest's kernel and init wrote. */
  console(): string {
    try {
      return readFileSync(join(this.share, '..', 'console.log'), 'utf8')
        .split('\n')
        .slice(-25)
        .join('\n')
    } catch {
      return ''
    }
  }

  /** Processor time that the guest has taken from this machine since it began, with all that runs in it; of programs that have ended in hundredths. */
  processorSeconds(): number {
    const times = readdirSync('/proc')
      .filter((entry) => /^\d/.test(entry))
      .map((pid) => processorTime(pid, this.#process.pid))
    return times.reduce((sum, one) => sum + one, 0)
  }

  /** Power off, without a word to anybody. */
  kill(): void {
    if (this.#process.pid !== undefined && this.#process.exitCode === null)
      try {
        process.kill(-this.#process.pid, 'SIGKILL')
      } catch {
        say(`guest ${this.name} was gone already`)
      }
  }

  #listen(from: Duplex): void {
    let rest = ''
    from.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        const told = /done (\S+) (\d+)/.exec(line)
        if (told) this.#waiting.get(told[1] as string)?.(Number(told[2]))
      }
    })
    from.on('error', () => {})
  }

  #die(why: string): void {
    this.#dead = why
    for (const resolve of this.#waiting.values()) resolve(-1)
  }
}

/** Of a process's threads and of the children that it has waited for, if it is of this session (proc(5): stat, fields 6, 16 and 17; schedstat, nanoseconds). */
function processorTime(pid: string, session: number | undefined): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (Number(fields[3]) !== session) return 0
    const threads = readdirSync(`/proc/${pid}/task`).map((thread) =>
      Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
    )
    const nanoseconds = threads.reduce((sum, one) => sum + one, 0)
    return nanoseconds / 1e9 + (Number(fields[13]) + Number(fields[14])) / ticksPerSecond
  } catch {
    // Ended in the meantime.
    return 0
  }
}

/** Where user-mode Linux keeps its guests' memory: /dev/shm if it has room for a lab's worth of them, else slower but safe. */
function memoryFolder(): string {
  const { bavail, bsize } = statfsSync('/dev/shm')
  return bavail * bsize > 2 ** 31 ? '/dev/shm' : tmpdir()
}

function umlArguments({ name, root, plug, gateway }: GuestOptions, lease: Lease, share: string): string[] {
  const more = gateway
    ? [
        `vec1:transport=tap,ifname=${name}.in,depth=64,gro=1`,
        'ssl1=fd:5,fd:5',
        'ssl2=fd:6,fd:6',
        `lab.inside=${gateway.inside.address}`,
        `lab.checkout=${gateway.checkout}`,
      ]
    : []
  return [
    `umid=${name}`,
    `uml_dir=${join(lease.dir, 'uml')}/`,
    // Node and a page cache for its binary, which lies on the host.
    gateway ? 'mem=768M' : 'mem=256M',
    'root=/dev/root',
    'rootfstype=hostfs',
    `rootflags=${rootPath(root)}`,
    'ro',
    'init=/lab-boot',
    `vec0:transport=tap,ifname=${name},depth=64,gro=1`,
    'con=null',
    'con0=null,fd:1',
    'ssl0=fd:3,fd:4',
    'quiet',
    `lab.scripts=${scripts}`,
    `lab.share=${share}`,
    `lab.modules=${gateway?.modules ?? '/usr/lib/uml/modules'}`,
    `lab.address=${plug.address}`,
    `lab.gateway=${plug.gateway}`,
    ...more,
  ]
}
