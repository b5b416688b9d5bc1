// The boot loader's files: GRUB as an EFI program and, for a PC's BIOS, as the two pieces that lie before the partitions. Made by grub-mkimage from
// the modules of Debian's package, so that no device, no loop mount and no grub-install is needed.
import { readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { $ } from 'zx'
import type { Board } from '../board/common/board.ts'

/** What grub.cfg uses, and what it reads: a GPT disk, FAT, squashfs compressed by gzip or xz. */
const modules = [
  ...[
    'part_gpt',
    'fat',
    'squash4',
    'gzio',
    'xzio',
    'lzopio',
    'normal',
    'configfile',
    'loadenv',
    'regexp',
    'test',
    'echo',
    'sleep',
  ],
  ...['reboot', 'linux', 'serial', 'terminal'],
]
const biosModules = ['biosdisk']
const arm64Modules = ['fdt']

/** Where the partitions of slots are, by number: grub.cfg needs them. */
export type SlotNumbers = { readonly esp: number; readonly a: number; readonly b: number }

export function grubConfiguration(template: string, board: Board, { a, b }: SlotNumbers): string {
  const unit = /^ttyS(\d)$/.exec(board.console.device)?.[1] ?? '0'
  return template
    .replaceAll('@A@', `${a}`)
    .replaceAll('@B@', `${b}`)
    .replaceAll('@UNIT@', unit)
    .replaceAll('@BAUD@', `${board.console.baud}`)
}

/** What grub.cfg finds in a slot and runs: how this firmware's kernel is started. `$slot` and `$slotroot` are grub.cfg's. */
export function slotConfiguration(board: Board): string {
  const { device, baud, earlycon } = board.console
  const words = [
    'rauc.slot=$slot',
    ...(board.architecture === 'amd64' && board.boot.loader === 'pc' ? ['console=tty0'] : []),
    `console=${device},${baud}n8`,
    ...(earlycon ? [`earlycon=${earlycon}`] : []),
    ...['ro', 'panic=10', 'oops=panic', 'quiet', 'loglevel=3', 'systemd.show_status=no'],
    ...board.kernelArguments,
  ]
  const tree = board.deviceTree ? ['  devicetree "$slotroot/boot/board.dtb"'] : []
  return [
    '# How this slot is started; read by the boot loader.',
    `if linux "$slotroot/boot/vmlinuz" ${words.join(' ')}; then`,
    ...tree,
    '  if initrd "$slotroot/boot/initrd.img"; then boot; fi',
    'fi',
    '',
  ].join('\n')
}

/** Makes EFI/BOOT/BOOT*.EFI. `tools` is a root with the GRUB packages unpacked. */
export async function makeEfi(board: Board, tools: string, esp: number, out: string): Promise<void> {
  const target = board.architecture === 'arm64' ? 'arm64-efi' : 'x86_64-efi'
  const folder = join(tools, 'usr/lib/grub', target)
  const names =
    board.architecture === 'arm64' ? [...modules.filter((name) => name !== 'serial'), ...arm64Modules] : modules
  await $({ quiet: true })`grub-mkimage -O ${target} -d ${folder} -p ${`(,gpt${esp})/gatehouse`} -o ${out} ${names}`
}

/** First octets of a boot sector that hold code; the partition table's stay. */
const bootCodeOctets = 440
const sector = 512

/** Makes `core.img`, and puts it and the boot sector onto the finished disk, where the BIOS finds them. `coreSector` is the bios-boot partition's first. */
export async function installBios(
  tools: string,
  esp: number,
  coreSector: number,
  coreSectors: number,
  disk: string,
  scratch: string,
): Promise<void> {
  const folder = join(tools, 'usr/lib/grub/i386-pc')
  const core = join(scratch, 'core.img')
  await $({
    quiet: true,
  })`grub-mkimage -O i386-pc -d ${folder} -p ${`(,gpt${esp})/gatehouse`} -o ${core} ${[...modules, ...biosModules]}`
  const image = readFileSync(core)
  const sectors = Math.ceil(image.length / sector)
  if (sectors > coreSectors)
    throw new Error(`GRUB's core is ${sectors} sectors, the bios-boot partition has ${coreSectors}`)
  const boot = bootSector(readFileSync(join(folder, 'boot.img')), coreSector)
  const body = placedCore(image, coreSector, sectors)
  const handle = await open(disk, 'r+')
  try {
    await handle.write(boot, 0, boot.length, 0)
    await handle.write(body, 0, body.length, coreSector * sector)
  } finally {
    await handle.close()
  }
}

/** boot.img told where the core is (grub/i386/pc/boot.h: sector at 0x5c; at 0x66 a jump that floppies need and disks must not have). */
export function bootSector(image: Buffer, coreSector: number): Buffer {
  const boot = Buffer.from(image.subarray(0, bootCodeOctets))
  boot.writeBigUInt64LE(BigInt(coreSector), 0x5c)
  boot.writeUInt16LE(0x9090, 0x66)
  return boot
}

/** core.img told where its rest is: the one entry of the block list at the end of its first sector: start, length, segment. */
export function placedCore(image: Buffer, coreSector: number, sectors: number): Buffer {
  const core = Buffer.alloc(sectors * sector)
  image.copy(core)
  const entry = sector - 12
  core.writeBigUInt64LE(BigInt(coreSector + 1), entry)
  core.writeUInt16LE(sectors - 1, entry + 8)
  core.writeUInt16LE(0x820, entry + 10)
  return core
}

/** A boot environment as it leaves the factory. */
export function freshEnvironment(): string {
  return '# GRUB Environment Block\nORDER=A B\nA_OK=1\nA_TRY=0\nB_OK=1\nB_TRY=0\nTRIAL=\n'.padEnd(1024, '#')
}
