// The guests' file trees: Debian packages, unpacked and never configured, built once and kept under .cache.
// Two trees, because strongSwan and libreswan exclude each other. Every guest mounts one read-only.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { must, say } from './run.ts'

export type RootName = 'strongswan' | 'libreswan'

const suite = 'bookworm'
const common = [
  ...['bash', 'dash', 'coreutils', 'util-linux', 'mount', 'sed', 'grep', 'mawk', 'procps', 'kmod', 'libc-bin'],
  ...[
    'iproute2',
    'iputils-ping',
    'iperf3',
    'bind9-dnsutils',
    'netcat-openbsd',
    'socat',
    'openssl',
    'perl-base',
    'netbase',
  ],
  ...['nftables', 'xl2tpd', 'ppp'],
]
const packages: Readonly<Record<RootName, readonly string[]>> = {
  strongswan: [
    ...common,
    'charon-systemd',
    'strongswan-swanctl',
    'libstrongswan-standard-plugins',
    'libstrongswan-extra-plugins',
    'libcharon-extra-plugins',
  ],
  libreswan: [...common, 'libreswan'],
}

/** The first program of a guest: finds the lab's own scripts on the host and goes on there. */
const boot = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
for word in $(cat /proc/cmdline); do case $word in lab.scripts=*) scripts=\${word#*=} ;; esac; done
mount -t hostfs -o "$scripts" hostfs /lab
exec /lab/init.sh
`
const files: Readonly<Record<string, string>> = {
  'lab-boot': boot,
  'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n',
  'etc/group': 'root:x:0:\ndip:x:30:\nshadow:x:42:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/resolv.conf': '',
}

/** Where guests' trees and modules are kept. */
export const cache = join(
  process.env.GATEHOUSE_CACHE ?? join(import.meta.dirname, '..', '..', '..', '.cache'),
  'interop',
)

export function rootPath(name: RootName): string {
  const recipe = JSON.stringify([suite, packages[name], files, 1])
  return join(cache, `${name}-${createHash('sha256').update(recipe).digest('hex').slice(0, 12)}`)
}

/** Builds the trees that are missing, side by side; half a minute at most, no time at all when they are there. */
export async function ensureRoots(): Promise<void> {
  const missing = (Object.keys(packages) as RootName[]).filter((name) => !existsSync(rootPath(name)))
  if (missing.length === 0) return
  mkdirSync(cache, { recursive: true })
  for (const name of missing) discardOld(name)
  await Promise.all(missing.map(build))
}

async function build(name: RootName): Promise<void> {
  const began = Date.now()
  say(`building the ${name} guest from Debian packages`)
  const path = rootPath(name)
  const draft = `${path}.draft-${process.pid}`
  const include = packages[name].join(',')
  try {
    await must(
      'mmdebstrap',
      ['--mode=root', '--variant=extract', `--include=${include}`, suite, draft, ...debianSources()],
      { timeoutMs: 300_000 },
    )
    for (const dir of ['lab', 'share', 'proc', 'sys', 'run', 'dev', 'tmp', 'lib/modules'])
      mkdirSync(join(draft, dir), { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(draft, file), text, { mode: 0o755 })
    for (const ballast of ['doc', 'man', 'locale', 'zoneinfo'])
      rmSync(join(draft, 'usr/share', ballast), { recursive: true, force: true })
    await must('ldconfig', ['-r', draft])
    renameSync(draft, path)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
  say(`built the ${name} guest in ${((Date.now() - began) / 1000).toFixed(0)} s`)
}

function discardOld(name: RootName): void {
  for (const entry of readdirSync(cache))
    if (entry.startsWith(`${name}-`) && !entry.includes('.draft-'))
      rmSync(join(cache, entry), { recursive: true, force: true })
}

/** The machine's own Debian sources, if they are of the same suite: a mirror that it is told to use is used here too. */
function debianSources(): string[] {
  const folder = '/etc/apt/sources.list.d'
  const candidates = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((file) => join(folder, file)) : []),
  ]
  return candidates.filter((file) => {
    if (!existsSync(file) || !/\.(list|sources)$/.test(file)) return false
    return new RegExp(`(^|\\s)${suite}(\\s|$)`, 'm').test(readFileSync(file, 'utf8'))
  })
}
