// Kernel modules for a gateway's guest. Debian's user-mode kernel has ESP, L2TP and PPP, but its nf_tables knows neither IPv4 nor `inet`, and
// xfrm interfaces and L2TP's netlink are left out. These few modules are built from Debian's source of the same version, with what is missing
// switched on; the rest are Debian's own. Half a minute, once; kept under .cache.
import { createHash } from 'node:crypto'
import {
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
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { ensureFiles } from './packages.ts'
import { cache } from './roots.ts'
import { must, say } from './run.ts'

const debians = '/usr/lib/uml/modules'

/** Options added to the user-mode kernel's own configuration: none of them changes a structure that other modules or the kernel use. */
const options = `
CONFIG_NF_TABLES_INET=y
CONFIG_NF_TABLES_IPV4=y
CONFIG_NF_TABLES_IPV6=y
CONFIG_NFT_NAT=m
CONFIG_NFT_REJECT_INET=m
CONFIG_NFT_FIB_INET=m
CONFIG_NFT_FIB_IPV4=m
CONFIG_NFT_FIB_IPV6=m
CONFIG_XFRM_INTERFACE=m
CONFIG_L2TP_V3=y
`
/** What these options bring or change. */
const built = [
  ...[
    'nf_tables',
    'nf_nat',
    'nft_chain_nat',
    'nft_nat',
    'nft_masq',
    'nft_redir',
    'nft_reject_inet',
    'nft_fib',
    'nft_fib_inet',
  ].map((name) => `net/netfilter/${name}.ko`),
  'net/ipv4/netfilter/nft_reject_ipv4.ko',
  'net/ipv4/netfilter/nft_fib_ipv4.ko',
  'net/ipv6/netfilter/nft_fib_ipv6.ko',
  'net/l2tp/l2tp_ppp.ko',
  'net/l2tp/l2tp_netlink.ko',
  'net/xfrm/xfrm_interface.ko',
]
/** Debian package → a file by which we know that it is there. */
const tools = {
  make: '/usr/bin/make',
  gcc: '/usr/bin/gcc',
  flex: '/usr/bin/flex',
  bison: '/usr/bin/bison',
  bc: '/usr/bin/bc',
  'xz-utils': '/usr/bin/xz',
  kmod: '/usr/sbin/depmod',
}
/** Of the source, what neither headers nor the build of these modules needs: unpacking takes five seconds instead of thirty. */
const left = ['drivers/*.[cSh]', 'sound/*.[ch]', 'fs/*.c', 'Documentation/*', 'tools/testing/*', '*.dts', '*.dtsi']

/** The release of the user-mode kernel, `6.1.176`. */
function release(): string {
  return readdirSync(debians)[0] as string
}

export function modulesPath(): string {
  const recipe = createHash('sha256')
    .update(JSON.stringify([release(), options, built, 1]))
    .digest('hex')
  return join(cache, `modules-${release()}-${recipe.slice(0, 12)}`)
}

/** Builds the folder of modules if it isn't there. */
export async function ensureModules(): Promise<void> {
  const path = modulesPath()
  if (existsSync(path)) return
  await ensureFiles(tools)
  mkdirSync(cache, { recursive: true })
  for (const entry of readdirSync(cache))
    if (entry.startsWith('modules-') && !entry.includes('.draft-')) rmSync(join(cache, entry), { recursive: true })
  const began = Date.now()
  say(`building nf_tables for IPv4, xfrm interfaces and L2TP netlink for the guests' kernel ${release()}`)
  const draft = `${path}.draft-${process.pid}`
  const source = `${draft}.source`
  try {
    mkdirSync(source, { recursive: true })
    await unpack(source)
    await build(source)
    collect(source, draft)
    await index(draft)
    renameSync(draft, path)
  } finally {
    for (const dir of [draft, source]) rmSync(dir, { recursive: true, force: true })
  }
  say(`built them in ${((Date.now() - began) / 1000).toFixed(0)} s`)
}

/** The source of the kernel that the guests run: another version's modules would not load. */
async function unpack(dir: string): Promise<void> {
  const listing = await must('apt-cache', ['madison', 'linux-source-6.1'])
  const version = listing
    .split('\n')
    .map((line) => line.split('|')[1]?.trim() ?? '')
    .find((candidate) => candidate.startsWith(`${release()}-`))
  if (version === undefined)
    throw new Error(
      `the guests' kernel is ${release()}, and Debian's archive no longer has linux-source-6.1 of this version: update user-mode-linux, or keep .cache/interop from another machine\n${listing}`,
    )
  await must('apt-get', ['download', `linux-source-6.1=${version}`], { cwd: dir, timeoutMs: 300_000 })
  const excluded = left.map((pattern) => `--exclude='*/${pattern}'`).join(' ')
  await must(
    'sh',
    [
      '-c',
      `dpkg-deb --fsys-tarfile *.deb | tar -xO ./usr/src/linux-source-6.1.tar.xz | xz -T0 -dc | tar -x --strip-components=1 ${excluded}`,
    ],
    { cwd: dir, timeoutMs: 300_000 },
  )
}

async function build(dir: string): Promise<void> {
  mkdirSync(join(dir, 'Documentation'), { recursive: true })
  writeFileSync(join(dir, 'Documentation', 'Kconfig'), '')
  writeFileSync(join(dir, '.config'), kernelConfiguration() + options)
  const make = ['-s', '-j2', 'ARCH=um', 'LOCALVERSION=', 'KBUILD_MODPOST_WARN=1']
  await must('make', [...make, 'olddefconfig'], { cwd: dir, timeoutMs: 120_000 })
  await must('nice', ['-n', '5', 'make', ...make, 'modules_prepare', ...built], { cwd: dir, timeoutMs: 900_000 })
}

/** What CONFIG_IKCONFIG left in the module `configs`. */
function kernelConfiguration(): string {
  const octets = readFileSync(join(debians, release(), 'kernel/kernel/configs.ko'))
  const [from, to] = [octets.indexOf('IKCFG_ST'), octets.indexOf('IKCFG_ED')]
  if (from < 0 || to < 0) throw new Error(`configs.ko of ${release()} holds no configuration`)
  return gunzipSync(octets.subarray(from + 8, to)).toString()
}

function collect(source: string, dir: string): void {
  cpSync(join(debians, release()), join(dir, release()), { recursive: true })
  for (const name of built) cpSync(join(source, name), join(dir, release(), 'kernel', name))
}

/** depmod wants its folder to be called lib/modules. */
async function index(dir: string): Promise<void> {
  mkdirSync(join(dir, 'lib'))
  symlinkSync('..', join(dir, 'lib', 'modules'))
  await must('/usr/sbin/depmod', ['-b', dir, release()])
  rmSync(join(dir, 'lib'), { recursive: true })
}
