// A board in memory: a disk that can lose power, a clock that can jump, programs that say what a test wants.

import { type Device, DeviceError, type Facts, type RunOptions, type RunOutcome } from '../../src/console/device.ts'
import { ControlError } from '../../src/control/client.ts'
import type { Status } from '../../src/control/protocol.ts'
import { makeBoardKey } from '../../src/control/sealed-bundle.ts'
import { MemoryDisk } from './memory-disk.ts'

export const configFile = '/config/gatehouse.yaml'

/** The least that makes a gateway. */
export const leastConfiguration = `# the office
hostname: gw1
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
users:
  - { name: alice, password: wonderland }
`

export const idleStatus: Status = {
  hostname: 'gw1',
  dataplane: 'userland',
  description: 'ipsec-mb, 2 workers',
  since: '2026-01-01T00:00:00.000Z',
  pool: { size: 241, used: 0 },
  ikeSas: [],
  sessions: [],
  tunnels: [],
  sites: [],
  events: { 'ike.sa.established': 2 },
  counters: { espIn: 7 },
}

export class FakeDevice implements Device {
  readonly config = configFile
  readonly state = '/run/gatehouse-console'
  readonly ports = ['wan0', 'lan0', 'lan1']
  readonly disk: MemoryDisk
  readonly logged: string[] = []
  /** What ran: programs with their arguments, and what was asked of the board. */
  readonly ran: string[] = []
  /** Set to a sentence to make them fail. */
  reloadFault: string | undefined
  applyFault: string | undefined
  /** Undefined: no gateway runs. */
  gateway: Status | undefined = idleStatus
  programs: Record<string, (args: readonly string[], options: RunOptions) => Promise<RunOutcome> | RunOutcome> = {}
  boot = 'boot-1'
  monotonic = 1_000_000
  clock = Date.parse('2026-01-01T00:00:00Z')
  key = makeBoardKey()
  dead = new Set<number>()
  #started = 0

  constructor(configuration: string | undefined = leastConfiguration) {
    this.disk = new MemoryDisk(configuration === undefined ? {} : { [configFile]: configuration })
  }

  get guards(): number {
    return this.#started
  }

  boardKey(): string {
    return this.key
  }

  async boardFacts(): Promise<Facts> {
    return [
      ['board', 'qemu-x86_64'],
      ['serial-number', 'GH0001'],
      ['mac-wan0', '02:00:00:00:00:01'],
      ['host-key', 'x25519:AAAA'],
    ]
  }

  async versionFacts(): Promise<Facts> {
    return [['firmware', '1.0']]
  }

  async status(): Promise<Status> {
    if (!this.gateway) throw new ControlError('not-running', 'no gateway runs here')
    return this.gateway
  }

  async disconnect(target: string): Promise<number> {
    this.ran.push(`disconnect ${target}`)
    return (await this.status()).sessions.filter(({ user, address }) => user === target || address === target).length
  }

  async reload(): Promise<string> {
    this.ran.push('reload')
    // Something that only one configuration has makes it refuse.
    if (this.reloadFault !== undefined && this.disk.read(configFile)?.includes('refuse-me'))
      throw new Error(this.reloadFault)
    return 'the gateway has taken the configuration into use'
  }

  async applySystem(): Promise<void> {
    this.ran.push('system apply')
    if (this.applyFault !== undefined && this.disk.read(configFile)?.includes('refuse-me'))
      throw new Error(this.applyFault)
  }

  async run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
    this.ran.push([program, ...args].join(' '))
    const fake = this.programs[program]
    if (!fake) throw new DeviceError(`the program ${program} is not on this machine`)
    const outcome = await fake(args, options)
    options.onText?.(outcome.text)
    return outcome
  }

  gatehouse(args: readonly string[], options?: RunOptions): Promise<RunOutcome> {
    return this.run('gatehouse', args, options)
  }

  async startGuard(): Promise<void> {
    this.#started++
  }

  lives(process: number): boolean {
    return !this.dead.has(process)
  }

  async reboot(): Promise<void> {
    this.ran.push('reboot')
  }

  async forgetEverything(): Promise<void> {
    this.ran.push('forget everything')
    this.disk.files.clear()
  }

  /** Early in a boot the ports have the names that the kernel gave them. */
  named = true

  interfaces(): readonly string[] {
    return this.named ? ['lo', 'wan0', 'lan0', 'lan1'] : ['lo', 'eth0']
  }

  async portsNamed(): Promise<void> {
    this.named = true
  }

  log(sentence: string): void {
    this.logged.push(sentence)
  }

  bootId(): string {
    return this.boot
  }

  monotonicMs(): number {
    return this.monotonic
  }

  now(): Date {
    return new Date(this.clock)
  }
}
