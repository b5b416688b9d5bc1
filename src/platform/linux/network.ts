// The Linux network around a gateway or a client: ip and nft do it, a journal in the state folder makes sure that it is undone.
// The walk of `serve`: journal first, then the device's address and routes, then the table, then forwarding; `clear` goes the other way,
// so that nothing is ever forwarded without the filter. What vanishes with the TUN device (its address and routes) needs no journal. Where each session
// has an interface of its own, the inner address lies on the loopback device, and packets to clients who aren't there end in unreachable routes.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { ipv4Number } from '../../wire/address.ts'
import type { ClientPlan, GatewayPlan, Network } from '../network.ts'
import type { Store } from '../store.ts'
import { coverOf, inRanges } from './cidr.ts'
import { type Run, run as runCommand } from './command.ts'
import { gathers, setGathering } from './gathering.ts'
import { obstacles, rulesetOf, tableOf, withoutTable } from './ruleset.ts'

/** What is to be undone; written before it is done. */
type Journal = {
  readonly version: 1
  table: string | undefined
  /** Paths below /proc/sys, the value before us and ours: put back only where ours still stands. */
  sysctls: { readonly name: string; readonly before: string; readonly ours: string }[]
  /** Arguments of `ip route add`. */
  routes: string[]
  /** Arguments of `ip address add`. */
  addresses: string[]
  /** Ports that didn't gather UDP before us. */
  gathering: string[]
  /** Proxy ARP entries, kept per client: which device, which addresses may be among them. */
  proxy: { readonly device: string; readonly clients: GatewayPlan['clients'] } | undefined
}

export type LinuxNetworkOptions = {
  /** Where the journal lies; without one nothing survives us to be undone but what `clear` undoes. */
  readonly store: Store | undefined
  readonly run?: Run
  /** How often new interfaces are looked for, in ms; 0: never. */
  readonly watchMs?: number
}

/** Our own: behind every route that a session brings. */
const lastMetric = 4_200_000_000
/** Its name in the state folder. */
export const journalName = 'network.json'
/** Our own: an interface that comes later (a cable, DHCP) forwards replies to clients after so long at most. */
const watchMs = 10_000

