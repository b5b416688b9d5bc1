// Runs ip and nft. No shell is between: arguments are arguments.
import { spawn } from 'node:child_process'

const packages: Record<string, string> = { ip: 'iproute2', nft: 'nftables' }

/** A command that could not be run or failed; `code` is `missing` or `failed`. */
export class CommandError extends Error {
  readonly code: 'missing' | 'failed'
  constructor(code: 'missing' | 'failed', message: string) {
    super(message)
    this.name = 'CommandError'
    this.code = code
  }
}

export type Run = (command: string, args: readonly string[], input?: string) => Promise<string>

/** Standard output of the command, or a CommandError that says what it said. */
export const run: Run = (command, args, input = '') => {
  return new Promise((resolve, reject) => {
    const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: path, LC_ALL: 'C' },
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk) => (out += chunk))
    child.stderr.on('data', (chunk) => (err += chunk))
    child.stdin.on('error', () => {})
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT'
      const what = missing
        ? `the command ${command} is not here; apt install ${packages[command] ?? command}`
        : error.message
      reject(new CommandError(missing ? 'missing' : 'failed', what))
    })
    child.on('close', (code) => {
      if (code === 0) return resolve(out)
      const said = err.trim().split('\n').slice(0, 3).join('; ') || `it ended with ${code}`
      reject(new CommandError('failed', `${command} ${args.join(' ')}: ${said}`))
    })
    child.stdin.end(input)
  })
}
