// The keys `certificates`, `preSharedKeys` and `methods`: with what peers prove themselves and we to them. Certificates are text here; whether they are any
// good is pki's to say, and `gatehouse check` asks it.
import { z } from 'zod'
import { addressOctets } from '../wire/address.ts'
import { Secret } from '../wire/secret.ts'
import { bool, scalar, Wrong } from './scalars.ts'
import type { Problem } from './validate.ts'

/** `file` puts a file's text in the place of these keys' values, in lists too. */
export const fileKeys = ['authorities', 'intermediates', 'certificate', 'key'] as const

export type RevocationStrength = 'off' | 'standard' | 'strict'

export type OwnCertificate = {
  /** PEM: the certificate and, in any order, those between it and its authority. */
  readonly certificate: string
  readonly key: Secret
}

export type CertificatesEntry = {
  /** PEM. */
  readonly authorities: readonly string[]
  readonly intermediates: readonly string[]
  /** In order of preference; the first that a peer can verify is used. */
  readonly own: readonly OwnCertificate[]
  readonly revocation: RevocationStrength
  readonly ocsp: boolean
  /** Absolute paths, or http addresses. */
  readonly crls: readonly string[]
  /** Whom the peer's certificate must speak for; undefined: anybody whom the authorities know. */
  readonly identity: string | undefined
}

/** A key for peers at an address or in a network, for a peer with this name as its ID, or for `any`. */
export type PeerKey = { readonly peer: string; readonly key: Secret }
export type Method = 'certificate' | 'preSharedKey'

const pemText = (what: string) =>
  z.string().refine((text) => /-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/.test(text), {
    message: `${what} in PEM (-----BEGIN CERTIFICATE-----) is right, here or as { file: PATH }`,
  })

const privateKey = z
  .string()
  .refine((text) => /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text) && !text.includes('ENCRYPTED'), {
    message: 'a private key in PEM (-----BEGIN PRIVATE KEY-----) without a passphrase is right, best as { file: PATH }',
  })
  .transform((text) => new Secret(text))

const listPlace = scalar((text) =>
  /^(\/|http:\/\/)\S+$/.test(text)
    ? text
    : new Wrong('the absolute path of a revocation list, or its http address, is right'),
)

const one = { certificate: pemText('a certificate'), key: privateKey }
const pemList = (what: string) =>
  z.union([z.array(pemText(what)), pemText(what).transform((text) => [text])]) as unknown as z.ZodType<
    string[],
    string | string[]
  >

export const certificatesSchema = z.strictObject({
  authorities: pemList('the certificate of an authority'),
  intermediates: pemList('the certificate of an authority in between').default([]),
  certificate: one.certificate,
  key: one.key,
  more: z.array(z.strictObject(one)).default([]),
  revocation: z.enum(['off', 'standard', 'strict']).default('standard'),
  ocsp: bool.default(true),
  crls: z.array(listPlace).default([]),
  identity: z.string().min(1).optional(),
})

export const methodsSchema = z.array(z.enum(['certificate', 'preSharedKey'])).min(1)

const peer = scalar((text) => {
  if (text === 'any') return text
  const [address = '', prefix, more] = text.split('/')
  const octets = addressOctets(address)
  if (
    octets &&
    more === undefined &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= octets.length * 8))
  )
    return text
  if (!octets && /^(?=.{1,253}$)(?:[^\s@/]{1,64}@)?(?![\d.]+$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text)) return text
  return new Wrong('any, an address, a network such as 192.0.2.0/24, or a name that the peer has as its ID is right')
})

export const peerKeysSchema = (secret: z.ZodType<Secret, string>) => z.array(z.strictObject({ peer, key: secret }))

export function certificatesOf(parsed: z.output<typeof certificatesSchema> | undefined): CertificatesEntry | undefined {
  if (!parsed) return undefined
  const { certificate, key, more, ...rest } = parsed
  return { ...rest, identity: rest.identity, own: [{ certificate, key }, ...more] }
}

