// Whether a phase 1 ID is the certificate's own: its subject or one of its alternative names (RFC 4945 §3.1). Who holds a certificate may not call himself
// something else.
import { addressOctets, addressText } from '../wire/address.ts'
import { equal, printable } from '../wire/codec.ts'
import type { Certificate, GeneralName } from './certificate.ts'
import { showGeneral } from './name-constraints.ts'
import { commonName, nameKey, parseName, showName } from './names.ts'

/** Types of RFC 2407 §4.6.2.1 that a certificate can speak for. */
export const identityType = { ipv4: 1, fqdn: 2, userFqdn: 3, ipv6: 5, distinguishedName: 9 } as const

/** Why the ID is not the certificate's, in one sentence, or undefined. */
export function identityFault(certificate: Certificate, type: number, data: Uint8Array): string | undefined {
  if (matches(certificate, type, data)) return undefined
  const own = [showName(certificate.subject), ...certificate.altNames.map(showGeneral)].slice(0, 4).join('; ')
  return `the peer calls itself ${showId(type, data)}, and its certificate speaks for ${own}: let it use its certificate's subject as its ID, or have the certificate issued with that name`
}

function matches({ subject, altNames }: Certificate, type: number, data: Uint8Array): boolean {
  switch (type) {
    case identityType.distinguishedName:
      return sameName(subject, data) && subject.parts.length > 0
    case identityType.fqdn:
      return hasText(altNames, 'dns', text(data))
    case identityType.userFqdn:
      return hasText(altNames, 'email', text(data))
    case identityType.ipv4:
    case identityType.ipv6:
      return altNames.some((name) => name.is === 'ip' && equal(name.octets, data))
    default:
      return false
  }
}

const text = (data: Uint8Array) => Buffer.from(data).toString('latin1')

function sameName(subject: Certificate['subject'], data: Uint8Array): boolean {
  if (equal(subject.der, data)) return true
  try {
    return nameKey(parseName(data, 'ID')) === nameKey(subject)
  } catch {
    return false
  }
}

function hasText(names: readonly GeneralName[], is: 'dns' | 'email', wanted: string): boolean {
  return names.some((name) => name.is === is && name.text.toLowerCase() === wanted.toLowerCase())
}

export function showId(type: number, data: Uint8Array): string {
  if ((type === identityType.ipv4 && data.length === 4) || (type === identityType.ipv6 && data.length === 16))
    return addressText(data)
  if (type === identityType.fqdn || type === identityType.userFqdn) return printable(data)
  if (type !== identityType.distinguishedName) return `an ID of type ${type}`
  try {
    return showName(parseName(data, 'ID'))
  } catch {
    return 'a name that can not be read'
  }
}

/**
 * Whether the certificate is that of the peer that was meant: an address, a host name (`*.example.org` in the certificate covers one label), a mail
 * address, or a subject (`CN=gw, O=Example`).
 */
export function speaksFor(certificate: Certificate, meant: string): boolean {
  const { subject, altNames } = certificate
  const octets = addressOctets(meant)
  if (octets) return altNames.some((name) => name.is === 'ip' && equal(name.octets, octets))
  if (meant.includes('=')) return showName(subject).toLowerCase() === meant.trim().toLowerCase()
  if (meant.includes('@')) return hasText(altNames, 'email', meant)
  const names = altNames.flatMap((name) => (name.is === 'dns' ? [name.text] : []))
  // Old authorities name hosts in the subject only.
  if (names.length === 0) names.push(commonName(subject) ?? '')
  return names.some((name) => coversHost(name.toLowerCase(), meant.toLowerCase()))
}

function coversHost(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return name === host
  return host.includes('.') && host.slice(host.indexOf('.')) === name.slice(1) && name.split('.').length > 2
}
