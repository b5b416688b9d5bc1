// Two gateways joined by a link of L2TP that either of them dials: whole cores over a simulated network, in virtual time.
import { expect, test } from 'vitest'
import type { FakeFastPath } from '../../test/fakes/fast-path.ts'
import { ipv4Packet, World } from '../../test/fakes/platform.ts'
import { badNetwork } from '../../test/scenarios/network.ts'
import { parseConfiguration } from '../config/parse.ts'
import { createGateway, type Gateway } from './gateway.ts'

type SiteText = Readonly<Record<string, string>>

function configurationOf(pool: string, user: string, site: SiteText | undefined, more = '') {
  const entries = Object.entries({ mode: 'l2tp', ...site }).map(([key, value]) => `${key}: ${value}`)
  const outcome = parseConfiguration(
    `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: ${pool} }
${more}
users: [{ name: ${user}, password: open sesame }]
sites: ${site ? `\n  - { ${entries.join(', ')} }` : '[]'}
`,
    () => '',
  )
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  return outcome.configuration
}

// The simulated world's key exchange knows no curves.
const key = { authentication: '{ preSharedKey: between the two of us only }', ike: 'aes256-sha256-modp2048' }
const dial = (user: string, more = '') => `{ user: ${user}, password: open sesame${more} }`
/** In Aachen, which logs in at Bonn as `aachen`. */
const toBonn: SiteText = {
  name: 'bonn',
  peer: '198.51.100.2',
  localNetworks: '10.1.0.0/16',
  remoteNetworks: '10.2.0.0/16',
  dialOut: dial('aachen'),
  dialIn: '{ user: bonn }',
  ...key,
}
const toAachen: SiteText = {
  name: 'aachen',
  peer: '192.0.2.1',
  localNetworks: '10.2.0.0/16',
  remoteNetworks: '10.1.0.0/16',
  dialOut: dial('bonn'),
  dialIn: '{ user: aachen }',
  ...key,
}

const aachen = (site: SiteText | undefined, more?: string) =>
  configurationOf('10.98.0.10-10.98.0.13', 'bonn', site, more)
const bonn = (site: SiteText | undefined, more?: string) =>
  configurationOf('10.99.0.10-10.99.0.13', 'aachen', site, more)

/** From a host in Aachen to one in Bonn, and back. */
const there = (mark: number) => ipv4Packet('10.1.0.5', '10.2.0.7', Uint8Array.of(mark))
const back = (mark: number) => ipv4Packet('10.2.0.7', '10.1.0.5', Uint8Array.of(mark))
const marks = (fastPath: FakeFastPath) => fastPath.tun.map((octets) => octets[20])

async function pairOf(world: World, ours: SiteText, theirs: SiteText) {
  const one = world.machine('192.0.2.1')
  const two = world.machine('198.51.100.2')
  const first = await world.of(createGateway(one, aachen(ours)))
  const second = await world.of(createGateway(two, bonn(theirs)))
  return { one, two, first, second }
}

const stateOf = (gateway: Gateway) => gateway.status().sites.map(({ site, state }) => `${site} ${state}`)
const callsOf = (gateway: Gateway) => gateway.status().tunnels.flatMap(({ sessions }) => sessions).length

test('on-traffic: the first packets dial, none of them is lost, the routes come and go with the link', async () => {
  const world = new World()
  const { one, two, first, second } = await pairOf(world, toBonn, { ...toAachen, start: 'by-peer' })
  const site = { local: ['10.1.0.0/16'], remote: ['10.2.0.0/16'] }
  expect([stateOf(first), one.network.plan?.sites]).toEqual([['bonn down'], [{ ...site, link: 'down' }]])
  for (const mark of [1, 2, 3]) one.fastPath.fromTun(there(mark))
  await world.run(10_000)
  two.fastPath.fromTun(back(4))
  await world.run(2_000)
  expect([marks(two.fastPath), marks(one.fastPath)]).toEqual([[1, 2, 3], [4]])
  expect([stateOf(first), stateOf(second)]).toEqual([['bonn up'], ['aachen up']])
  expect(one.network.plan?.sites).toEqual([
    {
      local: ['10.1.0.0/16', '10.99.0.10/32'],
      remote: ['10.2.0.0/16', '10.99.0.1/32'],
      link: 'up',
      address: '10.99.0.10',
    },
  ])
  expect(two.network.plan?.sites).toMatchObject([{ remote: ['10.1.0.0/16'], link: 'up' }])
  expect(first.status().sites[0]).toMatchObject({
    mode: 'l2tp',
    packetsOut: 3,
    packetsIn: 1,
    ike: 'aes256-sha256-modp2048',
    networks: ['10.1.0.0/16 - 10.2.0.0/16'],
  })
  expect(second.status().sessions).toMatchObject([{ user: 'aachen', address: '10.99.0.10' }])
  await world.of(second.stop())
  await world.run(5_000)
  expect([stateOf(first), one.network.plan?.sites]).toEqual([['bonn down'], [{ ...site, link: 'down' }]])
})

