// From the factory to a client that works: the wizard on the serial console, a site file by `gatehouse provision`, then strongSwan, xl2tpd and pppd in
// a guest log in through the board's kernel, whose SA counters move.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkout } from '../../images/build.ts'
import type { Client } from '../interop/lab/client.ts'
import { type Lab, openLab } from '../interop/lab/lab.ts'
import { addresses, direct } from '../interop/lab/network.ts'
import { until } from '../interop/lab/run.ts'
import { diskFrom, ensureImage, scratchFolder } from './images.ts'
import { type Console, Machine } from './machine.ts'

const root = process.getuid?.() === 0
const admin = 'image test password'
const psk = 'correct horse battery staple'
const password = 'wonderland wonderland'

/** The wizard's questions, by what they begin with, and what is typed. An empty answer takes the usual one. */
const answers: readonly (readonly [RegExp, string])[] = [
  [/Set it up now/, 'yes'],
  [/Name of this gateway/, 'boxed'],
  [/Administrator password/, admin],
  [/The same again/, admin],
  [/Port to the internet/, ''],
  [/How its address comes/, 'static'],
  [/Address with prefix length/, `${addresses.gateway}/24`],
  [/Provider's router/, addresses.internet],
  [/DNS server/, ''],
  [/Address on the LAN/, ''],
  [/Key of all clients/, 'typed'],
  [/Pre-shared key/, psk],
  [/First user/, 'alice'],
  [/The user's password/, password],
  [/Write this/, 'yes'],
]

const site = `hostname: boxed
dataplane: kernel
remoteAccess:
  preSharedKey: ${psk}
  addressPool: 10.99.0.10-10.99.0.250
  dns: [10.99.0.1]
users:
  - { name: alice, password: ${password} }
  - { name: bob, password: ${password} }
system:
  admin: { password: ${admin} }
  wan: { port: wan0, address: ${addresses.gateway}/24, gateway: ${addresses.internet} }
  lan: { ports: [lan0], address: 192.168.1.1/24 }
`

let scratch: string
let lab: Lab | undefined
let board: Machine | undefined
let client: Client | undefined

beforeAll(async () => {
  if (!root) return
  scratch = scratchFolder()
  lab = await openLab()
  // The lab's own gateway gives its place on the network to the board.
  await lab.network.exec('gw', ['ip', 'link', 'set', 'eth0', 'down'])
  await lab.network.tap('board', direct(1))
  const disk = await diskFrom(await ensureImage('qemu-x86_64'), scratch)
  const tap = { namespace: lab.network.ns('hub'), name: 'board' }
  board = await Machine.start({ firmware: 'bios', disk, scratch, tap, megabytes: 768 })
})
afterAll(async () => {
  await board?.cut()
  await lab?.close()
  if (scratch) rmSync(scratch, { recursive: true, force: true })
})

async function answerWizard(console: Console): Promise<void> {
  for (const [question, answer] of answers) {
    await console.expect(new RegExp(`${question.source}[^\\n]*\\]: `), 900_000)
    console.send(`${answer}\r`)
  }
}

async function gatehouse(...args: readonly string[]): Promise<{ code: number; text: string }> {
  const child = spawn(join(checkout, 'gatehouse'), args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
  const [code] = (await once(child, 'close')) as [number]
  return { code, text }
}

describe.runIf(root)('a board from the factory', () => {
  test('the wizard on the console configures it', async () => {
    await answerWizard(board!.console)
    await board!.console.expect(/Done\. The clients' pre-shared key is/, 600_000)
    await board!.console.expect(/boxed> /, 120_000)
    await until(
      'the gateway to serve',
      async () => (await board!.sh('gatehouse status --state /run/gatehouse')).code === 0,
      {
        timeoutMs: 400_000,
        everyMs: 2000,
      },
    )
    expect(await board!.must('systemctl show -P User gatehouse; stat -c %a:%U:%G /config/gatehouse.yaml')).toMatch(
      /^gatehouse\n6[04]0:/,
    )
  })

  test('a site file by provision, over the same line: committed, proven, confirmed', async () => {
    writeFileSync(join(scratch, 'site.yaml'), site, { mode: 0o600 })
    writeFileSync(join(scratch, 'password'), `${admin}\n`, { mode: 0o600 })
    const { code, text } = await board!.lend((pty) =>
      gatehouse('provision', '--port', pty, '--password-file', join(scratch, 'password'), join(scratch, 'site.yaml')),
    )
    expect([code, text]).toEqual([
      0,
      expect.stringMatching(/: provisioned: .*wan0 52:54:00:67:68:02.*, firmware 0\.1\.0/),
    ])
    expect(await board!.must('cat /config/gatehouse.yaml')).toContain('name: bob')
  })

  test("a real client logs in through the kernel's ESP, whose counters move", async () => {
    client = await lab!.client('phone', 'strongswan', 20)
    const dial = {
      ike: 'aes256-sha256-modp2048',
      esp: 'aes256-sha256',
      auth: 'mschapv2',
      user: 'bob',
      password,
      psk,
    } as const
    await client.connect({ ...dial, patience: { ike: 60, ppp: 60, echoes: 30 } })
    const before = await packets()
    await client.sh('ping -c 20 -i 0.2 $REMOTE', { timeoutMs: 60_000 })
    const after = await packets()
    expect(after.length).toBe(2)
    expect(after.every((count, index) => count >= (before[index] ?? 0) + 20)).toBe(true)
    const status = JSON.parse(await board!.must('gatehouse status --json --state /run/gatehouse'))
    expect([status.dataplane, status.sessions[0].user]).toEqual(['kernel', 'bob'])
  })

  test('the daemon is killed with -9 while the client pings: systemd held the descriptors, it is the same session, no echo is missing', async () => {
    const before = await session()
    expect(await held()).toBeGreaterThan(0)
    const pinging = client!.sh('ping -q -c 300 -i 0.2 $REMOTE', { timeoutMs: 400_000 })
    await board!.must('kill -9 $(systemctl show -P MainPID gatehouse)')
    await until(
      'systemd to start it anew',
      async () =>
        /^1\nactive$/.test((await board!.sh('systemctl show -P NRestarts -P ActiveState gatehouse')).text.trim()),
      { timeoutMs: 400_000, everyMs: 1000 },
    )
    expect(await session()).toEqual(before)
    expect((await pinging).stdout).toMatch(/300 packets transmitted, 300 received/)
    expect(await board!.must('journalctl -u gatehouse -b --no-pager')).toContain('resumed 1 session')
    await client!.sh('ping -c 3 $REMOTE', { timeoutMs: 60_000 })
    await client!.disconnect()
  })
})

/** Who the first session is, and since when. */
async function session(): Promise<{ user: string; address: string; since: string }> {
  const { sessions } = JSON.parse(await board!.must('gatehouse status --json --state /run/gatehouse'))
  if (sessions.length !== 1)
    throw new Error(
      `${sessions.length} sessions; ${await board!.must('journalctl -u gatehouse -b --no-pager | tail -n 40')}`,
    )
  const [{ user, address, since }] = sessions
  return { user, address, since }
}

/** Descriptors that systemd keeps for the daemon. */
async function held(): Promise<number> {
  return Number(await board!.must('systemctl show -P NFileDescriptorStore gatehouse'))
}

/** Packets that each of the kernel's SAs carried. */
async function packets(): Promise<readonly number[]> {
  const text = await board!.must('ip -s xfrm state')
  return [...text.matchAll(/lifetime current:\s+\d+\(bytes\), (\d+)\(packets\)/g)].map(([, count]) => Number(count))
}
