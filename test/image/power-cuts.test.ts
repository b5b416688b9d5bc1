// The power fails in the middle of an update: whatever the moment, the board starts, with the old firmware or with the new.
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundleStick, diskFrom, ensureImage, scratchFolder, type TestImage } from './images.ts'
import { Machine } from './machine.ts'
import { install, settled } from './updating.ts'

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
afterAll(async () => {
  await machine?.cut()
  if (scratch) rmSync(scratch, { recursive: true, force: true })
})

async function start(disk: string): Promise<Machine> {
  machine = await Machine.start({ firmware: 'bios', disk, stick, scratch })
  await machine.booted(900_000)
  return machine
}

describe.runIf(root)(`power cuts in the middle of an update (seed ${seed})`, () => {
  test(`${powerCuts} cuts at random moments: always old or new`, { timeout: powerCuts * 3_600_000 }, async () => {
    const random = randomFrom(seed)
    const disk = await diskFrom(image, scratch)
    let board = await start(disk)
    await settled(board)
    await board.must('echo kept > /config/kept; sync')
    // The span from the command to the end of the trial, by this machine's own pace.
    const began = Date.now()
    await board.must(install('good'), 900_000)
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
