// `gatehouse system apply`: what the configuration's `system:` section asks of the machine around the daemon, written and put in force. Run as root: at
// start by its unit, afterwards by the console at each commit.
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import process from 'node:process'
import type { Configuration } from '../config/configuration.ts'
import { run as runCommand } from '../platform/linux/command.ts'
import { takeTurn } from '../platform/linux/turn.ts'
import { apply, preview } from '../system/apply.ts'
import { loadBoard, namedBoard, portsOf } from '../system/board.ts'
import { systemFiles } from '../system/files.ts'
import { command, parse, UsageError } from './arguments.ts'
import { loadConfiguration, showFault } from './load.ts'

const usage = 'gatehouse system apply --config FILE | --closed [--root DIR] [--board NAME] [--boot] [--dry-run]'

export function run(args: readonly string[]): Promise<number> {
  return command('system', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        /** As without a configuration: what an image is built with. */
        closed: { type: 'boolean' },
        root: { type: 'string' },
        board: { type: 'string' },
        /** A missing or faulty configuration closes the machine instead of leaving it as it is. */
        boot: { type: 'boolean' },
        'dry-run': { type: 'boolean' },
      },
    })
    if (positionals.join(' ') !== 'apply' || (values.config === undefined) !== (values.closed ?? false))
      throw new UsageError(`this is right: ${usage}`)
    const root = values.root ?? '/'
    const board = values.board === undefined ? await loadBoard(root) : await namedBoard(values.board)
    const here = resolve(root) === '/'
    // The console's commit and the start of the machine may meet: whoever comes second reads the newer configuration, and neither undoes the other.
    const turn = here && !values['dry-run'] ? takeTurn(turnFile, turnMs) : undefined
    try {
      const { configuration, code } = values.config
        ? read(values.config, portsOf(board), values.boot ?? false)
        : { configuration: undefined, code: 0 }
      if (code !== 0 && !values.boot) return code
      const files = systemFiles(configuration, board)
      if (values['dry-run']) {
        process.stdout.write(preview(files, root))
        return code
      }
      const { changed, activated } = await apply(files, root, here ? thisMachine : undefined)
      for (const line of [...changed, ...activated]) process.stdout.write(`${line}\n`)
      if (changed.length === 0) process.stdout.write('nothing changed\n')
      return code
    } finally {
      turn?.end()
    }
  })
}

const turnFile = '/run/gatehouse-system.lock'
/** Milliseconds. The other one may be a board's start, which takes its time. */
const turnMs = 170_000

const thisMachine = { run: runCommand, writeFile: writeFileSync }

type Read = { readonly configuration: Configuration | undefined; readonly code: number }

function read(file: string, ports: readonly string[] | undefined, boot: boolean): Read {
  if (boot && !existsSync(file)) {
    process.stderr.write(`${file}: no configuration yet; the firewall is closed until there is one\n`)
    return { configuration: undefined, code: 0 }
  }
  const outcome = loadConfiguration(file, ports)
  if (outcome.is === 'faulty') {
    for (const fault of outcome.faults) process.stderr.write(`${showFault(file, fault)}\n`)
    return { configuration: undefined, code: 2 }
  }
  for (const warning of outcome.warnings) process.stderr.write(`${showFault(file, warning)}\n`)
  if (outcome.configuration.system) return { configuration: outcome.configuration, code: 0 }
  const right = '"system: { wan: { port: wan0, dhcp: true } }" is right on a board'
  if (!ports) {
    process.stderr.write(`${file}: it has no system: section, so nothing here is ours to change; ${right}\n`)
    return { configuration: undefined, code: 2 }
  }
  process.stderr.write(`${file}: it has no system: section: no network, and a closed firewall; ${right}\n`)
  return { configuration: outcome.configuration, code: 0 }
}
