// The native suite of `npm test`: the core's C++ tests as they are, under AddressSanitizer with UBSan and under ThreadSanitizer, a short run of each fuzz
// target, and the format. Ends with `N passed, N failed`.
//   node scripts/test-native.js [plain] [address] [thread] [fuzz] [format] [tidy]    only these; tidy (clang-tidy, minutes) only if named
//   node scripts/test-native.js fuzz --runs 10000000                                   the long run: so many inputs for each target
//   node scripts/test-native.js fuzz --seconds 60 --target esp-open
// Plain JavaScript for the machine's own Node 20.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { fail, has, root, say } from './machine.js'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string' }, seconds: { type: 'string' }, target: { type: 'string' } },
})

const native = join(root, 'native')
const clang = ['-DCMAKE_CXX_COMPILER=clang++']
/** Half the time of the compiler's -O2 -g, and stacks still name their lines. */
const sanitized = ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1']
const parts = {
  plain: () => tests('build-core', []),
  address: () => tests('build-address', ['-DGATEHOUSE_SANITIZE=address', ...sanitized]),
  thread: () => tests('build-thread', ['-DGATEHOUSE_SANITIZE=thread', ...sanitized]),
  fuzz,
  format,
  tidy,
}
const chosen = positionals.length > 0 ? positionals : Object.keys(parts).filter((name) => name !== 'tidy')
const unknown = chosen.filter((name) => !(name in parts))
if (unknown.length > 0) fail(`there is no part ${unknown.join(', ')}; known are ${Object.keys(parts).join(', ')}`, 2)

const total = { passed: 0, failed: 0, skipped: 0 }
let current
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    current?.kill(signal)
    process.exit(130)
  })
}

for (const name of chosen) {
  const began = Date.now()
  say(`native, ${name} …`)
  await parts[name]()
  say(`native, ${name}: ${((Date.now() - began) / 1000).toFixed(1)} s`)
}
process.stdout.write(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`,
)
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0

/** Configures and builds; false, counted as a failure, if that does not work. */
async function build(folder, settings, targets = []) {
  const out = join(native, folder)
  const generator = has('ninja') && !existsSync(join(out, 'Makefile')) ? ['-G', 'Ninja'] : []
  const jobs = String(availableParallelism())
  for (const args of [
    ['-S', native, '-B', out, '-DGATEHOUSE_WERROR=ON', ...generator, ...settings],
    ['--build', out, '-j', jobs, ...targets.flatMap((target) => ['--target', target])],
  ]) {
    const { status, stdout, stderr } = spawnSync('cmake', args, { encoding: 'utf8', maxBuffer: 1 << 28 })
    if (status === 0) continue
    process.stdout.write(`${stdout}${stderr}`)
    failed(`native/${folder} does not build`)
    return false
  }
  return true
}

async function tests(folder, settings) {
  if (!(await build(folder, settings))) return
  const made = join(native, folder, 'test')
  const executables = readdirSync(made).filter((name) => /^gatehouse-test[a-z-]*$/.test(name))
  for (const name of executables.sort()) {
    const { code, output } = await execute(join(made, name), [], {
      TSAN_OPTIONS: 'halt_on_error=1',
      ASAN_OPTIONS: 'detect_leaks=1',
    })
    const lines = output.trimEnd().split('\n')
    const counts = /^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/.exec(lines.at(-1) ?? '')
    if (code !== 0 || !counts) process.stdout.write(output)
    else
      process.stdout.write(
        lines
          .filter((line) => line.startsWith('skipped'))
          .map((line) => `${line}\n`)
          .join(''),
      )
    total.passed += Number(counts?.[1] ?? 0)
    total.failed += Number(counts?.[2] ?? 0)
    total.skipped += Number(counts?.[3] ?? 0)
    if (code !== 0 && !Number(counts?.[2])) failed(`${folder}: ${name} ended with ${code}`)
    process.stdout.write(`${folder}: ${name}: ${lines.at(-1)}\n`)
  }
}

async function fuzz() {
  if (!has('clang++')) return skipped('fuzzing: there is no clang++ (apt-get install clang libclang-rt-14-dev)')
  const settings = [
    '-DGATEHOUSE_FUZZ=ON',
    '-DGATEHOUSE_SANITIZE=address',
    '-DCMAKE_BUILD_TYPE=RelWithDebInfo',
    ...clang,
  ]
  const targets = readdirSync(join(native, 'test/fuzz'))
    .filter((name) => name.endsWith('.cc'))
    .map((name) => name.slice(0, -3))
    .filter((name) => options.target === undefined || options.target === name)
  if (targets.length === 0) return failed(`there is no fuzz target ${options.target}`)
  if (
    !(await build(
      'build-fuzz',
      settings,
      targets.map((name) => `fuzz-${name}`),
    ))
  )
    return
  for (const name of targets) {
    const corpus = join(native, 'build-fuzz/corpus', name)
    const artifacts = join(native, 'build-fuzz/found', name, '/')
    for (const folder of [corpus, artifacts]) mkdirSync(folder, { recursive: true })
    const limit = options.runs === undefined ? `-max_total_time=${options.seconds ?? '5'}` : `-runs=${options.runs}`
    const args = [limit, '-timeout=10', '-print_final_stats=1', `-artifact_prefix=${artifacts}`, corpus]
    const { code, output } = await execute(join(native, 'build-fuzz/test', `fuzz-${name}`), args, {})
    if (code !== 0) {
      process.stdout.write(output)
      failed(`fuzz-${name} found something: native/build-fuzz/found/${name}`)
      continue
    }
    total.passed += 1
    process.stdout.write(`fuzz-${name}: ${/^Done (\d+) runs/m.exec(output)?.[1] ?? '?'} inputs\n`)
  }
}

function sources() {
  const found = []
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name)
      if (entry.isDirectory() && !entry.name.startsWith('build')) walk(path)
      else if (/\.(cc|h)$/.test(entry.name)) found.push(path)
    }
  }
  walk(native)
  return found.sort()
}

function format() {
  if (!has('clang-format')) return skipped('format: there is no clang-format')
  const { status, stderr } = spawnSync('clang-format', ['--dry-run', '-Werror', ...sources()], { encoding: 'utf8' })
  if (status === 0) total.passed += 1
  else failed(`format: ${stderr.split('\n').slice(0, 20).join('\n')}\nclang-format -i mends it`)
}

async function tidy() {
  if (!has('clang-tidy')) return skipped('tidy: there is no clang-tidy')
  // Only the commands of the compiler are needed, not what it makes.
  const out = join(native, 'build-tidy')
  const { status, stderr } = spawnSync('cmake', ['-S', native, '-B', out, ...clang], { encoding: 'utf8' })
  if (status !== 0) return failed(stderr)
  const left = sources().filter((path) => path.endsWith('.cc') && !/\/(addon|fuzz)\//.test(path))
  const one = async () => {
    for (let path = left.shift(); path !== undefined; path = left.shift()) {
      const { code, output } = await execute('clang-tidy', ['-p', out, '--quiet', path], {})
      if (code === 0) total.passed += 1
      else failed(`clang-tidy: ${relative(root, path)}\n${output}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, one))
}

function failed(text) {
  total.failed += 1
  process.stdout.write(`FAILED  ${text}\n`)
}

function skipped(text) {
  total.skipped += 1
  process.stdout.write(`skipped ${text}\n`)
}

function execute(file, args, env) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    current = child
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (text) => {
        output += text
      })
    }
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output }))
  })
}
