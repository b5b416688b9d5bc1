import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openStore } from './store.ts'

const folders: string[] = []
function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'gatehouse-store-'))
  folders.push(made)
  return join(made, 'state')
}
afterEach(() => {
  for (const made of folders.splice(0)) rmSync(made, { recursive: true })
})

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

test('the folder is 0700, its files 0600, whatever the umask and whatever was there', () => {
  const at = folder()
  execFileSync('mkdir', ['-p', '-m', '755', at])
  const store = openStore(at)
  store.write('a.json', '{}')
  expect([mode(at), mode(store.path('a.json')), store.read('a.json')]).toEqual(['700', '600', '{}'])
  store.write('a.json', 'new')
  expect(store.read('a.json')).toBe('new')
  store.remove('a.json')
  store.remove('a.json')
  expect(store.read('a.json')).toBe(undefined)
})

test('a second daemon is kept out, and told by whom', () => {
  const store = openStore(folder())
  store.lock()
  const second = openStore(store.folder)
  expect(() => second.lock()).toThrow(
    expect.objectContaining({ code: 'in-use', message: expect.stringContaining(`process ${process.pid}`) }),
  )
  store.unlock()
  second.lock()
  second.unlock()
})

test('the lock of a daemon killed with -9 is free again', async () => {
  const store = openStore(folder())
  const script = `import { openStore } from ${JSON.stringify(join(import.meta.dirname, 'store.ts'))}
    openStore(${JSON.stringify(store.folder)}).lock(); console.log('held'); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  expect(() => store.lock()).toThrow(expect.objectContaining({ code: 'in-use' }))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
  store.lock()
  store.unlock()
})
