// The console as a process on a pseudo-terminal that serialport drives, with a real gateway in a network namespace behind it: what no fake can show,
// raw mode, hang-ups, signals, the guard's own process, and a reload that the gateway answers.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { SerialPort } from 'serialport'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf, loadLines } from '../src/control/load-lines.ts'

const gatehouse = fileURLToPath(new URL('../gatehouse', import.meta.url))
const least = `hostname: gw1
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
users:
  - { name: alice, password: wonderland }
`
const hasSocat = spawnSync('socat', ['-V']).status === 0
const privileged = process.getuid?.() === 0 && spawnSync('unshare', ['--net', 'true']).status === 0

let folder = ''
let config = ''
let state = ''
let children: ChildProcess[] = []
let ports: SerialPort[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-console-'))
  config = join(folder, 'gatehouse.yaml')
  state = join(folder, 'state')
  writeFileSync(config, least, { mode: 0o600 })
})

afterEach(async () => {
  for (const port of ports) if (port.isOpen) await new Promise((closed) => port.close(closed))
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  children = []
  ports = []
  // A guard goes on its own, and ends by itself when there is nothing to guard.
  rmSync(join(folder, 'history', 'pending.json'), { force: true })
  await new Promise((wait) => setTimeout(wait, existsSync(join(folder, 'history')) ? 1500 : 0))
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 })
})

function start(file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  children.push(child)
  const said = { text: '' }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said.text += chunk))
  return { child, said, exit: once(child, 'exit').then(([code]) => code as number | null) }
}

/** Two ends of a cable; the console sits on one, serialport on the other. */
async function cable(term = 'dumb') {
  const [near, far] = [join(folder, 'near'), join(folder, 'far')]
  const socat = start('socat', [`pty,raw,echo=0,link=${near}`, `pty,raw,echo=0,link=${far}`])
  await expect.poll(() => existsSync(near) && existsSync(far)).toBe(true)
  const board = start(
    gatehouse,
    ['console', '--config', config, '--state', state, '--root', join(folder, 'root'), '--tty', far],
    { TERM: term },
  )
  const port = new SerialPort({ path: near, baudRate: 115_200, autoOpen: false })
  ports.push(port)
  await new Promise<void>((opened, failed) => port.open((error) => (error ? failed(error) : opened())))
  let unread = ''
  port.on('data', (chunk: Buffer) => (unread += chunk.toString('latin1').replaceAll('\r', '')))
  /** Types, and gives what came back once it ends as `until` says. */
  const type = async (text: string, until: RegExp) => {
    unread = ''
    port.write(Buffer.from(text, 'latin1'))
    await expect.poll(() => unread, { timeout: 20_000, interval: 20 }).toMatch(until)
    return unread
  }
  return { type, port, socat, board, text: () => unread }
}

/** The console itself, behind the shell that starts it. */
function pidOf(): number {
  return Number(spawnSync('pgrep', ['-f', `console --config ${config}`], { encoding: 'utf8' }).stdout.split('\n')[0])
}

/** A gateway in a namespace of its own. */
async function gateway() {
  const up = start('unshare', ['--net', gatehouse, 'up', '--config', config, '--state', state])
  await expect.poll(() => up.said.text, { timeout: 20_000 }).toMatch(/^ready/m)
  return up
}

