// A gateway with a site in tunnel mode is killed and started anew from what it had written down: the tunnel stands, packets pass while nobody is there, and
// renewals go on. A site whose entry changed meanwhile ends.
import { expect, test } from 'vitest'
import { parseConfiguration } from '../../src/config/parse.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { Life, type Written } from '../fakes/life.ts'
import { ipv4Packet, World } from '../fakes/platform.ts'

const configurationOf = (peer: string, ours: string, theirs: string, key = 'between the two of us only') => {
  const outcome = parseConfiguration(
    `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13 }
users: [{ name: alice, password: wonderland }]
sites:
  - name: other
    peer: ${peer}
    localNetworks: ${ours}
    remoteNetworks: ${theirs}
    authentication: { preSharedKey: ${key} }
    ike: aes256-sha256-modp2048
    lifetimes: { ike: 10m, esp: 60s }
`,
    () => '',
  )
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  return outcome.configuration
}

const [one, two] = ['192.0.2.1', '198.51.100.2']

async function play() {
  const world = new World()
  const [east, west] = [world.machine(one), world.machine(two)]
  const written: Written = new Map()
  let life = new Life(east, written)
  const start = async (key?: string): Promise<Gateway> => {
    life = new Life(east, written)
    return world.of(createGateway(life, configurationOf(two, '10.1.0.0/16', '10.2.0.0/16', key)))
  }
  const kill = () => {
    life.kill()
    east.fastPath.abandon(false)
  }
  const first = await start()
  const other = await world.of(createGateway(west, configurationOf(one, '10.2.0.0/16', '10.1.0.0/16')))
  /** A packet each way; how many came. */
  const exchange = async () => {
    east.fastPath.fromTun(ipv4Packet('10.1.0.5', '10.2.0.7', Uint8Array.of(1)))
    west.fastPath.fromTun(ipv4Packet('10.2.0.7', '10.1.0.5', Uint8Array.of(2)))
    await world.run(1_000)
    return west.fastPath.tun.splice(0).length + east.fastPath.tun.splice(0).length
  }
  await exchange()
  await world.run(5_000)
  for (const { fastPath } of [east, west]) fastPath.tun.splice(0)
  return { world, east, west, first, other, start, kill, exchange }
}

const joined = { site: 'other', state: 'up', networks: ['10.1.0.0/16 - 10.2.0.0/16'] }
const nothing = (records: readonly { event: string }[]) =>
  records.filter(({ event }) => event === 'gateway.bug' || event === 'fastpath.refused')

test('killed and started anew: the tunnel stands with its SAs, and is renewed', async () => {
  const { world, east, first, other, start, kill, exchange } = await play()
  const since = first.status().sites[0]?.since
  kill()
  // Nobody is there; what is sealed is opened all the same.
  expect(await exchange()).toBe(2)
  const again = await start()
  expect(again.status().sites).toMatchObject([{ ...joined, since }])
  expect(await exchange()).toBe(2)
  expect(again.status().events['ike.pair.established']).toBeUndefined()
  for (let second = 0; second < 200; second++) expect(await exchange(), `second ${second}`).toBe(2)
  // Ten minutes without L2TP are no reason.
  await world.run(700_000)
  expect(again.status().events['ike.pair.established']).toBeGreaterThan(2)
  expect(again.status().sites).toMatchObject([joined])
  expect(other.status().events['site.down']).toBeUndefined()
  expect(nothing(east.records)).toEqual([])
})

test('killed, and the site’s key is another at the next start: the former tunnel is said goodbye to', async () => {
  const { world, east, other, start, kill, exchange } = await play()
  kill()
  const again = await start('another key of ours now')
  await world.run(10_000)
  expect(again.status().sites).toMatchObject([{ site: 'other', state: 'down', networks: [] }])
  expect(other.status().sites).toMatchObject([{ state: 'down', why: 'the peer deleted its SAs' }])
  expect(await exchange()).toBe(0)
  expect(nothing(east.records)).toEqual([])
})
