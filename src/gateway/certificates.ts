// What the configured certificates mean to IKE (who we are, whom we ask for) and to the judge (what is believed). Read once for each configuration.
import type { CertificatesEntry } from '../config/certificates-section.ts'
import type { Configuration } from '../config/configuration.ts'
import type { CertificateRule } from '../ike/contract.ts'
import { credentialOf, readCertificates, readKey } from '../pki/credential.ts'
import { showName } from '../pki/names.ts'
import type { Purpose } from '../pki/path.ts'
import type { CertificateSettings, RuleSettings } from '../pki/settings.ts'
import { ruleCertificatesOf } from './rule-authentication.ts'

/** The one rule of remote access. */
const remoteAccess = 'remote access'

/** Throws an Error whose message says which certificate or key can't be used, and what would be right. */
export function certificateRulesOf(
  entry: CertificatesEntry | undefined,
  peer = 'any',
  name = remoteAccess,
): readonly CertificateRule[] {
  if (!entry) return []
  const own = entry.own.map(({ certificate, key }, i) =>
    credentialOf(
      credentialName(name, i),
      readCertificates(certificate, 'certificates.certificate'),
      readKey(key.revealText(), 'certificates.key'),
    ),
  )
  const authorities = entry.authorities.flatMap((pem) => readCertificates(pem, 'certificates.authorities'))
  return [{ peer, name, own, authorities: authorities.map(({ subject }) => subject.der) }]
}

const credentialName = (name: string, i: number) => `${name} ${i + 1}`

/** What the judge is given. */
export function certificateSettingsOf(
  configuration: Pick<Configuration, 'remoteAccess' | 'security' | 'policies' | 'sites'>,
): CertificateSettings {
  const { certificates } = configuration.remoteAccess
  const weak = configuration.security !== 'modern'
  const all = [
    settingsOf(certificates, { name: remoteAccess, purpose: 'client', weak }),
    // A rule's peer may be either.
    ...ruleCertificatesOf(configuration).map(({ entry, name }) => settingsOf(entry, { name, purpose: 'any', weak })),
    ...configuration.sites.map(({ name, authentication, peers }) =>
      settingsOf(authentication.certificates, { name: siteRule(name), purpose: 'any', weak, meant: peers }),
    ),
  ]
  return { rules: all.flatMap(({ rules }) => rules), keys: all.flatMap(({ keys }) => keys) }
}

/** What a site's rule is called. */
export const siteRule = (name: string) => `site ${name}`

/** `meant`: for whom the peer's certificate must speak where its entry doesn't say. */
type Judging = {
  readonly name?: string
  readonly purpose: Purpose
  readonly weak: boolean
  readonly meant?: readonly string[]
}

export function settingsOf(
  entry: CertificatesEntry | undefined,
  { name = remoteAccess, purpose, weak, meant = [] }: Judging,
): CertificateSettings {
  if (!entry) return { rules: [], keys: [] }
  const ders = (pems: readonly string[], what: string) =>
    pems.flatMap((pem) => readCertificates(pem, what).map(({ der }) => der))
  const { revocation, ocsp, crls, identity } = entry
  const rule: RuleSettings = {
    name,
    authorities: ders(entry.authorities, 'certificates.authorities'),
    intermediates: ders(entry.intermediates, 'certificates.intermediates'),
    revocation,
    ocsp,
    crls,
    purpose,
    identities: identity === undefined ? meant : identity === 'any' ? [] : [identity],
    weak,
  }
  return {
    rules: [rule],
    keys: entry.own.map(({ key }, i) => ({ credential: credentialName(name, i), pem: key.revealText() })),
  }
}

/** What is wrong with the certificates of a configuration, as `gatehouse check` says it, or undefined. */
export function certificatesFault(configuration: Configuration, at: number): string | undefined {
  const { remoteAccess, sites } = configuration
  const all = [remoteAccess.certificates, ...sites.map(({ authentication }) => authentication.certificates)]
  try {
    for (const entry of all) certificateRulesOf(entry)
    certificateSettingsOf(configuration)
    const expired = all
      .flatMap((entry) => entry?.own ?? [])
      .flatMap(({ certificate }) => readCertificates(certificate, 'certificates.certificate'))
      .find(({ notAfter }) => notAfter < at)
    return (
      expired &&
      `the certificate of ${showName(expired.subject)} expired on ${new Date(expired.notAfter).toISOString().slice(0, 10)}; renew it`
    )
  } catch (error) {
    return (error as Error).message
  }
}
