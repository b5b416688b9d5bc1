// `gatehouse provision`: from a laptop over serial consoles, several boards at once; and `gatehouse provision seal`, for bundles that one board
// alone can open. Exit codes: 0 every board runs the file; 1 a board did not answer or fell silent; 2 the command line or the site file is wrong;
// 3 a board refused; 4 a self-test did not pass.
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import process from 'node:process'
import { progressTo } from '../provision/progress.ts'
import { type ProvisionOptions, provisionBoard, usualOptions } from '../provision/provision-board.ts'
import { type Report, reportLine, reportOf, writeReport } from '../provision/report.ts'
import { openSerialLine } from '../provision/serial-line.ts'
import { FaultySite, readHostKey, readSite, type Site, sealSite } from '../provision/site-file.ts'
import { command, parse, UsageError } from './arguments.ts'
import { permissionWarning, showFault } from './load.ts'

const usage = `gatehouse provision --port DEVICE [--port DEVICE …] SITE.yaml [options]
  --port DEVICE           serial port of a board, such as /dev/ttyUSB0; several boards at once
  --speed BAUD            tried first; 115200 unless said, other usual ones are tried after it
  --user NAME             admin unless said
  --password-file FILE    the board's present console password; a factory-fresh board needs none
  --confirm-minutes N     until the board goes back by itself; 5 unless said
  --report FOLDER         a JSON file for each board: serial number, MACs, firmware, host key
  --seal HOSTKEY          send it sealed: a host key (x25519:…), or a file with one such as a report
gatehouse provision seal --to HOSTKEY SITE.yaml -o SITE.sealed
                          a bundle that this board alone can open; provision takes it like a site file
`

const options = {
  port: { type: 'string', multiple: true },
  speed: { type: 'string' },
  user: { type: 'string', default: 'admin' },
  'password-file': { type: 'string' },
  'confirm-minutes': { type: 'string' },
  report: { type: 'string' },
  seal: { type: 'string' },
  to: { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean' },
} as const

const exitCodes: Readonly<Record<string, number>> = {
  provisioned: 0,
  unchanged: 0,
  failed: 1,
  refused: 3,
  'self-test-failed': 4,
}

export function run(args: readonly string[]): Promise<number> {
  return command('provision', async () => {
    const { values, positionals } = parse({ args: [...args], allowPositionals: true, options })
    if (values.help) {
      process.stdout.write(usage)
      return 0
    }
    const sealing = positionals[0] === 'seal'
    const [file, ...more] = sealing ? positionals.slice(1) : positionals
    if (file === undefined || more.length > 0) throw new UsageError(`one site file is right\n\n${usage}`)
    const site = siteOf(file)
    if (!site) return 2
    if (sealing) return sealTo(site, values.to, values.output)
    const ports = values.port ?? []
    if (ports.length === 0) throw new UsageError(`--port DEVICE is needed\n\n${usage}`)
    if (new Set(ports).size < ports.length) throw new UsageError('a port is named twice')
    const sent = values.seal === undefined ? site : sealSite(site, readHostKey(values.seal))
    const all: ProvisionOptions = {
      ...usualOptions,
      site: sent,
      baud: number('--speed', values.speed, usualOptions.baud, 300, 4_000_000),
      confirmMinutes: number('--confirm-minutes', values['confirm-minutes'], usualOptions.confirmMinutes, 1, 1440),
      account: { user: values.user, passwords: passwords(values['password-file'], site) },
    }
    sayWhatInterruptsLeave()
    const reports = await Promise.all(ports.map((port) => one(port, file, all, ports.length > 1)))
    for (const report of reports) {
      process.stdout.write(`${reportLine(report)}\n`)
      if (values.report !== undefined) process.stdout.write(`report: ${writeReport(values.report, report)}\n`)
    }
    return Math.max(...reports.map(({ outcome }) => exitCodes[outcome] ?? 1))
  })
}

/** Reads and judges; undefined, with the faults on stderr, where it is faulty. */
function siteOf(file: string): Site | undefined {
  try {
    const site = readSite(file)
    if (!site.sealed) {
      const open = permissionWarning(file)
      if (open) process.stderr.write(`${open}\n`)
    }
    for (const warning of site.warnings) process.stderr.write(`${showFault(file, warning)}\n`)
    return site
  } catch (error) {
    if (!(error instanceof FaultySite)) throw error
    for (const fault of error.faults) process.stderr.write(`${showFault(file, fault)}\n`)
    process.stderr.write(`gatehouse provision: ${file} is faulty; nothing was sent\n`)
    return undefined
  }
}

function sealTo(site: Site, to: string | undefined, output: string | undefined): number {
  if (to === undefined || output === undefined) throw new UsageError(`--to HOSTKEY and -o FILE are needed\n\n${usage}`)
  writeFileSync(output, sealSite(site, readHostKey(to)).octets, { mode: 0o600 })
  process.stdout.write(`${output}: only the board with this key can open it: ${readHostKey(to)}\n`)
  return 0
}

/** The board's present password, and the one that the site file gives it: after a reboot in the middle either may be right. */
function passwords(file: string | undefined, site: Site): readonly string[] {
  const present = file === undefined ? [] : [readFileSync(file, 'utf8').replace(/\r?\n$/, '')]
  const coming = site.configuration?.system?.admin?.password?.revealText()
  return [...new Set([...present, ...(coming === undefined ? [] : [coming])])]
}

async function one(port: string, file: string, all: ProvisionOptions, several: boolean): Promise<Report> {
  const began = new Date()
  const redraw = process.stderr.isTTY === true && !several
  const now = () => performance.now()
  const progress = progressTo((text) => process.stderr.write(text), basename(port), redraw, now)
  const after = (ms: number, run: () => void) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  }
  try {
    const line = await openSerialLine(port, all.baud)
    try {
      return reportOf(port, file, all.site, began, await provisionBoard(line, { now, after }, all, progress))
    } finally {
      if (redraw) process.stderr.write('\r\x1b[K')
      await line.close()
    }
  } catch (error) {
    const outcome = { is: 'failed', why: (error as Error).message } as const
    const nothing = { outcome, facts: undefined, baud: undefined, attempts: 0, durations: {} }
    return reportOf(port, file, all.site, began, nothing)
  }
}

function sayWhatInterruptsLeave(): void {
  process.on('SIGINT', () => {
    process.stderr.write(
      '\ninterrupted: what was not committed is not used, what was not confirmed the board rolls back by itself\n',
    )
    process.exit(130)
  })
}

function number(name: string, text: string | undefined, usual: number, least: number, most: number): number {
  if (text === undefined) return usual
  const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new UsageError(`${name}: a number from ${least} to ${most} is right, not ${JSON.stringify(text)}`)
}
