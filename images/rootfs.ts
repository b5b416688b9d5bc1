// The root file system as a folder: Debian packages unpacked, ballast away, our files and our program over them. No line of a package's scripts
// runs; what they would have done and the device needs is done here, in the open.
//
//   packages → ballast → modules → accounts and links → overlay → board's facts → program → units
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { $ } from 'zx'
import type { Board } from '../board/common/board.ts'
import { changesOf, write as writeSystem } from '../src/system/disk.ts'
import { systemFiles } from '../src/system/files.ts'
import { keepModules } from './modules.ts'
import { type DebianPackage, unpack } from './packages.ts'
import { layProgram, type NpmPackage } from './program.ts'
import { ballast, enabledUnits, maskedUnits, neverUnpacked, startModules, users } from './recipe.ts'
import type { Sources } from './sources.ts'

export type RootOptions = {
  readonly board: Board
  readonly sources: Sources
  readonly cache: string
  /** Packages as fetched; those of `neverUnpacked` are left out. */
  readonly packages: readonly DebianPackage[]
  /** Certificate (PEM) whose holder may sign updates. */
  readonly authority: string
  /** Folders laid over the root last, for tests and for one's own additions. */
  readonly overlays: readonly string[]
  /** Whether it is signed by a development key: the device says so. */
  readonly development: boolean
}

export type Root = {
  readonly debian: readonly DebianPackage[]
  readonly npm: readonly NpmPackage[]
  readonly kernel: string
}

/** Fills the empty folder `root`. */
export async function layRoot(root: string, options: RootOptions): Promise<Root> {
  const { board, sources, cache } = options
  const debian = options.packages.filter(({ name }) => !neverUnpacked.some((pattern) => pattern.test(name)))
  mergeUsr(root, board)
  await unpack(debian, root)
  for (const path of ballast) rmSync(join(root, path), { recursive: true, force: true })
  const kernel = await layKernel(root)
  layAccounts(root)
  layLinks(root, board)
  cpSync(join(sources.folder, 'images/overlay'), root, { recursive: true, verbatimSymlinks: true })
  const own = join(sources.folder, 'board', board.name, 'overlay')
  if (existsSync(own)) cpSync(own, root, { recursive: true, verbatimSymlinks: true })
  layFacts(root, options)
  laySystem(root, board)
  const npm = await layProgram(sources.folder, board.architecture, cache, root)
  for (const overlay of options.overlays) cpSync(overlay, root, { recursive: true, verbatimSymlinks: true })
  enableUnits(root)
  return { debian, npm, kernel }
}

/** Since bookworm /bin, /sbin and /lib are links into /usr; packages still carry files below the old names. */
function mergeUsr(root: string, board: Board): void {
  for (const folder of ['bin', 'sbin', 'lib', ...(board.architecture === 'amd64' ? ['lib64'] : [])]) {
    mkdirSync(join(root, 'usr', folder), { recursive: true })
    symlinkSync(`usr/${folder}`, join(root, folder))
  }
  for (const folder of [
    'proc',
    'sys',
    'dev',
    'run',
    'tmp',
    'root',
    'config',
    'mnt',
    'etc',
    'var/log',
    'var/lib',
    'var/tmp',
    'boot',
  ])
    mkdirSync(join(root, folder), { recursive: true })
  for (const folder of ['tmp', 'var/tmp']) chmodSync(join(root, folder), 0o1777)
}

/** The kernel under a fixed name, and only the modules that a gateway can use. */
async function layKernel(root: string): Promise<string> {
  const version = readdirSync(join(root, 'usr/lib/modules'))[0]
  if (!version) throw new Error('the packages brought no kernel modules')
  renameSync(join(root, `boot/vmlinuz-${version}`), join(root, 'boot/vmlinuz'))
  for (const file of readdirSync(join(root, 'boot'))) if (file !== 'vmlinuz') rmSync(join(root, 'boot', file))
  await keepModules(root, version)
  return version
}

const nobody = 65534

function layAccounts(root: string): void {
  const entries = Object.entries(users)
  const home = (name: string) => (name === 'root' ? '/root' : '/nonexistent')
  const shell = (name: string) => (name === 'root' ? '/bin/sh' : '/usr/sbin/nologin')
  const passwd = entries.map(([name, id]) => `${name}:x:${id}:${id}::${home(name)}:${shell(name)}`)
  const group = entries.map(([name, id]) => `${name}:x:${id}:`)
  const system =
    'adm:4 tty:5 disk:6 lp:7 kmem:15 dialout:20 fax:21 voice:22 cdrom:24 tape:26 audio:29 dip:30 utmp:43 video:44 plugdev:46 input:104 sgx:105 kvm:106 render:107 systemd-journal:108 systemd-resolve:109 shadow:42 staff:50 users:100000'
  write(root, 'etc/passwd', [...passwd, `nobody:x:${nobody}:${nobody}::/nonexistent:/usr/sbin/nologin`].join('\n'))
  const groups = system.split(' ').map((entry) => `${entry.replace(':', ':x:')}:`)
  write(root, 'etc/group', [...group, ...groups, `nogroup:x:${nobody}:`].join('\n'))
  // Nobody logs in by a password of the system's: the console has its own.
  write(
    root,
    'etc/shadow',
    [...entries.map(([name]) => `${name}:!:0:0:99999:7:::`), 'nobody:!:0:0:99999:7:::'].join('\n'),
  )
  chmodSync(join(root, 'etc/shadow'), 0o600)
  write(
    root,
    'etc/nsswitch.conf',
    'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files',
  )
}

