// `npm test`: installs what the tests need, runs every suite one after the other, and ends with the line `N passed, N failed, N skipped`.
// `npm test -- unit native` runs only the suites named. Plain JavaScript: on a fresh machine Node 24 isn't here yet.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  buildPackages,
  ensureNodeModules,
  ensurePackages,
  fail,
  isRoot,
  pinnedNode,
  root,
  runPackages,
  say,
} from './machine.js'

/** For the sanitizers, the fuzzers and the checks of C++; for the tests of image flash. */
const checkPackages = ['clang', 'clang-tidy', 'clang-format', 'libclang-rt-14-dev', 'llvm', 'openssl', 'gdisk']

/** Cables between a serial console and what drives it. */
const consolePackages = ['socat']

const bin = (name) => `${root}/node_modules/.bin/${name}`
const vitest = (config) => [
  pinnedNode(),
  `${root}/node_modules/vitest/vitest.mjs`,
  'run',
  ...(config ? ['--config', config] : []),
]

/** Each suite: one command, and how its counts are read. `check`: the command is one test, passed or failed. `verbose` tells each test as it ends;
 * `onDemand`: only when it is named. */
const suites = [
  { name: 'format', counts: 'check', command: [bin('biome'), 'ci', '--colors=off', '.'] },
  { name: 'types', counts: 'check', command: [bin('tsc'), '--noEmit'] },
  { name: 'native', counts: 'closing line', command: [process.execPath, `${root}/scripts/test-native.js`] },
  { name: 'unit', counts: 'vitest', command: vitest() },
  { name: 'system', counts: 'vitest', reporter: 'verbose', command: vitest('test/system/vitest.config.ts') },
  { name: 'engines', counts: 'vitest', reporter: 'verbose', command: vitest('test/engines/vitest.config.ts') },
  { name: 'interop', counts: 'vitest', reporter: 'verbose', command: vitest('test/interop/vitest.config.ts') },
  {
    name: 'kernel-plane',
    counts: 'vitest',
    reporter: 'verbose',
    env: { GATEHOUSE_DATAPLANE: 'kernel', GATEHOUSE_LAB_MEGABYTES: '10', GATEHOUSE_LAB_LOGINS: 'few' },
    command: [...vitest('test/interop/vitest.config.ts'), 'logins', 'four-clients', 'endings', 'dataplane'],
  },
  // By its name only: npm run interop:kernel.
  {
    name: 'interop:kernel',
    counts: 'vitest',
    reporter: 'verbose',
    onDemand: true,
    env: { GATEHOUSE_DATAPLANE: 'kernel' },
    command: vitest('test/interop/vitest.config.ts'),
  },
]

const chosen = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const unknown = chosen.filter((word) => !suites.some((suite) => suite.name === word))
if (unknown.length > 0)
  fail(`there is no suite ${unknown.join(', ')}; known are ${suites.map((suite) => suite.name).join(', ')}`, 2)

ensurePackages([...buildPackages, ...runPackages, ...checkPackages, ...consolePackages], 'the tests')
ensureNodeModules()
process.chdir(root)

const scratch = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
const total = { passed: 0, failed: 0, skipped: 0 }
const began = Date.now()
let current

// Stopped in the middle: the suite gets the signal and cleans up after itself; then we go.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    current?.kill(signal)
    process.exitCode = 130
  })
}

await build()
for (const suite of suites) {
  if (chosen.length > 0 ? !chosen.includes(suite.name) : suite.onDemand) continue
  if (process.exitCode === 130) break
  const counts = await runSuite(suite)
  for (const key of Object.keys(total)) total[key] += counts[key]
}
rmSync(scratch, { recursive: true, force: true })
if (!isRoot) say('not run as root: what needs namespaces and TUN devices was skipped, by name, above')
say(`all suites took ${minutes(Date.now() - began)}`)
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`)
process.exitCode ||= total.failed > 0 || total.passed === 0 ? 1 : 0

async function build() {
  const { code } = await execute([process.execPath, `${root}/scripts/build-native.js`])
  if (code !== 0) fail('the native module does not build; what the compiler said stands above')
}

async function runSuite({ name, counts, command, reporter = 'default', env = {} }) {
  const report = join(scratch, `${name}.json`)
  const extra =
    counts === 'vitest'
      ? [
          `--reporter=${reporter}`,
          `--reporter=${root}/test/second-tries.ts`,
          '--reporter=json',
          `--outputFile.json=${report}`,
        ]
      : []
  const from = Date.now()
  say(`${name}: ${command.concat(extra).slice(1, 3).join(' ').replaceAll(`${root}/`, '')} …`)
  const { code, lastCounts } = await execute([...command, ...extra], env)
  const result = read(counts, code, lastCounts, report)
  say(
    `${name}: ${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped, in ${minutes(Date.now() - from)}`,
  )
  return result
}

/** A suite that ends badly without counting a failure (a crash, a suite that doesn't load) has failed once. */
function read(counts, code, lastCounts, report) {
  if (counts === 'check') return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 }
  let result = { passed: 0, failed: 0, skipped: 0 }
  if (counts === 'vitest' && existsSync(report)) {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(readFileSync(report, 'utf8'))
    result = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests + numTodoTests }
  } else if (lastCounts) {
    result = lastCounts
  }
  if (code !== 0 && result.failed === 0) result.failed = 1
  return result
}

/** Runs a command with its output shown; the last closing line `N passed, N failed` in it is remembered. */
function execute([file, ...args], env = {}) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env, PATH: `${root}/node_modules/.bin:${process.env.PATH}` },
    })
    current = child
    let lastCounts
    let tail = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      const lines = (tail + chunk).split('\n')
      tail = lines.pop()
      for (const line of lines) {
        const found = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(line.trim())
        if (found) lastCounts = { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3] ?? 0) }
      }
    })
    child.on('error', (error) => {
      process.stderr.write(`${file}: ${error.message}\n`)
      resolve({ code: 127, lastCounts })
    })
    child.on('close', (code, signal) => resolve({ code: code ?? (signal ? 1 : 0), lastCounts }))
  })
}

function minutes(milliseconds) {
  const seconds = Math.round(milliseconds / 1000)
  return seconds < 90 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
