// From a candidate to the configuration in use, and back again by itself where nobody confirms it.
//
//  1. the candidate is validated; nothing is touched where it is faulty
//  2. a record is written: what to go back to (archive.ts, `pending.json`)
//  3. a guard is started where the commit waits for confirmation: a process that outlives the console
//  4. the file is replaced, as a whole
//  5. `gatehouse system apply`, then the gateway reads it; where one refuses, everything goes back
//  6. the revision is kept; the record goes, or stays until `confirm`
//
// Whoever finds a record that is due rolls back: the guard at its deadline, a console that starts, and the boot, which is always after the deadline.
// Deadlines are in monotonic time: a clock that NTP sets from 1970 to today confirms and rolls back nothing.
import { randomUUID } from 'node:crypto'
import { basename, dirname, resolve } from 'node:path'
import type { Configuration, Fault } from '../config/configuration.ts'
import { parseConfiguration } from '../config/parse.ts'
import type { Archive, Pending } from './archive.ts'
import { CommitError } from './commit-error.ts'
import type { Device } from './device.ts'
import { hasSystem, keep, rollBack, take } from './roll-back.ts'

/** Milliseconds that taking a configuration into use may last before whoever finds its record counts it as dead, whatever its process does. */
const applyMs = 600_000
/** `commit confirmed` without a number, as on other routers. */
export const defaultMinutes = 10
export const mostMinutes = 1440

export type CommitRequest = {
  readonly text: string
  readonly who: string
  readonly comment: string
  /** Minutes until it goes back by itself; undefined: it stays. */
  readonly minutes: number | undefined
}

export type Judgement =
  | { readonly is: 'valid'; readonly configuration: Configuration; readonly warnings: readonly Fault[] }
  | { readonly is: 'faulty'; readonly faults: readonly Fault[] }

/** Judges a text as the gateway would; secrets in files are looked for beside the configuration. */
export function judge(text: string, device: Device): Judgement {
  const readFile = (path: string): string => {
    const place = resolve(dirname(device.config), path)
    const text = device.disk.read(place)
    if (text === undefined) throw new Error(`there is no file ${place} on this machine`)
    return text
  }
  const outcome = parseConfiguration(text, readFile, device.ports)
  if (outcome.is === 'faulty') return outcome
  const missing = missingLists(text, outcome.configuration, device)
  return missing.some(({ severity }) => severity === 'error')
    ? { is: 'faulty', faults: missing }
    : { ...outcome, warnings: [...outcome.warnings, ...missing] }
}

/** Revocation lists in files that aren't there: nobody is known to be revoked then, and under strict revocation nobody comes in. */
function missingLists(text: string, { remoteAccess, sites }: Configuration, { disk }: Device): readonly Fault[] {
  const all = [remoteAccess.certificates, ...sites.map(({ authentication }) => authentication.certificates)]
  return all.flatMap((entry) =>
    (entry?.crls ?? [])
      .filter((place) => place.startsWith('/') && !disk.list(dirname(place)).includes(basename(place)))
      .map((place) => {
        const before = text.slice(0, Math.max(text.indexOf(place), 0)).split('\n')
        const message = `there is no file ${place} on this machine; a revocation list that is there, or its http address, is right`
        const severity = entry!.revocation === 'strict' ? 'error' : 'warning'
        return { severity, line: before.length, column: before.at(-1)!.length + 1, where: 'crls', message } as const
      }),
  )
}

export function showFault({ severity, line, column, where, message }: Fault): string {
  return `line ${line}, column ${column}: ${severity === 'warning' ? 'warning: ' : ''}${where === '' ? '' : `${where}: `}${message}`
}

/** Takes a configuration into use; what it returns are sentences for the user. Throws a CommitError. */
export async function commit(device: Device, archive: Archive, request: CommitRequest): Promise<readonly string[]> {
  const judgement = judge(request.text, device)
  if (judgement.is === 'faulty')
    throw new CommitError(`nothing is changed: ${judgement.faults.map(showFault).join('; ')}`)
  if (archive.claimed()) await rollBack(device, archive, 'a roll-back was interrupted')
  const waiting = archive.pending()
  if (waiting && request.minutes === undefined)
    throw new CommitError('a commit waits for its confirmation: "confirm" keeps it, "commit cancel" goes back at once')
  const before = archive.current()
  // Over a commit that waits, going back means back to before that one.
  const previous = waiting ? waiting.previous : (before ?? null)
  if (before !== undefined && !waiting) keep(device, archive, before, 'found', 'as it was found')
  const record = {
    id: randomUUID(),
    stage: 'applying',
    previous,
    boot: device.bootId(),
    deadline: device.monotonicMs() + applyMs,
    process: process.pid,
    who: request.who,
  } as const satisfies Pending
  archive.setPending(record)
  try {
    if (request.minutes !== undefined) await device.startGuard()
    archive.replace(request.text)
    const said = await take(device, judgement.configuration.system !== undefined || hasSystem(previous))
    keep(device, archive, request.text, request.who, request.comment)
    device.log(
      `configuration committed by ${request.who}${request.minutes === undefined ? '' : `, to be confirmed in ${request.minutes} min`}`,
    )
    settle(device, archive, record, request.minutes)
    return [...said, ...judgement.warnings.map(showFault)]
  } catch (error) {
    const why = (error as Error).message
    const back = await rollBack(device, archive, 'the commit failed')
    throw new CommitError(`${why}; ${back ?? 'it was rolled back meanwhile'}`)
  }
}

/** The configuration is in use: the record goes, or waits from now on. */
function settle(device: Device, archive: Archive, record: Pending, minutes: number | undefined): void {
  if (archive.pending()?.id !== record.id) throw new CommitError('it took too long')
  if (minutes === undefined) archive.finish()
  else archive.setPending({ ...record, stage: 'confirmation', deadline: device.monotonicMs() + minutes * 60_000 })
}

/** Keeps a commit that waits. Throws a CommitError where none does. */
export function confirm(archive: Archive): void {
  const pending = archive.pending()
  if (pending?.stage !== 'confirmation' || !archive.finish())
    throw new CommitError('no commit waits for a confirmation; one that waited too long is rolled back')
}
