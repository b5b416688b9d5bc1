// The schema: every key that the file may have, with its kind and its default. What it accepts is what the README lists.
import { z } from 'zod'
import { type Parsed as Proposal, parseEspProposal, parseIkeProposal } from '../algorithms/proposals.ts'
import { addressOctets, addressText } from '../wire/address.ts'
import { parsePasswordHash } from '../wire/password-hash.ts'
import { Secret } from '../wire/secret.ts'
import { certificatesSchema, methodsSchema, peerKeysSchema } from './certificates-section.ts'
import { nearest } from './nearest.ts'
import { policiesSchema } from './policies-section.ts'
import {
  address,
  addressRange,
  bool,
  duration,
  hours,
  integer,
  interfaceAddress,
  ipv4,
  kilobytes,
  network,
  scalar,
  Wrong,
} from './scalars.ts'
import { siteSchema } from './sites-section.ts'

/** A value or a list of them. */
function listOf<S extends z.ZodType>(item: S) {
  return z.union([z.array(item), item.transform((value) => [value])]) as unknown as z.ZodType<
    z.output<S>[],
    z.input<S> | z.input<S>[]
  >
}

/** Files of `{ file: PATH }` are put in before this is asked; see `parse.ts`. */
const secret = z
  .string()
  .min(1, 'a secret of at least one character is right')
  .transform((text) => new Secret(text))

const ntHash = scalar((text) =>
  /^[0-9a-f]{32}$/i.test(text)
    ? new Secret(Uint8Array.from({ length: 16 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)))
    : new Wrong('32 hex digits (the NT hash: MD4 of the UTF-16LE password) are right'),
)

const name = scalar((text) =>
  /^[^\s\p{C}]{1,128}$/u.test(text) ? text : new Wrong('a name of 1 to 128 characters without white space is right'),
)

const hostname = scalar((text) =>
  /^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$/i.test(text)
    ? text
    : new Wrong('a host name of at most 63 letters, digits, dots and hyphens is right'),
)

const domain = scalar((text) =>
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i.test(text)
    ? text
    : new Wrong('a domain such as office.example.org is right'),
)

const device = scalar((text) =>
  /^[a-z][a-z0-9-]{0,14}$/i.test(text) ? text : new Wrong('a device name of at most 15 letters and digits is right'),
)

const ike = scalar((text) => orWrong(parseIkeProposal(text)))
const esp = scalar((text) => orWrong(parseEspProposal(text)))

function orWrong<P>(parsed: Proposal<P>): P | Wrong {
  return parsed.is === 'proposal' ? parsed.proposal : new Wrong(parsed.fault)
}

const deadPeer = duration(10, 86_400)

const remoteAccess = z.strictObject({
  preSharedKey: secret.optional(),
  preSharedKeys: peerKeysSchema(secret).default([]),
  certificates: certificatesSchema.optional(),
  methods: methodsSchema.optional(),
  addressPool: listOf(addressRange),
  gatewayAddress: ipv4.optional(),
  dns: listOf(ipv4).default([]),
  nbns: listOf(ipv4).default([]),
  domain: domain.optional(),
  routes: listOf(network).default([]),
  authentication: listOf(z.enum(['mschapv2', 'mschap', 'chap', 'pap'])).optional(),
  ike: listOf(ike).optional(),
  esp: listOf(esp).optional(),
  requirePfs: bool.default(false),
  lifetimes: z
    .strictObject({
      ike: duration(20, 86_400).optional(),
      esp: duration(20, 86_400).optional(),
      data: kilobytes.optional(),
    })
    .default({}),
  replayWindow: integer(32, 4096).default(1024),
  portLimit: scalar((text) =>
    text === 'any'
      ? undefined
      : /^[1-9]\d{0,5}$/.test(text)
        ? Number(text)
        : new Wrong('a number (5, 128 …) or any is right'),
  ).optional(),
  mru: integer(576, 1500).default(1400),
  forwarding: z.enum(['masquerade', 'route', 'proxy-arp']).default('masquerade'),
  internet: bool.default(true),
  localNetworks: listOf(network).default([]),
  clientToClient: bool.default(false),
  gatewayServices: bool.default(false),
  sessionLimit: duration(60, 31_536_000).optional(),
  idleLimit: duration(60, 31_536_000).optional(),
  deadPeer: deadPeer.default(60),
  deadPeerAndroid: deadPeer.default(900),
  tunnelSecret: secret.optional(),
  halfOpen: z
    .strictObject({ perSource: integer(1, 10_000).default(64), total: integer(1, 100_000).default(4000) })
    .default({ perSource: 64, total: 4000 }),
})

const user = z.strictObject({
  name,
  password: secret.optional(),
  ntHash: ntHash.optional(),
  enabled: bool.default(true),
  address: ipv4.optional(),
  networks: listOf(network).default([]),
  hours: listOf(hours)
    .transform((lists) => lists.flat())
    .default([]),
  passwordExpired: bool.default(false),
  sessions: z.enum(['any', 'refuse-second', 'end-first']).default('any'),
  sessionLimit: duration(60, 31_536_000).optional(),
  idleLimit: duration(60, 31_536_000).optional(),
})

