// A board in QEMU: disk, serial console on a pty that `serialport` opens, and a line of the test's own for looking inside. Killed, it has lost
// its power: the disk is written through, so that what the guest was told is written is written, and nothing else.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SerialPort } from 'serialport'
import { until } from '../interop/lab/run.ts'

export type Firmware = 'bios' | 'uefi' | 'u-boot'

export type MachineOptions = {
  readonly firmware: Firmware
  /** Raw image, written to. */
  readonly disk: string
  /** A second disk, read only. */
  readonly stick?: string
  /** Folder for sockets. */
  readonly scratch: string
  /** A tap for the WAN, in a network namespace; without one the port has QEMU's own network, unrestricted: its DHCP names router and resolver only then. */
  readonly tap?: { readonly namespace: string; readonly name: string }
  readonly megabytes?: number
}

export type Answer = { readonly code: number; readonly text: string }

export class Machine {
  console: Console
  readonly #pty: string
  readonly #process: ChildProcess
  readonly #agent: Agent
  #ended: string | undefined
  #lastBoot: string | undefined

  private constructor(process: ChildProcess, pty: string, line: Console, agent: Agent) {
    this.#process = process
    this.#pty = pty
    this.console = line
    this.#agent = agent
    process.once('exit', (code, signal) => {
      this.#ended = `QEMU ended (${signal ?? code})`
    })
  }

