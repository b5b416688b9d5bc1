// The images under test: what `gatehouse image build` makes, with the test's own agent laid over; and bundles that a device must refuse or survive.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Board } from '../../board/common/board.ts'
import { buildImage, cacheFolder, checkout } from '../../images/build.ts'
import { makeBundle } from '../../images/bundle.ts'
import { developmentSigner, openSigner } from '../../images/keys.ts'
import { laySources } from '../../images/sources.ts'
import { must, say } from '../interop/lab/run.ts'

export type BoardName = 'qemu-x86_64' | 'qemu-arm64'
export type TestImage = {
  readonly disk: string
  readonly bundle: string
  readonly version: string
  readonly slotOctets: number
}

const home = join(cacheFolder, 'test')

/** Laid over the image for the tests alone. */
export const testOverlays: readonly string[] = [join(import.meta.dirname, 'overlay')]

/**
 * The image of the commit; built unless it is there. With GATEHOUSE_IMAGE_AS_IS=1 the one that is there, whatever commit it is of, unless `exactly`
 * this commit's is needed.
 */
export function ensureImage(name: BoardName, { exactly = false } = {}): Promise<TestImage> {
  return alone(async () => {
    const folder = join(home, name)
    const record = join(folder, 'built.json')
    const held: TestImage | undefined = existsSync(record) ? JSON.parse(readFileSync(record, 'utf8')) : undefined
    const asIs = process.env.GATEHOUSE_IMAGE_AS_IS === '1' && !exactly
    if (held && asIs && existsSync(held.disk)) return held
    const { version } = await laySources(checkout, cacheFolder)
    return held && held.version === version && existsSync(held.disk) ? held : build(name, version)
  })
}

async function build(name: BoardName, version: string): Promise<TestImage> {
  const folder = join(home, name)
  const began = Date.now()
  const fresh = `${folder}.draft`
  rmSync(fresh, { recursive: true, force: true })
  const built = await buildImage({ board: await boardOf(name), out: fresh, overlays: testOverlays, say })
  const image = {
    disk: join(folder, built.disk),
    bundle: join(folder, built.bundle),
    version,
    slotOctets: built.slotOctets,
  }
  writeFileSync(join(fresh, 'built.json'), JSON.stringify(image))
  rmSync(folder, { recursive: true, force: true })
  renameSync(fresh, folder)
  say(`${name}: built in ${((Date.now() - began) / 1000).toFixed(0)} s`)
  return image
}

/** One at a time among the test files: the folder of the sources is shared. */
export async function alone<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync(home, { recursive: true })
  const lock = join(home, 'lock')
  for (;;) {
    try {
      writeFileSync(lock, `${process.pid}`, { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      const holder = existsSync(lock) ? readFileSync(lock, 'utf8') : ''
      // Of a run that was ended; an empty one is being written just now.
      if (holder !== '' && !existsSync(`/proc/${holder}`)) rmSync(lock, { force: true })
      await sleep(200)
    }
  }
  try {
    return await work()
  } finally {
    rmSync(lock, { force: true })
  }
}

export async function boardOf(name: string): Promise<Board> {
  return ((await import(`../../board/${name}/board.ts`)) as { board: Board }).board
}

/** A folder of the test's own in memory, for disks that are written to. */
export function scratchFolder(): string {
  const parent = '/dev/shm/gatehouse-image-test'
  mkdirSync(parent, { recursive: true, mode: 0o700 })
  return mkdtempSync(join(parent, 'run-'))
}

/** A disk of one's own from an image. */
export async function diskFrom(image: TestImage, scratch: string, name = 'disk.img'): Promise<string> {
  const disk = join(scratch, name)
  await must('cp', ['--sparse=always', image.disk, disk], { timeoutMs: 120_000 })
  return disk
}

/** A disk with bundles in it, as a stick that somebody plugs in: `good`, `tampered`, `foreign` (another signer), `plain` (no verity) and `dead` (its kernel finds no userland). */
export async function bundleStick(name: BoardName, image: TestImage, scratch: string): Promise<string> {
  const folder = join(scratch, 'stick')
  mkdirSync(folder)
  const board = await boardOf(name)
  const signer = await openSigner({}, cacheFolder)
  cpSync(image.bundle, join(folder, 'good.raucb'))
  cpSync(image.bundle, join(folder, 'tampered.raucb'))
  await spoil(join(folder, 'tampered.raucb'), 60_000_000)
  const slot = await deadSlot(image, scratch)
  const shared = { board, version: 'dead', slot, scratch }
  await makeBundle({ ...shared, signer, out: join(folder, 'dead.raucb') })
  const stranger = await developmentSigner(join(scratch, 'stranger'), 'Somebody else')
  await makeBundle({ ...shared, signer: stranger, out: join(folder, 'foreign.raucb') })
  await plainBundle(board, slot, signer, scratch, join(folder, 'plain.raucb'))
  const stick = join(scratch, 'stick.img')
  await must('mksquashfs', [folder, stick, '-noappend', '-quiet', '-no-progress', '-noD', '-noF', '-noI', '-noX'], {
    timeoutMs: 120_000,
  })
  rmSync(folder, { recursive: true })
  return stick
}

/** Changes sixteen octets of a file. */
export async function spoil(file: string, at: number): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    const { buffer } = await handle.read(Buffer.alloc(16), 0, 16, at)
    await handle.write(
      buffer.map((octet) => octet ^ 0xff),
      0,
      16,
      at,
    )
  } finally {
    await handle.close()
  }
}

/** A slot that the boot loader starts and in which no userland is. */
async function deadSlot(image: TestImage, scratch: string): Promise<string> {
  const folder = join(scratch, 'dead')
  await must('unsquashfs', ['-quiet', '-no-progress', '-d', `${folder}-bundle`, image.bundle, 'rootfs.squashfs'], {
    timeoutMs: 120_000,
  })
  await must('unsquashfs', ['-quiet', '-no-progress', '-d', folder, `${folder}-bundle/rootfs.squashfs`, 'boot'], {
    timeoutMs: 120_000,
  })
  for (const sub of ['proc', 'sys', 'dev', 'etc', 'config', 'run']) mkdirSync(join(folder, sub))
  const slot = join(scratch, 'dead.squashfs')
  await must('mksquashfs', [folder, slot, '-noappend', '-quiet', '-no-progress', '-all-root', '-comp', 'gzip'], {
    timeoutMs: 120_000,
  })
  rmSync(`${folder}-bundle`, { recursive: true })
  return slot
}

async function plainBundle(
  board: Board,
  slot: string,
  signer: { key: string; certificate: string },
  scratch: string,
  out: string,
): Promise<void> {
  const folder = join(scratch, 'plain')
  mkdirSync(folder)
  cpSync(slot, join(folder, 'rootfs.squashfs'))
  const manifest = `[update]\ncompatible=gatehouse-${board.name}\nversion=plain\n\n[bundle]\nformat=plain\n\n[image.rootfs]\nfilename=rootfs.squashfs\n`
  writeFileSync(join(folder, 'manifest.raucm'), manifest)
  await must('rauc', ['bundle', `--cert=${signer.certificate}`, `--key=${signer.key}`, folder, out])
}
