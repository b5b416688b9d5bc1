// The `sites:` section: defaults, and what no single key can say.
import { expect, test } from 'vitest'
import { parseConfiguration } from './parse.ts'

const least = `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
`
const site = (more: Readonly<Record<string, string>>) =>
  `  - { ${Object.entries({
    name: 'branch',
    peer: '192.0.2.20',
    localNetworks: '10.1.0.0/16',
    remoteNetworks: '10.2.0.0/16',
    authentication: '{ preSharedKey: a long and random one }',
    ...more,
  })
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')} }\n`

const parsed = (...sites: readonly Readonly<Record<string, string>>[]) =>
  parseConfiguration(`${least}sites:\n${sites.map(site).join('')}`, () => '')

function faults(...sites: readonly Readonly<Record<string, string>>[]): string[] {
  const outcome = parsed(...sites)
  const all = outcome.is === 'faulty' ? outcome.faults : outcome.warnings
  return all.map(({ severity, where, message }) => `${severity} ${where}: ${message}`)
}

test('the least of a site, with its defaults; auto is the userland plane', () => {
  const outcome = parsed({})
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  const { sites, dataplane } = outcome.configuration
  expect(dataplane).toBe('userland')
  expect(sites).toMatchObject([
    {
      name: 'branch',
      peers: ['192.0.2.20'],
      mode: 'tunnel',
      localNetworks: [{ address: '10.1.0.0', prefix: 16 }],
      remoteNetworks: [{ address: '10.2.0.0', prefix: 16 }],
      start: 'on-traffic',
      requirePfs: false,
      lifetimes: { ikeSeconds: 28_800, espSeconds: 3600, espKilobytes: undefined },
    },
  ])
  expect(JSON.stringify(sites)).not.toContain('long and random')
})

