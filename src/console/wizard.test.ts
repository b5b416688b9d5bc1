// The wizard: every question, back, out of it at any point, and what it writes.
import { describe, expect, test } from 'vitest'
import { configFile, FakeDevice, leastConfiguration } from '../../test/fakes/console-device.ts'
import { consoleOn } from '../../test/fakes/console-line.ts'
import { parseConfiguration } from '../config/parse.ts'

function fresh() {
  const device = new FakeDevice()
  device.disk.files.clear()
  // The first question comes before udev is done.
  device.named = false
  return { device, ...consoleOn(device) }
}

const read = (device: FakeDevice) => {
  const outcome = parseConfiguration(device.disk.read(configFile) ?? '', (path) => device.disk.read(path) ?? '')
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration
}

/** What `gatehouse pki setup` leaves and says; ./../../test/wizard-certificates.test.ts has the real one. */
function authorityOn(device: FakeDevice, outcome = { code: 0, text: '-----BEGIN PKCS12-----\nAAAA\n' }) {
  device.programs.gatehouse = (args) => {
    const [name, folder] = [args[2]!, args[args.indexOf('--dir') + 1]!]
    if (outcome.code !== 0) return outcome
    for (const file of ['ca.pem', 'crl.pem', `${name}.pem`])
      device.disk.files.set(`${folder}/${file}`, '-----BEGIN CERTIFICATE-----\n')
    for (const file of ['ca.key', `${name}.key`])
      device.disk.files.set(`${folder}/${file}`, '-----BEGIN PRIVATE KEY-----\n')
    return outcome
  }
}

const certified = ['y', 'gw7', 'secret123', 'secret123', '', 'static', '192.0.2.2/24', '', '', 'none', 'certificates']

const dhcp = ['yes', 'gw7', 'secret123', 'secret123', '', '', '', '', 'bob', '', 'yes']

