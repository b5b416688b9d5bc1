// The whole disk: a GPT with fixed names and numbers, put together by genimage from finished files, so that nothing is mounted.
//
//   [bios-boot 1M]  ESP 48M  slot A 160M  slot B 160M  configuration 32M
import { cpSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import type { Board } from '../board/common/board.ts'
import { freshEnvironment, grubConfiguration, installBios, makeEfi, type SlotNumbers } from './grub.ts'

export const slotMegabytes = 160
const espMegabytes = 48
const configMegabytes = 32
const sectorsOfMegabyte = 2048
/** The first partition begins here: firmware of some boards lies before it. */
const firstMegabyte = 16

/** Fixed, so that two builds are the same octets; nothing tells two devices apart by them. */
const ids = {
  disk: '6a7e6f75-7365-4000-8000-000000000000',
  bios: '6a7e6f75-7365-4000-8000-000000000001',
  esp: '6a7e6f75-7365-4000-8000-000000000002',
  a: '6a7e6f75-7365-4000-8000-00000000000a',
  b: '6a7e6f75-7365-4000-8000-00000000000b',
  config: '6a7e6f75-7365-4000-8000-00000000000c',
  espVolume: '6a7e6f75',
}
const types = {
  bios: '21686148-6449-6E6F-744E-656564454649',
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  linux: '0FC63DAF-8483-4772-8E79-3D69D8477DE4',
}

export type DiskOptions = {
  readonly board: Board
  /** Folder with images/ in it. */
  readonly sources: string
  /** Root with the packages of the boot loader unpacked. */
  readonly tools: string
  /** The slot's squashfs. */
  readonly slot: string
  readonly scratch: string
  readonly epoch: number
  readonly out: string
}

/** Writes the disk image `out`. */
export async function makeDisk(options: DiskOptions): Promise<void> {
  const { board, scratch, out, slot, tools } = options
  const bios = board.boot.loader === 'pc' && board.boot.bios
  const numbers: SlotNumbers = bios ? { esp: 2, a: 3, b: 4 } : { esp: 1, a: 2, b: 3 }
  const octets = statSync(slot).size
  if (octets > slotMegabytes * 2 ** 20)
    throw new Error(`the slot is ${octets} octets; the partition has ${slotMegabytes} MB`)
  const parts = join(scratch, 'parts')
  mkdirSync(parts, { recursive: true })
  await makeEsp(options, numbers, join(parts, 'esp.img'))
  await makeConfig(options, join(parts, 'config.img'))
  cpSync(slot, join(parts, 'slot.img'))
  if (bios) writeFileSync(join(parts, 'bios.img'), Buffer.alloc(2 ** 20))
  const raw = rawParts(board, tools, parts)
  writeFileSync(join(scratch, 'genimage.cfg'), layout(bios, raw))
  for (const folder of ['empty', 'genimage']) mkdirSync(join(scratch, folder), { recursive: true })
  await $({
    quiet: true,
  })`genimage --config ${join(scratch, 'genimage.cfg')} --rootpath ${join(scratch, 'empty')} --tmppath ${join(scratch, 'genimage')} --inputpath ${parts} --outputpath ${scratch}`
  const disk = join(scratch, 'disk.img')
  if (bios) await installBios(tools, numbers.esp, firstMegabyte * sectorsOfMegabyte, sectorsOfMegabyte, disk, scratch)
  await $({ quiet: true })`cp --sparse=always ${disk} ${out}`
}

/** The EFI system partition: GRUB, its script, its environment. Every file carries the commit's time. */
async function makeEsp(
  { board, sources, tools, scratch, epoch }: DiskOptions,
  numbers: SlotNumbers,
  out: string,
): Promise<void> {
  const folder = join(scratch, 'esp')
  for (const sub of ['EFI/BOOT', 'gatehouse']) mkdirSync(join(folder, sub), { recursive: true })
  await makeEfi(
    board,
    tools,
    numbers.esp,
    join(folder, 'EFI/BOOT', board.architecture === 'arm64' ? 'BOOTAA64.EFI' : 'BOOTX64.EFI'),
  )
  const template = readFileSync(join(sources, 'images/grub.cfg'), 'utf8')
  writeFileSync(join(folder, 'gatehouse/grub.cfg'), grubConfiguration(template, board, numbers))
  writeFileSync(join(folder, 'gatehouse/grubenv'), freshEnvironment())
  const { boot } = board
  if (boot.loader === 'u-boot-efi' && boot.uBoot.is === 'in-esp') {
    for (const [name, file] of Object.entries(boot.uBoot.files)) {
      mkdirSync(join(folder, name, '..'), { recursive: true })
      cpSync(join(tools, file), join(folder, name), { recursive: true })
    }
    for (const [name, text] of Object.entries(boot.uBoot.texts)) writeFileSync(join(folder, name), text)
  }
  const files = (await $({ cwd: folder, quiet: true })`find . -mindepth 1 | LC_ALL=C sort`).stdout.trim().split('\n')
  for (const file of files) utimesSync(join(folder, file), epoch, epoch)
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${epoch}`, TZ: 'UTC', MTOOLS_SKIP_CHECK: '1' }
  const run = $({ cwd: folder, env, quiet: true })
  await run`rm -f ${out} && mkfs.vfat --invariant -i ${ids.espVolume} -n GATEHOUSE -F 32 -s 1 -C ${out} ${espMegabytes * 1024}`
  for (const file of files) {
    const path = `::${file.slice(2)}`
    if (statSync(join(folder, file)).isDirectory()) await run`mmd -i ${out} ${path}`
    else await run`mcopy -m -i ${out} ${file} ${path}`
  }
}

/** The configuration partition, empty: the first boot fills it. */
async function makeConfig({ epoch }: DiskOptions, out: string): Promise<void> {
  const env = { ...process.env, E2FSPROGS_FAKE_TIME: `${epoch}`, SOURCE_DATE_EPOCH: `${epoch}` }
  const features = `hash_seed=${ids.config},lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0`
  await $({
    env,
    quiet: true,
  })`rm -f ${out} && mke2fs -q -t ext4 -L gatehouse-cfg -U ${ids.config} -E ${features} -m 1 ${out} ${configMegabytes}M`
}

type Raw = { readonly file: string; readonly offset: number }

/** The board's own boot loader where it lies outside of every partition. */
function rawParts(board: Board, tools: string, parts: string): readonly Raw[] {
  if (board.boot.loader !== 'u-boot-efi' || board.boot.uBoot.is !== 'in-image') return []
  return board.boot.uBoot.parts.map(({ file, offset }, index) => {
    const name = `boot-${index}.img`
    cpSync(join(tools, file), join(parts, name))
    return { file: name, offset }
  })
}

function layout(bios: boolean, raw: readonly Raw[]): string {
  const partition = (
    name: string,
    id: string,
    type: string,
    image: string,
    megabytes: number,
    extra: readonly string[] = [],
  ) =>
    [
      `  partition ${name} {`,
      `    image = "${image}"`,
      `    size = ${megabytes}M`,
      `    partition-uuid = "${id}"`,
      `    partition-type-uuid = "${type}"`,
      ...extra,
      '  }',
    ].join('\n')
  const first = [`    offset = ${firstMegabyte}M`]
  return [
    'image disk.img {',
    `  hdimage { partition-table-type = "gpt" disk-uuid = "${ids.disk}" }`.replace('" disk', '"\n    disk'),
    ...raw.map(
      ({ file, offset }, index) =>
        `  partition boot-${index} {\n    in-partition-table = false\n    image = "${file}"\n    offset = ${offset}\n  }`,
    ),
    ...(bios ? [partition('gatehouse-bios', ids.bios, types.bios, 'bios.img', 1, first)] : []),
    partition('gatehouse-esp', ids.esp, types.esp, 'esp.img', espMegabytes, bios ? [] : first),
    partition('gatehouse-a', ids.a, types.linux, 'slot.img', slotMegabytes),
    `  partition gatehouse-b {\n    size = ${slotMegabytes}M\n    partition-uuid = "${ids.b}"\n    partition-type-uuid = "${types.linux}"\n  }`,
    partition('gatehouse-config', ids.config, types.linux, 'config.img', configMegabytes),
    '}',
    '',
  ].join('\n')
}
