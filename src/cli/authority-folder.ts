// The folder of an authority on a disk: the authority's key (0600), its certificate, what it issued (issued.json) and its revocation list. Every file is
// written whole or not at all, a new authority as a whole folder, and one process at a time changes what is there.
import { createPrivateKey } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import type { Authority, File } from '../pki/authority.ts'
import { readCertificates } from '../pki/credential.ts'

const modes = { owner: 0o600, group: 0o640, all: 0o644 } as const
const lockFile = '.lock'
/** Milliseconds that somebody else may be at work: keys for a few certificates, on a small board. */
const lockMs = 120_000

/** Writes each file whole, onto the medium. */
export function writeFiles(folder: string, files: readonly File[]): void {
  for (const { name, content, readers } of files) {
    const path = join(folder, name)
    const fresh = `${path}.new`
    rmSync(fresh, { force: true })
    const open = openSync(fresh, 'wx', modes[readers])
    try {
      // Whatever the umask is: the gateway's user is to read what is the group's.
      fchmodSync(open, modes[readers])
      if (readers === 'group' && process.getuid?.() === 0) chownSync(fresh, 0, statSync(folder).gid)
      const octets = Buffer.from(content)
      for (let at = 0; at < octets.length; ) at += writeSync(open, octets, at)
      fsyncSync(open)
    } finally {
      closeSync(open)
    }
    renameSync(fresh, path)
  }
  sync(folder)
}

function sync(folder: string): void {
  const open = openSync(folder, 'r')
  try {
    fsyncSync(open)
  } finally {
    closeSync(open)
  }
}

export function hasAuthority(folder: string): boolean {
  return existsSync(join(folder, 'ca.key'))
}

/** Throws an Error that says what is missing. */
export function openAuthority(folder: string): Authority {
  const read = (file: string) => {
    try {
      return readFileSync(join(folder, file), 'utf8')
    } catch {
      throw new Error(
        `${folder} holds no authority (${file} is missing); make one with: gatehouse pki ca NAME --dir ${folder}`,
      )
    }
  }
  const [certificate] = readCertificates(read('ca.pem'), join(folder, 'ca.pem'))
  return { certificate: certificate!, key: createPrivateKey(read('ca.key')), register: JSON.parse(read('issued.json')) }
}

/**
 * A folder that is there whole or not at all: filled under another name, then renamed. What stood in its place is gone. The group of the folder that it
 * is in may enter it, as it may read the configuration there.
 */
export function makeFolder(folder: string, fill: (scratch: string) => void): void {
  const scratch = `${folder}.new`
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { mode: 0o700 })
  if (process.getuid?.() === 0) chownSync(scratch, 0, statSync(dirname(folder)).gid)
  chmodSync(scratch, 0o750)
  fill(scratch)
  rmSync(folder, { recursive: true, force: true })
  renameSync(scratch, folder)
  sync(dirname(folder))
}

/** Does the work while nobody else does any in this folder. Throws an Error where somebody is at it for too long. */
export async function locked<T>(folder: string, work: () => T): Promise<T> {
  const path = join(folder, lockFile)
  const until = performance.now() + lockMs
  while (!take(path)) {
    if (performance.now() > until) throw new Error(`another gatehouse pki is at work in ${folder}; wait for its end`)
    await new Promise((wait) => setTimeout(wait, 200))
  }
  try {
    return work()
  } finally {
    rmSync(path, { force: true })
  }
}

/** A lock says whose it is: a process that is gone, or one before the last start of the machine, holds nothing. */
function take(path: string): boolean {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const own = `${path}.${process.pid}`
  try {
    writeFileSync(own, `${process.pid} ${boot}`, { mode: 0o600 })
    linkSync(own, path)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // No folder, no authority: what comes next says so.
    if (code === 'ENOENT') return true
    if (code !== 'EEXIST') throw error
  } finally {
    rmSync(own, { force: true })
  }
  try {
    const [pid, when] = readFileSync(path, 'utf8').split(' ')
    if (when !== boot || !existsSync(`/proc/${pid}`)) rmSync(path, { force: true })
  } catch {
    // It went meanwhile.
  }
  return false
}
