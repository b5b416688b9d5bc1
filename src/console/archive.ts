// The configuration file, its earlier revisions, and the record of a commit that is not finished. After a power cut at any point the file is the
// old one or the new one as a whole, and a commit that was not finished is found by its record.
//
//     gatehouse.yaml              the configuration
//     history/000007.yaml         revision 7: a first line `# revision {"at":…,"who":…,"comment":…}`, then the text
//     history/pending.json        a commit that is not finished: what to go back to, and when
//     history/rolling-back.json   the same record, claimed by who rolls back
import { basename, dirname, join } from 'node:path'
import { type Disk, isAbsent } from './disk.ts'

/** Revisions that are kept. */
const mostRevisions = 50
const head = '# revision '

export type Note = {
  /** ISO 8601, by the board's clock, which may be wrong. */
  readonly at: string
  readonly who: string
  readonly comment: string
}
export type Revision = Note & { readonly number: number }

/** A commit that is not finished. */
export type Pending = {
  readonly id: string
  /** `applying`: it is being taken into use. `confirmation`: it waits for `confirm`. */
  readonly stage: 'applying' | 'confirmation'
  /** The configuration to go back to; null: there was none. */
  readonly previous: string | null
  /** Boot and monotonic milliseconds: when it is rolled back. In another boot: at once. */
  readonly boot: string
  readonly deadline: number
  /** The process that applies it. */
  readonly process: number
  readonly who: string
}

export class Archive {
  readonly config: string
  readonly folder: string
  readonly #disk: Disk

  constructor(disk: Disk, config: string) {
    this.#disk = disk
    this.config = config
    this.folder = join(dirname(config), 'history')
  }

  /** The configuration's text; undefined where there is none. */
  current(): string | undefined {
    return this.#disk.read(this.config)
  }

  /** Replaces the configuration; undefined removes it. */
  replace(text: string | undefined): void {
    if (text !== undefined) return this.#replaceFile(this.config, text, 'group')
    this.#removeIfThere(this.config)
    this.#disk.sync(dirname(this.config))
  }

  /** Newest first; what can't be read is left out. */
  revisions(): readonly Revision[] {
    return this.#numbers().flatMap((number) => {
      const note = this.#noteOf(number)
      return note ? [{ number, ...note }] : []
    })
  }

  #numbers(): number[] {
    return this.#disk
      .list(this.folder)
      .flatMap((name) => (/^\d{6,9}\.yaml$/.test(name) ? [Number.parseInt(name, 10)] : []))
      .sort((a, b) => b - a)
  }

  #path(number: number): string {
    return join(this.folder, `${String(number).padStart(6, '0')}.yaml`)
  }

  #noteOf(number: number): Note | undefined {
    const [first = ''] = (this.#disk.read(this.#path(number)) ?? '').split('\n', 1)
    try {
      const { at, who, comment } = JSON.parse(first.slice(head.length)) as Record<string, unknown>
      return first.startsWith(head) ? { at: String(at), who: String(who), comment: String(comment) } : undefined
    } catch {
      return undefined
    }
  }

  /** The configuration as of a revision; undefined where there is none of that number. */
  textOf(number: number): string | undefined {
    const text = this.#disk.read(this.#path(number))
    return text?.startsWith(head) ? text.slice(text.indexOf('\n') + 1) : undefined
  }

  /** Keeps a text as the newest revision unless it is that already; the oldest go. */
  record(text: string, note: Note): void {
    const numbers = this.#numbers()
    const [newest = 0] = numbers
    if (newest > 0 && this.textOf(newest) === text) return
    this.#replaceFile(this.#path(newest + 1), `${head}${JSON.stringify(note)}\n${text}`)
    for (const old of numbers.slice(mostRevisions - 1)) this.#removeIfThere(this.#path(old))
  }

  pending(): Pending | undefined {
    return this.#readPending('pending.json')
  }

  setPending(pending: Pending): void {
    this.#replaceFile(join(this.folder, 'pending.json'), JSON.stringify(pending))
  }

  /** The commit is finished. False where it was rolled back in the meantime. */
  finish(): boolean {
    const gone = this.#removeIfThere(join(this.folder, 'pending.json'))
    this.#disk.sync(this.folder)
    return gone
  }

  /** Takes the record for rolling back; undefined where somebody else has it or it is finished. What an interrupted claim left is taken too. */
  claim(): Pending | undefined {
    try {
      this.#disk.rename(join(this.folder, 'pending.json'), join(this.folder, 'rolling-back.json'))
      this.#disk.sync(this.folder)
    } catch (error) {
      if (!isAbsent(error)) throw error
    }
    return this.#readPending('rolling-back.json')
  }

  /** A roll-back that was begun and not finished. */
  claimed(): Pending | undefined {
    return this.#readPending('rolling-back.json')
  }

  /** The roll-back is done. */
  release(): void {
    this.#removeIfThere(join(this.folder, 'rolling-back.json'))
    this.#disk.sync(this.folder)
  }

  #readPending(name: string): Pending | undefined {
    try {
      return JSON.parse(this.#disk.read(join(this.folder, name)) ?? 'null') ?? undefined
    } catch {
      // Written by `#replaceFile`, so it is whole or not there: damage is the medium's, and there is nothing to go back to.
      return undefined
    }
  }

  #replaceFile(path: string, text: string, readers: 'owner' | 'group' = 'owner'): void {
    const folder = dirname(path)
    this.#disk.makeFolder(folder)
    const scratch = join(folder, `.${basename(path)}.new`)
    this.#disk.write(scratch, text, readers)
    this.#disk.rename(scratch, path)
    this.#disk.sync(folder)
  }

  #removeIfThere(path: string): boolean {
    try {
      this.#disk.remove(path)
      return true
    } catch (error) {
      if (isAbsent(error)) return false
      throw error
    }
  }
}
