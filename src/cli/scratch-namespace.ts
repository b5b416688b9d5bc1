// A network namespace that lives as long as its holder process: what the proof and the benchmark log in from. It needs no /run/netns, so it
// works inside an unprivileged user namespace too, and nothing is left behind when the holder ends.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readlinkSync } from 'node:fs'

export class ScratchNamespace {
  readonly #holder: ChildProcess

  private constructor(holder: ChildProcess) {
    this.#holder = holder
  }

  /** Needs CAP_SYS_ADMIN. Fails with an Error that says why there is no namespace. */
  static async open(): Promise<ScratchNamespace> {
    const holder = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: ['ignore', 'ignore', 'pipe'] })
    let complaint = ''
    holder.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk
    })
    await once(holder, 'spawn')
    const namespace = new ScratchNamespace(holder)
    for (let tries = 0; namespaceOf(holder.pid) === namespaceOf('self'); tries++) {
      if (tries > 200 || holder.exitCode !== null) {
        throw new Error(`no network namespace can be made: ${complaint.trim() || 'unshare does not answer'}`)
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    namespace.run('ip', ['link', 'set', 'lo', 'up'])
    return namespace
  }

  get pid(): string {
    return String(this.#holder.pid)
  }

  /** The command line that runs `command` inside, for spawn. */
  enter(command: readonly string[]): [file: string, args: string[]] {
    return ['nsenter', ['--target', this.pid, '--net', ...command]]
  }

  /** Runs a command inside and gives what it printed; an Error with its complaint where it fails. */
  run(command: string, args: readonly string[]): string {
    const [file, all] = this.enter([command, ...args])
    return runHere(file, all)
  }

  /** The namespace and all devices in it are gone when this resolves. */
  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return
    const ended = once(this.#holder, 'exit')
    this.#holder.kill('SIGKILL')
    await ended
  }
}

export function runHere(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${(error?.message ?? stderr).trim()}`)
  return stdout
}

function namespaceOf(process: number | string | undefined): string {
  try {
    return readlinkSync(`/proc/${process}/ns/net`)
  } catch {
    return readlinkSync('/proc/self/ns/net')
  }
}
