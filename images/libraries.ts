// The npm libraries as the device has them: one file each, of what our program imports. A library of a hundred modules is found, read and linked
// module by module at every start of a command, which took longer than our own part of the program.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

/** Names that our modules import, by library: `zod`, `@noble/curves/nist.js`. */
export type Imports = ReadonlyMap<string, ReadonlySet<string>>

/** `import { a, b as c } from 'library'`, the only form in which our sources import libraries. */
const named = /\bimport\s*\{([^}]*)\}\s*from\s*'([^'.\n][^'\n]*)'/g
const anyForm = /\bfrom\s*'([^'.\n][^'\n]*)'|\bimport\s*\(?\s*'([^'.\n][^'\n]*)'/g

/**
 * What the JavaScript below `folders` imports from npm, but for `without`.
 * @throws Error that names the file, if one imports in another form.
 */
export function importsOf(folders: readonly string[], without: readonly string[] = []): Imports {
  const imports = new Map<string, Set<string>>()
  for (const file of folders.flatMap(modulesBelow)) {
    const text = readFileSync(file, 'utf8')
    const isLibrary = (specifier: string) => !specifier.startsWith('node:') && !without.includes(specifier)
    const seen = new Set<string>()
    for (const [, names, specifier] of text.matchAll(named) as Iterable<[string, string, string]>) {
      if (!isLibrary(specifier)) continue
      seen.add(specifier)
      const known = imports.get(specifier) ?? new Set()
      imports.set(specifier, known)
      for (const name of names.split(',')) if (name.trim() !== '') known.add(name.trim().split(/\s/)[0]!)
    }
    for (const [, from, dynamic] of text.matchAll(anyForm)) {
      const specifier = (from ?? dynamic)!
      if (isLibrary(specifier) && !seen.has(specifier))
        throw new Error(`${file}: "import { … } from '${specifier}'" is the form of it that an image can hold`)
    }
  }
  return imports
}

/** Lays each library below `to` (a node_modules folder), with the licences of `packages`, whose octets are in them; `checkout` has them whole. */
export async function layLibraries(
  checkout: string,
  to: string,
  imports: Imports,
  packages: readonly string[],
): Promise<void> {
  for (const name of packages) {
    const from = join(checkout, 'node_modules', name)
    mkdirSync(join(to, name), { recursive: true })
    for (const file of readdirSync(from))
      if (/^(licen[cs]e|copying|notice)/i.test(file)) cpSync(join(from, file), join(to, name, file))
  }
  const entries = new Map<string, string[]>()
  for (const specifier of [...imports.keys()].sort()) {
    const [, name, file] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.+))?$/.exec(specifier) as unknown as [string, string, string?]
    const place = file ?? 'index.js'
    writeFileSync(join(to, name, place), await bundle(checkout, specifier, [...imports.get(specifier)!].sort()))
    entries.set(name, [...(entries.get(name) ?? []), place])
  }
  for (const [name, files] of entries) {
    const { version } = JSON.parse(readFileSync(join(checkout, 'node_modules', name, 'package.json'), 'utf8'))
    const exported = files.map((file) => [file === 'index.js' ? '.' : `./${file}`, `./${file}`])
    const facts = { name, version, type: 'module', exports: Object.fromEntries(exported) }
    writeFileSync(join(to, name, 'package.json'), `${JSON.stringify(facts, undefined, 2)}\n`)
  }
}

async function bundle(checkout: string, specifier: string, names: readonly string[]): Promise<string> {
  const entry = 'the names that the program imports'
  const importer = join(checkout, 'src/main.ts')
  const build = await rolldown({
    input: entry,
    cwd: checkout,
    platform: 'node',
    external: /^node:/,
    plugins: [
      {
        name: 'entry',
        resolveId(id, from) {
          if (id === entry) return id
          return from === entry ? this.resolve(id, importer) : null
        },
        load: (id) => (id === entry ? `export { ${names.join(', ')} } from '${specifier}'` : null),
      },
    ],
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`${specifier}: ${log.message}`)
    },
  })
  try {
    const { output } = await build.generate({ format: 'esm' })
    if (output.length !== 1) throw new Error(`${specifier} is not one file but ${output.length}`)
    return output[0].code
  } finally {
    await build.close()
  }
}

function modulesBelow(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort()
}
