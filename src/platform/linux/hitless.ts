// What it takes to end without ending anybody's session: a holder of descriptors, a key with it, and a journal sealed with that key in a folder in memory.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { NativeModule } from '../addon.ts'
import { type Heading, readJournal, SealedJournal } from './sealed-journal.ts'

/** Of the records that machines write; a program that writes others has another number, and starts cleanly after an update. */
export const recordsFormat = 1

const journalName = 'journal'
const socketName = 'holder.sock'
const systemdStore = 'systemd'
const keyOctets = 32
/** statfs(2): TMPFS_MAGIC and RAMFS_MAGIC. */
const inMemory: ReadonlySet<number> = new Set([0x0102_1994, 0x8584_58f6])

type Native = Pick<NativeModule, 'holderKey' | 'keepHolderKey' | 'releaseHolder'>

export type Hitless =
  | {
      readonly is: 'on'
      readonly journal: SealedJournal
      /** For the fast path: a socket's path, or `systemd`. */
      readonly holder: string
      /** A sentence: who holds, and what was found. */
      readonly how: string
      /** The gateway has said goodbye, or could not start: nothing is held any more. */
      release(): void
    }
  /** A crash ends every session; `why` is a sentence. */
  | { readonly is: 'off'; readonly why: string }

export type HitlessOptions = {
  /** Where the journal and the holder's socket lie. */
  readonly folder: string
  readonly native: Native
  /** Told once if the journal can't be written any more. */
  readonly failed: (why: string) => void
  /** Seconds that the holder waits for a daemon to come back. */
  readonly seconds?: number
  readonly program?: string
  /** What the holder becomes when it has waited in vain: a program and its arguments. */
  readonly afterwards?: readonly string[]
}

const holderProgram = fileURLToPath(new URL('../../../native/build/Release/gatehouse-holder', import.meta.url))

export function openHitless({
  folder,
  native,
  failed,
  seconds = 120,
  program = holderProgram,
  afterwards = [],
}: HitlessOptions): Hitless {
  if (!inMemory.has(statfsSync(folder).type))
    return {
      is: 'off',
      why: `${folder} is not on a file system in memory, and secrets are not written to a disk: a state folder on tmpfs (--state /run/gatehouse) is right`,
    }
  const holder = holderOf(folder)
  const bySystemd = holder === systemdStore
  try {
    if (!bySystemd) startHolder(holder, native, program, seconds, afterwards)
    const path = join(folder, journalName)
    const heading: Heading = { format: recordsFormat, boot: bootId() }
    const found = native.holderKey(holder)
    const reading = found && readJournal(path, found, heading)
    const key = found ?? new Uint8Array(randomBytes(keyOctets))
    if (!found) native.keepHolderKey(holder, key)
    const former = reading?.is === 'read' ? reading.records : undefined
    const who = bySystemd ? 'systemd holds the descriptors' : `a process of its own holds the descriptors (${holder})`
    const what =
      reading?.is === 'nothing' && reading.why !== 'there is no journal'
        ? `; ${reading.why}, so nobody is gone on with`
        : ''
    return {
      is: 'on',
      journal: new SealedJournal(path, key, heading, former, failed),
      holder,
      how: `a crash or a restart ends no session: ${who}, the journal is ${path}${what}`,
      release: () => {
        try {
          native.releaseHolder(holder)
        } catch {
          // It ended by itself.
        }
      },
    }
  } catch (error) {
    return { is: 'off', why: (error as Error).message }
  }
}

/** Another data plane takes over: the ports that a former life's holder keeps open are needed, and nobody goes on from its journal. */
export function releaseFormer(folder: string, native: Pick<Native, 'releaseHolder'>): void {
  const holder = holderOf(folder)
  if (holder !== systemdStore && !existsSync(holder)) return
  try {
    native.releaseHolder(holder)
  } catch {
    // A dead one's socket.
  }
  rmSync(join(folder, journalName), { force: true })
}

/** systemd tells from version 254 on that it has a store for us; before, the unit does. */
function holderOf(folder: string): string {
  const { NOTIFY_SOCKET, FDSTORE, GATEHOUSE_FDSTORE } = process.env
  const bySystemd = NOTIFY_SOCKET !== undefined && Number(FDSTORE ?? GATEHOUSE_FDSTORE ?? 0) > 0
  return bySystemd ? systemdStore : join(folder, socketName)
}

/** One that is there from a former life is the right one. */
function startHolder(
  socket: string,
  native: Native,
  program: string,
  seconds: number,
  afterwards: readonly string[],
): void {
  try {
    native.holderKey(socket)
    return
  } catch {
    // Nobody answers.
  }
  const then = afterwards.length > 0 ? ['--', ...afterwards] : []
  const { status, stderr, error } = spawnSync(program, ['--socket', socket, '--seconds', String(seconds), ...then], {
    stdio: ['ignore', 'ignore', 'pipe'],
    encoding: 'utf8',
  })
  if (error) throw new Error(`the holder of descriptors does not start: ${error.message}`)
  if (status !== 0) throw new Error(`the holder of descriptors does not start: ${stderr.trim()}`)
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}
