// The first configuration of a fresh machine: a strong random pre-shared key and one user, in a file that only its owner reads.
import { closeSync, existsSync, openSync, renameSync, writeSync } from 'node:fs'
import { typable } from '../control/typable.ts'

/** Writes a configuration unless the file is there; true where it was written. */
export function writeFirstConfiguration(file: string): boolean {
  if (existsSync(file)) return false
  const text = `# Written by the first start. README.md lists every key; "./gatehouse check ${file}" judges changes,
# and SIGHUP takes them without dropping a session.
security: modern            # compatible for Android up to 11, Windows XP and many routers; legacy for older
remoteAccess:
  preSharedKey: ${typable(6)}
  addressPool: 10.99.0.10-10.99.0.250
  dns: [10.99.0.1]          # the gateway itself, which asks this machine's resolvers
users:
  - name: alice
    password: ${typable(4)}
`
  const scratch = `${file}.new`
  const descriptor = openSync(scratch, 'wx', 0o600)
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
  renameSync(scratch, file)
  return true
}
