// The files of a `SystemFile` list on a disk below `root`: what differs, and putting it right, each file whole or not at all, all of them or none.
import {
  chmodSync,
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { SystemFile } from './file.ts'

/** What is there before a change: the same form as what is wanted, so that it can be put back. */
export type Change = { readonly wanted: SystemFile; readonly before: SystemFile }

/** The files that are not yet as they are wanted. */
export function changesOf(files: readonly SystemFile[], root: string): Change[] {
  return files.flatMap((wanted) => {
    const before = found(wanted, root)
    return same(wanted, before) ? [] : [{ wanted, before }]
  })
}

function found({ path, concern }: SystemFile, root: string): SystemFile {
  const place = join(root, path)
  const stat = lstatSync(place, { throwIfNoEntry: false })
  if (!stat) return { path, concern, is: 'absent' }
  if (stat.isSymbolicLink()) return { path, concern, is: 'link', target: readlinkSync(place) }
  if (!stat.isFile())
    throw new Error(`${place} is neither a file nor a link; it has to go away for the system to be set up`)
  return { path, concern, is: 'text', text: readFileSync(place, 'utf8'), mode: stat.mode & 0o7777 }
}

function same(a: SystemFile, b: SystemFile): boolean {
  if (a.is === 'text' && b.is === 'text') return a.text === b.text && a.mode === b.mode
  if (a.is === 'link' && b.is === 'link') return a.target === b.target
  return a.is === b.is
}

/** Makes every change. Where one fails, those before it are undone, and the Error says which it was. */
export function write(changes: readonly Change[], root: string): void {
  const done: Change[] = []
  for (const change of changes) {
    try {
      put(change.wanted, root)
    } catch (error) {
      undo(done, root)
      const why = (error as Error).message
      throw new Error(`${join(root, change.wanted.path)} can't be written: ${why}; nothing was changed`, {
        cause: error,
      })
    }
    done.push(change)
  }
}

/** Puts back what was there, the last change first. */
export function undo(changes: readonly Change[], root: string): void {
  for (const { before } of changes.toReversed()) put(before, root)
}

function put(file: SystemFile, root: string): void {
  const place = join(root, file.path)
  if (file.is === 'absent') {
    rmSync(place, { force: true })
    return
  }
  mkdirSync(dirname(place), { recursive: true })
  const fresh = join(dirname(place), `.${basename(place)}.gatehouse`)
  rmSync(fresh, { force: true })
  if (file.is === 'link') symlinkSync(file.target, fresh)
  else writeWhole(fresh, file.text, file.mode)
  renameSync(fresh, place)
}

/** Under its final mode from the first octet on, and on the disk before it gets its name. */
function writeWhole(path: string, text: string, mode: number): void {
  const descriptor = openSync(path, 'wx', mode)
  try {
    chmodSync(path, mode)
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
