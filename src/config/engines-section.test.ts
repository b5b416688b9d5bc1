// The section is changed where it stands; the rest of the text is the same, octet for octet.
import { describe, expect, test } from 'vitest'
import { withEngines } from './engines-section.ts'
import { parseConfiguration } from './parse.ts'

const least = `# our gateway
remoteAccess:   # as Alice wants it
    preSharedKey:   "0123 four five six"
    addressPool: [ 10.99.0.10-10.99.0.20 ]
users: [ { name: alice, password:   0123 } ]   # for now
`
const virtio = { driver: 'virtio_crypto_aes_cbc', priority: 5000 }

describe('the engines section', () => {
  test('is added at the end where there is none', () => {
    expect(withEngines(least, { userland: 'openssl', kernel: [virtio] })).toBe(
      `${least}engines:\n  userland: openssl\n  kernel:\n    - { driver: virtio_crypto_aes_cbc, priority: 5000 }\n`,
    )
    expect(withEngines(least.trimEnd(), { userland: 'openssl', kernel: [] })).toBe(
      `${least}engines:\n  userland: openssl\n`,
    )
    expect(withEngines('', { userland: 'openssl', kernel: [] })).toBe('engines:\n  userland: openssl\n')
  })

  test('is changed where it stands, with the comments of what stays', () => {
    const text = `hostname: gw1
# what was measured
engines:
  userland: ipsec-mb # in May
  kernel:
    # the board's own
    - { driver: virtio_crypto_aes_cbc, priority: 400 } # slow bus
    - { driver: cbc-aes-aesni, priority: 450 }
# everything else
${least}`
    expect(
      withEngines(text, { userland: 'af-alg', kernel: [virtio, { driver: 'ctr(x)', priority: 7 }] }),
    ).toBe(`hostname: gw1
# what was measured
engines:
  userland: af-alg # in May
  kernel:
    # the board's own
    - { driver: virtio_crypto_aes_cbc, priority: 5000 } # slow bus
    - { driver: ctr(x), priority: 7 }
# everything else
${least}`)
  })

  test('in one line, with others behind it', () => {
    const text = `engines: { userland: ipsec-mb, kernel: [{ driver: a, priority: 1 }] }   # measured\n\n${least}`
    expect(withEngines(text, { userland: 'openssl', kernel: [] })).toBe(
      `engines: { userland: openssl } # measured\n\n${least}`,
    )
  })

  test('an empty one, and a configuration in one line', () => {
    expect(withEngines('engines:\nhostname: a\n', { userland: 'openssl', kernel: [] })).toBe(
      'engines:\n  userland: openssl\nhostname: a\n',
    )
    expect(withEngines('{ hostname: a }\n', { userland: 'openssl', kernel: [] })).toBe(
      '{ hostname: a, engines: { userland: openssl } }\n',
    )
  })

  test('what is written says the same when it is read', () => {
    for (const before of [least, `engines: { userland: ipsec-mb }\n${least}`, `engines:\n  kernel: []\n${least}`]) {
      const outcome = parseConfiguration(withEngines(before, { userland: 'openssl', kernel: [virtio] }), () => '')
      expect(outcome).toMatchObject({ is: 'valid', configuration: { engine: 'openssl', kernelPriorities: [virtio] } })
    }
  })

  test('what is no YAML is left alone', () => {
    expect(() => withEngines('a: [', { userland: 'openssl', kernel: [] })).toThrow()
    expect(() => withEngines('- a\n', { userland: 'openssl', kernel: [] })).toThrow('not a map of keys')
  })
})

describe('engines in a configuration', () => {
  const faultsOf = (text: string) => {
    const outcome = parseConfiguration(least + text, () => '')
    return (outcome.is === 'faulty' ? outcome.faults : outcome.warnings).map(
      ({ severity, line, where, message }) => `${severity} ${line} ${where}: ${message}`,
    )
  }

  test('a name that is no engine is refused with what would be right', () => {
    expect(faultsOf('engine: ipsecmb\n')).toEqual([
      'error 6 engine: found "ipsecmb"; auto, ipsec-mb, openssl, af-alg or af-alg:DRIVER are right (did you mean ipsec-mb?); gatehouse engines lists what is here',
    ])
    expect(faultsOf('engine: "af-alg:"\n')).toHaveLength(1)
    expect(faultsOf('engine: af-alg:cryptd(cbc(des-generic)),cbc-aes-aesni\n')).toEqual([])
  })

  test('what was typed goes before what was measured, and a driver has one priority', () => {
    expect(faultsOf('engine: openssl\nengines: { userland: ipsec-mb }\n')).toEqual([
      'warning 7 engines.userland: engine: openssl goes before it; "engine: auto" is right to use what was measured',
    ])
    expect(faultsOf('engines: { kernel: [{ driver: a, priority: 1 }, { driver: a, priority: 2 }] }\n')).toEqual([
      'error 6 engines.kernel[1].driver: a is there already; each driver once is right',
    ])
  })
})
