// Child processes and waiting, always with a bound: nothing in the lab may hang for ever.
import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

export type Output = { code: number; stdout: string; stderr: string }
export type RunOptions = { timeoutMs?: number; input?: string; cwd?: string; env?: NodeJS.ProcessEnv }

/** Runs a program to its end. `code` is 124 when the bound (default 30 s) passed and it was killed, 128 when a signal ended it. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: 'pipe' })
    let [stdout, stderr, late] = ['', '', false]
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, options.timeoutMs ?? 30_000)
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
    child.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: late ? 124 : (code ?? 128), stdout, stderr })
    })
  })
}

/** As `run`, but a code other than 0 is an error that carries what the program said. Answers its stdout. */
export async function must(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(file, args, options)
  if (code !== 0) throw new Error(`${[file, ...args].join(' ')}: exit ${code}\n${stdout}${stderr}`)
  return stdout
}

/** Asks `probe` until it answers something other than undefined or false; after `timeoutMs` an error that names `what`. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs = 10_000, everyMs = 50 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const answer = await probe()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > end) throw new Error(`waited ${timeoutMs / 1000} s in vain for: ${what}`)
    await sleep(everyMs)
  }
}

/** Says on the terminal what a long step is doing. */
export function say(text: string): void {
  process.stderr.write(`lab: ${text}\n`)
}
