import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadBoard, namedBoard, portsOf } from './board.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-board-'))
  mkdirSync(join(root, 'etc/gatehouse'), { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

test('a machine that is no board has no facts', async () => {
  expect([await loadBoard(root), portsOf(undefined)]).toEqual([undefined, undefined])
})

test('a board has the facts of its name', async () => {
  writeFileSync(join(root, 'etc/gatehouse/board'), 'qemu-x86_64\n')
  expect(portsOf(await loadBoard(root))).toEqual(['wan0', 'lan0'])
})

test.each(['nowhere', '../common', '', 'a b'])('%j is no board', async (name) => {
  await expect(namedBoard(name)).rejects.toThrow('the name of a folder in board/ is right')
})
