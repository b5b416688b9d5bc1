// ike-scan's probes: answered with what any peer is told and nothing more, and its psk-crack, which finds the key in an answer of aggressive mode, as the
// independent proof that the answer is right. Our IKE alone, on a port of the loopback.
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { proposalsFor, type SecurityLevel } from '../../src/algorithms/levels.ts'
import type { IkeInput } from '../../src/ike/contract.ts'
import { IkeCore } from '../../src/ike/core.ts'
import { ikePolicy } from '../scenarios/ike-host.ts'
import { SeededRandom } from '../scenarios/network.ts'
import { doWork } from '../scenarios/sync-dh.ts'
import { ensureFiles } from './lab/packages.ts'
import { run } from './lab/run.ts'

const loopback = '127.0.0.1'
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-ike-scan-'))
let close = () => {}

beforeAll(() => ensureFiles({ 'ike-scan': '/usr/bin/ike-scan' }), 600_000)
afterEach(() => close())

/** Our responder on a UDP port of its own; returns the port. */
async function listen(level: SecurityLevel): Promise<number> {
  const policy = { key: 'wonderland', ...proposalsFor(level), aggressiveMode: level === 'legacy' }
  const core = new IkeCore(ikePolicy(policy))
  const random = new SeededRandom(1)
  const socket = createSocket('udp4')
  const give = (input: IkeInput) => {
    for (const effect of core.handle(input, { now: performance.now(), random })) {
      if (effect.do === 'send') socket.send(effect.octets, effect.path.remote.port, effect.path.remote.address)
      if (effect.do === 'work') give({ on: 'done', job: effect.job, result: doWork(effect.work, random) })
    }
  }
  socket.on('message', (octets, { address, port }) => {
    const path = { local: { address: loopback, port: 500 }, remote: { address, port } }
    give({ on: 'datagram', path, octets: Uint8Array.from(octets) })
  })
  await new Promise<void>((bound) => socket.bind(0, loopback, bound))
  close = () => socket.close()
  return (socket.address() as AddressInfo).port
}

/** What ike-scan prints of the one host, without cookies and hashes. */
async function scan(port: number, ...options: readonly string[]): Promise<string[]> {
  const args = ['--sport=0', `--dport=${port}`, '--retry=3', '--timeout=5000', '--multiline', ...options, loopback]
  const { stdout } = await run('ike-scan', args, { timeoutMs: 60_000 })
  return stdout
    .split('\n')
    .filter((line) => /^127|^\t/.test(line))
    .map((line) => line.trim().replace(/=?\(CKY-R=.*\)/, ''))
}

const modern = '--trans=7/256,2,1,14'

test('main mode: the transform that it offered, and no vendor id', async () => {
  expect(await scan(await listen('modern'), modern, '--trans=5,2,1,2')).toEqual([
    '127.0.0.1\tMain Mode Handshake returned',
    'HDR',
    'SA=(Enc=AES Hash=SHA1 Auth=PSK Group=14:modp2048 KeyLength=256 LifeType=Seconds LifeDuration(4)=0x00007080)',
  ])
})

test('nothing that fits: a notify that names no transform of ours', async () => {
  expect(await scan(await listen('modern'), '--trans=1,1,1,1')).toEqual([
    '127.0.0.1\tNotify message 14 (NO-PROPOSAL-CHOSEN)',
    'HDR',
  ])
})

test('aggressive mode where it is not allowed: a notify, and no hash of the key', async () => {
  expect(await scan(await listen('modern'), '-A', '--id=vpnusers', '--dhgroup=14', modern)).toEqual([
    '127.0.0.1\tNotify message 29 (UNSUPPORTED-EXCHANGE-TYPE)',
    'HDR',
  ])
})

test('aggressive mode where it is: the answer holds, for whoever has the key in his list', async () => {
  const port = await listen('legacy')
  const found = join(folder, 'psk')
  const words = join(folder, 'words')
  writeFileSync(words, 'alice\nwonderland\n')
  const lines = await scan(port, '-A', '--id=vpnusers', '--dhgroup=2', '--trans=5,2,1,2', `--pskcrack=${found}`)
  expect(lines[0]).toBe('127.0.0.1\tAggressive Mode Handshake returned')
  expect(lines.filter((line) => line.startsWith('VID'))).toEqual([])
  const { stdout } = await run('psk-crack', [`--dictionary=${words}`, found], { timeoutMs: 60_000 })
  expect(stdout).toContain('key "wonderland" matches SHA1 hash')
  rmSync(folder, { recursive: true })
})
