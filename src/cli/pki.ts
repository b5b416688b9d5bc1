// `gatehouse pki`: an authority in a folder, for people who have none: certificates for the gateway and for clients, renewed, revoked, listed.
import { mkdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { typable } from '../control/typable.ts'
import {
  type Authority,
  crlDays,
  dayMs,
  issueTo,
  mostDays,
  newAuthority,
  registerFile,
  renewList,
  usualDays,
} from '../pki/authority.ts'
import { nameOf, showName } from '../pki/names.ts'
import { command, parse, UsageError } from './arguments.ts'
import { hasAuthority, locked, openAuthority, writeFiles } from './authority-folder.ts'
import { setup, upkeep } from './pki-on-gateway.ts'
import {
  altNames,
  date,
  named,
  needed,
  say,
  sayBundle,
  sayClient,
  sayGateway,
  usualYears,
  type Values,
  validOf,
} from './pki-order.ts'

const usage = `gatehouse pki ca|gateway|client|show|renew|revoke|crl|list|setup|upkeep [options]

  ca NAME [--years 10]                    makes an authority: NAME such as "Example VPN", or "CN=…, O=…"
  gateway NAME [--address A …] [--days 825]
                                          a certificate for a gateway: the name that clients dial, more names and addresses
  client NAME [--password TEXT] [--days 825] [--text]
                                          one for a client: NAME.p12 holds key, certificate and authority, for Windows, macOS, iOS and Android
  show NAME                               a client's NAME.p12 as text again
  renew NAME [--text]                     the same again, with a new key and a new time; the old one is revoked
  revoke NAME|SERIAL                      what it was for no longer comes in, once the gateway has the new list
  crl                                     writes the revocation list anew: publish crl.pem before it expires (30 days)
  list                                    what was issued, until when, what was revoked
  setup NAME [--address A …] --client NAME [--anew]
                                          all at once where the gateway itself is the authority: the wizard's way. An authority that is there is
                                          used; --anew makes another in its place
  upkeep                                  the list anew where it ends within 20 days: by a timer, on the gateway

  --dir DIR                the authority's folder (./pki)
  --crl-url URL            with ca: where the list will be published; stands in each certificate
  --ecdsa                  a P-256 key in place of RSA with 2048 bits (Windows 2000 to Server 2003 know RSA only)
  --text                   shows the bundle as lines of text, for a serial line; without a password one is made up
  --password-file FILE     or GATEHOUSE_P12_PASSWORD: a command line is public
`

export function run(args: readonly string[]): Promise<number> {
  return command('pki', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: {
        dir: { type: 'string' },
        'crl-url': { type: 'string' },
        years: { type: 'string' },
        days: { type: 'string' },
        password: { type: 'string' },
        'password-file': { type: 'string' },
        client: { type: 'string' },
        address: { type: 'string', multiple: true },
        ecdsa: { type: 'boolean' },
        text: { type: 'boolean' },
        anew: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
    const [verb, name, ...more] = positionals
    if (values.help || verb === undefined || more.length > 0) {
      process.stdout.write(usage)
      return values.help ? 0 : 2
    }
    const folder = resolve(values.dir ?? 'pki')
    const act = verbs[verb]
    if (!act)
      throw new UsageError(`${verb}: ca, gateway, client, show, renew, revoke, crl, list, setup or upkeep is right`)
    await act(folder, name, values as Values)
    return 0
  })
}

const verbs: Readonly<
  Record<string, (folder: string, name: string | undefined, values: Values) => void | Promise<void>>
> = {
  ca: makeAuthority,
  gateway: makeGateway,
  client: makeClient,
  show,
  renew,
  revoke: (folder, name) => locked(folder, () => revoke(folder, name)),
  crl: (folder) =>
    locked(folder, () => {
      writeFiles(folder, renewList(openAuthority(folder), Date.now()))
      say(`${join(folder, 'crl.pem')}: publish it before ${date(Date.now() + crlDays * dayMs)}`)
    }),
  list,
  setup,
  upkeep: (folder) => locked(folder, () => upkeep(folder)),
}

function whole(text: string | undefined, fallback: number, option: string, most: number): number {
  const value = Number(text ?? fallback)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${option} ${text}: a whole number from 1 to ${most} is right`)
}

// --- the authority ----------------------------------------------------------------------------------------------------------------------

function makeAuthority(folder: string, given: string | undefined, values: Values): void {
  const subject = nameOf(needed(given, "the authority's name"))
  if (hasAuthority(folder)) throw new Error(`${folder} holds an authority already; another --dir is right`)
  const years = whole(values.years, usualYears, '--years', 30)
  const crlUrl = values['crl-url']
  if (crlUrl !== undefined && !/^http:\/\/\S+$/.test(crlUrl))
    throw new UsageError(`--crl-url ${crlUrl}: an http address is right`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const now = Date.now()
  const { authority, files } = newAuthority({ subject, years, ecdsa: values.ecdsa ?? false, crlUrl }, now)
  writeFiles(folder, [...files, ...renewList(authority, now)])
  say(
    `${join(folder, 'ca.pem')}: the authority ${showName(subject)}, until ${date(authority.certificate.notAfter)}; keep ${join(folder, 'ca.key')} safe and off the gateway`,
  )
}

// --- certificates -----------------------------------------------------------------------------------------------------------------------

function daysOf({ register }: Authority, values: Values, usual = usualDays): number {
  return whole(values.days, register.onGateway ? mostDays : usual, '--days', mostDays)
}

function unused(authority: Authority, name: string): void {
  if (validOf(authority, name).length > 0)
    throw new Error(`${name} has a certificate; gatehouse pki renew ${name} makes a new one, revoke ${name} ends it`)
}

function makeGateway(folder: string, given: string | undefined, values: Values): Promise<void> {
  const name = named(given, "the gateway's name")
  return locked(folder, () => {
    const authority = openAuthority(folder)
    unused(authority, name)
    const names = altNames(name, values)
    const ecdsa = values.ecdsa ?? false
    const order = { name, kind: 'gateway', altNames: names, ecdsa, days: daysOf(authority, values) } as const
    writeFiles(folder, [...issueTo(authority, order, '', Date.now()), registerFile(authority.register)])
    sayGateway(folder, authority, name)
  })
}

async function makeClient(folder: string, given: string | undefined, values: Values): Promise<void> {
  const name = named(given, "the client's name")
  unused(openAuthority(folder), name)
  const password = await passwordOf(values)
  await locked(folder, () => {
    const authority = openAuthority(folder)
    unused(authority, name)
    const ecdsa = values.ecdsa ?? false
    const order = { name, kind: 'client', altNames: [name], ecdsa, days: daysOf(authority, values) } as const
    writeFiles(folder, [...issueTo(authority, order, password, Date.now()), registerFile(authority.register)])
    if (values.text) sayBundle(folder, name, password)
    else sayClient(folder, authority, name)
  })
}

async function renew(folder: string, given: string | undefined, values: Values): Promise<void> {
  const name = needed(given, 'the name')
  const last = (authority: Authority) => {
    const old = authority.register.issued.findLast((one) => one.name === name)
    if (!old) throw new Error(`${name} has no certificate of this authority; gatehouse pki list shows who has`)
    return old
  }
  const { kind } = last(openAuthority(folder))
  const password = kind === 'client' ? await passwordOf(values) : ''
  await locked(folder, () => {
    const authority = openAuthority(folder)
    const old = last(authority)
    old.revokedAt ??= Date.now()
    const order = { ...old, days: daysOf(authority, values, old.days) }
    const files = issueTo(authority, order, password, Date.now())
    writeFiles(folder, [...files, ...renewList(authority, Date.now())])
    if (kind === 'gateway') sayGateway(folder, authority, name)
    else if (values.text) sayBundle(folder, name, password)
    else sayClient(folder, authority, name)
    say(
      'the one before is revoked: put the new crl.pem where the gateway reads it, once the new certificate is installed',
    )
  })
}

function revoke(folder: string, given: string | undefined): void {
  const wanted = needed(given, 'a name or serial number')
  const authority = openAuthority(folder)
  const found = authority.register.issued.filter(
    (one) => (one.name === wanted || one.serial === wanted.toLowerCase()) && one.revokedAt === undefined,
  )
  if (found.length === 0)
    throw new Error(`${wanted} has no certificate that is valid; gatehouse pki list shows what was issued`)
  for (const one of found) one.revokedAt = Date.now()
  writeFiles(folder, renewList(authority, Date.now()))
  say(
    authority.register.onGateway
      ? `${wanted} is revoked`
      : `${wanted} is revoked: put ${join(folder, 'crl.pem')} where the gateway reads it`,
  )
}

function list(folder: string): void {
  const { register } = openAuthority(folder)
  for (const { name, kind, serial, notAfter, revokedAt } of register.issued) {
    const state =
      revokedAt !== undefined
        ? `revoked ${date(revokedAt)}`
        : notAfter < Date.now()
          ? `expired ${date(notAfter)}`
          : `until ${date(notAfter)}`
    say(`${name.padEnd(24)} ${kind.padEnd(8)} ${state.padEnd(20)} ${serial}`)
  }
}

function show(folder: string, given: string | undefined): void {
  const name = needed(given, "the client's name")
  const authority = openAuthority(folder)
  if (!validOf(authority, name).some(({ kind }) => kind === 'client'))
    throw new Error(`no client ${name} has a certificate that is valid; gatehouse pki list shows what was issued`)
  sayBundle(folder, name, undefined)
}

async function passwordOf(values: Values): Promise<string> {
  const file = values['password-file']
  const given =
    values.password ??
    (file === undefined ? process.env.GATEHOUSE_P12_PASSWORD : readFileSync(file, 'utf8').replace(/\r?\n$/, ''))
  if (given !== undefined && given !== '') return given
  if (values.text) return typable(4)
  if (!process.stdin.isTTY)
    throw new UsageError('a password for the PKCS #12 file is missing: --password-file FILE or GATEHOUSE_P12_PASSWORD')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const typed = await lines.question('Password for the PKCS #12 file: ')
  lines.close()
  return needed(typed, 'a password')
}
