// From a peer's certificates to a trusted authority (RFC 5280 §6): a chain is found by names, in whatever order the certificates came, and then judged
// from the authority down, so that no signature is checked with a key that nobody vouches for yet.
import { printable } from '../wire/codec.ts'
import { type Certificate, type NameConstraints, usageBit } from './certificate.ts'
import { constraintFault } from './name-constraints.ts'
import { nameKey, showName } from './names.ts'
import { oid, oidName, signatureHash } from './oids.ts'

/** What may be believed. */
export type Trust = {
  readonly authorities: readonly Certificate[]
  /** Certificates of authorities in between that peers may leave out. */
  readonly intermediates: readonly Certificate[]
  /** Signatures with SHA-1 and RSA keys under 2048 bits are taken too: old authorities have them. */
  readonly weak: boolean
}

/** Which purposes a peer's certificate may be for: a client's, a gateway's, or either. */
export type Purpose = 'client' | 'gateway' | 'any'

export type Judged =
  /** From the peer's certificate to the authority. */
  | { readonly is: 'trusted'; readonly path: readonly Certificate[] }
  /** `unknown`: no chain leads to an authority of ours. */
  | { readonly is: 'refused'; readonly why: string; readonly unknown?: true }

// Ours: certificates in one chain, and steps in looking for one, so that nobody keeps us busy.
const longestPath = 8
const mostSteps = 256

/** Judges the first certificate, with the others as help. `at` in milliseconds since 1970. The sentence says what to change. */
export function judge(
  [leaf, ...others]: readonly Certificate[],
  trust: Trust,
  { at, purpose }: { readonly at: number; readonly purpose: Purpose },
): Judged {
  if (!leaf)
    return { is: 'refused', why: 'the peer sent no certificate; give it one of an authority that is trusted here' }
  const paths = pathsFrom(leaf, [...others, ...trust.intermediates], trust.authorities)
  const first = paths[0]
  if (!first) return { is: 'refused', why: untrusted(leaf, trust), unknown: true }
  let why: string | undefined
  for (const path of paths) {
    const fault = pathFault(path, trust, at) ?? leafFault(leaf, purpose)
    if (fault === undefined) return { is: 'trusted', path }
    why ??= fault
  }
  return { is: 'refused', why: why! }
}

function untrusted(leaf: Certificate, { authorities }: Trust): string {
  const known = authorities.map(({ subject }) => showName(subject)).slice(0, 3)
  return (
    `the certificate of ${showName(leaf.subject)} was issued by ${showName(leaf.issuer)}, and no chain leads from there to a trusted authority ` +
    `(${known.length > 0 ? known.join('; ') : 'none is configured'}): add that authority under certificates.authorities, or have the certificate issued by one of these`
  )
}

/** Paths by name and key identifier, the shortest first; each ends in a trusted authority. */
function pathsFrom(
  leaf: Certificate,
  others: readonly Certificate[],
  authorities: readonly Certificate[],
): Certificate[][] {
  const found: Certificate[][] = []
  let steps = 0
  let open: Certificate[][] = [[leaf]]
  while (open.length > 0 && found.length < 4) {
    const next: Certificate[][] = []
    for (const path of open) {
      const last = path.at(-1)!
      for (const issuer of authorities) {
        if (++steps > mostSteps) return found
        if (same(issuer, last) && path.length > 1) continue
        if (issued(issuer, last) && !same(issuer, leaf)) found.push([...path, issuer])
      }
      if (path.length + 1 >= longestPath) continue
      for (const issuer of others) {
        if (++steps > mostSteps) return found
        if (issued(issuer, last) && !path.some((one) => same(one, issuer))) next.push([...path, issuer])
      }
    }
    open = next
  }
  return found
}

const same = (a: Certificate, b: Certificate) => Buffer.compare(a.der, b.der) === 0

function issued(issuer: Certificate, certificate: Certificate): boolean {
  const { authorityKeyId } = certificate
  if (authorityKeyId !== undefined && issuer.subjectKeyId !== undefined && authorityKeyId !== issuer.subjectKeyId)
    return false
  return nameKey(issuer.subject) === nameKey(certificate.issuer)
}

/** What is wrong with the path, in one sentence. The authority at its end is judged by its dates only. */
function pathFault(path: readonly Certificate[], trust: Trust, at: number): string | undefined {
  const constraints: NameConstraints[] = []
  for (let i = path.length - 1; i >= 0; i--) {
    const one = path[i]!
    const issuer = path[i + 1]
    const fault =
      dateFault(one, at, i) ??
      (issuer && signedFault(one, issuer, trust)) ??
      (one.unknownCritical.length > 0
        ? `${called(one, i)} has a critical extension that is not known here (${one.unknownCritical.map(oidName).join(', ')}): have it issued without`
        : undefined) ??
      (i > 0 ? authorityFault(path, i) : undefined) ??
      brokenConstraint(path, i, constraints)
    if (fault) return fault
    if (one.nameConstraints) constraints.push(one.nameConstraints)
  }
  return undefined
}

