// How far a flash has come, so that an interrupted one goes on: one small file a device, replaced as a whole after octets are on the medium.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'

export type JournalEntry = {
  /** SHA-256 of the image. */
  readonly image: string
  /** What the device is: another one under the same name does not go on. */
  readonly device: string
  /** Chunks on the medium, in the order of writing. */
  readonly written: number
}

export class Journal {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Undefined where there is none, or none that can be read. */
  read(): JournalEntry | undefined {
    try {
      const { image, device, written } = JSON.parse(readFileSync(this.path, 'utf8')) as Record<string, unknown>
      if (typeof image !== 'string' || typeof device !== 'string') return undefined
      return Number.isSafeInteger(written) && (written as number) >= 0
        ? { image, device, written: written as number }
        : undefined
    } catch {
      return undefined
    }
  }

  write(entry: JournalEntry): void {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 })
    writeFileSync(`${this.path}.new`, JSON.stringify(entry), { mode: 0o600, flush: true })
    renameSync(`${this.path}.new`, this.path)
  }

  remove(): void {
    rmSync(this.path, { force: true })
  }
}

/** Where journals are kept: the user's state folder (XDG base directories), a file for each device. */
export function journalOf(
  device: string,
  state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'),
): Journal {
  return new Journal(join(state, 'gatehouse', 'flash', `${device.replace(/[^\w.-]+/g, '_')}.json`))
}
