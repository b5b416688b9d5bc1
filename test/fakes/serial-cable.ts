// A serial cable in virtual time: octets take their time at the line's speed, and at a chosen octet something happens to them.
import type { Timers } from '../../src/platform/clock.ts'
import type { SerialLine } from '../../src/provision/serial-line.ts'

/** What is at the board's end. */
export type BoardEnd = {
  receive(octets: Uint8Array): void
  reboot(): void
}

/** At the octet with this number, counted over both directions from 0. */
export type Fault = { readonly at: number } & (
  | { readonly is: 'flip'; readonly mask: number; readonly octets: number }
  | { readonly is: 'insert'; readonly noise: Uint8Array }
  | { readonly is: 'drop'; readonly octets: number }
  /** Nothing passes either way for so many milliseconds. */
  | { readonly is: 'pulled'; readonly ms: number }
  | { readonly is: 'reboot' }
)

/** Octets that are delivered at once, as a UART's FIFO does. */
const fifo = 16

export class SerialCable {
  readonly timers: Timers
  readonly #faults: Fault[]
  /** Baud of the board's end; the laptop's end may differ, and then nothing can be read. */
  readonly boardBaud: number
  #laptopBaud: number
  #board: BoardEnd | undefined
  #listener: (octets: Uint8Array) => void = () => {}
  #busyUntil = { up: 0, down: 0 }
  #pulledUntil = -1
  /** Octets that have passed, both directions. */
  octets = 0
  /** What passed, for a test that fails: `>` to the board, `<` from it. */
  readonly trace: string[] = []

  constructor(
    timers: Timers & { now(): number },
    options: { baud?: number; laptopBaud?: number; faults?: readonly Fault[] } = {},
  ) {
    this.timers = timers
    this.boardBaud = options.baud ?? 115_200
    this.#laptopBaud = options.laptopBaud ?? this.boardBaud
    this.#faults = [...(options.faults ?? [])].sort((a, b) => a.at - b.at)
    this.now = () => timers.now()
  }

  readonly now: () => number

  attach(board: BoardEnd): void {
    this.#board = board
  }

  /** The laptop's end. */
  readonly line: SerialLine = {
    failure: undefined,
    write: async (octets) => this.#send('down', octets),
    listen: (listener) => {
      this.#listener = listener
    },
    setSpeed: async (baud) => {
      this.#laptopBaud = baud
    },
    close: async () => {},
  }

  /** From the board. */
  fromBoard(octets: Uint8Array): void {
    this.#send('up', octets)
  }

  #send(direction: 'up' | 'down', octets: Uint8Array): void {
    for (let i = 0; i < octets.length; i += fifo) {
      const part = octets.slice(i, i + fifo)
      const begin = Math.max(this.#busyUntil[direction], this.now())
      this.#busyUntil[direction] = begin + (part.length * 10_000) / this.boardBaud
      this.timers.after(this.#busyUntil[direction] - this.now(), () => this.#arrive(direction, part))
    }
  }

  #arrive(direction: 'up' | 'down', octets: Uint8Array): void {
    const passed = this.#pass(octets)
    if (passed.length === 0) return
    this.trace.push(
      `${direction === 'down' ? '>' : '<'} ${Math.round(this.now())} ${JSON.stringify(Buffer.from(passed).toString('latin1'))}`,
    )
    const readable = this.#laptopBaud === this.boardBaud ? passed : passed.map((octet) => (octet * 37 + 0x93) | 0x80)
    if (direction === 'up') this.#listener(readable)
    else this.#board?.receive(readable)
  }

  #pass(octets: Uint8Array): Uint8Array {
    const passed: number[] = []
    let mask = 0
    let masked = 0
    let dropped = 0
    for (const octet of octets) {
      const fault = this.#faults[0]?.at === this.octets++ ? this.#faults.shift() : undefined
      if (fault?.is === 'flip') [mask, masked] = [fault.mask, fault.octets]
      else if (fault?.is === 'insert') passed.push(...fault.noise)
      else if (fault?.is === 'drop') dropped = fault.octets
      else if (fault?.is === 'pulled') this.#pulledUntil = this.now() + fault.ms
      else if (fault?.is === 'reboot') this.#board?.reboot()
      if (this.now() < this.#pulledUntil || dropped-- > 0) continue
      passed.push(masked-- > 0 ? octet ^ mask : octet)
    }
    return new Uint8Array(passed)
  }
}
