// What the assigned policy's rules say of authentication, as IKE takes it beside remote access's own: keys, the order of methods and certificate rules by peer.
// With the built-in L2TP rule switched off (Windows' ProhibitIpSec) remote access brings no key and no method of its own: the rules' are all there is.
import type { CertificatesEntry } from '../config/certificates-section.ts'
import type { Configuration } from '../config/configuration.ts'
import type { IkePolicy } from '../ike/contract.ts'
import { readCertificates } from '../pki/credential.ts'
import { pem } from '../pki/der-reader.ts'
import { showName } from '../pki/names.ts'
import { authoritiesOf, keysOf, orderOf, ruleAuthenticationOf } from '../policy/rule-keys.ts'

type Authentication = Required<Pick<IkePolicy, 'preSharedKeys' | 'methods'>>

/** Keys and methods of rules and of remote access. */
export function authenticationOf({
  remoteAccess,
  policies,
}: Pick<Configuration, 'remoteAccess' | 'policies'>): Authentication {
  const rules = ruleAuthenticationOf(policies)
  const byRule = rules.filter(({ peer }) => peer !== 'any').map((rule) => ({ peer: rule.peer, order: orderOf(rule) }))
  const everybody = rules.find(({ peer }) => peer === 'any')
  const own = policies.builtInL2tpRule
  const forAny = [...(everybody ? orderOf(everybody) : []), ...(own || !everybody ? remoteAccess.methods : [])]
  return {
    preSharedKeys: [
      ...rules.flatMap(keysOf),
      ...(own ? remoteAccess.preSharedKeys : []),
      ...(own && remoteAccess.preSharedKey ? [{ peer: 'any', key: remoteAccess.preSharedKey }] : []),
    ],
    methods: [...byRule, { peer: 'any', order: [...new Set(forAny)] }],
  }
}

/** Certificates for peers of rules: ours are those of remote access, and of its authorities those that the rule names. */
export type RuleCertificates = { readonly peer: string; readonly name: string; readonly entry: CertificatesEntry }

/** Throws an Error where a rule names an authority that isn't trusted. */
export function ruleCertificatesOf({
  remoteAccess: { certificates },
  policies,
}: Pick<Configuration, 'remoteAccess' | 'policies'>): RuleCertificates[] {
  return ruleAuthenticationOf(policies).flatMap((rule) => {
    const authorities = authoritiesOf(rule)
    if (authorities === undefined) return []
    if (!certificates)
      throw new Error(`a rule for ${rule.peer} takes certificates, and remoteAccess.certificates has none`)
    // Everybody's certificates serve L2TP as well.
    if (rule.peer === 'any' && policies.builtInL2tpRule) return []
    const named =
      authorities === 'any' ? certificates.authorities : authorities.map((name) => authority(name, certificates))
    return [{ peer: rule.peer, name: `policy for ${rule.peer}`, entry: { ...certificates, authorities: named } }]
  })
}

function authority(wanted: string, { authorities }: CertificatesEntry): string {
  // One file may hold several.
  const all = authorities.flatMap((text) =>
    readCertificates(text, 'certificates.authorities').map(({ subject, der }) => ({
      text: pem('CERTIFICATE', der),
      name: showName(subject),
    })),
  )
  const plain = (name: string) => name.toLowerCase().replace(/\s*([,=])\s*/g, '$1')
  const found = all.find(({ name }) => plain(name) === plain(wanted))
  if (found) return found.text
  const known = all.map(({ name }) => name).join('; ')
  throw new Error(
    `a rule names the authority ${wanted}, which is none of remoteAccess.certificates.authorities; known are ${known}`,
  )
}
