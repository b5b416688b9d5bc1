// One at a time among processes: what the kernel gives back however a process ends.
import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

export type Turn = { end(): void }

/** Waits, in this thread, until no other process has its turn with `file`; an Error after `patienceMs`. The file stays, empty. */
export function takeTurn(file: string, patienceMs: number): Turn {
  closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: patienceMs })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return { end: () => database.close() }
  } catch {
    database.close()
    throw new Error(`another process had its turn with ${file} for more than ${patienceMs / 1000} s`)
  }
}
