// Runs once before all image tests: the packages. Images are built when a test first asks for one.

import { say } from '../interop/lab/run.ts'

export default async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return say('not root: the image tests are skipped (they make taps and namespaces)')
  const machine = new URL('../../scripts/machine.js', import.meta.url).href
  const { ensurePackages } = (await import(machine)) as {
    ensurePackages(packages: readonly string[], why: string): void
  }
  ensurePackages(
    ['qemu-system-x86', 'qemu-system-arm', 'ovmf', 'u-boot-qemu', 'mtools', 'squashfs-tools', 'rauc'],
    'the image tests',
  )
}
