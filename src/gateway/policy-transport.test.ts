// Rules of the IPsec policy between two whole gateways in virtual time: what they protect in transport mode and in tunnels, with whose methods, and what stays outside.
import { expect, test } from 'vitest'
import { FakePacketPolicy } from '../../test/fakes/packet-policy.ts'
import { type Machine, World } from '../../test/fakes/platform.ts'
import { parseConfiguration } from '../config/parse.ts'
import { createGateway } from './gateway.ts'

type Text = { readonly list: string; readonly action: string; readonly rules?: string; readonly more?: string }

function configurationOf({ list, action, rules, more = '' }: Text) {
  const rule =
    rules ??
    '{ name: files, filterList: files, filterAction: Secure, authentication: [{ preSharedKey: a key of this rule }] }'
  const outcome = parseConfiguration(
    `remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250, ike: [aes256-sha256-modp2048] }
users: [{ name: alice, password: wonderland }]
policies:
  assigned: Servers
  ${more}
  filterLists: [${list}]
  filterActions: [{ name: Secure, action: negotiate, ${action} }]
  policies: [{ name: Servers, rules: [${rule}] }]
`,
    () => '',
  )
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

async function start(world: World, address: string, text: Text) {
  const machine = world.machine(address)
  const packetPolicy = new FakePacketPolicy(address)
  const gateway = await world.of(createGateway(Object.assign(machine, { packetPolicy }), configurationOf(text)))
  return { machine, packetPolicy, gateway }
}

/** An IPv4 packet of TCP, marked by its identification, whose payload is ports alone. */
function tcp(source: string, destination: string, mark: number, port = 445): Uint8Array {
  const octets = new Uint8Array(40)
  octets.set([0x45, 0, 0, 40, 0, mark, 0, 0, 64, 6])
  octets.set(source.split('.').map(Number), 12)
  octets.set(destination.split('.').map(Number), 16)
  octets.set([0xc0, 0, port >> 8, port & 255], 20)
  return octets
}

const marks = ({ fastPath }: Machine) => fastPath.tun.map((octets) => octets[5])
const toServer =
  '{ name: files, filters: [{ source: me, destination: 198.51.100.2, protocol: tcp, destinationPort: 445 }] }'
const asServer = '{ name: files, filters: [{ source: any, destination: me, protocol: tcp, destinationPort: 445 }] }'

test('the first packets of a filter wait for a pair in transport mode, with its ports, the methods that both sides allow, and PFS', async () => {
  const world = new World()
  const client = await start(world, '192.0.2.1', {
    list: toServer,
    action: 'methods: [aes128gcm16, aes256-sha1, aes128-sha1], pfs: modp2048, lifetime: 10min, data: 50MB',
  })
  const server = await start(world, '198.51.100.2', { list: asServer, action: 'methods: [aes256-sha1], pfs: modp2048' })
  expect(client.packetPolicy.plan?.filters.filter(({ carried }) => carried)).toMatchObject([
    // Its inner address is also its own.
    { source: '10.99.0.1/32', destination: '198.51.100.2/32' },
    { source: '192.0.2.1/32', destination: '198.51.100.2/32', protocol: 6, destinationPort: 445, direction: 'out' },
  ])
  for (const mark of [1, 2, 3]) client.machine.fastPath.fromTun(tcp('192.0.2.1', '198.51.100.2', mark))
  await world.run(5_000)
  expect(marks(server.machine)).toEqual([1, 2, 3])
  server.machine.fastPath.fromTun(tcp('198.51.100.2', '192.0.2.1', 4))
  await world.run(1_000)
  expect(marks(client.machine)).toEqual([4])
  const row = { rule: 'files', ike: 'aes256-sha256-modp2048', esp: 'aes256-sha1-modp2048', weak: false }
  expect(client.gateway.status().policy?.secured).toMatchObject([
    { ...row, peer: '198.51.100.2:500', traffic: '192.0.2.1 -> 198.51.100.2:445 tcp' },
  ])
  expect(server.gateway.status().policy?.secured).toMatchObject([
    { ...row, peer: '192.0.2.1:500', traffic: '198.51.100.2:445 -> 192.0.2.1 tcp' },
  ])
  expect(client.machine.said('info')).toContainEqual(
    expect.stringMatching(
      /^192\.0\.2\.1 -> 198\.51\.100\.2:445 tcp is protected by rule files with .*ESP aes256-sha1-modp2048$/,
    ),
  )
  await world.of(client.gateway.stop())
  await world.run(10_000)
  expect(server.gateway.status().policy?.secured).toEqual([])
})

test('it is renewed in its time, and no packet is lost', async () => {
  const world = new World()
  const action = 'methods: [aes256-sha1], lifetime: 5min'
  const client = await start(world, '192.0.2.1', { list: toServer, action })
  const server = await start(world, '198.51.100.2', { list: asServer, action })
  const sent: number[] = []
  for (let mark = 1; mark <= 90; mark++) {
    sent.push(mark)
    client.machine.fastPath.fromTun(tcp('192.0.2.1', '198.51.100.2', mark))
    await world.run(10_000)
  }
  expect(marks(server.machine)).toEqual(sent)
  expect(client.gateway.status().events['ike.pair.established']).toBeGreaterThan(2)
  expect(client.gateway.status().policy?.secured).toHaveLength(1)
})

test('where the rules have no method in common nothing passes, and each side says why', async () => {
  const world = new World()
  const client = await start(world, '192.0.2.1', { list: toServer, action: 'methods: [aes128gcm16]' })
  const server = await start(world, '198.51.100.2', { list: asServer, action: 'methods: [aes256-sha1]' })
  for (const mark of [1, 2, 3]) {
    client.machine.fastPath.fromTun(tcp('192.0.2.1', '198.51.100.2', mark))
    await world.run(20_000)
  }
  expect(marks(server.machine)).toEqual([])
  expect(client.gateway.status().policy?.secured).toEqual([])
  expect(client.machine.said('warn').join('\n')).toContain('the peer speaks IPsec, and no SA could be made')
  expect(server.machine.said('warn').join('\n')).toContain('aes128gcm16')
})

test('what no rule means, or a rule blocks, is refused to a peer that asks for it', async () => {
  const world = new World()
  const client = await start(world, '192.0.2.1', { list: toServer, action: 'methods: [aes256-sha1]' })
  const other = asServer.replace('445', '139')
  const server = await start(world, '198.51.100.2', { list: other, action: 'methods: [aes256-sha1]' })
  client.machine.fastPath.fromTun(tcp('192.0.2.1', '198.51.100.2', 1))
  await world.run(5_000)
  expect(server.machine.said('warn').join('\n')).toContain(
    'the peer wants to protect IP protocol 6, but only UDP (17) is carried here without a rule of the IPsec policy for it',
  )
  const blocking = `${asServer}, { name: none, filters: [{ source: any, destination: me, protocol: tcp, destinationPort: 139 }] }`
  await world.of(
    server.gateway.reload(
      configurationOf({
        list: blocking,
        action: 'methods: [aes256-sha1]',
        rules:
          '{ name: files, filterList: files, filterAction: Block }, { name: other, filterList: none, filterAction: Secure, authentication: [{ preSharedKey: a key of this rule }] }',
      }),
    ),
  )
  await world.run(30_000)
  client.machine.fastPath.fromTun(tcp('192.0.2.1', '198.51.100.2', 2))
  await world.run(5_000)
  expect(server.machine.said('warn').join('\n')).toContain('which rule files of policy Servers blocks')
  expect(marks(server.machine)).toEqual([])
})

test('two rules with a tunnel endpoint, one each way, are a site', async () => {
  const world = new World()
  const lists = (ours: string, theirs: string) =>
    `{ name: out, filters: [{ source: ${ours}, destination: ${theirs}, mirrored: false }] }, { name: in, filters: [{ source: ${theirs}, destination: ${ours}, mirrored: false }] }`
  const rules = (own: string, peer: string) =>
    [`name: out, filterList: out, tunnelEndpoint: ${peer}`, `name: in, filterList: in, tunnelEndpoint: ${own}`]
      .map((each) => `{ ${each}, filterAction: Secure, authentication: [{ preSharedKey: between the two of us }] }`)
      .join(', ')
  const action = 'methods: [aes256-sha1], pfs: modp2048'
  const one = await start(world, '192.0.2.1', {
    list: lists('10.1.0.0/16', '10.2.0.0/16'),
    action,
    rules: rules('192.0.2.1', '198.51.100.2'),
  })
  const two = await start(world, '198.51.100.2', {
    list: lists('10.2.0.0/16', '10.1.0.0/16'),
    action,
    rules: rules('198.51.100.2', '192.0.2.1'),
  })
  one.machine.fastPath.fromTun(tcp('10.1.0.5', '10.2.0.7', 1))
  await world.run(5_000)
  expect(marks(two.machine)).toEqual([1])
  expect(one.gateway.status().sites).toMatchObject([
    { site: 'rule:out', state: 'up', networks: ['10.1.0.0/16 - 10.2.0.0/16'], esp: 'aes256-sha1-modp2048' },
  ])
  expect(one.machine.network.plan?.sites).toEqual([{ local: ['10.1.0.0/16'], remote: ['10.2.0.0/16'] }])
})
