// What the configuration means to each layer: policies for IKE, L2TP and PPP, the plan of the pool and of the network behind.
import { disabledAt, proposalsFor } from '../algorithms/levels.ts'
import type { Configuration, Network, SiteEntry, UserEntry } from '../config/configuration.ts'
import type { ClientKind, IkePolicy } from '../ike/contract.ts'
import type { L2tpPolicy } from '../l2tp/contract.ts'
import type { FastPath } from '../platform/fast-path.ts'
import type { GatewayPlan, SitePlan } from '../platform/network.ts'
import type { Facts } from '../policy/policy.ts'
import type { PppPolicy } from '../ppp/contract.ts'
import { ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import { certificateRulesOf } from './certificates.ts'
import type { LinkState } from './demand-dial.ts'
import type { PoolPlan } from './pool.ts'
import { authenticationOf, ruleCertificatesOf } from './rule-authentication.ts'

type Asking = { readonly idleSeconds: number; readonly intervalSeconds: number; readonly tries: number }

/**
 * Our own: when PPP asks somebody quiet for a sign, so that he is known to be gone within `seconds` in all. Half of it may be quiet, since each question is
 * work at both ends, ten thousand times over; then three questions. A twentieth is left for the second's grain of the activity.
 */
export function patience(seconds: number): Asking {
  return { idleSeconds: Math.max(1, seconds * 0.5), intervalSeconds: Math.max(0.5, seconds * 0.15), tries: 3 }
}

/**
 * The same for IKE, which asks where there is doubt: PPP's first question found no answer, or there is no PPP. An answer to PPP comes through the SA, and so it is
 * one to IKE (RFC 3706 §5.5); among peers with a living session dead-peer detection costs nothing.
 */
export function doubt(seconds: number): Asking {
  return { idleSeconds: Math.max(1, seconds * 0.63), intervalSeconds: Math.max(0.5, seconds * 0.1), tries: 3 }
}

export function ikePolicyOf(configuration: Configuration): IkePolicy {
  const { remoteAccess, publicAddress, security, ports } = configuration
  return {
    ike: remoteAccess.ike,
    esp: remoteAccess.esp,
    pfsGroups: proposalsFor(security).pfsGroups,
    requirePfs: remoteAccess.requirePfs,
    ...authenticationOf(configuration),
    certificates: [
      ...ruleCertificatesOf(configuration).flatMap(({ entry, peer, name }) => certificateRulesOf(entry, peer, name)),
      ...certificateRulesOf(remoteAccess.certificates),
    ],
    lifetimes: remoteAccess.lifetimes,
    replayWindow: remoteAccess.replayWindow,
    publicAddress,
    ports,
    dpd: { ...doubt(remoteAccess.deadPeerSeconds), dozing: doubt(remoteAccess.deadPeerSecondsAndroid) },
    // RFC 3948 §4's default.
    keepaliveSeconds: 20,
    halfOpen: remoteAccess.halfOpen,
    aggressiveMode: security === 'legacy',
    disabled: disabledAt(security),
  }
}

export function l2tpPolicyOf({ hostname, remoteAccess }: Configuration): L2tpPolicy {
  return {
    hostName: hostname,
    secret: remoteAccess.tunnelSecret,
    portLimit: remoteAccess.portLimit,
    receiveWindow: 8,
    // PPP echo and dead-peer detection find who is gone, each at its client's pace; a HELLO that a dozing Android doesn't answer must not.
    helloSeconds: Math.max(remoteAccess.deadPeerSeconds, remoteAccess.deadPeerSecondsAndroid),
    retransmit: { firstMs: 1000, capMs: 8000, tries: 6 },
    hideAvps: false,
  }
}

/**
 * Our own: RFC 1661 §4.6 suggests 3 s and 10 requests, for modems. Round trips are shorter now, and a log-in that loses one packet in five shouldn't take
 * half a minute; the time in which a Configure-Request must be answered is the same.
 */
export const pppRestart = { ms: 1000, maxConfigure: 30, maxTerminate: 2, maxFailure: 5 } as const

export function pppPolicyOf({ hostname, remoteAccess }: Configuration, client: ClientKind): PppPolicy {
  const seconds = client === 'android' ? remoteAccess.deadPeerSecondsAndroid : remoteAccess.deadPeerSeconds
  return {
    role: 'server',
    authentication: remoteAccess.authentication,
    name: hostname,
    credentials: undefined,
    mru: remoteAccess.mru,
    echo: patience(seconds),
    restart: pppRestart,
    // People type: a wrong password may be corrected twice on one link.
    authSeconds: 60,
    authTries: 3,
    ipv6: false,
  }
}

export function poolPlanOf({ remoteAccess, users }: Configuration): PoolPlan {
  return {
    ranges: remoteAccess.pool,
    excluded: [remoteAccess.gatewayAddress],
    fixed: new Map(users.flatMap(({ name, address }) => (address === undefined ? [] : [[name, address] as const]))),
  }
}

/** What the kernel data plane calls the interfaces of its sessions, before the number. */
const devicePrefix = 'ghp'

export function networkPlanOf(
  { remoteAccess, device, users, sites }: Configuration,
  dataplane: FastPath['kind'] = 'userland',
  links: ReadonlyMap<string, LinkState> = new Map(),
): GatewayPlan {
  const outside = users.flatMap(({ address }) =>
    address !== undefined && !inPool(remoteAccess.pool, address) ? [address] : [],
  )
  return {
    device,
    ...(dataplane === 'kernel' ? { devicePrefix } : {}),
    gatewayAddress: remoteAccess.gatewayAddress,
    clients: [
      ...remoteAccess.pool.map(({ first, last }) => ({ first: ipv4FromNumber(first), last: ipv4FromNumber(last) })),
      ...outside.map((address) => ({ first: address, last: address })),
    ],
    clientNetworks: users.flatMap(({ networks }) => networks.map(cidr)),
    forwarding: remoteAccess.forwarding,
    internet: remoteAccess.internet,
    localNetworks: [...remoteAccess.localNetworks, ...remoteAccess.routes].map(cidr),
    clientToClient: remoteAccess.clientToClient,
    gatewayServices: remoteAccess.gatewayServices,
    ...(sites.length > 0 ? { sites: sites.map((site) => sitePlanOf(site, links.get(site.name))) } : {}),
  }
}

function sitePlanOf({ mode, localNetworks, remoteNetworks }: SiteEntry, link: LinkState | undefined): SitePlan {
  const networks = { local: localNetworks.map(cidr), remote: remoteNetworks.map(cidr) }
  if (mode === 'tunnel') return networks
  if (!link) return { ...networks, link: 'down' }
  const host = (address: string | undefined) => (address === undefined ? [] : [`${address}/32`])
  return {
    local: [...networks.local, ...host(link.ours)],
    remote: [...networks.remote, ...host(link.peers)],
    link: 'up',
    address: link.ours,
  }
}

/** DNS servers that clients are told: those configured, else the gateway's own address, where questions are forwarded. */
export function dnsOf({ remoteAccess }: Configuration): readonly string[] {
  return remoteAccess.dns.length > 0 ? remoteAccess.dns : [remoteAccess.gatewayAddress]
}

export function cidr({ address, prefix }: Network): string {
  return `${address}/${prefix}`
}

function inPool(pool: Configuration['remoteAccess']['pool'], address: string): boolean {
  const value = ipv4Number(address)!
  return pool.some(({ first, last }) => value >= first && value <= last)
}

const startOnly = [
  'dataplane',
  'offload',
  'listen',
  'ports',
  'device',
  'engine',
  'kernelPriorities',
  'workers',
] as const

/** What a change of configuration cannot do to a running gateway. */
export function takesRestart(before: Configuration, after: Configuration): string[] {
  return startOnly.filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
}

/** The new configuration with what takes a restart as it was. */
export function withoutRestart(before: Configuration, after: Configuration): Configuration {
  return { ...after, ...Object.fromEntries(startOnly.map((key) => [key, before[key]])) }
}

/** By the configuration's own list: looked up three times a login, and there may be ten thousand. */
const usersByName = new WeakMap<Configuration['users'], ReadonlyMap<string, UserEntry>>()

export function userOf({ users }: Configuration, name: string): UserEntry | undefined {
  let byName = usersByName.get(users)
  if (!byName) {
    byName = new Map(users.map((user) => [user.name, user]))
    usersByName.set(users, byName)
  }
  return byName.get(name)
}

/** What rules are compiled against: `machine` is what the machine has of addresses, resolvers and gateways. */
export function policyFactsOf({ listen, remoteAccess }: Configuration, machine: Omit<Facts, 'l2tp'>): Facts {
  return {
    ...machine,
    // Ours from the start, also while the device that has it is not up yet: the rules that mean it don't change then.
    own: [...new Set([...listen.filter((each) => !each.includes(':')), remoteAccess.gatewayAddress, ...machine.own])],
    l2tp: {
      methods: remoteAccess.esp.map((proposal) => ({
        proposal,
        seconds: remoteAccess.lifetimes.espSeconds,
        kilobytes: remoteAccess.lifetimes.espKilobytes,
      })),
      pfs: undefined,
      authentication: remoteAccess.preSharedKey
        ? [{ is: 'preSharedKey', key: remoteAccess.preSharedKey }]
        : [{ is: 'certificate', authority: undefined }],
    },
  }
}
