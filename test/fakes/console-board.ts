// The real console (src/console) at the board's end of a simulated serial cable, in virtual time: `setTimeout` and `performance.now` are the test's.
// A disk in memory survives a reboot; the folder on tmpfs doesn't.

// Loaded by the console when they are needed, which takes real time: here they are there before virtual time begins.
import '../../src/console/commands/tree.ts'
import '../../src/console/commit.ts'
import { parseConfiguration } from '../../src/config/parse.ts'
import { Archive } from '../../src/console/archive.ts'
import type { Device } from '../../src/console/device.ts'
import type { Disk } from '../../src/console/disk.ts'
import { Input } from '../../src/console/input.ts'
import { guard, rollBackAtBoot } from '../../src/console/roll-back.ts'
import { serveConsole } from '../../src/console/session.ts'
import { Terminal } from '../../src/console/terminal.ts'
import type { Status } from '../../src/control/protocol.ts'
import { makeBoardKey } from '../../src/control/sealed-bundle.ts'
import type { BoardEnd } from './serial-cable.ts'

export const configFile = '/config/gatehouse.yaml'
const stateFolder = '/run/gatehouse-console'

/** Milliseconds from power to the log-in prompt, and what is said meanwhile. */
const bootMs = 9_000
const bootText = [
  'SeaBIOS (version 1.16.2)\r\nWelcome to GRUB!\r\n',
  '[    0.000000] Linux version 6.1.0-37-amd64\r\n[    0.100000] Command line: console=ttyS0\r\n',
  '[    3.250000] systemd[1]: Reached target multi-user.target\r\n',
]

export class ConsoleBoard implements BoardEnd {
  readonly files = new Map<string, string>()
  /** Every text that the configuration file ever held, in order; undefined: there was none. */
  readonly history: (string | undefined)[]
  readonly #send: (octets: Uint8Array) => void
  readonly #key = makeBoardKey()
  #life = 0
  #input: Input | undefined
  #bugs: string[] = []

  constructor(send: (octets: Uint8Array) => void, configuration: string | undefined) {
    this.#send = send
    if (configuration !== undefined) this.files.set(configFile, configuration)
    this.history = [configuration]
  }

  get configuration(): string | undefined {
    return this.files.get(configFile)
  }

  /** What the console's log called its own faults. */
  get bugs(): readonly string[] {
    return this.#bugs
  }

  receive(octets: Uint8Array): void {
    this.#input?.push(octets)
  }

  /** Power off and on: nothing of the running console goes on. */
  reboot(): void {
    const life = ++this.#life
    this.#input = undefined
    for (const path of this.files.keys()) if (path.startsWith('/run/')) this.files.delete(path)
    bootText.forEach((text, i) => {
      setTimeout(
        () => {
          if (life === this.#life) this.#send(Buffer.from(text))
        },
        (bootMs * (i + 1)) / (bootText.length + 1),
      )
    })
    setTimeout(() => {
      if (life === this.#life) this.start()
    }, bootMs)
  }

  /** The console as at the end of a boot. */
  start(): void {
    const life = ++this.#life
    const device = this.#device(life)
    rollBackAtBoot(device, new Archive(device.disk, device.config))
    const input = new Input()
    this.#input = input
    const write = async (text: string) => {
      if (life !== this.#life) await new Promise(() => {})
      this.#send(Buffer.from(text))
    }
    void serveConsole(device, new Terminal({ write }, input, 'vt100'), { once: false }).catch((error: Error) => {
      if (life === this.#life) this.#bugs.push(error.stack ?? error.message)
    })
  }

  #disk(life: number): Disk {
    const { files } = this
    const absent = () => Object.assign(new Error('ENOENT'), { code: 'ENOENT' })
    const alive = () => {
      if (life !== this.#life) throw new Error('the power is off')
    }
    const set = (path: string, text: string | undefined) => {
      alive()
      if (text === undefined) files.delete(path)
      else files.set(path, text)
      if (path === configFile) this.history.push(text)
    }
    return {
      read: (path) => files.get(path),
      list: (folder) =>
        [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1)),
      makeFolder: () => {},
      write: (path, text) => set(path, text),
      rename(from, to) {
        const text = files.get(from)
        if (text === undefined) throw absent()
        set(to, text)
        set(from, undefined)
      },
      remove(path) {
        if (!files.has(path)) throw absent()
        set(path, undefined)
      },
      removeFolder(folder) {
        for (const path of [...files.keys()]) if (path.startsWith(`${folder}/`)) set(path, undefined)
      },
      sync: () => {},
    }
  }

  #device(life: number): Device {
    const disk = this.#disk(life)
    const sleep = (ms: number) =>
      new Promise<void>((resolve) =>
        setTimeout(() => {
          if (life === this.#life) resolve()
        }, ms),
      )
    const device: Device = {
      disk,
      config: configFile,
      state: stateFolder,
      boardFacts: async () => [
        ['board', 'in-memory'],
        ['serial-number', 'C0001'],
        ['mac-wan0', '02:00:00:00:00:02'],
        ['host-key', 'x25519:none'],
      ],
      versionFacts: async () => [['firmware', '0.2.0']],
      boardKey: () => this.#key,
      status: async () => this.#status(),
      disconnect: async () => 0,
      reload: async () => {
        await sleep(1_500)
        return 'the gateway has taken the configuration into use'
      },
      applySystem: () => sleep(500),
      run: async () => ({ code: 0, text: '' }),
      gatehouse: async () => ({ code: 0, text: '' }),
      startGuard: async () => {
        void guard(device, new Archive(disk, configFile), sleep)
      },
      lives: () => true,
      reboot: async () => this.reboot(),
      forgetEverything: async () => {},
      interfaces: () => ['wan0', 'lan0'],
      portsNamed: async () => {},
      log: (sentence) => {
        if (life === this.#life && sentence.startsWith('bug')) this.#bugs.push(sentence)
      },
      bootId: () => `boot-${life}`,
      monotonicMs: () => performance.now(),
      now: () => new Date(1_700_000_000_000 + performance.now()),
    }
    return device
  }

  get boardKey(): string {
    return this.#key
  }

  /** What a gateway with the present file would say. */
  #status(): Status {
    const outcome = parseConfiguration(this.configuration ?? '', () => '')
    if (outcome.is === 'faulty') throw new Error('the gateway does not run')
    const { hostname, remoteAccess } = outcome.configuration
    const size = remoteAccess.pool.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    const since = new Date(1_700_000_000_000).toISOString()
    const nothing = { ikeSas: [], sessions: [], tunnels: [], sites: [], events: {}, counters: {} }
    return { ...nothing, hostname, dataplane: 'fake', description: 'none', since, pool: { size, used: 0 } } as Status
  }
}
