// An authority as values: its register of what was issued, and the files that each order makes. Who keeps the files is src/cli's; nothing here touches a disk.
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type Certificate, parseCertificate } from './certificate.ts'
import { pem } from './der-reader.ts'
import { issue, issueCrl, signerOf } from './issue.ts'
import { commonName, type Name, nameOf } from './names.ts'
import { oid } from './oids.ts'
import { pkcs12 } from './pkcs12.ts'

export type Issued = {
  readonly name: string
  readonly kind: 'gateway' | 'client'
  readonly serial: string
  /** Milliseconds since 1970, as everywhere here. */
  readonly notAfter: number
  readonly altNames: readonly string[]
  readonly ecdsa: boolean
  readonly days: number
  revokedAt?: number
}

export type Register = {
  readonly crlUrl: string | undefined
  crlNumber: number
  /** When the list has to be there anew; absent in registers of earlier versions. */
  crlNextUpdate?: number
  /**
   * The folder is on the gateway itself, whose clock may have been wrong: certificates begin with the authority. The gateway's user reads its key, and
   * clients' keys stand in their bundles alone.
   */
  readonly onGateway?: true
  readonly issued: Issued[]
}

export type Authority = {
  readonly certificate: Certificate
  readonly key: KeyObject
  readonly register: Register
}

/** `readers`: the group is the folder's. */
export type File = {
  readonly name: string
  readonly content: string | Uint8Array
  readonly readers: 'owner' | 'group' | 'all'
}

export const dayMs = 86_400_000
/** Days of a certificate. On the gateway those of the authority, which are fewer: its clock may have been years behind. */
export const usualDays = 825
export const mostDays = 9125
/** Our own: a list is good for so long. */
export const crlDays = 30
/** Our own: made anew in good time by whoever sees to that; two thirds of its time are left for a machine that is switched off. */
const crlStaleDays = 20
/** Clocks of clients run behind. */
const backdateMs = 3_600_000
/** Files of the authority itself. */
const reserved = ['ca', 'crl', 'issued']

/** What a certificate's name may be, which is its files' name too; undefined where it is one. */
export function nameFault(name: string): string | undefined {
  if (!/^[\w@.-]{1,64}$/.test(name) || /^[.-]/.test(name))
    return `${name}: letters, digits, dots, hyphens and @ are right, such as gw.example.org or alice`
  return reserved.includes(name.toLowerCase())
    ? `${name} is what a file of the authority is called; another name is right`
    : undefined
}

function newKey(ecdsa: boolean): KeyObject {
  return ecdsa
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

const keyPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string

export type AuthorityOrder = {
  readonly subject: Name
  readonly years: number
  readonly ecdsa: boolean
  readonly crlUrl: string | undefined
  /** On the gateway itself: a moment that certainly is over, whatever the clock says. */
  readonly onGateway?: { readonly notBefore: number }
}

/** A new authority, and its files but the list and the register. */
export function newAuthority(
  { subject, years, ecdsa, crlUrl, onGateway }: AuthorityOrder,
  now: number,
): { readonly authority: Authority; readonly files: readonly File[] } {
  const key = newKey(ecdsa)
  const der = issue(
    {
      subject,
      altNames: [],
      publicKey: key,
      notBefore: Math.min(now - backdateMs, onGateway?.notBefore ?? now),
      notAfter: now + years * 365.25 * dayMs,
      authority: { pathLength: 0 },
      extendedKeyUsage: [],
      crlUrls: [],
    },
    { subject, key },
  )
  return {
    authority: {
      certificate: parseCertificate(der),
      key,
      register: { crlUrl, crlNumber: 0, ...(onGateway ? { onGateway: true } : {}), issued: [] },
    },
    files: [
      { name: 'ca.key', content: keyPem(key), readers: 'owner' },
      { name: 'ca.pem', content: pem('CERTIFICATE', der), readers: 'all' },
    ],
  }
}

/** The list made anew, and the register, in this order: what is registered as revoked stands in the list. */
export function renewList({ certificate, key, register }: Authority, now: number): readonly File[] {
  register.crlNumber++
  register.crlNextUpdate = now + crlDays * dayMs
  const revoked = register.issued.flatMap(({ serial, revokedAt }) =>
    revokedAt === undefined ? [] : [{ serial, at: revokedAt }],
  )
  const crl = issueCrl(
    { number: register.crlNumber, thisUpdate: now - 60_000, nextUpdate: register.crlNextUpdate, revoked },
    signerOf(certificate, key),
  )
  return [
    { name: 'crl.pem', content: pem('X509 CRL', crl), readers: 'all' },
    { name: 'crl.crl', content: crl, readers: 'all' },
    registerFile(register),
  ]
}

/** Whether the list is to be made anew: it ends soon, or it is from a time when the clock was ahead. */
export function listIsStale({ register }: Pick<Authority, 'register'>, now: number): boolean {
  const { crlNextUpdate = 0 } = register
  return crlNextUpdate - now < crlStaleDays * dayMs || crlNextUpdate - now > crlDays * dayMs + backdateMs
}

export function registerFile(register: Register): File {
  return { name: 'issued.json', content: `${JSON.stringify(register, null, 2)}\n`, readers: 'owner' }
}

export type CertificateOrder = Pick<Issued, 'name' | 'kind' | 'altNames' | 'ecdsa' | 'days'>

/** A certificate and its key; a client's also as a PKCS #12 bundle under the password. It stands in the register afterwards, whose file is to follow. */
export function issueTo(
  { certificate, key, register }: Authority,
  order: CertificateOrder,
  password: string,
  now: number,
): readonly File[] {
  const { name, kind, altNames, ecdsa, days } = order
  const own = newKey(ecdsa)
  const notAfter = Math.min(now + days * dayMs, certificate.notAfter)
  const der = issue(
    {
      subject: nameOf(`CN=${name}`),
      altNames,
      publicKey: own,
      notBefore: register.onGateway ? certificate.notBefore : now - backdateMs,
      notAfter,
      authority: undefined,
      extendedKeyUsage:
        kind === 'gateway'
          ? [oid.serverAuth, oid.ipsecIkeIntermediate, oid.ipsecIke]
          : [oid.clientAuth, oid.ipsecIkeIntermediate],
      crlUrls: register.crlUrl === undefined ? [] : [register.crlUrl],
    },
    signerOf(certificate, key),
  )
  register.issued.push({ name, kind, serial: parseCertificate(der).serial, notAfter, altNames, ecdsa, days })
  const clear: File = { name: `${name}.key`, content: keyPem(own), readers: register.onGateway ? 'group' : 'owner' }
  const files: File[] = [{ name: `${name}.pem`, content: pem('CERTIFICATE', der), readers: 'all' }]
  if (kind === 'gateway' || !register.onGateway) files.push(clear)
  if (kind === 'client') {
    const friendlyName = `${name} (${commonName(certificate.subject) ?? 'VPN'})`
    const content = pkcs12({ key: own, certificates: [der, certificate.der], friendlyName }, password)
    files.push({ name: `${name}.p12`, content, readers: 'owner' })
  }
  return files
}
