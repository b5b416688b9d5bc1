// The network around a gateway, on the kernel itself, in a network namespace (which root or an unprivileged user namespace may make).
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { GatewayPlan } from '../network.ts'
import { coverOf } from './cidr.ts'
import { usefulTo } from './gathering.ts'
import { obstacles } from './ruleset.ts'

const unshare = ['--user', '--map-root-user', '--net']
const may =
  spawnSync('unshare', [...unshare, 'sh', '-c', 'nft list tables && ip tuntap add dev probe0 mode tun']).status === 0

/** What ports say before, during and after. */
const [apart, together] = usefulTo(release()) ? [false, true] : [undefined, undefined]

function inside(step: string, file = 'network.fixture.ts'): unknown {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-network-'))
  try {
    const fixture = join(import.meta.dirname, file)
    return JSON.parse(
      execFileSync('unshare', [...unshare, process.execPath, fixture, step, join(folder, 'state')], {
        encoding: 'utf8',
      }),
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const plan: GatewayPlan = {
  device: 'gatehouse0',
  gatewayAddress: '10.99.0.1',
  clients: [],
  clientNetworks: [],
  forwarding: 'masquerade',
  internet: true,
  localNetworks: [],
  clientToClient: false,
  gatewayServices: false,
}

test.runIf(may)('serve, change, clear: table, routes and forwarding come, change and go', () => {
  const [troubles, first, , changed, cleared] = inside('serve') as [string[], object, unknown, object, object]
  expect(troubles).toEqual([])
  expect(first).toEqual({
    tables: 'table inet gatehouse',
    routes: [
      '10.7.0.0/24 scope link src 10.99.0.1 linkdown',
      '10.99.0.10/31 scope link src 10.99.0.1 linkdown',
      '10.99.0.12/30 scope link src 10.99.0.1 linkdown',
      '10.99.0.16/30 scope link src 10.99.0.1 linkdown',
    ],
    forwarding: { all: '0', lan: '1' },
    gathering: together,
    proxies: '',
    journal: true,
  })
  expect(changed).toEqual({ ...first, routes: ['10.99.0.16/30 scope link src 10.99.0.1 linkdown'] })
  expect(cleared).toMatchObject({ tables: '', forwarding: { all: '0', lan: '0' }, gathering: apart, journal: false })
})

test.runIf(may)(
  'sessions with interfaces of their own: the inner address on loopback, no way for who is not there, all of it taken away',
  () => {
    const [troubles, first, changed, cleared, left, removed, clean] = inside('each') as [string[], ...object[]]
    expect(troubles).toEqual([])
    const state = {
      tables: 'table inet gatehouse',
      lo: '10.99.0.1/32',
      unreachable: ['10.99.0.10/31', '10.99.0.12/30', '10.99.0.16/30'],
      present: 'ghp7 scope link',
      absent: 'RTNETLINK answers: No route to host',
      gathering: apart,
      forwarding: { lan: '1', ghp7: '1', elsewhere: '0' },
    }
    expect(first).toEqual(state)
    expect(changed).toEqual({ ...state, lo: '10.99.0.2/32', unreachable: ['10.99.0.16/30'] })
    const gone = {
      ...state,
      tables: '',
      lo: '',
      unreachable: [],
      absent: expect.stringContaining('via 192.168.5.254'),
      forwarding: { ...state.forwarding, lan: '0' },
    }
    expect(cleared).toEqual(gone)
    expect(left).toEqual(state)
    expect(removed).toEqual([
      'net.ipv4.conf.lan0.forwarding',
      'the route unreachable 10.99.0.10/31 metric 4200000000',
      'the route unreachable 10.99.0.12/30 metric 4200000000',
      'the route unreachable 10.99.0.16/30 metric 4200000000',
      'the address 10.99.0.1/32 dev lo',
      'the nftables table gatehouse',
    ])
    expect(clean).toEqual(gone)
  },
)

test.runIf(may)(
  'sites on the kernel’s plane: their networks end in its own device unless an SA takes the packets',
  () => {
    const route = (network: string) => `${network} scope link src 10.1.0.1 linkdown`
    expect(inside('sites')).toEqual([
      [],
      { routes: [route('10.2.0.0/16'), route('10.3.0.0/16')], filter: 5 },
      { routes: [route('10.3.0.0/16')], filter: 5 },
      { routes: [], filter: 0 },
    ])
  },
)

test.runIf(may)('after kill -9 the next start removes table, forwarding and proxy entries', () => {
  const [left, removed, clean] = inside('crash') as unknown[]
  expect(left).toMatchObject({
    tables: 'table inet gatehouse',
    forwarding: { all: '0', lan: '1' },
    gathering: together,
    proxies: expect.stringContaining('192.168.5.200'),
    journal: true,
  })
  expect(removed).toEqual([
    'net.ipv4.conf.lan0.forwarding',
    'net.ipv4.neigh.lan0.proxy_delay',
    ...(together ? ['gathering of UDP at lan0'] : []),
    'proxy ARP for 192.168.5.200',
    'the nftables table gatehouse',
  ])
  expect(clean).toMatchObject({
    tables: '',
    forwarding: { all: '0', lan: '0' },
    gathering: apart,
    proxies: '',
    journal: false,
  })
})

test.each([
  ['6.18.44-fc', true],
  ['6.2', true],
  ['6.1.0-44-amd64', false],
  ['5.15.0', false],
  ['7.0-rc1', true],
])('ports gather for the TUN of Linux %s: %s', (kernel, useful) => {
  expect(usefulTo(kernel)).toBe(useful)
})

test.runIf(may)('a port that comes later gathers too, and both are as they were afterwards', () => {
  expect(inside('later')).toEqual([
    { lan0: together, late0: together },
    { lan0: apart, late0: apart },
  ])
})

test.runIf(may)('a watcher cleans up after a killed daemon by itself', () => {
  expect(inside('watched')).toEqual([
    expect.objectContaining({ tables: '', forwarding: { all: '0', lan: '0' }, gathering: apart, journal: false }),
  ])
})

test.runIf(may)('a firewall of the machine that drops what it does not know is named', () => {
  expect(inside('firewall')).toEqual([[expect.stringContaining('table ip filter, chain FORWARD')]])
})

test.runIf(may)('a client with all routed into the link still reaches the gateway outside', () => {
  const [routes, outer, far, after] = inside('join') as [string[], string, string, string]
  expect(routes.map((route) => route.split(' ')[0])).toEqual(['0.0.0.0/1', '10.9.0.1', '128.0.0.0/1'])
  expect(outer).toContain('dev lan0')
  expect(far).toContain('dev gatehouse0 src 10.9.0.5')
  expect(after).toBe('')
})

test.runIf(may).each(['one device for all', 'a device each'])(
  'who reaches whom, packet by packet: %s',
  { timeout: 120_000 },
  (devices) => {
    const usual = {
      'client pings gateway': true,
      'client pings gateway’s outer address': true,
      'client connects to gateway': false,
      'client reaches LAN': true,
      'client reaches internet': true,
      'client reaches client': false,
      'LAN reaches client': false,
      'LAN reaches internet through us': false,
      'outside pretends to be a client': false,
      'client pretends to be somebody else': false,
    }
    expect(inside(devices, 'filter.fixture.ts')).toEqual({
      usual,
      open: { ...usual, 'client connects to gateway': true, 'client reaches client': true },
      inner: { ...usual, 'client reaches internet': false },
      // Without masquerading the hosts there answer the client itself, by way of us.
      routed: { ...usual, 'LAN reaches client': true },
      proxied: { before: false, during: true, outwards: true, after: false },
      // The last one shows that it was the table that stopped it.
      cleared: {
        'client reaches LAN': false,
        'LAN reaches internet through us': false,
        'outside pretends to be a client': true,
      },
    })
  },
)

test('a range as the fewest networks', () => {
  expect(coverOf({ first: 0x0a00000a, last: 0x0a00001f })).toEqual(['10.0.0.10/31', '10.0.0.12/30', '10.0.0.16/28'])
  expect(coverOf({ first: 0, last: 0xffffffff })).toEqual(['0.0.0.0/0'])
  expect(coverOf({ first: 0xffffffff, last: 0xffffffff })).toEqual(['255.255.255.255/32'])
})

test('listings that are no JSON name nothing', () => {
  expect(obstacles('', plan)).toEqual([])
})
