// Builds a board's firmware: disk image, update bundle, bill of materials, record of packages, checksums, signature.
//
//   sources → packages → root file system → initramfs → slot → disk, bundle → bill of materials → signature
//
// One step a file; what a step made is a file or a folder that the next one reads.
import { cpSync, linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import type { Board } from '../board/common/board.ts'
import { writeBill } from './bill-of-materials.ts'
import { makeBundle } from './bundle.ts'
import { makeDisk, slotMegabytes } from './disk.ts'
import { slotConfiguration } from './grub.ts'
import { layInitramfs } from './initramfs.ts'
import { type KeyOptions, openSigner, type Signer } from './keys.ts'
import { Apt, type DebianPackage, unpack } from './packages.ts'
import { packSlot } from './pack.ts'
import { packagesOf, toolPackagesOf } from './recipe.ts'
import { indexLibraries, layRoot, write } from './rootfs.ts'
import { signFiles } from './sign.ts'
import { laySources, type Sources } from './sources.ts'

export const checkout = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
export const cacheFolder = join(process.env.GATEHOUSE_CACHE ?? join(checkout, '.cache'), 'images')

/** What building takes from the machine's Debian. */
const buildPackages = ['genimage', 'mtools', 'dosfstools', 'e2fsprogs', 'squashfs-tools', 'rauc', 'grub-common', 'kmod', 'cpio', 'openssl', 'binutils']
const crossPackages = ['g++-aarch64-linux-gnu', 'binutils-aarch64-linux-gnu']

export type BuildOptions = KeyOptions & {
  readonly board: Board
  /** Folder for the results; made if it isn't there. */
  readonly out: string
  /** Folders laid over the root file system last. */
  readonly overlays?: readonly string[]
  readonly say?: (line: string) => void
}

/** Names of the results, in `out`. */
export type Built = { readonly disk: string; readonly bundle: string; readonly bill: string; readonly packages: string; readonly version: string; readonly slotOctets: number }

export async function buildImage({ board, out, overlays = [], say = () => {}, ...keys }: BuildOptions): Promise<Built> {
  await ensureTools(board)
  mkdirSync(cacheFolder, { recursive: true })
  const signer = await openSigner(keys, cacheFolder)
  if (signer.development) say('no --key: signed by a development key of this checkout, and the firmware says so; whoever has the checkout can sign updates for it')
  const sources = await laySources(checkout, cacheFolder)
  if (sources.dirty) say('the checkout has changes that are in no commit: they are not in the image')
  say(`${board.title}: firmware ${sources.version}`)
  const apt = await Apt.open(board.architecture, cacheFolder)
  const packages = await apt.fetch(packagesOf(board))
  const tools = await apt.fetch(toolPackagesOf(board), { alone: true })
  const scratch = mkdtempSync(join(cacheFolder, `build-${board.name}-`))
  try {
    return await build({ board, out: resolve(out), overlays, say, signer, sources, packages, tools, scratch })
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

type Walk = {
  readonly board: Board
  readonly out: string
  readonly overlays: readonly string[]
  readonly say: (line: string) => void
  readonly signer: Signer
  readonly sources: Sources
  readonly packages: readonly DebianPackage[]
  readonly tools: readonly DebianPackage[]
  readonly scratch: string
}

async function build({ board, out, overlays, say, signer, sources, packages, tools, scratch }: Walk): Promise<Built> {
  const { version, epoch, folder } = sources
  const root = join(scratch, 'root')
  mkdirSync(root)
  say(`root file system: ${packages.length} Debian packages`)
  const { authority, development } = signer
  const laid = await layRoot(root, { board, sources, cache: cacheFolder, packages, authority, overlays, development })
  await indexLibraries(root, board)

  const toolRoot = join(scratch, 'tools')
  mkdirSync(toolRoot)
  await unpack(tools.filter(({ name }) => name !== 'busybox-static'), toolRoot)
  if (board.deviceTree) {
    const tree = join(root, 'usr/lib', `linux-image-${laid.kernel}`, board.deviceTree)
    for (const place of [root, toolRoot]) cpSync(tree, join(place, 'boot/board.dtb'))
  }
  rmSync(join(root, 'usr/lib', `linux-image-${laid.kernel}`), { recursive: true, force: true })
  await layInitramfs(root, board, laid.kernel, tools.find(({ name }) => name === 'busybox-static')!, folder, epoch)
  write(root, 'boot/slot.cfg', slotConfiguration(board).trimEnd())

  say('slot: squashfs')
  const slot = join(scratch, 'slot.squashfs')
  const slotOctets = await packSlot(root, slot, epoch)
  const name = `gatehouse-${board.name}-${version}`
  const fresh = join(scratch, 'out')
  mkdirSync(fresh)
  say(`slot: ${(slotOctets / 1e6).toFixed(1)} MB of ${slotMegabytes} MB`)
  await makeDisk({ board, sources: folder, tools: toolRoot, slot, scratch, epoch, out: join(fresh, `${name}.img`) })
  await makeBundle({ board, version, slot, signer, scratch, out: join(fresh, `${name}.raucb`) })
  writeBill({ name: `gatehouse-${board.name}`, version, epoch, debian: laid.debian, npm: laid.npm }, join(fresh, `${name}.spdx.json`))
  writeFileSync(join(fresh, `${name}.packages`), laid.debian.map(({ name, version, architecture, sha256 }) => `${name} ${version} ${architecture} ${sha256}\n`).join(''))
  const files = ['img', 'raucb', 'spdx.json', 'packages'].map((ending) => `${name}.${ending}`)
  await signFiles(fresh, files, signer)
  mkdirSync(out, { recursive: true })
  for (const file of [...files, 'SHA256SUMS', 'SHA256SUMS.sig', 'SHA256SUMS.pem']) move(join(fresh, file), join(out, file))
  const [disk, bundle, bill, list] = files as [string, string, string, string]
  return { disk, bundle, bill, packages: list, version, slotOctets }
}

/** Into place in one step where both are on one file system; else by a copy under another name. */
function move(from: string, to: string): void {
  rmSync(to, { force: true })
  try {
    linkSync(from, to)
  } catch {
    cpSync(from, `${to}.part`)
    renameSync(`${to}.part`, to)
  }
}

async function ensureTools(board: Board): Promise<void> {
  const machine = new URL('../scripts/machine.js', import.meta.url).href
  const { ensurePackages } = (await import(machine)) as { ensurePackages(packages: readonly string[], why: string): void }
  ensurePackages([...buildPackages, ...(board.architecture === 'arm64' ? crossPackages : [])], `building the image of ${board.name}`)
}
