// PKCS #7 as a bag of certificates (RFC 5652 §5, degenerate: nobody signs anything): Windows sends its chain so, in one CERT payload of encoding 1.

import { WireError } from '../wire/errors.ts'
import { context, DerReader, oidText, tags } from './der-reader.ts'
import { derExplicit, derNumber, derOid, derSequence, derSet } from './der-writer.ts'
import { oid } from './oids.ts'

// Ours: more certificates than any chain has.
const mostCertificates = 16

/** The certificates inside, as DER, in their order; signatures and lists in it are passed over. */
export function certificatesIn(octets: Uint8Array): Uint8Array[] {
  const where = 'PKCS #7'
  const outer = new DerReader(octets, where)
  const info = outer.inside(tags.sequence, 'content info')
  outer.end()
  const type = oidText(info.take(tags.oid, 'content type').value, where)
  if (type !== oid.signedData) throw new WireError(where, 0, `content ${type} and not signed data`)
  const signed = info.inside(context(0), 'content').inside(tags.sequence, 'signed data')
  signed.take(tags.integer, 'version')
  signed.take(tags.set, 'digest algorithms')
  signed.take(tags.sequence, 'encapsulated content')
  const certificates = signed.optionalInside(context(0), 'certificates')
  const found: Uint8Array[] = []
  while (certificates?.more) {
    const one = certificates.any('a certificate')
    // Other kinds of certificates (attributes, PKCS #6) have context tags.
    if (one.tag === tags.sequence) found.push(one.whole)
    if (found.length > mostCertificates) throw new WireError(where, 0, `more than ${mostCertificates} certificates`)
  }
  return found
}

/** One PKCS #7 of these certificates. */
export function bagOf(certificates: readonly Uint8Array[]): Uint8Array {
  const signed = derSequence(
    derNumber(1),
    derSet(),
    derSequence(derOid(oid.data)),
    derExplicit(0, ...certificates),
    derSet(),
  )
  return derSequence(derOid(oid.signedData), derExplicit(0, signed))
}
