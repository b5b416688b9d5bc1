import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { ServiceManager } from './service-manager.ts'

/** Timers that the test fires. */
function clockwork() {
  const due: { ms: number; run: () => void }[] = []
  return {
    timers: {
      after: (ms: number, run: () => void) => {
        const entry = { ms, run }
        due.push(entry)
        return () => void due.splice(due.indexOf(entry), 1)
      },
    },
    due,
    async fire() {
      for (const { run } of due.splice(0)) run()
      await Promise.resolve()
      await Promise.resolve()
    },
  }
}

function recorded(environment: NodeJS.ProcessEnv) {
  const said: string[] = []
  const notify = (socket: string, text: string) => {
    said.push(`${socket} ${text}`)
    return ''
  }
  return { manager: new ServiceManager(environment, notify, 42), said }
}

test('what is said in the life of a daemon', () => {
  const { manager, said } = recorded({ NOTIFY_SOCKET: '/run/n' })
  manager.ready('up\nand well')
  manager.reloading(1234.5)
  manager.ready('up')
  manager.stopping()
  expect(said).toEqual([
    '/run/n READY=1\nSTATUS=up and well',
    '/run/n RELOADING=1\nMONOTONIC_USEC=1234500',
    '/run/n READY=1\nSTATUS=up',
    '/run/n STOPPING=1',
  ])
})

test('without a manager nothing is said', () => {
  const { manager, said } = recorded({})
  manager.ready('up')
  manager.stopping()
  expect(said).toEqual([])
})

test('a watchdog for another process is not ours to feed', () => {
  const { manager } = recorded({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '41' })
  const { timers, due } = clockwork()
  manager.watch(timers, () => Promise.resolve())
  expect(due).toEqual([])
})

test('the watchdog is fed three times an interval, as long as there is a pulse', async () => {
  const { manager, said } = recorded({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' })
  const { timers, due, fire } = clockwork()
  let alive = true
  manager.watch(timers, () => (alive ? Promise.resolve() : new Promise(() => {})))
  expect(due.map(({ ms }) => ms)).toEqual([10_000])
  await fire()
  await fire()
  expect(said).toEqual(['/run/n WATCHDOG=1', '/run/n WATCHDOG=1'])
  alive = false
  await fire()
  await fire()
  expect(said.length).toBe(2)
  expect(due).toEqual([])
})

test('a pulse that comes after the end feeds nothing', async () => {
  const { manager, said } = recorded({ NOTIFY_SOCKET: '/run/n', WATCHDOG_USEC: '30000000' })
  const { timers, fire } = clockwork()
  const pulse = Promise.withResolvers<void>()
  manager.watch(timers, () => pulse.promise)
  await fire()
  manager.stopping()
  pulse.resolve()
  await fire()
  expect(said).toEqual(['/run/n STOPPING=1'])
})

test('a real socket hears it', async () => {
  // Node has no datagrams of Unix sockets, which is why the module has; Python has them.
  const listener = spawn('python3', [
    '-c',
    [
      'import socket',
      's = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)',
      `s.bind("\\0gatehouse-notify-${process.pid}")`,
      'print("bound", flush=True)',
      'print(s.recv(4096).decode())',
    ].join('\n'),
  ])
  let heard = ''
  listener.stdout.on('data', (chunk) => (heard += chunk))
  await once(listener.stdout, 'data')
  new ServiceManager({ NOTIFY_SOCKET: `@gatehouse-notify-${process.pid}` }).ready('up')
  await once(listener, 'close')
  expect(heard).toBe('bound\nREADY=1\nSTATUS=up\n')
})
