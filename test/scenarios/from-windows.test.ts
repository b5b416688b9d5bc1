// The three procedures of docs/from-windows.md, step by step, with whole gateways and clients over the simulated network in virtual time. A step's number is
// the document's. What the packet filter does with what it is told, and that the octets are encrypted, is shown on real kernels (see the document's end).
import { expect, test } from 'vitest'
import { parseConfiguration } from '../../src/config/parse.ts'
import { type ConnectOptions, connect } from '../../src/gateway/connect.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import type { Platform } from '../../src/gateway/platform.ts'
import type { WorkResult } from '../../src/ike/contract.ts'
import { Judge } from '../../src/pki/judge.ts'
import { Revocation } from '../../src/pki/revocation.ts'
import { explain } from '../../src/policy/explain.ts'
import { compile } from '../../src/policy/spd.ts'
import { Secret } from '../../src/wire/secret.ts'
import { authority, certify, crlOf, type Issued, noon } from '../fakes/authority.ts'
import { connectOptions } from '../fakes/connect-options.ts'
import { FakePacketPolicy } from '../fakes/packet-policy.ts'
import { ipv4Packet, type Machine, World } from '../fakes/platform.ts'
import type { Datagram } from './network.ts'

const aachen = '192.0.2.1'
const bonn = '198.51.100.2'

type Files = Readonly<Record<string, string>>

