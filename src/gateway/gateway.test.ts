// Whole gateways and whole clients over the simulated network, in virtual time: what happens, in the order in which it does.
import { afterEach, expect, test } from 'vitest'
import { connectOptions } from '../../test/fakes/connect-options.ts'
import { ipv4Packet, type Machine, World } from '../../test/fakes/platform.ts'
import type { Configuration } from '../config/configuration.ts'
import { parseConfiguration } from '../config/parse.ts'
import { Secret } from '../wire/secret.ts'
import { type ClientSession, type ConnectOptions, connect } from './connect.ts'
import { createGateway, type Gateway } from './gateway.ts'

const base = `
hostname: gw1
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.13
users:
  - { name: alice, password: wonderland }
  - { name: bob, password: builder }
`

function configuration(text = base): Configuration {
  const outcome = parseConfiguration(text, () => '')
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

const server = '192.0.2.1'
let world: World
let bugs: () => string[] = () => []

async function house(text?: string, seed = 1): Promise<{ world: World; machine: Machine; gateway: Gateway }> {
  world = new World(seed)
  const machine = world.machine(server)
  bugs = () =>
    machine.records
      .filter(({ event }) => event === 'gateway.bug' || event === 'fastpath.refused')
      .map(({ sentence, facts }) => `${sentence} ${facts.stack}`)
  const gateway = await world.of(createGateway(machine, configuration(text)))
  return { world, machine, gateway }
}

afterEach(() => expect(bugs()).toEqual([]))

const options = (machine: Machine, more: Partial<ConnectOptions> = {}) => connectOptions(machine.host.address, more)

const logIn = (machine: Machine, more: Partial<ConnectOptions> = {}) =>
  world.of(connect(options(machine, more), machine))

/** A packet each way: through, or not. */
async function ping(client: Machine, session: ClientSession, gateway: Machine): Promise<boolean> {
  const { address: ours, gateway: theirs } = session
  client.fastPath.fromTun(ipv4Packet(ours, theirs, Uint8Array.of(1)))
  await world.run(50)
  const arrived = gateway.fastPath.tun.splice(0).length === 1
  gateway.fastPath.fromTun(ipv4Packet(theirs, ours, Uint8Array.of(2)))
  await world.run(50)
  return arrived && client.fastPath.tun.splice(0).length === 1
}

test('a client logs in, packets pass, status shows it, it leaves', async () => {
  const { machine, gateway } = await house()
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  expect(session).toMatchObject({
    address: '10.99.0.10',
    gateway: '10.99.0.1',
    dns: ['10.99.0.1'],
    ike: 'aes256-sha256-modp2048',
    esp: 'aes128-sha1',
    natted: false,
    environment: { PPP_LOCAL: '10.99.0.10', PPP_REMOTE: '10.99.0.1', PPP_IFACE: 'ppp-test', DNS1: '10.99.0.1' },
  })
  expect(client.network.joined).toMatchObject({ address: '10.99.0.10', gatewayAddress: '10.99.0.1', outer: server })
  expect(await ping(client, session, machine)).toBe(true)
  await world.run(2000)
  const status = gateway.status()
  expect(status).toMatchObject({ dataplane: 'fake', pool: { size: 4, used: 1 } })
  expect(status.sessions).toMatchObject([
    {
      user: 'alice',
      address: '10.99.0.10',
      peer: '198.51.100.7:500',
      natted: false,
      ike: 'aes256-sha256-modp2048',
      esp: 'aes128-sha1',
      weak: false,
      bytesIn: 21,
      bytesOut: 21,
      authentication: 'mschapv2',
    },
  ])
  expect([status.ikeSas.length, status.tunnels.length]).toEqual([1, 1])
  await world.of(session.disconnect())
  await world.run(10_000)
  expect(gateway.status()).toMatchObject({ pool: { used: 0 }, sessions: [], ikeSas: [] })
  expect(machine.said('info').filter((line) => line.includes('alice'))).toEqual([
    expect.stringContaining('alice is connected from 198.51.100.7:500'),
    expect.stringContaining('alice (10.99.0.10) is disconnected after'),
  ])
  expect(client.network.cleared).toBe(true)
})

test('four clients behind one NAT, all with the same private address and host name, each reach their own session only', async () => {
  const { machine, gateway } = await house()
  const nat = world.network.nat('203.0.113.9')
  const clients = Array.from({ length: 4 }, () => world.machine('192.168.1.5', nat))
  const sessions = await world.of(Promise.all(clients.map((client) => connect(options(client), client))))
  expect(new Set(sessions.map(({ address }) => address)).size).toBe(4)
  for (const [i, session] of sessions.entries())
    expect([i, await ping(clients[i]!, session, machine)]).toEqual([i, true])
  expect(gateway.status().sessions.map(({ peer, natted }) => [peer.startsWith('203.0.113.9:'), natted])).toEqual(
    Array(4).fill([true, true]),
  )
  // A client may not speak with a neighbour's address.
  const [first, second] = sessions as [ClientSession, ClientSession]
  clients[0]!.fastPath.fromTun(ipv4Packet(second.address, first.gateway, Uint8Array.of(3)))
  await world.run(2000)
  expect(machine.fastPath.tun).toEqual([])
  expect(machine.said('warn')).toEqual([expect.stringContaining('their source is not the session')])
})

type Refusal = { name: string; text?: string; client: Partial<ConnectOptions>; log: RegExp; told: RegExp }
const refusals: Refusal[] = [
  {
    name: 'a wrong pre-shared key',
    client: { preSharedKey: new Secret('wrong') },
    log: /198\.51\.100\.7:\d+ \(gatehouse\) was refused: .*pre-shared key/,
    told: /pre-shared key|does not answer|no answer/i,
  },
  {
    name: 'a wrong password',
    client: { password: new Secret('no') },
    log: /alice.* was refused: .*password.*691/,
    told: /password/,
  },
  {
    name: 'an unknown user',
    client: { user: 'mallory' },
    log: /mallory.* was refused: .*no user "mallory".*691/,
    told: /password/,
  },
  {
    name: 'a proposal that is not allowed',
    client: { ike: [{ cipher: '3des', hash: 'sha1', group: 'modp1024' }] },
    log: /was refused: .*proposal.*3des-sha1-modp1024.*security: compatible/,
    told: /proposal/i,
  },
  {
    name: 'an ESP proposal that is not allowed',
    client: { esp: [{ cipher: '3des', hash: 'sha1', group: undefined }] },
    log: /was refused: .*proposal.*3des-sha1.*security: compatible/,
    told: /proposal/i,
  },
  {
    name: 'an exhausted pool',
    text: base
      .replace('10.99.0.10-10.99.0.13', '10.99.0.0-10.99.0.1')
      .replace('password: builder', 'password: builder, address: 10.99.0.0'),
    client: {},
    log: /alice.* was refused: the address pool is exhausted/,
    told: /address|network/i,
  },
]

test.each(refusals)('refused with the sentence that says so: $name', async ({ text, client: more, log, told }) => {
  const { machine, gateway } = await house(text)
  const client = world.machine('198.51.100.7')
  await expect(logIn(client, more)).rejects.toThrow(told)
  await world.run(60_000)
  expect(machine.said('warn').join('\n')).toMatch(log)
  expect(gateway.status()).toMatchObject({ pool: { used: 0 }, sessions: [] })
})

test('a client killed without a word is gone within a minute, its address free', async () => {
  const { machine, gateway } = await house()
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  await ping(client, session, machine)
  client.host.unplugged = true
  expect(await world.until(() => gateway.status().pool.used === 0, 60_000)).toBe(true)
  await world.run(30_000)
  expect(gateway.status()).toMatchObject({ sessions: [], ikeSas: [], tunnels: [] })
  expect(machine.said('info', 'warn').join('\n')).toMatch(/gone without a word/)
})

test('an idle session lives on, however long', async () => {
  const { machine, gateway } = await house()
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  await world.run(3 * 3600_000)
  expect(gateway.status().sessions.length).toBe(1)
  expect(await ping(client, session, machine)).toBe(true)
  // ESP lives an hour: three successors, and no session lost.
  expect(
    machine.records.filter(({ event, facts }) => event === 'ike.pair.established' && facts.rekeyed).length,
  ).toBeGreaterThan(2)
})

test('disconnect by user and by address: the client is told, the address is free at once', async () => {
  const { machine, gateway } = await house()
  const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  const alice = await logIn(one)
  const bob = await logIn(two, { user: 'bob', password: new Secret('builder') })
  expect([gateway.disconnect('carol'), gateway.disconnect('alice'), gateway.disconnect(bob.address)]).toEqual([0, 1, 1])
  expect(gateway.status()).toMatchObject({ pool: { used: 0 }, sessions: [] })
  expect(await world.of(alice.ended)).toMatch(/disconnected by the operator|closed/)
  expect(await world.of(bob.ended)).toMatch(/disconnected by the operator|closed/)
  expect(machine.said('info').filter((line) => line.includes('disconnected by the operator')).length).toBe(2)
})

test('a reload drops only what it touches', async () => {
  const { machine, gateway } = await house()
  const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  const alice = await logIn(one)
  const bob = await logIn(two, { user: 'bob', password: new Secret('builder') })
  await world.of(
    gateway.reload(
      configuration(
        base.replace('password: builder', 'password: builder, enabled: false').replace('correct', 'another'),
      ),
    ),
  )
  expect(await world.of(bob.ended)).toMatch(/disabled|closed/)
  expect(gateway.status().sessions.map(({ user }) => user)).toEqual(['alice'])
  expect(await ping(one, alice, machine)).toBe(true)
  expect(machine.said('info')).toContain('the new configuration is in force; 1 session ended')
  await expect(logIn(world.machine('198.51.100.9'))).rejects.toThrow()
})

test('a reload that the network refuses keeps what runs; one that takes a restart says so', async () => {
  const { machine, gateway } = await house()
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  const { serve } = machine.network
  machine.network.serve = async (plan) => {
    if (plan.forwarding === 'proxy-arp') throw new Error('no such LAN')
    return serve.call(machine.network, plan)
  }
  const other = base.replace(/users:[\s\S]*/, '  forwarding: proxy-arp\n')
  await expect(world.of(gateway.reload(configuration(other)))).rejects.toThrow('no such LAN')
  expect(machine.network.plan?.forwarding).toBe('masquerade')
  expect(gateway.status().sessions.length).toBe(1)
  await world.of(gateway.reload(configuration(`device: other0\nports: { ike: 501, natt: 4501 }\n${base}`)))
  expect(machine.said('info')).toContain(
    'the new configuration is in force; no session was touched; these take a restart: ports, device',
  )
  expect(await ping(client, session, machine)).toBe(true)
})

test('proxy ARP follows the sessions, also where a reload switches it on', async () => {
  const { machine, gateway } = await house()
  const client = world.machine('198.51.100.7')
  const session = await logIn(client)
  expect([...machine.network.clients]).toEqual([])
  await world.of(gateway.reload(configuration(base.replace('users:', '  forwarding: proxy-arp\nusers:'))))
  expect([...machine.network.clients]).toEqual([session.address])
  const second = await logIn(world.machine('198.51.100.8'))
  expect([...machine.network.clients]).toEqual([session.address, second.address])
  await world.of(session.disconnect())
  await world.run(1000)
  expect([...machine.network.clients]).toEqual([second.address])
})

test('a second log-in: both, the first ends, or the second is refused', async () => {
  for (const [rule, expected] of [
    ['any', [true, true]],
    ['end-first', [false, true]],
    ['refuse-second', [true, false]],
  ] as const) {
    const { gateway } = await house(base.replace('wonderland', `wonderland, sessions: ${rule}`))
    const [one, two] = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
    await logIn(one, { hostName: 'one' })
    const second = await logIn(two, { hostName: 'two' }).catch(() => undefined)
    await world.run(5000)
    const peers = gateway.status().sessions.map(({ peer }) => peer.split(':')[0])
    expect([rule, peers.includes('198.51.100.7'), peers.includes('198.51.100.8')]).toEqual([rule, ...expected])
    expect(second !== undefined).toBe(expected[1])
  }
})

test('a fixed address is one session’s: the machine that dials again gets it, the first ends', async () => {
  const { machine, gateway } = await house(base.replace('wonderland', 'wonderland, address: 10.99.0.77'))
  const client = world.machine('198.51.100.7')
  const first = await logIn(client)
  expect(first.address).toBe('10.99.0.77')
  const second = await logIn(world.machine('198.51.100.8'))
  expect(second.address).toBe('10.99.0.77')
  await world.run(5000)
  expect(gateway.status().sessions.map(({ peer }) => peer)).toEqual(['198.51.100.8:500'])
  expect(machine.said('info').join('\n')).toContain('the first session ends')
})

test('stop: every client is told at once, nothing is left', async () => {
  const { machine, gateway } = await house()
  const clients = [world.machine('198.51.100.7'), world.machine('198.51.100.8')]
  const sessions = []
  for (const client of clients) sessions.push(await logIn(client))
  await world.of(gateway.stop())
  for (const { ended } of sessions) expect(await world.of(ended, 5000)).toMatch(/gateway stops|closed/)
  expect(machine.network.cleared).toBe(true)
  expect(machine.said('info').slice(-1)).toEqual(['stopped'])
  expect(await world.of(gateway.stop())).toBe(undefined)
})

test('session and idle limits end a session with the reason', async () => {
  const { machine } = await house(
    base.replace('wonderland', 'wonderland, sessionLimit: 5m').replace('builder', 'builder, idleLimit: 2m'),
  )
  const one = world.machine('198.51.100.7')
  const two = world.machine('198.51.100.8')
  const alice = await logIn(one)
  const bob = await logIn(two, { user: 'bob', password: new Secret('builder') })
  await world.of(bob.ended, 130_000)
  await world.of(alice.ended, 200_000)
  expect(machine.said('info').filter((line) => /limit|disconnected/.test(line))).toEqual([
    expect.stringContaining('bob at 198.51.100.8:500 (gatehouse) has reached the idle limit'),
    expect.stringMatching(/^bob .* is disconnected after 2 min 0 s: .*idle/),
    expect.stringContaining('alice at 198.51.100.7:500 (gatehouse) has reached the session limit'),
    expect.stringMatching(/^alice .* is disconnected after 5 min 0 s: .*limit/),
  ])
})

test('a NAT that forgets its bindings: the session goes on from the new port', async () => {
  const { machine, gateway } = await house()
  const nat = world.network.nat('203.0.113.9')
  const client = world.machine('192.168.1.5', nat)
  const session = await logIn(client)
  await ping(client, session, machine)
  const before = gateway.status().sessions[0]!.peer
  nat.out.clear()
  nat.back.clear()
  nat.nextPort = 40_000
  expect(await ping(client, session, machine)).toBe(true)
  await world.run(1000)
  expect(gateway.status().sessions[0]!.peer).not.toBe(before)
  expect(await ping(client, session, machine)).toBe(true)
})
