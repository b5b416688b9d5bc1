// Bugs of ours, made on purpose: a machine that throws costs the one peer or call that it was handling, never the process and never a neighbour.
import { expect, test } from 'vitest'
import { connectOptions } from '../../test/fakes/connect-options.ts'
import { FakeFastPath } from '../../test/fakes/fast-path.ts'
import { type Machine, World } from '../../test/fakes/platform.ts'
import { parseConfiguration } from '../config/parse.ts'
import type { IkeEffect, SaPair } from '../ike/contract.ts'
import { connect } from './connect.ts'
import { type Cores, cores } from './cores.ts'
import { createGateway } from './gateway.ts'

const outcome = parseConfiguration(
  `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13, domain: example.org, routes: [10.1.0.0/16] }
users: [{ name: alice, password: wonderland }]
`,
  () => '',
)
if (outcome.is === 'faulty') throw new Error('the test’s configuration is faulty')
const { configuration } = outcome

let world: World

async function gatewayWith(broken: Partial<Cores>) {
  world = new World()
  const machine = world.machine('192.0.2.1')
  const gateway = await world.of(createGateway(machine, configuration, { ...cores, ...broken }))
  return { machine, gateway }
}

function logIn(client: Machine) {
  return world.of(connect(connectOptions(client.host.address), client))
}

const bugsOf = (machine: Machine) =>
  machine.records.filter(({ event }) => event === 'gateway.bug').map(({ sentence }) => sentence)

test('PPP throws: its call ends, the other client’s goes on', async () => {
  let armed = false
  const { machine, gateway } = await gatewayWith({
    ppp: (policy) => {
      const link = cores.ppp(policy)
      const handle = link.handle.bind(link)
      link.handle = (input, at) => {
        if (armed && input.on === 'frame') {
          armed = false
          throw new Error('made on purpose')
        }
        return handle(input, at)
      }
      return link
    },
  })
  const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  const first = await logIn(one)
  await logIn(two)
  armed = true
  one.fastPath.sendPpp(1, 0xc021, Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0))
  await world.of(first.ended)
  expect(bugsOf(machine)).toEqual([
    expect.stringMatching(/^a bug of ours in ppp call 1 \(input frame\): made on purpose/),
  ])
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.8:500'])
})

test('L2TP throws on a peer’s message: that peer goes, the other stays', async () => {
  let victim: number | undefined
  const { machine, gateway } = await gatewayWith({
    l2tp: (policy) => {
      const core = cores.l2tp(policy)
      const handle = core.handle.bind(core)
      core.handle = (input, at) => {
        if (input.on === 'control' && input.peer === victim) throw new Error('made on purpose')
        return handle(input, at)
      }
      return core
    },
  })
  const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  const first = await logIn(one)
  await logIn(two)
  victim = 1
  one.fastPath.sendControl(1, 1701, 1701, Uint8Array.of(0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0))
  await world.of(first.ended)
  await world.run(1000)
  expect(bugsOf(machine).length).toBe(1)
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.8:500'])
})

test('a peer has so many calls without a log-in, and no more', async () => {
  let flood = false
  const hungUp: number[] = []
  const { gateway } = await gatewayWith({
    l2tp: (policy) => {
      const core = cores.l2tp(policy)
      const handle = core.handle.bind(core)
      core.handle = (input, at) => {
        if (input.on === 'hangUp' && input.result === 4) hungUp.push(input.call)
        if (!flood || input.on !== 'control') return handle(input, at)
        flood = false
        return Array.from({ length: 70 }, (_, i) => ({
          do: 'callUp',
          call: 1000 + i,
          request: undefined,
          peer: input.peer,
          local: { tunnel: 1, session: 1000 + i, port: 1701 },
          remote: { tunnel: 1, session: 1000 + i, port: 1701 },
          sequencing: false,
          peerHostName: 'client',
          callingNumber: undefined,
        }))
      }
      return core
    },
  })
  const one = world.machine('198.51.100.7')
  await logIn(one)
  flood = true
  one.fastPath.sendControl(1, 1701, 1701, Uint8Array.of(0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0))
  await world.run(100)
  expect(hungUp).toEqual([1064, 1065, 1066, 1067, 1068, 1069])
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.7:500'])
})

test('peers that never log in give way, the oldest first; one with a session stays', async () => {
  let [flood, first, count] = [false, 1000, 4097]
  const told: unknown[] = []
  const { gateway } = await gatewayWith({
    ike: (policy) => {
      const core = cores.ike(policy)
      const handle = core.handle.bind(core)
      let pair: SaPair | undefined
      core.handle = (input, at) => {
        if (input.on === 'disconnect') {
          told.push(input.peer)
          return [{ do: 'peerGone', peer: input.peer, reason: 'disconnected' }]
        }
        const effects = flood && input.on === 'datagram' ? peersUp(pair!, first, count) : handle(input, at)
        pair ??= effects.find((effect) => effect.do === 'install')?.pair
        return effects
      }
      return core
    },
  })
  const one = world.machine('198.51.100.7')
  await logIn(one)
  flood = true
  const path = { local: { address: '198.51.100.7', port: 500 }, remote: { address: '192.0.2.1', port: 500 } }
  one.fastPath.sendIke(path, new Uint8Array(28))
  await world.run(100)
  ;[first, count] = [9000, 1]
  one.fastPath.sendIke(path, new Uint8Array(28))
  await world.run(100)
  flood = false
  expect(told).toEqual([1000, 1001])
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.7:500'])
})

