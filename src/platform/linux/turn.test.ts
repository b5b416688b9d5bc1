import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeTurn } from './turn.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-turn-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const refused = (file: string) =>
  expect(() => takeTurn(file, 50)).toThrow(/another process had its turn with .*turn for more than 0.05 s/)

test('one at a time; the next when it ends', () => {
  const file = join(folder, 'turn')
  const first = takeTurn(file, 50)
  refused(file)
  first.end()
  takeTurn(file, 50).end()
})

test('a process that is killed has no turn any more', async () => {
  const file = join(folder, 'turn')
  const script = `
    import { takeTurn } from ${JSON.stringify(join(import.meta.dirname, 'turn.ts'))}
    globalThis.turn = takeTurn(${JSON.stringify(file)}, 50)
    console.log('mine')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  refused(file)
  child.kill('SIGKILL')
  await once(child, 'exit')
  takeTurn(file, 50).end()
})
