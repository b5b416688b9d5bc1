// The board's firewall, loaded by nft into a board between a provider and an office, and tried with packets.
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Configuration } from '../../src/config/configuration.ts'
import { until } from '../interop/lab/run.ts'
import { configured, isRoot, type Place, textOf, World } from './world.ts'

const packets = `python3 ${import.meta.dirname}/packets.py`
const tried = ['udp/500', 'udp/4500', 'udp/1701', 'udp/53', 'udp/161', 'tcp/22', 'tcp/53', 'tcp/80', 'ip/50', 'ip/47']
const network = 'lan: { ports: [lan0], address: 192.168.1.1/24 }'
const office = configured('wan: { port: wan0, address: 192.0.2.2/24, gateway: 192.0.2.1 }', network)

describe.skipIf(!isRoot)('the firewall (needs root)', () => {
  let world: World
  let heard: () => string[]

  beforeAll(async () => {
    world = await World.open()
    await world.in('isp', 'ip addr add 192.0.2.1/24 dev isp0; ip addr add 2001:db8::1/64 dev isp0 nodad')
    await world.in('office', 'ip addr add 192.168.1.9/24 dev office0; ip route add default via 192.168.1.1')
    await world.in(
      'board',
      `ip link set wan0 up; ip link set lan0 up; ip addr add 192.0.2.2/24 dev wan0; ip addr add 2001:db8::2/64 dev wan0 nodad
      ip addr add 192.168.1.1/24 dev lan0; sysctl -q -w net.ipv4.ip_forward=1`,
    )
    const listener = world.start('board', `exec ${packets} listen ${tried.join(' ')}`)
    await until('the listener', () => listener.text().includes('listening'))
    let read = listener.text().length
    heard = () => {
      const fresh = listener.text().slice(read).trim()
      read = listener.text().length
      return fresh === '' ? [] : fresh.split('\n').sort()
    }
  })

  afterAll(() => world?.close())

  async function load(configuration: Configuration | undefined): Promise<void> {
    const file = `${world.folder}/firewall.nft`
    writeFileSync(file, textOf(configuration, '/etc/gatehouse/firewall.nft'))
    await world.in('board', `nft -f ${file}`)
  }

  async function arriving(from: Place, at: string): Promise<string[]> {
    await world.in(from, `${packets} send ${at} ${tried.join(' ')}`)
    await sleep(300)
    return heard()
  }

  const pings = (from: Place, at: string) =>
    world.in(from, `ping -c 1 -W 1 ${at}`).then(
      () => true,
      () => false,
    )

  test('without it everything comes in: the trial is worth something', async () => {
    expect(await arriving('isp', '192.0.2.2')).toEqual(tried.map((one) => `${one} from 192.0.2.1`).sort())
  })

  test('from outside IKE, ESP and ping come in, and nothing else', async () => {
    await load(office)
    const allowed = ['ip/50', 'udp/4500', 'udp/500']
    expect(await arriving('isp', '192.0.2.2')).toEqual(allowed.map((one) => `${one} from 192.0.2.1`))
    expect(await pings('isp', '192.0.2.2')).toBe(true)
  })

  test('over IPv6 too, and neighbours are found', async () => {
    expect(await pings('isp', '2001:db8::2')).toBe(true)
    await world.in('isp', `${packets} send 2001:db8::2 udp/500 udp/1701 tcp/22 tcp/80`)
    await sleep(300)
    expect(heard()).toEqual(['udp/500 from 2001:db8::1'])
  })

  test('from the LAN DNS and the gateway itself are reached, and nothing else', async () => {
    const allowed = ['ip/50', 'tcp/53', 'udp/4500', 'udp/500', 'udp/53']
    expect(await arriving('office', '192.168.1.1')).toEqual(allowed.map((one) => `${one} from 192.168.1.9`))
  })

  test('the LAN goes out behind the board’s address, and nobody comes in', async () => {
    const server = world.start('isp', `exec ${packets} listen tcp/80 udp/7`)
    await until('the server', () => server.text().includes('listening'))
    await world.in('office', `${packets} send 192.0.2.1 tcp/80 udp/7`)
    await until('both', () => server.text().split('\n').length > 3)
    expect(server.text()).toBe('listening\ntcp/80 from 192.0.2.2\nudp/7 from 192.0.2.2\n')
    await world.in('isp', 'ip route add 192.168.1.0/24 via 192.0.2.2')
    expect(await pings('isp', '192.168.1.9')).toBe(false)
    expect(await pings('office', '192.0.2.1')).toBe(true)
  })

  test('loading again replaces it: one table, no rule twice', async () => {
    const count = async () => (await world.in('board', 'nft list ruleset')).split('\n').length
    const once = await count()
    await load(office)
    expect(await count()).toBe(once)
    expect(await world.in('board', 'nft list tables')).toBe('table inet gatehouse_system\n')
  })

  test('closed, nothing comes in but answers to what the board asked', async () => {
    await load(undefined)
    expect(await arriving('isp', '192.0.2.2')).toEqual([])
    expect([await pings('isp', '192.0.2.2'), await pings('board', '192.0.2.1')]).toEqual([false, true])
    expect(await pings('office', '192.0.2.1')).toBe(false)
  })

  test('with PPPoE the segments of TCP are clamped, and every form of the table loads', async () => {
    const port = 'wan: { port: wan0, pppoe: { user: a, password: b } }'
    for (const one of [
      configured(port, network),
      configured(port),
      configured('wan: { port: wan0, dhcp: true }'),
      configured(network),
      configured('ntp: []'),
    ])
      await load(one)
    // The office's packets go out by the PPP device, here a cable of that name.
    await world.in(
      'board',
      `ip link add wan-ppp type veth peer name isp2 netns ${world.name('isp')}; ip link set wan-ppp up; ip addr add 100.64.0.10/24 dev wan-ppp`,
    )
    await world.in('isp', 'ip link set isp2 up; ip addr add 100.64.0.1/24 dev isp2')
    const segment = async () => {
      const server = world.start('isp', `exec ${packets} segment 8080`)
      await until('the server', () => server.text().includes('listening'))
      await world.in('office', `${packets} send 100.64.0.1 tcp/8080`)
      return until('the segment', () => /segment (\d+) from (\S+)/.exec(server.text())?.slice(1))
    }
    await world.in('isp', 'ip route replace 192.168.1.0/24 via 100.64.0.10')
    await world.in('board', 'nft delete table inet gatehouse_system')
    expect(await segment()).toEqual(['1460', '192.168.1.9'])
    await load(configured(port, network))
    expect(await segment()).toEqual(['1452', '100.64.0.10'])
  })
})
