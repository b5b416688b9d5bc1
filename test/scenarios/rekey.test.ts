// Four clients behind one NAT, all with the same private address, for twenty minutes: ESP lives a minute, IKE four, one packet in twenty is lost.
// No session is lost, every packet that arrives belongs to its own session, and on a fair network every packet arrives.
import { expect, test } from 'vitest'
import { parseConfiguration } from '../../src/config/parse.ts'
import { type ClientSession, connect } from '../../src/gateway/connect.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { connectOptions } from '../fakes/connect-options.ts'
import { ipv4Packet, type Machine, World } from '../fakes/platform.ts'
import { type Faults, fairNetwork } from './network.ts'

const server = '192.0.2.1'
const minutes = 20
const outcome = parseConfiguration(
  `
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  lifetimes: { ike: 4m, esp: 1m }
users: [{ name: alice, password: wonderland }]
`,
  () => '',
)
if (outcome.is === 'faulty') throw new Error('the scenario’s configuration is faulty')
const { configuration } = outcome

function dial(world: World, machine: Machine): Promise<ClientSession> {
  return world.of(
    connect(connectOptions(machine.host.address, { hostName: 'same-for-all', timeoutSeconds: 120 }), machine),
  )
}

async function play(seed: number, faults: Faults) {
  const world = new World(seed, fairNetwork)
  const gatewayMachine = world.machine(server)
  const nat = world.network.nat('203.0.113.9')
  const gateway = await world.of(createGateway(gatewayMachine, configuration))
  const machines = Array.from({ length: 4 }, () => world.machine('192.168.1.5', nat))
  const clients = []
  for (const machine of machines) clients.push({ machine, session: await dial(world, machine) })
  world.network.faults = faults
  const seen = { sent: 0, in: 0, out: 0, astray: 0 }
  for (let second = 0; second < minutes * 60; second++) {
    for (const [i, { machine, session }] of clients.entries()) {
      seen.sent++
      machine.fastPath.fromTun(ipv4Packet(session.address, session.gateway, Uint8Array.of(i)))
      gatewayMachine.fastPath.fromTun(ipv4Packet(session.gateway, session.address, Uint8Array.of(i)))
    }
    await world.run(1000)
    for (const packet of gatewayMachine.fastPath.tun.splice(0)) {
      if (packet[15] === Number(clients[packet[20]!]!.session.address.split('.')[3])) seen.in++
      else seen.astray++
    }
    for (const [i, { machine }] of clients.entries()) {
      for (const packet of machine.fastPath.tun.splice(0)) packet[20] === i ? seen.out++ : seen.astray++
    }
  }
  const count = (event: string) => gateway.status().events[event] ?? 0
  return {
    ...seen,
    sessions: gateway.status().sessions.map(({ address }) => address),
    ended: count('session.ended'),
    pairs: count('ike.pair.established'),
    sas: count('ike.sa.established'),
    bugs: [gatewayMachine, ...machines].flatMap(({ records }) =>
      records
        .filter(({ event }) => event === 'gateway.bug' || event === 'fastpath.refused')
        .map(({ sentence }) => sentence),
    ),
  }
}

const addresses = ['10.99.0.10', '10.99.0.11', '10.99.0.12', '10.99.0.13']

test('on a fair network rekeying loses no packet and no session', { timeout: 120_000 }, async () => {
  const end = await play(1, fairNetwork)
  expect(end).toMatchObject({ in: end.sent, out: end.sent, astray: 0, sessions: addresses, ended: 0, bugs: [] })
  expect(end.pairs).toBeGreaterThan(4 * minutes)
  expect(end.sas).toBeGreaterThan(minutes - 1)
})

test('under loss rekeying loses no session', { timeout: 120_000 }, async () => {
  for (const seed of [2, 3]) {
    const end = await play(seed, { loss: 0.05, repeat: 0.05, reorder: 0.05, corrupt: 0, latency: 20 })
    expect(end).toMatchObject({ astray: 0, sessions: addresses, ended: 0, bugs: [] })
    expect(Math.min(end.in, end.out) / end.sent).toBeGreaterThan(0.93)
  }
})
