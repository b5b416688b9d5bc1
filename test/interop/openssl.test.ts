// OpenSSL as the other side of our certificates: its OCSP responder, its revocation lists over HTTP, its PKCS #7. Processes on the loopback, a few seconds.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources } from '../../src/cli/revocation-sources.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import { Judge } from '../../src/pki/judge.ts'
import { oid } from '../../src/pki/oids.ts'
import { bagOf } from '../../src/pki/pkcs7.ts'
import { Revocation } from '../../src/pki/revocation.ts'
import type { RuleSettings } from '../../src/pki/settings.ts'
import { signatureMethod, signHash } from '../../src/pki/signature.ts'
import { authority, certify, type Issued } from '../fakes/authority.ts'
import { ensureFiles } from './lab/packages.ts'
import { must, until } from './lab/run.ts'

const day = 86_400_000
const times = { kind: 'rsa', notBefore: Date.now() - day, notAfter: Date.now() + 30 * day } as const
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-openssl-'))
const at = (name: string) => join(folder, name)
const openssl = (...args: readonly string[]) => must('openssl', args, { timeoutMs: 60_000 })

const root = authority('CN=Root, O=Lab', times)
const signer = certify('CN=Answers, O=Lab', { ...times, extendedKeyUsage: [oid.ocspSigning] }, root)
let responder: ChildProcess
let lists: Server
let listPort: number
let ocspPort: number
const asked: string[] = []

/** A line of OpenSSL's own database of certificates. */
function indexed({ certificate }: Issued, state: 'V' | 'R'): string {
  const time = (ms: number) =>
    new Date(ms)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, '')
      .slice(2)
  const revoked = state === 'R' ? time(Date.now() - 60_000) : ''
  const serial = certificate.serial.replace(/^00/, '').toUpperCase()
  return `${[state, time(certificate.notAfter), revoked, serial, 'unknown', '/CN=x'].join('\t')}\n`
}

let written = Date.now() / 1000

/** The responder reads its database again where the time of it, in whole seconds, is another. */
function index(lines: string): void {
  writeFileSync(at('index.txt'), lines)
  written += 10
  utimesSync(at('index.txt'), written, written)
}

async function startResponder(): Promise<number> {
  const args = ['-CA', at('root.pem'), '-rsigner', at('signer.pem'), '-rkey', at('signer.key'), '-nmin', '5']
  const child = spawn('openssl', ['ocsp', '-port', '0', '-index', at('index.txt'), ...args])
  responder = child
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  return until('openssl ocsp to listen', () => Number(/^ACCEPT .*:(\d+) /m.exec(said)?.[1]) || undefined, {
    timeoutMs: 30_000,
  })
}

function serve(): Promise<number> {
  lists = createServer(({ url = '' }, response) => {
    asked.push(url)
    if (url === '/endless') {
      const timer = setInterval(() => response.write(Buffer.alloc(4096)), 1)
      response.on('close', () => clearInterval(timer))
    } else if (url === '/list.crl') response.end(readFileSync(at('list.crl')))
    else response.writeHead(404).end()
  })
  return new Promise((resolve) => lists.listen(0, '127.0.0.1', () => resolve((lists.address() as AddressInfo).port)))
}

beforeAll(async () => {
  await ensureFiles({ openssl: '/usr/bin/openssl' })
  writeFileSync(at('root.pem'), root.pem)
  writeFileSync(at('root.key'), root.keyPem)
  writeFileSync(at('signer.pem'), signer.pem)
  writeFileSync(at('signer.key'), signer.keyPem)
  index('')
  writeFileSync(at('crlnumber'), '01\n')
  writeFileSync(
    at('ca.conf'),
    `[ca]\ndefault_ca = it\n[it]\ndatabase = ${at('index.txt')}\ncrlnumber = ${at('crlnumber')}\ndefault_md = sha256\ndefault_crl_days = 1\n`,
  )
  listPort = await serve()
  ocspPort = await startResponder()
}, 600_000)
afterAll(() => {
  responder?.kill()
  lists?.close()
  rmSync(folder, { recursive: true, force: true })
})

const rule = (revocation: 'standard' | 'strict'): RuleSettings => ({
  name: 'x',
  authorities: [],
  intermediates: [],
  revocation,
  ocsp: true,
  crls: [],
  purpose: 'client',
  identities: [],
  weak: false,
})

/** What is said in the two strengths that look. */
async function said(one: { readonly certificate: Certificate }): Promise<(string | undefined)[]> {
  const path = [one.certificate, root.certificate]
  const faults = (['standard', 'strict'] as const).map((strength) =>
    new Revocation(sources).fault(path, rule(strength)),
  )
  return (await Promise.all(faults)).map((fault) => fault?.why)
}

const fine = [undefined, undefined]
const revoked = expect.stringMatching(/^the certificate of CN=bob was revoked on 20\d\d-\d\d-\d\d by CN=Root, O=Lab/)

