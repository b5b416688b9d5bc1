// Libraries as one file each: the same values as from npm, the licences beside them, and a form that can't be held is said.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { importsOf, layLibraries } from './libraries.ts'

const checkout = join(import.meta.dirname, '..')
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-libraries-'))
  mkdirSync(join(folder, 'src'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, text: string) => writeFileSync(join(folder, 'src', name), text)

describe('what the program imports', () => {
  test('names by library, whatever the module; Node’s own and ours are none', () => {
    write('a.js', "import { z } from 'zod'\nimport { join } from 'node:path'\nimport { b } from './b.js'\n")
    write('b.js', "import { parse, \n  isMap as map } from 'yaml'\nimport { z } from 'zod'\nimport { p } from 'port'\n")
    expect(importsOf([join(folder, 'src')], ['port'])).toEqual(
      new Map([
        ['zod', new Set(['z'])],
        ['yaml', new Set(['parse', 'isMap'])],
      ]),
    )
  })

  test.each(["import yaml from 'yaml'", "import * as yaml from 'yaml'", "await import('yaml')", "import 'yaml'"])(
    '%s: refused, with the file',
    (text) => {
      write('a.js', text)
      expect(() => importsOf([join(folder, 'src')])).toThrow(/src\/a\.js: "import \{ … \} from 'yaml'" is the form/)
    },
  )
})

describe('what is laid', () => {
  test('one file a library, which gives what the library gives; licences of all that is in it', async () => {
    write('a.js', "import { parse } from 'yaml'\nimport { p256 } from '@noble/curves/nist.js'\n")
    const modules = join(folder, 'node_modules')
    const packages = ['@noble/curves', '@noble/hashes', 'yaml']
    await layLibraries(checkout, modules, importsOf([join(folder, 'src')]), packages)
    expect(readdirSync(modules, { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      '@noble',
      '@noble/curves',
      '@noble/curves/LICENSE',
      '@noble/curves/nist.js',
      '@noble/curves/package.json',
      '@noble/hashes',
      '@noble/hashes/LICENSE',
      'yaml',
      'yaml/LICENSE',
      'yaml/index.js',
      'yaml/package.json',
    ])
    const program =
      "import { parse } from 'yaml'; import { p256 } from '@noble/curves/nist.js'; console.log(parse('a: [1]').a[0], p256.Point.BASE.x % 10n)"
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
    expect(said.toString()).toBe('1 6n\n')
    expect(readFileSync(join(modules, 'yaml/index.js'), 'utf8')).not.toContain(checkout)
  })

  test('a name that the library has not is an error', async () => {
    write('a.js', "import { nothing } from 'zod'\n")
    const laid = layLibraries(checkout, join(folder, 'node_modules'), importsOf([join(folder, 'src')]), ['zod'])
    await expect(laid).rejects.toThrow(/nothing/)
  })
})
