import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyNetwork, networkAround, parseNetwork } from '../wire/network.ts'
import { Secret } from '../wire/secret.ts'
import { explain, filterRows, showFilters } from './explain.ts'
import type { Facts, Filter, FilterAction, Policies, Rule } from './policy.ts'
import { meets, type Packet, showSelector } from './selector.ts'
import { compile, lookup, type SpdEntry, weigh } from './spd.ts'

const method = {
  proposal: { cipher: 'aes256', hash: 'sha1', group: undefined },
  seconds: 3600,
  kilobytes: undefined,
} as const
const key = { is: 'preSharedKey', key: new Secret('correct horse battery staple') } as const
const facts: Facts = {
  own: ['192.0.2.1', '10.1.0.1'],
  dns: ['10.1.0.53'],
  gateway: ['192.0.2.254'],
  l2tp: { methods: [method], pfs: undefined, authentication: [key] },
}
const net = (text: string) => parseNetwork(text)!
const all: Filter = {
  source: 'any',
  destination: 'any',
  protocol: 0,
  sourcePort: 0,
  destinationPort: 0,
  mirrored: false,
}
const permit: FilterAction = { name: 'Permit', is: 'permit' }
const block: FilterAction = { name: 'Block', is: 'block' }
const secure: FilterAction = {
  name: 'Secure',
  is: 'negotiate',
  methods: [method],
  pfs: 'modp2048',
  acceptUnsecured: false,
  softSeconds: undefined,
}
const rule = (name: string, filters: readonly Filter[], action: FilterAction, more: Partial<Rule> = {}): Rule => ({
  name,
  filterList: { name: `${name} filters`, filters },
  action,
  authentication: action.is === 'negotiate' ? [key] : [],
  tunnel: undefined,
  connection: 'all',
  enabled: true,
  ...more,
})
const policies = (rules: readonly Rule[], more: Partial<Policies> = {}): Policies => ({
  policies: [{ name: 'office', rules, defaultResponse: undefined }],
  assigned: 'office',
  builtInL2tpRule: false,
  ...more,
})
const packet = (
  source: string,
  destination: string,
  protocol = 6,
  sourcePort = 1025,
  destinationPort = 80,
): Packet => ({
  source,
  destination,
  protocol,
  sourcePort,
  destinationPort,
})
const show = ({ selector, direction, action, rule: { rule: name } }: SpdEntry) =>
  `${name}: ${showSelector(selector)} ${direction} ${typeof action === 'string' ? action : 'protect'}`
const ofRules = (spd: readonly SpdEntry[]) => spd.filter(({ rule: { is } }) => is !== 'exemption').map(show)

describe('compiling', () => {
  test('the more specific filter goes first, however the rules are written', () => {
    const rules = [
      rule('all', [all], block),
      rule('intranet', [{ ...all, destination: net('10.0.0.0/8') }], permit),
      rule('servers', [{ ...all, source: 'me', destination: net('10.9.0.5/32') }], secure),
      rule('web', [{ ...all, destination: net('10.0.0.0/8'), protocol: 6, destinationPort: 80 }], secure),
      rule('tcp', [{ ...all, destination: net('10.0.0.0/8'), protocol: 6 }], block),
    ]
    const expected = [
      'servers: 192.0.2.1 -> 10.9.0.5 out protect',
      'servers: 10.1.0.1 -> 10.9.0.5 out protect',
      'web: any -> 10.0.0.0/8:80 tcp either protect',
      'tcp: any -> 10.0.0.0/8 tcp either block',
      'intranet: any -> 10.0.0.0/8 either permit',
      'all: any -> any either block',
    ]
    expect(ofRules(compile(policies(rules), facts))).toEqual(expected)
    expect(ofRules(compile(policies(rules.toReversed()), facts))).toEqual(expected)
  })

  test('of equally specific filters the stricter goes first', () => {
    const rules = [rule('a', [all], permit), rule('b', [all], secure), rule('c', [all], block)]
    expect(ofRules(compile(policies(rules), facts))).toEqual([
      'c: any -> any either block',
      'b: any -> any either protect',
      'a: any -> any either permit',
    ])
  })

  test('sides: me, the DNS servers, the default gateway; mirrors', () => {
    const filters: Filter[] = [
      { ...all, source: 'me', destination: 'dns', protocol: 17, destinationPort: 53, mirrored: true },
      { ...all, source: 'gateway' },
    ]
    expect(ofRules(compile(policies([rule('r', filters, permit)]), { ...facts, own: ['192.0.2.1'] }))).toEqual([
      'r: 192.0.2.1 -> 10.1.0.53:53 udp out permit',
      'r: 10.1.0.53:53 -> 192.0.2.1 udp in permit',
      'r: 192.0.2.254 -> any either permit',
    ])
  })

  test('a tunnel of two rules: where it ends tells the direction', () => {
    const there = { ...all, source: net('10.1.0.0/16'), destination: net('10.2.0.0/16') }
    const back = { ...all, source: net('10.2.0.0/16'), destination: net('10.1.0.0/16') }
    const rules = [
      rule('to', [there], secure, { tunnel: '198.51.100.9' }),
      rule('from', [back], secure, { tunnel: '192.0.2.1' }),
    ]
    expect(ofRules(compile(policies(rules), facts))).toEqual([
      'to: 10.1.0.0/16 -> 10.2.0.0/16 out protect',
      'from: 10.2.0.0/16 -> 10.1.0.0/16 in protect',
    ])
  })

  test('rules that are off, and policies that are not assigned, are nothing', () => {
    expect(ofRules(compile(policies([rule('r', [all], block, { enabled: false })]), facts))).toEqual([])
    expect(ofRules(compile(policies([rule('r', [all], block)], { assigned: undefined }), facts))).toEqual([])
  })

  test("the built-in L2TP rule, each of this machine's addresses both ways, until it is switched off", () => {
    const on = compile(policies([], { builtInL2tpRule: true }), { ...facts, own: ['192.0.2.1'] })
    expect(ofRules(on)).toEqual([
      'L2TP rule: 192.0.2.1:1701 -> any udp out protect',
      'L2TP rule: any -> 192.0.2.1:1701 udp in protect',
    ])
    expect(ofRules(compile(policies([]), facts))).toEqual([])
  })

  test('the default response stands last and begins nothing', () => {
    const response = { methods: [method], authentication: [key] }
    const spd = compile(
      policies([], { policies: [{ name: 'office', rules: [rule('r', [all], block)], defaultResponse: response }] }),
      facts,
    )
    expect(ofRules(spd)).toEqual(['r: any -> any either block', 'Default response: any -> any either protect'])
    expect(spd.at(-1)!.action).toMatchObject({ protect: { respondOnly: true, acceptUnsecured: true } })
  })
})

