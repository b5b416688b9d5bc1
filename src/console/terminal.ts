// The screen at the other end of the line: what is written to it, page by page, and what is asked of the person before it.
import { ctrlC, type Input } from './input.ts'
import { type EditorEvent, LineEditor, type LineOptions, type TerminalKind } from './line-editor.ts'

/** A serial line, a pseudo-terminal, or a test. */
export type Channel = {
  /** Resolves when the octets are on their way; rejects or resolves at once where the line is gone. */
  write(text: string): Promise<void>
}

/** The line was hung up, or nothing came for too long. */
export class SessionEnd extends Error {
  readonly why: 'hang-up' | 'idle'
  constructor(why: SessionEnd['why']) {
    super(why)
    this.why = why
  }
}

/** Ctrl-C where something was asked or shown. */
export class Interrupted extends Error {}

export type Asked = { readonly is: 'line'; readonly text: string } | { readonly is: 'cancel' } | { readonly is: 'end' }

export type AskOptions = {
  /** Not echoed. */
  readonly hidden?: boolean
  /** Tab, `?` and history; gets the editor to complete in. */
  readonly onEvent?: (event: EditorEvent, editor: LineEditor) => Promise<string>
}

/** Lines written at once: between them Ctrl-C is looked at. */
const linesAtOnce = 20

export class Terminal {
  readonly input: Input
  readonly #channel: Channel
  readonly editor = new LineEditor()
  kind: TerminalKind
  columns = 80
  /** Rows of the screen; 0: no paging. */
  rows = 24
  /** No echo, completion, paging; `%ok` and `%error`. */
  machine = false
  /** Milliseconds without a key until the session ends; undefined: never. */
  idleMs: number | undefined

  constructor(channel: Channel, input: Input, kind: TerminalKind) {
    this.#channel = channel
    this.input = input
    this.kind = kind
  }

  /** Our own text, with `\n` as line break. */
  async write(text: string): Promise<void> {
    if (text !== '' && !this.input.ended) await this.#channel.write(text.replace(/\n/g, '\r\n'))
  }

  /** A line, whatever it holds: control characters of others never reach the terminal. */
  async say(line: string): Promise<void> {
    await this.write(`${printable(line)}\n`)
  }

  /** Text of many lines: page by page, Ctrl-C or q ends it. Throws Interrupted where the signal says so. */
  async page(text: string, signal?: AbortSignal): Promise<void> {
    const lines = text.replace(/\n+$/, '').split('\n').map(printable)
    if (this.machine || this.rows === 0) return this.#pour(lines, signal)
    let room = this.rows - 1
    for (let i = 0; i < lines.length; ) {
      const rows = (line: string) => Math.max(1, Math.ceil(line.length / this.columns))
      let used = 0
      const from = i
      while (i < lines.length && used + rows(lines[i]!) <= Math.max(room, rows(lines[i]!))) used += rows(lines[i++]!)
      await this.#pour(lines.slice(from, i), signal)
      if (i >= lines.length) return
      const answer = await this.#more()
      if (answer === 'stop') return
      room = answer === 'page' ? this.rows - 1 : 1
    }
  }

  async #pour(lines: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    for (let i = 0; i < lines.length; i += linesAtOnce) {
      if (signal?.aborted) throw new Interrupted()
      await this.write(`${lines.slice(i, i + linesAtOnce).join('\n')}\n`)
    }
  }

  async #more(): Promise<'page' | 'line' | 'stop'> {
    await this.write('--More--')
    for (;;) {
      const key = await this.key()
      const answer = key === 0x20 ? 'page' : key === 13 ? 'line' : key === 0x71 || key === ctrlC ? 'stop' : undefined
      if (answer === undefined) continue
      await this.write(`\r        \r`)
      return answer
    }
  }

  /** One octet; throws SessionEnd at a hang-up or where nothing comes for too long. */
  async key(timeoutMs: number | undefined = this.idleMs): Promise<number> {
    const received = await this.input.next(timeoutMs)
    if (received === 'ended') throw new SessionEnd('hang-up')
    if (received === 'timeout') throw new SessionEnd('idle')
    return received
  }

  /** Asks for a line. */
  async ask(prompt: string, { hidden = false, onEvent }: AskOptions = {}): Promise<Asked> {
    const options: LineOptions = {
      echo: hidden || this.machine ? 'none' : 'full',
      commands: onEvent !== undefined,
      columns: this.columns,
      kind: this.kind,
    }
    const drawn = this.editor.begin(prompt, options)
    await this.write(options.echo === 'none' ? prompt : drawn)
    // Ctrl-C is for the question, also where it comes faster than we read.
    return this.input.uninterruptible(() => this.#answer(hidden, onEvent))
  }

  async #answer(hidden: boolean, onEvent: AskOptions['onEvent']): Promise<Asked> {
    for (;;) {
      const { echo, event } = this.editor.feed(await this.key())
      await this.write(echo)
      if (event === undefined) continue
      if (event.is === 'line' || event.is === 'cancel' || event.is === 'end') {
        if ((hidden && !this.machine) || event.is === 'end') await this.write('\n')
        return event
      }
      if (event.is === 'redraw')
        await this.write(`${this.kind === 'vt100' ? '\x1b[H\x1b[2J' : '\n'}${this.editor.redraw()}`)
      else if (onEvent) await this.write(await onEvent(event, this.editor))
    }
  }

  /** A line as it comes, for protocols: no echo and no editing; undefined after `timeoutMs` without one. */
  async rawLine(timeoutMs: number, longest: number): Promise<string | undefined> {
    let line = ''
    const until = performance.now() + timeoutMs
    for (;;) {
      const received = await this.input.next(Math.max(until - performance.now(), 1))
      if (received === 'ended') throw new SessionEnd('hang-up')
      if (received === 'timeout') return undefined
      if (received === 13) return line
      if (line.length < longest) line += String.fromCharCode(received)
    }
  }

  /** Yes or no, no by default. In machine mode nothing can be asked: no. */
  async confirm(question: string): Promise<boolean> {
    if (this.machine) return false
    const answer = await this.ask(`${question} [no]: `)
    return answer.is === 'line' && /^y(es)?$/i.test(answer.text.trim())
  }
}

/** Control characters as `\xNN`; a tab stays. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (c) =>
    c === '\t' ? c : `\\x${c.codePointAt(0)!.toString(16).padStart(2, '0')}`,
  )
}
