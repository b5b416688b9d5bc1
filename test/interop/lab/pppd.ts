// A pppd that nobody here wrote, in a guest, on a serial line whose other end is one of our PPP links; real time.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { LocalUsers } from '../../../src/aaa/local-users.ts'
import type { User } from '../../../src/aaa/user.ts'
import type { NetworkGrant, PppEffect, PppInput, PppPolicy } from '../../../src/ppp/contract.ts'
import { PppLink } from '../../../src/ppp/link.ts'
import { HdlcReader, hdlcFrame } from './hdlc.ts'
import { rootPath } from './roots.ts'
import { until } from './run.ts'

export type PppdOptions = {
  readonly policy: PppPolicy
  readonly users?: readonly User[]
  readonly grant?: NetworkGrant
  /** What the guest runs; pppd is to speak on /dev/ttyS0. */
  readonly script: string
}

const random = { octets: (length: number) => Uint8Array.from(randomBytes(length)) }

export class PppdGuest {
  /** All effects of our link but frames, in order. */
  readonly effects: PppEffect[] = []
  readonly link: PppLink
  readonly #options: PppdOptions
  readonly #users: LocalUsers
  readonly #dir: string
  readonly #process: ChildProcess
  readonly #line: Duplex
  #timer: NodeJS.Timeout | undefined
  #ended = false
  #up = false

  constructor(options: PppdOptions) {
    this.#options = options
    this.#users = new LocalUsers(options.users ?? [])
    this.link = new PppLink(options.policy)
    this.#dir = mkdtempSync('/dev/shm/pppd-')
    const share = join(this.#dir, 'share')
    mkdirSync(share)
    writeFileSync(join(share, 'job'), options.script)
    const log = openSync(join(this.#dir, 'console.log'), 'w')
    this.#process = spawn(
      'linux.uml',
      [
        `uml_dir=${this.#dir}/`,
        'mem=128M',
        'root=/dev/root',
        'rootfstype=hostfs',
        `rootflags=${rootPath('strongswan')}`,
        'ro',
        'init=/lab-boot',
        'con=null',
        'con0=null,fd:1',
        'ssl0=fd:3,fd:4',
        'quiet',
        `lab.scripts=${join(import.meta.dirname, 'pppd')}`,
        `lab.share=${share}`,
        'lab.modules=/usr/lib/uml/modules',
      ],
      {
        stdio: ['ignore', log, log, 'pipe', 'pipe'],
        env: { PATH: process.env.PATH, TMPDIR: '/dev/shm', HOME: this.#dir },
        detached: true,
      },
    )
    this.#process.once('exit', () => {
      this.#ended = true
    })
    this.#line = this.#process.stdio[3] as Duplex
    this.#line.on('error', () => {})
    const reader = new HdlcReader((protocol, payload) => {
      this.up()
      if (protocol === 0x0021) this.#echo(payload)
      else this.give({ on: 'frame', protocol, payload })
    })
    const from = this.#process.stdio[4] as Duplex
    from.on('data', (chunk: Uint8Array) => reader.push(chunk)).on('error', () => {})
  }

  /** Our end begins; else with the first frame of the guest's. */
  up(): void {
    if (this.#up) return
    this.#up = true
    this.give({ on: 'up' })
  }

  give(input: PppInput): void {
    const effects = this.link.handle(input, { now: performance.now(), random })
    for (const effect of effects) this.#do(effect)
    clearTimeout(this.#timer)
    const { deadline } = this.link
    if (deadline !== undefined)
      this.#timer = setTimeout(() => this.give({ on: 'tick' }), Math.max(0, deadline - performance.now() + 1))
  }

  last<Do extends PppEffect['do']>(which: Do): (PppEffect & { do: Do }) | undefined {
    return this.effects.findLast((effect) => effect.do === which) as (PppEffect & { do: Do }) | undefined
  }

  get events(): readonly string[] {
    return this.effects.flatMap((effect) => (effect.do === 'report' ? [effect.event.event] : []))
  }

  /** Waits for the guest's script to end; what it printed. */
  async output(): Promise<string> {
    await until('the guest to end', () => this.#ended, { timeoutMs: 60_000 })
    return readFileSync(join(this.#dir, 'share', 'out'), 'utf8')
  }

  close(): void {
    clearTimeout(this.#timer)
    if (!this.#ended && this.#process.pid !== undefined) process.kill(-this.#process.pid, 'SIGKILL')
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #do(effect: PppEffect): void {
    if (effect.do === 'send') {
      this.#line.write(hdlcFrame(effect.protocol, effect.payload))
      return
    }
    this.effects.push(effect)
    if (effect.do === 'verify') {
      const at = { now: performance.now(), minuteOfWeek: 0, source: 'serial' }
      const { verdict } = this.#users.verify(effect.attempt, at)
      setTimeout(() => this.give({ on: 'verdict', job: effect.job, verdict }), 5)
    } else if (effect.do === 'grant') {
      const { grant } = this.#options
      if (grant) setTimeout(() => this.give({ on: 'grant', job: effect.job, grant }), 5)
    }
  }

  /** Pings are answered by turning source and destination round; that leaves both checksums but ICMP's as they are. */
  #echo(packet: Uint8Array): void {
    const open = this.last('network')?.ipv4 !== undefined
    const header = (packet[0]! & 0x0f) * 4
    if (!open || packet[9] !== 1 || packet[header] !== 8) return
    const reply = packet.slice()
    reply.set(packet.subarray(12, 16), 16)
    reply.set(packet.subarray(16, 20), 12)
    reply[header] = 0
    const view = new DataView(reply.buffer)
    const sum = view.getUint16(header + 2) + 0x0800
    view.setUint16(header + 2, (sum & 0xffff) + (sum >>> 16))
    this.#line.write(hdlcFrame(0x0021, reply))
  }
}