/** The peer's certificate has no number in its path. */
function called(one: Certificate, i: number): string {
  return i === 0
    ? `the certificate of ${showName(one.subject)}`
    : `the certificate of the authority ${showName(one.subject)}`
}

function dateFault(one: Certificate, at: number, i: number): string | undefined {
  if (at > one.notAfter) return `${called(one, i)} expired on ${day(one.notAfter)}: renew it`
  if (at < one.notBefore)
    return `${called(one, i)} is valid from ${new Date(one.notBefore).toISOString()} only, and it is ${new Date(at).toISOString()} here: set the clock right on both sides`
  return undefined
}

const day = (at: number) => new Date(at).toISOString().slice(0, 10)

const forbidden: readonly string[] = [oid.md2WithRsa, oid.md4WithRsa, oid.md5WithRsa]

function signedFault(one: Certificate, issuer: Certificate, { weak }: Trust): string | undefined {
  const who = `the certificate of ${showName(one.subject)}`
  const algorithm = one.signatureAlgorithm
  const hash = signatureHash[algorithm]
  if (forbidden.includes(algorithm))
    return `${who} is signed with ${oidName(algorithm)}, which anybody can forge: have it issued anew with SHA-256`
  if (hash === undefined)
    return `${who} is signed with ${printable(oidName(algorithm))}, which is not known here: have it signed with SHA-256 and RSA or ECDSA`
  if (hash === 'sha1' && !weak)
    return `${who} is signed with SHA-1: have it issued anew with SHA-256, or set security: compatible`
  const { modulusLength = 4096 } = issuer.publicKey.asymmetricKeyDetails ?? {}
  if (issuer.publicKey.asymmetricKeyType === 'rsa' && (modulusLength < (weak ? 1024 : 2048) || modulusLength > 8192))
    return `${who} is signed with an RSA key of ${modulusLength} bits: 2048 to 8192 are right`
  return verified(one, issuer)
    ? undefined
    : `${who} is not signed by ${showName(issuer.subject)}, which it names as its issuer: have it issued anew`
}

function verified(one: Certificate, issuer: Certificate): boolean {
  try {
    return one.x509.verify(issuer.publicKey)
  } catch {
    return false
  }
}

function authorityFault(path: readonly Certificate[], i: number): string | undefined {
  const one = path[i]!
  const anchor = i === path.length - 1
  const who = `the certificate of ${showName(one.subject)}`
  // An authority of version 1 has no constraints at all; whoever trusts it says so himself.
  if (one.basicConstraints ? !one.basicConstraints.ca : !anchor)
    return `${who} is not an authority's (basic constraints), yet it issued another: have that issued by an authority`
  const below = path.slice(1, i).filter(({ subject, issuer }) => nameKey(subject) !== nameKey(issuer)).length
  const most = one.basicConstraints?.pathLength
  if (most !== undefined && below > most)
    return `${who} allows ${most} authorities below it and there are ${below}: have the certificate issued higher up`
  if (one.keyUsage && !one.keyUsage.has(usageBit.keyCertSign))
    return `${who} may not sign certificates (key usage): have it issued anew with keyCertSign`
  return undefined
}

function brokenConstraint(
  path: readonly Certificate[],
  i: number,
  constraints: readonly NameConstraints[],
): string | undefined {
  const one = path[i]!
  if (i > 0 && nameKey(one.subject) === nameKey(one.issuer)) return undefined
  for (const each of constraints) {
    const fault = constraintFault(one, each)
    if (fault)
      return `${called(one, i)} breaks the name constraints of its authority: ${fault}; have it issued with a name that is allowed`
  }
  return undefined
}

const ipsec: readonly string[] = [
  oid.anyUsage,
  oid.ipsecIke,
  oid.ipsecIkeIntermediate,
  oid.ipsecEndSystem,
  oid.ipsecTunnel,
  oid.ipsecUser,
]
const purposes: Readonly<Record<Purpose, readonly string[]>> = {
  client: [...ipsec, oid.clientAuth],
  gateway: [...ipsec, oid.serverAuth],
  any: [...ipsec, oid.clientAuth, oid.serverAuth],
}

function leafFault(leaf: Certificate, purpose: Purpose): string | undefined {
  const who = `the certificate of ${showName(leaf.subject)}`
  if (leaf.basicConstraints?.ca) return `${who} is an authority's: a certificate of the machine's own is right`
  const usage = leaf.keyUsage
  if (usage && !usage.has(usageBit.digitalSignature) && !usage.has(usageBit.nonRepudiation))
    return `${who} may not sign (key usage): have it issued with digitalSignature`
  const allowed = purposes[purpose]
  if (leaf.extendedKeyUsage && !leaf.extendedKeyUsage.some((one) => allowed.includes(one))) {
    const named = purpose === 'gateway' ? 'server authentication' : 'client authentication'
    return `${who} is not for IPsec (its extended key usages are ${leaf.extendedKeyUsage.map(oidName).slice(0, 4).join(', ')}): have it issued for ${named} or IKE`
  }
  return undefined
}
