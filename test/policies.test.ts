// A rule of the IPsec policy on two whole gateways with kernels between them: TCP to one port goes through ESP in transport mode or nowhere, also while the daemon is dead.
// Each gateway has a network namespace of its own; what is on the wire between them is counted there.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { userlandImpossible } from '../src/platform/userland.fixture.ts'

const gatehouse = fileURLToPath(new URL('../gatehouse', import.meta.url))
const impossible =
  userlandImpossible() ?? (spawnSync('nft', ['list', 'tables']).status === 0 ? undefined : 'needs nftables')
const prefix = `ghr${process.pid % 10000}`
const one = { space: `${prefix}a`, device: `${prefix}va`, address: '192.0.2.1' }
const two = { space: `${prefix}b`, device: `${prefix}vb`, address: '192.0.2.2' }
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-policy-'))
const children: ReturnType<typeof spawn>[] = []

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const { space } of [one, two]) spawnSync('ip', ['netns', 'del', space])
  rmSync(folder, { recursive: true, force: true })
})

const inside = (space: string, ...command: string[]) =>
  spawnSync('ip', ['netns', 'exec', space, ...command], { encoding: 'utf8' })

/** A policy that protects TCP 445 between this host and the other. */
function configure(name: string, filter: string): string {
  const file = join(folder, `${name}.yaml`)
  const text = `remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
dataplane: userland
workers: 1
policies:
  assigned: Servers
  filterLists: [{ name: files, filters: [${filter}] }]
  filterActions: [{ name: Secure, action: negotiate, methods: [aes128-sha1], pfs: modp2048 }]
  policies: [{ name: Servers, rules: [{ name: files, filterList: files, filterAction: Secure, authentication: [{ preSharedKey: a long key of this rule }] }] }]
`
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

async function up({ space }: typeof one, name: string, filter: string) {
  const args = [
    'netns',
    'exec',
    space,
    gatehouse,
    'up',
    '--config',
    configure(name, filter),
    '--state',
    join(folder, name),
  ]
  const child = spawn('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said += chunk
    })
  await expect.poll(() => said, { timeout: 60_000, interval: 50 }).toMatch(/^ready/m)
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return { child, exit, said: () => said }
}

/** What came over the wire to the second host: TCP 445 as it is, and ESP. */
function wire(): { clear: number; esp: number } {
  const text = inside(two.space, 'nft', 'list', 'chain', 'netdev', 'watch', 'wire').stdout
  const [clear = -1, esp = -1] = [...text.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets))
  return { clear, esp }
}

const client = `
const { connect } = require('node:net')
const socket = connect(445, '${two.address}', () => socket.end(Buffer.alloc(200000, 'gatehouse ')))
let answer = ''
socket.setTimeout(Number(process.argv[1]), () => { console.log('nothing'); process.exit() })
socket.on('data', (data) => { answer += data }).on('end', () => console.log(answer)).on('error', ({ code }) => console.log(code))`
const server = `
require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  let octets = 0
  socket.on('data', (data) => { octets += data.length }).on('end', () => socket.end('got ' + octets)).on('error', () => {})
}).listen(445, '0.0.0.0')`

const ask = (ms: number) => inside(one.space, process.execPath, '-e', client, String(ms)).stdout.trim()

if (impossible) test.skip(`a rule between two hosts: ${impossible}`, () => {})
else
  test('what a rule wants protected goes through ESP or not at all, also after kill -9', {
    timeout: 180_000,
  }, async () => {
    const sh = (command: string) => execFileSync('sh', ['-c', command])
    sh(`ip netns add ${one.space}; ip netns add ${two.space}
      ip link add ${one.device} netns ${one.space} type veth peer name ${two.device} netns ${two.space}`)
    for (const { space, device, address } of [one, two])
      sh(
        `ip netns exec ${space} sh -c 'ip link set lo up; ip address add ${address}/24 dev ${device}; ip link set ${device} up'`,
      )
    const watch = join(folder, 'watch.nft')
    writeFileSync(
      watch,
      `table netdev watch {
  chain wire {
    type filter hook ingress device "${two.device}" priority 0; policy accept;
    tcp dport 445 counter
    meta protocol ip ip protocol esp counter
  }
}
`,
    )
    expect(inside(two.space, 'nft', '-f', watch).stderr).toBe('')
    children.push(spawn('ip', ['netns', 'exec', two.space, process.execPath, '-e', server], { stdio: 'ignore' }))
    const first = await up(
      one,
      'one',
      `{ source: me, destination: ${two.address}, protocol: tcp, destinationPort: 445 }`,
    )

    // The other side doesn't speak IPsec yet, and the action forbids clear traffic.
    expect([ask(2_000), wire()]).toEqual(['nothing', { clear: 0, esp: 0 }])

    const second = await up(two, 'two', '{ source: any, destination: me, protocol: tcp, destinationPort: 445 }')
    await expect.poll(() => ask(10_000), { timeout: 90_000 }).toBe('got 200000')
    expect(wire()).toEqual({ clear: 0, esp: expect.any(Number) })
    expect(wire().esp).toBeGreaterThan(100)
    const shown = inside(one.space, gatehouse, 'status', '--state', join(folder, 'one')).stdout
    expect(shown).toContain('192.0.2.1 -> 192.0.2.2:445 tcp')

    first.child.kill('SIGKILL')
    await first.exit
    const before = wire().esp
    expect(ask(2_000)).toMatch(/^(nothing|EHOSTUNREACH|ENETUNREACH)$/)
    expect([inside(one.space, 'nft', 'list', 'tables').stdout, wire()]).toEqual([
      expect.stringContaining('gatehouse_policy'),
      { clear: 0, esp: before },
    ])

    const again = await up(
      one,
      'one',
      `{ source: me, destination: ${two.address}, protocol: tcp, destinationPort: 445 }`,
    )
    await expect.poll(() => ask(10_000), { timeout: 60_000 }).toBe('got 200000')
    expect(wire().clear).toBe(0)
    for (const { child, exit } of [again, second]) {
      child.kill('SIGTERM')
      await exit
    }
    expect(inside(one.space, 'nft', 'list', 'tables').stdout).not.toContain('gatehouse_policy')
    expect(inside(one.space, 'ip', 'rule').stdout).not.toContain('fwmark')
  })
