// The real `gatehouse provision` over serialport and a pseudo-terminal, the real `gatehouse console` at its other end: two processes and a cable that
// can be disturbed. script(1) makes the pseudo-terminal.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseConfiguration } from '../src/config/parse.ts'
import { hostKeyOf, makeBoardKey } from '../src/control/sealed-bundle.ts'

const gatehouse = fileURLToPath(new URL('../gatehouse', import.meta.url))
const text = (hostname: string, password: string) => `hostname: ${hostname}
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
users:
  - { name: alice, password: wonderland }
system:
  admin: { password: ${password} }
`
const oldText = text('before', 'first password')
const newText = text('after', 'second password')

let folder = ''
let running: ChildProcess[] = []
let gateways: Server[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-pty-'))
  for (const name of ['a', 'b']) {
    for (const part of ['config', 'state', 'root'])
      mkdirSync(join(folder, name, part), { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, name, 'config/gatehouse.yaml'), oldText, { mode: 0o600 })
  }
  writeFileSync(join(folder, 'site.yaml'), newText, { mode: 0o600 })
  writeFileSync(join(folder, 'password'), 'first password\n', { mode: 0o600 })
})

afterEach(async () => {
  for (const child of running) await end(child)
  running = []
  for (const gateway of gateways) gateway.close()
  gateways = []
  rmSync(folder, { recursive: true, force: true })
})

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

function start(file: string, args: readonly string[]): ChildProcess {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  running.push(child)
  child.stdin?.on('error', () => {})
  return child
}

/** What stands for the gateway: says that it runs with what the file says. */
async function fakeGateway(place: string): Promise<void> {
  const gateway = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\n').filter(Boolean)) {
        const { id, ask } = JSON.parse(line) as { id: number; ask: string }
        socket.write(`${JSON.stringify({ id, is: 'ok', value: ask === 'status' ? status(place) : 1 })}\n`)
      }
    })
  })
  gateways.push(gateway)
  gateway.listen(join(place, 'state/control.sock'))
  await once(gateway, 'listening')
}

function status(place: string) {
  const outcome = parseConfiguration(readFileSync(join(place, 'config/gatehouse.yaml'), 'utf8'), () => '')
  const hostname = outcome.is === 'valid' ? outcome.configuration.hostname : ''
  const nothing = { ikeSas: [], sessions: [], tunnels: [], events: {}, counters: {} }
  return {
    ...nothing,
    hostname,
    dataplane: 'fake',
    description: 'none',
    since: new Date(0).toISOString(),
    pool: { size: 241, used: 0 },
  }
}

type Disturb = (octets: Buffer, direction: 'up' | 'down') => Buffer

/** A pseudo-terminal whose far side is the console; the path of the near side. */
async function board(disturb: Disturb = (octets) => octets, name = 'a') {
  const place = join(folder, name)
  await fakeGateway(place)
  const pty = start('script', [
    '-qfc',
    `stty raw -echo; tty > ${place}/tty.new; mv ${place}/tty.new ${place}/tty; exec sleep 600`,
    '/dev/null',
  ])
  await expect.poll(() => existsSync(join(place, 'tty')), { timeout: 10_000 }).toBe(true)
  let current = startConsole()
  pty.stdout!.on('data', (octets: Buffer) => current.stdin!.write(disturb(octets, 'down')))
  function startConsole(): ChildProcess {
    const where = ['config', 'config/gatehouse.yaml', 'state', 'state', 'root', 'root'].map((word, i) =>
      i % 2 === 0 ? `--${word}` : join(place, word),
    )
    const child = start(gatehouse, ['console', ...where])
    child.stdout!.on('data', (octets: Buffer) => void pty.stdin!.write(disturb(octets, 'up')))
    // After a log-out the next log-in, as systemd sees to on a board.
    child.on('exit', (code) => {
      if (code === 0) current = startConsole()
    })
    return child
  }
  return {
    port: readFileSync(join(place, 'tty'), 'utf8').trim(),
    /** As after a reboot, as far as that goes without one. */
    async restart() {
      await end(current)
      pty.stdin!.write('\r\n[    0.000000] Linux version 6.1.0\r\n')
      current = startConsole()
    },
  }
}

async function provision(...args: string[]) {
  const child = start(gatehouse, ['provision', ...args])
  const said = { out: '', err: '' }
  child.stdout!.on('data', (chunk) => (said.out += chunk))
  child.stderr!.on('data', (chunk) => (said.err += chunk))
  const [status] = (await once(child, 'close')) as [number]
  return { status, ...said }
}

const usual = () => [join(folder, 'site.yaml'), '--password-file', join(folder, 'password')]
const configuration = (name = 'a') => readFileSync(join(folder, name, 'config/gatehouse.yaml'), 'utf8')
const possible = spawnSync('script', ['--version']).status === 0

