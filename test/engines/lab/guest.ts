// A guest that does one thing: boots, runs a script, leaves its output in a folder that it shares with us, and is gone.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const checkout = join(import.meta.dirname, '..', '..', '..')
export const scripts = join(import.meta.dirname, 'guest')

export type Ended = { readonly code: number; readonly output: string; readonly console: string }

/** `command` makes the program and its arguments from the folder for the guest. Bound by `seconds`; an Error with the console where the guest never came to its end. */
export async function runGuest(
  script: string,
  seconds: number,
  command: (folder: string, share: string) => readonly [string, ...string[]],
): Promise<Ended> {
  mkdirSync('/dev/shm/gatehouse-engines', { recursive: true, mode: 0o700 })
  const folder = mkdtempSync('/dev/shm/gatehouse-engines/g')
  const share = join(folder, 'share')
  mkdirSync(share)
  writeFileSync(join(share, 'job'), script)
  const log = openSync(join(folder, 'console'), 'w')
  try {
    const [file, ...args] = command(folder, share)
    // `timeout` bounds the guest's life also where this process is killed before its time.
    const child = spawn('timeout', ['-k', '2', String(seconds), file, ...args], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env.PATH, TMPDIR: '/dev/shm', HOME: folder },
    })
    await new Promise<void>((resolve, reject) => child.once('exit', () => resolve()).once('error', reject))
    const text = (path: string) => {
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return ''
      }
    }
    const console = text(join(folder, 'console'))
    const code = text(join(share, 'code')).trim()
    const output = text(join(share, 'out'))
    if (code === '')
      throw new Error(
        `the guest did not come to its end within ${seconds} s:\n${output.slice(-4000)}\n${console.slice(-2000)}`,
      )
    return { code: Number(code), output, console }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The output; an Error that carries it where the script failed. */
export function must({ code, output }: Ended): string {
  if (code !== 0) throw new Error(`exit ${code} in the guest:\n${output}`)
  return output
}
