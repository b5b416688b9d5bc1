// An authority in memory for tests: chains of any depth, certificates with anything wrong in them, and their keys.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type Certificate, parseCertificate } from '../../src/pki/certificate.ts'
import { pem } from '../../src/pki/der-reader.ts'
import { issue, issueCrl, type Order } from '../../src/pki/issue.ts'
import { nameOf } from '../../src/pki/names.ts'

export type Kind = 'rsa' | 'P-256' | 'P-384' | 'P-521'

export type Issued = {
  readonly certificate: Certificate
  readonly key: KeyObject
  readonly pem: string
  readonly keyPem: string
}

/** The moment at which everything in these tests happens. */
export const noon = Date.UTC(2026, 5, 1, 12)
const year = 365 * 86_400_000

export function newKey(kind: Kind = 'P-256'): KeyObject {
  return kind === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    : generateKeyPairSync('ec', { namedCurve: kind }).privateKey
}

export type Wish = Partial<Omit<Order, 'subject'>> & {
  readonly kind?: Kind
  readonly hash?: 'sha1' | 'sha256' | 'md5'
  readonly key?: KeyObject
}

/** Signed by `by`, or by itself. */
export function certify(subject: string, wish: Wish = {}, by?: Issued): Issued {
  const { kind, hash = 'sha256', key = newKey(kind), ...rest } = wish
  const name = nameOf(subject)
  const der = issue(
    {
      subject: name,
      altNames: [],
      publicKey: key,
      notBefore: noon - year,
      notAfter: noon + year,
      authority: undefined,
      extendedKeyUsage: [],
      crlUrls: [],
      ...rest,
    },
    { subject: by?.certificate.subject ?? name, key: by?.key ?? key, hash },
  )
  return {
    certificate: parseCertificate(der),
    key,
    pem: pem('CERTIFICATE', der),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

export function authority(subject = 'CN=Root, O=Example', wish: Wish = {}, by?: Issued): Issued {
  return certify(subject, { authority: { pathLength: undefined }, ...wish }, by)
}

/** The list of an authority, as DER. */
export function crlOf(
  by: Issued,
  revoked: readonly Issued[] = [],
  times: { from?: number; to?: number } = {},
): Uint8Array {
  return issueCrl(
    {
      number: 1,
      thisUpdate: times.from ?? noon - 3_600_000,
      nextUpdate: times.to ?? noon + 86_400_000,
      revoked: revoked.map(({ certificate }) => ({ serial: certificate.serial, at: noon - 1000 })),
    },
    { subject: by.certificate.subject, key: by.key },
  )
}
