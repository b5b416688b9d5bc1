// The board itself: programs, /proc and /sys, systemd where it runs, and the gateway's control socket.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { networkInterfaces, release } from 'node:os'
import { dirname, extname, join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { ControlError, openControl } from '../control/client.ts'
import { fingerprintOf, hostKeyOf, makeBoardKey } from '../control/sealed-bundle.ts'
import { type Device, DeviceError, type Facts, type RunOptions, type RunOutcome } from './device.ts'
import { systemDisk } from './disk.ts'

export type Place = {
  readonly config: string
  /** The gateway's state folder. */
  readonly state: string
  /** Names of the board's ports. */
  readonly ports: readonly string[] | undefined
  /** Root of the file system that `gatehouse system apply` writes to: `/` on a board. */
  readonly root: string
}

/** On a device it is `main.js`: the image has no types. */
const main = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))
/** Written by the image: the board's name. */
const boardFile = '/etc/gatehouse/board'
/** Written by the image: version, commit, and whose key it was signed with. */
const firmwareFile = '/etc/gatehouse/firmware'
const unit = 'gatehouse.service'
const mostText = 1_000_000
/** Milliseconds that a gateway may take to come up, and the system to be set up: a board under load, or one in an emulator, is slow. */
const startMs = 240_000
const applyMs = 300_000
/** Devices are found, then boards whose ports nobody knows beforehand name theirs by their order. */
const portUnits = ['systemd-udev-settle.service', 'gatehouse-ports.service']
const portsMs = 60_000

export function linuxDevice(place: Place): Device {
  const { config, root } = { ...place, config: resolve(place.config) }
  const folder = dirname(config)
  // A folder of our own: the gateway's belongs to the gateway's user.
  const state = `${resolve(place.state)}-console`
  const gatehouse = (args: readonly string[], options?: RunOptions) =>
    run(process.execPath, [...nodeFlags, main, ...args], options)
  const keyFile = join(folder, 'keys', 'board.key')
  const asked = async <T>(ask: (control: Awaited<ReturnType<typeof openControl>>) => Promise<T>): Promise<T> => {
    const control = await openControl(place.state)
    try {
      return await ask(control)
    } finally {
      control.close()
    }
  }
  const device: Device = {
    disk: systemDisk,
    config,
    state,
    ports: place.ports,
    boardKey: () => boardKey(keyFile),
    async boardFacts() {
      const hostKey = hostKeyOf(boardKey(keyFile))
      return [
        ...hardwareFacts(),
        ...macFacts(),
        ['host-key', hostKey],
        ['host-key-fingerprint', fingerprintOf(hostKey)],
      ]
    },
    versionFacts: async () => versionFacts(),
    status: () => asked((control) => control.status()),
    disconnect: (target) => asked((control) => control.disconnect(target)),
    async reload() {
      if (!existsSync(config)) {
        if (hasSystemd()) await must(run('systemctl', ['stop', unit], { timeoutMs: startMs }), `systemctl stop ${unit}`)
        else await asked((control) => control.stop()).catch(() => undefined)
        return 'the gateway is stopped'
      }
      try {
        return await asked(async (control) => {
          let facts: Readonly<Record<string, unknown>> = {}
          await control.events((record) => {
            if (record.event === 'gateway.reloaded') facts = record.facts
          })
          await control.reload()
          return reloaded(facts)
        })
      } catch (error) {
        if (!(error instanceof ControlError) || error.code !== 'not-running') throw error
      }
      if (!hasSystemd()) return 'no gateway runs here: the configuration is used when it starts'
      await must(run('systemctl', ['restart', unit], { timeoutMs: startMs }), `systemctl restart ${unit}`)
      await comesUp(device)
      return 'the gateway is started'
    },
    async applySystem() {
      // A machine that is no board keeps its own network, whatever a configuration says.
      if (resolve(root) === '/' && !existsSync(boardFile)) return
      await must(
        gatehouse(['system', 'apply', ...(existsSync(config) ? ['--config', config] : ['--closed']), '--root', root], {
          timeoutMs: applyMs,
        }),
        'system apply',
      )
    },
    run,
    gatehouse,
    async startGuard() {
      const args = [
        ...nodeFlags,
        main,
        'console',
        '--guard',
        '--config',
        config,
        '--state',
        place.state,
        '--root',
        root,
      ]
      if (!hasSystemd()) {
        spawn(process.execPath, args, { detached: true, stdio: 'ignore' }).unref()
        return
      }
      // A unit of its own: systemd ends what a console leaves behind.
      const launch = [
        '--collect',
        '--quiet',
        '--description=Gatehouse: rolls back what is not confirmed',
        process.execPath,
        ...args,
      ]
      await must(run('systemd-run', launch), 'systemd-run')
    },
    lives(pid) {
      return existsSync(`/proc/${pid}`)
    },
    async reboot() {
      await must(run('systemctl', ['reboot']), 'systemctl reboot')
    },
    async forgetEverything() {
      // The configuration first: what a power cut leaves behind it belongs to nobody.
      for (const path of [config, 'history', 'keys', 'pki', 'pki.new', state])
        rmSync(resolve(folder, path), { recursive: true, force: true })
    },
    interfaces: () => readdirSync('/sys/class/net').filter((name) => name !== 'bonding_masters'),
    async portsNamed() {
      if (!existsSync(boardFile) || !hasSystemd()) return
      // Both belong to every boot and end by themselves: this waits for them. A port that is broken costs the time and no more.
      await run('systemctl', ['start', ...portUnits], { timeoutMs: portsMs })
    },
    log(sentence) {
      const args = ['-t', 'gatehouse-console', 'printf', '%s\\n', sentence]
      spawn('systemd-cat', args, { stdio: 'ignore' }).on('error', () => undefined)
    },
    bootId: () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    monotonicMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    now: () => new Date(),
  }
  return device
}

