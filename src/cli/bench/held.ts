// A process that stays while something is measured: it says one line when it is ready and ends when it is told.
import { type ChildProcess, spawn } from 'node:child_process'
import process from 'node:process'

/** Longer than a login takes on a small board that has other work. */
const patience = 180_000

export class Held {
  readonly #child: ChildProcess
  readonly #by: NodeJS.Signals
  readonly #ended: Promise<void>

  private constructor(child: ChildProcess, by: NodeJS.Signals) {
    this.#child = child
    this.#by = by
    this.#ended = new Promise((resolve) => child.once('exit', () => resolve()))
  }

  /** Resolves at its first line on stdout that begins with `ready`; fails with what it said on stderr where it ends before. */
  static async start(
    what: string,
    [file, args]: readonly [file: string, args: readonly string[]],
    environment: Readonly<Record<string, string>> = {},
    by: NodeJS.Signals = 'SIGTERM',
  ): Promise<Held> {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
    const held = new Held(child, by)
    let [said, complaint] = ['', '']
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint = `${complaint}${chunk}`.slice(-4000)
    })
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${what} ${why}: ${complaint.trim() || 'it said nothing'}`))
      const late = setTimeout(() => {
        child.kill('SIGKILL')
        fail('was not ready in time')
      }, patience)
      child.stdout?.on('data', (chunk: Buffer) => {
        said += chunk
        if (!/^ready/m.test(said)) return
        clearTimeout(late)
        resolve()
      })
      child.once('close', () => {
        clearTimeout(late)
        fail('ended')
      })
      child.once('error', (error) => {
        clearTimeout(late)
        fail(`did not start (${error.message})`)
      })
    })
    return held
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** It gets its signal; killed if it stays. */
  async stop(): Promise<void> {
    this.#child.kill(this.#by)
    const late = setTimeout(() => this.#child.kill('SIGKILL'), patience / 4)
    await this.#ended
    clearTimeout(late)
  }
}
