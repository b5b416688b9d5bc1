import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openControl } from '../control/client.ts'
import type { EventRecord, Status } from '../control/protocol.ts'
import { type ControlServer, type ControlTarget, serveControl } from './control-server.ts'
import { openStore, type Store } from './store.ts'

let store: Store
let server: ControlServer
const asked: string[] = []
const receivers = new Set<(record: EventRecord) => void>()
const status = { hostname: 'gw', sessions: [] } as unknown as Status
const target: ControlTarget = {
  status: () => status,
  disconnect: (who) => {
    asked.push(`disconnect ${who}`)
    return 2
  },
  reload: () => Promise.reject(new Error('line 3: no')),
  restart: () => void asked.push('restart'),
  stop: () => asked.push('stop'),
  subscribe: (receive) => {
    receivers.add(receive)
    return () => receivers.delete(receive)
  },
}

beforeEach(async () => {
  asked.length = 0
  store = openStore(join(mkdtempSync(join(tmpdir(), 'gatehouse-control-')), 'state'))
  server = await serveControl(store, target)
})
afterEach(async () => {
  await server.close()
  rmSync(join(store.folder, '..'), { recursive: true })
})

test('status, disconnect, reload and stop are asked and answered', async () => {
  const control = await openControl(store.folder)
  expect(await control.status()).toEqual(status)
  expect(await control.disconnect('alice')).toBe(2)
  await expect(control.reload()).rejects.toMatchObject({ code: 'refused', message: 'line 3: no' })
  await control.stop()
  expect(asked).toEqual(['disconnect alice', 'stop'])
  control.close()
})

test('events come until the connection ends', async () => {
  const control = await openControl(store.folder)
  const seen: EventRecord[] = []
  const first = new Promise<void>((resolve) => {
    control
      .events((record) => {
        seen.push(record)
        resolve()
      })
      .then(() => {
        for (const receive of receivers) receive({ at: 'now', level: 'info', event: 'a.b', sentence: 's', facts: {} })
      })
  })
  await first
  expect(seen).toEqual([{ at: 'now', level: 'info', event: 'a.b', sentence: 's', facts: {} }])
  control.close()
  await expect.poll(() => receivers.size).toBe(0)
})

test('the socket is for its owner only; where nobody listens the error says so', async () => {
  expect((statSync(store.path('control.sock')).mode & 0o777).toString(8)).toBe('600')
  await server.close()
  await expect(openControl(store.folder)).rejects.toMatchObject({ code: 'not-running' })
})

test('a line that is no request is answered, one without end cut off', async () => {
  const socket = connect(store.path('control.sock'))
  socket.setEncoding('utf8')
  const said = new Promise((resolve) => socket.once('data', resolve))
  socket.write('{"id":1,"ask":"sing"}\n')
  expect(await said).toContain('asks for nothing known')
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('error', () => {})
  for (let i = 0; i < 70; i++) socket.write('x'.repeat(1024))
  await closed
})
