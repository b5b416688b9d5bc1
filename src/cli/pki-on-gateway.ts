// `gatehouse pki setup` and `upkeep`: the verbs of a gateway that is its own authority. The console's wizard runs the first, a timer on boards the second.
//
// A board's clock may be wrong when it is set up: there is no network to ask yet. So nothing depends on it: certificates begin at the date of the firmware,
// which is over whatever the clock says, and end with the authority, ten years on. The list is made anew as soon as the clock is right.
import { statSync } from 'node:fs'
import { typable } from '../control/typable.ts'
import {
  type Authority,
  dayMs,
  issueTo,
  listIsStale,
  mostDays,
  newAuthority,
  registerFile,
  renewList,
} from '../pki/authority.ts'
import { nameOf } from '../pki/names.ts'
import { UsageError } from './arguments.ts'
import { hasAuthority, locked, makeFolder, openAuthority, writeFiles } from './authority-folder.ts'
import { altNames, date, named, say, sayBundle, usualYears, type Values, validOf } from './pki-order.ts'

/** Days before an authority's end in which upkeep speaks of it. */
const endDays = 180
/** Written by the image's build, with the date of the sources. */
const imageFile = '/etc/gatehouse/board'

/** Authority, gateway's certificate and a first client's; a new folder appears whole or not at all. */
export async function setup(folder: string, given: string | undefined, values: Values): Promise<void> {
  const name = named(given, "the gateway's name")
  const client = named(values.client, "the first client's name (--client)")
  if (client === name) throw new UsageError(`${name} is the gateway's name; another is right for the client`)
  const names = altNames(name, values)
  const ecdsa = values.ecdsa ?? false
  const password = typable(4)
  const fill = (place: string, authority: Authority) =>
    complete(place, authority, { name, names, client, ecdsa }, password)
  let issued = true
  if (values.anew || !hasAuthority(folder)) {
    makeFolder(folder, (scratch) => {
      const now = Date.now()
      const order = { subject: nameOf(`Gatehouse ${name}`), years: usualYears, ecdsa, crlUrl: undefined }
      const { authority, files } = newAuthority({ ...order, onGateway: { notBefore: imageDate(now) } }, now)
      writeFiles(scratch, [...files, ...renewList(authority, now)])
      fill(scratch, authority)
    })
  } else issued = await locked(folder, () => fill(folder, openAuthority(folder)))
  if (issued) sayBundle(folder, client, password)
  else say(`${client} has a certificate already; once it is revoked, a new one can be issued`)
}

type Wanted = {
  readonly name: string
  readonly names: readonly string[]
  readonly client: string
  readonly ecdsa: boolean
}

/** Issues what is missing; true where the client got one. */
function complete(
  place: string,
  authority: Authority,
  { name, names, client, ecdsa }: Wanted,
  password: string,
): boolean {
  const { register } = authority
  if (!register.onGateway)
    throw new Error(
      `the authority in ${place} was made for elsewhere: its folder is not for a gateway to read; another --dir is right`,
    )
  const now = Date.now()
  const keep = (files: ReturnType<typeof issueTo>) => writeFiles(place, [...files, registerFile(register)])
  if (!validOf(authority, name).some(({ altNames }) => names.every((one) => altNames.includes(one))))
    keep(issueTo(authority, { name, kind: 'gateway', altNames: names, ecdsa, days: mostDays }, '', now))
  if (validOf(authority, client).length > 0) return false
  keep(issueTo(authority, { name: client, kind: 'client', altNames: [client], ecdsa, days: mostDays }, password, now))
  return true
}

/** A moment that is over for certain, however wrong the clock is. */
function imageDate(now: number): number {
  return statSync(imageFile, { throwIfNoEntry: false })?.mtimeMs ?? now
}

export function upkeep(folder: string): void {
  const authority = openAuthority(folder)
  const { register, certificate } = authority
  const now = Date.now()
  if (certificate.notAfter - now < endDays * dayMs)
    say(
      `the authority ends on ${date(certificate.notAfter)}, and with it all that it issued: make another (setup) and issue anew`,
    )
  if (!listIsStale(authority, now)) return say(`the revocation list is good until ${date(register.crlNextUpdate!)}`)
  writeFiles(folder, renewList(authority, now))
  say(`the revocation list is made anew, and good until ${date(register.crlNextUpdate!)}`)
}
