// The state folder: who may look into it, files that are whole or not there, and a lock that a dead daemon cannot keep.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** The state folder can't be used; `code` says in what way. */
export class StoreError extends Error {
  readonly code: 'in-use' | 'not-ours' | 'not-writable'
  constructor(code: StoreError['code'], message: string) {
    super(message)
    this.name = 'StoreError'
    this.code = code
  }
}

export type Store = {
  readonly folder: string
  /** The path of a file in it. */
  path(name: string): string
  /** The file's text, or undefined where there is none. */
  read(name: string): string | undefined
  /** Replaces the file as a whole: after a power cut the old text is there or the new one. */
  write(name: string, text: string): void
  remove(name: string): void
  /** Keeps every other process out until `unlock` or our end; a StoreError `in-use` where one is in. */
  lock(): void
  unlock(): void
}

/** Opens the folder, making it where it isn't there: 0700, its files 0600. */
export function openStore(folder: string): Store {
  makeFolder(folder)
  const path = (name: string) => join(folder, name)
  let held: DatabaseSync | undefined
  const store: Store = {
    folder,
    path,
    read(name) {
      try {
        return readFileSync(path(name), 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    write(name, text) {
      const temporary = path(`.${name}.${process.pid}`)
      const file = openSync(temporary, 'w', 0o600)
      try {
        writeSync(file, text)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(temporary, path(name))
    },
    remove(name) {
      rmSync(path(name), { force: true })
    },
    lock() {
      held = takeLock(path('lock'), folder, store.read('pid')?.trim())
      locks.add(held)
      store.write('pid', `${process.pid}\n`)
    },
    unlock() {
      if (!held) return
      store.remove('pid')
      locks.delete(held)
      held.close()
      held = undefined
    },
  }
  return store
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(folder)
    if (uid !== process.getuid!())
      throw new StoreError(
        'not-ours',
        `the state folder ${folder} belongs to another user (uid ${uid}); give another with --state`,
      )
    if ((mode & 0o777) !== 0o700) chmodSync(folder, 0o700)
  } catch (error) {
    if (error instanceof StoreError) throw error
    throw new StoreError(
      'not-writable',
      `the state folder ${folder} can't be made: ${(error as Error).message}; give another with --state`,
    )
  }
}

/** Locks that are held: a database that nobody refers to is closed by the garbage collector, and its lock with it. */
const locks = new Set<DatabaseSync>()

/** Our own: a watcher that cleans up after a killed daemon holds the lock for a moment; the next daemon waits for it. */
const lockMs = 1500

/** SQLite's file lock: the kernel drops it with the process, however that ends. */
function takeLock(path: string, folder: string, owner: string | undefined): DatabaseSync {
  closeSync(openSync(path, 'a', 0o600))
  const database = new DatabaseSync(path, { timeout: lockMs })
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    return database
  } catch {
    database.close()
    throw new StoreError(
      'in-use',
      `another gatehouse${owner ? ` (process ${owner})` : ''} uses the state folder ${folder}; stop it, or give another with --state`,
    )
  }
}
