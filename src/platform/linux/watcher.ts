// Cleans up after a daemon that was killed, at once instead of at the next start: a shell that sleeps on a pipe from the daemon. When the pipe closes
// and the journal is still there, it runs this file, which undoes what the journal names unless another daemon has the state folder by then.
// A daemon on the kernel's data plane may come back: there the holder of its descriptors runs this file when it has waited in vain.
import { spawn } from 'node:child_process'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { loadNative } from '../addon.ts'
import { openStore, type Store } from '../store.ts'
import { journalName, LinuxNetwork } from './network.ts'

export type Watcher = { close(): void }

/** Starts it beside this process, in a session of its own, so that what kills this process group leaves it. Costs about a megabyte. */
export function startWatcher(store: Store): Watcher {
  const script = 'cat >/dev/null; [ -e "$1" ] || exit 0; shift; exec "$@"'
  const self = fileURLToPath(import.meta.url)
  const child = spawn(
    '/bin/sh',
    ['-c', script, 'gatehouse-watcher', store.path(journalName), process.execPath, self, store.folder],
    { detached: true, stdio: ['pipe', 'ignore', 'ignore'] },
  )
  child.on('error', () => {})
  child.stdin.on('error', () => {})
  child.unref()
  ;(child.stdin as unknown as { unref(): void }).unref()
  return { close: () => child.stdin.end() }
}

/** What undoes all that the daemon with this state folder has left, a kernel data plane's SAs and table too: a program and its arguments. */
export function cleaningOf(store: Store): readonly string[] {
  return [process.execPath, fileURLToPath(import.meta.url), store.folder, 'kernel']
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const store = openStore(process.argv[2]!)
  try {
    store.lock()
    await new LinuxNetwork({ store }).recover()
    if (process.argv[3] === 'kernel') loadNative().removeKernelRemains()
    store.unlock()
  } catch {
    // Another daemon is there: it has cleaned up itself.
  }
}