const port = scalar((text) =>
  /^[a-z][a-z0-9]{0,14}$/.test(text) ? text : new Wrong('a port such as wan0 or lan0 is right'),
)

/** A server by name or address. */
const host = scalar((text) => {
  const octets = addressOctets(text)
  if (octets) return addressText(octets)
  const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
  const named = new RegExp(`^(?=.{1,253}$)(?![\\d.]+$)${label}(\\.${label})*$`, 'i').test(text)
  return named ? text : new Wrong('a name such as ntp.example.org or an address is right')
})

/** What the zone database knows; the spelling counts, since it names a file. */
const timezone = scalar((text) => {
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')]
  if (names.includes(text)) return text
  const spelt = names.find((known) => known.toLowerCase() === text.toLowerCase())
  if (spelt === undefined && isZone(text)) return text
  const hint = spelt ?? nearest(text, names)
  return new Wrong(`a time zone such as Europe/Berlin or UTC is right${hint ? ` (did you mean ${hint}?)` : ''}`)
})

/** Older and other names of zones, such as Asia/Calcutta beside Asia/Kolkata. */
function isZone(text: string): boolean {
  if (!/^[A-Z][A-Za-z]+(\/[A-Z][A-Za-z_-]+)+$/.test(text)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone !== ''
  } catch {
    return false
  }
}

/** PAP and CHAP count the octets in one octet; pppd takes no control characters. */
const pppoeText = (what: string) =>
  scalar((text) =>
    /^\P{Cc}{1,255}$/u.test(text) ? text : new Wrong(`a ${what} of 1 to 255 characters on one line is right`),
  )

const passwordHash = scalar((text) =>
  parsePasswordHash(text)
    ? new Secret(text)
    : new Wrong("the console's own form is right: $scrypt$ln=15,r=8,p=1$SALT$HASH, or password: in its place"),
)

const system = z.strictObject({
  admin: z.strictObject({ password: secret.optional(), passwordHash: passwordHash.optional() }).optional(),
  wan: z
    .strictObject({
      port,
      dhcp: bool.optional(),
      address: interfaceAddress.optional(),
      gateway: ipv4.optional(),
      dns: listOf(address).default([]),
      pppoe: z
        .strictObject({ user: pppoeText('user name'), password: secret, service: pppoeText('service name').optional() })
        .optional(),
    })
    .optional(),
  lan: z
    .strictObject({ ports: listOf(port), address: interfaceAddress, dhcpServer: addressRange.optional() })
    .optional(),
  ntp: listOf(host).default(['pool.ntp.org']),
  timezone: timezone.default('UTC'),
  syslog: z
    .strictObject({
      server: host,
      port: integer(1, 65_535).default(514),
      protocol: z.enum(['udp', 'tcp']).default('udp'),
    })
    .optional(),
  idleLogoutSeconds: integer(0, 86_400).default(600),
})

/** `af-alg:` with drivers as the kernel names them: `cbc-aes-aesni`, `cryptd(cbc(des-generic))`, several with commas. */
const engine = scalar((text) =>
  /^(?:auto|ipsec-mb|openssl|af-alg(?::[\w().,-]{1,200})?)$/.test(text)
    ? text
    : new Wrong(
        `auto, ipsec-mb, openssl, af-alg or af-alg:DRIVER are right${hintFor(text)}; gatehouse engines lists what is here`,
      ),
)

function hintFor(text: string): string {
  const hint = nearest(text, ['auto', 'ipsec-mb', 'openssl', 'af-alg'])
  return hint ? ` (did you mean ${hint}?)` : ''
}

const driver = scalar((text) =>
  /^[\w().,-]{1,127}$/.test(text)
    ? text
    : new Wrong("a driver's name as gatehouse engines lists it is right: virtio_crypto_aes_cbc"),
)

/** What `bench engines --tune` writes. */
const engines = z
  .strictObject({
    userland: engine.optional(),
    kernel: z.array(z.strictObject({ driver, priority: integer(0, 1_000_000) })).default([]),
  })
  .default({ kernel: [] })

export const schema = z.strictObject({
  hostname: hostname.default('gatehouse'),
  dataplane: z.enum(['auto', 'userland', 'kernel']).default('auto'),
  offload: z.enum(['auto', 'off', 'crypto', 'packet']).default('auto'),
  listen: listOf(address).default([]),
  ports: z
    .strictObject({ ike: integer(1, 65_535).default(500), natt: integer(1, 65_535).default(4500) })
    .default({ ike: 500, natt: 4500 }),
  publicAddress: ipv4.optional(),
  security: z.enum(['modern', 'compatible', 'legacy']).default('modern'),
  device: device.default('gatehouse0'),
  engine: engine.default('auto'),
  engines,
  workers: integer(1, 256).optional(),
  remoteAccess,
  users: z.array(user).default([]),
  sites: z.array(siteSchema(ike, esp)).default([]),
  policies: policiesSchema.optional(),
  system: system.optional(),
})

export type Parsed = z.output<typeof schema>

/** For editors: the same as JSON Schema, in which scalars may be written with or without quotes. */
export function jsonSchema(): object {
  return z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema: node }) => {
      if (node.type === 'string' && !node.enum) (node as { type: unknown }).type = ['string', 'number', 'boolean']
    },
  })
}
