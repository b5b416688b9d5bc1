// Our sources without their types: every module of the program loads, and names its neighbours as they are called on the device.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { javaScriptOf, layJavaScript } from './javascript.ts'

const checkout = join(import.meta.dirname, '..')

describe('one module', () => {
  test.each([
    ["import { a, type B } from './a.ts'\n", "import { a,        } from './a.js'\n"],
    ["const c = await import('../c/d.ts')\n", "const c = await import('../c/d.js')\n"],
    ["import './side.ts'\n", "import './side.js'\n"],
    ["export { e } from './e.ts'\n", "export { e } from './e.js'\n"],
    ["const said: string = 'see x.ts'\n", "const said         = 'see x.ts'\n"],
  ])('%s', (typed, plain) => expect(javaScriptOf(typed)).toBe(plain))
})

describe('the program', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-javascript-'))
    for (const part of ['src', 'board'])
      layJavaScript(join(checkout, part), join(folder, part), (path) => !/\.(test|fixture)\.ts$/.test(path))
    writeFileSync(join(folder, 'package.json'), readFileSync(join(checkout, 'package.json')))
    symlinkSync(join(checkout, 'node_modules'), join(folder, 'node_modules'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('holds no TypeScript, and no import of any', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
      (name) => !/^node_modules/.test(name),
    )
    expect(files.filter((name) => name.endsWith('.ts'))).toEqual([])
    const naming = /^\s*(?:import|export)\b.*'\..*\.ts'|\bimport\('\..*\.ts'\)/m
    const left = files.filter((name) => name.endsWith('.js') && naming.test(readFileSync(join(folder, name), 'utf8')))
    expect(left).toEqual([])
  })

  test('says what TypeScript says, a board by its name among it', () => {
    const args = ['system', 'apply', '--closed', '--board', 'qemu-x86_64', '--root', join(folder, 'none'), '--dry-run']
    const said = (main: string) => execFileSync(process.execPath, [main, ...args], { encoding: 'utf8', stdio: 'pipe' })
    expect(said(join(folder, 'src/main.js'))).toBe(said(join(checkout, 'src/main.ts')))
  })
})