function configurationOf(text: string, files: Files = {}) {
  const outcome = parseConfiguration(text, (path) => files[path] ?? '')
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

/** What judges certificates, with revocation lists that are files. */
function judging(lists: ReadonlyMap<string, Uint8Array> = new Map()): NonNullable<Platform['certificates']> {
  const file = (path: string) => {
    const found = lists.get(path)
    if (!found) throw new Error(`ENOENT: no such file, open '${path}'`)
    return found
  }
  const http = async () => {
    throw new Error('nothing is fetched here')
  }
  const judge = new Judge(new Revocation({ http, file, now: () => noon }), () => noon)
  return {
    configure: (settings) => judge.configure(settings),
    work: (work) => judge.work(work) as Promise<WorkResult>,
  }
}

async function start(
  world: World,
  address: string,
  text: string,
  files?: Files,
  lists?: ReadonlyMap<string, Uint8Array>,
) {
  const machine = world.machine(address)
  const packetPolicy = new FakePacketPolicy(address)
  Object.assign(machine, { packetPolicy, certificates: judging(lists) })
  const gateway = await world.of(createGateway(machine, configurationOf(text, files)))
  return { machine, packetPolicy, gateway }
}

const certificatesOf = (own: Issued, trusted: Issued): NonNullable<ConnectOptions['certificates']> => ({
  authorities: [trusted.pem],
  intermediates: [],
  own: [{ certificate: own.pem, key: new Secret(own.keyPem) }],
  revocation: 'off',
  ocsp: false,
  crls: [],
  identity: undefined,
})

function dial(world: World, address: string, more: Partial<ConnectOptions>) {
  const machine = Object.assign(world.machine(address), { certificates: judging() })
  const options = connectOptions(address, { server: { address: aachen, ike: 500, natt: 4500 }, ...more })
  return world.of(connect(options, machine))
}

const marks = ({ fastPath }: Machine) => fastPath.tun.map((octets) => octets[20])

test('1: L2TP with a pre-shared key between two gateways, several keys and authorities in the policy', async () => {
  const root = authority()
  const partners = authority('CN=Partners, O=Example')
  const files: Files = { root: root.pem, partners: partners.pem }
  for (const [name, by] of Object.entries({ aachen: root, bonn: root, ours: partners })) {
    const one = certify(`CN=${name}`, { kind: 'rsa', altNames: [aachen] }, by)
    Object.assign(files, { [`${name}.pem`]: one.pem, [`${name}.key`]: one.keyPem })
  }
  const text = (own: string, pool: string, user: string, site: string) => `
remoteAccess:
  addressPool: ${pool}
  ike: [aes256-sha256-modp2048]
  certificates:                                                                     # 1.2
    authorities: [{ file: root }, { file: partners }]
    certificate: { file: ${own}.pem }
    key: { file: ${own}.key }
    more: [{ certificate: { file: ours.pem }, key: { file: ours.key } }]
    revocation: "off"
users: [{ name: ${user}, password: open sesame }, { name: alice, password: wonderland }]
policies:
  builtInL2tpRule: false                                                            # 1.1
  filterLists: [{ name: L2TP, filters: [{ source: me, destination: any, protocol: udp, sourcePort: 1701 }] }] # 1.3
  filterActions: [{ name: Require, action: negotiate, methods: [aes256-sha1, aes128-sha1] }] # 1.4
  policies:
    - name: L2TP by hand
      rules:
        - name: L2TP
          filterList: L2TP
          filterAction: Require
          authentication:                                                           # 1.5
            - { preSharedKey: between Aachen and Bonn }
            - { preSharedKey: what Carol was given }
            - { certificate: "CN=Root, O=Example" }
            - { certificate: "CN=Partners, O=Example" }
  assigned: L2TP by hand                                                            # 1.6
sites:
  - { name: other, mode: l2tp, ${site}, authentication: { preSharedKey: between Aachen and Bonn }, ike: aes256-sha256-modp2048 } # 1.7
`
  const world = new World()
  const one = await start(
    world,
    aachen,
    text(
      'aachen',
      '10.98.0.10-10.98.0.13',
      'bonn',
      `peer: ${bonn}, localNetworks: 10.1.0.0/16, remoteNetworks: 10.2.0.0/16, dialOut: { user: aachen, password: open sesame }, dialIn: { user: bonn }`,
    ),
    files,
  )
  const two = await start(
    world,
    bonn,
    text(
      'bonn',
      '10.99.0.10-10.99.0.13',
      'aachen',
      `peer: ${aachen}, localNetworks: 10.2.0.0/16, remoteNetworks: 10.1.0.0/16, dialOut: { user: bonn, password: open sesame }, dialIn: { user: aachen }`,
    ),
    files,
  )
  // 1.6: the policy replaces the built-in rule, on both ways of the filter, for each address of the machine.
  const rules = one.gateway.status().policy?.filters.filter(({ rule }) => rule === 'L2TP')
  expect(rules?.map(({ filter, authentication }) => [filter, authentication])).toEqual(
    ['10.98.0.1', aachen]
      .flatMap((own) => [`${own}:1701 -> any udp`, `any -> ${own}:1701 udp`])
      .map((filter) => [
        filter,
        [
          'pre-shared key [secret]',
          'pre-shared key [secret]',
          'certificate of CN=Root, O=Example',
          'certificate of CN=Partners, O=Example',
        ],
      ]),
  )
  // 1.8: the demand-dial link comes up by traffic, with the key that the two share and the rule's methods.
  one.machine.fastPath.fromTun(ipv4Packet('10.1.0.5', '10.2.0.7', Uint8Array.of(1)))
  await world.run(10_000)
  two.machine.fastPath.fromTun(ipv4Packet('10.2.0.7', '10.1.0.5', Uint8Array.of(2)))
  await world.run(2_000)
  expect([marks(two.machine), marks(one.machine)]).toEqual([[1], [2]])
  expect(one.gateway.status().sites).toMatchObject([{ site: 'other', mode: 'l2tp', state: 'up' }])
  // 1.9: others come in by the other key, and by certificates of either authority; by nothing else.
  const who = { user: 'alice', password: new Secret('wonderland') }
  const carol = await dial(world, '198.51.100.7', { ...who, preSharedKey: new Secret('what Carol was given') })
  expect(carol.esp).toBe('aes128-sha1')
  for (const [i, by] of [root, partners].entries()) {
    const dave = certify('CN=dave', { kind: 'rsa' }, by)
    const session = await dial(world, `198.51.100.${20 + i}`, {
      ...who,
      preSharedKey: undefined,
      certificates: certificatesOf(dave, by),
    })
    expect(session.address).toMatch(/^10\.98\.0\./)
  }
  const stranger = authority('CN=Strangers')
  const mallory = certify('CN=mallory', { kind: 'rsa' }, stranger)
  await expect(
    dial(world, '198.51.100.30', {
      ...who,
      preSharedKey: undefined,
      certificates: certificatesOf(mallory, root),
      timeoutSeconds: 30,
    }),
  ).rejects.toThrow()
  await expect(
    dial(world, '198.51.100.31', {
      ...who,
      preSharedKey: new Secret('correct horse battery staple'),
      timeoutSeconds: 30,
    }),
  ).rejects.toThrow('pre-shared key')
})

test('2: an IPsec tunnel between gateways, one filter each way, packet filters around it, a static route, and the proof', async () => {
  const text = (own: string, peer: string, ours: string, theirs: string) => `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13, ike: [aes256-sha256-modp2048] }
users: [{ name: alice, password: wonderland }]
policies:
  filterLists:                                                                      # 2.1
    - { name: ours to theirs, filters: [{ source: ${ours}, destination: ${theirs}, mirrored: false }] }
    - { name: theirs to ours, filters: [{ source: ${theirs}, destination: ${ours}, mirrored: false }] }
  filterActions: [{ name: Tunnel, action: negotiate, methods: [aes256-sha1], pfs: modp2048 }] # 2.2
  policies:
    - name: Aachen and Bonn
      rules:                                                                        # 2.3
        - { name: out, filterList: ours to theirs, filterAction: Tunnel, tunnelEndpoint: ${peer}, authentication: [{ preSharedKey: between Aachen and Bonn }] }
        - { name: in, filterList: theirs to ours, filterAction: Tunnel, tunnelEndpoint: ${own}, authentication: [{ preSharedKey: between Aachen and Bonn }] }
  assigned: Aachen and Bonn                                                         # 2.4
`
  const world = new World()
  const seen: Datagram[] = []
  world.network.tap = (datagram) => {
    seen.push(datagram)
    return [datagram]
  }
  const one = await start(world, aachen, text(aachen, bonn, '10.1.0.0/16', '10.2.0.0/16'))
  const two = await start(world, bonn, text(bonn, aachen, '10.2.0.0/16', '10.1.0.0/16'))
  // 2.4: which rule decides, asked before anything is sent.
  const packet = { source: '10.1.0.5', destination: '10.2.0.7', protocol: 6, sourcePort: 1025, destinationPort: 445 }
  const facts = { own: [aachen], dns: [], gateway: [], l2tp: { methods: [], pfs: undefined, authentication: [] } }
  const { policies } = configurationOf(text(aachen, bonn, '10.1.0.0/16', '10.2.0.0/16'))
  expect(explain(compile(policies, facts), packet).why.slice(0, 2)).toEqual([
    expect.stringContaining('rule out of Aachen and Bonn'),
    `it is protected in a tunnel that ends at ${bonn} by aes256-sha1; without an SA it is dropped`,
  ])
  // 2.5: packet filters: between the networks nothing passes but through SAs, either way, whoever sends it.
  const filters = one.packetPolicy.plan?.filters.filter(({ forwarded }) => forwarded)
  expect(
    filters?.map(({ source, destination, direction, action }) => [source, destination, direction, action]),
  ).toEqual([
    ['10.1.0.0/16', '10.2.0.0/16', 'out', 'protect'],
    ['10.2.0.0/16', '10.1.0.0/16', 'in', 'protect'],
  ])
  // 2.6: the static route is there by itself.
  expect(one.machine.network.plan?.sites).toEqual([{ local: ['10.1.0.0/16'], remote: ['10.2.0.0/16'] }])
  expect(two.machine.network.plan?.sites).toEqual([{ local: ['10.2.0.0/16'], remote: ['10.1.0.0/16'] }])
  // 2.7: a ping brings the tunnel up, and is not lost.
  for (const mark of [1, 2, 3]) one.machine.fastPath.fromTun(ipv4Packet('10.1.0.5', '10.2.0.7', Uint8Array.of(mark)))
  await world.run(5_000)
  two.machine.fastPath.fromTun(ipv4Packet('10.2.0.7', '10.1.0.5', Uint8Array.of(4)))
  await world.run(2_000)
  expect([marks(two.machine), marks(one.machine)]).toEqual([[1, 2, 3], [4]])
  // 2.8: the proof: SAs, counters that count, and on the wire IKE and ESP alone.
  expect(one.gateway.status().sites).toMatchObject([
    {
      state: 'up',
      networks: ['10.1.0.0/16 - 10.2.0.0/16'],
      ike: 'aes256-sha256-modp2048',
      esp: 'aes256-sha1-modp2048',
      weak: false,
      packetsOut: 3,
      packetsIn: 1,
    },
  ])
  expect([...new Set(seen.map(({ protocol, to }) => `${protocol} ${to.port}`))].sort()).toEqual(['esp 0', 'udp 500'])
  expect(seen.filter(({ protocol }) => protocol === 'esp')).toHaveLength(4)
  // 2.9: with the peer gone nothing passes in clear: it waits or is dropped.
  await world.of(two.gateway.stop())
  await world.run(10_000)
  seen.length = 0
  one.machine.fastPath.fromTun(ipv4Packet('10.1.0.5', '10.2.0.7', Uint8Array.of(9)))
  await world.run(60_000)
  expect([...new Set(seen.map(({ protocol, to }) => `${protocol} ${to.port}`))]).toEqual(['udp 500'])
})

test('3: a remote client with a certificate, and its revocation', async () => {
  const root = authority()
  const gw = certify('CN=gw.example.org', { kind: 'rsa', altNames: ['gw.example.org', aachen] }, root)
  const alice = certify('CN=alice', { kind: 'rsa' }, root)
  const bob = certify('CN=bob', { kind: 'rsa' }, root)
  const files = { root: root.pem, 'gw.pem': gw.pem, 'gw.key': gw.keyPem }
  const text = (revocation: string) => `
remoteAccess:
  addressPool: 10.99.0.10-10.99.0.250
  ike: [aes256-sha256-modp2048]
  methods: [certificate]
  certificates:                                                                     # 3.1, 3.2
    authorities: { file: root }
    certificate: { file: gw.pem }
    key: { file: gw.key }
    revocation: ${revocation}
    ocsp: false
    crls: [/var/lib/gatehouse/ca.crl]
users: [{ name: alice, password: wonderland }, { name: bob, password: builder }]
`
  const lists = new Map<string, Uint8Array>([['/var/lib/gatehouse/ca.crl', crlOf(root)]])
  const world = new World()
  const { machine, gateway } = await start(world, aachen, text('strict'), files, lists)
  // 3.3: the client has its own certificate, no key, and dials.
  let host = 40
  const call = (who: Issued, user: string, password: string) =>
    dial(world, `198.51.100.${host++}`, {
      user,
      password: new Secret(password),
      preSharedKey: undefined,
      certificates: certificatesOf(who, root),
      timeoutSeconds: 30,
    })
  const first = await call(alice, 'alice', 'wonderland')
  expect(gateway.status().sessions).toMatchObject([{ user: 'alice', address: first.address }])
  const second = await call(bob, 'bob', 'builder')
  await world.of(first.disconnect())
  await world.of(second.disconnect())
  // 3.4: alice's certificate is revoked, and the list is published.
  lists.set('/var/lib/gatehouse/ca.crl', crlOf(root, [alice]))
  await world.of(gateway.reload(configurationOf(text('strict'), files)))
  await expect(call(alice, 'alice', 'wonderland')).rejects.toThrow()
  expect(machine.said('warn').join('\n')).toMatch(/certificate of CN=alice.* revoked/)
  await world.of((await call(bob, 'bob', 'builder')).disconnect())
  // 3.5: the list can't be had: strict refuses everybody, standard refuses who is known to be revoked, off asks nothing.
  lists.clear()
  await world.of(gateway.reload(configurationOf(text('strict'), files)))
  await expect(call(bob, 'bob', 'builder')).rejects.toThrow()
  await world.of(gateway.reload(configurationOf(text('standard'), files)))
  await world.of((await call(bob, 'bob', 'builder')).disconnect())
  await world.of(gateway.reload(configurationOf(text('"off"'), files)))
  await world.of((await call(alice, 'alice', 'wonderland')).disconnect())
})
