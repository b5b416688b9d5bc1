// The `policies:` section from text: what is right becomes a value, what is wrong is said with its line and column.
import { describe, expect, test } from 'vitest'
import { parseConfiguration } from './parse.ts'

const base = `remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
`
function judge(section: string) {
  const outcome = parseConfiguration(base + section, () => 'from a file')
  if (outcome.is === 'valid') return { policies: outcome.configuration.policies, said: outcome.warnings.map(show) }
  return { policies: undefined, said: outcome.faults.map(show) }
}
const show = ({ line, column, message }: { line: number; column: number; message: string }) =>
  `${line}:${column} ${message}`

const whole = `policies:
  assigned: Branch
  filterLists:
    - { name: to, filters: [{ source: 10.1.0.0/16, destination: 10.2.0.0/16, mirrored: false }] }
    - { name: servers, filters: [{ source: me, destination: 192.0.2.7, protocol: tcp, destinationPort: 445 }] }
  filterActions:
    - { name: Secure, action: negotiate, methods: [aes128gcm16, aes256-sha1], lifetime: 1h, data: 100MB, pfs: modp2048 }
    - { name: Ask, action: negotiate, methods: [aes128gcm16], acceptUnsecured: true, allowUnsecured: true }
  policies:
    - name: Branch
      rules:
        - { name: out, filterList: to, filterAction: Secure, tunnelEndpoint: 198.51.100.9, authentication: [{ preSharedKey: a long random text }] }
        - { name: files, filterList: servers, filterAction: Ask, authentication: [{ certificate: any }, { preSharedKey: { file: key } }], connection: lan }
        - { name: off, filterList: servers, filterAction: Block, enabled: false }
      defaultResponse: { methods: [aes128-sha1], authentication: [{ certificate: CN=Example CA }] }
`

test('names are resolved, defaults filled in, keys hidden', () => {
  const { policies, said } = judge(whole)
  expect(said).toEqual([])
  expect(JSON.parse(JSON.stringify(policies))).toEqual({
    assigned: 'Branch',
    builtInL2tpRule: true,
    policies: [
      {
        name: 'Branch',
        rules: [
          {
            name: 'out',
            filterList: {
              name: 'to',
              filters: [
                {
                  source: { address: '10.1.0.0', prefix: 16 },
                  destination: { address: '10.2.0.0', prefix: 16 },
                  protocol: 0,
                  sourcePort: 0,
                  destinationPort: 0,
                  mirrored: false,
                },
              ],
            },
            action: {
              name: 'Secure',
              is: 'negotiate',
              methods: [
                { proposal: { cipher: 'aes128gcm16' }, seconds: 3600, kilobytes: 100_000 },
                { proposal: { cipher: 'aes256', hash: 'sha1' }, seconds: 3600, kilobytes: 100_000 },
              ],
              pfs: 'modp2048',
              acceptUnsecured: false,
            },
            authentication: [{ is: 'preSharedKey', key: '[secret]' }],
            tunnel: '198.51.100.9',
            connection: 'all',
            enabled: true,
          },
          {
            name: 'files',
            filterList: {
              name: 'servers',
              filters: [
                {
                  source: 'me',
                  destination: { address: '192.0.2.7', prefix: 32 },
                  protocol: 6,
                  sourcePort: 0,
                  destinationPort: 445,
                  mirrored: true,
                },
              ],
            },
            action: {
              name: 'Ask',
              is: 'negotiate',
              methods: [{ proposal: { cipher: 'aes128gcm16' } }],
              acceptUnsecured: true,
              softSeconds: 300,
            },
            authentication: [{ is: 'certificate' }, { is: 'preSharedKey', key: '[secret]' }],
            connection: 'lan',
            enabled: true,
          },
          expect.objectContaining({ name: 'off', action: { name: 'Block', is: 'block' }, enabled: false }),
        ],
        defaultResponse: {
          methods: [{ proposal: { cipher: 'aes128', hash: 'sha1' } }],
          authentication: [{ is: 'certificate', authority: 'CN=Example CA' }],
        },
      },
    ],
  })
})

test('without the section there is the built-in rule alone', () => {
  expect(judge('')).toEqual({ policies: { policies: [], assigned: undefined, builtInL2tpRule: true }, said: [] })
})

