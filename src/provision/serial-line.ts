// A serial line as the provisioner needs it: octets both ways, a speed, an end. `openSerialLine` is the real one over serialport's bindings;
// tests pass a simulated line.
import { SerialPort } from 'serialport'

export type SerialLine = {
  /** Resolves when the octets are with the operating system; a line that is gone swallows them. */
  write(octets: Uint8Array): Promise<void>
  /** One listener; octets that come before there is one are lost. */
  listen(listener: (octets: Uint8Array) => void): void
  /** Baud. */
  setSpeed(baud: number): Promise<void>
  close(): Promise<void>
  /** Why nothing can come any more; undefined while something may. */
  readonly failure: string | undefined
}

/** The part of serialport's port bindings that is used; `set` fails on a pseudo-terminal, which has no modem lines. */
export type PortBinding = {
  read(buffer: Buffer, offset: number, length: number): Promise<{ readonly bytesRead: number }>
  write(buffer: Buffer): Promise<void>
  update(options: { baudRate: number }): Promise<void>
  set(options: { dtr: boolean; rts: boolean }): Promise<void>
  flush(): Promise<void>
  close(): Promise<void>
}
export type Binding = { open(options: { path: string; baudRate: number; hupcl: boolean }): Promise<PortBinding> }

/** How long a USB adapter may be away (unplugged and put back) until the line has failed, in milliseconds, and how often it is looked for. */
const awayMs = 60_000
const lookMs = 500

/** Opens a port, 8N1 without flow control. An Error says what to do. */
export async function openSerialLine(
  path: string,
  baud: number,
  binding: Binding = SerialPort.binding,
): Promise<SerialLine> {
  const line = new PortLine(path, baud, binding)
  await line.open()
  return line
}

class PortLine implements SerialLine {
  readonly #path: string
  readonly #binding: Binding
  #baud: number
  #port: PortBinding | undefined
  #listener: (octets: Uint8Array) => void = () => {}
  #closed = false
  failure: string | undefined

  constructor(path: string, baud: number, binding: Binding) {
    this.#path = path
    this.#baud = baud
    this.#binding = binding
  }

  async open(): Promise<void> {
    this.#port = await this.#attach().catch((error) => {
      throw new Error(openingAdvice(this.#path, error as Error))
    })
    void this.#read(this.#port)
  }

  async #attach(): Promise<PortBinding> {
    const port = await this.#binding.open({ path: this.#path, baudRate: this.#baud, hupcl: false })
    // Some adapters' level shifters live on DTR and RTS; a line without them does as well.
    await port.set({ dtr: true, rts: true }).catch(() => {})
    await port.flush().catch(() => {})
    return port
  }

  async #read(port: PortBinding): Promise<void> {
    const buffer = Buffer.alloc(4096)
    try {
      for (;;) {
        const { bytesRead } = await port.read(buffer, 0, buffer.length)
        if (bytesRead > 0) this.#listener(new Uint8Array(buffer.subarray(0, bytesRead)))
      }
    } catch {
      if (!this.#closed) await this.#lookForIt(port)
    }
  }

  /** The adapter was unplugged, or its driver gave up: it often comes back under the same name. */
  async #lookForIt(gone: PortBinding): Promise<void> {
    this.#port = undefined
    await gone.close().catch(() => {})
    for (let waited = 0; waited < awayMs && !this.#closed; waited += lookMs) {
      await new Promise((resolve) => setTimeout(resolve, lookMs))
      const port = await this.#attach().catch(() => undefined)
      if (!port) continue
      this.#port = port
      return this.#read(port)
    }
    this.failure = `${this.#path} went away and did not come back within ${awayMs / 1000} s: is the USB adapter plugged in?`
  }

  async write(octets: Uint8Array): Promise<void> {
    await this.#port?.write(Buffer.from(octets)).catch(() => {})
  }

  listen(listener: (octets: Uint8Array) => void): void {
    this.#listener = listener
  }

  async setSpeed(baud: number): Promise<void> {
    this.#baud = baud
    await this.#port?.update({ baudRate: baud })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#port?.close().catch(() => {})
  }
}

/** What to do about a port that doesn't open, from the binding's message: it has no codes. */
export function openingAdvice(path: string, error: Error): string {
  const said = error.message.replace(/^Error:?\s*/, '')
  if (/permission denied|EACCES|EPERM/i.test(said))
    return `${path}: this user may not open it; "sudo usermod -aG dialout $USER" and a new log-in give the right`
  if (/lock|resource busy|EBUSY|temporarily unavailable/i.test(said))
    return `${path} is in use by another program (a terminal such as screen, minicom or ModemManager); end that first`
  if (/no such file|ENOENT|no such device|ENXIO|ENODEV/i.test(said))
    return `there is no ${path}; "ls /dev/ttyUSB* /dev/ttyACM*" shows the adapters that are plugged in, and dmesg the last one`
  if (/not a tty|inappropriate ioctl|ENOTTY/i.test(said))
    return `${path} is no serial port (${said}); one such as /dev/ttyUSB0 is right`
  return `${path} can't be opened: ${said}`
}