test('a link without traffic is hung up, and the next packet dials again', async () => {
  const world = new World()
  const { one, two, first } = await pairOf(world, { ...toBonn, idle: '60s' }, { ...toAachen, start: 'by-peer' })
  one.fastPath.fromTun(there(1))
  await world.run(40_000)
  one.fastPath.fromTun(there(2))
  await world.run(50_000)
  expect(stateOf(first)).toEqual(['bonn up'])
  await world.run(30_000)
  expect([stateOf(first), first.status().sites[0]!.why]).toEqual([['bonn down'], 'no packet for 60 s'])
  one.fastPath.fromTun(there(3))
  await world.run(10_000)
  expect([stateOf(first), marks(two.fastPath)]).toEqual([['bonn up'], [1, 2, 3]])
})

test.each([
  ['mschapv2', 'modern'],
  ['chap', 'compatible'],
  ['pap', 'legacy'],
])('the password is proved by %s where that is configured', async (kind, security) => {
  const world = new World()
  const one = world.machine('192.0.2.1')
  const two = world.machine('198.51.100.2')
  const dialOut = dial('aachen', `, authentication: ${kind}`)
  const first = await world.of(createGateway(one, aachen({ ...toBonn, dialOut, start: 'at-once' })))
  const more = `security: ${security}`
  const second = await world.of(createGateway(two, bonn({ ...toAachen, start: 'by-peer' }, more)))
  await world.run(60_000)
  expect(stateOf(first)).toEqual(['bonn up'])
  expect(second.status().sessions).toMatchObject([{ user: 'aachen', authentication: kind }])
})

test('a wrong password: the sentence says so, and the pauses grow', async () => {
  const world = new World()
  const { one, first } = await pairOf(
    world,
    { ...toBonn, dialOut: '{ user: aachen, password: wrong }', start: 'at-once' },
    { ...toAachen, start: 'by-peer' },
  )
  await world.run(120_000)
  expect(stateOf(first)).not.toEqual(['bonn up'])
  const said = one.said('warn').filter((line) => line.startsWith('site bonn was not reached'))
  // The second, after 10 s, is folded into the third.
  expect(said.map((line) => /tried again in (\d+) s/.exec(line)?.[1])).toEqual(['5', '20', '40', '80'])
  expect(said[0]).toContain('password')
})

test('on-traffic packets wait for the pause to be over, and are not a reason to try at once', async () => {
  const world = new World()
  const one = world.machine('192.0.2.1')
  const first = await world.of(createGateway(one, aachen(toBonn)))
  for (let second = 0; second < 300; second++) {
    one.fastPath.fromTun(there(1))
    await world.run(1_000)
  }
  const failures = one.said('warn').filter((line) => line.startsWith('site bonn was not reached'))
  expect(failures.length).toBeGreaterThan(1)
  expect(failures.length).toBeLessThan(8)
  expect(failures[0]).toMatch(/198\.51\.100\.2.*; tried again with the next packet, after 5 s$/)
  expect(first.status().sites[0]!.packetsOut).toBe(0)
})

test('both dial at once: one link is left, and it carries both ways', async () => {
  const world = new World()
  const atOnce = { start: 'at-once' }
  const { one, two, first, second } = await pairOf(world, { ...toBonn, ...atOnce }, { ...toAachen, ...atOnce })
  await world.run(30_000)
  expect([stateOf(first), stateOf(second)]).toEqual([['bonn up'], ['aachen up']])
  expect([callsOf(first), callsOf(second)]).toEqual([1, 1])
  one.fastPath.fromTun(there(1))
  two.fastPath.fromTun(back(2))
  await world.run(2_000)
  expect([marks(two.fastPath), marks(one.fastPath)]).toEqual([[1], [2]])
})

