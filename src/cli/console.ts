// `gatehouse console`: the device's command line, on the terminal that it is started on or on a serial line of its own (`--tty`). `--boot` and
// `--guard` are for the system: what rolls back a commit that nobody confirms when the board starts, or when its time is over.
import { spawnSync } from 'node:child_process'
import { constants, openSync } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReadStream, WriteStream } from 'node:tty'
import { Archive } from '../console/archive.ts'
import { Input } from '../console/input.ts'
import { linuxDevice } from '../console/linux-device.ts'
import { guard, rollBackAtBoot } from '../console/roll-back.ts'
import { Terminal } from '../console/terminal.ts'
import { command, parse, UsageError } from './arguments.ts'

const options = {
  config: { type: 'string', default: '/config/gatehouse.yaml' },
  state: { type: 'string', default: '/run/gatehouse' },
  root: { type: 'string', default: '/' },
  tty: { type: 'string' },
  baud: { type: 'string' },
  boot: { type: 'boolean' },
  guard: { type: 'boolean' },
} as const

export function run(args: readonly string[]): Promise<number> {
  return command('console', async () => {
    const { values } = parse({ args: [...args], options })
    // Loaded only where a configuration is judged: the guard waits with as little as it needs.
    const serving = !values.boot && !values.guard
    // An image that was put together wrongly must not shut its owner out.
    const board = serving ? await (await import('../system/board.ts')).loadBoard().catch(() => undefined) : undefined
    const device = linuxDevice({ ...values, ports: board?.ports.map(({ name }) => name) })
    const archive = new Archive(device.disk, device.config)
    if (values.boot) {
      process.stdout.write(`${rollBackAtBoot(device, archive) ?? 'no commit waits'}\n`)
      return 0
    }
    if (values.guard) {
      process.stdout.write(`${await guard(device, archive, (ms) => sleep(ms))}\n`)
      return 0
    }
    if (values.baud !== undefined && !/^\d{3,7}$/.test(values.baud)) throw new UsageError('--baud 115200 is right')
    const { serveConsole } = await import('../console/session.ts')
    const line = openLine(values.tty, values.baud)
    try {
      await serveConsole(device, line.terminal, { once: values.tty === undefined })
    } finally {
      line.close()
    }
    return 0
  })
}

type Line = { readonly terminal: Terminal; close(): void }

/** The serial line, or the terminal that we were started on. */
function openLine(tty: string | undefined, baud: string | undefined): Line {
  const file = tty === undefined ? undefined : openSync(tty, constants.O_RDWR | constants.O_NOCTTY)
  const [input, output] =
    file === undefined ? [process.stdin, process.stdout] : [new ReadStream(file), new WriteStream(file)]
  const restore = rawMode(file ?? 0, baud)
  const octets = new Input()
  input.on('data', (chunk: Buffer) => octets.push(chunk))
  for (const event of ['end', 'close', 'error'] as const) input.on(event, () => octets.end())
  output.on('error', () => octets.end())
  process.on('SIGHUP', () => octets.end())
  process.on('SIGTERM', () => octets.end())
  // Whoever waits for room goes on when there is some, or when the line is gone.
  let waiting: (() => void)[] = []
  const goOn = () => {
    for (const written of waiting) written()
    waiting = []
  }
  output.on('drain', goOn)
  octets.onEnd(goOn)
  const write = (text: string) =>
    new Promise<void>((written) => {
      if (octets.ended || output.write(text)) written()
      else waiting.push(written)
    })
  const terminal = new Terminal({ write }, octets, kindOf(process.env.TERM))
  if (output instanceof WriteStream && output.columns > 0 && output.rows > 0) {
    terminal.columns = output.columns
    terminal.rows = output.rows
  }
  return {
    terminal,
    close() {
      restore()
      input.destroy()
      if (file !== undefined) {
        output.destroy()
      }
    },
  }
}

/** No line discipline but flow control, where any octet goes on: noise that looks like XOFF must not stop us for good. What it was comes back at the end. Where it is no terminal nothing is done. */
function rawMode(file: number, baud: string | undefined): () => void {
  const stty = (...args: readonly string[]) =>
    spawnSync('stty', args, { stdio: [file, 'pipe', 'ignore'], encoding: 'utf8' })
  const before = stty('-g')
  if (before.status !== 0) return () => undefined
  stty('raw', '-echo', 'cs8', '-parenb', 'ignbrk', 'ixon', 'ixany', ...(baud === undefined ? [] : [baud]))
  return () => void stty(before.stdout.trim())
}

function kindOf(term: string | undefined): 'vt100' | 'dumb' {
  return /^(vt[1-5]|xterm|linux|screen|tmux|ansi|rxvt)/.test(term ?? '') ? 'vt100' : 'dumb'
}
