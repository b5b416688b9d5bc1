import { describe, expect, test } from 'vitest'
import type { Configuration, Fault } from './configuration.ts'
import { parseConfiguration } from './parse.ts'

const least = `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
  dns: [10.99.0.1]
users:
  - { name: alice, password: wonderland }
`
const files: Record<string, string> = { '/etc/psk': 'from a file\n' }

function read(path: string): string {
  const text = files[path]
  if (text === undefined) throw new Error(`${path}: no such file`)
  return text
}

function valid(text: string): Configuration {
  const outcome = parseConfiguration(text, read)
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

function faults(text: string): string[] {
  const outcome = parseConfiguration(text, read)
  return outcome.is === 'faulty' ? outcome.faults.map(show) : []
}

function show({ line, column, where, message }: Fault): string {
  return `${line}:${column} ${where}: ${message}`
}

describe('the least that makes a gateway', () => {
  test('is valid, and every default is filled in', () => {
    const configuration = valid(least)
    expect(configuration.remoteAccess.preSharedKey?.revealText()).toBe('correct horse battery staple')
    expect(configuration).toMatchObject({
      hostname: 'gatehouse',
      security: 'modern',
      ports: { ike: 500, natt: 4500 },
      remoteAccess: {
        gatewayAddress: '10.99.0.1',
        poolNetwork: { address: '10.99.0.0', prefix: 24 },
        pool: [{ first: 0x0a63000a, last: 0x0a6300fa }],
        authentication: ['mschapv2'],
        lifetimes: { ikeSeconds: 28_800, espSeconds: 3600, espKilobytes: undefined },
        replayWindow: 1024,
      },
      users: [{ name: 'alice', enabled: true, sessions: 'any' }],
    })
  })

  test('is frozen', () => {
    expect(Object.isFrozen(valid(least).remoteAccess.pool[0])).toBe(true)
  })

  test('shows no secret', () => {
    expect(JSON.stringify(valid(least))).not.toMatch(/horse|wonderland/)
  })
})

describe('secrets', () => {
  test('are read as written', () => {
    const text = least.replace('correct horse battery staple', '0123').replace('wonderland', '1e3')
    expect(valid(text).remoteAccess.preSharedKey?.revealText()).toBe('0123')
    expect(valid(text).users[0]!.password!.revealText()).toBe('1e3')
  })

  test('come from files, without the last line break', () => {
    const text = least.replace('correct horse battery staple', '{ file: /etc/psk }')
    expect(valid(text).remoteAccess.preSharedKey?.revealText()).toBe('from a file')
  })

  test('from a file that is not there are a fault at the path', () => {
    expect(faults(least.replace('correct horse battery staple', '{ file: /nowhere }'))).toEqual([
      '2:25 remoteAccess.preSharedKey.file: /nowhere: no such file; a file that can be read is right',
    ])
  })

  test('are not shown in faults', () => {
    expect(faults(least.replace('wonderland', '[a, b]')).join()).toContain('[secret]')
  })
})

describe('faults name line, column, what was found and what would be right', () => {
  test.each([
    [
      'an unknown key',
      least.replace('dns:', 'dnss:'),
      '4:3 remoteAccess.dnss: there is no key "dnss" here; did you mean dns?',
    ],
    [
      'an unknown key of a user',
      least.replace('password', 'pasword'),
      '6:20 users[0].pasword: there is no key "pasword" here; did you mean password?',
    ],
    [
      'an address that is none',
      least.replace('[10.99.0.1]', '[10.99.0.300]'),
      '4:9 remoteAccess.dns[0]: found "10.99.0.300"; an IPv4 address such as 10.99.0.1 is right',
    ],
    [
      'a pool upside down',
      least.replace('10.99.0.10-10.99.0.250', '10.99.0.250-10.99.0.10'),
      '3:16 remoteAccess.addressPool: found "10.99.0.250-10.99.0.10"; the lower address first is right: 10.99.0.10-10.99.0.250',
    ],
    [
      'a level that is none',
      `security: modren\n${least}`,
      '1:11 security: found "modren"; modern, compatible, legacy are right (did you mean modern?)',
    ],
    [
      'a missing key',
      least.replace(/ {2}preSharedKey.*\n/, ''),
      '2:3 remoteAccess.preSharedKey: preSharedKey is missing; "preSharedKey: a long random text, or { file: PATH }" is right, or preSharedKeys, or certificates',
    ],
    [
      'a duration without its unit',
      `${least}`.replace('  dns', '  idleLimit: 300\n  dns'),
      '4:14 remoteAccess.idleLimit: found "300"; a number with its unit is right: 45s, 10min, 8h or 1d',
    ],
    [
      'a user twice',
      `${least}  - { name: alice, password: x }\n`,
      '7:13 users[1].name: "alice" is there already, as user 1; a name once is right',
    ],
    [
      'a user without a password',
      least.replace(', password: wonderland', ''),
      '6:5 users[0]: alice has neither password nor ntHash; one of them is right',
    ],
    [
      'an empty password',
      least.replace('wonderland', "''"),
      '6:30 users[0].password: found [secret]; a secret of at least one character is right',
    ],
    [
      'text that is no YAML',
      'a: [1, 2',
      '1:9 : Flow sequence in block collection must be sufficiently indented and end with a ]; well-formed YAML is right',
    ],
  ])('%s', (_, text, fault) => {
    expect(faults(text)).toContain(fault)
  })

  test('a proposal with an unknown part', () => {
    expect(faults(least.replace('  dns', '  ike: aes256-sha1-modp2047\n  dns'))[0]).toMatch(
      /^4:8 remoteAccess\.ike: found "aes256-sha1-modp2047"; /,
    )
  })
})

describe('values', () => {
  const withUser = (keys: string) =>
    valid(least.replace('password: wonderland', `password: wonderland, ${keys}`)).users[0]!
  test('hours wrap round the week', () => {
    expect(withUser('hours: sun 22:00-06:00').hours).toEqual([
      { from: 10_000 - 40, to: 10_080 },
      { from: 0, to: 360 },
    ])
  })
  test('hours from a list of days', () => {
    expect(withUser('hours: [mon-tue 08:00-18:00]').hours).toEqual([
      { from: 480, to: 1080 },
      { from: 1920, to: 2520 },
    ])
  })
  test('a network stands for its hosts', () => {
    expect(valid(least.replace('10.99.0.10-10.99.0.250', '10.99.0.0/24')).remoteAccess.pool).toEqual([
      { first: 0x0a630001, last: 0x0a6300fe },
    ])
  })
  test('ESP without encryption, where a list asks for it', () => {
    expect(valid(least.replace('  dns', '  esp: null-sha1\n  dns')).remoteAccess.esp).toEqual([
      { cipher: 'null', hash: 'sha1', group: undefined },
    ])
  })
  test('port limit any is none', () => {
    expect(valid(least.replace('  dns', '  portLimit: any\n  dns')).remoteAccess.portLimit).toBe(undefined)
    expect(valid(least.replace('  dns', '  portLimit: 5\n  dns')).remoteAccess.portLimit).toBe(5)
  })
})

test('the kernel data plane: what is for the other one is a warning', () => {
  const outcome = parseConfiguration(`${least}dataplane: kernel\nengine: openssl\nworkers: 2\n`, read)
  const why = "it is for the userland data plane; with dataplane: kernel the kernel's own priorities choose"
  expect(outcome).toMatchObject({
    is: 'valid',
    configuration: { dataplane: 'kernel' },
    warnings: [
      { where: 'engine', message: why },
      { where: 'workers', message: why },
    ],
  })
  expect(faults(`${least}dataplane: kernal\n`)).toEqual([expect.stringMatching(/auto.*userland.*kernel/)])
})

describe('hostile text', () => {
  test.each([
    ['a thousand aliases', `a: &a [x, x]\n${Array.from({ length: 200 }, (_, i) => `b${i}: [*a, *a]`).join('\n')}`],
    ['prototype keys', '__proto__: { x: 1 }\nconstructor: 1'],
    ['deep nesting', '['.repeat(2000)],
    ['nothing', ''],
    ['a scalar', 'hello'],
    ['octets', '\u0000\u0001'],
  ])('%s is faults, not a crash', (_, text) => {
    expect(faults(text).length).toBeGreaterThan(0)
  })
})
