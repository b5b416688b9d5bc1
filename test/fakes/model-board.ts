// A board by its contract alone: boot loader, boot, log-in, wizard, command line, `terminal machine`, `load`, commits that roll back. No line of
// it is the real console's, so that the provisioner is tested against what was agreed, not against what happens to be.

import { digestOf, mostOctetsALine, parseLoadLine } from '../../src/control/load-lines.ts'
import { openSealed } from '../../src/control/sealed-bundle.ts'
import type { Timers } from '../../src/platform/clock.ts'
import type { BoardEnd } from './serial-cable.ts'

export type ModelOptions = {
  /** The configuration in use; undefined: factory-fresh, the wizard asks. */
  readonly configuration?: string
  readonly password?: string
  readonly privatePem?: string
  /** What of this the board finds faulty; what its self-test finds. */
  readonly faulty?: (text: string) => string | undefined
  readonly selfTest?: (text: string) => string | undefined
  /** Milliseconds between two messages of the kernel. */
  readonly kernelEvery?: number
}

type Mode = 'off' | 'countdown' | 'u-boot' | 'booting' | 'login' | 'password' | 'wizard' | 'shell'

const bootText = [
  'U-Boot 2023.01+dfsg-2 (Feb 11 2023)\r\n\r\nDRAM:  1 GiB\r\n',
  'Hit any key to stop autoboot:  2 ',
  '\b\b\b 1 ',
  '\b\b\b 0 \r\n',
  'Starting kernel ...\r\n\r\n[    0.000000] Booting Linux on physical CPU 0x0\r\n[    0.000000] Linux version 6.1.0\r\n',
  '[    1.123456] random: crng init done\r\n',
  '[    4.200000] systemd[1]: Reached target multi-user.target\r\n',
]

export class ModelBoard implements BoardEnd {
  readonly #timers: Timers & { now(): number }
  readonly #send: (octets: Uint8Array) => void
  readonly #options: ModelOptions
  /** What survives a reboot: the configuration, and what to go back to. `history` is every configuration that was in use, even for a moment. */
  configuration: string | undefined
  #before: { text: string | undefined } | undefined
  readonly history: (string | undefined)[] = []
  #password: string | undefined
  #mode: Mode = 'off'
  #configuring = false
  #machine = false
  #candidate: string | undefined
  #line = ''
  #load: { parts: Buffer[]; octets: number; sha256: string; sealed: boolean } | undefined
  #offs: (() => void)[] = []
  #silence: (() => void) | undefined
  #rollback: (() => void) | undefined
  #committedAt = 0
  reboots = 0
  /** Somebody is logged in. */
  get open(): boolean {
    return this.#mode === 'shell'
  }

  /** Log-ins that failed. */
  failures = 0

  constructor(timers: Timers & { now(): number }, send: (octets: Uint8Array) => void, options: ModelOptions = {}) {
    this.#timers = timers
    this.#send = send
    this.#options = options
    this.configuration = options.configuration
    this.#password = options.password
    this.history.push(options.configuration)
    if (options.kernelEvery) this.#murmur(options.kernelEvery)
  }

  /** Begins where a test wants it. */
  start(at: 'login' | 'boot' | 'shell' | 'configure' | 'u-boot'): void {
    if (at === 'boot') return this.#boot()
    if (at === 'u-boot') this.#mode = 'u-boot'
    else if (at === 'login') this.#greet(false)
    else {
      this.#mode = 'shell'
      this.#configuring = at === 'configure'
      this.#candidate = at === 'configure' ? 'half: a candidate' : undefined
    }
  }

  /** Types on the board's keyboard, so to say: half a line that somebody left. */
  typed(text: string): void {
    this.#line = text
  }

  reboot(): void {
    this.reboots++
    if (this.#before) this.#use(this.#before.text)
    this.#before = undefined
    for (const off of this.#offs.splice(0)) off()
    this.#silence?.()
    this.#rollback?.()
    this.#boot()
  }

  #murmur(every: number): void {
    this.#timers.after(every, () => {
      if (this.#mode !== 'off')
        this.#write(`[ ${(this.#timers.now() / 1000).toFixed(6)}] usb 1-1: new full-speed USB device\r\n`)
      this.#murmur(every)
    })
  }

