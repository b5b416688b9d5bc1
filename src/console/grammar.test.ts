// The grammar: what lines mean, what Tab adds, what `?` lists.
import { describe, expect, test } from 'vitest'
import { FakeDevice, idleStatus } from '../../test/fakes/console-device.ts'
import { trees } from './commands/tree.ts'
import { complete, help } from './completion.ts'
import { match } from './grammar.ts'
import type { Mode, Shell } from './shell.ts'
import { wordsOf } from './words.ts'

const device = new FakeDevice()
device.gateway = {
  ...idleStatus,
  sessions: ['alice', 'albert'].map((user, i) => ({
    session: i + 1,
    user,
    address: `10.99.0.${10 + i}`,
    peer: '198.51.100.7:4500',
    natted: true,
    client: 'Windows 11',
    hostName: 'laptop',
    authentication: 'mschapv2',
    ike: 'aes256-sha1-modp2048',
    esp: 'aes128-sha1',
    weak: false,
    since: '2026-01-01T00:00:00.000Z',
    bytesIn: 0,
    bytesOut: 0,
    packetsIn: 0,
    packetsOut: 0,
  })),
}
const shell = {
  device,
  candidate: { text: 'hostname: gw1\nusers:\n  - { name: alice }\n  - { name: bob, password: x }\n' },
} as unknown as Shell

function meaning(line: string, mode: Mode = 'operational') {
  const found = match(trees[mode], wordsOf(line).words)
  return found.is === 'wrong' ? found.message : { values: found.values, rest: found.rest }
}

describe('words', () => {
  test.each([
    ['a  b', ['a', 'b']],
    ['"a b" c', ['a b', 'c']],
    ["'a \"b' c", ['a "b', 'c']],
    ['a\\ b', ['a b']],
    ['x"y z"w', ['xy zw']],
    ['"" a', ['', 'a']],
    ['"open', ['open']],
  ])('%s', (line, words) => {
    expect(wordsOf(line).words.map(({ text }) => text)).toEqual(words)
  })
})

describe('a line means', () => {
  test.each<[string, unknown]>([
    ['show version', { values: { show: 'show', version: 'version' }, rest: [] }],
    ['sh ver', { values: { show: 'sh', version: 'ver' }, rest: [] }],
    [
      'ping 192.0.2.1 size 100 count 3',
      { values: { ping: 'ping', host: '192.0.2.1', size: '100', count: '3' }, rest: [] },
    ],
    [
      'capture wan0 verbose matching udp port 500',
      {
        values: { capture: 'capture', interface: 'wan0', verbose: 'verbose', matching: 'matching' },
        rest: ['udp', 'port', '500'],
      },
    ],
    ['disconnect "alice"', { values: { disconnect: 'disconnect', target: 'alice' }, rest: [] }],
    ['re', '"re" may be reboot or restart'],
    ['show', expect.stringContaining('more is needed: status, sessions')],
    ['"show" version', '"show" is not known here; did you mean show?'],
    ['pong ::1', '"pong" is not known here; did you mean ping?'],
    ['ping -f', '"-f": an address or a name such as www.example.org is right'],
    ['ping 10.0.0.300', '"10.0.0.300": an address or a name such as www.example.org is right'],
    ['ping ::1 count 0', '"0": a whole number from 1 to 10000 is right'],
    ['ping ::1 count 3 count 4', '"count" is not known here; ? lists what is'],
    ['logout now', '"now" is too much: nothing more is right here'],
    ['capture -w', '"-w": an interface such as wan0 is right'],
    ['update --help', '"--help": a bundle as https://host/path or as a file with its whole path is right'],
  ])('%s', (line, expectation) => {
    expect(meaning(line)).toEqual(expectation)
  })

  test.each<[string, unknown]>([
    ['commit', { values: { commit: 'commit' }, rest: [] }],
    ['commit confirmed', { values: { commit: 'commit', confirmed: 'confirmed' }, rest: [] }],
    [
      'commit confirmed 5 comment "new pool"',
      { values: { commit: 'commit', confirmed: 'confirmed', minutes: '5', comment: 'new pool' }, rest: [] },
    ],
    ['commit confirmed 0', '"0": a whole number from 1 to 1440 is right'],
    ['set users bob password x', { values: { set: 'set' }, rest: ['users', 'bob', 'password', 'x'] }],
    ['show self-test', { values: { show: 'show', 'self-test': 'self-test' }, rest: [] }],
    ['show users bob', { values: { show: 'show' }, rest: ['users', 'bob'] }],
    ['configure', { values: { configure: 'configure' }, rest: [] }],
    ['rollback 1', { values: { rollback: 'rollback', back: '1' }, rest: [] }],
  ])('configure: %s', (line, expectation) => {
    expect(meaning(line, 'configure')).toEqual(expectation)
  })
})

