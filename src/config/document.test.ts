// Editing a configuration's text: what is not touched stays as it was written, secrets don't show.
import { describe, expect, test } from 'vitest'
import { adminOf, DocumentError, deleteValue, partOf, secretsOf, setValue, withoutSecrets } from './document.ts'

const text = `# my gateway
hostname: gw1 # in the rack
remoteAccess:
  # from the safe
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250

users:
  - { name: alice, password: wonderland }
  - name: bob
    password: 0123 # a note
`

describe('setting', () => {
  test('a value: comments, order and empty lines stay', () => {
    expect(setValue(text, ['hostname'], 'gw2')).toBe(text.replace('gw1', 'gw2'))
    expect(setValue(text, ['users', 'bob', 'password'], 'new')).toBe(text.replace('0123', 'new'))
    expect(setValue(text, ['users', 'alice', 'password'], 'looking-glass')).toBe(
      text.replace('wonderland', 'looking-glass'),
    )
  })

  test('the same value: not an octet changes', () => {
    expect(setValue(text, ['hostname'], 'gw1')).toBe(text)
  })

  test('what is not there is made: maps, named items, lists', () => {
    expect(setValue(text, ['users', 'carol', 'password'], 'x')).toBe(`${text}  - name: carol\n    password: x\n`)
    expect(setValue(text, ['system', 'wan', 'dhcp'], 'true')).toBe(`${text}system:\n  wan:\n    dhcp: true\n`)
    expect(setValue('', ['users', 'a', 'password'], 'x')).toBe('users:\n  - name: a\n    password: x\n')
    expect(setValue('hostname: a\n', ['system', 'ntp'], ['b', 'c'])).toBe('hostname: a\nsystem:\n  ntp: [ b, c ]\n')
    expect(setValue('hostname: a\n', ['remoteAccess', 'preSharedKey'], { file: 'key' })).toBe(
      'hostname: a\nremoteAccess:\n  preSharedKey: { file: key }\n',
    )
  })

  test.each([
    '',
    ' ',
    '#x',
    'a: b',
    '- x',
    '"',
    "it's",
    '{',
    '[secret]',
    '0123',
    'true',
    'null',
    '~',
    '&a',
    '*a',
    '!t',
    '%',
    '@x',
    '`',
    'ä€',
    'a\tb',
    '\\',
  ])('a secret %j is read back as it was', (value) => {
    expect(secretsOf(setValue(text, ['users', 'bob', 'password'], value))[2]).toBe(value)
    expect(secretsOf(setValue(text, ['users', 'alice', 'password'], value))[1]).toBe(value)
  })

  test('where there is no map is said', () => {
    expect(() => setValue(text, ['hostname', 'x'], 'y')).not.toThrow()
    expect(() => setValue('a: "open', ['hostname'], 'x')).toThrow(DocumentError)
    expect(() => setValue('- a\n- b\n', ['hostname'], 'x')).toThrow('is no map of keys')
  })
})

describe('deleting', () => {
  test('a key, an item by its name, one of a list', () => {
    expect(deleteValue(text, ['users', 'alice'])).toBe(text.replace('  - { name: alice, password: wonderland }\n', ''))
    expect(deleteValue('a: [x, y]\nb: z\n', ['a', 'x'])).toBe('a: [ y ]\nb: z\n')
    expect(deleteValue('a: 1\nb: 2\n', ['a'])).toBe('b: 2\n')
    expect(deleteValue('a: 1\n', ['a'])).toBe('')
  })

  test('what is not there is said', () => {
    expect(() => deleteValue(text, ['users', 'carol'])).toThrow('users carol is not in the configuration')
  })
})

describe('showing', () => {
  test('secrets are hidden by the ends of their keys', () => {
    const shown = withoutSecrets(`${text}system:
  admin: { passwordHash: $scrypt$x }
  wan: { pppoe: { user: u, password: p } }
someToken: abc
`)
    expect(shown).toContain('passwordHash: [secret]')
    expect(shown).toContain('pppoe: { user: u, password: [secret] }')
    expect(shown).toContain('someToken: [secret]')
    for (const secret of ['wonderland', '0123', 'horse', 'scrypt', 'abc']) expect(shown).not.toContain(secret)
  })

  test('keys of peers and of certificates are secrets, certificates are not', () => {
    const own = '{ certificate: public, key: hunter22 }'
    const keys = `remoteAccess: { preSharedKeys: [ { peer: any, key: horse } ], certificates: ${own} }\n`
    expect(withoutSecrets(keys)).toBe(keys.replace('horse', '[secret]').replace('hunter22', '[secret]'))
    expect(secretsOf(keys)).toEqual(['horse', 'hunter22'])
  })

  test('passwordExpired is no secret, a file is shown by its name', () => {
    expect(withoutSecrets('users:\n  - { name: a, passwordExpired: true, password: { file: a.txt } }\n')).toBe(
      'users:\n  - { name: a, passwordExpired: true, password: { file: a.txt } }\n',
    )
  })

  test('a changed secret is told, by the name of its item and not by its place', () => {
    const after = 'users:\n  - { name: bob, password: other }\n  - { name: alice, password: wonderland }\n'
    expect(withoutSecrets(after, { against: text })).toBe(
      'users:\n  - { name: bob, password: [secret, changed] }\n  - { name: alice, password: [secret] }\n',
    )
  })

  test('without comments', () => {
    expect(withoutSecrets(text, { comments: false })).not.toMatch(/#|safe|note/)
  })

  test('a part', () => {
    expect(partOf(text, ['users', 'alice'])).toBe('{ name: alice, password: wonderland }\n')
    expect(partOf(text, ['users', 'carol'])).toBeUndefined()
  })

  test('the administrator of a text that is faulty elsewhere', () => {
    expect(adminOf('hostname: [\nsystem:\n  admin: { password: x }\n')).toEqual({ password: 'x' })
    expect(adminOf('nonsense: 1\nsystem:\n  admin: { password: 007 }\n')).toEqual({ password: '007' })
  })
})
