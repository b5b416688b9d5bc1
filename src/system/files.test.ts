import { describe, expect, test } from 'vitest'
import { board as pc } from '../../board/generic-x86-64/board.ts'
import type { Configuration } from '../config/configuration.ts'
import { parseConfiguration } from '../config/parse.ts'
import { ini, type SystemFile } from './file.ts'
import { systemFiles } from './files.ts'

function configured(...lines: readonly string[]): Configuration {
  const text = `hostname: gw1
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [{ name: alice, password: wonderland }]
system:
${lines.map((line) => `  ${line}\n`).join('')}`
  const outcome = parseConfiguration(text, () => '')
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

const show = (file: SystemFile) =>
  file.is === 'text'
    ? `${file.path} ${file.mode.toString(8)}\n${file.text}`
    : `${file.path} ${file.is === 'link' ? `-> ${file.target}` : 'absent'}\n`
const shown = (configuration: Configuration | undefined, board = undefined as typeof pc | undefined) =>
  systemFiles(configuration, board).map(show).join('\n')

const dhcp = configured('wan: { port: wan0, dhcp: true }')

describe('every file of', () => {
  test('a WAN by DHCP, and nothing else', () => expect(shown(dhcp)).toMatchSnapshot())

  test('PPPoE, a LAN of two ports, syslog over TCP, on a board', () => {
    const whole = configured(
      `wan: { port: wan0, pppoe: { user: 'me@isp', password: 'x"y\\z', service: 'their line' } }`,
      'lan: { ports: [lan0, lan1], address: 192.168.1.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }',
      'ntp: [192.0.2.123, ntp.example.org]',
      'timezone: Europe/Berlin',
      'syslog: { server: 2001:db8::9, port: 6514, protocol: tcp }',
    )
    expect(shown(whole, pc)).toMatchSnapshot()
  })

  test('a machine without a configuration', () => expect(shown(undefined, pc)).toMatchSnapshot())
})

test('what one configuration writes another takes away: the paths are always the same', () => {
  const paths = (configuration: Configuration | undefined) =>
    systemFiles(configuration, undefined).map(({ path }) => path)
  expect(paths(dhcp)).toEqual(paths(undefined))
  expect(paths(configured('lan: { ports: [lan0], address: 192.168.1.1/24 }'))).toEqual(paths(undefined))
})

test('only the file with the PPPoE password is a secret', () => {
  const secret = systemFiles(configured('wan: { port: wan0, pppoe: { user: a, password: tiger } }'), undefined).filter(
    (file) => file.is === 'text' && file.text.includes('tiger'),
  )
  expect(secret.map((file) => file.is === 'text' && [file.path, file.mode])).toEqual([
    ['/etc/ppp/peers/gatehouse-wan', 0o600],
  ])
})

test('ini: lists are repeated, what is undefined is left out', () => {
  expect(
    ini([
      ['A', { x: [1, 2], y: undefined, z: '' }],
      ['B', {}],
    ]),
  ).toBe('[A]\nx=1\nx=2\nz=\n\n[B]\n')
})
