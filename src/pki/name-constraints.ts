// Name constraints (RFC 5280 §4.2.1.10): an authority may speak for some names only, and so may all below it.
import type { Certificate, GeneralName, NameConstraints } from './certificate.ts'
import { showName, within } from './names.ts'
import { oid } from './oids.ts'

/** Why the names of a certificate break the constraints, in words, or undefined. */
export function constraintFault(certificate: Certificate, constraints: NameConstraints): string | undefined {
  for (const name of namesOf(certificate)) {
    const alike = (base: GeneralName) => base.is === name.is
    const unknown = [...constraints.permitted, ...constraints.excluded].some(
      (base) => name.is === 'other' && base.is === 'other' && base.tag === name.tag,
    )
    if (unknown) return `its name ${showGeneral(name)} is of a kind that is constrained and not understood here`
    if (constraints.excluded.some((base) => alike(base) && covers(base, name)))
      return `its name ${showGeneral(name)} is excluded`
    const permitted = constraints.permitted.filter(alike)
    if (permitted.length > 0 && !permitted.some((base) => covers(base, name)))
      return `its name ${showGeneral(name)} is none of those permitted`
  }
  return undefined
}

/** All that is compared: the alternative names, the subject, and mail addresses inside the subject where there are no alternative ones. */
function namesOf({ subject, altNames }: Certificate): GeneralName[] {
  const directory: GeneralName[] = subject.parts.length > 0 ? [{ is: 'directory', name: subject }] : []
  const mails: GeneralName[] = altNames.some(({ is }) => is === 'email')
    ? []
    : subject.parts
        .flat()
        .flatMap(({ type, text }) => (type === oid.emailAddress ? [{ is: 'email', text } as const] : []))
  return [...directory, ...altNames, ...mails]
}

function covers(base: GeneralName, name: GeneralName): boolean {
  if (base.is === 'directory' && name.is === 'directory') return within(name.name, base.name)
  if (base.is === 'ip' && name.is === 'ip') return inNetwork(name.octets, base.octets)
  if (!('text' in base) || !('text' in name)) return false
  const wanted = base.text.toLowerCase()
  const text = name.text.toLowerCase()
  if (base.is === 'dns') return wanted === '' || text === wanted || text.endsWith(`.${wanted.replace(/^\./, '')}`)
  if (base.is === 'uri')
    return hostCovers(wanted, /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?([^/:?#]*)/.exec(text)?.[1] ?? '')
  if (wanted.includes('@')) return text === wanted
  return hostCovers(wanted, text.slice(text.lastIndexOf('@') + 1))
}

// With a leading dot: every host below; without: that host.
function hostCovers(base: string, host: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) : host === base
}

function inNetwork(address: Uint8Array, base: Uint8Array): boolean {
  const { length } = address
  if (base.length !== 2 * length) return false
  return address.every((octet, i) => (octet & base[length + i]!) === (base[i]! & base[length + i]!))
}

export function showGeneral(name: GeneralName): string {
  switch (name.is) {
    case 'directory':
      return showName(name.name)
    case 'ip':
      return name.octets.length === 4 ? name.octets.join('.') : Buffer.from(name.octets).toString('hex')
    case 'other':
      return `of kind ${name.tag & 0x1f}`
    default:
      return JSON.stringify(name.text.slice(0, 80))
  }
}
