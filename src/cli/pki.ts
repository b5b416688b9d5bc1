// `gatehouse pki`: an authority in a folder, for people who have none: certificates for the gateway and for clients, renewed, revoked, listed. The folder holds
// the authority's key (0600), its certificate, what it issued (issued.json) and its revocation list; every file is written whole or not at all.
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline/promises'
import { type Certificate, parseCertificate } from '../pki/certificate.ts'
import { readCertificates } from '../pki/credential.ts'
import { pem } from '../pki/der-reader.ts'
import { issue, issueCrl, signerOf } from '../pki/issue.ts'
import { commonName, nameOf, showName } from '../pki/names.ts'
import { oid } from '../pki/oids.ts'
import { pkcs12 } from '../pki/pkcs12.ts'
import { command, parse, UsageError } from './arguments.ts'

const usage = `gatehouse pki ca|gateway|client|renew|revoke|crl|list [options]

  ca NAME [--years 10]                    makes an authority: NAME such as "Example VPN", or "CN=…, O=…"
  gateway NAME [--address A …] [--days 825]
                                          a certificate for a gateway: the name that clients dial, more names and addresses
  client NAME [--password TEXT] [--days 825]
                                          one for a client: NAME.p12 holds key, certificate and authority, for Windows, macOS, iOS and Android
  renew NAME                              the same again, with a new key and a new time; the old one is revoked
  revoke NAME|SERIAL                      what it was for no longer comes in, once the gateway has the new list
  crl                                     writes the revocation list anew: publish crl.pem before it expires (30 days)
  list                                    what was issued, until when, what was revoked

  --dir DIR                the authority's folder (./pki)
  --crl-url URL            with ca: where the list will be published; stands in each certificate
  --ecdsa                  a P-256 key in place of RSA with 2048 bits (Windows 2000 to Server 2003 know RSA only)
  --password-file FILE     or GATEHOUSE_P12_PASSWORD: a command line is public
`

type Issued = {
  readonly name: string
  readonly kind: 'gateway' | 'client'
  readonly serial: string
  readonly notAfter: number
  readonly altNames: readonly string[]
  readonly ecdsa: boolean
  readonly days: number
  revokedAt?: number
}
type Register = { readonly crlUrl: string | undefined; crlNumber: number; readonly issued: Issued[] }

type Authority = {
  readonly folder: string
  readonly certificate: Certificate
  readonly key: KeyObject
  readonly register: Register
}

const day = 86_400_000
/** Our own: a list is good for so long; renew it by cron before. */
const crlDays = 30
/** Clocks of clients run behind. */
const backdateMs = 3_600_000

type Values = Partial<Record<'dir' | 'crl-url' | 'years' | 'days' | 'password' | 'password-file', string>> & {
  address?: string[]
  ecdsa?: boolean
}

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
        address: { type: 'string', multiple: true },
        ecdsa: { type: 'boolean' },
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
    if (!act) throw new UsageError(`${verb}: ca, gateway, client, renew, revoke, crl or list is right`)
    await act(folder, name, values as Values)
    return 0
  })
}

const verbs: Readonly<
  Record<string, (folder: string, name: string | undefined, values: Values) => void | Promise<void>>
> = {
  ca: makeAuthority,
  gateway: (folder, name, values) => make(folder, 'gateway', name, values),
  client: (folder, name, values) => make(folder, 'client', name, values),
  renew,
  revoke,
  crl: (folder) => {
    writeCrl(openAuthority(folder))
    say(`${join(folder, 'crl.pem')}: publish it before ${date(Date.now() + crlDays * day)}`)
  },
  list,
}

const say = (line: string) => void process.stdout.write(`${line}\n`)
const date = (at: number) => new Date(at).toISOString().slice(0, 10)

function needed(name: string | undefined, what: string): string {
  if (name === undefined || name === '') throw new UsageError(`${what} is missing; gatehouse pki --help`)
  return name
}