describe('looking up', () => {
  const spd = compile(
    policies([
      rule('all', [all], block),
      rule('branch', [{ ...all, source: net('10.1.0.0/16'), destination: net('10.2.0.0/16'), mirrored: true }], secure),
      rule('clients', [{ ...all, destination: net('10.3.0.0/16') }], permit, { connection: 'remote-access' }),
    ]),
    facts,
  )
  test.each<[string, Packet, string | undefined]>([
    ['the way there', packet('10.1.2.3', '10.2.0.9'), 'branch'],
    ['the way back', packet('10.2.0.9', '10.1.2.3'), 'branch'],
    ['something else', packet('10.1.2.3', '8.8.8.8'), 'all'],
    ['IKE is exempt', packet('192.0.2.1', '8.8.8.8', 17, 500, 500), 'IKE'],
    ['ESP is exempt', packet('192.0.2.1', '8.8.8.8', 50, 0, 0), 'ESP'],
    ['multicast is exempt', packet('10.1.0.1', '224.0.0.5', 89, 0, 0), 'multicast'],
    ['IPv6 meets nothing', packet('2001:db8::1', '2001:db8::2'), undefined],
  ])('%s', (_, one, name) => {
    expect(lookup(spd, one)?.rule.rule).toBe(name)
  })

  test('a connection type', () => {
    const one = packet('10.99.0.5', '10.3.0.1')
    expect([lookup(spd, one, 'remote-access')?.rule.rule, lookup(spd, one, 'lan')?.rule.rule]).toEqual([
      'clients',
      'all',
    ])
  })

  const address = fc.constantFrom('10.1.0.1', '10.2.0.1', '192.0.2.1', '198.51.100.9')
  const side = fc.oneof(
    fc.constantFrom('me', 'any', 'dns', 'gateway' as const),
    fc.tuple(address, fc.constantFrom(8, 16, 32)).map(([base, prefix]) => networkAround(base, prefix)),
  ) as fc.Arbitrary<Filter['source']>
  const filter: fc.Arbitrary<Filter> = fc
    .record({
      source: side,
      destination: side,
      protocol: fc.constantFrom(0, 6, 17),
      sourcePort: fc.constantFrom(0, 80),
      destinationPort: fc.constantFrom(0, 80),
      mirrored: fc.boolean(),
    })
    .map((each) => (each.protocol === 0 ? { ...each, sourcePort: 0, destinationPort: 0 } : each))
  const rules = fc.array(
    fc
      .tuple(fc.array(filter, { minLength: 1, maxLength: 3 }), fc.constantFrom(permit, block, secure), fc.nat(99))
      .map(([filters, action, n]) => rule(`rule ${n}`, filters, action)),
    { maxLength: 5 },
  )
  const packets = fc.record({
    source: address,
    destination: address,
    protocol: fc.constantFrom(6, 17),
    sourcePort: fc.constantFrom(80, 1025),
    destinationPort: fc.constantFrom(80, 1025),
  })

  test('what decides is the heaviest of all that mean the packet; order of writing never loosens it', () => {
    fc.assert(
      fc.property(rules, packets, (written, one) => {
        const made = compile(policies(written), facts)
        const found = lookup(made, one)
        const meaning = made.filter(({ selector }) => meets(selector, one))
        expect(found?.weight).toBe(meaning.length === 0 ? undefined : Math.max(...meaning.map(({ weight }) => weight)))
        const other = lookup(compile(policies(written.toReversed()), facts), one)
        const kind = (entry: SpdEntry | undefined) => (typeof entry?.action === 'object' ? 'protect' : entry?.action)
        expect(kind(other)).toBe(kind(found))
        expect(explain(made, one).action).toBe(kind(found) === 'protect' ? 'negotiate' : (kind(found) ?? 'permit'))
      }),
      { numRuns: 50 },
    )
  })

  test('a mirrored policy treats both ways of a conversation alike', () => {
    fc.assert(
      fc.property(rules, packets, (written, one) => {
        const both = written.map((each) => ({
          ...each,
          filterList: {
            ...each.filterList,
            filters: each.filterList.filters.map((item) => ({ ...item, mirrored: true })),
          },
        }))
        const made = compile(policies(both), facts)
        const back = packet(one.destination, one.source, one.protocol, one.destinationPort, one.sourcePort)
        expect(typeof lookup(made, back)?.action).toBe(typeof lookup(made, one)?.action)
        expect(lookup(made, back)?.weight).toBe(lookup(made, one)?.weight)
      }),
    )
  })

  test('a filter for all weighs nothing, one for a packet the most', () => {
    expect(weigh({ ...all, source: anyNetwork, destination: anyNetwork })).toBe(0)
    const one = {
      ...all,
      source: net('10.0.0.1/32'),
      destination: net('10.0.0.2/32'),
      protocol: 6,
      sourcePort: 1,
      destinationPort: 2,
    }
    expect(weigh(one)).toBe(518)
  })
})

