// From a verified image to a device that boots: choose, object, ask, copy, tell. `gatehouse image flash` is this with a terminal around it.
import { spawnSync } from 'node:child_process'
import { constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { copyImage, DeviceFault, type Target } from './copy.ts'
import { type Disk, diskAt, disks, objectionsTo } from './disks.ts'
import { GptError } from './gpt.ts'
import { type Journal, journalOf } from './journal.ts'
import { BadImage, verifyImage } from './verify.ts'

export type FlashRequest = {
  readonly board: string
  /** A disk such as /dev/sdb, or with `file` a regular file. */
  readonly to: string
  /** The image; where it is undefined the one of the board in `folder`. */
  readonly image: string | undefined
  readonly folder: string
  /** The target is a regular file, as big as a device. */
  readonly file: boolean
  readonly resume: boolean
  readonly authorities: readonly string[]
}

export type Surroundings = {
  /** A line for people. */
  readonly say: (line: string) => void
  /** Progress, redrawn. */
  readonly progress: (what: string, done: number, of: number) => void
  /** Whether to write; the question says what goes lost. */
  readonly agree: (question: string, disk: string) => Promise<boolean>
  readonly signal: AbortSignal
  readonly now: () => Date
  /** For tests: another state folder, another machine's /sys, a target that fails. */
  readonly journal?: Journal
  readonly root?: string
  readonly openTarget?: (path: string) => Promise<Target>
}

/** It was not done; the message says why and what to do. */
export class FlashRefused extends Error {}

/** Signatures of members of something bigger that is not assembled: no holder shows them. */
const membership: Readonly<Record<string, string>> = {
  LVM2_member: 'an LVM volume group',
  linux_raid_member: 'a RAID',
  crypto_LUKS: 'an encrypted volume',
  zfs_member: 'a ZFS pool',
}

/** Flashes; resolves when everything was read back as written. Throws FlashRefused. */
export async function flash(request: FlashRequest, around: Surroundings): Promise<void> {
  const path = request.image ?? newestImage(request.folder, request.board)
  judgeName(path, request.board)
  // The device first: it costs nothing, and a mistake in its name is the dangerous one.
  const target = targetOf(request, around.root)
  refuse(request.to, objections(target, statSync(path).size))
  const image = await refusing(around.signal, () =>
    verifyImage(path, {
      authorities: request.authorities,
      now: around.now(),
      progress: (done, of) => around.progress('checking the image', done, of),
      signal: around.signal,
    }),
  )
  around.say(`${path}: signed by ${image.signer}, SHA-256 ${image.sha256}`)
  const journal = around.journal ?? journalOf(target.path)
  const left = journal.read()
  const goesOn = left !== undefined && left.image === image.sha256 && left.device === target.identity
  if (request.resume && !goesOn)
    throw new FlashRefused(
      `there is nothing to resume on ${target.path} with this image; leave out --resume to begin anew`,
    )
  if (!request.resume && goesOn)
    around.say(`${target.path} has a part of this image already: --resume would go on after ${left.written} MiB`)
  const question = `Everything on ${target.path} (${target.model}, ${size(target.octets)}) will be overwritten`
  if (!(await around.agree(question, target.path))) throw new FlashRefused('nothing was written')
  await write(request, around, target, image, journal)
}

async function write(
  request: FlashRequest,
  around: Surroundings,
  disk: Disk,
  image: Awaited<ReturnType<typeof verifyImage>>,
  journal: Journal,
): Promise<void> {
  const target = await (around.openTarget ?? ((path) => openTarget(path, request.file)))(disk.path)
  try {
    const copied = await copyImage({
      image,
      target,
      targetOctets: disk.octets,
      device: disk.identity,
      journal,
      resume: request.resume,
      dropCaches: async () => dropCaches(disk.path, request.file),
      progress: around.progress,
      signal: around.signal,
    })
    const again = copied.repaired > 0 ? `; ${copied.repaired} MiB had to be written twice: mistrust this device` : ''
    around.say(
      `${disk.path}: ${size(copied.writtenOctets)} written, ${size(copied.skippedOctets)} of zeros were there already, everything read back and equal${again}`,
    )
  } catch (error) {
    if (around.signal.aborted)
      throw new FlashRefused(
        `interrupted: ${disk.path} does not boot as it is; the same command with --resume goes on where it stopped`,
      )
    if (error instanceof DeviceFault || error instanceof GptError)
      throw new FlashRefused(`${disk.path}: ${error.message}`)
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    throw new FlashRefused(
      `${disk.path}: ${(error as Error).message}; once it is there again the same command with --resume goes on`,
    )
  } finally {
    await target.close().catch(() => {})
  }
  settle(disk.path, request.file)
}

/** All disks that an image may be thought of for, and what speaks against each. */
export function listing(root?: string): string {
  const rows = disks(root).map((disk) => {
    const verdict = disk.objections.length === 0 ? 'can be written to' : `refused: ${disk.objections.join('; ')}`
    return `${disk.path.padEnd(14)} ${size(disk.octets).padStart(9)}  ${disk.model} (${disk.bus}): ${verdict}`
  })
  return rows.length === 0 ? 'no disks were found' : rows.join('\n')
}

/** The only image of a board in a folder. Throws FlashRefused. */
export function newestImage(folder: string, board: string): string {
  const names = existsSync(folder)
    ? readdirSync(folder).filter((name) => name.startsWith(`gatehouse-${board}-`) && name.endsWith('.img'))
    : []
  if (names.length === 1) return join(folder, names[0]!)
  const what =
    names.length === 0 ? 'there is no image' : `there are ${names.length} images (${names.sort().join(', ')})`
  throw new FlashRefused(
    `${what} of ${board} in ${folder}: "gatehouse image build --board ${board}" makes one, --image FILE names one`,
  )
}

function judgeName(path: string, board: string): void {
  const of = /^gatehouse-(.+?)-\d+\..*\.img$/.exec(basename(path))?.[1]
  if (of !== undefined && of !== board) throw new FlashRefused(`${path} is an image of ${of}, not of ${board}`)
  if (!existsSync(path)) throw new FlashRefused(`there is no ${path}`)
}

function targetOf({ to, file }: FlashRequest, root: string | undefined): Disk {
  if (file) {
    const found = existsSync(to) ? statSync(to) : undefined
    if (!found?.isFile()) throw new FlashRefused(`${to} is no regular file; without --file a device is right`)
    const identity = `file ${found.dev}:${found.ino}`
    return {
      name: to,
      path: to,
      octets: found.size,
      model: 'a file',
      bus: 'file',
      removable: true,
      identity,
      objections: [],
    }
  }
  const disk = diskAt(to, root)
  if (!disk) throw new FlashRefused(`${to} is no disk of this machine:\n${listing(root)}`)
  return disk
}

function objections(disk: Disk, octets: number): readonly string[] {
  return [...objectionsTo(disk, octets), ...(disk.bus === 'file' ? [] : memberships(disk.path))]
}

function memberships(path: string): readonly string[] {
  const { stdout } = spawnSync('lsblk', ['-nro', 'NAME,FSTYPE', path], { encoding: 'utf8' })
  return (stdout ?? '').split('\n').flatMap((line) => {
    const [name, kind = ''] = line.split(' ')
    const what = Object.hasOwn(membership, kind) ? membership[kind] : undefined
    return what === undefined ? [] : [`${name} belongs to ${what}; "wipefs -a /dev/${name}" gives it up`]
  })
}

function refuse(path: string, reasons: readonly string[]): void {
  if (reasons.length > 0) throw new FlashRefused(`${path} is not written to: ${reasons.join('; ')}`)
}

async function refusing<T>(signal: AbortSignal, body: () => Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    if (signal.aborted) throw new FlashRefused('interrupted: nothing was written')
    if (error instanceof BadImage) throw new FlashRefused(`nothing was written: ${error.message}`)
    throw error
  }
}

