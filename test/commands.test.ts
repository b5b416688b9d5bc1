// The commands as a person runs them: exit codes, and what bad input is answered. Each daemon gets a network namespace of its own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const gatehouse = fileURLToPath(new URL('../gatehouse', import.meta.url))
const least = `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
users:
  - { name: alice, password: wonderland }
`
let folder = ''
let config = ''
let state = ''
let running: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  config = join(folder, 'gatehouse.yaml')
  state = join(folder, 'state')
  writeFileSync(config, least, { mode: 0o600 })
})

afterEach(async () => {
  for (const child of running) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  running = []
  rmSync(folder, { recursive: true, force: true })
})

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(gatehouse, args, { encoding: 'utf8', timeout: 20_000 })
  return { status, stdout, stderr }
}

/** A daemon below `prefix` (unshare and the like), and what it says. */
function up(prefix: readonly string[], args: readonly string[] = []) {
  const [file, ...rest] = [...prefix, gatehouse, 'up', '--config', config, '--state', state, ...args]
  const child = spawn(file!, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    said.out += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    said.err += chunk
  })
  const says = (stream: 'out' | 'err', pattern: RegExp) =>
    expect.poll(() => said[stream], { timeout: 15_000, interval: 20 }).toMatch(pattern)
  return { child, said, says, exit: once(child, 'exit').then(([code]) => code as number | null) }
}

const unshared = ['unshare', '--net']
const privileged = process.getuid?.() === 0 && spawnSync('unshare', ['--net', 'true']).status === 0

describe('commands', () => {
  test('an unknown one is told, with the one that was meant', () => {
    const { status, stderr } = run('statsu')
    expect(status).toBe(2)
    expect(stderr).toContain('there is no command "statsu"; did you mean status?')
  })

  test('help is help', () => {
    expect(run('help')).toMatchObject({ status: 0, stderr: '' })
  })

  test('check: a valid file', () => {
    expect(run('check', config)).toEqual({
      status: 0,
      stdout: `${config} is valid: security modern, 1 users, 241 addresses\n`,
      stderr: '',
    })
  })

  test('check: a faulty file names line, column, what was found and what would be right', () => {
    writeFileSync(config, least.replace('250', '2500'))
    expect(run('check', config)).toEqual({
      status: 2,
      stdout: '',
      stderr: `${config}:3:16: remoteAccess.addressPool: found "10.99.0.10-10.99.0.2500"; an IPv4 range or network such as 10.99.0.10-10.99.0.250 or 10.99.0.0/24 is right\n`,
    })
  })

  test('check: a file that is not there', () => {
    const { status, stderr } = run('check', '/nowhere/gatehouse.yaml')
    expect(status).toBe(1)
    expect(stderr).toContain('/nowhere/gatehouse.yaml: there is no such file')
  })

  test('check: secrets that everybody may read are warned of', () => {
    chmodSync(config, 0o644)
    expect(run('check', config).stderr).toContain('everybody on this machine may read it')
  })

  test('check --schema prints JSON Schema', () => {
    expect(JSON.parse(run('check', '--schema').stdout)).toMatchObject({ type: 'object', required: ['remoteAccess'] })
  })

  test('status where nothing runs exits with 3', () => {
    expect(run('status', '--state', state)).toMatchObject({
      status: 3,
      stderr: `no gateway runs with the state folder ${state}\n`,
    })
  })

  test('connect without a server', () => {
    expect(run('connect', '--psk', 'x')).toMatchObject({
      status: 2,
      stderr: 'gatehouse connect: --server is missing; gatehouse connect --help\n',
    })
  })

  test('connect with a proposal that is none', () => {
    const { status, stderr } = run(
      'connect',
      '--server',
      '192.0.2.1',
      '--psk',
      'x',
      '--user',
      'a',
      '--password',
      'b',
      '--ike',
      'aes',
    )
    expect(status).toBe(2)
    expect(stderr).toMatch(/aes.*write CIPHER-HASH-GROUP/)
  })
})

