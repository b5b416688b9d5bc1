// Updates, and all that can go wrong with them: whatever happens, the board starts, with the old firmware or with the new.
import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { bundleStick, diskFrom, ensureImage, scratchFolder, type TestImage } from './images.ts'
import { Machine } from './machine.ts'
import { install, reboot, settled, slotsOf } from './updating.ts'

const root = process.getuid?.() === 0

let scratch: string
let image: TestImage
let stick: string
let machine: Machine | undefined

beforeAll(async () => {
  if (!root) return
  scratch = scratchFolder()
  image = await ensureImage('qemu-x86_64')
  stick = await bundleStick('qemu-x86_64', image, scratch)
})
afterEach(async () => {
  await machine?.cut()
  machine = undefined
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

async function start(disk: string): Promise<Machine> {
  machine = await Machine.start({ firmware: 'bios', disk, stick, scratch })
  await machine.booted(900_000)
  return machine
}

describe.runIf(root)('an update', () => {
  test('good: B starts, a tunnel comes up through it, it stays', async () => {
    const board = await start(await diskFrom(image, scratch))
    expect(await settled(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '1', TRIAL: '' })
    const { code, text } = await board.sh(install('good'), 900_000)
    expect(text).toContain('on trial')
    expect(code).toBe(0)
    expect((await slotsOf(board)).TRIAL).toBe('B')
    await reboot(board)
    expect(await settled(board)).toEqual({ booted: 'B', A_OK: '1', B_OK: '1', TRIAL: '' })
    expect(await board.must('journalctl -u gatehouse-health --no-pager')).toContain(
      'passed its trial: a tunnel came up',
    )
  })

  test('by another signer, without verity, tampered with: refused; only the tampered one touches slot B, which is noted as bad', async () => {
    const board = await start(await diskFrom(image, scratch))
    const before = await settled(board)
    const slotB = () => board.must('head -c 4000000 /dev/disk/by-partlabel/gatehouse-b | sha256sum')
    const untouched = await slotB()
    const foreign = await board.sh(install('foreign'), 900_000)
    expect([foreign.code, foreign.text]).toEqual([1, expect.stringMatching(/signature|certificate|signer/i)])
    const plain = await board.sh(install('plain'), 900_000)
    expect([plain.code, plain.text]).toEqual([1, expect.stringMatching(/format.*plain|plain.*format/i)])
    expect(await slotB()).toBe(untouched)
    expect(await slotsOf(board)).toEqual(before)
    const tampered = await board.sh(install('tampered'), 900_000)
    expect(tampered.code).toBe(1)
    expect(await slotsOf(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '0', TRIAL: '' })
    await reboot(board)
    expect((await settled(board)).booted).toBe('A')
  })

  test('whose userland never comes: three tries, then A again, which says so', async () => {
    const board = await start(await diskFrom(image, scratch))
    await settled(board)
    expect((await board.sh(install('dead'), 900_000)).code).toBe(0)
    await reboot(board)
    expect(await settled(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '0', TRIAL: '' })
    expect(board.console.text.match(/gatehouse: slot B\r?\n/g)).toHaveLength(3)
    expect(await board.must('journalctl -u gatehouse-health --no-pager')).toContain(
      'the firmware in slot B did not come up',
    )
  })

  test('that starts and serves nobody: fails its trial and goes back by itself', async () => {
    const board = await start(await diskFrom(image, scratch))
    await settled(board)
    await board.must('echo B > /config/test-unhealthy; sync')
    expect((await board.sh(install('good'), 900_000)).code).toBe(0)
    await reboot(board)
    expect(await board.must('/usr/lib/gatehouse/slots booted')).toBe('B')
    await board.booted(900_000)
    expect(await settled(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '0', TRIAL: '' })
  })
})