export class LinuxNetwork implements Network {
  readonly #store: Store | undefined
  readonly #run: Run
  readonly #watchMs: number
  #journal: Journal = empty()
  #plan: GatewayPlan | undefined
  #watch: NodeJS.Timeout | undefined
  /** One change after another. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor({ store, run = runCommand, watchMs: every = watchMs }: LinuxNetworkOptions) {
    this.#store = store
    this.#run = run
    this.#watchMs = every
  }

  recover(): Promise<readonly string[]> {
    return this.#next(async () => {
      const text = this.#store?.read(journalName)
      if (text === undefined) return []
      this.#journal = parseJournal(text)
      return this.#undo()
    })
  }

  keep(): Promise<void> {
    return this.#next(async () => {
      const text = this.#store?.read(journalName)
      if (text !== undefined) this.#journal = parseJournal(text)
    })
  }

  serve(plan: GatewayPlan): Promise<readonly string[]> {
    return this.#next(async () => {
      const earlier = this.#plan
      this.#plan = plan
      await this.#addresses(plan, earlier)
      const { proxy } = this.#journal
      const next = plan.forwarding === 'proxy-arp' ? { device: lanOf(plan), clients: plan.clients } : undefined
      if (proxy && proxy.device !== next?.device)
        await this.#removeProxies(proxy, (_what, ...command) => this.#run(...command))
      this.#record(() => {
        this.#journal.table = tableOf(plan.device)
        this.#journal.proxy = next
      })
      const troubles = await this.#filter(plan)
      if (plan.devicePrefix === undefined) troubles.push(...this.#openOwn(plan.device))
      else for (const name of sessionDevices(plan.devicePrefix)) troubles.push(...this.#openOwn(name))
      // Answers to ARP for a client would otherwise wait up to 0.8 s, for a host of that address that there isn't.
      if (this.#journal.proxy) this.#setSysctl(`net/ipv4/neigh/${this.#journal.proxy.device}/proxy_delay`, '0', true)
      this.#startWatch()
      return [...new Set(troubles)].concat(
        // An nft that was built without JSON tells nothing: then nothing can be said.
        obstacles(await this.#run('nft', ['-j', 'list', 'chains']).catch(() => ''), plan),
      )
    })
  }

  client(address: string, present: boolean): Promise<void> {
    return this.#next(async () => {
      const device = this.#journal.proxy?.device
      if (device === undefined) return
      await this.#run('ip', ['neigh', present ? 'replace' : 'del', 'proxy', address, 'dev', device]).catch((error) => {
        if (present) throw error
      })
    })
  }

  join(plan: ClientPlan): Promise<void> {
    return this.#next(async () => {
      const everything = plan.routes.includes('0.0.0.0/0')
      const routes = plan.routes.flatMap((route) => (route === '0.0.0.0/0' ? ['0.0.0.0/1', '128.0.0.0/1'] : [route]))
      if (everything || plan.routes.some((route) => inRanges(plan.outer, [rangeOf(route)])))
        await this.#keepOutside(plan.outer)
      this.#setSysctl(`net/ipv4/conf/${plan.device}/rp_filter`, '2', false)
      const lines = [
        `link set dev ${plan.device} mtu ${plan.mtu} up`,
        `address replace ${plan.address} peer ${plan.gatewayAddress} dev ${plan.device}`,
        ...routes.map((route) => `route replace ${route} dev ${plan.device} src ${plan.address}`),
      ]
      await this.#run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
    })
  }

  clear(): Promise<void> {
    return this.#next(async () => {
      clearInterval(this.#watch)
      this.#watch = undefined
      this.#plan = undefined
      await this.#undo()
    })
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work)
    this.#turn = result.catch(() => {})
    return result
  }

  /** Lets a device of ours forward what clients send. */
  #openOwn(device: string): string[] {
    const own = `net/ipv4/conf/${device}`
    const troubles = this.#setSysctl(`${own}/forwarding`, '1', false)
    // The table checks sources too, and a redirect from a client to a client does no harm: no matter if these can't be set.
    this.#setSysctl(`${own}/rp_filter`, '1', false)
    this.#setSysctl(`${own}/send_redirects`, '0', false)
    return troubles
  }

  /** The device up, our inner address on it, and the clients' ranges routed to it. */
  async #addresses(plan: GatewayPlan, earlier: GatewayPlan | undefined): Promise<void> {
    const { device, devicePrefix, gatewayAddress } = plan
    if (devicePrefix !== undefined) return this.#ownAddress(plan, earlier)
    const wanted = routesOf(plan)
    const sites = siteRoutes(plan)
    const links = linkAddresses(plan)
    const lines = [
      `link set dev ${device} up`,
      `address replace ${gatewayAddress}/32 dev ${device}`,
      ...wanted.map((route) => `route replace ${route} dev ${device} src ${gatewayAddress}`),
      ...links.map((address) => `address replace ${address} dev ${device}`),
      ...sites.map((route) => `route replace ${route} dev ${device}`),
      ...(earlier ? siteRoutes(earlier) : [])
        .filter((route) => !sites.includes(route))
        .map((route) => `route del ${route} dev ${device}`),
      ...(earlier ? routesOf(earlier) : [])
        .filter((route) => !wanted.includes(route))
        .map((route) => `route del ${route} dev ${device}`),
      ...(earlier ? linkAddresses(earlier) : [])
        .filter((address) => !links.includes(address))
        .map((address) => `address del ${address} dev ${device}`),
      ...(earlier && earlier.gatewayAddress !== gatewayAddress
        ? [`address del ${earlier.gatewayAddress}/32 dev ${device}`]
        : []),
    ]
    await this.#run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  }

  /** Our inner address where no device of a session carries it, and the end of the way for clients who aren't there: else they'd be looked for outside. */
  async #ownAddress(plan: GatewayPlan, earlier: GatewayPlan | undefined): Promise<void> {
    const sites = siteRoutes(plan)
    const address = `${plan.gatewayAddress}/32 dev lo`
    const elsewhere = Object.entries(networkInterfaces()).some(
      ([name, all]) =>
        name !== 'lo' && !isCarrier(plan, name) && all?.some((each) => each.address === plan.gatewayAddress),
    )
    const addresses = elsewhere ? [] : [address]
    const routes = routesOf(plan).map((route) => `unreachable ${route} metric ${lastMetric}`)
    const [oldAddresses, oldRoutes] = [this.#journal.addresses, this.#journal.routes]
    this.#record(() => {
      this.#journal.addresses = [...new Set([...oldAddresses, ...addresses])]
      this.#journal.routes = [...new Set([...oldRoutes, ...routes])]
    })
    const lines = [
      ...addresses.map((each) => `address replace ${each}`),
      ...routes.map((route) => `route replace ${route}`),
      ...oldRoutes.filter((route) => !routes.includes(route)).map((route) => `route del ${route}`),
      ...oldAddresses.filter((each) => !addresses.includes(each)).map((each) => `address del ${each}`),
      // To the plane's own device, where what no SA takes on its way goes no further. They vanish with it.
      ...(sites.length > 0 ? [`link set dev ${plan.device} up`] : []),
      ...sites.map((route) => `route replace ${route} dev ${plan.device}`),
      ...(earlier ? siteRoutes(earlier) : [])
        .filter((route) => !sites.includes(route))
        .map((route) => `route del ${route} dev ${plan.device}`),
    ]
    if (sites.length > 0) {
      // The kernel holds what waits for an SA, up to a hundred packets of each policy; whom it asked it asks again after so many seconds.
      this.#setSysctl('net/core/xfrm_larval_drop', '0', true)
      this.#setSysctl('net/core/xfrm_acq_expires', '10', true)
    }
    await this.#run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
    this.#record(() => {
      this.#journal.addresses = addresses
      this.#journal.routes = routes
    })
  }

  /** Opens what is closed among the interfaces with routes, the table first: what newly forwards is filtered from its first packet on. */
  async #filter(plan: GatewayPlan): Promise<string[]> {
    const ours = (name: string) => this.#journal.sysctls.some((entry) => entry.name === forwardingOf(name))
    const names = interfacesWithRoutes().filter((name) => !isCarrier(plan, name))
    const opened = names.filter((name) => ours(name) || readSysctl(forwardingOf(name)) === '0')
    await this.#run('nft', ['-f', '-'], rulesetOf(plan, opened))
    if (plan.devicePrefix === undefined) this.#gatherAt(names)
    return opened.flatMap((name) => this.#setSysctl(forwardingOf(name), '1', true))
  }

  /** What comes in by these ports for clients crosses the TUN together. A port that can't is as good as before. */
  #gatherAt(ports: readonly string[]): void {
    for (const port of ports) {
      if (this.#journal.gathering.includes(port) || gathers(port) !== false) continue
      this.#record(() => this.#journal.gathering.push(port))
      setGathering(port, true)
    }
  }

  #startWatch(): void {
    if (this.#watch || this.#watchMs === 0) return
    this.#watch = setInterval(() => {
      const plan = this.#plan
      if (!plan) return
      const ports = interfacesWithRoutes().filter((name) => !isCarrier(plan, name))
      if (plan.devicePrefix === undefined) this.#gatherAt(ports)
      if (ports.some((name) => readSysctl(forwardingOf(name)) === '0'))
        this.#next(() => this.#filter(plan)).catch(() => {})
    }, this.#watchMs)
    this.#watch.unref()
  }

  /** A host route to the gateway's outer address by the way that leads there now. */
  async #keepOutside(outer: string): Promise<void> {
    const [first = ''] = (await this.#run('ip', ['-4', 'route', 'get', outer])).split('\n')
    const via = / via (\S+)/.exec(first)?.[1]
    const device = / dev (\S+)/.exec(first)?.[1]
    if (!device) throw new Error(`there is no route to ${outer}`)
    const route = `${outer}/32${via ? ` via ${via}` : ''} dev ${device}`
    this.#record(() => this.#journal.routes.push(route))
    await this.#run('ip', ['route', 'replace', ...route.split(' ')])
  }

  /** Sets a kernel variable; `restore`: and journals its value. One of our own device vanishes with it. Returns what went wrong. */
  #setSysctl(name: string, ours: string, restore: boolean): string[] {
    const before = readSysctl(name)
    if (before === undefined || before === ours) return []
    if (restore && !this.#journal.sysctls.some((entry) => entry.name === name)) {
      this.#record(() => this.#journal.sysctls.push({ name, before, ours }))
    }
    try {
      writeFileSync(`/proc/sys/${name}`, ours)
    } catch (error) {
      const why = `${(error as Error).message}; it takes CAP_NET_ADMIN and a writable /proc/sys`
      return [`${name.replaceAll('/', '.')} can't be set to ${ours}, so clients reach nothing beyond us: ${why}`]
    }
    return []
  }

  #record(change: () => void): void {
    change()
    this.#store?.write(journalName, JSON.stringify(this.#journal))
  }

  /** Forwarding off first, then what filters it. Goes on where a step fails: as much as can be is undone. */
  async #undo(): Promise<string[]> {
    const { sysctls, gathering, routes, addresses, table, proxy } = this.#journal
    const undone: string[] = []
    for (const { name, before, ours } of sysctls) {
      if (readSysctl(name) !== ours) continue
      try {
        writeFileSync(`/proc/sys/${name}`, before)
        undone.push(name.replaceAll('/', '.'))
      } catch {
        // The interface went meanwhile, and its variables with it.
      }
    }
    for (const port of gathering)
      if (gathers(port) && setGathering(port, false)) undone.push(`gathering of UDP at ${port}`)
    const attempt = (what: string, command: string, args: readonly string[], input?: string) =>
      this.#run(command, args, input).then(
        () => undone.push(what),
        () => 0,
      )
    for (const route of routes) await attempt(`the route ${route}`, 'ip', ['route', 'del', ...route.split(' ')])
    for (const address of addresses)
      await attempt(`the address ${address}`, 'ip', ['address', 'del', ...address.split(' ')])
    if (proxy) await this.#removeProxies(proxy, attempt)
    if (table !== undefined) await attempt(`the nftables table ${table}`, 'nft', ['-f', '-'], withoutTable(table))
    this.#journal = empty()
    this.#store?.remove(journalName)
    return undone
  }

  async #removeProxies(
    { device, clients }: NonNullable<Journal['proxy']>,
    attempt: (what: string, command: string, args: readonly string[]) => Promise<unknown>,
  ): Promise<void> {
    const listing = await this.#run('ip', ['neigh', 'show', 'proxy', 'dev', device]).catch(() => '')
    const ranges = clients.map(({ first, last }) => ({ first: ipv4Number(first)!, last: ipv4Number(last)! }))
    for (const line of listing.split('\n')) {
      const address = line.trim().split(' ')[0] ?? ''
      if (inRanges(address, ranges))
        await attempt(`proxy ARP for ${address}`, 'ip', ['neigh', 'del', 'proxy', address, 'dev', device])
    }
  }
}