// --- pre-shared keys --------------------------------------------------------------------------------------------------------------------

// RFC 2409 sets no bounds; Windows takes 8 to 255 characters, and others cut or refuse longer ones.
const leastKey = 8
const longestKey = 255
/** Keys at most this long fall to a dictionary in an afternoon: each MM5 that a stranger records can be tried off line. */
const shortKey = 12

/** As many as IKE tries on one peer. */
const mostCandidates = 16

/** Keys beyond those that are tried on one peer would never open anything. */
export function checkCandidates(
  {
    preSharedKey,
    preSharedKeys,
  }: { readonly preSharedKey: Secret | undefined; readonly preSharedKeys: readonly PeerKey[] },
  problems: Problem[],
): void {
  const counts = new Map([['any', preSharedKey ? 1 : 0]])
  preSharedKeys.forEach(({ peer }, i) => {
    // In main mode a name is known after the key was needed: keys of names are tried on everybody, as those for any peer are.
    const whose = addressOctets(peer.split('/')[0]!) ? peer : 'any'
    const count = (counts.get(whose) ?? 0) + 1
    counts.set(whose, count)
    if (count !== mostCandidates + 1) return
    const who = whose === 'any' ? 'any peer and for names' : whose
    const message = `more than ${mostCandidates} keys are for ${who}, and no more are tried on one peer; keys for the addresses or networks of peers, or certificates, are right`
    problems.push({ severity: 'error', path: ['remoteAccess', 'preSharedKeys', i, 'peer'], message })
  })
}

/** Judges a key's length and whether it can be guessed: everybody who records a negotiation can try as many as he likes. */
export function checkKey(key: Secret, path: readonly PropertyKey[], problems: Problem[]): void {
  const { length } = key.reveal()
  const text = key.revealText()
  const say = (severity: Problem['severity'], message: string) => problems.push({ severity, path, message })
  if (length > longestKey) return void say('error', `it has ${length} octets; at most ${longestKey} are right`)
  if (length < leastKey)
    return void say(
      'warning',
      `a pre-shared key of ${length} octets can be guessed, and Windows takes ${leastKey} to ${longestKey} only; ${shortKey} or more random ones are right`,
    )
  if (length < shortKey)
    return void say(
      'warning',
      `a pre-shared key of ${length} octets can be guessed; ${shortKey} or more random ones are right`,
    )
  const why = guessable(text)
  if (why !== undefined)
    say(
      'warning',
      `a pre-shared key that is ${why} can be guessed; ${shortKey} or more random characters, or four random words, are right`,
    )
}

const common = [
  'password',
  'passwort',
  'secret',
  'letmein',
  'welcome',
  'qwerty',
  'qwertz',
  'asdf',
  'changeme',
  'admin',
  'default',
  'gatehouse',
  'vpnvpn',
  'presharedkey',
  'ipsec',
  'l2tp',
]

function guessable(text: string): string | undefined {
  if (/^\d+$/.test(text)) return 'all digits'
  if (new Set(text.toLowerCase()).size < 5) return 'made of fewer than five different characters'
  const half = text.slice(0, Math.floor(text.length / 2))
  if (/^(.{1,8}?)\1+.{0,7}$/s.test(text) && text.startsWith(half)) return 'one piece over and over'
  if (isRun(text)) return 'a run of the alphabet or the digits'
  const letters = text
    .toLowerCase()
    .replaceAll('0', 'o')
    .replaceAll('1', 'l')
    .replaceAll('3', 'e')
    .replaceAll('@', 'a')
    .replaceAll('$', 's')
    .replace(/[^a-z]/g, '')
  const left = common.reduce((rest, word) => rest.replaceAll(word, ''), letters)
  if (left.length < letters.length && left.length <= 4) return 'a common password with decorations'
  return undefined
}

function isRun(text: string): boolean {
  let steps = 0
  for (let i = 1; i < text.length; i++) if (Math.abs(text.charCodeAt(i) - text.charCodeAt(i - 1)) === 1) steps++
  return steps >= text.length * 0.75
}
