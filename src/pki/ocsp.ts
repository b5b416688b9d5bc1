// OCSP (RFC 6960): the question about one certificate, and what an answer is worth. Answers without a nonce are taken: they are signed, dated and cached.
import { createHash, type X509Certificate } from 'node:crypto'
import { derInteger } from '../crypto/der.ts'
import { equal, hex, unhex } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { type Certificate, parseCertificate } from './certificate.ts'
import { type Standing, verifies } from './crl.ts'
import { context, DerReader, implicit, oidText, tags, time } from './der-reader.ts'
import { derNull, derOctets, derOid, derSequence } from './der-writer.ts'
import { showName } from './names.ts'
import { oid } from './oids.ts'

const sha1 = (octets: Uint8Array) => Uint8Array.from(createHash('sha1').update(octets).digest())

/** The request about one certificate (RFC 6960 §4.1.1), as DER. */
export function ocspRequest(certificate: Certificate, issuer: Certificate): Uint8Array {
  const id = derSequence(
    derSequence(derOid(oid.sha1), derNull),
    derOctets(sha1(issuer.subject.der)),
    derOctets(sha1(issuer.keyBits)),
    derInteger(unhex(certificate.serial)),
  )
  return derSequence(derSequence(derSequence(derSequence(id))))
}

// Ours: an answer about one certificate with a certificate or two in it.
export const longestOcsp = 65_536
const skewMs = 300_000
/** Ours: an answer that doesn't say until when it holds does so for an hour. */
const holdsMs = 3_600_000

/** What an answer says of the certificate. Throws WireError where it does not parse. */
export function askOcsp(octets: Uint8Array, certificate: Certificate, issuer: Certificate, at: number): Standing {
  const where = 'OCSP'
  if (octets.length > longestOcsp)
    throw new WireError(where, 0, `${octets.length} octets; at most ${longestOcsp} are read`)
  const outer = new DerReader(octets, where)
  const response = outer.inside(tags.sequence, 'response')
  outer.end()
  const status = response.take(tags.enumerated, 'status').value[0]
  if (status !== 0) return { is: 'unknown', why: `the OCSP server answers with error ${status}` }
  const bytes = response.inside(context(0), 'response bytes').inside(tags.sequence, 'response bytes')
  const type = oidText(bytes.take(tags.oid, 'type').value, where)
  if (type !== oid.ocspBasic) return { is: 'unknown', why: `the OCSP server answers in the form ${type}` }
  return askBasic(bytes.take(tags.octetString, 'basic response').value, certificate, issuer, at)
}

function askBasic(octets: Uint8Array, certificate: Certificate, issuer: Certificate, at: number): Standing {
  const where = 'OCSP'
  const outer = new DerReader(octets, where)
  const basic = outer.inside(tags.sequence, 'basic response')
  outer.end()
  const data = basic.take(tags.sequence, 'response data')
  const algorithm = oidText(basic.inside(tags.sequence, 'algorithm').take(tags.oid, 'algorithm').value, where)
  const signature = basic.take(tags.bitString, 'signature').value.subarray(1)
  const certificates = basic.optionalInside(context(0), 'certificates')?.inside(tags.sequence, 'certificates')
  const signers = [issuer, ...delegates(certificates, issuer, at)]
  if (!signers.some((one) => verifies({ tbs: data.whole, algorithm, signature }, one.publicKey)))
    return { is: 'unknown', why: `the OCSP answer is signed by nobody whom ${showName(issuer.subject)} lets sign it` }
  return singleOf(new DerReader(data.value, where), certificate, issuer, at)
}

/** Certificates in the answer that the issuer made for signing answers. */
function delegates(certificates: DerReader | undefined, issuer: Certificate, at: number): Certificate[] {
  const found: Certificate[] = []
  while (certificates?.more && found.length < 4) {
    const one = parseCertificate(certificates.take(tags.sequence, 'a certificate').whole)
    const valid = at >= one.notBefore && at <= one.notAfter && one.unknownCritical.length === 0
    if (valid && one.extendedKeyUsage?.includes(oid.ocspSigning) && issued(one.x509, issuer)) found.push(one)
  }
  return found
}

function issued(x509: X509Certificate, issuer: Certificate): boolean {
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.publicKey)
}

function singleOf(data: DerReader, certificate: Certificate, issuer: Certificate, at: number): Standing {
  data.optional(context(0), 'version')
  data.any('responder')
  data.take(tags.generalizedTime, 'produced at')
  const singles = data.inside(tags.sequence, 'responses')
  while (singles.more) {
    const single = singles.inside(tags.sequence, 'a response')
    if (!isFor(single.inside(tags.sequence, 'certificate id'), certificate, issuer)) continue
    const status = single.any('status')
    const thisUpdate = time(single.take(tags.generalizedTime, 'this update'), 'OCSP, this update')
    const next = single.optionalInside(context(0), 'next update')
    const until = next
      ? time(next.take(tags.generalizedTime, 'next update'), 'OCSP, next update')
      : thisUpdate + holdsMs
    if (thisUpdate > at + skewMs)
      return { is: 'unknown', why: 'the OCSP answer is from the future: the clock here may be wrong' }
    if (until + skewMs < at)
      return { is: 'unknown', why: `the OCSP answer expired on ${new Date(until).toISOString()}` }
    if (status.tag === implicit(0)) return { is: 'good', until }
    if (status.tag !== context(1)) return { is: 'unknown', why: 'the OCSP server does not know the certificate' }
    return {
      is: 'revoked',
      at: time(new DerReader(status.value, 'OCSP').any('revocation time'), 'OCSP, revocation time'),
    }
  }
  return { is: 'unknown', why: 'the OCSP answer is about another certificate' }
}

function isFor(id: DerReader, certificate: Certificate, issuer: Certificate): boolean {
  const algorithm = oidText(id.inside(tags.sequence, 'hash').take(tags.oid, 'hash').value, 'OCSP')
  const hash = algorithm === oid.sha1 ? 'sha1' : algorithm === oid.sha256 ? 'sha256' : undefined
  const name = id.take(tags.octetString, 'issuer name').value
  const key = id.take(tags.octetString, 'issuer key').value
  const serial = hex(id.take(tags.integer, 'serial').value)
  if (hash === undefined || serial !== certificate.serial) return false
  const digest = (octets: Uint8Array) => Uint8Array.from(createHash(hash).update(octets).digest())
  return equal(name, digest(issuer.subject.der)) && equal(key, digest(issuer.keyBits))
}