function empty(): Journal {
  return { version: 1, table: undefined, sysctls: [], gathering: [], routes: [], addresses: [], proxy: undefined }
}

function parseJournal(text: string): Journal {
  try {
    return { ...empty(), ...JSON.parse(text) }
  } catch {
    return empty()
  }
}

function routesOf(plan: GatewayPlan): string[] {
  const ranges = plan.clients.map(({ first, last }) => ({ first: ipv4Number(first)!, last: ipv4Number(last)! }))
  return [...new Set([...ranges.flatMap(coverOf), ...plan.clientNetworks])]
}

/** What lies behind sites; what we send there ourselves leaves from an address of ours that the tunnel is for. */
function siteRoutes({ sites = [], devicePrefix }: GatewayPlan): string[] {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
  return sites.flatMap(({ local, remote, link, address }) => {
    const inside = own.find(({ family, address }) => family === 'IPv4' && inRanges(address, local.map(rangeOf)))
    const source = inside?.address ?? address
    const from = source ? ` src ${source}` : ''
    const always = remote.map((network) => `${network}${from}${link ? ` metric ${lastMetric}` : ''}`)
    // On the kernel's plane a link has an interface of its own, with the routes of its session.
    if (link !== 'up' || devicePrefix !== undefined) return always
    return [...always, ...remote.map((network) => `${network}${from}`)]
  })
}

