// The first-boot wizard's questions as data, and the configuration that the answers make.
import { type Step, setValue, type Value } from '../config/document.ts'
import { hashPassword } from '../control/admin-password.ts'
import { addressOctets, ipv4FromNumber, ipv4Number, ipv4Octets } from '../wire/address.ts'

/** Answers by the question's key. */
export type Answers = Readonly<Record<string, string>>

export type Question = {
  readonly key: string
  /** What is asked, without the default and the colon. */
  readonly ask: string | ((answers: Answers) => string)
  /** Taken for an empty answer; undefined: there must be one. */
  readonly usual?: (answers: Answers, ports: Ports) => string | undefined
  /** Asked only then. */
  readonly when?: (answers: Answers, ports: Ports) => boolean
  /** What would be right; undefined where the answer is. */
  readonly fault?: (answer: string, answers: Answers) => string | undefined
  /** Answers are these words, which may be abbreviated. */
  readonly choices?: readonly string[]
  /** Not echoed. */
  readonly hidden?: true
}

/** Names of the board's network interfaces. */
export type Ports = readonly string[]

const address = (text: string) => (ipv4Octets(text) ? undefined : 'an IPv4 address such as 192.0.2.1 is right')
const withPrefix = (text: string) => {
  const [, base, bits] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? []
  const fits = ipv4Octets(base ?? '') && Number(bits) >= 8 && Number(bits) <= 30
  return fits ? undefined : 'an address with its prefix length such as 192.0.2.2/24 is right'
}
const oneLine = (least: number, what: string) => (text: string) =>
  /^[\x20-\x7e]*$/.test(text) && text.length >= least && text.length <= 200
    ? undefined
    : `${what} of ${least} to 200 letters, digits and signs is right`

const is = (key: string, value: string) => (answers: Answers) => answers[key] === value

export const questions: readonly Question[] = [
  {
    key: 'hostname',
    ask: 'Name of this gateway',
    usual: () => 'gatehouse',
    fault: (text) =>
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(text)
        ? undefined
        : 'letters, digits and hyphens, at most 63, are right',
  },
  {
    key: 'password',
    ask: 'Administrator password (not shown, 8 characters or more)',
    hidden: true,
    fault: oneLine(8, 'a password'),
  },
  {
    key: 'passwordAgain',
    ask: 'The same again',
    hidden: true,
    fault: (text, { password }) => (text === password ? undefined : 'it is not the same; "back" asks for both again'),
  },
  {
    key: 'port',
    ask: (_) => 'Port to the internet',
    usual: (_, ports) => ports.find((port) => port.startsWith('wan')) ?? ports.find((port) => port !== 'lo'),
    fault: (text) => (/^[a-z][a-z0-9]{0,14}$/.test(text) ? undefined : 'a port such as wan0 is right'),
  },
  {
    key: 'wan',
    ask: 'How its address comes: dhcp, static or pppoe',
    choices: ['dhcp', 'static', 'pppoe'],
    usual: () => 'dhcp',
  },
  {
    key: 'address',
    ask: 'Address with prefix length, such as 192.0.2.2/24',
    when: is('wan', 'static'),
    fault: withPrefix,
  },
  {
    key: 'gateway',
    ask: "Provider's router",
    when: is('wan', 'static'),
    usual: ({ address = '' }) => {
      const number = ipv4Number(address.split('/')[0]!)
      const mask = 32 - Number(address.split('/')[1])
      return number === undefined ? undefined : ipv4FromNumber(Math.floor(number / 2 ** mask) * 2 ** mask + 1)
    },
    fault: address,
  },
  { key: 'dns', ask: 'DNS server', when: is('wan', 'static'), usual: ({ gateway }) => gateway, fault: address },
  { key: 'pppoeUser', ask: 'PPPoE user name', when: is('wan', 'pppoe'), fault: oneLine(1, 'a name') },
  {
    key: 'pppoePassword',
    ask: 'PPPoE password (not shown)',
    when: is('wan', 'pppoe'),
    hidden: true,
    fault: oneLine(1, 'a password'),
  },
  {
    key: 'lan',
    ask: 'Address on the LAN ports with prefix length, or none',
    when: (_, ports) => lanPorts(ports).length > 0,
    usual: () => '192.168.1.1/24',
    fault: (text) => (text === 'none' ? undefined : withPrefix(text)),
  },
  {
    key: 'keyKind',
    ask: 'Key of all clients: generated or typed, or certificates',
    choices: ['generated', 'typed', 'certificates'],
    usual: () => 'generated',
  },
  {
    key: 'key',
    ask: 'Pre-shared key (12 characters or more)',
    when: is('keyKind', 'typed'),
    fault: oneLine(12, 'a key'),
  },
  {
    key: 'dialled',
    ask: 'Name or address that clients dial, or several',
    when: is('keyKind', 'certificates'),
    usual: ({ wan, address, hostname }) => (wan === 'static' ? address?.split('/')[0] : hostname),
    fault: (text) =>
      namesOf(text).length <= 8 && namesOf(text).every(dialable) && ipv6Later(namesOf(text))
        ? undefined
        : 'a name such as vpn.example.org or an address is right, up to 8 with spaces between, an IPv6 address not first',
  },
  {
    key: 'user',
    ask: 'First user',
    fault: (text) =>
      /^[^\s\p{C}]{1,128}$/u.test(text) ? undefined : 'a name of 1 to 128 characters without white space is right',
  },
  {
    key: 'userPassword',
    ask: "The user's password (not shown), or nothing for a generated one",
    hidden: true,
    usual: () => '',
    fault: (text) => (text === '' ? undefined : oneLine(6, 'a password')(text)),
  },
]

