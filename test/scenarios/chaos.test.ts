// Eight clients behind two NATs do what clients do, in any order: dial, leave, vanish, move; the operator disconnects, disables and reloads; the network
// is good, bad or gone. At every step the books agree, and when everybody is gone nothing is left.
// `SEED=17 npx vitest run test/scenarios/chaos.test.ts` plays one seed again.
import { expect, test } from 'vitest'
import { parseConfiguration } from '../../src/config/parse.ts'
import type { Status } from '../../src/control/protocol.ts'
import { type ClientSession, connect } from '../../src/gateway/connect.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { Secret } from '../../src/wire/secret.ts'
import { connectOptions } from '../fakes/connect-options.ts'
import { ipv4Packet, type Machine, World } from '../fakes/platform.ts'
import { badNetwork, fairNetwork, type Nat, SeededRandom } from './network.ts'

const server = '192.0.2.1'
const users = ['alice', 'bob', 'carol', 'dave']

function configuration(disabled: string | undefined) {
  const rules = { alice: 'any', bob: 'end-first', carol: 'refuse-second', dave: 'any, address: 10.99.0.99' } as const
  const list = Object.entries(rules).map(
    ([name, rule]) => `  - { name: ${name}, password: wonderland, enabled: ${name !== disabled}, sessions: ${rule} }`,
  )
  const text = `
remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.14
  lifetimes: { ike: 10m, esp: 2m }
users:
${list.join('\n')}
`
  const outcome = parseConfiguration(text, () => '')
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

type Client = { machine: Machine; session: ClientSession | undefined }

async function play(seed: number): Promise<string[]> {
  const world = new World(seed)
  const choice = new SeededRandom(seed * 7919)
  const wrong: string[] = []
  const machines: Machine[] = []
  const gatewayMachine = world.machine(server)
  machines.push(gatewayMachine)
  const gateway = await world.of(createGateway(gatewayMachine, configuration(undefined)))
  const nats = [world.network.nat('203.0.113.1'), world.network.nat('203.0.113.2')]
  const place = (nat: Nat | undefined, i: number) => {
    const machine = nat ? world.machine('192.168.1.5', nat) : world.machine(`198.51.100.${i + 1}`)
    machines.push(machine)
    return machine
  }
  const clients: Client[] = Array.from({ length: 8 }, (_, i) => ({
    machine: place(nats[i % 3], i),
    session: undefined,
  }))

  const dial = (client: Client, i: number) => {
    const { machine } = client
    connect(
      connectOptions(machine.host.address, {
        user: users[choice.below(users.length)]!,
        password: new Secret(choice.chance(0.1) ? 'wrong' : 'wonderland'),
        hostName: `client-${i}`,
        timeoutSeconds: 30,
      }),
      machine,
    ).then(
      (session) => {
        if (client.machine !== machine) return
        client.session = session
        session.ended.then(() => {
          if (client.session === session) client.session = undefined
        })
      },
      () => {},
    )
  }
  const step = (): void => {
    const i = choice.below(clients.length)
    const client = clients[i]!
    switch (choice.below(9)) {
      case 0:
      case 1:
      case 2:
        if (!client.session) dial(client, i)
        return
      case 3:
        void client.session?.disconnect()
        return
      case 4:
        // Vanishes without a word; another machine takes its place.
        client.machine.host.unplugged = true
        clients[i] = { machine: place(nats[i % 3], i), session: undefined }
        return
      case 5:
        world.network.rebind(nats[choice.below(2)]!)
        return
      case 6:
        gateway.disconnect(users[choice.below(users.length)]!)
        return
      case 7:
        void gateway.reload(configuration(choice.chance(0.5) ? users[choice.below(users.length)] : undefined))
        return
      case 8:
        world.network.faults = choice.chance(0.5) ? fairNetwork : badNetwork
    }
  }
  for (let steps = 0; steps < 60; steps++) {
    step()
    for (const { machine, session } of clients) {
      if (session) machine.fastPath.fromTun(ipv4Packet(session.address, session.gateway, Uint8Array.of(1)))
    }
    await world.run(choice.below(8000))
    wrong.push(...inconsistencies(gateway.status()))
  }
  world.network.faults = fairNetwork
  for (const { machine } of clients) machine.host.unplugged = true
  await world.run(20 * 60_000)
  const status = gateway.status()
  if (status.pool.used + status.sessions.length + status.tunnels.length > 0)
    wrong.push(`left: ${JSON.stringify(status)}`)
  if (status.ikeSas.some(({ esp }) => esp.length > 0)) wrong.push(`left: ${JSON.stringify(status.ikeSas)}`)
  await world.of(gateway.stop())
  for (const { records } of machines) {
    for (const { event, sentence, facts } of records) {
      if (event === 'gateway.bug' || event === 'fastpath.refused')
        wrong.push(`${sentence} ${String(facts.stack ?? '')}`)
    }
  }
  return wrong
}

function inconsistencies({ sessions, pool, tunnels, ikeSas }: Status): string[] {
  const wrong: string[] = []
  const addresses = sessions.map(({ address }) => address)
  if (new Set(addresses).size !== addresses.length) wrong.push(`an address twice: ${addresses.join(' ')}`)
  if (pool.used < sessions.length) wrong.push(`${sessions.length} sessions but ${pool.used} addresses`)
  if (sessions.filter(({ user }) => user === 'bob').length > 1) wrong.push('bob is in twice')
  for (const { peer } of sessions) {
    if (!ikeSas.some((sa) => sa.peer === peer) && !tunnels.some((tunnel) => tunnel.peer === peer))
      wrong.push(`a session of ${peer} on nothing`)
  }
  return wrong
}

const only = process.env.SEED === undefined ? undefined : Number(process.env.SEED)
const seeds = only === undefined ? Array.from({ length: 50 }, (_, i) => i + 1) : [only]

test(`${seeds.length} seeds of everything at once`, { timeout: 240_000 }, async () => {
  const failures: string[] = []
  for (const seed of seeds) {
    const wrong = await play(seed).catch((error: Error) => [error.stack ?? error.message])
    if (wrong.length > 0) failures.push(`SEED=${seed}: ${wrong.slice(0, 3).join('; ')}`)
    if (failures.length === 5) break
  }
  expect(failures).toEqual([])
})
