// Two gateways, or three, whose networks are joined in tunnel mode: whole cores over a simulated network, in virtual time.
import { expect, test } from 'vitest'
import type { FakeFastPath } from '../../test/fakes/fast-path.ts'
import { World } from '../../test/fakes/platform.ts'
import { badNetwork } from '../../test/scenarios/network.ts'
import { parseConfiguration } from '../config/parse.ts'
import { createGateway, type Gateway } from './gateway.ts'

type SiteText = Readonly<Record<string, string>>

function configurationOf(sites: readonly SiteText[]) {
  const text = sites.map(
    (site) =>
      `  - { ${Object.entries({ mode: 'tunnel', ...site })
        .map(([key, value]) => `${key}: ${value}`)
        .join(', ')} }`,
  )
  const outcome = parseConfiguration(
    `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13 }
users: [{ name: alice, password: wonderland }]
sites:${text.length === 0 ? ' []' : `\n${text.join('\n')}`}
`,
    () => '',
  )
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  return outcome.configuration
}

// The simulated world's key exchange knows no curves.
const key = { authentication: '{ preSharedKey: between the two of us only }', ike: 'aes256-sha256-modp2048' }
const east: SiteText = {
  name: 'west',
  peer: '198.51.100.2',
  localNetworks: '10.1.0.0/16',
  remoteNetworks: '10.2.0.0/16',
  ...key,
}
const west: SiteText = {
  name: 'east',
  peer: '192.0.2.1',
  localNetworks: '10.2.0.0/16',
  remoteNetworks: '10.1.0.0/16',
  ...key,
}

/** An IPv4 packet of protocol 17 without a payload, marked by its identification. */
function packet(source: string, destination: string, mark = 1): Uint8Array {
  const octets = new Uint8Array(28)
  octets.set([0x45, 0, 0, 28, 0, mark, 0, 0, 64, 17])
  octets.set(source.split('.').map(Number), 12)
  octets.set(destination.split('.').map(Number), 16)
  return octets
}

const marks = (fastPath: FakeFastPath) => fastPath.tun.map((octets) => octets[5])

async function pairOf(world: World, ours: readonly SiteText[], theirs: readonly SiteText[]) {
  const one = world.machine('192.0.2.1')
  const two = world.machine('198.51.100.2')
  const first = await world.of(createGateway(one, configurationOf(ours)))
  const second = await world.of(createGateway(two, configurationOf(theirs)))
  return { one, two, first, second }
}

const stateOf = (gateway: Gateway) =>
  gateway.status().sites.map(({ site, state, networks }) => ({ site, state, networks }))
const joined = (site: string, ...networks: string[]) => [{ site, state: 'up', networks }]

test('on-traffic: the first packets bring the tunnel up, and none of them is lost', async () => {
  const world = new World()
  const { one, two, first, second } = await pairOf(world, [east], [{ ...west, start: 'by-peer' }])
  expect(stateOf(first)).toEqual([{ site: 'west', state: 'down', networks: [] }])
  for (const mark of [1, 2, 3]) one.fastPath.fromTun(packet('10.1.0.5', '10.2.0.7', mark))
  await world.run(5_000)
  expect(marks(two.fastPath)).toEqual([1, 2, 3])
  expect(stateOf(first)).toEqual(joined('west', '10.1.0.0/16 - 10.2.0.0/16'))
  expect(stateOf(second)).toEqual(joined('east', '10.2.0.0/16 - 10.1.0.0/16'))
  two.fastPath.fromTun(packet('10.2.0.7', '10.1.0.5', 4))
  await world.run(2_000)
  expect(marks(one.fastPath)).toEqual([4])
  expect(first.status().sites[0]).toMatchObject({
    packetsOut: 3,
    packetsIn: 1,
    peer: '198.51.100.2:500',
    natted: false,
    weak: false,
  })
  expect(one.said('info').find((line) => line.startsWith('site'))).toMatch(
    /^site west is joined through .*: 10\.1\.0\.0\/16 - 10\.2\.0\.0\/16, IKE aes256-sha256-modp2048, ESP aes/,
  )
})

test('at-once: all networks are joined without a packet; a lost peer is dialled again', async () => {
  const world = new World()
  const ours = { ...east, start: 'at-once', localNetworks: '[10.1.0.0/16, 172.16.1.0/24]' }
  const theirs = { ...west, start: 'by-peer', remoteNetworks: '[10.1.0.0/16, 172.16.1.0/24]' }
  const { first, second } = await pairOf(world, [ours], [theirs])
  await world.run(10_000)
  expect(stateOf(first)).toEqual(joined('west', '10.1.0.0/16 - 10.2.0.0/16', '172.16.1.0/24 - 10.2.0.0/16'))
  expect(stateOf(second)).toEqual(joined('east', '10.2.0.0/16 - 10.1.0.0/16', '10.2.0.0/16 - 172.16.1.0/24'))
  await world.of(first.stop())
  // Packets may still be on their way for 3 s, and a successor has 5 s to come.
  await world.run(10_000)
  expect(second.status().sites[0]).toMatchObject({ state: 'down', why: 'the peer deleted its SAs' })
})

