// A certificate as a value: what node:crypto tells (key, signature) and what it doesn't (constraints, usages, names, where to ask for revocation).
// Reading checks the form of what we act upon; whether it may be believed is path.ts's.
import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { hex } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import {
  context,
  DerReader,
  type Element,
  implicit,
  latin1,
  namedBits,
  oidText,
  smallInteger,
  tags,
  time,
} from './der-reader.ts'
import { type Name, parseName } from './names.ts'
import { oid } from './oids.ts'

/** RFC 5280 §4.2.1.6, the kinds that we compare. */
export type GeneralName =
  | { readonly is: 'email' | 'dns' | 'uri'; readonly text: string }
  /** 4 or 16 octets; in name constraints address and mask, 8 or 32. */
  | { readonly is: 'ip'; readonly octets: Uint8Array }
  | { readonly is: 'directory'; readonly name: Name }
  | { readonly is: 'other'; readonly tag: number }

/** Bits of key usage (RFC 5280 §4.2.1.3). */
export const usageBit = {
  digitalSignature: 0,
  nonRepudiation: 1,
  keyEncipherment: 2,
  keyCertSign: 5,
  crlSign: 6,
} as const

export type NameConstraints = { readonly permitted: readonly GeneralName[]; readonly excluded: readonly GeneralName[] }

export type Certificate = {
  readonly der: Uint8Array
  /** In hex, as on the wire. */
  readonly serial: string
  readonly issuer: Name
  readonly subject: Name
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
  readonly signatureAlgorithm: string
  readonly altNames: readonly GeneralName[]
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | undefined } | undefined
  readonly keyUsage: ReadonlySet<number> | undefined
  readonly extendedKeyUsage: readonly string[] | undefined
  readonly nameConstraints: NameConstraints | undefined
  readonly crlUrls: readonly string[]
  readonly ocspUrls: readonly string[]
  /** In hex. */
  readonly subjectKeyId: string | undefined
  readonly authorityKeyId: string | undefined
  /** Critical extensions that nobody here understands. */
  readonly unknownCritical: readonly string[]
  readonly x509: X509Certificate
  readonly publicKey: KeyObject
  /** The key's octets without its algorithm: what OCSP hashes. */
  readonly keyBits: Uint8Array
}

// Ours: no certificate of a real authority is near these.
const longest = 16_384
const mostExtensions = 64
const mostNames = 256

/** Reads one certificate; a WireError names the field that is wrong. */
export function parseCertificate(octets: Uint8Array): Certificate {
  const where = 'certificate'
  if (octets.length > longest) throw new WireError(where, 0, `${octets.length} octets; at most ${longest} are read`)
  const outer = new DerReader(octets, where)
  const whole = outer.inside(tags.sequence, 'its sequence')
  outer.end()
  const tbs = whole.inside(tags.sequence, 'what is signed')
  const versionOf = tbs.optionalInside(context(0), 'version')
  const version = versionOf ? smallInteger(versionOf.take(tags.integer, 'version').value, where) : 0
  const serial = tbs.take(tags.integer, 'serial number').value
  if (serial.length === 0 || serial.length > 32)
    throw new WireError(where, 0, `a serial number of ${serial.length} octets`)
  const algorithm = tbs.take(tags.sequence, 'signature algorithm').whole
  const issuer = parseName(tbs.take(tags.sequence, 'issuer').whole, `${where}, issuer`)
  const validity = tbs.inside(tags.sequence, 'validity')
  const notBefore = time(validity.any('not before'), `${where}, not before`)
  const notAfter = time(validity.any('not after'), `${where}, not after`)
  validity.end()
  const subject = parseName(tbs.take(tags.sequence, 'subject').whole, `${where}, subject`)
  const spki = tbs.inside(tags.sequence, 'public key')
  spki.take(tags.sequence, 'key algorithm')
  const keyBits = spki.take(tags.bitString, 'key').value.subarray(1)
  spki.end()
  tbs.optional(implicit(1), 'issuer unique id')
  tbs.optional(implicit(2), 'subject unique id')
  const extensions = tbs.optionalInside(context(3), 'extensions')
  const read = version === 2 && extensions ? readExtensions(extensions) : none
  tbs.end()
  const outerAlgorithm = whole.take(tags.sequence, 'signature algorithm').whole
  if (Buffer.compare(algorithm, outerAlgorithm) !== 0)
    throw new WireError(where, 0, 'two signature algorithms that differ (RFC 5280 §4.1.1.2)')
  whole.take(tags.bitString, 'signature')
  whole.end()
  const { x509, publicKey } = openSsl(octets)
  return {
    der: octets.slice(),
    serial: hex(serial),
    issuer,
    subject,
    notBefore,
    notAfter,
    signatureAlgorithm: oidText(
      new DerReader(algorithm, where).inside(tags.sequence, 'algorithm').take(tags.oid, 'algorithm').value,
      where,
    ),
    ...read,
    x509,
    publicKey,
    keyBits,
  }
}