/** O_EXCL on a block device: the kernel itself refuses one that is mounted or part of something. */
async function openTarget(path: string, file: boolean): Promise<Target> {
  try {
    return await open(path, file ? constants.O_RDWR : constants.O_RDWR | constants.O_EXCL)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      throw new FlashRefused(`${path}: writing to it needs root: sudo ./gatehouse image flash …`)
    if (code === 'EBUSY') throw new FlashRefused(`${path} is in use by the kernel (mounted, or part of something)`)
    throw new FlashRefused(`${path} can't be opened: ${(error as Error).message}`)
  }
}

/** Reading back must read the medium. A file's own cache is the file system's business. */
function dropCaches(path: string, file: boolean): void {
  if (!file) spawnSync('blockdev', ['--flushbufs', path], { stdio: 'ignore' })
}

/** The kernel looks at the new partitions. */
function settle(path: string, file: boolean): void {
  if (!file) spawnSync('blockdev', ['--rereadpt', path], { stdio: 'ignore' })
}

export function size(octets: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(Math.max(octets, 1)) / 3), units.length - 1)
  return `${(octets / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/** PEM texts of the authorities that were named, or of the development authority where one was made here. */
export function authoritiesFrom(named: readonly string[], development: string): readonly string[] {
  if (named.length > 0) return named.map((file) => readFileSync(file, 'utf8'))
  return existsSync(development) ? [readFileSync(development, 'utf8')] : []
}
