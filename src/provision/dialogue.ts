// What is said on a line, as text to look at: everything received since the last question, and waiting for something in it, in a clock that
// comes from outside.
import type { SerialLine } from './serial-line.ts'

/** Time from outside, so that tests run in virtual time. Milliseconds. */
export type Timers = {
  now(): number
  after(ms: number, run: () => void): () => void
}

/** Kept of what was received, in characters: a boot says more, but nobody asks for its beginning. */
const kept = 65_536

/** The line has failed for good: no later try can help. */
export class LineFailed extends Error {}

export class Dialogue {
  readonly line: SerialLine
  readonly timers: Timers
  #text = ''
  #total = 0
  #lastAt: number
  #wake: (() => void) | undefined

  constructor(line: SerialLine, timers: Timers) {
    this.line = line
    this.timers = timers
    this.#lastAt = timers.now()
    line.listen((octets) => this.#take(octets))
  }

  #take(octets: Uint8Array): void {
    // Latin-1 keeps every octet apart: what the wrong speed makes of text must stay to be seen.
    this.#text = (this.#text + Buffer.from(octets).toString('latin1')).slice(-kept)
    this.#total += octets.length
    this.#lastAt = this.timers.now()
    this.#wake?.()
  }

  /** Received since the last `forget`, an octet a character. */
  get text(): string {
    return this.#text
  }

  /** Octets received in all. */
  get received(): number {
    return this.#total
  }

  forget(): void {
    this.#text = ''
  }

  /** ASCII, or Latin-1 characters that stand for octets. */
  async say(text: string): Promise<void> {
    await this.line.write(Buffer.from(text, 'latin1'))
  }

  /** What `look` finds in the text, asked again whenever octets come; undefined after `ms`. */
  async until<T>(look: (text: string) => T | undefined, ms: number): Promise<T | undefined> {
    const end = this.timers.now() + ms
    for (;;) {
      const found = look(this.#text)
      if (found !== undefined) return found
      const left = end - this.timers.now()
      if (left <= 0) return undefined
      await this.#sleep(left, true)
    }
  }

  /** Waits until nothing has come for `ms`, at most `longest`; tells whether it got quiet. */
  async quiet(ms: number, longest: number): Promise<boolean> {
    const from = this.timers.now()
    for (;;) {
      const silent = this.timers.now() - Math.max(this.#lastAt, from)
      if (silent >= ms) return true
      if (this.timers.now() - from >= longest) return false
      await this.#sleep(ms - silent, false)
    }
  }

  async sleep(ms: number): Promise<void> {
    const end = this.timers.now() + ms
    while (this.timers.now() < end) await this.#sleep(end - this.timers.now(), false)
  }

  async #sleep(ms: number, orOctets: boolean): Promise<void> {
    if (this.line.failure !== undefined) throw new LineFailed(this.line.failure)
    await new Promise<void>((resolve) => {
      // Whole milliseconds: what is left of a sum may be less than the clock can tell.
      const off = this.timers.after(Math.max(1, Math.ceil(ms)), resolve)
      if (orOctets)
        this.#wake = () => {
          off()
          resolve()
        }
    })
    this.#wake = undefined
  }
}

const esc = String.fromCharCode(27)
const bell = String.fromCharCode(7)
/** CSI sequences, OSC sequences (titles), character sets, and ESC with a letter; bells and NULs. */
const terminalCodes = new RegExp(
  [
    `${esc}\\[[0-9;?]*[ -/]*[@-~]`,
    `${esc}\\][^${bell}${esc}]*(?:${bell}|${esc}\\\\)`,
    `${esc}[()][0-9A-B]`,
    `${esc}[=>78cDEHM]`,
    bell,
    String.fromCharCode(0),
  ].join('|'),
  'g',
)

/** Terminal codes taken out: colours, cursor movements, titles. */
export function plain(text: string): string {
  return text.replace(terminalCodes, '')
}

/** What people are shown of a line's text: its last line that says something, cut to 120 characters, controls escaped. */
export function lastWords(text: string): string {
  const lines = plain(text)
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
  return JSON.stringify(Buffer.from(lines.at(-1)?.trim().slice(-120) ?? '', 'latin1').toString('utf8'))
}
