// Our own certificate and key, read from PEM and tried together: what is configured wrongly shall be told when it is read, not when a peer calls.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { type Certificate, parseCertificate } from './certificate.ts'
import { pemBlocks } from './der-reader.ts'
import { identityType } from './identity.ts'
import { nameKey, showName } from './names.ts'
import { bagOf } from './pkcs7.ts'
import { methodOf } from './signature.ts'

/** Has the shape of IKE's Credential. */
export type OwnCredential = {
  readonly name: string
  readonly method: number
  readonly chain: readonly Uint8Array[]
  readonly pkcs7: Uint8Array
  readonly issuers: readonly Uint8Array[]
  readonly identity: { readonly idType: number; readonly data: Uint8Array }
}

/** Certificates of a PEM text. Throws an Error whose message says what would be right. */
export function readCertificates(pem: string, what: string): Certificate[] {
  const blocks = pemBlocks(pem, '(?:TRUSTED |X509 )?CERTIFICATE')
  if (blocks.length === 0) throw new Error(`${what} holds no certificate; PEM (-----BEGIN CERTIFICATE-----) is right`)
  return blocks.map((der) => {
    try {
      return parseCertificate(der)
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`)
    }
  })
}

/** A private key of a PEM text, without a passphrase. */
export function readKey(pem: string, what: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (error) {
    throw new Error(
      `${what} is no private key that can be read (${(error as Error).message}); PEM without a passphrase is right`,
    )
  }
}

/**
 * The credential of a chain and its key. Certificates may come in any order: the one that the key belongs to goes first, then its issuers; a self-signed
 * root is not sent. Throws an Error whose message says what would be right.
 */
export function credentialOf(name: string, certificates: readonly Certificate[], key: KeyObject): OwnCredential {
  const own = certificates.find((one) => one.x509.checkPrivateKey(key))
  if (!own)
    throw new Error(
      `the key belongs to none of the certificates of ${name}; the key that the certificate was made for is right`,
    )
  const method = methodOf(key)
  if (method === undefined)
    throw new Error(
      `the key of ${name} is of a kind that IKEv1 can't sign with; RSA, or ECDSA with P-256, P-384 or P-521 is right`,
    )
  const chain = [own]
  for (let last = own; chain.length < 8; ) {
    const issuer = certificates.find(
      (one) => !chain.includes(one) && nameKey(one.subject) === nameKey(last.issuer) && last.x509.checkIssued(one.x509),
    )
    if (!issuer || nameKey(issuer.subject) === nameKey(issuer.issuer)) break
    chain.push(issuer)
    last = issuer
  }
  const ders = chain.map(({ der }) => der)
  return {
    name,
    method,
    chain: ders,
    pkcs7: bagOf(ders),
    issuers: chain.map(({ issuer }) => issuer.der),
    identity: { idType: identityType.distinguishedName, data: own.subject.der },
  }
}

/** For `check` and the log. */
export function describe(certificates: readonly Certificate[], key: KeyObject): string {
  const own = certificates.find((one) => one.x509.checkPrivateKey(key))
  return own ? `${showName(own.subject)}, until ${new Date(own.notAfter).toISOString().slice(0, 10)}` : 'none'
}