describe.skipIf(!privileged)('the daemon (root and network namespaces)', () => {
  test('says ready, answers status, and ends with 0 at SIGTERM', async () => {
    const gateway = up(unshared)
    await gateway.says('out', /^ready/)
    const { status, stdout } = run('status', '--json', '--state', state)
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      dataplane: 'userland',
      pool: { size: 241, used: 0 },
      ikeSas: [],
      sessions: [],
      tunnels: [],
    })
    gateway.child.kill('SIGTERM')
    expect(await gateway.exit).toBe(0)
    expect(run('status', '--state', state).status).toBe(3)
  })

  test('a second SIGTERM, and a SIGINT, while it says goodbye: it ends as after one', async () => {
    const gateway = up(unshared)
    await gateway.says('out', /^ready/)
    gateway.child.kill('SIGTERM')
    await gateway.says('err', /gateway\.stopping/)
    for (const signal of ['SIGTERM', 'SIGINT'] as const) gateway.child.kill(signal)
    expect(await gateway.exit).toBe(0)
  })

  test('--log json writes JSON lines', async () => {
    const gateway = up(unshared, ['--log', 'json'])
    await gateway.says('out', /^ready/)
    await gateway.says('err', /gateway\.ready/)
    const record = JSON.parse(gateway.said.err.split('\n').find((line) => line.includes('gateway.ready'))!)
    expect(record).toMatchObject({ event: 'gateway.ready', dataplane: 'userland' })
  })

  test('a faulty configuration: the faults, and exit code 2', async () => {
    writeFileSync(config, least.replace('addressPool', 'adressPool'))
    const gateway = up(unshared)
    expect(await gateway.exit).toBe(2)
    expect(gateway.said.err).toContain(
      `${config}:3:3: remoteAccess.adressPool: there is no key "adressPool" here; did you mean addressPool?`,
    )
  })

  test('a reload with a bad file keeps the running configuration and says so; a good one is taken', async () => {
    const gateway = up(unshared)
    await gateway.says('out', /^ready/)
    writeFileSync(config, least.replace('250', '2500'))
    gateway.child.kill('SIGHUP')
    await gateway.says('err', /the running configuration stays: .*:3:16: remoteAccess\.addressPool/)
    expect(JSON.parse(run('status', '--json', '--state', state).stdout).pool.size).toBe(241)
    writeFileSync(config, least.replace('250', '20'))
    gateway.child.kill('SIGHUP')
    await expect
      .poll(() => JSON.parse(run('status', '--json', '--state', state).stdout).pool.size, { timeout: 10_000 })
      .toBe(11)
  })

  test('who reads the log may go away: the gateway stays', async () => {
    const gateway = up(unshared)
    await gateway.says('out', /^ready/)
    gateway.child.stdout.destroy()
    gateway.child.stderr.destroy()
    for (let i = 0; i < 3; i++) {
      gateway.child.kill('SIGHUP')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(run('status', '--state', state).status).toBe(0)
    gateway.child.kill('SIGTERM')
    expect(await gateway.exit).toBe(0)
  })

  test('a second one with the same state folder is refused', async () => {
    const first = up(unshared)
    await first.says('out', /^ready/)
    const second = up(unshared)
    expect(await second.exit).toBe(1)
    expect(second.said.err).toContain(state)
  })

  test('a busy port: which, who has it, what to do', async () => {
    const taker = `require('dgram').createSocket('udp4').bind(4500, () => setTimeout(() => process.exit(), 30000))`
    const script = `ip link set lo up; ${process.execPath} -e "${taker}" & sleep 1; "$@"; code=$?; kill $!; exit $code`
    const gateway = up([...unshared, 'sh', '-c', script, 'sh'])
    expect(await gateway.exit).toBe(1)
    expect(gateway.said.err).toMatch(/4500.*\S+ \(process \d+\) has the port\. Stop it/)
  })

  test('no /dev/net/tun: what to do', async () => {
    const gateway = up([...unshared, '--mount', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'])
    expect(await gateway.exit).toBe(1)
    expect(gateway.said.err).toMatch(/\/dev\/net\/tun.*modprobe tun/)
  })

  test('no capabilities: which are needed', async () => {
    chmodSync(folder, 0o777)
    chmodSync(config, 0o644)
    const gateway = up([...unshared, 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'])
    expect(await gateway.exit).toBe(1)
    expect(gateway.said.err).toContain('CAP_NET_ADMIN')
  })
})