function openSsl(octets: Uint8Array): { x509: X509Certificate; publicKey: KeyObject } {
  try {
    const x509 = new X509Certificate(octets)
    return { x509, publicKey: x509.publicKey }
  } catch (error) {
    throw new WireError('certificate', 0, `OpenSSL can't read it: ${(error as Error).message.slice(0, 100)}`)
  }
}

type Extensions = Pick<
  Certificate,
  | 'altNames'
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'nameConstraints'
  | 'crlUrls'
  | 'ocspUrls'
  | 'subjectKeyId'
  | 'authorityKeyId'
  | 'unknownCritical'
>

const none: Extensions = {
  altNames: [],
  basicConstraints: undefined,
  keyUsage: undefined,
  extendedKeyUsage: undefined,
  nameConstraints: undefined,
  crlUrls: [],
  ocspUrls: [],
  subjectKeyId: undefined,
  authorityKeyId: undefined,
  unknownCritical: [],
}

/** Extensions that are understood by being passed over: policies mean nothing to IKE here, and nothing is required of them. */
const passedOver: readonly string[] = [
  oid.certificatePolicies,
  oid.policyMappings,
  oid.policyConstraints,
  oid.inhibitAnyPolicy,
]

function readExtensions(explicit: DerReader): Extensions {
  const list = explicit.inside(tags.sequence, 'the list')
  explicit.end()
  const found: { -readonly [K in keyof Extensions]: Extensions[K] } = { ...none }
  const unknownCritical: string[] = []
  const seen = new Set<string>()
  while (list.more) {
    const { id, critical, value } = readExtension(list)
    if (seen.has(id) || seen.size >= mostExtensions)
      throw new WireError('certificate, extensions', 0, `${id} twice, or too many`)
    seen.add(id)
    const reader = readers[id]
    if (reader) reader(found, new DerReader(value, `certificate, ${id}`), value)
    else if (critical && !passedOver.includes(id)) unknownCritical.push(id)
  }
  return { ...found, unknownCritical }
}

/** One Extension of a certificate or a CRL. */
export function readExtension(list: DerReader): {
  readonly id: string
  readonly critical: boolean
  readonly value: Uint8Array
} {
  const one = list.inside(tags.sequence, 'an extension')
  const id = oidText(one.take(tags.oid, 'its name').value, 'extension')
  const critical = (one.optional(tags.boolean, 'critical')?.value[0] ?? 0) !== 0
  const { value } = one.take(tags.octetString, 'its value')
  one.end()
  return { id, critical, value }
}

