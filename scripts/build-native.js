// `npm run build:native`: the native module, native/build/Release/gatehouse.node. A moment if nothing has changed.
// Plain JavaScript for the machine's own Node 20. Arguments are handed to cmake-js (`--debug`, `--arch arm64 -O …`).
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildPackages, ensurePackages, fail, root, say } from './machine.js'

const out = join(root, 'native/build')
const module = join(out, 'Release/gatehouse.node')
const stamp = join(out, 'gatehouse-stamp')
const extra = process.argv.slice(2)

// Only one build at a time in a checkout: started under a lock, and the one that waited finds the work done.
if (process.env.GATEHOUSE_BUILD_LOCKED === undefined) {
  mkdirSync(out, { recursive: true })
  const { status, error } = spawnSync(
    'flock',
    [join(out, 'gatehouse-lock'), process.execPath, process.argv[1], ...extra],
    { stdio: 'inherit', env: { ...process.env, GATEHOUSE_BUILD_LOCKED: '1' } },
  )
  if (error) fail(`flock (util-linux) does not start: ${error.message}`)
  process.exit(status ?? 1)
}

const state = describeSources()
if (extra.length === 0 && existsSync(module) && existsSync(stamp) && readFileSync(stamp, 'utf8') === state) process.exit(0)

ensurePackages(buildPackages, 'building the native module')
// A build folder that was made elsewhere (a moved or copied checkout) is of no use to CMake.
const cache = join(out, 'CMakeCache.txt')
if (existsSync(cache) && !readFileSync(cache, 'utf8').includes(`CMAKE_HOME_DIRECTORY:INTERNAL=${root}\n`)) {
  for (const name of ['CMakeCache.txt', 'CMakeFiles']) rmSync(join(out, name), { recursive: true, force: true })
}

say(existsSync(cache) ? 'building the native module: what has changed' : 'building the native module: about a minute')
const began = Date.now()
const { status, error } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/cmake-js/bin/cmake-js'), 'build', '-d', root, '-O', out, '-l', 'warn', ...extra],
  { cwd: root, stdio: 'inherit' },
)
if (error) fail(`cmake-js does not start (${error.message}); run npm ci first`)
if (status !== 0) fail('the native module does not build; what the compiler said stands above')
if (extra.length === 0) {
  if (!existsSync(module)) fail(`the build ended well, but there is no ${module}`)
  writeFileSync(stamp, state)
}
say(`built in ${Math.round((Date.now() - began) / 1000)} s`)

/** Everything that the module is made of, by name, size and time, and what it is made with. */
function describeSources() {
  const hash = createHash('sha256')
  const add = (path) => {
    const { mtimeMs, size } = statSync(path)
    hash.update(`${path} ${size} ${mtimeMs}\n`)
  }
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!entry.name.startsWith('build') && entry.name !== 'test') walk(path)
      } else if (/\.(cc|h|cmake|txt)$/.test(entry.name)) {
        add(path)
      }
    }
  }
  walk(join(root, 'native'))
  add(join(root, 'CMakeLists.txt'))
  add(join(root, 'package-lock.json'))
  add(process.argv[1])
  hash.update(`${process.arch} ${process.version.split('.')[0]}`)
  return hash.digest('hex')
}
