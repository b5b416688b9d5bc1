// The log-in: one user, `admin`, with the configuration's password. Wrong passwords cost time (lock-out.ts), never the way in.
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { adminOf } from '../config/document.ts'
import { checkPassword } from '../control/admin-password.ts'
import type { Archive } from './archive.ts'
import type { Device } from './device.ts'
import { hostnameOf } from './hostname.ts'
import { failed, noFailures, readLockOut, showLockOut, waitMs } from './lock-out.ts'
import { SessionEnd, type Terminal } from './terminal.ts'

const user = 'admin'
/** Milliseconds in which a password must be typed; and which a wrong user name costs. */
const passwordMs = 60_000
const strangerMs = 1000

/** What the password is checked against. */
export type Credential =
  | { readonly is: 'none' }
  | { readonly is: 'password'; readonly password: string }
  | { readonly is: 'hash'; readonly text: string }

/** From the configuration, also one that is faulty elsewhere; from the newest revision that has one where its `admin` can't be read. */
export function credentialOf(archive: Archive, device: Device): Credential {
  const found = credentialIn(archive.current() ?? '', device)
  if (found) return found
  for (const { number } of archive.revisions()) {
    const earlier = credentialIn(archive.textOf(number) ?? '', device)
    if (earlier && earlier.is !== 'none') return earlier
  }
  return { is: 'none' }
}

/** Undefined where there is an `admin` that can't be used. */
function credentialIn(text: string, device: Device): Credential | undefined {
  const admin = adminOf(text)
  if (admin === undefined) return /^\s*admin\s*:/m.test(text) ? undefined : { is: 'none' }
  const { password, passwordHash } = admin
  if (typeof passwordHash === 'string') return { is: 'hash', text: passwordHash }
  if (typeof password === 'string' && password !== '') return { is: 'password', password }
  const file = (password as { file?: unknown } | undefined)?.file
  if (typeof file !== 'string') return undefined
  try {
    return {
      is: 'password',
      password: readFileSync(resolve(dirname(device.config), file), 'utf8').replace(/\r?\n$/, ''),
    }
  } catch {
    return undefined
  }
}

/** Asks until somebody may come in; the name of the user. Throws SessionEnd at a hang-up. */
export async function logIn(terminal: Terminal, archive: Archive, device: Device): Promise<string> {
  for (;;) {
    terminal.idleMs = undefined
    const asked = await terminal.ask(`${hostnameOf(archive.current())} login: `)
    if (asked.is !== 'line' || asked.text.trim() === '') continue
    if (await judged(asked.text.trim(), terminal, archive, device)) return user
  }
}

async function judged(name: string, terminal: Terminal, archive: Archive, device: Device): Promise<boolean> {
  const credential = credentialOf(archive, device)
  if (credential.is === 'none' && name === user) {
    await terminal.say(
      'No administrator password is set: who holds this cable is let in. "set system admin password" sets one.',
    )
    return true
  }
  await waitForTry(terminal, device)
  const password = await ask(terminal)
  if (password === undefined || password === '') return false
  if (name !== user) {
    // No password is right for another name, so it costs an attacker nothing to try and the owner nothing in the lock-out.
    await pause(terminal, strangerMs)
    await terminal.say('Login incorrect')
    return false
  }
  const before = lockOut(device)
  if (await fits(password, credential)) {
    store(device, noFailures)
    if (before.failures > 0)
      await terminal.say(
        `${before.failures} wrong ${before.failures === 1 ? 'password' : 'passwords'} since the last log-in`,
      )
    return true
  }
  const after = failed(before, device.monotonicMs())
  store(device, after)
  device.log(`wrong password on the console (${after.failures} since the last log-in)`)
  await terminal.say('Login incorrect')
  return false
}

async function ask(terminal: Terminal): Promise<string | undefined> {
  terminal.idleMs = passwordMs
  try {
    const asked = await terminal.ask('Password: ', { hidden: true })
    return asked.is === 'line' ? asked.text : undefined
  } catch (error) {
    if (!(error instanceof SessionEnd) || error.why === 'hang-up') throw error
    await terminal.write('\n')
    return undefined
  }
}

async function fits(password: string, credential: Credential): Promise<boolean> {
  if (credential.is === 'hash') return checkPassword(password, credential.text)
  if (credential.is === 'none') return false
  const digest = (text: string) => createHash('sha256').update(text.normalize('NFC')).digest()
  return timingSafeEqual(digest(password), digest(credential.password))
}

async function waitForTry(terminal: Terminal, device: Device): Promise<void> {
  const wait = waitMs(lockOut(device), device.monotonicMs())
  if (wait === 0) return
  await terminal.say(`Too many wrong passwords: the next try in ${Math.ceil(wait / 1000)} s`)
  await pause(terminal, wait)
}

/** Waits; what is typed meanwhile is dropped. */
async function pause(terminal: Terminal, ms: number): Promise<void> {
  const until = performance.now() + ms
  for (let left = ms; left > 0; left = until - performance.now()) {
    if ((await terminal.input.next(left)) === 'ended') throw new SessionEnd('hang-up')
  }
}

const fileOf = (device: Device) => join(device.state, 'lock-out.json')

function lockOut(device: Device) {
  return readLockOut(device.disk.read(fileOf(device)), device.bootId(), device.monotonicMs())
}

/** Where it can't be kept (a full tmpfs) the log-in goes on: a lock-out that shuts the owner out would be worse than none. */
function store(device: Device, value: ReturnType<typeof lockOut>): void {
  try {
    device.disk.makeFolder(device.state)
    device.disk.write(`${fileOf(device)}.new`, showLockOut(value, device.bootId()), 'owner')
    device.disk.rename(`${fileOf(device)}.new`, fileOf(device))
  } catch (error) {
    device.log(`the lock-out of the console is not kept: ${(error as Error).message}`)
  }
}
