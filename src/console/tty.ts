// The terminal as a device: raw, with a line discipline of nothing but flow control, and never waited for in a way that stops the process. A serial line
// of 9,600 baud takes 960 octets a second, and one that is stopped by XOFF none at all.
import { spawnSync } from 'node:child_process'
import { close, constants, openSync, write as writeFile } from 'node:fs'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReadStream } from 'node:tty'
import { Input } from './input.ts'
import type { TerminalKind } from './line-editor.ts'
import { Terminal } from './terminal.ts'

export type TtyLine = { readonly terminal: Terminal; close(): void }

/** Milliseconds until a full line is tried again: some 20 octets at 9,600 baud. */
const fullMs = 20

/** A serial line of its own (`path`), or the terminal that this process was started on. `baud` undefined: as it is. */
export function openTty(path: string | undefined, baud: string | undefined): TtyLine {
  return path === undefined ? standard() : serial(path, baud)
}

function serial(path: string, baud: string | undefined): TtyLine {
  // Without O_NONBLOCK the opening waits for a modem's carrier; without O_NOCTTY the line's hang-up would be ours.
  const file = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)
  const restore = rawMode(path, baud)
  const input = inputOf(new ReadStream(file))
  const terminal = new Terminal({ write: writer(file, input) }, input, kindOf(process.env.TERM))
  size(terminal, path)
  return {
    terminal,
    close() {
      restore()
      close(file)
    },
  }
}

function standard(): TtyLine {
  const restore = rawMode(undefined, undefined)
  const input = inputOf(process.stdin)
  process.stdout.on('error', () => input.end())
  const write = (text: string) => new Promise<void>((written) => process.stdout.write(text, () => written()))
  const terminal = new Terminal({ write }, input, kindOf(process.env.TERM))
  if (process.stdout.isTTY) size(terminal, undefined)
  return {
    terminal,
    close() {
      restore()
      process.stdin.destroy()
    },
  }
}

/** Octets as they come; an error of the line (EIO where it is gone) and signals that end us are a hang-up. */
function inputOf(stream: NodeJS.ReadStream): Input {
  const input = new Input()
  stream.on('data', (chunk: Buffer) => input.push(chunk))
  for (const event of ['end', 'close', 'error']) stream.on(event, () => input.end())
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.on(signal, () => input.end())
  input.onEnd(() => stream.destroy())
  return input
}

/** Writes as fast as the line takes it; gives up when it is gone. */
function writer(file: number, input: Input): (text: string) => Promise<void> {
  const some = (octets: Uint8Array) =>
    new Promise<number>((done, failed) => {
      writeFile(file, octets, (error, count) => {
        if (error === null) done(count)
        else if (error.code === 'EAGAIN') done(0)
        else failed(error)
      })
    })
  return async (text) => {
    let octets: Uint8Array = Buffer.from(text)
    try {
      while (octets.length > 0 && !input.ended) {
        const count = await some(octets)
        octets = octets.subarray(count)
        if (count === 0) await sleep(fullMs)
      }
    } catch {
      input.end()
    }
  }
}

/**
 * Raw, 8 bits, no modem lines. XON and XOFF count, and any octet goes on after an XOFF: noise that looks like one must not stop the console for good.
 * What it was comes back at the end. Where it is no terminal, nothing is done.
 */
function rawMode(path: string | undefined, baud: string | undefined): () => void {
  const before = stty(path, '-g')
  if (before === undefined) return () => undefined
  const speed = baud === undefined ? [] : [baud]
  stty(path, '-drain', 'raw', '-echo', 'cs8', '-parenb', '-crtscts', 'clocal', 'ignbrk', 'ixon', 'ixany', ...speed)
  return () => void stty(path, '-drain', before.trim())
}

/** Milliseconds that stty may take: on a stopped line it would wait for ever. */
const sttyMs = 2000

/**
 * What stty says of a line, or of our standard input; undefined where it fails. `-drain` among its arguments: it doesn't wait until a stopped line has
 * taken everything. It opens the line itself: what it inherits it would set to blocking, for us too.
 */
function stty(path: string | undefined, ...args: readonly string[]): string | undefined {
  const all = path === undefined ? args : ['-F', path, ...args]
  const { status, stdout } = spawnSync('stty', all, {
    stdio: ['inherit', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout: sttyMs,
  })
  return status === 0 ? stdout : undefined
}

/** A terminal that knows its size says it; a serial line says 0 0, and is taken for the usual one. */
function size(terminal: Terminal, path: string | undefined): void {
  const [rows = 0, columns = 0] = (stty(path, 'size') ?? '').trim().split(' ').map(Number)
  if (rows > 2) terminal.rows = rows
  if (columns >= 20) terminal.columns = columns
}

function kindOf(term: string | undefined): TerminalKind {
  return /^(vt[1-5]|xterm|linux|screen|tmux|ansi|rxvt)/.test(term ?? '') ? 'vt100' : 'dumb'
}
