// `certificate` as a person has it, with what it asks of `gatehouse pki`; ../../../test/own-authority.test.ts has the real one.
import { describe, expect, test } from 'vitest'
import { FakeDevice } from '../../../test/fakes/console-device.ts'
import { consoleOn } from '../../../test/fakes/console-line.ts'

const issued = [
  { name: 'gw1', kind: 'gateway', serial: '0a' },
  { name: 'alice', kind: 'client', serial: '0b', revokedAt: 1 },
  { name: 'bob', kind: 'client', serial: '0c' },
  { name: 'bea', kind: 'client', serial: '0d' },
]

async function loggedIn({ authority = true, code = 0 } = {}) {
  const device = new FakeDevice()
  if (authority) {
    device.disk.files.set('/config/pki/ca.key', 'secret')
    device.disk.files.set('/config/pki/ca.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n')
    device.disk.files.set('/config/pki/issued.json', JSON.stringify({ issued }))
  }
  device.programs.gatehouse = (args) => ({ code, text: `did ${args[1]}\n` })
  const line = consoleOn(device)
  await line.type('admin\r')
  return { device, ...line }
}

describe('certificate', () => {
  test.each([
    ['issue alice-laptop', 'client alice-laptop --text'],
    ['issue alice-laptop days 30', 'client alice-laptop --text --days 30'],
    ['list', 'list'],
    ['show bob', 'show bob'],
  ])('%s', async (words, asked) => {
    const { device, type } = await loggedIn()
    expect(await type(`certificate ${words}\r`)).toContain(`did ${asked.split(' ')[0]}\ngw1> `)
    expect(device.ran).toEqual([`gatehouse pki ${asked} --dir /config/pki`])
  })

  test('authority shows what others must trust', async () => {
    const { device, type } = await loggedIn()
    expect(await type('certificate authority\r')).toContain('\n-----BEGIN CERTIFICATE-----\nAAAA\ngw1> ')
    expect(device.ran).toEqual([])
  })

  test('revoke has the gateway read the list at once', async () => {
    const { device, type } = await loggedIn()
    expect(await type('certificate revoke bob\r')).toContain(`did revoke
the gateway has taken the configuration into use
a session that is up goes on until its keys are renewed; "disconnect" ends it now
`)
    expect(device.ran).toEqual(['gatehouse pki revoke bob --dir /config/pki', 'reload'])
  })

  test('revoke where no gateway runs starts none, and where pki refuses reloads none', async () => {
    const still = await loggedIn()
    still.device.gateway = undefined
    await still.type('certificate revoke bob\r')
    expect(still.device.ran).toEqual(['gatehouse pki revoke bob --dir /config/pki'])
    const refused = await loggedIn({ code: 1 })
    expect(await refused.type('certificate revoke bob\r')).toContain('gatehouse ended with 1')
    expect(refused.device.ran).toEqual(['gatehouse pki revoke bob --dir /config/pki'])
  })

  test.each(['gw1', '0a'])('the gateway itself is not revoked: %s', async (name) => {
    const { device, type } = await loggedIn()
    expect(await type(`certificate revoke ${name}\r`)).toContain(`${name} is this gateway itself`)
    expect(device.ran).toEqual([])
  })

  test.each(['issue x', 'list', 'show x', 'revoke x', 'authority'])('without an authority: %s', async (words) => {
    const { device, type } = await loggedIn({ authority: false })
    expect(await type(`certificate ${words}\r`)).toContain('"setup" and its answer "certificates" make one')
    expect(device.ran).toEqual([])
  })

  test('? and Tab know the verbs, and the clients that are valid', async () => {
    const { type } = await loggedIn()
    const verbs = [...(await type('certificate ?')).matchAll(/^ {2}(\w+) {2}/gm)].map(([, verb]) => verb)
    expect(verbs).toEqual(['authority', 'issue', 'list', 'revoke', 'show'])
    await type('\x15')
    const names = await type('certificate revoke ?')
    expect(names).toMatch(/bob +a client\n +bea +a client/)
    expect(names).not.toMatch(/alice|gw1 +a/)
    await type('\x15')
    expect(await type('certificate show be\t')).toContain('certificate show bea')
  })

  test.each(['-x', 'a/b', 'a b'])('a name that is none: %j', async (name) => {
    const { device, type } = await loggedIn()
    await type(`certificate issue "${name}"\r`)
    expect(device.ran).toEqual([])
  })
})