/** Peers, each with a pair. */
function peersUp(pair: SaPair, first: number, count: number): IkeEffect[] {
  return Array.from({ length: count }, (_, i): IkeEffect[] => {
    const peer = first + i
    const inbound = { ...pair.inbound, spi: 100_000 + peer }
    return [
      { do: 'install', job: 100_000 + peer, pair: { ...pair, peer, inbound }, newPeer: true },
      { do: 'peerUp', peer, request: undefined, path: pair.path, client: 'unknown' },
    ]
  }).flat()
}

test('IKE throws on a datagram: the datagram is lost, nobody goes, for its source is only claimed', async () => {
  let armed = false
  const { machine, gateway } = await gatewayWith({
    ike: (policy) => {
      const core = cores.ike(policy)
      const handle = core.handle.bind(core)
      core.handle = (input, at) => {
        if (armed && input.on === 'datagram') throw new Error('made on purpose')
        return handle(input, at)
      }
      return core
    },
  })
  const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  await logIn(one)
  await logIn(two)
  armed = true
  one.fastPath.sendIke(
    { local: { address: '198.51.100.7', port: 500 }, remote: { address: '192.0.2.1', port: 500 } },
    new Uint8Array(28),
  )
  await world.run(100)
  armed = false
  await world.run(10_000)
  expect(bugsOf(machine).length).toBe(1)
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.7:500', '198.51.100.8:500'])
})

test('a fast path that refuses a session: the call is hung up, the refusal said', async () => {
  const { machine, gateway } = await gatewayWith({})
  const apply = FakeFastPath.prototype.apply
  machine.fastPath.apply = function (job, changes) {
    const bad = changes.some((change) => change.do === 'addSession')
    apply.call(this, job, bad ? [{ do: 'removeSession', session: 99 }] : changes)
  }
  await expect(logIn(world.machine('198.51.100.7'))).rejects.toThrow()
  await world.run(100_000)
  expect(machine.said('error')[0]).toMatch(/the data plane refused session 1: .*99/)
  expect(gateway.status()).toMatchObject({ sessions: [], pool: { used: 0 } })
})

test('SAs without L2TP stay ten minutes for a client that dials again, and go then, also without dead-peer detection', async () => {
  const off = { idleSeconds: 0, intervalSeconds: 1, tries: 1 }
  const { gateway } = await gatewayWith({ ike: (policy) => cores.ike({ ...policy, dpd: off }) })
  const client = world.machine('198.51.100.7')
  await logIn(client)
  gateway.disconnect('alice')
  client.host.unplugged = true
  const pairs = () => gateway.status().ikeSas.flatMap(({ esp }) => esp).length
  await world.run(9 * 60_000)
  expect([pairs(), gateway.status().tunnels]).toEqual([1, []])
  await world.run(3 * 60_000)
  expect(pairs()).toBe(0)
})

test('a DHCPINFORM is answered with routes and domain', async () => {
  await gatewayWith({})
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  client.fastPath.fromTun(inform(session.address))
  await world.run(100)
  const [answer] = client.fastPath.tun
  const text = Buffer.from(answer!)
  expect([text.subarray(12, 20).join('.'), text.readUInt16BE(20), text.readUInt16BE(22)]).toEqual([
    '10.99.0.1.10.99.0.10',
    67,
    68,
  ])
  expect(text.includes('example.org')).toBe(true)
  // Option 249: 10.1.0.0/16 through the client's own address.
  expect(text.includes(Buffer.of(249, 7, 16, 10, 1, 10, 99, 0, 10))).toBe(true)
})

/** As macOS sends it: options 53, 61 and the request list 55. */
function inform(address: string): Uint8Array {
  const octets = address.split('.').map(Number)
  const dhcp = Buffer.alloc(240)
  dhcp.set([1, 8, 6, 0, 0, 0, 0, 1])
  dhcp.set(octets, 12)
  dhcp.set([99, 130, 83, 99], 236)
  const options = Buffer.of(53, 1, 8, 61, 7, 8, 0, 0, 0, 1, 0, 0, 55, 6, 6, 44, 43, 1, 249, 15, 255)
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(68, 0)
  udp.writeUInt16BE(67, 2)
  udp.writeUInt16BE(8 + dhcp.length + options.length, 4)
  const ip = Buffer.alloc(20)
  ip.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17])
  ip.writeUInt16BE(20 + 8 + dhcp.length + options.length, 2)
  ip.set(octets, 12)
  ip.set([255, 255, 255, 255], 16)
  ip.writeUInt16BE(checksum(ip), 10)
  return new Uint8Array(Buffer.concat([ip, udp, dhcp, options]))
}

function checksum(header: Buffer): number {
  let sum = 0
  for (let i = 0; i < header.length; i += 2) sum += header.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
