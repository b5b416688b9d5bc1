// Debian's own kernel for a guest in QEMU: unpacked, never installed; netdevsim, which Debian leaves out, built for it from Debian's source of the same
// version; and an initramfs that mounts the host's folders. Built once, in about a minute, and kept under .cache/engines.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureFiles } from '../../interop/lab/packages.ts'
import { must, say } from '../../interop/lab/run.ts'
import { checkout, scripts } from './guest.ts'

export type Kernel = { readonly image: string; readonly initramfs: string; readonly modules: string }

const cache = join(process.env.GATEHOUSE_CACHE ?? join(checkout, '.cache'), 'engines')

/** Debian package → a file by which we know that it is there. */
const tools = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'busybox-static': '/bin/busybox',
  kmod: '/usr/sbin/depmod',
  cpio: '/usr/bin/cpio',
  make: '/usr/bin/make',
  'gcc-12': '/usr/bin/gcc-12',
  'xz-utils': '/usr/bin/xz',
}
/** What mounting the host's folders takes; the rest is loaded from there. */
const early = ['virtio_pci', '9p', '9pnet_virtio']

export async function ensureKernel(): Promise<Kernel> {
  await ensureFiles(tools)
  const packages = await packageNames()
  const folder = join(cache, `kernel-${packages.release}-1`)
  if (!existsSync(folder)) await build(folder, packages)
  const script = readFileSync(join(scripts, 'initramfs.sh'))
  const initramfs = join(folder, `initramfs-${createHash('sha256').update(script).digest('hex').slice(0, 12)}`)
  if (!existsSync(initramfs)) await buildInitramfs(folder, packages.release, initramfs)
  return {
    image: join(folder, `boot/vmlinuz-${packages.release}`),
    initramfs,
    modules: join(folder, 'lib/modules'),
  }
}

type Packages = { readonly release: string; readonly names: readonly string[] }

/** `linux-image-amd64` stands for the newest of its series; the one that is here already is good enough. */
async function packageNames(): Promise<Packages> {
  const here = existsSync(cache) ? readdirSync(cache).find((name) => /^kernel-.*-1$/.test(name)) : undefined
  let release = here?.slice('kernel-'.length, -'-1'.length)
  if (release === undefined) {
    const told = await must('apt-cache', ['depends', 'linux-image-amd64'])
    release = /linux-image-(\S+)/.exec(told.replace('linux-image-amd64\n', ''))?.[1]
    if (release === undefined)
      throw new Error(`Debian's archive names no kernel for amd64; apt-get update is right:\n${told}`)
  }
  const common = release.replace(/-amd64$/, '-common')
  const names = [
    `linux-image-${release}`,
    `linux-headers-${release}`,
    `linux-headers-${common}`,
    'linux-kbuild-6.1',
    'linux-source-6.1',
  ]
  return { release, names }
}

async function build(folder: string, { release, names }: Packages): Promise<void> {
  const began = Date.now()
  say(`unpacking Debian's kernel ${release} and building netdevsim for it`)
  mkdirSync(cache, { recursive: true })
  const draft = `${folder}.draft-${process.pid}`
  const work = `${draft}.work`
  try {
    for (const dir of [draft, work]) mkdirSync(dir)
    const sandbox = ['-o', 'APT::Sandbox::User=root']
    await must('apt-get', ['download', ...sandbox, ...names], { cwd: work, timeoutMs: 600_000 })
    const debs = readdirSync(work).filter((name) => name.endsWith('.deb'))
    for (const deb of debs) {
      if (deb.startsWith('linux-source')) continue
      const to = deb.startsWith('linux-image') ? draft : work
      await must('sh', ['-c', `dpkg-deb --fsys-tarfile ${deb} | tar -x -C ${to}`], { cwd: work, timeoutMs: 120_000 })
    }
    await buildNetdevsim(work, release, debs.find((deb) => deb.startsWith('linux-source'))!)
    const modules = join(draft, 'lib/modules', release)
    await must('cp', [join(work, 'netdevsim/netdevsim.ko'), join(modules, 'kernel/drivers/net/')])
    await must('depmod', ['-b', draft, release])
    renameSync(draft, folder)
  } finally {
    for (const dir of [draft, work]) rmSync(dir, { recursive: true, force: true })
  }
  say(`built them in ${((Date.now() - began) / 1000).toFixed(0)} s`)
}

/** The headers' one Makefile names their installed place; here they stay where they were unpacked. */
async function buildNetdevsim(work: string, release: string, source: string): Promise<void> {
  const headers = join(work, 'usr/src', `linux-headers-${release}`)
  const makefile = join(headers, 'Makefile')
  writeFileSync(makefile, readFileSync(makefile, 'utf8').replaceAll('/usr/src/', `${work}/usr/src/`))
  await must(
    'sh',
    [
      '-c',
      `dpkg-deb --fsys-tarfile ${source} | tar -xO ./usr/src/linux-source-6.1.tar.xz | xz -T0 -dc | tar -x --wildcards '*/drivers/net/netdevsim' --strip-components=3`,
    ],
    { cwd: work, timeoutMs: 300_000 },
  )
  const make = ['-n', '5', 'make', '-s', '-C', headers, `M=${join(work, 'netdevsim')}`, 'CONFIG_NETDEVSIM=m', 'modules']
  await must('nice', make, { timeoutMs: 300_000 })
}

async function buildInitramfs(root: string, release: string, to: string): Promise<void> {
  const folder = `${to}.draft-${process.pid}`
  mkdirSync(join(folder, 'bin'), { recursive: true })
  const inserted: string[] = []
  for (const name of early) {
    const told = await must('modprobe', ['-d', root, '-S', release, '--show-depends', name])
    for (const [, path] of told.matchAll(/^insmod (\S+)/gm)) if (!inserted.includes(path!)) inserted.push(path!)
  }
  for (const path of inserted) await must('cp', [path, folder])
  writeFileSync(join(folder, 'modules'), inserted.map((path) => `/${path.slice(path.lastIndexOf('/') + 1)}\n`).join(''))
  await must('cp', ['/bin/busybox', join(folder, 'bin/busybox')])
  await must('ln', ['-s', 'busybox', join(folder, 'bin/sh')])
  await must('cp', [join(scripts, 'initramfs.sh'), join(folder, 'init')])
  await must('sh', ['-c', `find . | cpio -o -H newc --quiet | gzip -1 >${to}.new`], { cwd: folder })
  renameSync(`${to}.new`, to)
  rmSync(folder, { recursive: true })
}
