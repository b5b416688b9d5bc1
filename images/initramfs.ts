// The initramfs: busybox, the modules that the disk and the slot take, and one script that lays the slot's squashfs, a tmpfs over it and the
// configuration partition, then hands over to systemd. A megabyte or two; it lies inside the slot, beside the kernel that it belongs to.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { $ } from 'zx'
import type { Board } from '../board/common/board.ts'
import { insertionOrder } from './modules.ts'
import { type DebianPackage, unpack } from './packages.ts'
import { initramfsModules } from './recipe.ts'

/** Writes boot/initrd.img below `root`. `epoch` dates every file in it. */
export async function layInitramfs(
  root: string,
  board: Board,
  kernel: string,
  busybox: DebianPackage,
  sources: string,
  epoch: number,
): Promise<void> {
  const folder = mkdtempSync(join(dirname(root), 'initramfs-'))
  try {
    for (const sub of ['bin', 'dev', 'proc', 'sys', 'run', 'slot', 'memory', 'root']) mkdirSync(join(folder, sub))
    const unpacked = join(folder, 'unpacked')
    mkdirSync(unpacked)
    await unpack([busybox], unpacked)
    cpSync(join(unpacked, 'bin/busybox'), join(folder, 'bin/busybox'))
    rmSync(unpacked, { recursive: true })
    symlinkSync('busybox', join(folder, 'bin/sh'))
    const modules = insertionOrder(root, kernel, [...board.diskModules, ...initramfsModules])
    for (const path of modules) {
      const to = join(folder, path)
      mkdirSync(dirname(to), { recursive: true })
      cpSync(join(root, path), to)
    }
    writeFileSync(join(folder, 'modules'), modules.map((path) => `/${path}\n`).join(''))
    cpSync(join(sources, 'images/init.sh'), join(folder, 'init'))
    await $({
      quiet: true,
    })`chmod 755 ${folder}/init ${folder}/bin/busybox && find ${folder} -exec touch -h -d @${epoch} {} +`
    const pack =
      'find . -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --owner=0:0 --reproducible --quiet | gzip -9 -n'
    await $({ cwd: folder, quiet: true })`sh -c ${pack} > ${join(root, 'boot/initrd.img')}`
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
