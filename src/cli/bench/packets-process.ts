// The gateway's half of `bench packets`, as a process of its own in a namespace: one data plane with one worker, the generator on this thread, and routes
// that end in a device without a port, so that what comes out costs nobody anything more.
//
//     node packets-process.ts '{"esp":"aes128gcm16",…}'     prints one line of JSON a round, and ends
import { readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'
import { parseEspProposal } from '../../algorithms/proposals.ts'
import { loadNative, type NativeFlood } from '../../platform/addon.ts'
import type { EspSa, FastPath } from '../../platform/fast-path.ts'
import { openUserland } from '../../platform/userland.ts'
import { ipv4Octets } from '../../wire/address.ts'
import { runHere } from '../scratch-namespace.ts'

export type PacketsOptions = {
  readonly esp: string
  /** Octets of the inner IP packet. */
  readonly octets: number
  readonly milliseconds: number
  readonly rounds: number
}

/** Cases in the order in which each round goes through them. */
export const cases = ['in, one flow', 'in, 32 flows', 'out, together', 'out, from a port', 'out, one by one'] as const
export type Case = (typeof cases)[number]

/** One case of one round. */
export type PacketsRound = {
  readonly case: Case
  /** Through the gateway's half, and how many it was offered. */
  readonly packets: number
  readonly offered: number
  /** Of the worker's thread, and of the generator's, with what the kernel did on their behalf. */
  readonly seconds: number
  readonly generatorSeconds: number
  readonly wallSeconds: number
  /** Packets a second of processor time that the TUN gives to who does nothing with them, in the same round: where each crosses it alone. */
  readonly floor?: number
}

const address = {
  gateway: '127.70.0.1',
  client: '127.70.0.2',
  /** Inner: of the client that sends, of the one that is sent to, the TUN's own, and the host that the first sends to. */
  sender: '10.97.0.3',
  inner: '10.97.0.2',
  tun: '10.97.0.1',
  /** Of the TUN that nothing is done with, and behind it. */
  floor: '10.98.0.1',
  beneath: '10.98.0.2',
  host: '198.51.100.1',
  /** A host behind a port of the gateway's, and the gateway's address there. */
  beyond: '203.0.113.2',
  port: '203.0.113.1',
  /** The outer address of a client that is only sent to. */
  sink: '198.51.100.2',
} as const
const ports = { gateway: 4700, client: 4800 } as const
const ids = { tunnel: 1, session: 1, port: 1701 } as const
const spi = { inbound: 0x5000, away: 0x5001, outbound: 0x6000 } as const
const device = { tun: 'ghpackets', floor: 'ghfloor', sink: 'ghsink', port: 'ghport', host: 'ghhost' } as const

const octets = (text: string) => ipv4Octets(text)!

export async function measurePackets(options: PacketsOptions): Promise<void> {
  const parsed = parseEspProposal(options.esp)
  if (parsed.is === 'fault') throw new Error(parsed.fault)
  const { cipher, hash } = parsed.proposal
  runHere('ip', ['link', 'set', 'lo', 'up'])
  // A bridge without ports takes everything and sends it nowhere.
  runHere('ip', ['link', 'add', device.sink, 'type', 'bridge'])
  runHere('ip', ['link', 'set', device.sink, 'up'])
  runHere('ip', ['address', 'add', '198.51.100.254/24', 'dev', device.sink])
  for (const neighbour of [address.host, address.sink])
    runHere('ip', ['neigh', 'add', neighbour, 'lladdr', '02:00:00:00:00:01', 'nud', 'permanent', 'dev', device.sink])
  runHere('sysctl', ['-qw', 'net.ipv4.ip_forward=1'])
  addPort()
  const lengths = lengthsOf(cipher, hash)
  const keys = {
    cipherKey: new Uint8Array(lengths.cipher).fill(1),
    integrityKey: new Uint8Array(lengths.integrity).fill(2),
  }
  const sa = (number: number): EspSa => ({ spi: number, cipher, hash, esn: false, ...keys })
  const path = openUserland({
    listen: [],
    ports: { ike: ports.gateway + 1, natt: ports.gateway },
    tunName: device.tun,
    tunAddress: `${address.tun}/24`,
    tunMtu: 1400,
    workers: 1,
    engine: undefined,
  })
  try {
    await apply(path, sa)
    let sent = 0
    const flood = (which: Case): NativeFlood => {
      const shared = { octets: options.octets, milliseconds: options.milliseconds }
      if (which.startsWith('out')) {
        const ends = {
          local: { address: octets(which === 'out, from a port' ? address.beyond : address.tun), port: 0 },
          remote: { address: octets(address.inner), port: 9 },
        }
        return { ...shared, ...ends, sealed: false, together: which === 'out, together' ? 64 : 1 }
      }
      return {
        ...shared,
        ...keys,
        sealed: true,
        local: { address: octets(address.client), port: ports.client },
        remote: { address: octets(address.gateway), port: ports.gateway },
        spi: spi.inbound,
        sent,
        algorithm: options.esp,
        tunnel: ids.tunnel,
        session: ids.session,
        source: octets(address.sender),
        destination: octets(address.host),
        flows: which === 'in, 32 flows' ? 32 : 1,
        together: 64,
      }
    }
    const native = loadNative()
    // The first round warms up and isn't told.
    for (let round = 0; round <= options.rounds; round++) {
      for (const which of cases) {
        const before = look(path)
        const { packets, wallSeconds, processorSeconds } = native.benchFlood(flood(which))
        if (which.startsWith('in')) sent += packets
        const after = await settled(path)
        const through = which.startsWith('in') ? after.in - before.in : after.out - before.out
        const told: PacketsRound = {
          case: which,
          packets: through,
          offered: packets,
          seconds: after.seconds - before.seconds,
          generatorSeconds: processorSeconds,
          wallSeconds,
          ...(which === 'out, one by one' && { floor: floorOf(options) }),
        }
        if (round > 0) process.stdout.write(`${JSON.stringify(told)}\n`)
      }
    }
  } finally {
    await path.close()
  }
}

function floorOf({ octets: length, milliseconds }: PacketsOptions): number {
  const tun = { name: device.floor, address: octets(address.floor), prefix: 24 }
  const { packets, processorSeconds } = loadNative().benchTunReader(tun, {
    local: { address: octets(address.floor), port: 0 },
    remote: { address: octets(address.beneath), port: 9 },
    octets: length,
    milliseconds,
    together: 1,
    sealed: false,
  })
  return packets / processorSeconds
}

/** A port with a host behind it, both here: what leaves from the host's address comes in by the port, one packet after the other, as from a network card. */
function addPort(): void {
  const { port, host } = device
  const routes = '100'
  runHere('ip', ['link', 'add', host, 'type', 'veth', 'peer', 'name', port])
  for (const [name, own] of [
    [port, `${address.port}/24`],
    [host, `${address.beyond}/32`],
  ] as const) {
    runHere('ip', ['link', 'set', name, 'up'])
    runHere('ip', ['address', 'add', own, 'dev', name])
  }
  const { address: lladdr } = JSON.parse(runHere('ip', ['-j', 'link', 'show', port]))[0] as { address: string }
  runHere('ip', ['rule', 'add', 'iif', 'lo', 'from', address.beyond, 'lookup', routes])
  runHere('ip', ['route', 'add', address.inner, 'dev', host, 'table', routes])
  runHere('ip', ['neigh', 'add', address.inner, 'lladdr', lladdr, 'nud', 'permanent', 'dev', host])
  // The source is an address of this machine too.
  for (const name of ['all', port])
    runHere('sysctl', ['-qw', `net.ipv4.conf.${name}.rp_filter=0`, `net.ipv4.conf.${name}.accept_local=1`])
  // What a network card does: packets are taken from it by a thread, as many as wait, and those of a flow go on together (platform/linux/gathering.ts).
  const native = loadNative()
  native.setDeviceFeature(port, 'rx-gro', true)
  native.setDeviceFeature(port, 'rx-udp-gro-forwarding', true)
  runHere('unshare', ['--mount', 'sh', '-c', `mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/${port}/threaded`])
}

function lengthsOf(
  cipher: EspSa['cipher'],
  hash: EspSa['hash'],
): { readonly cipher: number; readonly integrity: number } {
  const ciphers: Partial<Record<EspSa['cipher'], number>> = { aes128gcm16: 20, aes128: 16, aes256: 32, '3des': 24 }
  const hashes: Partial<Record<NonNullable<EspSa['hash']>, number>> = { sha1: 20, sha256: 32 }
  const found = { cipher: ciphers[cipher], integrity: hash === undefined ? 0 : hashes[hash] }
  if (found.cipher === undefined || found.integrity === undefined)
    throw new Error('packets are measured with aes128gcm16, aes128, aes256 or 3des, and sha1 or sha256')
  return { cipher: found.cipher, integrity: found.integrity }
}

/** Two peers: one that sends to us, and one that is sent to, whose outer address is behind the sink. */
async function apply(path: FastPath, sa: (spi: number) => EspSa): Promise<void> {
  const pair = { encapsulated: true, mode: 'transport', use: true, replayWindow: 4096 } as const
  const local = (host: string) => ({ address: host, port: ports.gateway })
  const configuration = { acfc: true, pfc: true, mtu: 1400, networks: [] }
  const outcome = new Promise<void>((resolve, reject) => {
    path.listen((batch) => {
      for (const event of batch) {
        if (event.on !== 'applied') continue
        if (event.failure) reject(new Error(event.failure.message))
        else resolve()
      }
    })
  })
  path.apply(1, [
    { do: 'addPeer', peer: 1 },
    {
      do: 'addPair',
      peer: 1,
      path: { local: local(address.gateway), remote: { address: address.client, port: ports.client } },
      ...pair,
      inbound: sa(spi.inbound),
      outbound: sa(spi.outbound),
    },
    { do: 'addSession', session: 1, peer: 1, local: ids, remote: ids, sequencing: false },
    { do: 'configureSession', session: 1, ...configuration, address: address.sender },
    { do: 'addPeer', peer: 2 },
    {
      do: 'addPair',
      peer: 2,
      path: { local: local('198.51.100.254'), remote: { address: address.sink, port: ports.client } },
      ...pair,
      inbound: sa(spi.away),
      outbound: sa(spi.outbound + 1),
    },
    { do: 'addSession', session: 2, peer: 2, local: ids, remote: ids, sequencing: false },
    { do: 'configureSession', session: 2, ...configuration, address: address.inner },
  ])
  await outcome
}

type Look = { readonly in: number; readonly out: number; readonly seconds: number }

function look(path: FastPath): Look {
  const counters = path.counters()
  return { in: counters.espIn ?? 0, out: counters.espOut ?? 0, seconds: worker().seconds }
}

/** What is in the sockets' buffers is worked off too: the worker sleeps, and has done nothing for a while. */
async function settled(path: FastPath): Promise<Look> {
  let before = look(path)
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    const now = look(path)
    if (worker().sleeps && now.seconds === before.seconds) return now
    before = now
  }
}

/** Of the worker's thread: processor time in seconds, as schedstat counts it in nanoseconds, and whether it waits for packets. */
function worker(): { readonly seconds: number; readonly sleeps: boolean } {
  const own = '/proc/self/task'
  for (const task of readdirSync(own)) {
    const read = (name: string) => readFileSync(`${own}/${task}/${name}`, 'utf8')
    if (read('comm').trim() !== 'gatehouse-esp') continue
    // proc(5): the state stands behind the name in brackets.
    return { seconds: Number(read('schedstat').split(' ')[0]) / 1e9, sleeps: read('stat').includes(') S ') }
  }
  throw new Error('the worker has no thread')
}

if (process.argv[2] !== undefined && import.meta.main)
  await measurePackets(JSON.parse(process.argv[2]) as PacketsOptions)