describe('Tab', () => {
  test.each<[Mode, string, string, readonly string[]]>([
    ['operational', 'sh', 'ow ', []],
    ['operational', 're', '', ['reboot', 'restart']],
    ['operational', 'show s', '', ['status', 'sessions', 'self-test']],
    ['operational', 'show st', 'atus ', []],
    ['operational', 'disconnect al', '', ['alice', 'albert']],
    ['operational', 'disconnect alb', 'ert ', []],
    ['operational', 'capture w', 'an0 ', []],
    ['operational', 'ping ::1 s', '', ['size', 'source']],
    ['operational', 'ping ::1 size 5 s', 'ource ', []],
    ['operational', 'nonsense ', '', []],
    ['operational', '"sh', '', []],
    ['configure', 'set remoteAccess add', 'ressPool ', []],
    ['configure', 'set users a', 'lice ', []],
    ['configure', 'set users alice pass', 'word', ['password', 'passwordExpired']],
    ['configure', 'set security leg', 'acy ', []],
    ['configure', 'delete users bob p', 'assword ', []],
    ['configure', 'delete ', '', ['hostname', 'users']],
    ['configure', 'co', '', ['commit', 'compare', 'configure', 'confirm']],
    ['configure', 'con', 'fi', ['configure', 'confirm']],
    ['configure', 'commit ', 'c', ['confirmed', 'cancel', 'comment']],
  ])('%s: %s', async (mode, line, insert, choices) => {
    const found = await complete(trees[mode], line, shell)
    expect({ insert: found.insert, choices: found.choices.map(({ text }) => text) }).toEqual({ insert, choices })
  })
})

describe('?', () => {
  test.each<[Mode, string, readonly string[]]>([
    ['operational', 'show log ', ['follow', 'match', '<lines>', '<Enter>']],
    ['operational', 'ping ', ['10.99.0.10', '10.99.0.11', '<host>']],
    ['configure', 'set users alice enabled ', ['<value>']],
    ['configure', 'set users ', ['alice', 'bob', '<name>']],
    ['configure', 'rollback ', ['<number>']],
    ['configure', 'commit confirmed ', ['comment', '<minutes>', '<Enter>']],
  ])('%s: %s', async (mode, line, texts) => {
    const lines = await help(trees[mode], line, shell)
    expect(typeof lines === 'string' ? lines : lines.map(({ text }) => text)).toEqual(texts)
  })

  test('says why nothing fits', async () => {
    expect(await help(trees.operational, 'shox ', shell)).toBe('"shox" is not known here; did you mean show?')
  })
})

test('every word has a help text, a way on, and is told from its neighbours', () => {
  const seen = new Set<unknown>()
  const walk = (nodes: readonly { readonly [key: string]: unknown }[], path: string) => {
    const words = nodes.flatMap((node) => (node.is === 'word' ? [node.word as string] : []))
    expect(new Set(words).size, path).toBe(words.length)
    for (const node of nodes) {
      if (seen.has(node)) continue
      seen.add(node)
      const here = `${path} ${String(node.word ?? node.key ?? node.name)}`
      expect(node.help, here).toMatch(/^\S.*[^.]$/)
      const next = [...((node.next as []) ?? []), ...((node.options as []) ?? [])]
      walk(next, here)
    }
  }
  walk(trees.operational as never, '')
  walk(trees.configure as never, '')
})
