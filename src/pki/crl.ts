// Certificate revocation lists (RFC 5280 §5): read, and asked about one certificate. Only lists of the issuer itself count: indirect and delta lists are told
// by their critical extensions and say nothing.
import { type KeyObject, verify } from 'node:crypto'
import { hex } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { type Certificate, readExtension, usageBit } from './certificate.ts'
import { context, DerReader, implicit, oidText, tags, time } from './der-reader.ts'
import { type Name, nameKey, parseName, showName } from './names.ts'
import { oid, signatureHash } from './oids.ts'

export type Crl = {
  readonly issuer: Name
  readonly thisUpdate: number
  readonly nextUpdate: number | undefined
  /** Serial number in hex to the moment of revocation. */
  readonly revoked: ReadonlyMap<string, number>
  /** Which certificates it speaks of. */
  readonly scope: 'all' | 'authorities' | 'others' | 'none'
  readonly tbs: Uint8Array
  readonly algorithm: string
  readonly signature: Uint8Array
}

/** What a source says of a certificate. */
export type Standing =
  | { readonly is: 'good'; readonly until: number }
  | { readonly is: 'revoked'; readonly at: number }
  /** `why` is a part of a sentence. */
  | { readonly is: 'unknown'; readonly why: string }

// Ours: a list of half a million entries has 20 MB; ours are a few hundred.
export const longestCrl = 20_000_000

/** Reads one list, DER or PEM. A WireError names the field that is wrong. */
export function parseCrl(octets: Uint8Array): Crl {
  const where = 'CRL'
  if (octets.length > longestCrl)
    throw new WireError(where, 0, `${octets.length} octets; at most ${longestCrl} are read`)
  const outer = new DerReader(fromPem(octets), where)
  const whole = outer.inside(tags.sequence, 'its sequence')
  outer.end()
  const signed = whole.take(tags.sequence, 'what is signed')
  const tbs = new DerReader(signed.value, where)
  tbs.optional(tags.integer, 'version')
  const algorithm = tbs.take(tags.sequence, 'signature algorithm').value
  const issuer = parseName(tbs.take(tags.sequence, 'issuer').whole, `${where}, issuer`)
  const thisUpdate = time(tbs.any('this update'), `${where}, this update`)
  const next = tbs.peek === tags.utcTime || tbs.peek === tags.generalizedTime ? tbs.any('next update') : undefined
  const revoked = entries(tbs.optionalInside(tags.sequence, 'revoked certificates'))
  const extensions = tbs.optionalInside(context(0), 'extensions')?.inside(tags.sequence, 'the list')
  tbs.end()
  whole.take(tags.sequence, 'signature algorithm')
  const signature = whole.take(tags.bitString, 'signature').value.subarray(1)
  whole.end()
  return {
    issuer,
    thisUpdate,
    nextUpdate: next && time(next, `${where}, next update`),
    revoked: revoked.map,
    scope: revoked.indirect ? 'none' : scopeOf(extensions),
    tbs: signed.whole,
    algorithm: oidText(new DerReader(algorithm, where).take(tags.oid, 'algorithm').value, where),
    signature,
  }
}

function fromPem(octets: Uint8Array): Uint8Array {
  if (octets[0] !== 0x2d) return octets
  const [, body] =
    /-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----/.exec(Buffer.from(octets).toString('latin1')) ??
    []
  if (body === undefined) throw new WireError('CRL', 0, 'PEM without a list; -----BEGIN X509 CRL----- is right')
  return Uint8Array.from(Buffer.from(body, 'base64'))
}

function entries(list: DerReader | undefined): { readonly map: Map<string, number>; readonly indirect: boolean } {
  const map = new Map<string, number>()
  let indirect = false
  while (list?.more) {
    const entry = list.inside(tags.sequence, 'an entry')
    const serial = hex(entry.take(tags.integer, 'serial number').value)
    const at = time(entry.any('revocation date'), 'CRL, revocation date')
    const more = entry.optionalInside(tags.sequence, 'extensions')
    let removed = false
    while (more?.more) {
      const { id, critical, value } = readExtension(more)
      // 8: it was on hold and is no more (RFC 5280 §5.3.1).
      if (id === oid.reasonCode) removed = value[2] === 8
      else if (critical) indirect = true
    }
    if (!removed) map.set(serial, at)
  }
  return { map, indirect }
}

function scopeOf(extensions: DerReader | undefined): Crl['scope'] {
  let scope: Crl['scope'] = 'all'
  while (extensions?.more) {
    const { id, critical, value } = readExtension(extensions)
    if (id === oid.issuingDistributionPoint) scope = pointScope(value)
    else if (critical) return 'none'
    if (scope === 'none') return scope
  }
  return scope
}

function pointScope(value: Uint8Array): Crl['scope'] {
  const point = new DerReader(value, 'CRL, issuing distribution point').inside(tags.sequence, 'the point')
  let scope: Crl['scope'] = 'all'
  while (point.more) {
    const { tag, value: flag } = point.any('a part')
    if (tag === implicit(1) && flag[0]) scope = 'others'
    else if (tag === implicit(2) && flag[0]) scope = 'authorities'
    // Only some reasons, lists of several issuers, attribute certificates.
    else if (tag === implicit(3) || ((tag === implicit(4) || tag === implicit(5)) && flag[0])) return 'none'
  }
  return scope
}

/** What the list says of a certificate of this issuer. Clocks may differ by five minutes. */
export function askCrl(crl: Crl, certificate: Certificate, issuer: Certificate, at: number): Standing {
  const fault = crlFault(crl, certificate, issuer, at)
  if (fault) return { is: 'unknown', why: fault }
  const revokedAt = crl.revoked.get(certificate.serial)
  // A list that is out of date still knows whom it revoked.
  if (revokedAt !== undefined) return { is: 'revoked', at: revokedAt }
  if (crl.nextUpdate !== undefined && at > crl.nextUpdate + skewMs)
    return {
      is: 'unknown',
      why: `the revocation list of ${showName(crl.issuer)} expired on ${new Date(crl.nextUpdate).toISOString()}`,
    }
  return { is: 'good', until: crl.nextUpdate ?? at }
}

const skewMs = 300_000

function crlFault(crl: Crl, certificate: Certificate, issuer: Certificate, at: number): string | undefined {
  if (nameKey(crl.issuer) !== nameKey(issuer.subject))
    return `the revocation list is of ${showName(crl.issuer)} and not of ${showName(issuer.subject)}`
  if (issuer.keyUsage && !issuer.keyUsage.has(usageBit.crlSign))
    return `${showName(issuer.subject)} may not sign revocation lists (key usage)`
  if (!verifies(crl, issuer.publicKey)) return `the revocation list of ${showName(crl.issuer)} is not signed by it`
  if (crl.thisUpdate > at + skewMs)
    return `the revocation list of ${showName(crl.issuer)} is from the future: the clock here may be wrong`
  const authority = certificate.basicConstraints?.ca ?? false
  const covered =
    crl.scope === 'all' || (crl.scope === 'authorities' ? authority : crl.scope === 'others' && !authority)
  return covered ? undefined : `the revocation list of ${showName(crl.issuer)} is not for certificates of this kind`
}

/** A signature of X.509 over its signed part. */
export function verifies(
  { tbs, algorithm, signature }: Pick<Crl, 'tbs' | 'algorithm' | 'signature'>,
  key: KeyObject,
): boolean {
  const hash = signatureHash[algorithm]
  if (hash === undefined) return false
  try {
    return verify(hash, tbs, key, signature)
  } catch {
    return false
  }
}
