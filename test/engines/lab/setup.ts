// Before the first guest: the packages, the tree that guests boot from, and the C++ tests, which guests run.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ensureFiles } from '../../interop/lab/packages.ts'
import { ensureRoots } from '../../interop/lab/roots.ts'
import { checkout } from './guest.ts'

const native = join(checkout, 'native')

export async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return
  await ensureFiles({
    'user-mode-linux': '/usr/bin/linux.uml',
    mmdebstrap: '/usr/bin/mmdebstrap',
    kmod: '/usr/sbin/modprobe',
  })
  await ensureRoots()
  const out = join(native, 'build-core')
  const generator = existsSync(join(out, 'CMakeCache.txt')) || !existsSync('/usr/bin/ninja') ? [] : ['-G', 'Ninja']
  for (const args of [
    ['-S', native, '-B', out, ...generator],
    ['--build', out, '-j', '2', '--target', 'gatehouse-test', '--target', 'gatehouse-test-pipeline'],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (status !== 0) throw new Error(`the C++ tests do not build:\n${stdout}${stderr}`)
  }
}