test.each([
  ['its own networks', [{ remoteNetworks: '10.1.2.0/24' }], /10\.1\.2\.0\/24 overlaps with our own 10\.1\.0\.0\/16/],
  ['the pool', [{ remoteNetworks: '10.99.0.0/24' }], /overlaps with remoteAccess\.addressPool/],
  [
    'another site',
    [{}, { name: 'other', peer: '192.0.2.21', remoteNetworks: '10.2.4.0/24' }],
    /overlaps with 10\.2\.0\.0\/16 of branch/,
  ],
  ['the peer itself', [{ remoteNetworks: '192.0.2.0/24' }], /holds the peer's own outer address/],
  ['a name twice', [{}, { peer: '192.0.2.21', remoteNetworks: '10.3.0.0/16' }], /"branch" is there already/],
  ['a peer twice', [{}, { name: 'other', remoteNetworks: '10.3.0.0/16' }], /192\.0\.2\.20 is branch's peer already/],
  ['no network', [{ remoteNetworks: '[]' }], /at least one is right/],
  ['a peer by IPv6', [{ peer: '"2001:db8::1"' }], /is an IPv6 address; sites are reached by IPv4/],
])('refused: %s', (_, sites, message) => {
  expect(faults(...sites).find((fault) => fault.startsWith('error'))).toMatch(message)
})

test('two sites may have equal networks behind them where ours differ', () => {
  expect(faults({}, { name: 'other', peer: '192.0.2.21', localNetworks: '10.7.0.0/16' })).toEqual([])
})

test('a short key is warned of', () => {
  expect(faults({ authentication: '{ preSharedKey: short }' })).toEqual([
    expect.stringMatching(/^warning .*5 octets can be guessed/),
  ])
})

test('the kernel data plane carries tunnel mode where it is asked for; without a word sites are the userland one’s', () => {
  const outcome = parseConfiguration(`dataplane: kernel\n${least}sites:\n${site({})}`, () => '')
  expect(outcome.is === 'faulty' ? outcome.faults : outcome.configuration.dataplane).toBe('kernel')
  const auto = parseConfiguration(`${least}sites:\n${site({})}`, () => '')
  expect(auto.is === 'faulty' ? auto.faults : auto.configuration.dataplane).toBe('userland')
})

const dialled = {
  mode: 'l2tp',
  dialOut: '{ user: hq, password: open sesame }',
  dialIn: '{ user: alice }',
}

test('a site of mode l2tp with its defaults', () => {
  const outcome = parsed(dialled)
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  expect(outcome.configuration.sites).toMatchObject([
    {
      mode: 'l2tp',
      dialOut: { user: 'hq', authentication: ['mschapv2'] },
      dialIn: { user: 'alice' },
      idleSeconds: 300,
    },
  ])
  expect(JSON.stringify(outcome.configuration.sites)).not.toContain('sesame')
})

test('a site of mode l2tp is refused on the kernel data plane', () => {
  const outcome = parseConfiguration(
    `dataplane: kernel\n${least.replace('users: []', '')}sites:\n${site(dialled)}`,
    () => '',
  )
  expect(outcome.is === 'faulty' && outcome.faults.map(({ message }) => message).join()).toMatch(
    /mode l2tp are carried by the userland data plane only/,
  )
})

test.each([
  ['nobody to dial as', { mode: 'l2tp' }, /with start: on-traffic we dial; dialOut: .* is right, or start: by-peer/],
  ['nobody dials', { mode: 'l2tp', start: 'by-peer' }, /nobody may dial: dialIn/],
  ['a user that is none', { ...dialled, dialIn: '{ user: bob }' }, /there is no user bob/],
  ['one name for both', { ...dialled, dialIn: '{ user: hq }' }, /a name for each direction is right/],
  ['a password in tunnel mode', { ...dialled, mode: 'tunnel' }, /mode: l2tp is right with it/],
])('refused: %s', (_, site, message) => {
  expect(faults(site).find((fault) => message.test(fault))).toMatch(/^error sites/)
})

const pem = '-----BEGIN CERTIFICATE-----'
const certificates = `{ certificates: { authorities: "${pem}", certificate: "${pem}", key: "-----BEGIN PRIVATE KEY-----" } }`

test('methods in order, with what each needs', () => {
  const outcome = parsed({ authentication: `[${certificates}, { preSharedKey: a long and random one }]` })
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  expect(outcome.configuration.sites[0]?.authentication).toMatchObject({
    methods: ['certificate', 'preSharedKey'],
    certificates: { authorities: [pem], own: [{ certificate: pem }], revocation: 'standard', identity: undefined },
  })
  expect(parsed({ authentication: certificates }).is).toBe('valid')
})

test.each([
  ['none', '{}', /one of "preSharedKey: …" and "certificates: \{ authorities: …, certificate: …, key: … \}" is right/],
  ['an empty list', '[]', /at least one is right/],
  ['both in one', certificates.replace('{ c', '{ preSharedKey: a long and random one, c'), /one of "preSharedKey/],
  ['one twice', '[{ preSharedKey: a long and random one }, { preSharedKey: another long one }]', /there twice/],
  ['another key', '{ presharedKey: a long and random one }', /no key "presharedKey" here; did you mean preSharedKey/],
  ['another key in a list', '[{ certificate: any }]', /no key "certificate" here; did you mean certificates/],
])('authentication: %s', (_, authentication, message) => {
  expect(faults({ authentication }).join('\n')).toMatch(message)
})

const aggressive = { exchange: 'aggressive', ike: 'aes256-sha1-modp2048' }

test('aggressive mode, under the name that the peer knows us by: allowed, and warned of', () => {
  const outcome = parsed({ ...aggressive, localIdentity: 'gw.example.org' })
  if (outcome.is === 'faulty') throw new Error(outcome.faults.map(({ message }) => message).join('\n'))
  expect(outcome.configuration.sites).toMatchObject([{ exchange: 'aggressive', localIdentity: 'gw.example.org' }])
  expect(outcome.warnings.map(({ message }) => message)).toEqual([expect.stringMatching(/guess the key offline/)])
})

test.each([
  ['without a group', { exchange: 'aggressive' }, /offers one Diffie-Hellman group/],
  [
    'with two',
    { ...aggressive, ike: '[aes256-sha1-modp2048, aes128-sha1-modp1536]' },
    /offers one Diffie-Hellman group/,
  ],
  ['with certificates', { ...aggressive, authentication: certificates }, /main is right with certificates/],
  ['a name that is none', { localIdentity: '"two words"' }, /a name such as gw\.example\.org/],
  ['a third exchange', { exchange: 'base' }, /main.*aggressive/],
])('aggressive mode, refused: %s', (_, site, message) => {
  expect(faults(site).find((fault) => message.test(fault))).toMatch(/^error sites/)
})