  /** Switches the board on. */
  static async start(options: MachineOptions): Promise<Machine> {
    const socket = `${options.scratch}/agent-${Math.random().toString(36).slice(2)}`
    const [program, args] = commandLine(options, socket)
    const inside = options.tap ? ['ip', 'netns', 'exec', options.tap.namespace] : []
    // A run that is killed takes its boards along.
    const [command, ...words] = ['setpriv', '--pdeathsig', 'KILL', ...inside, program, ...args] as [string, ...string[]]
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
      })
    try {
      const pty = await until('QEMU to name its pty', () => {
        if (child.exitCode !== null) throw new Error(`QEMU does not start: ${said}`)
        return /char device redirected to (\/dev\/pts\/\d+)/.exec(said)?.[1]
      })
      return new Machine(child, pty, await Console.open(pty), new Agent(socket))
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }

  /** Waits until the userland answers: of the first start, then each time of another one than the last time. */
  async booted(timeoutMs = 90_000): Promise<string> {
    const bootId = await until(
      'the board to start',
      () => {
        if (this.#ended) throw new Error(`${this.#ended}\n${this.console.tail()}`)
        return this.#agent.bootId !== this.#lastBoot ? this.#agent.bootId : undefined
      },
      { timeoutMs, everyMs: 100 },
    ).catch((error: Error) => {
      throw new Error(`${error.message}; the console said:\n${this.console.tail()}`)
    })
    this.#lastBoot = bootId
    return bootId
  }

  /** Runs a shell script inside, as root, past the console. */
  sh(script: string, timeoutMs = 60_000): Promise<Answer> {
    return this.#agent.run(script, timeoutMs)
  }

  async must(script: string, timeoutMs = 60_000): Promise<string> {
    const { code, text } = await this.sh(script, timeoutMs)
    if (code !== 0) throw new Error(`exit ${code} of\n${script}\n${text}`)
    return text.trimEnd()
  }

  /** Lends the serial line to another program, and takes it back. */
  async lend<T>(use: (pty: string) => Promise<T>): Promise<T> {
    await this.console.close()
    try {
      return await use(this.#pty)
    } finally {
      this.console = await Console.open(this.#pty)
    }
  }

  /** Processor time that the board has taken so far, in seconds; what it would take on an idle machine, whatever else runs on this one. */
  processorSeconds(): number {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  /** Pulls the plug. */
  async cut(): Promise<void> {
    this.#agent.close()
    await this.console.close()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit')
      this.#process.kill('SIGKILL')
      await ended
    }
  }
}

function commandLine(options: MachineOptions, socket: string): [string, string[]] {
  const { firmware, disk, stick, tap, megabytes = 512 } = options
  const drive = (id: string, file: string, extra: string) => [
    '-drive',
    `file=${file},if=none,id=${id},format=raw,${extra}`,
  ]
  const net = (id: string, address: number, backend: string) => [
    ...['-netdev', `${backend},id=${id}`],
    ...['-device', `virtio-net-pci,netdev=${id},addr=${address},mac=52:54:00:67:68:0${address}`],
  ]
  const shared = [
    // Little room for translated code: what a boot leaves of it in memory makes the next one's boot loader slow, store by store, until it is flushed.
    ...['-accel', 'tcg,tb-size=256', '-smp', '1', '-m', `${megabytes}`, '-nodefaults', '-display', 'none'],
    // A copy of what the console said, for whoever watches a run.
    ...['-chardev', `pty,id=console,logfile=${socket}.console`, '-serial', 'chardev:console'],
    ...drive('disk', disk, 'cache=writethrough'),
    ...['-device', 'virtio-blk-pci,drive=disk,addr=5'],
    ...(stick ? [...drive('stick', stick, 'readonly=on'), '-device', 'virtio-blk-pci,drive=stick,addr=6'] : []),
    ...net('wan', 2, tap ? `tap,ifname=${tap.name},script=no,downscript=no` : 'user'),
    ...net('lan', 3, 'user,restrict=on'),
    ...['-device', 'virtio-serial-pci,addr=7', '-chardev', `socket,id=agent,path=${socket},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=agent,name=gatehouse.test'],
    ...[
      '-device',
      'i6300esb,addr=8',
      '-object',
      'rng-random,filename=/dev/urandom,id=rng',
      '-device',
      'virtio-rng-pci,rng=rng,addr=9',
    ],
  ]
  const pc = ['-M', 'q35', '-cpu', 'max', ...shared]
  switch (firmware) {
    case 'bios':
      return ['qemu-system-x86_64', pc]
    case 'uefi':
      return ['qemu-system-x86_64', ['-bios', '/usr/share/ovmf/OVMF.fd', ...pc]]
    case 'u-boot':
      return [
        'qemu-system-aarch64',
        ['-M', 'virt', '-cpu', 'cortex-a53', '-bios', '/usr/lib/u-boot/qemu_arm64/u-boot.bin', ...shared],
      ]
  }
}

/** The serial console, by the library with which boards are provisioned. */
export class Console {
  readonly #port: SerialPort
  #text = ''
  #read = 0

  private constructor(port: SerialPort) {
    this.#port = port
    port.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1')
    })
    port.on('error', () => {})
  }

  static async open(path: string): Promise<Console> {
    const port = new SerialPort({ path, baudRate: 115200, autoOpen: false })
    await new Promise<void>((resolve, reject) => port.open((error) => (error ? reject(error) : resolve())))
    return new Console(port)
  }

  /** Waits for text that wasn't awaited before; answers what came up to its end. */
  async expect(pattern: RegExp, timeoutMs = 20_000): Promise<string> {
    return until(
      `${pattern} on the console`,
      () => {
        const found = pattern.exec(this.#text.slice(this.#read))
        if (!found) return undefined
        const end = this.#read + found.index + found[0].length
        const text = this.#text.slice(this.#read, end)
        this.#read = end
        return text
      },
      { timeoutMs },
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it said:\n${this.tail()}`)
    })
  }

  send(text: string): void {
    this.#port.write(text)
  }

  /** What came last. */
  tail(octets = 2000): string {
    return this.#text.slice(-octets)
  }

  /** All that came so far. */
  get text(): string {
    return this.#text
  }

  async close(): Promise<void> {
    if (this.#port.isOpen) await new Promise<void>((resolve) => this.#port.close(() => resolve()))
  }
}

/** The other end of overlay/usr/lib/gatehouse-test/agent. */
class Agent {
  bootId: string | undefined
  readonly #path: string
  #socket: Socket | undefined
  #rest = ''
  #jobs = 0
  #closed = false
  readonly #waiting = new Map<string, (answer: Answer) => void>()

  constructor(path: string) {
    this.#path = path
    void this.#connect()
  }

  async run(script: string, timeoutMs: number): Promise<Answer> {
    const id = `j${++this.#jobs}`
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.#socket?.write(`${id} ${Buffer.from(script).toString('base64')}\n`)
    const late = sleep(timeoutMs, undefined, { ref: false }).then(() => {
      throw new Error(`no answer within ${timeoutMs / 1000} s of\n${script}`)
    })
    return Promise.race([answer, late]).finally(() => this.#waiting.delete(id))
  }

  close(): void {
    this.#closed = true
    this.#socket?.destroy()
    if (existsSync(this.#path)) rmSync(this.#path)
  }

  async #connect(): Promise<void> {
    while (!this.#closed) {
      const socket = connect(this.#path)
      socket.setEncoding('utf8').on('data', (text: string) => this.#take(text))
      socket.on('error', () => {})
      this.#socket = socket
      await once(socket, 'close').catch(() => undefined)
      await sleep(100)
    }
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      const ready = /ready ([0-9a-f-]{36})/.exec(line)
      if (ready) this.bootId = ready[1]
      const told = /(j\d+) (\d+) (\S*)$/.exec(line)
      if (told)
        this.#waiting.get(told[1]!)?.({ code: Number(told[2]), text: Buffer.from(told[3]!, 'base64').toString() })
    }
  }
}
