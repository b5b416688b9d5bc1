// Both images start, by every way that a board's firmware has: BIOS, UEFI, U-Boot. The console asks within 30 seconds, nothing fails, memory is
// enough left, and a boot environment that is empty or spoiled stops nothing.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { must } from '../interop/lab/run.ts'
import { type BoardName, diskFrom, ensureImage, scratchFolder, spoil, type TestImage } from './images.ts'
import { type Firmware, Machine } from './machine.ts'

const root = process.getuid?.() === 0
const question = /Set it up now: yes or no \[yes\]: /
/** First octet of the ESP on a disk with a bios-boot partition before it. */
const espOffset = 17 * 2 ** 20
let scratch: string
let machine: Machine | undefined

beforeAll(() => {
  scratch = scratchFolder()
})
afterEach(async () => {
  await machine?.cut()
  machine = undefined
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

async function boot(image: TestImage, firmware: Firmware, disk?: string): Promise<Machine> {
  machine = await Machine.start({ firmware, disk: disk ?? (await diskFrom(image, scratch)), scratch })
  return machine
}

const ways: readonly (readonly [BoardName, Firmware])[] = [
  ['qemu-x86_64', 'bios'],
  ['qemu-x86_64', 'uefi'],
  ['qemu-arm64', 'u-boot'],
]

describe.runIf(root)('a factory-fresh board', () => {
  test.each(ways)('%s by %s: asks its first question, nothing has failed, memory is left', async (name, firmware) => {
    const image = await ensureImage(name)
    const board = await boot(image, firmware)
    await board.console.expect(question, 900_000)
    // Seconds of processor time: a busy machine must not decide.
    const seconds = board.processorSeconds()
    await board.booted(900_000)
    await board.must('systemctl is-system-running --wait || true', 900_000)
    expect(await board.must('systemctl --failed --no-legend --plain')).toBe('')
    const memory = await board.must("awk '/MemTotal|MemAvailable/ { print $2 }' /proc/meminfo")
    const [total, available] = memory.split('\n').map(Number) as [number, number]
    process.stderr.write(
      `${name} by ${firmware}: first question after ${seconds.toFixed(1)} s of processor time; ${Math.round((total - available) / 1024)} MB in use\n`,
    )
    expect((total - available) / 1024).toBeLessThan(200)
    expect(seconds).toBeLessThan(30)
    expect(await board.must('ls /sys/class/net')).toContain('wan0')
    expect(await board.must('mount | grep " / "')).toMatch(/^overlay on \/ type overlay/)
    expect(await board.must('cat /config/machine-id')).toMatch(/^[0-9a-f]{32}$/)
  })

  test('its slot is at most 120 MB', async () => {
    for (const name of ['qemu-x86_64', 'qemu-arm64'] as const)
      expect((await ensureImage(name)).slotOctets).toBeLessThanOrEqual(120e6)
  })
})

describe.runIf(root)('the boot environment', () => {
  test.each([
    ['empty', ''],
    ['spoiled', '#'.repeat(1024)],
    ['cut short', '# GRUB Environment Block\nORDER=B'],
  ])('%s: the board starts, and the environment is written anew', async (_, text) => {
    const image = await ensureImage('qemu-x86_64')
    const disk = await diskFrom(image, scratch)
    const file = join(scratch, 'grubenv')
    writeFileSync(file, text)
    await must('mcopy', ['-o', '-i', `${disk}@@${espOffset}`, file, '::gatehouse/grubenv'])
    const board = await boot(image, 'bios', disk)
    await board.booted(900_000)
    await board.must('systemctl start gatehouse-health', 900_000)
    expect(await board.must('/usr/lib/gatehouse/slots show')).toBe(
      'booted=A\nORDER=A B\nA_OK=1\nA_TRY=0\nB_OK=1\nB_TRY=0\nTRIAL=',
    )
  })
})

describe.runIf(root)('the slot', () => {
  test('A is damaged where its kernel lies: B starts', async () => {
    const image = await ensureImage('qemu-x86_64')
    const disk = await diskFrom(image, scratch)
    // A good copy in B, then A's superblock away.
    const megabytes = 2 ** 20
    const a = 65 * megabytes
    await must('dd', [`if=${disk}`, `of=${disk}`, 'bs=1M', 'skip=65', 'seek=225', 'count=160', 'conv=notrunc'])
    await spoil(disk, a)
    const board = await boot(image, 'bios', disk)
    await board.booted(900_000)
    expect(await board.must('/usr/lib/gatehouse/slots booted')).toBe('B')
  })
})
