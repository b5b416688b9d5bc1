// How sites prove themselves, as IKE takes it: keys, certificate rules and the order of methods, by each of the peer's addresses.
import type { CertificatesEntry } from '../config/certificates-section.ts'
import type { SiteEntry } from '../config/configuration.ts'
import type { CertificateRule, IkePolicy } from '../ike/contract.ts'
import { certificateRulesOf, siteRule } from './certificates.ts'

export type SitesAuthentication = Required<Pick<IkePolicy, 'preSharedKeys' | 'certificates' | 'methods'>>

/** Certificates and keys are read once for each entry: names of peers are resolved again and again. */
const read = new WeakMap<CertificatesEntry, readonly CertificateRule[]>()

/** Rules of policies bring methods of their own for a peer; such a site has none here. */
export function siteAuthenticationOf(
  sites: readonly { readonly entry: SiteEntry; readonly addresses: readonly string[] }[],
): SitesAuthentication {
  const each = sites.flatMap(({ entry: { name, authentication }, addresses }) =>
    addresses.map((peer) => ({ peer, name, ...authentication })),
  )
  return {
    preSharedKeys: each.flatMap(({ peer, preSharedKey: key }) => (key ? [{ peer, key }] : [])),
    certificates: each.flatMap(({ peer, name, certificates }) =>
      certificates ? rulesOf(certificates, name).map((rule) => ({ ...rule, peer })) : [],
    ),
    methods: each.flatMap(({ peer, methods }) => (methods.length > 0 ? [{ peer, order: methods }] : [])),
  }
}

function rulesOf(entry: CertificatesEntry, name: string): readonly CertificateRule[] {
  const rules = read.get(entry) ?? certificateRulesOf(entry, 'any', siteRule(name))
  read.set(entry, rules)
  return rules
}

/** What an entry keeps secret, to be compared. */
export function secretsOf({
  authentication: { preSharedKey, certificates },
}: SiteEntry): readonly (string | undefined)[] {
  return [preSharedKey?.revealText(), ...(certificates?.own ?? []).map(({ key }) => key.revealText())]
}