describe('an OCSP responder', () => {
  const made = (name: string, port = ocspPort) =>
    certify(`CN=${name}`, { ...times, ocspUrls: [`http://127.0.0.1:${port}/`] }, root)

  test('good, revoked, and not known to it; its answers are signed by whom the authority lets', async () => {
    const [alice, bob, carol] = [made('alice'), made('bob'), made('carol')] as const
    index(indexed(alice, 'V') + indexed(bob, 'R'))
    expect(await said(alice)).toEqual(fine)
    expect(await said(bob)).toEqual([revoked, revoked])
    expect(await said(carol)).toEqual([
      undefined,
      expect.stringMatching(
        /CN=carol was revoked can't be found out \(the OCSP server does not know the certificate\)/,
      ),
    ])
  })

  test('one that nobody is at', async () => {
    const closed = createServer()
    await new Promise<void>((bound) => closed.listen(0, '127.0.0.1', bound))
    const { port } = closed.address() as AddressInfo
    await new Promise((done) => closed.close(done))
    expect(await said(made('dave', port))).toEqual([
      undefined,
      expect.stringMatching(/can't be found out \(http:\/\/127.0.0.1:\d+\/ does not answer: .*ECONNREFUSED.*strict/),
    ])
  })
})

describe('lists over HTTP', () => {
  const made = (name: string, path = '/list.crl') =>
    certify(`CN=${name}`, { ...times, crlUrls: [`http://127.0.0.1:${listPort}${path}`] }, root)

  test.each(['PEM', 'DER'])('as OpenSSL makes them, %s', async (form) => {
    const [alice, bob] = [made('alice'), made('bob')]
    index(indexed(alice, 'V') + indexed(bob, 'R'))
    const files = ['-keyfile', at('root.key'), '-cert', at('root.pem'), '-out', at('list.pem')]
    await openssl('ca', '-gencrl', '-config', at('ca.conf'), ...files)
    await openssl('crl', '-in', at('list.pem'), '-outform', form, '-out', at('list.crl'))
    expect(await said(alice)).toEqual(fine)
    expect(await said(bob)).toEqual([revoked, revoked])
  })

  test('asked for once, kept', async () => {
    asked.length = 0
    const revocation = new Revocation(sources)
    for (const name of ['erin', 'frank', 'grace'])
      expect(await revocation.fault([made(name).certificate, root.certificate], rule('strict'))).toBeUndefined()
    expect(asked).toEqual(['/list.crl'])
  })

  test('none there, and one without an end', async () => {
    expect((await said(made('heidi', '/none')))[1]).toMatch(/can't be found out \(http:.*\/none answers 404\)/)
    await expect(sources.http(`http://127.0.0.1:${listPort}/endless`, { most: 100_000 })).rejects.toThrow(
      'sends more than 100000 octets',
    )
  })
})

describe('PKCS #7, the form in which Windows sends its chain', () => {
  const middle = authority('CN=Middle, O=Lab', { ...times, authority: { pathLength: 0 } }, root)
  const leaf = certify('CN=alice, O=Lab', times, middle)

  test.each([
    ['the authority first', [middle, leaf], undefined],
    ['with the root, and a revocation list', [leaf, root, middle], 'list.pem'],
  ] as const)('a peer is believed by it: %s', async (_, order, list) => {
    writeFileSync(at('chain.pem'), order.map(({ pem }) => pem).join(''))
    const given = list ? ['-in', at(list)] : ['-nocrl']
    await openssl('crl2pkcs7', ...given, '-certfile', at('chain.pem'), '-outform', 'DER', '-out', at('chain.p7b'))
    const judge = new Judge(new Revocation(sources), () => Date.now())
    judge.configure({ rules: [{ ...rule('standard'), authorities: [root.certificate.der] }], keys: [] })
    const hash = new Uint8Array(20).fill(7)
    expect(
      await judge.work({
        do: 'verify',
        rule: 'x',
        method: signatureMethod.rsa,
        hash,
        signature: signHash(leaf.key, hash),
        certificates: [{ encoding: 1, data: Uint8Array.from(readFileSync(at('chain.p7b'))) }],
        identity: { idType: 9, data: leaf.certificate.subject.der },
        role: 'initiator',
      }),
    ).toEqual({ is: 'verified', subject: 'CN=alice, O=Lab' })
  })

  test('ours is read by OpenSSL', async () => {
    writeFileSync(at('ours.p7b'), bagOf([leaf.certificate.der, middle.certificate.der]))
    const printed = await openssl('pkcs7', '-inform', 'DER', '-in', at('ours.p7b'), '-print_certs', '-noout')
    expect(printed.match(/^subject=.*$/gm)).toEqual([
      expect.stringMatching(/CN = alice/),
      expect.stringMatching(/CN = Middle/),
    ])
  })
})