const list = '  filterLists: [{ name: l, filters: [{ source: me, destination: any }] }]\n'
const rule = (text: string) => `policies:\n  assigned: p\n${list}  policies: [{ name: p, rules: [${text}] }]\n`

describe('faults', () => {
  test.each([
    [
      'a name that is none',
      'policies:\n  assigned: brunch\n  policies: [{ name: branch }]\n',
      ['4:13 there is no "brunch"; did you mean branch?'],
    ],
    ['an unknown key', 'policies:\n  asigned: p\n', ['4:3 there is no key "asigned" here; did you mean assigned?']],
    [
      'a side that is none',
      'policies:\n  filterLists:\n    - { name: l, filters: [{ source: mee, destination: 10.1.2.3/16 }] }\n',
      [
        '5:38 found "mee"; me, any, dns, gateway, an address or a network such as 10.1.0.0/16 is right (did you mean me?)',
        '5:56 found "10.1.2.3/16"; 10.1.0.0/16 is right for that network',
      ],
    ],
    [
      'ports without a protocol that has them',
      'policies:\n  filterLists:\n    - { name: l, filters: [{ source: me, destination: any, destinationPort: 80 }] }\n',
      ['5:77 only tcp and udp have ports; "protocol: udp" beside it is right'],
    ],
    [
      'a filter list that is not there',
      rule('{ name: r, filterList: x, filterAction: Block }'),
      ['6:56 there is no "x"; did you mean l?'],
    ],
    [
      'a negotiation without methods, soft where nothing is negotiated',
      `policies:\n  filterActions: [{ name: a, action: negotiate }, { name: b, action: block, allowUnsecured: true }]\n`,
      [
        '4:19 a negotiation needs methods, best first; "methods: [aes128gcm16, aes128-sha1]" is right',
        '4:93 it is for "action: negotiate"; block needs nothing more',
      ],
    ],
    [
      'the L2TP rule off and nothing in its place',
      'policies:\n  builtInL2tpRule: false\n',
      [
        '4:20 no rule of an assigned policy protects UDP 1701 in its place, and L2TP is never spoken in clear; "builtInL2tpRule: true", or a rule with source me, protocol udp, sourcePort 1701 is right',
        "4:20 it is off: remoteAccess.preSharedKey and preSharedKeys aren't used; the rules' own authentication is",
      ],
    ],
    [
      'a mirrored tunnel with soft associations and a short key',
      `policies:
  assigned: p
${list}  filterActions: [{ name: Soft, action: negotiate, methods: [aes128-sha1], allowUnsecured: true }]
  policies:
    - name: p
      rules:
        - { name: r, filterList: l, filterAction: Soft, tunnelEndpoint: 192.0.2.9, authentication: [{ preSharedKey: short }] }
`,
      [
        '10:73 filter list l is mirrored; a tunnel takes two rules, each with "mirrored: false": out with the peer\'s address, in with ours',
        '10:73 filter action Soft lets clear traffic pass; with a tunnel an action without allowUnsecured and acceptUnsecured is right',
        '10:117 it has 5 octets; 8 to 255 are right',
      ],
    ],
  ])('%s', (_, section, said) => {
    expect(judge(section)).toEqual({ policies: undefined, said })
  })

  test('a rule of an assigned policy may take the place of the built-in one', () => {
    const section = `policies:
  assigned: p
  builtInL2tpRule: false
  filterLists: [{ name: l2tp, filters: [{ source: me, destination: any, protocol: udp, sourcePort: 1701 }] }]
  filterActions: [{ name: Old, action: negotiate, methods: [3des-sha1] }]
  policies: [{ name: p, rules: [{ name: r, filterList: l2tp, filterAction: Old, authentication: [{ preSharedKey: twelve octets }] }] }]
`
    const { policies, said } = judge(section)
    expect(policies?.builtInL2tpRule).toBe(false)
    expect(said).toEqual([
      "5:20 it is off: remoteAccess.preSharedKey and preSharedKeys aren't used; the rules' own authentication is",
      '7:61 3des-sha1 is weak; SAs that use it are shown as weak',
    ])
  })
})
