// The `system:` section: from what is written to the value, and what no single key of it can say. The rest of an appliance reads it.
import { ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import { maskOf } from '../wire/network.ts'
import type { AddressRange, Configuration, InterfaceAddress, LanEntry, SystemEntry, WanEntry } from './configuration.ts'
import { nearest } from './nearest.ts'
import type { Parsed } from './schema.ts'
import type { Problem } from './validate.ts'

/** Names of the ports that a board has, as `system:` uses them: wan0, lan0 … */
export type BoardPorts = readonly string[]

type Written = NonNullable<Parsed['system']>
type Report = (path: readonly PropertyKey[], message: string) => void

/** The section as a value. What is wrong goes to `problems`; the value then only has to be whole enough to be looked at further. */
export function systemOf(parsed: Parsed, problems: Problem[]): SystemEntry | undefined {
  const written = parsed.system
  if (!written) return undefined
  const report = reporter(problems)
  const { admin, wan, lan } = written
  if (admin && (admin.password === undefined) === (admin.passwordHash === undefined)) {
    const found = admin.password ? 'both password and passwordHash' : 'neither password nor passwordHash'
    report(['admin'], `${found}; one of them is right`)
  }
  return {
    admin: admin && { password: admin.password, passwordHash: admin.passwordHash },
    wan: wan && wanOf(wan, report),
    lan: lan && { ports: lan.ports, address: lan.address, dhcpServer: lan.dhcpServer },
    ntp: written.ntp,
    timezone: written.timezone,
    syslog: written.syslog,
    idleLogoutSeconds: written.idleLogoutSeconds,
  }
}

function reporter(problems: Problem[]): Report {
  return (path, message) => problems.push({ severity: 'error', path: ['system', ...path], message })
}

const kinds = 'one of "dhcp: true", "address: 192.0.2.2/24" with its gateway, and "pppoe: { user, password }" is right'

function wanOf(wan: NonNullable<Written['wan']>, report: Report): WanEntry | undefined {
  const { port, dns, dhcp, address, gateway, pppoe } = wan
  const chosen = [dhcp && 'dhcp', address && 'address', pppoe && 'pppoe'].filter((kind) => kind)
  if (chosen.length !== 1) {
    const found = chosen.length === 0 ? 'nothing says how addresses come' : `${chosen.join(' and ')} together`
    report(['wan'], `${found}; ${kinds}`)
    return undefined
  }
  if (gateway !== undefined && !address)
    report(['wan', 'gateway'], `a gateway belongs to a static address; ${chosen[0]} brings its own`)
  if (pppoe) return { is: 'pppoe', port, dns, user: pppoe.user, password: pppoe.password, service: pppoe.service }
  if (!address) return { is: 'dhcp', port, dns }
  if (gateway === undefined) {
    const example = ipv4FromNumber(networkNumber(address) + 1)
    report(
      ['wan'],
      `gateway is missing; the provider's router inside ${showNetwork(address)}, such as ${example}, is right`,
    )
    return undefined
  }
  return { is: 'static', port, dns, address, gateway }
}

/** What contradicts the rest of the configuration, or the board. */
export function checkSystem(configuration: Configuration, problems: Problem[], board?: BoardPorts): void {
  const { system } = configuration
  if (!system) return
  const report = reporter(problems)
  const { wan, lan } = system
  checkPorts(system, report, board)
  if (wan?.is === 'static') checkGateway(wan, report)
  if (wan?.is === 'pppoe') checkPppPassword(wan.password.revealText(), report)
  if (lan?.dhcpServer) checkLease(lan, lan.dhcpServer, report)
  if (wan?.is === 'static' && lan && overlap(spanOf(wan.address), spanOf(lan.address))) {
    const message = `${showNetwork(lan.address)} overlaps the WAN's network ${showNetwork(wan.address)}; networks apart are right`
    report(['lan', 'address'], message)
  }
  checkPool(configuration, report)
  if (wan && wan.is === 'static' && wan.dns.length === 0) {
    const message = 'no resolvers: with a static address nobody names them; dns: [ADDRESS] is right'
    problems.push({ severity: 'warning', path: ['system', 'wan'], message })
  }
}

function checkPorts({ wan, lan }: SystemEntry, report: Report, board: BoardPorts | undefined): void {
  const known = (port: string, path: readonly PropertyKey[]) => {
    if (!board || board.includes(port)) return
    const hint = nearest(port, board)
    const right = board.length > 0 ? `${board.join(', ')} ${board.length > 1 ? 'are' : 'is'} there` : 'it has none'
    report(path, `this board has no port ${port}; ${right}${hint ? ` (did you mean ${hint}?)` : ''}`)
  }
  if (wan) known(wan.port, ['wan', 'port'])
  lan?.ports.forEach((port, i) => {
    known(port, ['lan', 'ports', i])
    if (port === wan?.port) report(['lan', 'ports', i], `${port} is the WAN's port; another is right`)
    else if (lan.ports.indexOf(port) < i) report(['lan', 'ports', i], `${port} is named twice; once is right`)
  })
  if (lan && lan.ports.length === 0)
    report(['lan', 'ports'], 'a LAN without ports; at least one, such as lan0, is right')
}

function checkGateway({ address, gateway }: WanEntry & { is: 'static' }, report: Report): void {
  if (gateway === address.address) {
    report(['wan', 'gateway'], `${gateway} is the board's own address; the provider's router is right`)
    return
  }
  if (inside(ipv4Number(gateway)!, hostsOf(address))) return
  report(
    ['wan', 'gateway'],
    `${gateway} is not in ${showNetwork(address)}; an address inside, ${showHosts(address)}, is right`,
  )
}

function checkPppPassword(password: string, report: Report): void {
  if (/^\P{Cc}{1,255}$/u.test(password)) return
  report(['wan', 'pppoe', 'password'], 'a password of 1 to 255 characters on one line is right')
}

function checkLease({ address }: LanEntry, range: AddressRange, report: Report): void {
  const shown = `${ipv4FromNumber(range.first)}-${ipv4FromNumber(range.last)}`
  const hosts = hostsOf(address)
  if (range.first < hosts.first || range.last > hosts.last) {
    report(
      ['lan', 'dhcpServer'],
      `${shown} is not in ${showNetwork(address)}; a range inside, ${showHosts(address)}, is right`,
    )
  } else if (inside(ipv4Number(address.address)!, range)) {
    const message = `${shown} holds the board's own address ${address.address}; a range without it is right`
    report(['lan', 'dhcpServer'], message)
  }
}

/** The clients' addresses are inside the LAN only where they are to be part of it (`forwarding: proxy-arp`), and then never leased by DHCP. */
function checkPool(configuration: Configuration, report: Report): void {
  const { system, remoteAccess } = configuration
  const lan = system?.lan
  const taken = [...remoteAccess.pool, single(remoteAccess.gatewayAddress)]
  const hits = (span: AddressRange) => taken.some((range) => overlap(range, span))
  const wan = system?.wan
  if (wan?.is === 'static' && hits(spanOf(wan.address)))
    report(
      ['wan', 'address'],
      `${showNetwork(wan.address)} overlaps remoteAccess.addressPool; networks apart are right`,
    )
  if (!lan) return
  if (remoteAccess.forwarding !== 'proxy-arp') {
    const message = `${showNetwork(lan.address)} overlaps remoteAccess.addressPool; a pool outside, or remoteAccess.forwarding: proxy-arp, is right`
    if (hits(spanOf(lan.address))) report(['lan', 'address'], message)
    return
  }
  if (hits(single(lan.address.address)))
    report(
      ['lan', 'address'],
      `${lan.address.address} is in remoteAccess.addressPool or its gatewayAddress; a pool without it is right`,
    )
  if (lan.dhcpServer && hits(lan.dhcpServer))
    report(['lan', 'dhcpServer'], 'it overlaps remoteAccess.addressPool; ranges apart are right')
}

function networkNumber({ address, prefix }: InterfaceAddress): number {
  return maskOf(ipv4Number(address)!, prefix)
}

/** Every address of the network. */
function spanOf(address: InterfaceAddress): AddressRange {
  const first = networkNumber(address)
  return { first, last: first + 2 ** (32 - address.prefix) - 1 }
}

/** Those that a host may have; a /31 has no others (RFC 3021). */
function hostsOf(address: InterfaceAddress): AddressRange {
  const { first, last } = spanOf(address)
  return address.prefix > 30 ? { first, last } : { first: first + 1, last: last - 1 }
}

function single(address: string): AddressRange {
  return { first: ipv4Number(address)!, last: ipv4Number(address)! }
}

function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.first <= b.last && b.first <= a.last
}

function inside(address: number, { first, last }: AddressRange): boolean {
  return address >= first && address <= last
}

function showHosts(address: InterfaceAddress): string {
  const { first, last } = hostsOf(address)
  return `${ipv4FromNumber(first)} to ${ipv4FromNumber(last)}`
}

function showNetwork(address: InterfaceAddress): string {
  return `${ipv4FromNumber(networkNumber(address))}/${address.prefix}`
}
