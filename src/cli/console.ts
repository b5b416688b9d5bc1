// `gatehouse console`: the device's command line, on the terminal that it is started on or on a serial line of its own (`--tty`). `--boot` and
// `--guard` are for the system: what rolls back a commit that nobody confirms when the board starts, or when its time is over.
import { existsSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { dirname } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Archive } from '../console/archive.ts'
import { linuxDevice } from '../console/linux-device.ts'
import { guard, rollBackAtBoot } from '../console/roll-back.ts'
import { openTty } from '../console/tty.ts'
import { command, parse, UsageError } from './arguments.ts'

/** On a board. */
const usualConfig = '/config/gatehouse.yaml'

const options = {
  config: { type: 'string' },
  state: { type: 'string', default: '/run/gatehouse' },
  root: { type: 'string', default: '/' },
  tty: { type: 'string' },
  baud: { type: 'string' },
  boot: { type: 'boolean' },
  guard: { type: 'boolean' },
} as const

export function run(args: readonly string[]): Promise<number> {
  return command('console', async () => {
    const { values } = parse({ args: [...args], options })
    if (values.config === undefined && !existsSync(dirname(usualConfig)))
      throw new UsageError('this machine is no board of ours: --config FILE is needed')
    // Loaded only where a configuration is judged: the guard waits with as little as it needs.
    const serving = !values.boot && !values.guard
    // An image that was put together wrongly must not shut its owner out.
    const board = serving ? await (await import('../system/board.ts')).loadBoard().catch(() => undefined) : undefined
    const config = values.config ?? usualConfig
    const device = linuxDevice({ ...values, config, ports: board?.ports.map(({ name }) => name) })
    const archive = new Archive(device.disk, device.config)
    if (values.boot) {
      process.stdout.write(`${rollBackAtBoot(device, archive) ?? 'no commit waits'}\n`)
      return 0
    }
    if (values.guard) {
      process.stdout.write(`${await guard(device, archive, (ms) => sleep(ms))}\n`)
      return 0
    }
    if (values.baud !== undefined && !/^\d{3,7}$/.test(values.baud)) throw new UsageError('--baud 115200 is right')
    const { serveConsole } = await import('../console/session.ts')
    // A board's unit starts it ahead of everything else; what is typed later must not stand before the daemon's work.
    if (getPriority() < 0) setPriority(0)
    const line = openTty(values.tty, values.baud)
    try {
      await serveConsole(device, line.terminal, { once: values.tty === undefined })
    } finally {
      line.close()
    }
    return 0
  })
}
