// What rules say of authentication: keys, methods in order and authorities by peer, and what remains of remote access's own.
import { expect, test } from 'vitest'
import { authority, certify } from '../../test/fakes/authority.ts'
import { parseConfiguration } from '../config/parse.ts'
import { authenticationOf, ruleCertificatesOf } from './rule-authentication.ts'

const root = authority('CN=Root, O=Example')
const partners = authority('CN=Partners, O=Example')
const own = certify('CN=gw', {}, root)
const files: Record<string, string> = { root: root.pem, partners: partners.pem, own: own.pem, key: own.keyPem }

function configurationOf(rules: string, more = '') {
  const outcome = parseConfiguration(
    `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  certificates: { authorities: [{ file: root }, { file: partners }], certificate: { file: own }, key: { file: key } }
users: [{ name: alice, password: wonderland }]
policies:
  assigned: Servers
  ${more}
  filterLists:
    - { name: one, filters: [{ source: me, destination: 192.0.2.7 }] }
    - { name: net, filters: [{ source: 198.51.100.0/24, destination: me }] }
    - { name: l2tp, filters: [{ source: me, destination: any, protocol: udp, sourcePort: 1701 }] }
  filterActions: [{ name: Secure, action: negotiate, methods: [aes256-sha1] }]
  policies: [{ name: Servers, rules: [${rules}] }]
`,
    (path) => files[path] ?? '',
  )
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

const rule = (name: string, list: string, ...methods: string[]) =>
  `{ name: ${name}, filterList: ${list}, filterAction: Secure, authentication: [${methods.map((method) => `{ ${method} }`).join(', ')}] }`

function shown(configuration: ReturnType<typeof configurationOf>) {
  const { preSharedKeys, methods } = authenticationOf(configuration)
  return {
    keys: preSharedKeys.map(({ peer, key }) => `${peer}: ${key.revealText()}`),
    methods: methods.map(({ peer, order }) => `${peer}: ${order.join(', ')}`),
    authorities: ruleCertificatesOf(configuration).map(
      ({ peer, entry }) =>
        `${peer}: ${entry.authorities.map((pem) => (pem.trim() === root.pem.trim() ? 'root' : 'partners')).join(', ')}`,
    ),
  }
}

test('each rule for the peers at its other end, its methods in their order; everybody else as before', () => {
  const rules = [
    rule(
      'one',
      'one',
      'preSharedKey: first of them',
      'certificate: "CN=partners,O=Example"',
      'preSharedKey: second of them',
    ),
    rule('net', 'net', 'certificate: any'),
  ]
  expect(shown(configurationOf(rules.join(', ')))).toEqual({
    keys: ['192.0.2.7: first of them', '192.0.2.7: second of them', 'any: correct horse battery staple'],
    methods: ['192.0.2.7: preSharedKey, certificate', '198.51.100.0/24: certificate', 'any: certificate, preSharedKey'],
    authorities: ['192.0.2.7: partners', '198.51.100.0/24: root, partners'],
  })
})

test('with the built-in L2TP rule switched off the rules are all there is', () => {
  const rules = rule('l2tp', 'l2tp', 'preSharedKey: of this rule', 'certificate: "CN=Root, O=Example"')
  expect(shown(configurationOf(rules, 'builtInL2tpRule: false'))).toEqual({
    keys: ['any: of this rule'],
    methods: ['any: preSharedKey, certificate'],
    authorities: ['any: root'],
  })
})

test('an authority that is not trusted is refused with those that are', () => {
  const configuration = configurationOf(rule('one', 'one', 'certificate: CN=Nobody'))
  expect(() => ruleCertificatesOf(configuration)).toThrow(
    /^a rule names the authority CN=Nobody, which is none of remoteAccess\.certificates\.authorities; known are CN=Root, O=Example; CN=Partners, O=Example$/,
  )
})
