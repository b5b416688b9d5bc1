// What comes in over the line: octets in a bounded queue, handed out one by one. Type-ahead waits here while a command runs; Ctrl-C doesn't.

/** `timeout`: nothing came in time. `ended`: the line was hung up and nothing is left. */
export type Received = number | 'timeout' | 'ended'

export const ctrlC = 3
/** Octets of type-ahead that are kept; what comes beyond is lost, as on a UART. */
const mostWaiting = 65_536

export class Input {
  #queue: number[] = []
  #head = 0
  #wake: ((received: Received) => void) | undefined
  #timer: NodeJS.Timeout | undefined
  #afterReturn = false
  #interrupt: (() => void) | undefined
  #ended = false
  #onEnd: (() => void)[] = []

  /** Octets from the line. NUL (a break, or noise) is dropped; CR, LF and CR LF are one 13. */
  push(octets: Uint8Array): void {
    for (const octet of octets) {
      const after = this.#afterReturn
      this.#afterReturn = octet === 13
      if (octet === 0 || (octet === 10 && after)) continue
      this.#deliver(octet === 10 ? 13 : octet)
    }
  }

  #deliver(octet: number): void {
    if (this.#wake) return this.#settle(octet)
    if (octet === ctrlC && this.#interrupt) {
      this.drop()
      this.#interrupt()
    } else if (this.#queue.length - this.#head < mostWaiting) this.#queue.push(octet)
  }

  /** The line is gone: what waits is still handed out, then `ended`. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#settle('ended')
    for (const tell of this.#onEnd) tell()
    this.#interrupt?.()
  }

  get ended(): boolean {
    return this.#ended
  }

  onEnd(tell: () => void): void {
    this.#onEnd.push(tell)
  }

  /** The next octet. Only one caller waits at a time. */
  next(timeoutMs?: number): Promise<Received> {
    if (this.#head < this.#queue.length) {
      const octet = this.#queue[this.#head++]!
      if (this.#head > 1024) {
        this.#queue = this.#queue.slice(this.#head)
        this.#head = 0
      }
      return Promise.resolve(octet)
    }
    if (this.#ended) return Promise.resolve('ended')
    return new Promise((resolve) => {
      this.#wake = resolve
      if (timeoutMs !== undefined) this.#timer = setTimeout(() => this.#settle('timeout'), timeoutMs)
    })
  }

  #settle(received: Received): void {
    const wake = this.#wake
    this.#wake = undefined
    clearTimeout(this.#timer)
    wake?.(received)
  }

  /** Forgets what was typed ahead. */
  drop(): void {
    this.#queue = []
    this.#head = 0
  }

  /** Runs something that Ctrl-C or a hang-up ends through the signal. */
  async interruptible<T>(body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController()
    const outer = this.#interrupt
    this.#interrupt = () => controller.abort()
    if (this.#ended) controller.abort()
    try {
      return await body(controller.signal)
    } finally {
      this.#interrupt = outer
    }
  }

  /** Runs something to which Ctrl-C is an octet like others: noise may be one. A hang-up still ends what waits for octets. */
  async uninterruptible<T>(body: () => Promise<T>): Promise<T> {
    const outer = this.#interrupt
    this.#interrupt = undefined
    try {
      return await body()
    } finally {
      this.#interrupt = outer
    }
  }
}
