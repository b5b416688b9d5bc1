// An IPsec policy on a whole gateway in virtual time: the list that reaches the packet filter, soft associations, and what is never let through.
import { expect, test } from 'vitest'
import { FakePacketPolicy } from '../../test/fakes/packet-policy.ts'
import { World } from '../../test/fakes/platform.ts'
import { parseConfiguration } from '../config/parse.ts'
import { createGateway } from './gateway.ts'

function configuration(action: string, assigned = 'assigned: Servers') {
  const outcome = parseConfiguration(
    `remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
listen: [192.0.2.1]
policies:
  ${assigned}
  filterLists: [{ name: servers, filters: [{ source: me, destination: 198.51.100.0/24 }] }]
  filterActions: [{ name: Ask, action: negotiate, methods: [aes128gcm16]${action} }]
  policies: [{ name: Servers, rules: [{ name: servers, filterList: servers, filterAction: Ask, authentication: [{ preSharedKey: a key of this rule }] }] }]
`,
    () => '',
  )
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

async function start(action: string) {
  const world = new World(7)
  const machine = world.machine('192.0.2.1')
  const packetPolicy = new FakePacketPolicy('192.0.2.1')
  const gateway = await world.of(createGateway(Object.assign(machine, { packetPolicy }), configuration(action)))
  return { world, machine, packetPolicy, gateway }
}

test('the filter has both ways of the rule, in order, behind the exemptions', async () => {
  const { world, packetPolicy, gateway } = await start('')
  const all = { protocol: 0, sourcePort: 0, destinationPort: 0, connection: 'all', forwarded: false }
  expect(packetPolicy.plan).toMatchObject({ device: 'gatehouse0', plane: 'userland' })
  const ofAddress = (own: string) => [
    {
      ...all,
      source: own,
      destination: '198.51.100.0/24',
      direction: 'out',
      action: 'protect',
      acceptUnsecured: false,
      carried: true,
      soft: 0,
    },
    {
      ...all,
      source: '198.51.100.0/24',
      destination: own,
      direction: 'in',
      action: 'protect',
      acceptUnsecured: false,
      carried: false,
      soft: 0,
    },
  ]
  expect(packetPolicy.plan?.filters.filter(({ action, protocol }) => action === 'protect' && protocol === 0)).toEqual([
    ...ofAddress('192.0.2.1/32'),
    ...ofAddress('10.99.0.1/32'),
  ])
  expect(gateway.status().policy).toMatchObject({ assigned: 'Servers', soft: [] })
  await world.of(gateway.reload(configuration('', 'builtInL2tpRule: true')))
  expect(packetPolicy.plan).toBeUndefined()
  await world.of(gateway.stop())
})

test('a peer that answers no IKE becomes soft where the action allows it, for its time', async () => {
  const { world, machine, packetPolicy, gateway } = await start(', allowUnsecured: true, softLifetime: 60s')
  packetPolicy.asking = [{ soft: 0, peer: '198.51.100.9' }]
  expect(await world.until(() => packetPolicy.did.length > 0, 60_000)).toBe(true)
  expect(packetPolicy.did).toEqual(['clear 0 198.51.100.9 60'])
  expect(gateway.status().policy?.soft).toMatchObject([{ rule: 'servers', peer: '198.51.100.9' }])
  expect(machine.said('warn')).toContain(
    "a soft association with 198.51.100.9 for 60 s: it doesn't answer IKE, and rule servers allows clear traffic then; nothing is encrypted",
  )
  await world.run(62_000)
  expect(packetPolicy.did).toEqual(['clear 0 198.51.100.9 60', 'end 0 198.51.100.9'])
  expect(gateway.status().policy?.soft).toEqual([])
  await world.of(gateway.stop())
})

test('an address of the machine that comes or goes ends no soft association, nor the question whether the peer speaks IPsec', async () => {
  const { world, machine, packetPolicy, gateway } = await start(', allowUnsecured: true, softLifetime: 60s')
  expect(packetPolicy.enforced).toBe(1)
  // Its own inner address, of which the rule spoke before the device was there.
  packetPolicy.own = ['192.0.2.1', '10.99.0.1']
  packetPolicy.asking = [{ soft: 0, peer: '198.51.100.9' }]
  await world.run(5_000)
  expect(packetPolicy.enforced).toBe(1)
  packetPolicy.own = ['192.0.2.1', '10.99.0.1', '192.0.2.2']
  expect(await world.until(() => packetPolicy.did.length > 0, 60_000)).toBe(true)
  expect([packetPolicy.enforced, packetPolicy.did]).toEqual([2, ['clear 0 198.51.100.9 60']])
  await world.run(20_000)
  packetPolicy.own = ['192.0.2.1', '10.99.0.1']
  await world.run(1_100)
  expect(packetPolicy.enforced).toBe(3)
  expect(packetPolicy.did.slice(1)).toEqual([expect.stringMatching(/^clear 0 198\.51\.100\.9 (39|40)$/)])
  expect(machine.said('warn').filter((line) => line.includes('soft association'))).toHaveLength(1)
  await world.run(62_000)
  expect(packetPolicy.did.at(-1)).toBe('end 0 198.51.100.9')
  await world.of(gateway.stop())
})

test('never where the action forbids it', async () => {
  const { world, machine, packetPolicy, gateway } = await start('')
  packetPolicy.asking = [{ soft: 0, peer: '198.51.100.9' }]
  await world.run(120_000)
  expect([packetPolicy.did, gateway.status().policy?.soft]).toEqual([[], []])
  expect(machine.said('warn')).toContain(
    "packets to 198.51.100.9 are dropped, as rule servers wants them protected: the peer doesn't answer IKE, and the filter action forbids clear traffic",
  )
  await world.of(gateway.stop())
})

test('a peer that speaks IPsec and has another key gets no clear traffic, whatever the action allows', async () => {
  const { world, packetPolicy, machine, gateway } = await start(', allowUnsecured: true')
  const other = world.machine('198.51.100.9')
  const peer = await world.of(createGateway(other, configuration('', 'builtInL2tpRule: true')))
  packetPolicy.asking = [{ soft: 0, peer: '198.51.100.9' }]
  await world.run(180_000)
  expect([packetPolicy.did, gateway.status().policy?.soft]).toEqual([[], []])
  expect(machine.said('warn').join('\n')).toContain('the peer speaks IPsec, and no SA could be made')
  await world.of(gateway.stop())
  await world.of(peer.stop())
})