describe.skipIf(!hasSocat)('the console on a serial line (socat)', () => {
  test('logs in, answers, logs out and asks again', async () => {
    const { type, board } = await cable()
    expect(await type('\r', /login: $/)).toContain('gw1 login: ')
    expect(await type('admin\r', /> $/)).toContain('gw1> ')
    expect(await type('show version\r', /node: .*\n[\s\S]*> $/)).toMatch(/^show version\nfirmware: .*\n/)
    expect(await type('sh ver\x08\x08\x08bo\t?', /<Enter>[\s\S]*board $/)).toContain('<Enter>')
    expect(await type('\r', /> $/)).toMatch(/serial-number: .*\n/)
    expect(await type('logout\r', /login: $/)).toContain('gw1 login: ')
    expect(board.child.exitCode).toBeNull()
  })

  test('a hang-up logs out and ends the process with 0; the candidate is kept', async () => {
    const { type, socat, board } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    await type('configure\r', /# $/)
    await type('set hostname gw2\r', /# $/)
    socat.child.kill('SIGTERM')
    expect(await board.exit).toBe(0)
    expect(readFileSync(`${state}-console/candidate.yaml`, 'utf8')).toContain('hostname: gw2')
    expect(readFileSync(config, 'utf8')).toBe(least)
  })

  test.each(['SIGHUP', 'SIGTERM'] as const)('%s ends it with 0', async (signal) => {
    const { type, board } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    process.kill(pidOf(), signal)
    expect(await board.exit).toBe(0)
  })

  test('a line that is stopped by XOFF stops nothing else: a signal still ends it, and any octet goes on', async () => {
    const { type, port, text, board } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    port.write('\x13')
    await new Promise((wait) => setTimeout(wait, 200))
    port.write('\x13show configuration\r')
    await expect.poll(text, { timeout: 5000 }).toContain('gw1> ')
    port.write('x\x13')
    await new Promise((wait) => setTimeout(wait, 200))
    process.kill(pidOf(), 'SIGTERM')
    expect(await board.exit).toBe(0)
  })

  test('every octet as noise, at every prompt, harms nothing', async () => {
    const { type, port } = await cable('vt100')
    await type('\r', /login: $/)
    const noise = Buffer.from(
      Array.from({ length: 512 }, (_, i) => (i * 167 + 13) & 0xff).filter(
        (octet) => octet !== 13 && octet !== 10 && octet !== 0x04,
      ),
    )
    port.write(noise)
    await type('\x03\x15\r', /login: $/)
    await type('admin\r', /> $/)
    port.write(noise)
    await type('\x03\x15\r', /gw1> $/)
    expect(await type('show board\r', /serial-number[\s\S]*> $/)).toContain('host-key: x25519:')
  })

  test('the whole way of a program over it', async () => {
    const site = new TextEncoder().encode(least.replace('gw1', 'branch-7'))
    const { type } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    await type('terminal machine\r', /%ok\ngw1> $/)
    await type('configure\r', /%ok\ngw1# $/)
    await type(`load ${site.length} ${digestOf(site)}\r`, /%ready/)
    const lines = loadLines(site)
    for (const [seq, line] of lines.entries()) await type(`${line}\r`, new RegExp(`%\\+${seq}\\\n`))
    expect(await type('check\r', /%(ok|error)[\s\S]*# $/)).toContain('%ok')
    expect(await type('commit confirmed 5\r', /%(ok|error)[\s\S]*# $/)).toContain('%ok\nbranch-7# ')
    expect(readFileSync(config, 'utf8')).toBe(new TextDecoder().decode(site))
    expect(await type('confirm\r', /%(ok|error)[\s\S]*# $/)).toContain('%ok')
  })

  test('the guard is a process of its own: it rolls back though the console was killed with -9', async () => {
    const { type, board } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    await type('configure\r', /# $/)
    await type('set hostname gw2\r', /# $/)
    expect(await type('commit confirmed 1\r', /goes back by itself in 1 minute[\s\S]*# $/)).toContain('gw2# ')
    board.child.kill('SIGKILL')
    await board.exit
    const pending = join(folder, 'history', 'pending.json')
    const record = JSON.parse(readFileSync(pending, 'utf8'))
    const now = () => Number(process.hrtime.bigint() / 1_000_000n)
    expect(record).toMatchObject({ stage: 'confirmation', previous: least })
    expect(record.deadline - now()).toBeGreaterThan(40_000)
    await new Promise((wait) => setTimeout(wait, 2500))
    expect(readFileSync(config, 'utf8')).toContain('hostname: gw2')
    // The guard looks every second: that the minute is over sooner is seen by it.
    const deadline = now() + 4000
    writeFileSync(pending, JSON.stringify({ ...record, deadline }))
    await expect.poll(() => readFileSync(config, 'utf8'), { timeout: 15_000, interval: 100 }).toContain('hostname: gw1')
    expect(now()).toBeGreaterThanOrEqual(deadline)
    await expect.poll(() => existsSync(join(folder, 'history', 'rolling-back.json')), { timeout: 20_000 }).toBe(false)
  })

  test('on a machine that is no board it wants to know which configuration', () => {
    const { status, stderr } = spawnSync(gatehouse, ['console'], { encoding: 'utf8', input: '' })
    expect([status, stderr]).toEqual([
      2,
      'gatehouse console: this machine is no board of ours: --config FILE is needed\n',
    ])
  })

  test('console --boot rolls back what another boot left', () => {
    const boot = () =>
      spawnSync(gatehouse, ['console', '--boot', '--config', config, '--state', state], { encoding: 'utf8' }).stdout
    expect(boot()).toBe('no commit waits\n')
    const pending = {
      id: 'x',
      stage: 'confirmation',
      previous: least,
      boot: 'another',
      deadline: 1e15,
      process: 1,
      who: 'admin',
    }
    spawnSync('mkdir', ['-p', join(folder, 'history')])
    writeFileSync(join(folder, 'history', 'pending.json'), JSON.stringify(pending))
    writeFileSync(config, least.replace('gw1', 'gw2'))
    expect(boot()).toContain('is rolled back')
    expect(readFileSync(config, 'utf8')).toBe(least)
    expect(boot()).toBe('no commit waits\n')
  })
})

describe.skipIf(!hasSocat || !privileged)('with a gateway behind it (socat, root, namespaces)', () => {
  test('show asks it, commit has it read the file, a value that takes effect at once', async () => {
    await gateway()
    const { type } = await cable()
    await type('\r', /login: $/)
    await type('admin\r', /> $/)
    expect(await type('show status\r', /isakmp-sas: 0\n[\s\S]*> $/)).toContain('pool: 0 of 241 addresses in use')
    expect(await type('show sessions\r', /> $/)).toContain('no sessions')
    expect(await type('show self-test\r', /self-test: .*\n[\s\S]*> $/)).toContain('self-test: passed')
    await type('configure\r', /# $/)
    await type('set remoteAccess addressPool 10.99.0.10-10.99.0.20\r', /# $/)
    expect(await type('commit\r', /[a-z]\ngw1# $/)).toContain('the gateway has taken the configuration into use')
    expect(await type('show status\r', /isakmp-sas: 0\n[\s\S]*# $/)).toContain('pool: 0 of 11 addresses in use')
    expect(await type('show counters\r', /--More--$/)).toContain('gateway.reloaded: 1')
  })
})