  #boot(): void {
    this.#mode = 'off'
    this.#machine = false
    this.#configuring = false
    this.#candidate = undefined
    this.#load = undefined
    this.#line = ''
    bootText.forEach((text, i) => {
      this.#later(500 + i * 1000, () => {
        if (this.#mode === 'u-boot') return
        this.#mode = i >= 1 && i <= 2 ? 'countdown' : 'booting'
        this.#write(text)
      })
    })
    this.#later(9_000, () => {
      if (this.#mode === 'booting') this.#greet(true)
    })
  }

  #later(ms: number, run: () => void): void {
    this.#offs.push(this.#timers.after(ms, run))
  }

  #greet(says: boolean): void {
    this.#mode = this.configuration === undefined ? 'wizard' : 'login'
    if (says) this.#prompt()
  }

  #write(text: string): void {
    this.#send(Buffer.from(text, 'latin1'))
  }

  #prompt(): void {
    if (this.#mode === 'login') this.#write('gw1 login: ')
    else if (this.#mode === 'password') this.#write('Password: ')
    else if (this.#mode === 'wizard') this.#write('Name of this gateway [gatehouse]: ')
    else if (this.#mode === 'u-boot') this.#write('=> ')
    else if (this.#mode === 'shell') this.#write(this.#configuring ? 'gw1# ' : 'gw1> ')
  }

  receive(octets: Uint8Array): void {
    for (const octet of octets) {
      if (this.#mode === 'off' || this.#mode === 'booting') continue
      if (this.#mode === 'countdown') {
        this.#mode = 'u-boot'
        this.#write('\r\n')
        this.#prompt()
      } else if (octet === 3) this.#cancel()
      else if (octet === 21) this.#line = ''
      else if (octet === 13 || octet === 10) {
        const line = this.#line
        this.#line = ''
        if (!this.#machine && this.#mode !== 'password') this.#write('\r\n')
        this.#take(line)
      } else if (this.#line.length < 4096) {
        this.#line += String.fromCharCode(octet)
        if (!this.#machine && this.#mode !== 'password') this.#write(String.fromCharCode(octet))
      }
    }
  }

  #cancel(): void {
    this.#line = ''
    if (this.#load) return
    if (!this.#machine) this.#write('^C\r\n')
    if (this.#mode === 'password') this.#mode = 'login'
    this.#prompt()
  }

  #take(line: string): void {
    if (this.#mode === 'u-boot') {
      if (line === 'boot') return this.#boot()
      if (line !== '') this.#write(`Unknown command '${line}'\r\n`)
      return this.#prompt()
    }
    if (this.#mode === 'wizard') return this.#wizard(line)
    if (this.#mode === 'login') this.#mode = line === 'admin' ? 'password' : line === '' ? 'login' : 'password'
    else if (this.#mode === 'password') return this.#judge(line)
    else if (this.#load) return this.#loadLine(line)
    else return this.#command(line.trim())
    this.#prompt()
  }

  #wizard(line: string): void {
    if (line === 'provision') {
      this.#mode = 'shell'
      this.#write('factory-fresh: provision this board\r\n')
    }
    this.#prompt()
  }

  #judge(password: string): void {
    this.#write('\r\n')
    if (password === this.#password) this.#mode = 'shell'
    else {
      this.failures++
      this.#mode = 'login'
      this.#write('Login incorrect\r\n')
    }
    this.#prompt()
  }

  /** Ends a command. */
  #end(error?: string): void {
    if (this.#machine) this.#write(error === undefined ? '%ok\r\n' : `%error ${error}\r\n`)
    else if (error !== undefined) this.#write(`${error}\r\n`)
    this.#prompt()
  }

  #say(line: string): void {
    this.#write(`${line}\r\n`)
  }

  #command(line: string): void {
    if (line === '') return this.#prompt()
    if (line === 'terminal machine') {
      this.#machine = true
      return this.#end()
    }
    if (line === 'show board') {
      for (const text of [
        'board: model',
        'serial-number: M0001',
        'mac-wan0: 02:00:00:00:00:01',
        'host-key: x25519:none',
      ])
        this.#say(text)
      return this.#end()
    }
    if (line === 'show version') {
      this.#say('firmware: 0.2.0')
      return this.#end()
    }
    if (line === 'show self-test') return this.#showSelfTest()
    if (line === 'confirm') return this.#confirm()
    if (line === 'logout') {
      this.#machine = false
      this.#configuring = false
      this.#greet(true)
      return
    }
    if (line === 'configure' && !this.#configuring) {
      this.#configuring = true
      return this.#end()
    }
    if (this.#configuring) return this.#configure(line)
    this.#end(`there is no command "${line}"`)
  }

  #configure(line: string): void {
    const load = /^load (sealed )?(\d+) ([0-9a-f]{64})$/.exec(line)
    const confirmed = /^commit confirmed (\d+)$/.exec(line)
    if (load) return this.#beginLoad(Number(load[2]), load[3]!, load[1] !== undefined)
    if (line === 'configure') return this.#end()
    if (line === 'exit') {
      this.#configuring = false
      return this.#end()
    }
    const text = this.#candidate ?? this.configuration ?? ''
    if (line === 'compare') {
      if (text !== this.configuration) this.#say('+ something')
      return this.#end()
    }
    if (line === 'show digest') {
      this.#say(`sha256: ${digestOf(Buffer.from(text))}`)
      return this.#end()
    }
    if (line === 'check') return this.#end(this.#options.faulty?.(text))
    if (confirmed) return this.#commit(Number(confirmed[1]))
    this.#end(`there is no command "${line}"`)
  }

  #commit(minutes: number): void {
    const fault = this.#options.faulty?.(this.#candidate ?? '')
    if (fault !== undefined) return this.#end(fault)
    this.#before ??= { text: this.configuration }
    this.#use(this.#candidate ?? this.configuration)
    this.#candidate = undefined
    this.#committedAt = this.#timers.now()
    this.#rollback?.()
    this.#rollback = this.#timers.after(minutes * 60_000, () => {
      this.#use(this.#before?.text)
      this.#before = undefined
    })
    this.#end()
  }

  #use(text: string | undefined): void {
    this.configuration = text
    this.history.push(text)
    const password = text && /password: (\S+)/.exec(text)?.[1]
    this.#password = password ?? this.#options.password
  }

  #showSelfTest(): void {
    const running = this.#timers.now() - this.#committedAt < 6_000
    const fault = this.#options.selfTest?.(this.configuration ?? '')
    this.#say('gateway: passed')
    this.#say(
      running ? 'self-test: running' : fault === undefined ? 'self-test: passed' : `self-test: failed: ${fault}`,
    )
    this.#end()
  }

  #confirm(): void {
    if (!this.#before) return this.#end('no commit waits for a confirmation')
    this.#before = undefined
    this.#rollback?.()
    this.#end()
  }

  #beginLoad(octets: number, sha256: string, sealed: boolean): void {
    this.#load = { parts: [], octets, sha256, sealed }
    this.#say('%ready')
    this.#listenOn()
  }

  #listenOn(): void {
    this.#silence?.()
    this.#silence = this.#timers.after(10_000, () => {
      this.#load = undefined
      this.#end('timeout')
    })
  }

  #loadLine(line: string): void {
    const load = this.#load!
    const parsed = parseLoadLine(line)
    if (parsed.is === 'noise') return this.#say('%?')
    this.#listenOn()
    if (parsed.is === 'garbled' || parsed.seq > load.parts.length) return this.#say(`%-${parsed.seq}`)
    if (parsed.seq === load.parts.length) load.parts.push(Buffer.from(parsed.octets))
    this.#say(`%+${parsed.seq}`)
    if (load.parts.length * mostOctetsALine < load.octets) return
    this.#silence?.()
    this.#load = undefined
    const file = Buffer.concat(load.parts)
    if (file.length !== load.octets || digestOf(file) !== load.sha256) return this.#end('another SHA-256 was announced')
    try {
      this.#candidate = Buffer.from(load.sealed ? openSealed(file, this.#options.privatePem!) : file).toString('utf8')
      this.#end()
    } catch (error) {
      this.#end((error as Error).message)
    }
  }
}