function layLinks(root: string, board: Board): void {
  link(root, 'usr/bin/awk', 'mawk')
  link(root, 'usr/sbin/init', '../lib/systemd/systemd')
  link(root, 'etc/localtime', '/usr/share/zoneinfo/Etc/UTC')
  link(root, 'etc/mtab', '../proc/self/mounts')
  link(root, 'var/run', '/run')
  link(root, 'var/lock', '/run/lock')
  link(root, 'var/lib/gatehouse', '/run/gatehouse')
  write(root, 'etc/hostname', 'gatehouse')
  write(root, 'etc/hosts', '127.0.0.1 localhost\n::1 localhost ip6-localhost')
  write(root, 'etc/machine-id', '')
  write(root, 'etc/fstab', '')
  write(root, 'etc/modules-load.d/gatehouse.conf', [...board.modules, ...engineModules(board)].join('\n'))
  write(root, 'etc/gatehouse/modules', startModules.join('\n'))
  rmSync(join(root, 'usr/lib/x86_64-linux-gnu/perl-base'), { recursive: true, force: true })
}

function engineModules({ engines, watchdog }: Board): readonly string[] {
  return [...engines.flatMap(({ module }) => module ?? []), ...(watchdog?.module ? [watchdog.module] : [])]
}

/** Firewall, logs and watchdog of a board without a configuration; at start `system apply` changes what its configuration says otherwise. */
function laySystem(root: string, board: Board): void {
  writeSystem(changesOf(systemFiles(undefined, board), root), root)
}

/** What this image is, and what the board's ports are called. */
function layFacts(root: string, { board, sources, authority, development }: RootOptions): void {
  write(root, 'etc/gatehouse/board', board.name)
  write(root, 'etc/gatehouse/firmware', `${sources.version}${development ? ' (development key)' : ''}`)
  write(root, 'etc/rauc/authority.pem', authority.trimEnd())
  write(
    root,
    'etc/rauc/system.conf',
    readFileSync(join(root, 'etc/rauc/system.conf'), 'utf8').replace('@BOARD@', board.name).trimEnd(),
  )
  const ordered = board.ports.flatMap(({ name, match }) => (match.by === 'order' ? [{ name, index: match.index }] : []))
  if (ordered.length > 0)
    write(
      root,
      'etc/gatehouse/ports',
      ordered
        .toSorted((a, b) => a.index - b.index)
        .map(({ name }) => name)
        .join('\n'),
    )
  for (const { name, match } of board.ports) {
    const by =
      match.by === 'path'
        ? `Path=${match.path}`
        : match.by === 'kernel-name'
          ? `OriginalName=${match.kernelName}`
          : undefined
    if (by)
      write(
        root,
        `etc/systemd/network/10-port-${name}.link`,
        `[Match]\n${by}\n\n[Link]\nName=${name}\nMACAddressPolicy=none`,
      )
  }
  const { device, baud } = board.console
  const drop = `[Unit]\nAfter=dev-${device}.device\n\n[Service]\nEnvironment=GATEHOUSE_TTY=/dev/${device} GATEHOUSE_BAUD=${baud} TERM=vt100`
  write(root, 'etc/systemd/system/gatehouse-console.service.d/board.conf', drop)
}

/** Masks and enables: the packages' units by the recipe, ours and the overlays' by what their [Install] says. */
function enableUnits(root: string): void {
  const folder = join(root, 'etc/systemd/system')
  for (const unit of maskedUnits) link(root, `etc/systemd/system/${unit}`, '/dev/null')
  const ours = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile())
  const wanted = ours.flatMap(({ name }) =>
    [...readFileSync(join(folder, name), 'utf8').matchAll(/^WantedBy=(.+)$/gm)].map(
      ([, target]) => [name, target!] as const,
    ),
  )
  for (const [unit, target] of [...Object.entries(enabledUnits), ...wanted]) {
    const from = ['etc', 'usr/lib'].map((place) => join(root, place, 'systemd/system', unit)).find(existsSync)
    if (!from) throw new Error(`recipe.ts enables ${unit}, which no package and no overlay brings`)
    link(root, `etc/systemd/system/${target}.wants/${unit}`, from.slice(root.length))
  }
  link(root, 'etc/systemd/system/default.target', '/usr/lib/systemd/system/multi-user.target')
}

/** A file with a last newline, its folders made. */
export function write(root: string, path: string, text: string): void {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  rmSync(file, { force: true })
  writeFileSync(file, text === '' ? '' : `${text}\n`, { mode: 0o644 })
}

function link(root: string, path: string, target: string): void {
  const file = join(root, path)
  mkdirSync(dirname(file), { recursive: true })
  rmSync(file, { recursive: true, force: true })
  symlinkSync(target, file)
}

/** The search index of the loader, for the machine's own architecture; elsewhere the loader's default folders are enough. */
export async function indexLibraries(root: string, board: Board): Promise<void> {
  if (board.architecture !== 'amd64') return
  write(root, 'etc/ld.so.conf', 'include /etc/ld.so.conf.d/*.conf')
  await $({ quiet: true })`ldconfig -X -r ${root}`
  // Holds inode numbers and times of the machine that built it.
  rmSync(join(root, 'var/cache/ldconfig'), { recursive: true, force: true })
}
