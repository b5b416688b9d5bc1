// Certificates, lists and answers: what any peer, and any server that a certificate names, can send.
import { parseCertificate } from '../../../src/pki/certificate.ts'
import { parseCrl } from '../../../src/pki/crl.ts'
import { DerReader } from '../../../src/pki/der-reader.ts'
import { identityFault } from '../../../src/pki/identity.ts'
import { constraintFault } from '../../../src/pki/name-constraints.ts'
import { parseName, showName } from '../../../src/pki/names.ts'
import { askOcsp } from '../../../src/pki/ocsp.ts'
import { bagOf, certificatesIn } from '../../../src/pki/pkcs7.ts'
import { authority, certify, crlOf, noon } from '../../fakes/authority.ts'
import { demand, parser, type Target } from '../target.ts'

const root = authority('CN=Root, O=Fuzz', { permitted: ['example.org', '10.0.0.0/255.0.0.0'] })
const leaf = certify(
  'CN=leaf, OU=Fuzz, O=Example',
  {
    altNames: ['gw.example.org', '10.0.0.1', 'a@example.org'],
    crlUrls: ['http://a/b'],
    ocspUrls: ['http://a/o'],
    extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'],
  },
  root,
)
const certificates = () => [root.certificate.der, leaf.certificate.der]
const lists = () => [crlOf(root), crlOf(root, [leaf, root])]

function shown(octets: Uint8Array): string {
  const one = parseCertificate(octets)
  const text = showName(one.subject)
  demand(/^[\x20-\x7e…]*$/.test(text), 'a shown name is printable')
  if (root.certificate.nameConstraints) constraintFault(one, root.certificate.nameConstraints)
  identityFault(one, 9, octets.subarray(0, 64))
  return `${one.altNames.map(({ is }) => is).join()} ${one.unknownCritical.length} ${one.keyUsage?.size} ${one.extendedKeyUsage?.length}`
}

function walk(octets: Uint8Array): string {
  let seen = 0
  for (const reader = new DerReader(octets, 'fuzz'); reader.more; ) seen += reader.any().value.length
  return String(Math.min(seen, 99))
}

export const pkiTargets: readonly Target[] = [
  parser('pki certificate', certificates, shown),
  parser('pki crl', lists, (octets) => {
    const { revoked, scope } = parseCrl(octets)
    return `${scope} ${Math.min(revoked.size, 9)}`
  }),
  parser(
    'pki pkcs7',
    () => [bagOf(certificates())],
    (octets) => String(certificatesIn(octets).length),
  ),
  parser(
    'pki ocsp',
    () => [Uint8Array.of(0x30, 3, 0x0a, 1, 6), leaf.certificate.der],
    (octets) => askOcsp(octets, leaf.certificate, root.certificate, noon).is,
  ),
  parser(
    'pki name',
    () => [leaf.certificate.subject.der],
    (octets) => String(parseName(octets, 'name').parts.length),
  ),
  parser('pki der', certificates, walk),
]
