// The `sites:` section: other gateways, whose networks are joined with ours in tunnel mode or by a link of L2TP.
import { z } from 'zod'
import { proposalsFor } from '../algorithms/levels.ts'
import { addressOctets, addressText, ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import { type Network, networkMeet, showNetwork } from '../wire/network.ts'
import { Secret } from '../wire/secret.ts'
import { certificatesOf, certificatesSchema, checkKey } from './certificates-section.ts'
import type { Configuration, PppAuthentication, SiteAuthentication, SiteEntry } from './configuration.ts'
import { bool, duration, kilobytes, network, scalar, Wrong } from './scalars.ts'
import type { Parsed } from './schema.ts'
import type { Problem } from './validate.ts'

/** A value or a list of them, at least one. */
function some<S extends z.ZodType>(item: S) {
  const list = z.union([z.array(item).min(1, 'at least one is right'), item.transform((value) => [value])])
  return list as unknown as z.ZodType<z.output<S>[], z.input<S> | z.input<S>[]>
}

const siteName = scalar((text) =>
  /^[a-z0-9][a-z0-9_.-]{0,63}$/i.test(text)
    ? text
    : new Wrong('a name of at most 64 letters, digits, dots, hyphens and underscores is right'),
)

const host = scalar((text) => {
  if (ipv4Number(text) !== undefined) return text
  const octets = addressOctets(text)
  if (octets) return new Wrong(`${addressText(octets)} is an IPv6 address; sites are reached by IPv4`)
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  const named = new RegExp(`^(?=.{1,253}$)(?![\\d.]+$)${label}(\\.${label})*$`, 'i').test(text)
  return named
    ? text.toLowerCase()
    : new Wrong('an address such as 192.0.2.20 or a name such as branch.example.org is right')
})

const secret = z
  .string()
  .min(1, 'a secret of at least one character is right')
  .transform((text) => new Secret(text))

const userName = scalar((text) =>
  /^[^\s\p{C}]{1,128}$/u.test(text) ? text : new Wrong('a name of 1 to 128 characters without white space is right'),
)

const identity = scalar((text) =>
  /^[\x21-\x7e]{1,128}$/.test(text)
    ? text
    : new Wrong('a name such as gw.example.org, vpn@example.org or a group of at most 128 letters is right'),
)

const methodSchema = z
  .strictObject({ preSharedKey: secret.optional(), certificates: certificatesSchema.optional() })
  .refine(({ preSharedKey, certificates }) => (preSharedKey === undefined) !== (certificates === undefined), {
    message: 'one of "preSharedKey: …" and "certificates: { authorities: …, certificate: …, key: … }" is right',
  })

/** `ike` and `esp` are given by the schema, which has the scalars of proposals. */
export function siteSchema<I extends z.ZodType, E extends z.ZodType>(ike: I, esp: E) {
  return z.strictObject({
    name: siteName,
    peer: some(host),
    mode: z.enum(['tunnel', 'l2tp']).default('tunnel'),
    localNetworks: some(network),
    remoteNetworks: some(network),
    authentication: some(methodSchema),
    exchange: z.enum(['main', 'aggressive']).default('main'),
    localIdentity: identity.optional(),
    start: z.enum(['on-traffic', 'at-once', 'by-peer']).default('on-traffic'),
    ike: some(ike).optional(),
    esp: some(esp).optional(),
    requirePfs: bool.default(false),
    lifetimes: z
      .strictObject({
        ike: duration(20, 86_400).optional(),
        esp: duration(20, 86_400).optional(),
        data: kilobytes.optional(),
      })
      .default({}),
    dialOut: z
      .strictObject({
        user: userName,
        password: secret,
        authentication: some(z.enum(['mschapv2', 'mschap', 'chap', 'pap'])).optional(),
      })
      .optional(),
    dialIn: z.strictObject({ user: userName }).optional(),
    idle: z.union([z.literal('never'), duration(10, 86_400)]).optional(),
  })
}

/** Lifetimes where none are given: what Windows and most gateways ask for. */
const usual = { ikeSeconds: 28_800, espSeconds: 3600 } as const
/** What Windows hangs an idle demand-dial link up after. */
const usualIdle = 300

/** `kinds`: by which a password is proved where a site doesn't say. */
export function sitesOf({ sites, security }: Parsed, kinds: readonly PppAuthentication[]): SiteEntry[] {
  const sets = proposalsFor(security)
  return sites.map((site) => ({
    name: site.name,
    peers: site.peer,
    mode: site.mode,
    localNetworks: site.localNetworks,
    remoteNetworks: site.remoteNetworks,
    authentication: authenticationOf(site.authentication),
    exchange: site.exchange,
    localIdentity: site.localIdentity,
    start: site.start,
    ike: site.ike ?? sets.ike,
    esp: site.esp ?? sets.esp,
    requirePfs: site.requirePfs,
    lifetimes: {
      ikeSeconds: site.lifetimes.ike ?? usual.ikeSeconds,
      espSeconds: site.lifetimes.esp ?? usual.espSeconds,
      espKilobytes: site.lifetimes.data,
    },
    dialOut: site.dialOut && { ...site.dialOut, authentication: site.dialOut.authentication ?? kinds },
    dialIn: site.dialIn,
    idleSeconds: site.idle === 'never' ? undefined : (site.idle ?? usualIdle),
  }))
}

function authenticationOf(written: readonly z.output<typeof methodSchema>[]): SiteAuthentication {
  return {
    methods: written.map(({ certificates }) => (certificates ? 'certificate' : 'preSharedKey')),
    preSharedKey: written.find(({ preSharedKey }) => preSharedKey)?.preSharedKey,
    certificates: certificatesOf(written.find(({ certificates }) => certificates)?.certificates),
  }
}

/** What no key of a site can say alone: names, peers and networks that are somebody's already. */
export function checkSites(configuration: Configuration, parsed: Parsed, problems: Problem[]): void {
  const { sites, remoteAccess } = configuration
  sites.forEach((site, i) => {
    const error = (key: string, message: string) =>
      problems.push({ severity: 'error', path: ['sites', i, key], message })
    const earlier = sites.slice(0, i)
    if (earlier.some(({ name }) => name === site.name))
      error('name', `"${site.name}" is there already; a name once is right`)
    for (const peer of site.peers) {
      const other = earlier.find(({ peers }) => peers.includes(peer))
      if (other) error('peer', `${peer} is ${other.name}'s peer already; one site with the networks of both is right`)
    }
    for (const remote of site.remoteNetworks) {
      const own = meeting(remote, site.localNetworks)
      if (own) error('remoteNetworks', `${showNetwork(remote)} overlaps with our own ${showNetwork(own)}: ${renumber}`)
      if (remoteAccess.pool.some(({ first, last }) => overlaps(remote, first, last)))
        error('remoteNetworks', `${showNetwork(remote)} overlaps with remoteAccess.addressPool: ${renumber}`)
      for (const other of earlier) {
        const both = meeting(remote, other.remoteNetworks)
        const locals = site.localNetworks.some((local) => meeting(local, other.localNetworks))
        if (both && locals)
          error(
            'remoteNetworks',
            `${showNetwork(remote)} overlaps with ${showNetwork(both)} of ${other.name}: ${renumber}`,
          )
      }
      if (site.peers.some((peer) => covered(peer, remote)))
        error(
          'remoteNetworks',
          `${showNetwork(remote)} holds the peer's own outer address, which must stay outside of the tunnel`,
        )
    }
    checkExchange(configuration, parsed, i, problems)
    checkDialling(configuration, parsed, i, problems)
    const { methods, preSharedKey } = site.authentication
    if (new Set(methods).size < methods.length)
      error('authentication', 'a method is there twice; preSharedKey once and certificates once are right')
    if (preSharedKey) checkKey(preSharedKey, ['sites', i, 'authentication'], problems)
  })
  if (sites.some(({ mode }) => mode === 'l2tp') && parsed.dataplane === 'kernel') {
    const message =
      'sites of mode l2tp are carried by the userland data plane only; userland or auto is right with them, or mode: tunnel'
    problems.push({ severity: 'error', path: ['dataplane'], message })
  }
}

/** Aggressive mode: a key alone, and one group, which its first message has chosen already. */
function checkExchange({ sites }: Configuration, parsed: Parsed, i: number, problems: Problem[]): void {
  const { exchange, authentication, ike, localIdentity } = sites[i]!
  const add = (severity: Problem['severity'], key: string, message: string) =>
    problems.push({ severity, path: ['sites', i, key], message })
  const { methods } = authentication
  if (localIdentity !== undefined && !methods.includes('preSharedKey'))
    add('error', 'localIdentity', 'with certificates alone we are our certificate’s subject; none is right')
  if (exchange === 'main') return
  if (methods.includes('certificate'))
    add('error', 'exchange', 'aggressive mode is spoken with a pre-shared key only; main is right with certificates')
  if (parsed.sites[i]!.ike === undefined || new Set(ike.map(({ group }) => group)).size > 1)
    add(
      'error',
      parsed.sites[i]!.ike === undefined ? 'exchange' : 'ike',
      'aggressive mode offers one Diffie-Hellman group; "ike: aes256-sha1-modp2048", or several with one group, is right with it',
    )
  add(
    'warning',
    'exchange',
    'aggressive mode sends names in clear and lets anybody who hears it guess the key offline: main where the peer can, else a key of 20 random characters, is right',
  )
}

/** Who dials whom, as whom. */
function checkDialling({ sites, users }: Configuration, parsed: Parsed, i: number, problems: Problem[]): void {
  const { mode, start, dialOut, dialIn } = sites[i]!
  const error = (key: string, message: string) => problems.push({ severity: 'error', path: ['sites', i, key], message })
  if (mode === 'tunnel') {
    for (const key of ['dialOut', 'dialIn', 'idle'] as const)
      if (parsed.sites[i]![key] !== undefined)
        error(key, 'nobody logs in with mode: tunnel; mode: l2tp is right with it')
    return
  }
  if (!dialOut && start !== 'by-peer')
    error('start', `with start: ${start} we dial; dialOut: { user: …, password: … } is right, or start: by-peer`)
  if (!dialIn && start === 'by-peer')
    error('start', 'nobody may dial: dialIn: { user: … } is right with start: by-peer')
  if (!dialIn) return
  const other = sites.slice(0, i).find((site) => site.dialIn?.user === dialIn.user)
  if (!users.some(({ name }) => name === dialIn.user))
    error('dialIn', `there is no user ${dialIn.user}; a name among users is right`)
  if (other) error('dialIn', `${dialIn.user} is ${other.name}'s already; a user for each site is right`)
  // When both dial at once the names decide whose link stays.
  if (dialIn.user === dialOut?.user)
    error('dialIn', `${dialIn.user} is the user of dialOut too; a name for each direction is right`)
}

const renumber = 'a packet could belong to either; networks without a common address are right'

function meeting(network: Network, others: readonly Network[]): Network | undefined {
  return others.find((other) => networkMeet(network, other))
}

function overlaps({ address, prefix }: Network, first: number, last: number): boolean {
  const from = ipv4Number(address)!
  return from <= last && from + 2 ** (32 - prefix) - 1 >= first
}

function covered(peer: string, network: Network): boolean {
  const value = ipv4Number(peer)
  return value !== undefined && overlaps(network, value, value) && ipv4FromNumber(value) === peer
}
