// Updates, and all that can go wrong with them: whatever happens, the board starts, with the old firmware or with the new.
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../interop/lab/run.ts'
import { bundleStick, diskFrom, ensureImage, scratchFolder, type TestImage } from './images.ts'
import { Machine } from './machine.ts'

const root = process.getuid?.() === 0
/** 50 in `npm run image:test:long`. */
const powerCuts = Number(process.env.GATEHOUSE_POWER_CUTS ?? 5)
const seed = Number(process.env.GATEHOUSE_SEED ?? Date.now() % 1_000_000)

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
  await machine.booted(300_000)
  return machine
}

/** A board that runs and has found itself good. */
async function settled(board: Machine): Promise<Slots> {
  await until(
    'the health check to end',
    async () => (await board.must('systemctl show -P ActiveState gatehouse-health')) === 'active',
    {
      timeoutMs: 300_000,
      everyMs: 1000,
    },
  )
  return slotsOf(board)
}

type Slots = { booted: string; A_OK: string; B_OK: string; TRIAL: string }

async function slotsOf(board: Machine): Promise<Slots> {
  const lines = (await board.must('/usr/lib/gatehouse/slots show')).split('\n').map((line) => line.split('='))
  const { booted, A_OK, B_OK, TRIAL } = Object.fromEntries(lines) as Record<string, string>
  return { booted: booted!, A_OK: A_OK!, B_OK: B_OK!, TRIAL: TRIAL! }
}

const plugged = 'mkdir -p /run/stick; mountpoint -q /run/stick || mount -t squashfs -o ro /dev/vdb /run/stick'
const install = (name: string) => `${plugged}; gatehouse update install /run/stick/${name}.raucb`

async function reboot(board: Machine): Promise<void> {
  await board.sh('systemctl reboot --no-block', 60_000)
  await board.booted(400_000)
}

describe.runIf(root)('an update', () => {
  test('good: B starts, a tunnel comes up through it, it stays', async () => {
    const board = await start(await diskFrom(image, scratch))
    expect(await settled(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '1', TRIAL: '' })
    const { code, text } = await board.sh(install('good'), 400_000)
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
    const foreign = await board.sh(install('foreign'), 100_000)
    expect([foreign.code, foreign.text]).toEqual([1, expect.stringMatching(/signature|certificate|signer/i)])
    const plain = await board.sh(install('plain'), 100_000)
    expect([plain.code, plain.text]).toEqual([1, expect.stringMatching(/format.*plain|plain.*format/i)])
    expect(await slotB()).toBe(untouched)
    expect(await slotsOf(board)).toEqual(before)
    const tampered = await board.sh(install('tampered'), 400_000)
    expect(tampered.code).toBe(1)
    expect(await slotsOf(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '0', TRIAL: '' })
    await reboot(board)
    expect((await settled(board)).booted).toBe('A')
  })

  test('whose userland never comes: three tries, then A again, which says so', async () => {
    const board = await start(await diskFrom(image, scratch))
    await settled(board)
    expect((await board.sh(install('dead'), 400_000)).code).toBe(0)
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
    expect((await board.sh(install('good'), 400_000)).code).toBe(0)
    await reboot(board)
    expect(await board.must('/usr/lib/gatehouse/slots booted')).toBe('B')
    await board.booted(600_000)
    expect(await settled(board)).toEqual({ booted: 'A', A_OK: '1', B_OK: '0', TRIAL: '' })
  })
})

describe.runIf(root)(`power cuts in the middle of an update (seed ${seed})`, () => {
  test(`${powerCuts} cuts at random moments: always old or new`, { timeout: powerCuts * 600_000 }, async () => {
    const random = randomFrom(seed)
    const disk = await diskFrom(image, scratch)
    let board = await start(disk)
    await settled(board)
    await board.must('echo kept > /config/kept; sync')
    // The span from the command to the end of the trial, by this machine's own pace.
    const began = Date.now()
    await board.must(install('good'), 400_000)
    const installMs = Date.now() - began
    for (let cut = 0; cut < powerCuts; cut++) {
      const wait = random() * installMs * 2.5
      void board.sh(`${install('good')} && systemctl reboot`, 900_000).catch(() => undefined)
      await sleep(wait)
      await board.cut()
      board = await start(disk)
      const slots = await settled(board)
      process.stderr.write(`cut ${cut + 1} after ${(wait / 1000).toFixed(1)} s: ${JSON.stringify(slots)}\n`)
      expect(['A', 'B']).toContain(slots.booted)
      expect(await board.must('cat /config/kept')).toBe('kept')
    }
  })
})

/** Mulberry32: a failing seed replays its moments. */
function randomFrom(start: number): () => number {
  let state = start | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
