// What is kept of a provisioned board: a JSON file for machines, one line for people.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fingerprintOf, SealError } from '../control/sealed-bundle.ts'
import type { Result } from './provision-board.ts'
import type { Site } from './site-file.ts'

export type Report = {
  readonly port: string
  readonly outcome: string
  /** Why, where it didn't work out. */
  readonly why?: string
  readonly board: string | null
  readonly serialNumber: string | null
  readonly macs: Readonly<Record<string, string>>
  readonly firmware: string | null
  readonly hostKey: string | null
  readonly hostKeyFingerprint: string | null
  readonly configuration: { readonly file: string; readonly sha256: string; readonly sealed: boolean }
  readonly baud: number | null
  readonly attempts: number
  /** ISO 8601. */
  readonly began: string
  /** By phase, and in all. */
  readonly seconds: Readonly<Record<string, number>>
}

export function reportOf(port: string, file: string, site: Site, began: Date, result: Result): Report {
  const { outcome, facts, durations } = result
  const seconds = Object.entries(durations).map(([phase, ms]) => [phase, Math.round(ms / 100) / 10] as const)
  const total = Object.values(durations).reduce((sum, ms) => sum + ms, 0)
  return {
    port,
    outcome: outcome.is,
    ...('why' in outcome ? { why: outcome.why } : {}),
    board: facts?.board ?? null,
    serialNumber: facts?.serialNumber ?? null,
    macs: facts?.macs ?? {},
    firmware: facts?.firmware ?? null,
    hostKey: facts?.hostKey ?? null,
    hostKeyFingerprint: fingerprint(facts?.hostKey),
    configuration: { file: basename(file), sha256: site.sha256, sealed: site.sealed },
    baud: result.baud ?? null,
    attempts: result.attempts,
    began: began.toISOString(),
    seconds: { ...Object.fromEntries(seconds), total: Math.round(total / 100) / 10 },
  }
}

function fingerprint(hostKey: string | undefined): string | null {
  if (hostKey === undefined) return null
  try {
    return fingerprintOf(hostKey)
  } catch (error) {
    if (error instanceof SealError) return null
    throw error
  }
}

/** `ttyUSB0: provisioned: serial …, MAC wan0 …, firmware …, host key …, in 14 s`. */
export function reportLine(report: Report): string {
  const macs = Object.entries(report.macs).map(([port, mac]) => `${port} ${mac}`)
  const known = [
    report.serialNumber && `serial ${report.serialNumber}`,
    macs.length > 0 && `MAC ${macs.join(' ')}`,
    report.firmware && `firmware ${report.firmware}`,
    report.hostKeyFingerprint && `host key ${report.hostKeyFingerprint}`,
    `in ${report.seconds.total} s`,
  ]
  const outcome = report.outcome.replaceAll('-', ' ')
  const said = known.filter((text) => text).join(', ')
  return `${basename(report.port)}: ${outcome}: ${said}${report.why === undefined ? '' : `\n${basename(report.port)}: ${report.why}`}`
}

/** Writes it as `SERIAL.json`, or by the port's name where the board did not say its serial number; the path. */
export function writeReport(folder: string, report: Report): string {
  mkdirSync(folder, { recursive: true })
  const name = (report.serialNumber ?? basename(report.port)).replace(/[^\w.-]/g, '_').replace(/^\.+/, '_')
  const path = join(folder, `${name}.json`)
  writeFileSync(`${path}.new`, `${JSON.stringify(report, null, 2)}\n`)
  renameSync(`${path}.new`, path)
  return path
}