test('at-once: a peer that went is dialled until it is back', async () => {
  const world = new World()
  const { one, two, first, second } = await pairOf(
    world,
    { ...toBonn, start: 'at-once' },
    { ...toAachen, start: 'by-peer' },
  )
  await world.run(10_000)
  expect(stateOf(first)).toEqual(['bonn up'])
  await world.of(second.stop())
  await world.run(60_000)
  expect(stateOf(first)).not.toEqual(['bonn up'])
  const again = await world.of(createGateway(two, bonn({ ...toAachen, start: 'by-peer' })))
  await world.run(120_000)
  expect([stateOf(first), stateOf(again)]).toEqual([['bonn up'], ['aachen up']])
  one.fastPath.fromTun(there(1))
  await world.run(2_000)
  expect(marks(two.fastPath)).toEqual([1])
})

test('the peer hung up and then lost its SAs without a word: the next dial makes new ones', async () => {
  const world = new World()
  const { two, first, second } = await pairOf(world, { ...toBonn, start: 'at-once' }, { ...toAachen, start: 'by-peer' })
  await world.run(10_000)
  expect(second.disconnect('aachen')).toBe(1)
  await world.run(300)
  expect(stateOf(first)).toEqual(['bonn down'])
  // What it says when it stops is lost.
  two.host.unplugged = true
  await world.of(second.stop())
  two.host.unplugged = false
  const again = await world.of(createGateway(two, bonn({ ...toAachen, start: 'by-peer' })))
  await world.run(10_000)
  expect([stateOf(first), stateOf(again)]).toEqual([['bonn up'], ['aachen up']])
})

test('the site’s user from somewhere else is refused, with the reason', async () => {
  const world = new World()
  const one = world.machine('203.0.113.77')
  const two = world.machine('198.51.100.2')
  const first = await world.of(createGateway(one, aachen({ ...toBonn, start: 'at-once', authentication: shared })))
  await world.of(createGateway(two, bonn({ ...toAachen, start: 'by-peer' })))
  await world.run(20_000)
  expect(stateOf(first)).not.toEqual(['bonn up'])
  expect(two.said().join('\n')).toContain(
    'aachen is the user of site aachen, which is at 192.0.2.1; this call came from 203.0.113.77',
  )
})
const shared = '{ preSharedKey: correct horse battery staple }'

test('two gateways with the same pool: the link joins the networks without its own addresses', async () => {
  const world = new World()
  const one = world.machine('192.0.2.1')
  const two = world.machine('198.51.100.2')
  const same = '10.99.0.10-10.99.0.13'
  await world.of(createGateway(one, configurationOf(same, 'bonn', toBonn)))
  await world.of(createGateway(two, configurationOf(same, 'aachen', { ...toAachen, start: 'by-peer' })))
  one.fastPath.fromTun(there(1))
  await world.run(10_000)
  two.fastPath.fromTun(back(2))
  await world.run(2_000)
  expect([marks(two.fastPath), marks(one.fastPath)]).toEqual([[1], [2]])
  expect(one.network.plan?.sites).toMatchObject([{ remote: ['10.2.0.0/16'], link: 'up', address: undefined }])
})

test('sites come and go with the configuration', async () => {
  const world = new World()
  const { one, two, first, second } = await pairOf(
    world,
    { ...toBonn, start: 'at-once' },
    { ...toAachen, start: 'by-peer' },
  )
  await world.run(10_000)
  await world.of(first.reload(aachen(undefined)))
  await world.run(10_000)
  expect([stateOf(first), stateOf(second)]).toEqual([[], ['aachen down']])
  expect(one.network.plan?.sites).toBeUndefined()
  await world.of(first.reload(aachen(toBonn)))
  one.fastPath.fromTun(there(7))
  await world.run(10_000)
  expect(marks(two.fastPath)).toEqual([7])
})

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'seed %i: over a bad network, both dialling, one link comes and carries',
  async (seed) => {
    const world = new World(seed, badNetwork)
    const atOnce = { start: 'at-once' }
    const { one, two, first, second } = await pairOf(world, { ...toBonn, ...atOnce }, { ...toAachen, ...atOnce })
    const joined = () => callsOf(first) === 1 && callsOf(second) === 1 && stateOf(first)[0] === 'bonn up'
    expect(await world.until(joined, 600_000)).toBe(true)
    await world.run(30_000)
    for (let i = 1; i <= 100; i++) {
      one.fastPath.fromTun(there(i))
      two.fastPath.fromTun(back(i))
      await world.run(100)
    }
    expect([marks(two.fastPath).length > 50, marks(one.fastPath).length > 50]).toEqual([true, true])
    const bugs = [one, two].flatMap(({ records }) =>
      records.filter(({ event }) => /gateway\.bug|fastpath\.refused/.test(event)),
    )
    expect(bugs.map(({ sentence }) => sentence)).toEqual([])
  },
)
