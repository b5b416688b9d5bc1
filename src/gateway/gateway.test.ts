// Whole gateways and whole clients over the simulated network, in virtual time: what happens, in the order in which it does.
import { afterEach, expect, test } from 'vitest'
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

function options(machine: Machine, more: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    server: { address: server, ike: 500, natt: 4500 },
    localAddress: machine.host.address,
    ports: { ike: 500, natt: 4500 },
    preSharedKey: new Secret('correct horse battery staple'),
    user: 'alice',
    password: new Secret('wonderland'),
    ike: [{ cipher: 'aes256', hash: 'sha256', group: 'modp2048' }],
    esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
    authentication: ['mschapv2'],
    hostName: 'client',
    device: 'ppp-test',
    routes: [],
    mru: 1400,
    timeoutSeconds: 60,
    deadPeerSeconds: 60,
    forceEncapsulation: false,
    ...more,
  }
}

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
