// Kernel modules: those of the recipe with all that they depend on stay, the rest goes; and the order in which an initramfs inserts some of them.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { $ } from 'zx'
import { kernelModules } from './recipe.ts'

/** Module's path below lib/modules/VERSION → the paths that it needs, nearest first, as modules.dep has it. */
type Dependencies = ReadonlyMap<string, readonly string[]>

/** Deletes what the recipe doesn't name and indexes the rest. */
export async function keepModules(root: string, version: string): Promise<void> {
  const folder = join(root, 'usr/lib/modules', version)
  await $({ quiet: true })`depmod -b ${root} ${version}`
  const dependencies = readDependencies(folder)
  const wanted = [...dependencies.keys()].filter((path) =>
    kernelModules.some((rule) => path.startsWith(`kernel/${rule}`)),
  )
  const kept = new Set(wanted.flatMap((path) => [path, ...dependencies.get(path)!]))
  for (const path of dependencies.keys()) if (!kept.has(path)) rmSync(join(folder, path))
  for (const entry of readdirSync(folder)) {
    if (/^modules\.(?!builtin$|builtin\.modinfo$|order$)/.test(entry)) rmSync(join(folder, entry))
    if (entry === 'build' || entry === 'source') rmSync(join(folder, entry))
  }
  await $({ quiet: true })`depmod -b ${root} ${version}`
}

/** Paths (below the root) of the modules, in an order in which insmod takes them. What the kernel has built in is left out; what it hasn't at all is an Error. */
export function insertionOrder(root: string, version: string, names: readonly string[]): readonly string[] {
  const folder = join('usr/lib/modules', version)
  const dependencies = readDependencies(join(root, folder))
  const builtIn = new Set(
    readFileSync(join(root, folder, 'modules.builtin'), 'utf8')
      .split('\n')
      .map(nameOf),
  )
  const byName = new Map([...dependencies.keys()].map((path) => [nameOf(path), path]))
  const order: string[] = []
  for (const name of names) {
    const path = byName.get(nameOf(name))
    if (path === undefined) {
      if (builtIn.has(nameOf(name))) continue
      throw new Error(`kernel ${version} has no module ${name}, neither built in nor kept by recipe.ts`)
    }
    for (const one of [...dependencies.get(path)!.toReversed(), path]) if (!order.includes(one)) order.push(one)
  }
  return order.map((path) => join(folder, path))
}

function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz|\.zst)?$/, '')
    .replaceAll('-', '_')
}

function readDependencies(folder: string): Dependencies {
  const file = join(folder, 'modules.dep')
  if (!existsSync(file)) throw new Error(`${file} is not there: depmod did not run`)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return new Map(
    lines.map((line) => {
      const [path, rest] = line.split(':') as [string, string]
      return [
        path,
        rest
          .trim()
          .split(' ')
          .filter((word) => word !== ''),
      ]
    }),
  )
}