function whole(text: string | undefined, fallback: number, option: string, most: number): number {
  const value = Number(text ?? fallback)
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new UsageError(`${option} ${text}: a whole number from 1 to ${most} is right`)
}

function newKey(ecdsa: boolean): KeyObject {
  return ecdsa
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
}

const keyPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }) as string

function write(folder: string, file: string, content: string | Uint8Array, mode = 0o644): string {
  const path = join(folder, file)
  const fresh = `${path}.${process.pid}.new`
  const open = openSync(fresh, 'wx', mode)
  try {
    writeSync(open, Buffer.from(content))
    fsyncSync(open)
  } finally {
    closeSync(open)
  }
  renameSync(fresh, path)
  return path
}

// --- the authority ----------------------------------------------------------------------------------------------------------------------

function makeAuthority(folder: string, given: string | undefined, values: Values): void {
  const subject = nameOf(needed(given, "the authority's name"))
  if (existsSync(join(folder, 'ca.key')))
    throw new Error(`${folder} holds an authority already; another --dir is right`)
  const years = whole(values.years, 10, '--years', 30)
  const url = values['crl-url']
  if (url !== undefined && !/^http:\/\/\S+$/.test(url))
    throw new UsageError(`--crl-url ${url}: an http address is right`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const key = newKey(values.ecdsa ?? false)
  const now = Date.now()
  const der = issue(
    {
      subject,
      altNames: [],
      publicKey: key,
      notBefore: now - backdateMs,
      notAfter: now + years * 365.25 * day,
      authority: { pathLength: 0 },
      extendedKeyUsage: [],
      crlUrls: [],
    },
    { subject, key },
  )
  write(folder, 'ca.key', keyPem(key), 0o600)
  const path = write(folder, 'ca.pem', pem('CERTIFICATE', der))
  const register: Register = { crlUrl: url, crlNumber: 0, issued: [] }
  writeCrl({ folder, certificate: parseCertificate(der), key, register })
  say(
    `${path}: the authority ${showName(subject)}, until ${date(now + years * 365.25 * day)}; keep ${join(folder, 'ca.key')} safe and off the gateway`,
  )
}

function openAuthority(folder: string): Authority {
  const read = (file: string) => {
    try {
      return readFileSync(join(folder, file), 'utf8')
    } catch {
      throw new Error(
        `${folder} holds no authority (${file} is missing); make one with: gatehouse pki ca NAME --dir ${folder}`,
      )
    }
  }
  const [certificate] = readCertificates(read('ca.pem'), join(folder, 'ca.pem'))
  return {
    folder,
    certificate: certificate!,
    key: createPrivateKey(read('ca.key')),
    register: JSON.parse(read('issued.json')),
  }
}

/** The list and the register, in this order: what is registered as revoked stands in the list. */
function writeCrl({ folder, certificate, key, register }: Authority): void {
  const now = Date.now()
  register.crlNumber++
  const revoked = register.issued.flatMap(({ serial, revokedAt }) =>
    revokedAt === undefined ? [] : [{ serial, at: revokedAt }],
  )
  const crl = issueCrl(
    { number: register.crlNumber, thisUpdate: now - 60_000, nextUpdate: now + crlDays * day, revoked },
    signerOf(certificate, key),
  )
  write(folder, 'crl.pem', pem('X509 CRL', crl))
  write(folder, 'crl.crl', crl)
  save(folder, register)
}

function save(folder: string, register: Register): void {
  write(folder, 'issued.json', `${JSON.stringify(register, null, 2)}\n`, 0o600)
}

// --- certificates -----------------------------------------------------------------------------------------------------------------------

async function make(folder: string, kind: Issued['kind'], given: string | undefined, values: Values): Promise<void> {
  const name = needed(given, `the ${kind}'s name`)
  if (!/^[\w@.-]{1,64}$/.test(name))
    throw new UsageError(`${name}: letters, digits, dots, hyphens and @ are right, such as gw.example.org or alice`)
  const authority = openAuthority(folder)
  if (authority.register.issued.some((one) => one.name === name && one.revokedAt === undefined))
    throw new Error(`${name} has a certificate; gatehouse pki renew ${name} makes a new one, revoke ${name} ends it`)
  const password = kind === 'client' ? await passwordOf(values) : ''
  const altNames = kind === 'gateway' ? [...new Set([name, ...(values.address ?? [])])] : [name]
  const days = whole(values.days, 825, '--days', 9125)
  issueOne(authority, { name, kind, altNames, ecdsa: values.ecdsa ?? false, days }, password)
}

function issueOne(
  { folder, certificate, key, register }: Authority,
  { name, kind, altNames, ecdsa, days }: Pick<Issued, 'name' | 'kind' | 'altNames' | 'ecdsa' | 'days'>,
  password: string,
): void {
  const own = newKey(ecdsa)
  const now = Date.now()
  const notAfter = Math.min(now + days * day, certificate.notAfter)
  const purposes =
    kind === 'gateway'
      ? [oid.serverAuth, oid.ipsecIkeIntermediate, oid.ipsecIke]
      : [oid.clientAuth, oid.ipsecIkeIntermediate]
  const der = issue(
    {
      subject: nameOf(`CN=${name}`),
      altNames,
      publicKey: own,
      notBefore: now - backdateMs,
      notAfter,
      authority: undefined,
      extendedKeyUsage: purposes,
      crlUrls: register.crlUrl === undefined ? [] : [register.crlUrl],
    },
    signerOf(certificate, key),
  )
  const { serial } = parseCertificate(der)
  register.issued.push({ name, kind, serial, notAfter, altNames, ecdsa, days })
  write(folder, `${name}.pem`, pem('CERTIFICATE', der))
  write(folder, `${name}.key`, keyPem(own), 0o600)
  if (kind === 'client') {
    const bundle = pkcs12(
      {
        key: own,
        certificates: [der, certificate.der],
        friendlyName: `${name} (${commonName(certificate.subject) ?? 'VPN'})`,
      },
      password,
    )
    write(folder, `${name}.p12`, bundle, 0o600)
  }
  save(folder, register)
  say(
    kind === 'client'
      ? `${join(folder, `${name}.p12`)}: for ${name}, until ${date(notAfter)}; on Windows it goes into the computer's store (certlm.msc), not the user's`
      : `${join(folder, `${name}.pem`)} and ${name}.key: for ${altNames.join(', ')}, until ${date(notAfter)}`,
  )
}

async function passwordOf(values: Values): Promise<string> {
  const file = values['password-file']
  const given =
    values.password ??
    (file === undefined ? process.env.GATEHOUSE_P12_PASSWORD : readFileSync(file, 'utf8').replace(/\r?\n$/, ''))
  if (given !== undefined && given !== '') return given
  if (!process.stdin.isTTY)
    throw new UsageError('a password for the PKCS #12 file is missing: --password-file FILE or GATEHOUSE_P12_PASSWORD')
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const typed = await lines.question('Password for the PKCS #12 file: ')
  lines.close()
  return needed(typed, 'a password')
}

async function renew(folder: string, given: string | undefined, values: Values): Promise<void> {
  const name = needed(given, 'the name')
  const authority = openAuthority(folder)
  const old = authority.register.issued.findLast((one) => one.name === name)
  if (!old) throw new Error(`${name} has no certificate of this authority; gatehouse pki list shows who has`)
  const password = old.kind === 'client' ? await passwordOf(values) : ''
  old.revokedAt ??= Date.now()
  issueOne(authority, { ...old, days: whole(values.days, old.days, '--days', 9125) }, password)
  writeCrl(authority)
  say(
    'the one before is revoked: put the new crl.pem where the gateway reads it, once the new certificate is installed',
  )
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
  writeCrl(authority)
  say(`${wanted} is revoked: put ${join(folder, 'crl.pem')} where the gateway reads it`)
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
