// A file of somebody else's, replaced as a whole: after a power cut the old text is there or the new one, with the owner and the mode that it had.
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

export function readText(path: string): string {
  return readFileSync(path, 'utf8')
}

/** `path` is no symbolic link. Throws the system's error; the old file is there then. */
export function replaceFile(path: string, text: string): void {
  const { mode, uid, gid } = statSync(path)
  const fresh = `${path}.${process.pid}.new`
  const file = openSync(fresh, 'wx', 0o600)
  try {
    try {
      fchownSync(file, uid, gid)
      fchmodSync(file, mode & 0o7777)
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(fresh, path)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw error
  }
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}