/** Our addresses on links that are up. */
function linkAddresses({ sites = [] }: GatewayPlan): string[] {
  return sites.flatMap(({ address }) => (address === undefined ? [] : [`${address}/32`]))
}

function rangeOf(network: string): { first: number; last: number } {
  const [address = '', prefix = '32'] = network.split('/')
  const size = 2 ** (32 - Number(prefix))
  const first = Math.floor((ipv4Number(address) ?? 0) / size) * size
  return { first, last: first + size - 1 }
}

function isCarrier({ device, devicePrefix }: GatewayPlan, name: string): boolean {
  return devicePrefix === undefined ? name === device : isOfSession(devicePrefix, name)
}

function isOfSession(prefix: string, name: string): boolean {
  return name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length))
}

/** Sessions' devices that are there already: of a daemon before us, whose sessions go on. */
function sessionDevices(prefix: string): string[] {
  return readdirSync('/proc/sys/net/ipv4/conf').filter((name) => isOfSession(prefix, name))
}

function forwardingOf(device: string): string {
  return `net/ipv4/conf/${device}/forwarding`
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, 'utf8').trim()
  } catch {
    return undefined
  }
}

/** Interfaces over which packets can come or go: those in the routing table, without loopback and other gateways' devices. */
function interfacesWithRoutes(): string[] {
  const lines = readFileSync('/proc/net/route', 'utf8').split('\n').slice(1)
  const names = new Set(lines.map((line) => line.split('\t')[0]!.trim()).filter((name) => name !== '' && name !== 'lo'))
  const known = new Set(readdirSync('/proc/sys/net/ipv4/conf'))
  return [...names].filter((name) => known.has(name))
}

/** The interface whose network the pool is part of. */
function lanOf(plan: GatewayPlan): string {
  for (const [device, addresses] of Object.entries(networkInterfaces())) {
    if (isCarrier(plan, device) || device === 'lo') continue
    for (const { family, cidr } of addresses ?? []) {
      if (
        family === 'IPv4' &&
        cidr &&
        plan.clients.every(({ first, last }) => inRanges(first, [rangeOf(cidr)]) && inRanges(last, [rangeOf(cidr)]))
      ) {
        return device
      }
    }
  }
  const { first = '', last = '' } = plan.clients[0] ?? {}
  throw new Error(
    `forwarding: proxy-arp needs the address pool ${first}-${last} inside the network of one of our interfaces; give such a pool, or forwarding: masquerade`,
  )
}
