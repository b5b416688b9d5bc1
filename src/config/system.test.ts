import { describe, expect, test } from 'vitest'
import { parseConfiguration } from './parse.ts'

const hash = '$scrypt$ln=15,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

/** The least that makes a gateway, and a `system:` section of these lines; the section's first line is the text's sixth. */
function withSystem(...lines: string[]): string {
  return `remoteAccess:
  preSharedKey: correct horse battery staple
  addressPool: 10.99.0.10-10.99.0.250
users: [{ name: alice, password: wonderland }]
system:
${lines.map((line) => `  ${line}\n`).join('')}`
}

function system(...lines: string[]) {
  const outcome = parseConfiguration(withSystem(...lines), () => 'from a file\n')
  if (outcome.is === 'faulty') throw new Error(JSON.stringify(outcome.faults))
  return outcome.configuration.system
}

function faults(text: string, board?: readonly string[]): string[] {
  const outcome = parseConfiguration(text, () => 'from a file\n', board)
  if (outcome.is === 'valid') return []
  return outcome.faults.map(({ line, column, where, message }) => `${line}:${column} ${where}: ${message}`)
}

const dhcp = 'wan: { port: wan0, dhcp: true }'
const lan = 'lan: { ports: [lan0], address: 192.168.1.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }'

describe('the system section', () => {
  test('that is not there is undefined', () => {
    const outcome = parseConfiguration(withSystem().replace('system:\n', ''), () => '')
    expect(outcome.is === 'valid' && outcome.configuration.system).toBe(undefined)
  })

  test('has a default for all that it leaves out', () => {
    expect(system(dhcp)).toEqual({
      admin: undefined,
      wan: { is: 'dhcp', port: 'wan0', dns: [] },
      lan: undefined,
      ntp: ['pool.ntp.org'],
      timezone: 'UTC',
      syslog: undefined,
      idleLogoutSeconds: 600,
    })
  })

  test('whole, with a static address', () => {
    const whole = system(
      `admin: { passwordHash: '${hash}' }`,
      'wan: { port: wan0, address: 192.0.2.2/24, gateway: 192.0.2.1, dns: [192.0.2.53, 2001:db8::53] }',
      lan,
      'ntp: [192.0.2.123, ntp.example.org]',
      'timezone: Europe/Berlin',
      'syslog: { server: log.example.org, protocol: tcp, port: 6514 }',
      'idleLogoutSeconds: 0',
    )!
    expect(whole.admin!.passwordHash!.revealText()).toBe(hash)
    expect({ ...whole, admin: undefined }).toEqual({
      admin: undefined,
      wan: {
        is: 'static',
        port: 'wan0',
        address: { address: '192.0.2.2', prefix: 24 },
        gateway: '192.0.2.1',
        dns: ['192.0.2.53', '2001:db8::53'],
      },
      lan: {
        ports: ['lan0'],
        address: { address: '192.168.1.1', prefix: 24 },
        dhcpServer: { first: 0xc0a80164, last: 0xc0a801c7 },
      },
      ntp: ['192.0.2.123', 'ntp.example.org'],
      timezone: 'Europe/Berlin',
      syslog: { server: 'log.example.org', port: 6514, protocol: 'tcp' },
      idleLogoutSeconds: 0,
    })
  })

  test('with PPPoE, its password from a file', () => {
    const { wan } = system('wan: { port: wan0, pppoe: { user: me@isp.example, password: { file: /x } } }')!
    expect(wan?.is === 'pppoe' && [wan.user, wan.password.revealText(), wan.service]).toEqual([
      'me@isp.example',
      'from a file',
      undefined,
    ])
  })

  test('knows older names of time zones', () => {
    expect(system('timezone: Asia/Calcutta')!.timezone).toBe('Asia/Calcutta')
  })
})

