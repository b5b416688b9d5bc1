// Keys and certificates of the configuration: whom they are for, from files, and which keys can be guessed.
import { describe, expect, test } from 'vitest'
import { parseConfiguration } from './parse.ts'

const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
const files: Readonly<Record<string, string>> = {
  'ca.pem': pem,
  'gw.pem': pem,
  'gw.key': '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n',
}

function parse(access: string) {
  return parseConfiguration(`remoteAccess: { addressPool: 10.99.0.10-10.99.0.250, ${access} }`, (path) => {
    const text = files[path]
    if (text === undefined) throw new Error(`${path}: there is no such file`)
    return text
  })
}

const faults = (access: string) => {
  const outcome = parse(access)
  return (outcome.is === 'faulty' ? outcome.faults : outcome.warnings)
    .filter(({ where }) => where !== '')
    .map(({ severity, where, message }) => `${severity} ${where}: ${message}`)
}

test('certificates come from files, in lists too; no key is needed beside them; the private key is a secret', () => {
  const outcome = parse(
    'certificates: { authorities: [{ file: ca.pem }], certificate: { file: gw.pem }, key: { file: gw.key }, revocation: strict, crls: [/etc/crl.pem, "http://ca/crl"] }',
  )
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  const { certificates, methods } = outcome.configuration.remoteAccess
  expect(certificates).toMatchObject({
    authorities: [pem.trimEnd()],
    own: [{ certificate: pem.trimEnd() }],
    revocation: 'strict',
    ocsp: true,
  })
  expect(methods).toEqual(['certificate', 'preSharedKey'])
  expect(JSON.stringify(outcome.configuration)).not.toContain('PRIVATE')
})

test.each([
  [
    'certificates: { authorities: [{ file: no.pem }], certificate: { file: gw.pem }, key: { file: gw.key } }',
    /no such file/,
  ],
  [
    'certificates: { authorities: [{ file: gw.key }], certificate: { file: gw.pem }, key: { file: gw.key } }',
    /authorit.*PEM|BEGIN CERTIFICATE/,
  ],
  [
    'certificates: { authorities: [{ file: ca.pem }], certificate: { file: gw.pem }, key: { file: ca.pem } }',
    /BEGIN PRIVATE KEY/,
  ],
  [
    'certificates: { authorities: [{ file: ca.pem }], certificate: { file: gw.pem }, key: { file: gw.key }, crls: [ldap://x] }',
    /http address/,
  ],
  ['preSharedKeys: [{ peer: 192.0.2.0/240, key: correct horse battery }]', /any, an address, a network/],
  ['preSharedKey: correct horse battery, methods: [certificate]', /preSharedKey is missing|certificates/],
])('%s', (access, sentence) => {
  expect(faults(access).join('\n')).toMatch(sentence)
})

test.each(['any', '192.0.2.1', '192.0.2.0/24', 'branch.example.org', 'bob@example.org', '2001:db8::/32'])(
  'a key for %s',
  (peer) => {
    expect(parse(`preSharedKeys: [{ peer: "${peer}", key: correct horse battery staple }]`).is).toBe('valid')
  },
)

describe('keys that can be guessed', () => {
  test.each([
    ['short', /5 octets can be guessed, and Windows takes 8 to 255 only/],
    ['elevenchars', /11 octets can be guessed/],
    ['123456789012345', /all digits/],
    ['aaaaaaaaaaaaaaaa', /fewer than five/],
    ['abcdefghijklmnop', /a run of the alphabet/],
    ['hunter2hunter2hunter2', /one piece over and over/],
    ['P@ssw0rd2024!!', /common password with decorations/],
    [`"${'x9'.repeat(128)}"`, /256 octets; at most 255 are right/],
  ])('%s', (key, sentence) => {
    expect(faults(`preSharedKey: ${key}`).join()).toMatch(sentence)
  })

  test.each(['correct horse battery staple', 'k7Qd-93mz-PPx2', 'Ein Pferd frisst keinen Gurkensalat'])(
    'not %s',
    (key) => {
      expect(faults(`preSharedKey: ${key}`)).toEqual([])
    },
  )
})

test.each([
  ['any', 16, undefined],
  ['any', 17, /error remoteAccess.preSharedKeys\[16\].peer: more than 16 keys are for any peer and for names/],
  ['branch.example.org', 17, /more than 16 keys are for any peer and for names/],
  ['192.0.2.0/24', 16, undefined],
  ['192.0.2.0/24', 17, /more than 16 keys are for 192.0.2.0\/24, and no more are tried on one peer/],
])('%s, %i keys', (peer, count, message) => {
  const keys = Array.from({ length: count }, (_, i) => `{ peer: ${peer}, key: gnarl-${i}-plinth-oxbow }`)
  const said = faults(`preSharedKeys: [${keys.join(', ')}]`)
  if (message) expect(said.join('\n')).toMatch(message)
  else expect(said).toEqual([])
})