describe('the wizard', () => {
  test('DHCP, generated secrets: the usual answers suffice', async () => {
    const { device, type, read: unread, settle } = fresh()
    await settle()
    expect(unread()).toBe(`This gateway is not configured yet.
A few questions set it up. "back" goes one question back, "exit" or Ctrl-C to the command line; nothing is written before the end.
Set it up now: yes or no [yes]: `)
    let said = ''
    for (const answer of dhcp) said = await type(`${answer}\r`, answer === 'yes' && said !== '' ? /> $/ : undefined)
    const shown = /pre-shared key is (\S+)[\s\S]*user is bob with the password (\S+)\./.exec(said)
    const { hostname, remoteAccess, users, system } = read(device)
    expect(hostname).toBe('gw7')
    expect(remoteAccess.preSharedKey?.revealText()).toBe(shown?.[1])
    expect(users.map(({ name, password }) => [name, password?.revealText()])).toEqual([['bob', shown?.[2]]])
    expect(system).toMatchObject({ wan: { is: 'dhcp', port: 'wan0' }, lan: { ports: ['lan0', 'lan1'] } })
    expect(device.ran).toEqual(['system apply', 'reload'])
    await type('logout\r')
    await type('admin\r')
    expect(await type('secret123\r', /> $/)).toContain('gw7> ')
  })

  test('static address, typed key: each wrong answer is asked again with what would be right', async () => {
    const { device, type } = fresh()
    await type('y\r')
    expect(await type('gw 7\r')).toContain(
      'letters, digits and hyphens, at most 63, are right\nName of this gateway [gatehouse]: ',
    )
    await type('\r')
    expect(await type('short\r')).toContain('a password of 8 to 200')
    await type('secret123\r')
    expect(await type('secret124\r')).toContain('it is not the same')
    await type('secret123\r')
    await type('\r')
    expect(await type('isdn\r')).toContain('dhcp, static, pppoe is right')
    await type('sta\r')
    expect(await type('192.0.2.2\r')).toContain('192.0.2.2/24 is right')
    expect(await type('192.0.2.2/24\r')).toContain("Provider's router [192.0.2.1]: ")
    await type('\r')
    await type('9.9.9.9\r')
    await type('none\r')
    await type('typed\r')
    expect(await type('tooshort\r')).toContain('12 to 200')
    await type('a key of my own\r')
    await type('alice\r')
    expect(await type('wonderland\r')).toContain(
      'internet:  wan0, static 192.0.2.2/24 by 192.0.2.1\nkey:       typed\nuser:      alice\n',
    )
    expect(await type('\r', /> $/)).toContain('with the password that was typed')
    const { remoteAccess, system } = read(device)
    expect(remoteAccess.preSharedKey?.revealText()).toBe('a key of my own')
    expect(system?.wan).toEqual({
      is: 'static',
      port: 'wan0',
      dns: ['9.9.9.9'],
      address: { address: '192.0.2.2', prefix: 24 },
      gateway: '192.0.2.1',
    })
    expect(system?.lan).toBeUndefined()
  })

  test('back goes one question back, over those that are not asked, and keeps the answers', async () => {
    const { type, device } = fresh()
    for (const answer of ['y', 'gw7', 'secret123', 'secret123', 'wan0', 'pppoe', 'user@isp', 'pppoe-secret'])
      await type(`${answer}\r`)
    await type('back\r')
    expect(await type('back\r')).toContain('PPPoE user name [user@isp]: ')
    expect(await type('back\r')).toContain('dhcp, static or pppoe [pppoe]: ')
    expect(await type('dhcp\r')).toContain('Address on the LAN ports')
    expect(await type('back\r')).toContain('dhcp, static or pppoe [dhcp]: ')
    for (const answer of ['pppoe', '', 'pppoe-secret', 'none', '', 'bob', '']) await type(`${answer}\r`)
    expect(await type('back\r')).toContain("The user's password")
    await type('hunter22\r')
    await type('\r', /> $/)
    const { system } = read(device)
    expect(system?.wan).toMatchObject({ is: 'pppoe', user: 'user@isp' })
  })

  test('left or cut off at any question: nothing is written', async () => {
    for (let n = 0; n < dhcp.length - 1; n++) {
      for (const way of ['exit\r', '\x03', 'hang-up', 'provision\r']) {
        const { device, type, hangUp, ended } = fresh()
        for (const answer of dhcp.slice(0, n)) await type(`${answer}\r`)
        if (way === 'hang-up') {
          hangUp()
          await ended
        } else expect(await type(way)).toContain('gatehouse> ')
        expect(device.disk.files.size).toBe(0)
      }
    }
  })

  test('a board that refuses the configuration: said, nothing stays, and the answers are still there', async () => {
    const { device, type } = fresh()
    device.applySystem = async () => {
      throw new Error('there is no port wan0')
    }
    let said = ''
    for (const answer of dhcp)
      said = await type(`${answer}\r`, answer === 'yes' && said !== '' ? /generated one \[\]: $/ : undefined)
    expect(said).toContain('there is no port wan0; there is no configuration, as before')
    expect(device.disk.read(configFile)).toBeUndefined()
  })

  test('certificates: made for what clients dial before the commit, and the first client’s shown at the end', async () => {
    const { device, type } = fresh()
    authorityOn(device)
    for (const answer of certified.slice(0, -1)) await type(`${answer}\r`)
    expect(await type('certificates\r')).toContain('Name or address that clients dial, or several [192.0.2.2]: ')
    for (const wrong of ['vpn_1', 'ca', '2001:db8::1', '192.0.2.300', 'vpn.example.org -x'])
      expect(await type(`${wrong}\r`)).toContain('a name such as vpn.example.org or an address is right')
    await type('vpn.example.org, 192.0.2.2\r')
    await type('bob\r')
    expect(await type('wonderland\r')).toContain('key:       certificates; clients dial vpn.example.org or 192.0.2.2\n')
    expect(await type('\r', /> $/)).toBe(`
working: making keys and certificates ...
the gateway has taken the configuration into use
Done. Clients dial vpn.example.org or 192.0.2.2, each with a certificate, a user name and a password;
the first user is bob with the password that was typed. The certificate of bob:
-----BEGIN PKCS12-----
AAAA
"certificate show bob" shows it again, "certificate issue NAME" makes one for another machine.
gw7> `)
    expect(device.ran).toEqual([
      'gatehouse pki setup vpn.example.org --address 192.0.2.2 --client bob --dir /config/pki --anew',
      'system apply',
      'reload',
    ])
    const { remoteAccess } = read(device)
    expect(remoteAccess.preSharedKey).toBeUndefined()
    expect(device.disk.read(configFile)).toContain(`  certificates:
    authorities: { file: /config/pki/ca.pem }
    certificate: { file: /config/pki/vpn.example.org.pem }
    key: { file: /config/pki/vpn.example.org.key }
    crls: [ /config/pki/crl.pem ]
`)
  })

  test.each([
    [
      'no static address: the usual name is the host name; a user whose name no file can have',
      'dhcp',
      'bo/b',
      'gw7',
      'client-1',
    ],
    ['a user who is called like the gateway', 'dhcp', 'gw7', 'gw7', 'gw7-client'],
  ])('certificates: %s', async (_, wan, user, name, client) => {
    const { device, type } = fresh()
    authorityOn(device)
    for (const answer of ['y', 'gw7', 'secret123', 'secret123', '', wan, 'none', 'cert', '', user, ''])
      await type(`${answer}\r`)
    await type('\r', /> $/)
    expect(device.ran[0]).toBe(`gatehouse pki setup ${name} --client ${client} --dir /config/pki --anew`)
  })

  test.each<[string, (device: FakeDevice) => void, string]>([
    [
      'certificates that can’t be made',
      (device) => authorityOn(device, { code: 1, text: 'the disk is full\n' }),
      'no certificates could be made: the disk is full',
    ],
    [
      'a board that refuses them',
      (device) => {
        authorityOn(device)
        device.reload = async () => {
          throw new Error('certificates: no')
        }
      },
      'certificates: no; there is no configuration, as before',
    ],
  ])('certificates: %s: said, and nothing of them stays', async (_, spoil, sentence) => {
    const { device, type } = fresh()
    spoil(device)
    for (const answer of [...certified, '', 'bob', '']) await type(`${answer}\r`)
    expect(await type('\r', /generated one \[\]: $/)).toContain(sentence)
    expect([...device.disk.files.keys()].filter((path) => !path.startsWith('/config/history/'))).toEqual([])
  })

  test('certificates: an authority that a power cut left without a configuration is replaced; one in use is used further, and stays', async () => {
    for (const [configuration, last] of [
      [undefined, '--anew'],
      [`${leastConfiguration}# refuse-me`, 'pki'],
    ] as const) {
      const device = new FakeDevice(configuration)
      if (configuration === undefined) device.disk.files.clear()
      device.disk.files.set('/config/pki/ca.key', 'the one before')
      const { type } = consoleOn(device)
      authorityOn(device)
      device.applyFault = 'there is no port wan0'
      if (configuration !== undefined) for (const line of ['admin', 'setup']) await type(`${line}\r`)
      for (const answer of [...certified, '', 'refuse-me', '']) await type(`${answer}\r`)
      expect(await type('\r', /generated one \[\]: $/)).toContain('there is no port wan0')
      expect(
        device.ran
          .find((line) => line.startsWith('gatehouse'))
          ?.split(/[ /]/)
          .at(-1),
      ).toBe(last)
      expect(device.disk.files.has('/config/pki/ca.key')).toBe(configuration !== undefined)
    }
  })
})