describe('faults name line, column and what would be right', () => {
  const poolIn = (text: string) => withSystem(dhcp, lan).replace('10.99.0.10-10.99.0.250', text)
  const asLan = (text: string) => poolIn(text).replace('users:', '  forwarding: proxy-arp\nusers:')
  test.each([
    [
      'an address without prefix',
      withSystem('wan: { port: wan0, address: 192.0.2.2, gateway: 192.0.2.1 }'),
      '6:31 system.wan.address: found "192.0.2.2"; the prefix length of its network belongs to it: 192.0.2.2/24, if the mask is 255.255.255.0, is right',
    ],
    [
      'the address of a network',
      withSystem('lan: { ports: [lan0], address: 192.168.1.0/24 }'),
      '6:34 system.lan.address: found "192.168.1.0/24"; an address of a host is right: 192.168.1.1/24',
    ],
    [
      'a gateway outside the network',
      withSystem('wan: { port: wan0, address: 192.0.2.2/24, gateway: 192.0.3.1 }'),
      '6:54 system.wan.gateway: 192.0.3.1 is not in 192.0.2.0/24; an address inside, 192.0.2.1 to 192.0.2.254, is right',
    ],
    [
      'a static address without gateway',
      withSystem('wan: { port: wan0, address: 192.0.2.2/24 }'),
      "6:8 system.wan: gateway is missing; the provider's router inside 192.0.2.0/24, such as 192.0.2.1, is right",
    ],
    [
      'two ways to an address',
      withSystem('wan: { port: wan0, dhcp: true, pppoe: { user: a, password: b } }'),
      '6:8 system.wan: dhcp and pppoe together; one of "dhcp: true", "address: 192.0.2.2/24" with its gateway, and "pppoe: { user, password }" is right',
    ],
    [
      'no way to an address',
      withSystem('wan: { port: wan0 }'),
      '6:8 system.wan: nothing says how addresses come; one of "dhcp: true", "address: 192.0.2.2/24" with its gateway, and "pppoe: { user, password }" is right',
    ],
    [
      'leases outside the LAN',
      withSystem('lan: { ports: [lan0], address: 192.168.2.1/24, dhcpServer: 192.168.1.100-192.168.1.199 }'),
      '6:62 system.lan.dhcpServer: 192.168.1.100-192.168.1.199 is not in 192.168.2.0/24; a range inside, 192.168.2.1 to 192.168.2.254, is right',
    ],
    [
      "leases over the board's own address",
      withSystem('lan: { ports: [lan0], address: 192.168.1.150/24, dhcpServer: 192.168.1.100-192.168.1.199 }'),
      "6:64 system.lan.dhcpServer: 192.168.1.100-192.168.1.199 holds the board's own address 192.168.1.150; a range without it is right",
    ],
    [
      'a pool inside the LAN',
      poolIn('192.168.1.10-192.168.1.20'),
      '7:34 system.lan.address: 192.168.1.0/24 overlaps remoteAccess.addressPool; a pool outside, or remoteAccess.forwarding: proxy-arp, is right',
    ],
    [
      'a pool that is part of the LAN over its leases',
      asLan('192.168.1.150-192.168.1.160\n  gatewayAddress: 192.168.1.2'),
      '9:62 system.lan.dhcpServer: it overlaps remoteAccess.addressPool; ranges apart are right',
    ],
    [
      'LAN and WAN in one network',
      withSystem('wan: { port: wan0, address: 192.168.1.2/16, gateway: 192.168.0.1 }', lan),
      "7:34 system.lan.address: 192.168.1.0/24 overlaps the WAN's network 192.168.0.0/16; networks apart are right",
    ],
    [
      'one port for both',
      withSystem(dhcp, 'lan: { ports: [lan0, wan0], address: 192.168.1.1/24 }'),
      "7:24 system.lan.ports[1]: wan0 is the WAN's port; another is right",
    ],
    [
      'an unknown time zone',
      withSystem('timezone: Europe/Berln'),
      '6:13 system.timezone: found "Europe/Berln"; a time zone such as Europe/Berlin or UTC is right (did you mean Europe/Berlin?)',
    ],
    [
      'a time zone in other letters',
      withSystem('timezone: europe/berlin'),
      '6:13 system.timezone: found "europe/berlin"; a time zone such as Europe/Berlin or UTC is right (did you mean Europe/Berlin?)',
    ],
    [
      'a password and its hash',
      withSystem(`admin: { password: x, passwordHash: '${hash}' }`),
      '6:10 system.admin: both password and passwordHash; one of them is right',
    ],
    [
      'a hash of another kind, which it does not show',
      withSystem('admin: { passwordHash: "$6$secret" }'),
      "6:26 system.admin.passwordHash: found [secret]; the console's own form is right: $scrypt$ln=15,r=8,p=1$SALT$HASH, or password: in its place",
    ],
    [
      'a PPPoE password over two lines',
      withSystem('wan: { port: wan0, pppoe: { user: me, password: "a\\nb" } }'),
      '6:51 system.wan.pppoe.password: a password of 1 to 255 characters on one line is right',
    ],
    [
      'a syslog server that is a URL',
      withSystem('syslog: { server: "udp://192.0.2.9" }'),
      '6:21 system.syslog.server: found "udp://192.0.2.9"; a name such as ntp.example.org or an address is right',
    ],
  ])('%s', (_, text, fault) => {
    expect(faults(text)).toContain(fault)
  })

  test('a pool that is part of the LAN is right where it is said', () => {
    expect(faults(asLan('192.168.1.10-192.168.1.20\n  gatewayAddress: 192.168.1.2'))).toEqual([])
  })
})

describe('with the facts of a board', () => {
  const board = ['wan0', 'lan0', 'lan1']

  test('its own ports are right', () => {
    expect(faults(withSystem(dhcp, lan), board)).toEqual([])
  })

  test('a port that it has not is a fault that lists them', () => {
    expect(faults(withSystem('wan: { port: wan1, dhcp: true }', lan), board)).toEqual([
      '6:16 system.wan.port: this board has no port wan1; wan0, lan0, lan1 are there (did you mean wan0?)',
    ])
  })
})
