// What no single key can say: values that contradict each other, defaults that follow from others, weaknesses worth a warning.
import { isWeak, proposalsFor, type SecurityLevel } from '../algorithms/levels.ts'
import { showEspProposal, showIkeProposal } from '../algorithms/proposals.ts'
import { ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import { maskOf } from '../wire/network.ts'
import { certificatesOf, checkCandidates, checkKey } from './certificates-section.ts'
import type { AddressRange, Configuration, Network, PppAuthentication } from './configuration.ts'
import { policiesOf } from './policies-section.ts'
import type { Parsed } from './schema.ts'
import { checkSites, sitesOf } from './sites-section.ts'
import { type BoardPorts, checkSystem, systemOf } from './system.ts'

export type Problem = {
  readonly severity: 'error' | 'warning'
  readonly path: readonly PropertyKey[]
  readonly message: string
}

/** PPP kinds by security level, best first (design: `security`). */
export const authenticationSets: Record<SecurityLevel, readonly PppAuthentication[]> = {
  modern: ['mschapv2'],
  compatible: ['mschapv2', 'chap'],
  legacy: ['mschapv2', 'chap', 'mschap', 'pap'],
}

/** Lifetimes that we ask for where none are given: what Windows asks for. */
const ikeSeconds = 28_800
const espSeconds = 3600

/** Fills in the defaults that depend on other keys, and lists what is wrong. */
export function complete(parsed: Parsed, board?: BoardPorts): { configuration: Configuration; problems: Problem[] } {
  const problems: Problem[] = []
  const access = parsed.remoteAccess
  const security = parsed.security
  const poolNetwork = poolNetworkOf(access.addressPool)
  const gatewayAddress = access.gatewayAddress ?? ipv4FromNumber(ipv4Number(poolNetwork.address)! + 1)
  const sets = proposalsFor(security)
  const configuration: Configuration = {
    hostname: parsed.hostname,
    // Sites are the userland plane's.
    dataplane: parsed.dataplane === 'auto' && parsed.sites.length > 0 ? 'userland' : parsed.dataplane,
    offload: parsed.offload,
    listen: parsed.listen,
    ports: parsed.ports,
    publicAddress: parsed.publicAddress,
    security,
    device: parsed.device,
    engine: engineOf(parsed),
    kernelPriorities: parsed.engines.kernel,
    workers: parsed.workers,
    remoteAccess: {
      preSharedKey: access.preSharedKey,
      preSharedKeys: access.preSharedKeys,
      certificates: certificatesOf(access.certificates),
      methods: access.methods ?? ['certificate', 'preSharedKey'],
      pool: access.addressPool,
      gatewayAddress,
      poolNetwork,
      dns: access.dns,
      nbns: access.nbns,
      domain: access.domain,
      routes: access.routes,
      authentication: access.authentication ?? authenticationSets[security],
      ike: access.ike ?? sets.ike,
      esp: access.esp ?? sets.esp,
      requirePfs: access.requirePfs,
      lifetimes: {
        ikeSeconds: access.lifetimes.ike ?? ikeSeconds,
        espSeconds: access.lifetimes.esp ?? espSeconds,
        espKilobytes: access.lifetimes.data,
      },
      replayWindow: access.replayWindow,
      portLimit: access.portLimit,
      mru: access.mru,
      forwarding: access.forwarding,
      internet: access.internet,
      localNetworks: access.localNetworks,
      clientToClient: access.clientToClient,
      gatewayServices: access.gatewayServices,
      sessionSeconds: access.sessionLimit,
      idleSeconds: access.idleLimit,
      deadPeerSeconds: access.deadPeer,
      deadPeerSecondsAndroid: access.deadPeerAndroid,
      tunnelSecret: access.tunnelSecret,
      halfOpen: access.halfOpen,
    },
    users: parsed.users.map(({ sessionLimit, idleLimit, ...user }) => ({
      ...user,
      password: user.password,
      ntHash: user.ntHash,
      address: user.address,
      sessionSeconds: sessionLimit,
      idleSeconds: idleLimit,
    })),
    policies: policiesOf(parsed.policies, problems),
    sites: sitesOf(parsed, access.authentication ?? authenticationSets[security]),
    system: systemOf(parsed, problems),
  }
  checkDataplane(parsed, problems)
  checkPool(configuration, problems)
  checkUsers(configuration, problems)
  checkStrength(configuration, parsed, problems)
  checkEngines(parsed, problems)
  checkSites(configuration, parsed, problems)
  checkSystem(configuration, problems, board)
  return { configuration: deepFreeze(configuration), problems }
}

/** What a person wrote goes before what a measurement did. */
function engineOf({ engine, engines }: Parsed): string | undefined {
  const name = engine === 'auto' ? engines.userland : engine
  return name === 'auto' ? undefined : name
}

function checkEngines({ engine, engines }: Parsed, problems: Problem[]): void {
  if (engine !== 'auto' && engines.userland !== undefined && engines.userland !== engine) {
    problems.push({
      severity: 'warning',
      path: ['engines', 'userland'],
      message: `engine: ${engine} goes before it; "engine: auto" is right to use what was measured`,
    })
  }
  engines.kernel.forEach(({ driver }, i) => {
    if (engines.kernel.findIndex((other) => other.driver === driver) === i) return
    const message = `${driver} is there already; each driver once is right`
    problems.push({ severity: 'error', path: ['engines', 'kernel', i, 'driver'], message })
  })
}

function checkDataplane({ dataplane, offload, engine, workers }: Parsed, problems: Problem[]): void {
  if (dataplane === 'userland' && offload !== 'auto') {
    const message = 'it is for the kernel data plane; with dataplane: userland this process encrypts by itself'
    problems.push({ severity: 'warning', path: ['offload'], message })
  }
  if (dataplane !== 'kernel') return
  for (const [key, set] of Object.entries({ engine: engine !== 'auto', workers: workers !== undefined })) {
    const message = "it is for the userland data plane; with dataplane: kernel the kernel's own priorities choose"
    if (set) problems.push({ severity: 'warning', path: [key], message })
  }
}

/** The smallest network from /24 to /12 that holds the whole pool; the gateway is its first host. */
function poolNetworkOf(pool: readonly AddressRange[]): Network {
  const first = Math.min(...pool.map((range) => range.first))
  const last = Math.max(...pool.map((range) => range.last))
  let prefix = 24
  while (prefix > 0 && maskOf(first, prefix) !== maskOf(last, prefix)) prefix--
  return { address: ipv4FromNumber(maskOf(first, prefix)), prefix }
}

function inRange(address: number, range: AddressRange): boolean {
  return address >= range.first && address <= range.last
}

function checkPool(configuration: Configuration, problems: Problem[]): void {
  const { pool, gatewayAddress } = configuration.remoteAccess
  const path = ['remoteAccess', 'addressPool']
  const sorted = [...pool].sort((a, b) => a.first - b.first)
  if (sorted.some((range, i) => i > 0 && range.first <= sorted[i - 1]!.last)) {
    problems.push({ severity: 'error', path, message: 'two ranges overlap; ranges without a common address are right' })
  }
  if (pool.length === 1 && inRange(ipv4Number(gatewayAddress)!, pool[0]!) && pool[0]!.first === pool[0]!.last) {
    problems.push({
      severity: 'error',
      path,
      message: `its only address ${gatewayAddress} is the gateway's own; a larger range is right`,
    })
  }
}

function checkUsers(configuration: Configuration, problems: Problem[]): void {
  const { users, remoteAccess } = configuration
  const names = new Map<string, number>()
  const addresses = new Map<string, string>()
  users.forEach((user, i) => {
    const error = (key: string, message: string) =>
      problems.push({ severity: 'error', path: ['users', i, key], message })
    if (names.has(user.name))
      error('name', `"${user.name}" is there already, as user ${names.get(user.name)! + 1}; a name once is right`)
    names.set(user.name, i)
    if (!user.password && !user.ntHash) {
      problems.push({
        severity: 'error',
        path: ['users', i],
        message: `${user.name} has neither password nor ntHash; one of them is right`,
      })
    }
    if (user.password && user.ntHash) error('ntHash', `${user.name} has a password as well; one of them is right`)
    if (!user.password && remoteAccess.authentication.includes('chap')) {
      const only = remoteAccess.authentication.every((kind) => kind === 'chap')
      problems.push({
        severity: only ? 'error' : 'warning',
        path: ['users', i, 'ntHash'],
        message: `${user.name} has only an NT hash, with which CHAP-MD5 can't be checked; a password is right for clients that use it`,
      })
    }
    if (user.address === undefined) return
    if (user.address === remoteAccess.gatewayAddress)
      error('address', `${user.address} is the gateway's own; another address is right`)
    const other = addresses.get(user.address)
    if (other !== undefined) error('address', `${user.address} is ${other}'s already; an address of its own is right`)
    addresses.set(user.address, user.name)
  })
  if (users.length === 0) {
    problems.push({
      severity: 'warning',
      path: [],
      message: 'no users: nobody can log in; "users: [{ name: alice, password: … }]" is right',
    })
  }
}

function checkStrength(configuration: Configuration, parsed: Parsed, problems: Problem[]): void {
  const { remoteAccess, security } = configuration
  const { preSharedKey, preSharedKeys, certificates, methods } = remoteAccess
  if (preSharedKey) checkKey(preSharedKey, ['remoteAccess', 'preSharedKey'], problems)
  preSharedKeys.forEach(({ key }, i) => {
    checkKey(key, ['remoteAccess', 'preSharedKeys', i, 'key'], problems)
  })
  checkCandidates(remoteAccess, problems)
  const has = {
    certificate: certificates !== undefined,
    preSharedKey: preSharedKey !== undefined || preSharedKeys.length > 0,
  }
  const { builtInL2tpRule } = configuration.policies
  if (!builtInL2tpRule && has.preSharedKey) {
    problems.push({
      severity: 'warning',
      path: ['policies', 'builtInL2tpRule'],
      message: "it is off: remoteAccess.preSharedKey and preSharedKeys aren't used; the rules' own authentication is",
    })
  }
  if (builtInL2tpRule && !methods.some((method) => has[method])) {
    problems.push({
      severity: 'error',
      path: ['remoteAccess', 'preSharedKey'],
      message:
        'preSharedKey is missing; "preSharedKey: a long random text, or { file: PATH }" is right, or preSharedKeys, or certificates',
    })
  }
  for (const [i, proposal] of (parsed.remoteAccess.ike ?? []).entries()) {
    if (isWeak(proposal) && security === 'modern') {
      problems.push({
        severity: 'warning',
        path: ['remoteAccess', 'ike', i],
        message: `${showIkeProposal(proposal)} is weak; SAs that use it are shown as weak`,
      })
    }
  }
  for (const [i, proposal] of (parsed.remoteAccess.esp ?? []).entries()) {
    if (isWeak(proposal) && security === 'modern') {
      problems.push({
        severity: 'warning',
        path: ['remoteAccess', 'esp', i],
        message: `${showEspProposal(proposal)} is weak; SAs that use it are shown as weak`,
      })
    }
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const item of Object.values(value)) deepFreeze(item)
  }
  return value
}