test('both phases are renewed under traffic, and no packet is lost', async () => {
  const world = new World()
  const lifetimes = '{ ike: 90s, esp: 30s }'
  const { one, two, first } = await pairOf(world, [{ ...east, lifetimes }], [{ ...west, lifetimes }])
  const sent: number[] = []
  for (let i = 1; i <= 250; i++) {
    sent.push(i)
    one.fastPath.fromTun(packet('10.1.0.5', '10.2.0.7', i))
    two.fastPath.fromTun(packet('10.2.0.7', '10.1.0.5', i))
    await world.run(1_000)
  }
  await world.run(5_000)
  expect(marks(two.fastPath)).toEqual(sent)
  expect(marks(one.fastPath)).toEqual(sent)
  const { events } = first.status()
  expect(events['ike.pair.established']).toBeGreaterThan(8)
  expect(events['ike.sa.established']).toBeGreaterThan(2)
  expect(events['site.down']).toBeUndefined()
})

test('a peer that asks for more than is configured is refused, with both sides’ networks in the sentence', async () => {
  const world = new World()
  const { one, two } = await pairOf(
    world,
    [east],
    [{ ...west, localNetworks: '10.0.0.0/14', start: 'at-once', remoteNetworks: '192.168.1.0/24' }],
  )
  await world.run(5_000)
  expect(one.said('warn').find((line) => line.includes('was refused'))).toContain(
    'the peer wants a tunnel between 192.168.1.0/24 and 10.0.0.0/14 (ours first); site west has 10.1.0.0/16 and 10.2.0.0/16: set the same networks on both sides',
  )
  expect(two.said('warn').find((line) => line.startsWith('site'))).toMatch(
    /^site east was not reached: .*INVALID-ID-INFORMATION/,
  )
})

test('a part of what is configured is granted, and only that part passes', async () => {
  const world = new World()
  const { one, two, first } = await pairOf(world, [east], [{ ...west, localNetworks: '10.2.3.0/24', start: 'at-once' }])
  await world.run(5_000)
  expect(stateOf(first)).toEqual(joined('west', '10.1.0.0/16 - 10.2.3.0/24'))
  two.fastPath.fromTun(packet('10.2.3.4', '10.1.0.5', 9))
  one.fastPath.fromTun(packet('10.1.0.5', '10.2.3.4', 8))
  await world.run(2_000)
  expect([marks(one.fastPath), marks(two.fastPath)]).toEqual([[9], [8]])
})

test('a peer that is gone is found, and the next one is tried', async () => {
  const world = new World()
  const one = world.machine('192.0.2.1')
  const spare = world.machine('203.0.113.3')
  one.names.set('backup.example.org', ['203.0.113.3'])
  const first = await world.of(
    createGateway(one, configurationOf([{ ...east, peer: '[198.51.100.2, backup.example.org]', start: 'at-once' }])),
  )
  await world.of(createGateway(spare, configurationOf([{ ...west, start: 'by-peer' }])))
  await world.run(180_000)
  expect(first.status().sites[0]).toMatchObject({ state: 'up', peer: '203.0.113.3:500' })
  expect(one.said('warn').filter((line) => line.startsWith('site'))[0]).toMatch(
    /^site west was not reached: 198\.51\.100\.2:500 .*; its next peer is tried$/,
  )
})

test('without an SA nothing leaves: by-peer drops, and says nothing to anybody', async () => {
  const world = new World()
  const { one, two, first } = await pairOf(world, [{ ...east, start: 'by-peer' }], [{ ...west, start: 'by-peer' }])
  one.fastPath.fromTun(packet('10.1.0.5', '10.2.0.7'))
  await world.run(5_000)
  expect([two.fastPath.tun, first.status().counters]).toMatchObject([[], { dropNoPair: 1 }])
  expect(first.status().ikeSas).toEqual([])
})

test('a wrong key is told as what it is, and the tunnel stays down', async () => {
  const world = new World()
  const { one, first } = await pairOf(
    world,
    [{ ...east, start: 'at-once' }],
    [{ ...west, authentication: '{ preSharedKey: something quite different }', start: 'by-peer' }],
  )
  await world.run(60_000)
  expect(stateOf(first)).toEqual([{ site: 'west', state: expect.stringMatching(/down|connecting/), networks: [] }])
  expect(one.said('warn').some((line) => /pre-shared key/.test(line))).toBe(true)
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'seed %i: over a bad network the tunnel comes up and carries what it is given',
  async (seed) => {
    const world = new World(seed, badNetwork)
    const { one, two, first } = await pairOf(world, [{ ...east, start: 'at-once' }], [{ ...west, start: 'at-once' }])
    await world.run(120_000)
    expect(stateOf(first)[0]).toMatchObject({ state: 'up' })
    for (let i = 1; i <= 100; i++) {
      one.fastPath.fromTun(packet('10.1.0.5', '10.2.0.7', i))
      await world.run(100)
    }
    expect(marks(two.fastPath).length).toBeGreaterThan(50)
  },
)

test('sites come and go with the configuration', async () => {
  const world = new World()
  const { one, two, first, second } = await pairOf(
    world,
    [{ ...east, start: 'at-once' }],
    [{ ...west, start: 'by-peer' }],
  )
  await world.run(5_000)
  expect(stateOf(second)).toEqual(joined('east', '10.2.0.0/16 - 10.1.0.0/16'))
  await world.of(first.reload(configurationOf([])))
  await world.run(10_000)
  expect([stateOf(first), second.status().sites[0]!.state]).toEqual([[], 'down'])
  expect(one.network.plan?.sites).toBeUndefined()
  await world.of(first.reload(configurationOf([east])))
  one.fastPath.fromTun(packet('10.1.0.5', '10.2.0.7', 7))
  await world.run(5_000)
  expect(marks(two.fastPath)).toEqual([7])
})
