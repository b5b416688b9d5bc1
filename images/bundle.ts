// The update: one slot in a RAUC bundle of the form `verity`, the only one that devices take. Signed; read by the device while it is verified.
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { $ } from 'zx'
import type { Board } from '../board/common/board.ts'
import type { Signer } from './keys.ts'

export type BundleOptions = {
  readonly board: Board
  readonly version: string
  /** The slot's squashfs. */
  readonly slot: string
  readonly signer: Signer
  readonly scratch: string
  readonly out: string
}

/** Writes the bundle `out`. The signature carries the time at which it was made: of all that a build hands out, it alone differs between two builds. */
export async function makeBundle({ board, version, slot, signer, scratch, out }: BundleOptions): Promise<void> {
  const folder = join(scratch, 'bundle')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  linkSync(slot, join(folder, 'rootfs.squashfs'))
  const manifest = [
    '[update]',
    `compatible=gatehouse-${board.name}`,
    `version=${version}`,
    '',
    '[bundle]',
    'format=verity',
    '',
    '[image.rootfs]',
    'filename=rootfs.squashfs',
    '',
  ]
  writeFileSync(join(folder, 'manifest.raucm'), manifest.join('\n'))
  rmSync(out, { force: true })
  // The slot is compressed already: packing it once more would only cost the device time.
  const squash = '--mksquashfs-args=-noD -noF -noI'
  await $({ quiet: true })`rauc bundle --cert=${signer.certificate} --key=${signer.key} ${squash} ${folder} ${out}`
}
