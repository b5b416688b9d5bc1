// A disk in memory whose power can be cut at any operation: a write is torn in the middle, names that were not synced are there or not.
import { dirname } from 'node:path'
import type { Disk } from '../../src/console/disk.ts'

export class PowerCut extends Error {}

/** What becomes of renames and removals that no `sync` followed: a file system may lose those of one folder and keep another's. */
export type Unsynced = 'kept' | 'lost' | 'lost in history'

export class MemoryDisk implements Disk {
  files: Map<string, string>
  /** Operations that change something, so far. */
  operations = 0
  #cutAt = Number.POSITIVE_INFINITY
  #unsynced: Unsynced = 'kept'
  #dead = false
  /** Undoes what is not synced, by folder. */
  #undo: { folder: string; undo: () => void }[] = []

  constructor(files: Readonly<Record<string, string>> = {}) {
    this.files = new Map(Object.entries(files))
  }

  /** Cuts the power in the middle of the n-th operation from now, counted from 1. */
  cutAt(operation: number, unsynced: Unsynced): void {
    this.#cutAt = this.operations + operation
    this.#unsynced = unsynced
  }

  /** The power is back. */
  restart(): void {
    this.#dead = false
    this.#cutAt = Number.POSITIVE_INFINITY
    this.#undo = []
  }

  #step(torn: () => void): void {
    if (this.#dead) throw new PowerCut('the power is off')
    this.operations++
    if (this.operations < this.#cutAt) return
    torn()
    for (const { folder, undo } of this.#undo.reverse()) {
      if (this.#unsynced === 'lost' || (this.#unsynced === 'lost in history' && folder.endsWith('/history'))) undo()
    }
    this.#dead = true
    throw new PowerCut('the power is cut')
  }

  #change(path: string, text: string | undefined): void {
    const old = this.files.get(path)
    const put = (value: string | undefined) =>
      value === undefined ? void this.files.delete(path) : void this.files.set(path, value)
    put(text)
    this.#undo.push({ folder: dirname(path), undo: () => put(old) })
  }

  read(path: string): string | undefined {
    return this.files.get(path)
  }

  list(folder: string): readonly string[] {
    return [...this.files.keys()]
      .filter((path) => dirname(path) === folder)
      .map((path) => path.slice(folder.length + 1))
  }

  makeFolder(): void {}

  write(path: string, text: string): void {
    this.#step(() => this.files.set(path, text.slice(0, text.length / 2)))
    this.files.set(path, text)
  }

  rename(from: string, to: string): void {
    const text = this.files.get(from)
    this.#step(() => {})
    if (text === undefined) throw absent(from)
    this.#change(to, text)
    this.#change(from, undefined)
  }

  remove(path: string): void {
    this.#step(() => {})
    if (!this.files.has(path)) throw absent(path)
    this.#change(path, undefined)
  }

  removeFolder(folder: string): void {
    this.#step(() => {})
    for (const path of [...this.files.keys()]) if (path.startsWith(`${folder}/`)) this.#change(path, undefined)
  }

  sync(folder: string): void {
    this.#step(() => {})
    this.#undo = this.#undo.filter((entry) => entry.folder !== folder)
  }
}

function absent(path: string): Error {
  return Object.assign(new Error(`${path} is not there`), { code: 'ENOENT' })
}