/** What clients dial: the first names the certificate. */
export const namesOf = (text: string): readonly string[] => text.split(/[\s,]+/).filter((name) => name !== '')

const dialable = (name: string) =>
  addressOctets(name) !== undefined ||
  (/^(?=.{1,64}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(name) &&
    !/^[\d.]+$/.test(name) &&
    !certificateFiles.includes(name.toLowerCase()))

/** Names of the authority's own files. */
const certificateFiles = ['ca', 'crl', 'issued']

/** The first names a file too, and a colon is none of a file's letters. */
const ipv6Later = ([first = '']: readonly string[]) => first !== '' && !first.includes(':')

export function lanPorts(ports: Ports): readonly string[] {
  return ports.filter((port) => /^lan\d+$/.test(port)).sort()
}

/** What is shown before it is written; secrets aren't. */
export function summaryOf(answers: Answers): readonly string[] {
  const { hostname, port, wan, address, gateway, pppoeUser, lan, keyKind, dialled = '', user } = answers
  const how = wan === 'static' ? `static ${address} by ${gateway}` : wan === 'pppoe' ? `PPPoE as ${pppoeUser}` : 'DHCP'
  return [
    `name:      ${hostname}`,
    `internet:  ${port}, ${how}`,
    ...(lan === undefined || lan === 'none' ? [] : [`LAN:       ${lan}, addresses by DHCP`]),
    `key:       ${keyKind}${keyKind === 'certificates' ? `; clients dial ${namesOf(dialled).join(' or ')}` : ''}`,
    `user:      ${user}`,
  ]
}

/** The configuration that the answers make; generated secrets come as answers, certificates stand in `folder`. */
export async function configurationOf(answers: Answers, ports: Ports, folder: string): Promise<string> {
  const settings: [readonly Step[], Value][] = [
    [['hostname'], answers.hostname!],
    ...(answers.keyKind === 'certificates'
      ? certificateSettings(answers, folder)
      : ([[['remoteAccess', 'preSharedKey'], answers.key!]] satisfies [readonly Step[], Value][])),
    [['remoteAccess', 'addressPool'], '10.99.0.10-10.99.0.250'],
    [['remoteAccess', 'dns'], ['10.99.0.1']],
    [['users', answers.user!, 'password'], answers.userPassword!],
    [['system', 'admin', 'passwordHash'], await hashPassword(answers.password!)],
    [['system', 'wan', 'port'], answers.port!],
    ...wanSettings(answers),
  ]
  const { lan } = answers
  if (lan !== undefined && lan !== 'none') {
    settings.push([['system', 'lan', 'ports'], lanPorts(ports)], [['system', 'lan', 'address'], lan])
    const range = leases(lan)
    if (range) settings.push([['system', 'lan', 'dhcpServer'], range])
  }
  const first = '# Written by the first questions on the console; the README lists every key.\n'
  return first + settings.reduce((text, [path, value]) => setValue(text, path, value), '')
}

function certificateSettings({ dialled }: Answers, folder: string): [readonly Step[], Value][] {
  const at = (key: string): readonly Step[] => ['remoteAccess', 'certificates', key]
  const [name] = namesOf(dialled!)
  return [
    [at('authorities'), { file: `${folder}/ca.pem` }],
    [at('certificate'), { file: `${folder}/${name}.pem` }],
    [at('key'), { file: `${folder}/${name}.key` }],
    [at('crls'), [`${folder}/crl.pem`]],
  ]
}

function wanSettings({ wan, address, gateway, dns, pppoeUser, pppoePassword }: Answers): [readonly Step[], Value][] {
  const at = (...path: string[]): readonly Step[] => ['system', 'wan', ...path]
  if (wan === 'static')
    return [
      [at('address'), address!],
      [at('gateway'), gateway!],
      [at('dns'), [dns!]],
    ]
  if (wan === 'pppoe')
    return [
      [at('pppoe', 'user'), pppoeUser!],
      [at('pppoe', 'password'), pppoePassword!],
    ]
  return [[at('dhcp'), 'true']]
}

/** The 100th to the 199th address of a /24 or larger network; nothing where it is smaller. */
function leases(lan: string): string | undefined {
  const [base = '', bits] = lan.split('/')
  if (Number(bits) > 24) return undefined
  const network = Math.floor(ipv4Number(base)! / 256) * 256
  return `${ipv4FromNumber(network + 100)}-${ipv4FromNumber(network + 199)}`
}
