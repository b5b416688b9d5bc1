// Runs once before all image tests: packages, and both images of the commit, kept until another commit is there.

import { say } from '../interop/lab/run.ts'
import { ensureImage } from './images.ts'

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
  for (const board of boards) await ensureImage(board)
}

const boards = ['qemu-x86_64', 'qemu-arm64'] as const
