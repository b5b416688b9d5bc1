// A daemon's second life finds what its first one left: with the real holder process, in a folder in memory.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadNative } from '../addon.ts'
import { type Hitless, openHitless, releaseFormer } from './hitless.ts'

const native = loadNative()
let folder = ''
const failures: string[] = []
const open = (more: object = {}) =>
  openHitless({ folder, native, seconds: 20, failed: (why) => failures.push(why), ...more })

function on(hitless: Hitless): Extract<Hitless, { is: 'on' }> {
  if (hitless.is === 'off') throw new Error(hitless.why)
  return hitless
}

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/gatehouse-hitless-')
})
afterEach(() => {
  const socket = join(folder, 'holder.sock')
  if (existsSync(socket)) native.releaseHolder(socket)
  rmSync(folder, { recursive: true })
})

describe('with a holder of our own', () => {
  test('the first life has nothing to go on from, the second what the first wrote', () => {
    const first = on(open())
    expect(first.journal.former).toBeUndefined()
    expect(first.how).toBe(
      `a crash or a restart ends no session: a process of its own holds the descriptors (${folder}/holder.sock), the journal is ${folder}/journal`,
    )
    first.journal.write(new Map([['peer/1', { client: 'windows' }]]))
    expect(on(open()).journal.former).toEqual(new Map([['peer/1', { client: 'windows' }]]))
  })

  test('after a goodbye nothing is held and nothing is written', () => {
    const first = on(open())
    first.journal.write(new Map([['peer/1', {}]]))
    first.journal.end()
    first.release()
    expect(existsSync(join(folder, 'journal'))).toBe(false)
    expect(() => native.holderKey(first.holder)).toThrow('cannot reach the holder of descriptors')
    expect(on(open()).journal.former).toBeUndefined()
  })

  test('a holder that waited in vain took the key with it: what is written opens for nobody', async () => {
    const first = on(open({ seconds: 1 }))
    first.journal.write(new Map([['peer/1', {}]]))
    await expect.poll(() => existsSync(first.holder), { timeout: 10_000 }).toBe(false)
    expect(on(open()).journal.former).toBeUndefined()
  })

  test('another data plane takes the former one’s place: nothing is held, nothing can be gone on from', () => {
    on(open()).journal.write(new Map([['peer/1', {}]]))
    releaseFormer(folder, native)
    expect(() => native.holderKey(join(folder, 'holder.sock'))).toThrow('cannot reach the holder of descriptors')
    expect(existsSync(join(folder, 'journal'))).toBe(false)
    releaseFormer(folder, native)
  })

  test('a journal of another format is said, and nobody is gone on with', () => {
    on(open()).journal.write(new Map([['peer/1', {}]]))
    const key = native.holderKey(join(folder, 'holder.sock'))
    native.keepHolderKey(
      join(folder, 'holder.sock'),
      key!.map((octet) => octet ^ 1),
    )
    const second = on(open())
    expect(second.journal.former).toBeUndefined()
    expect(second.how).toContain('; the journal is sealed with another key, so nobody is gone on with')
  })
})

const onDisk = [import.meta.dirname, '/var/tmp'].find(
  (folder) => spawnSync('stat', ['-f', '-c', '%T', folder], { encoding: 'utf8' }).stdout.trim() !== 'tmpfs',
)

test.skipIf(onDisk === undefined)('a folder on a disk is refused with the reason (where there is a disk)', () => {
  const disk = mkdtempSync(join(onDisk!, '.hitless-'))
  try {
    expect(openHitless({ folder: disk, native, failed: () => {} })).toEqual({
      is: 'off',
      why: `${disk} is not on a file system in memory, and secrets are not written to a disk: a state folder on tmpfs (--state /run/gatehouse) is right`,
    })
  } finally {
    rmSync(disk, { recursive: true })
  }
})

test('without the holder’s program it is off, with the reason', () => {
  expect(open({ program: '/nowhere/gatehouse-holder' })).toEqual({
    is: 'off',
    why: 'the holder of descriptors does not start: spawnSync /nowhere/gatehouse-holder ENOENT',
  })
})
