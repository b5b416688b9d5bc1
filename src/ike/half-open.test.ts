// Limits on negotiations that nobody has finished: floods from one source and from many, and the office that comes first.
import { describe, expect, test } from 'vitest'
import { IkeHost, ikePolicy } from '../../test/scenarios/ike-host.ts'
import { Network, SeededRandom, VirtualTime } from '../../test/scenarios/network.ts'
import { hexVector } from '../../test/vectors.ts'

const server = '192.0.2.1'
const firstPacket = hexVector('ike/first-packets/nm-l2tp-strongswan')

function gatewayWith(halfOpen: { perSource: number; total: number }) {
  const time = new VirtualTime()
  const random = new SeededRandom(1)
  const network = new Network(time, random)
  const gateway = new IkeHost(network, network.host(server), random, ikePolicy({ halfOpen }))
  let flooded = 0
  /** A first message with a cookie of its own, that nobody follows up. */
  const flood = (address: string, count: number) => {
    for (let i = 0; i < count; i++) {
      const octets = firstPacket.slice()
      new DataView(octets.buffer).setUint32(0, ++flooded)
      const path = { local: { address: server, port: 500 }, remote: { address, port: 500 } }
      gateway.handle({ on: 'datagram', path, octets })
    }
  }
  const connect = (address: string) => {
    const client = new IkeHost(network, network.host(address), random, ikePolicy())
    client.connect(server)
    return client
  }
  const open = () => gateway.core.state.halfOpen.source.size
  return { time, network, gateway, flood, connect, open }
}

describe('half-open negotiations', () => {
  test('one source gets no more than its share, and another one is served', () => {
    const { time, gateway, flood, connect, open } = gatewayWith({ perSource: 4, total: 100 })
    flood('198.51.100.66', 50)
    expect(open()).toBe(4)
    const client = connect('198.51.100.7')
    time.run(2_000)
    expect(client.news.map((effect) => effect.do)).toEqual(['peerUp'])
    // One report for the flood, with the count so far.
    expect(gateway.eventsOf('ike.limit.reached')).toMatchObject([{ limit: 'per-source', dropped: 1 }])
  })

  test('when all places are taken, those who never answered give way, to who completed before and to strangers', () => {
    const { time, gateway, flood, connect, open } = gatewayWith({ perSource: 4, total: 20 })
    const office = connect('198.51.100.7')
    time.run(2_000)
    office.handle({ on: 'shutdown' })
    for (let i = 0; i < 40; i++) flood(`203.0.113.${i}`, 4)
    expect(open()).toBe(20)
    const stranger = connect('198.51.100.8')
    office.connect(server)
    time.run(time.now + 500)
    expect(stranger.news.map((effect) => effect.do)).toEqual(['peerUp'])
    expect(office.news.map((effect) => effect.do)).toEqual(['peerUp', 'peerGone', 'peerUp'])
    expect(gateway.eventsOf('ike.limit.reached').map(({ limit }) => limit)).toContain('total')
  })

  test('a forger’s 10,000 first messages a second, each from another address: an honest client is in within 3 s', () => {
    const { time, gateway, flood, connect, open } = gatewayWith({ perSource: 64, total: 1_000 })
    let forged = 0
    const everyMillisecond = () => {
      for (let i = 0; i < 10; i++, forged++) flood(`10.${forged >> 16}.${(forged >> 8) & 255}.${forged & 255}`, 1)
      time.after(1, everyMillisecond)
    }
    everyMillisecond()
    time.run(200)
    expect(open()).toBe(1_000)
    const client = connect('198.51.100.7')
    expect(time.run(3_200, () => client.news.length > 0)).toBe(true)
    expect(client.news.map((effect) => effect.do)).toEqual(['peerUp'])
    expect([open() <= 1_000, gateway.eventsOf('ike.limit.reached').length <= 10]).toEqual([true, true])
  })

  test('who answered gives way to no stranger: with every place taken by such, the next one is dropped', () => {
    const { gateway, flood, open } = gatewayWith({ perSource: 4, total: 4 })
    flood('198.51.100.66', 4)
    gateway.core.state.halfOpen.unanswered.clear()
    flood('198.51.100.67', 1)
    expect([open(), gateway.eventsOf('ike.limit.reached').map(({ limit }) => limit)]).toEqual([4, ['total']])
  })

  test('a source that completed one can’t take all the places either', () => {
    const { time, flood, connect, open } = gatewayWith({ perSource: 4, total: 20 })
    const once = connect('198.51.100.66')
    time.run(2_000)
    once.handle({ on: 'shutdown' })
    flood('198.51.100.66', 100)
    expect(open()).toBe(5)
    const stranger = connect('198.51.100.8')
    time.run(time.now + 2_000)
    expect(stranger.news.map((effect) => effect.do)).toEqual(['peerUp'])
  })

  test('an office behind one NAT is one source, and may bring up many at once after the first', () => {
    const { time, gateway, network, connect } = gatewayWith({ perSource: 2, total: 100 })
    connect('198.51.100.7')
    time.run(2_000)
    gateway.core.state.halfOpen.completed.add('203.0.113.9')
    const nat = network.nat('203.0.113.9')
    const clients = Array.from(
      { length: 20 },
      () => new IkeHost(network, network.host('192.168.1.10', nat), new SeededRandom(9), ikePolicy()),
    )
    for (const client of clients) client.connect(server)
    time.run(time.now + 3_000)
    expect(clients.map(({ news }) => news.map((effect) => effect.do))).toEqual(Array(20).fill(['peerUp']))
  })

  test('what nobody goes on with is forgotten, with all its timers', () => {
    const { time, gateway, flood, open } = gatewayWith({ perSource: 10, total: 100 })
    flood('198.51.100.66', 10)
    time.run(100_000)
    expect(open()).toBe(0)
    const { sas, byCookies, byFirst, timers, halfOpen } = gateway.core.state
    expect([sas.size, byCookies.size, byFirst.size, timers.size, halfOpen.count.size]).toEqual([0, 0, 0, 0, 0])
  })

  test('answers to a flood of hopeless messages stay within a quota', () => {
    const { gateway } = gatewayWith({ perSource: 10, total: 100 })
    const aggressive = firstPacket.slice()
    aggressive[18] = 4
    const path = { local: { address: server, port: 500 }, remote: { address: '198.51.100.66', port: 500 } }
    for (let i = 0; i < 1_000; i++) gateway.handle({ on: 'datagram', path, octets: aggressive })
    expect(gateway.sent.length).toBe(1)
    expect(gateway.events.length).toBe(2)
    for (let i = 0; i < 1_000; i++) {
      const from = { address: `10.${i >> 8}.${i & 255}.1`, port: 500 }
      gateway.handle({ on: 'datagram', path: { ...path, remote: from }, octets: aggressive })
    }
    expect(gateway.sent.length).toBeLessThanOrEqual(50)
    expect(gateway.events.length).toBeLessThanOrEqual(52)
  })
})