const nodeFlags = ['--disable-warning=ExperimentalWarning']

function hasSystemd(): boolean {
  return existsSync('/run/systemd/system')
}

/** Runs a program; no shell is between. */
function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
  const { onText, signal, timeoutMs = 60_000 } = options
  return new Promise((done, fail) => {
    const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PATH: path, LC_ALL: 'C' },
      ...(signal ? { signal } : {}),
      // tcpdump and ping say their sums at SIGINT.
      killSignal: 'SIGINT',
    })
    const stop = setTimeout(() => {
      late = true
      child.kill('SIGINT')
      setTimeout(() => child.kill('SIGKILL'), 2000).unref()
    }, timeoutMs)
    let text = ''
    let late = false
    const take = (chunk: string) => {
      if (text.length < mostText) text += chunk
      onText?.(chunk)
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', take)
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.name === 'AbortError') return
      clearTimeout(stop)
      fail(new DeviceError(error.code === 'ENOENT' ? `the program ${program} is not on this machine` : error.message))
    })
    child.on('close', (code) => {
      clearTimeout(stop)
      done({ code: code ?? -1, text, late })
    })
  })
}

async function must(running: Promise<RunOutcome>, what: string): Promise<void> {
  const { code, text, late } = await running
  if (late) throw new DeviceError(`${what}: it took too long and was ended`)
  if (code !== 0)
    throw new DeviceError(`${what}: ${text.trim().split('\n').slice(0, 5).join('; ') || `it ended with ${code}`}`)
}

/** What a reload did, from its event. */
function reloaded({ ended, later }: Readonly<Record<string, unknown>>): string {
  const said = ['the gateway has taken the configuration into use']
  if (typeof ended === 'number' && ended > 0)
    said.push(`${ended} ${ended === 1 ? 'session' : 'sessions'} that it touches ended`)
  if (Array.isArray(later) && later.length > 0) said.push(`${later.join(', ')}: only after "restart"`)
  return said.join('; ')
}

async function comesUp(device: Device): Promise<void> {
  const until = device.monotonicMs() + startMs
  for (;;) {
    try {
      await device.status()
      return
    } catch (error) {
      if (device.monotonicMs() > until)
        throw new DeviceError(`the gateway does not come up: ${(error as Error).message}; show log says why`)
      await new Promise((wait) => setTimeout(wait, 250))
    }
  }
}

function boardKey(file: string): string {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    systemDisk.write(`${file}.new`, makeBoardKey(), 'owner')
    renameSync(`${file}.new`, file)
    systemDisk.sync(dirname(file))
  }
  return readFileSync(file, 'utf8')
}

function firstLine(...files: readonly string[]): string | undefined {
  for (const file of files) {
    try {
      const text = readFileSync(file, 'utf8').replaceAll('\0', '').trim()
      if (text !== '') return text.split('\n')[0]!
    } catch {
      // Another place knows it, or nobody does.
    }
  }
  return undefined
}

function hardwareFacts(): Facts {
  return [
    ['board', firstLine(boardFile) ?? 'none'],
    ['model', firstLine('/proc/device-tree/model', '/sys/class/dmi/id/product_name') ?? 'unknown'],
    [
      'serial-number',
      firstLine(
        '/proc/device-tree/serial-number',
        '/sys/class/dmi/id/product_serial',
        '/sys/class/dmi/id/product_uuid',
      ) ?? 'unknown',
    ],
  ]
}

/** Ports of the board: devices with hardware behind them, and those named for their roles. */
function macFacts(): Facts {
  return Object.keys(networkInterfaces())
    .concat(readdirSync('/sys/class/net'))
    .filter((name, i, all) => all.indexOf(name) === i)
    .filter((name) => existsSync(`/sys/class/net/${name}/device`) || /^(wan|lan)\d+$/.test(name))
    .sort()
    .map((name) => [`mac-${name}`, firstLine(`/sys/class/net/${name}/address`) ?? 'unknown'])
}

function versionFacts(): Facts {
  const osRelease = Object.fromEntries(
    (existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '')
      .split('\n')
      .flatMap((line) => (line.includes('=') ? [line.split('=', 2) as [string, string]] : [])),
  )
  const named = (key: string) => osRelease[key]?.replace(/^"|"$/g, '')
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  return [
    ['firmware', firstLine(firmwareFile) ?? named('IMAGE_VERSION') ?? version],
    ['gatehouse', version],
    ['system', named('PRETTY_NAME') ?? 'unknown'],
    ['kernel', release()],
    ['node', process.versions.node],
  ]
}
