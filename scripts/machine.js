// What the bootstrap scripts share: plain JavaScript for the machine's own Node 20, with nothing installed yet.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')
export const isRoot = process.getuid?.() === 0

export function say(text) {
  process.stdout.write(process.stdout.isTTY ? `\x1b[1m==>\x1b[0m ${text}\n` : `==> ${text}\n`)
}

/** Ends the process with one sentence. */
export function fail(text, code = 1) {
  process.stderr.write(`gatehouse: ${text}\n`)
  process.exit(code)
}

/** Runs a command in the checkout; its output is shown, or with `quiet` only when it fails. */
export function run(command, args, { quiet = false, env = {}, allowFailure = false } = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
    env: { ...process.env, ...env },
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.status !== 0 && !allowFailure) {
    if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
    fail(
      `${command} ${args.join(' ')} failed${result.error ? `: ${result.error.message}` : ` (${result.signal ?? result.status})`}`,
    )
  }
  return result
}

export function has(command) {
  return spawnSync('sh', ['-c', `command -v ${command}`], { stdio: 'ignore' }).status === 0
}

/** Which of these Debian packages are not installed. */
export function missingPackages(packages) {
  if (!has('dpkg-query')) return []
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own form of fields
  const form = '${Package} ${db:Status-Status}\n'
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f', form, ...packages], { encoding: 'utf8' })
  const installed = new Set(
    stdout
      .split('\n')
      .filter((line) => line.endsWith(' installed'))
      .map((line) => line.split(' ')[0]),
  )
  return packages.filter((name) => !installed.has(name))
}

/** Installs what is missing, and says what and why first. Without root it says what to install and ends. */
export function ensurePackages(packages, why) {
  const missing = missingPackages(packages)
  if (missing.length === 0) return
  if (!isRoot) fail(`${why} needs Debian packages that are missing. As root: apt-get install ${missing.join(' ')}`)
  say(`installing for ${why}: ${missing.join(' ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const install = ['-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends', ...missing]
  run('apt-get', ['-q', 'update'], { quiet: true, env })
  run('apt-get', install, { quiet: true, env })
}

const stamp = `${root}/node_modules/.gatehouse-lock`

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(`${root}/package-lock.json`))
    .digest('hex')
}

/** `npm ci`, unless it has been done for this lock file; afterwards the pinned Node is there. */
export function ensureNodeModules() {
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash()) return
  say('installing the npm packages of the lock file, Node 24 among them')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true })
  const version = run(pinnedNode(), ['--version'], { quiet: true }).stdout.toString().trim()
  if (!version.startsWith('v24.')) fail(`the pinned Node says ${version}; npm ci should have brought v24`)
  writeFileSync(stamp, lockHash())
}

/** The Node that everything but these scripts runs on. */
export function pinnedNode() {
  return `${root}/node_modules/node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}/bin/node`
}

/** What building the native module takes. */
export const buildPackages = [
  'cmake',
  'make',
  'g++',
  'libssl-dev',
  ...(process.arch === 'x64' ? ['libipsec-mb-dev'] : []),
]
/** What the gateway uses at run time. */
export const runPackages = ['nftables', 'iproute2', 'iputils-ping', 'procps']
