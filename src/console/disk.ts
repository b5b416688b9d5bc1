// The few things that the archive does to a disk, one at a time, so that a test can cut the power between any two.
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'

export type Disk = {
  /** The file's text; undefined where there is none. */
  read(path: string): string | undefined
  /** Names in a folder; none where it isn't there. */
  list(folder: string): readonly string[]
  makeFolder(folder: string): void
  /**
   * Writes a whole file onto the medium, for its owner alone or also for reading by its folder's group, which the gateway's user is in. A power
   * cut leaves any part of it.
   */
  write(path: string, text: string, readers: 'owner' | 'group'): void
  /** Atomic. Throws an Error with code ENOENT where `from` isn't there. */
  rename(from: string, to: string): void
  /** Throws an Error with code ENOENT where it isn't there. */
  remove(path: string): void
  /** Removes a folder with all that is in it, where it is there: nothing of it is found under its name any more, whenever the power goes. */
  removeFolder(folder: string): void
  /** Names in the folder, as they are now, onto the medium. */
  sync(folder: string): void
}

export const systemDisk: Disk = {
  read: (path) => orUndefined(() => readFileSync(path, 'utf8')),
  list: (folder) => orUndefined(() => readdirSync(folder)) ?? [],
  makeFolder: (folder) => void mkdirSync(folder, { recursive: true, mode: 0o700 }),
  write(path, text, readers) {
    const file = openSync(path, 'w', readers === 'group' ? 0o640 : 0o600)
    try {
      if (readers === 'group' && process.getuid?.() === 0) chownSync(path, 0, statSync(dirname(path)).gid)
      const octets = Buffer.from(text)
      for (let at = 0; at < octets.length; ) at += writeSync(file, octets, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  },
  rename: (from, to) => renameSync(from, to),
  remove: (path) => rmSync(path),
  removeFolder(folder) {
    const going = `${folder}.new`
    rmSync(going, { recursive: true, force: true })
    if (!existsSync(folder)) return
    renameSync(folder, going)
    systemDisk.sync(dirname(folder))
    rmSync(going, { recursive: true, force: true })
  },
  sync(folder) {
    const file = openSync(folder, 'r')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  },
}

export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}