describe.skipIf(!possible)('over a pseudo-terminal (needs script of util-linux)', () => {
  test('a site file, with a report; then a second time, then sealed to the key of the report', {
    timeout: 180_000,
  }, async () => {
    const { port } = await board()
    const first = await provision('--port', port, ...usual(), '--report', join(folder, 'reports'))
    expect(first).toMatchObject({
      status: 0,
      out: expect.stringMatching(/: provisioned: .*host key SHA256:.* in [\d.]+ s\nreport: /),
    })
    expect(configuration()).toBe(newText)
    const report = JSON.parse(readFileSync(/report: (.*)/.exec(first.out)![1]!, 'utf8'))
    expect(report).toMatchObject({
      outcome: 'provisioned',
      hostKey: hostKeyOf(readFileSync(join(folder, 'a/config/keys/board.key'), 'utf8')),
    })

    expect(await provision('--port', port, ...usual())).toMatchObject({
      status: 0,
      out: expect.stringContaining(': unchanged: '),
    })

    writeFileSync(join(folder, 'third.yaml'), text('third', 'second password'), { mode: 0o600 })
    const sealed = join(folder, 'third.sealed')
    expect(
      (await provision('seal', '--to', /report: (.*)/.exec(first.out)![1]!, join(folder, 'third.yaml'), '-o', sealed))
        .status,
    ).toBe(0)
    expect(readFileSync(sealed).includes('third')).toBe(false)
    expect(await provision('--port', port, sealed, '--password-file', join(folder, 'password'))).toMatchObject({
      status: 3,
    })
    writeFileSync(join(folder, 'password'), 'second password')
    expect(await provision('--port', port, sealed, '--password-file', join(folder, 'password'))).toMatchObject({
      status: 0,
    })
    expect(configuration()).toBe(text('third', 'second password'))
  })

  test('two boards at once, one of them with another password', { timeout: 180_000 }, async () => {
    writeFileSync(join(folder, 'b/config/gatehouse.yaml'), text('before', 'a third password'), { mode: 0o600 })
    const [one, other] = [await board(), await board(undefined, 'b')]
    const { status, out } = await provision('--port', one.port, '--port', other.port, ...usual())
    expect(status).toBe(3)
    expect(out).toMatch(/: provisioned: .*\n.*: refused: .*\n.*: the board refuses every password of "admin"/)
    expect([configuration('a'), configuration('b')]).toEqual([newText, text('before', 'a third password')])
  })

  test('noise in the middle of the file', { timeout: 120_000 }, async () => {
    let noisy = 0
    const { port } = await board((octets, direction) => {
      if (direction !== 'down' || !octets.includes(':3 ') || noisy++ > 2) return octets
      return Buffer.concat([octets.subarray(0, 20), Buffer.of(0xff, 0x0a, 0x80), octets.subarray(23)])
    })
    expect(await provision('--port', port, ...usual())).toMatchObject({ status: 0 })
    expect(noisy).toBeGreaterThan(2)
    expect(configuration()).toBe(newText)
  })

  test('the console dies while it takes the file, and comes again', { timeout: 180_000 }, async () => {
    let lines = 0
    const made = board((octets, direction) => {
      if (direction === 'down' && octets.includes(':2 ') && lines++ === 0) void made.then(({ restart }) => restart())
      return octets
    })
    const { port } = await made
    expect(await provision('--port', port, ...usual())).toMatchObject({
      status: 0,
      err: expect.stringContaining('beginning anew, try 2 of 8'),
    })
    expect(configuration()).toBe(newText)
  })
})

describe('what is said of a wrong command', () => {
  test.each<[string, (at: string) => string[], number, RegExp]>([
    [
      'no such port',
      (at) => ['--port', '/dev/ttyUSB99', join(at, 'site.yaml')],
      1,
      /there is no \/dev\/ttyUSB99; "ls \/dev\/ttyUSB\*/,
    ],
    [
      'no serial port',
      (at) => ['--port', join(at, 'site.yaml'), join(at, 'site.yaml')],
      1,
      /site\.yaml (?:is no serial port|can't be opened)/,
    ],
    ['no port', (at) => [join(at, 'site.yaml')], 2, /--port DEVICE is needed/],
    ['no site file', () => ['--port', '/dev/null'], 2, /one site file is right/],
    [
      'a site file that is not there',
      () => ['--port', '/dev/null', '/nowhere.yaml'],
      1,
      /\/nowhere\.yaml can't be read/,
    ],
    [
      'a speed that is none',
      (at) => ['--port', '/dev/null', '--speed', 'fast', join(at, 'site.yaml')],
      2,
      /--speed: a number from 300 to 4000000/,
    ],
    [
      'a host key that is none',
      (at) => ['seal', '--to', 'x25519:abc', join(at, 'site.yaml'), '-o', join(at, 'out')],
      1,
      /a host key as `show board` prints it is right/,
    ],
  ])('%s', async (_, args, status, reason) => {
    const said = await provision(...args(folder))
    expect(`${said.out}${said.err}`).toMatch(reason)
    expect(said.status).toBe(status)
  })

  test('a faulty site file is told with line and column, and nothing is sent', async () => {
    writeFileSync(join(folder, 'site.yaml'), newText.replace('10.99.0.250', '10.99.0.2500'), { mode: 0o600 })
    const { status, err } = await provision('--port', '/dev/null', join(folder, 'site.yaml'))
    expect(err).toMatch(/site\.yaml:4:16: remoteAccess\.addressPool: found.*\n.*site\.yaml is faulty; nothing was sent/)
    expect(status).toBe(2)
  })

  test('a bundle for one board is none for another', async () => {
    const out = join(folder, 'site.sealed')
    await provision('seal', '--to', hostKeyOf(makeBoardKey()), join(folder, 'site.yaml'), '-o', out)
    const { status, err } = await provision('seal', '--to', hostKeyOf(makeBoardKey()), out, '-o', join(folder, 'again'))
    expect({ status, err }).toEqual({ status: 1, err: 'gatehouse provision: the file is sealed already\n' })
  })
})