type Found = { -readonly [K in keyof Extensions]: Extensions[K] }
const readers: Readonly<Record<string, (found: Found, reader: DerReader, value: Uint8Array) => void>> = {
  [oid.subjectAltName]: (found, reader) => {
    found.altNames = generalNames(reader.inside(tags.sequence, 'names'))
    reader.end()
  },
  [oid.basicConstraints]: (found, reader) => {
    const inner = reader.inside(tags.sequence, 'basic constraints')
    const ca = (inner.optional(tags.boolean, 'ca')?.value[0] ?? 0) !== 0
    const length = inner.optional(tags.integer, 'path length')
    found.basicConstraints = { ca, pathLength: length && smallInteger(length.value, 'path length') }
    inner.end()
    reader.end()
  },
  [oid.keyUsage]: (found, reader) => {
    found.keyUsage = namedBits(reader.take(tags.bitString, 'bits').value, 'key usage')
    reader.end()
  },
  [oid.extendedKeyUsage]: (found, reader) => {
    const inner = reader.inside(tags.sequence, 'usages')
    const usages: string[] = []
    while (inner.more) usages.push(oidText(inner.take(tags.oid, 'a usage').value, 'extended key usage'))
    found.extendedKeyUsage = usages
    reader.end()
  },
  [oid.nameConstraints]: (found, reader) => {
    const inner = reader.inside(tags.sequence, 'constraints')
    const permitted = subtrees(inner.optionalInside(context(0), 'permitted'))
    const excluded = subtrees(inner.optionalInside(context(1), 'excluded'))
    inner.end()
    reader.end()
    found.nameConstraints = { permitted, excluded }
  },
  [oid.crlDistributionPoints]: (found, reader) => {
    found.crlUrls = distributionPoints(reader.inside(tags.sequence, 'points'))
    reader.end()
  },
  [oid.authorityInfoAccess]: (found, reader) => {
    const inner = reader.inside(tags.sequence, 'accesses')
    const urls: string[] = []
    while (inner.more) {
      const access = inner.inside(tags.sequence, 'an access')
      const method = oidText(access.take(tags.oid, 'method').value, 'access method')
      const location = generalName(access.any('location'))
      if (method === oid.ocsp && location.is === 'uri') urls.push(location.text)
    }
    found.ocspUrls = urls.slice(0, 4)
  },
  [oid.subjectKeyIdentifier]: (found, reader) => {
    found.subjectKeyId = hex(reader.take(tags.octetString, 'identifier').value)
  },
  [oid.authorityKeyIdentifier]: (found, reader) => {
    const id = reader.inside(tags.sequence, 'identifier').optional(implicit(0), 'key identifier')
    found.authorityKeyId = id && hex(id.value)
  },
}

function subtrees(reader: DerReader | undefined): GeneralName[] {
  const bases: GeneralName[] = []
  while (reader?.more) {
    const one = reader.inside(tags.sequence, 'a subtree')
    bases.push(generalName(one.any('base')))
    if (bases.length > mostNames)
      throw new WireError('certificate, name constraints', 0, `more than ${mostNames} subtrees`)
  }
  return bases
}

/** HTTP addresses of the points; each may name several places of the same list. */
function distributionPoints(points: DerReader): string[] {
  const urls: string[] = []
  while (points.more) {
    const point = points.inside(tags.sequence, 'a point')
    const full = point.optionalInside(context(0), 'name')?.optionalInside(context(0), 'full name')
    const names = full ? generalNames(full) : []
    urls.push(...names.flatMap((name) => (name.is === 'uri' ? [name.text] : [])))
  }
  return urls.slice(0, 8)
}

function generalNames(reader: DerReader): GeneralName[] {
  const names: GeneralName[] = []
  while (reader.more) {
    names.push(generalName(reader.any('a name')))
    if (names.length > mostNames) throw new WireError('certificate, names', 0, `more than ${mostNames} names`)
  }
  return names
}

function generalName({ tag, value }: Element): GeneralName {
  switch (tag) {
    case implicit(1):
      return { is: 'email', text: latin1(value) }
    case implicit(2):
      return { is: 'dns', text: latin1(value) }
    case implicit(6):
      return { is: 'uri', text: latin1(value) }
    case implicit(7):
      return { is: 'ip', octets: value }
    case context(4):
      return { is: 'directory', name: parseName(value, 'directory name') }
    default:
      return { is: 'other', tag }
  }
}

/** SHA-256 over the whole certificate, in hex: its name in caches and logs. */
export function fingerprint({ der }: Pick<Certificate, 'der'>): string {
  return createHash('sha256').update(der).digest('hex')
}
