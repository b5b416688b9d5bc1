// A lease is one lab's name on this machine: a prefix for its namespaces, a folder for its files, and a watcher
// that takes everything away when the process that holds the lease is gone, even by kill -9.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must, say } from './run.ts'

const home = '/dev/shm/gatehouse-lab'
const reaper = join(import.meta.dirname, 'reap.sh')

export type Lease = {
  /** Begins every name that the lab makes, for instance `gl3k9x2a-gw`. */
  readonly tag: string
  /** The lab's folder, in memory. Gone after `release`. */
  readonly dir: string
  /** Takes everything away; answers when it is gone. */
  release(): Promise<void>
}

export function lease(): Lease {
  const tag = `gl${Math.random().toString(36).slice(2, 8).padEnd(6, '0')}`
  const dir = join(home, tag)
  // The folder appears with its owner in it: another run, which looks for abandoned labs just now, must not find it empty.
  const draft = join(home, `.${tag}`)
  mkdirSync(draft, { recursive: true, mode: 0o700 })
  writeFileSync(join(draft, 'owner'), `${process.pid} ${startOf(process.pid)}`)
  renameSync(draft, dir)
  const watcher = spawn(reaper, [tag, 'wait'], { stdio: ['pipe', 'ignore', 'inherit'], detached: true })
  watcher.unref()
  let released: Promise<void> | undefined
  return {
    tag,
    dir,
    release: () => {
      released ??= end(watcher, tag)
      return released
    },
  }
}

/** Removes the labs whose owner is gone and whose watcher went with it. */
export async function reapAbandoned(): Promise<void> {
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const known = readdirSync(home).filter((name) => name.startsWith('gl'))
  for (const tag of known) {
    if (ownerLives(join(home, tag))) continue
    say(`removing what an earlier run left: ${tag}`)
    await must(reaper, [tag], { timeoutMs: 60_000 })
  }
}

function end(watcher: ChildProcess, tag: string): Promise<void> {
  return new Promise((resolve, reject) => {
    watcher.ref()
    const timer = setTimeout(() => reject(new Error(`${tag} was not taken down within 60 s`)), 60_000)
    watcher.once('exit', (code) => {
      clearTimeout(timer)
      if (code === 0) resolve()
      else reject(new Error(`${tag} was not taken down: namespaces are left`))
    })
    watcher.stdin?.end()
  })
}

function ownerLives(dir: string): boolean {
  try {
    const [pid, start] = readFileSync(join(dir, 'owner'), 'utf8').split(' ')
    return startOf(Number(pid)) === start
  } catch {
    return false
  }
}

/** When the process began, in clock ticks since boot (proc(5), stat field 22): tells a pid from its successor. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}