describe('saying why', () => {
  const there = { ...all, source: net('10.1.0.0/16'), destination: net('10.2.0.0/16'), mirrored: true }
  const spd = compile(
    policies([rule('branch', [there], secure), rule('all', [all], block), rule('late', [all], permit)]),
    facts,
  )

  test('which decides, and which would have', () => {
    expect(explain(spd, packet('10.1.0.9', '10.2.0.9'))).toMatchObject({
      packet: '10.1.0.9:1025 -> 10.2.0.9:80 tcp',
      action: 'negotiate',
      why: [
        'filter 8 (10.1.0.0/16 -> 10.2.0.0/16) means it: rule branch of office, filter list branch filters, filter action Secure',
        'it is protected in transport mode by aes256-sha1 (renewed after 3600 s); without an SA it is dropped',
        'filter 10 (any -> any) means it too, but is less specific: rule all of office, filter list all filters, filter action Block',
        'filter 11 (any -> any) means it too, but is less specific: rule late of office, filter list late filters, filter action Permit',
      ],
    })
  })

  test('what nearly means it, where nothing does', () => {
    const one = compile(policies([rule('branch', [{ ...there, protocol: 17 }], secure)]), facts)
    expect(explain(one, packet('10.1.0.9', '10.2.0.9')).why).toEqual([
      'no filter means it, so it passes as it is',
      'filter 8 (10.1.0.0/16 -> 10.2.0.0/16 udp) would mean it but for the protocol tcp',
    ])
  })

  test('the active filters, no key among them', () => {
    const text = showFilters(filterRows(spd))
    expect(text).not.toContain('horse')
    expect(text).toContain(`  8. 10.1.0.0/16 -> 10.2.0.0/16
     policy:         office, rule branch
     filter list:    branch filters`)
    expect(text).toContain('never reached')
    expect(filterRows(spd).find(({ rule: name }) => name === 'branch')).toEqual({
      order: 8,
      filter: '10.1.0.0/16 -> 10.2.0.0/16',
      rule: 'branch',
      policy: 'office',
      filterList: 'branch filters',
      filterAction: 'Secure',
      action: 'negotiate',
      direction: 'either',
      mirror: false,
      weight: 256,
      tunnel: undefined,
      connection: 'all',
      methods: ['aes256-sha1 (renewed after 3600 s)'],
      pfs: 'modp2048',
      authentication: ['pre-shared key [secret]'],
      acceptUnsecured: false,
      softSeconds: undefined,
      neverReached: false,
    })
  })
})
