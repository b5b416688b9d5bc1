// A gateway that is its own authority, from the wizard to a machine that is revoked: the real commands on a real disk, and OpenSSL as whoever takes what
// they make. Processes and a few seconds, no network.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sources } from '../src/cli/revocation-sources.ts'
import { parseConfiguration } from '../src/config/parse.ts'
import type { Device } from '../src/console/device.ts'
import { linuxDevice } from '../src/console/linux-device.ts'
import { certificateSettingsOf } from '../src/gateway/certificates.ts'
import type { Certificate } from '../src/pki/certificate.ts'
import { readCertificates } from '../src/pki/credential.ts'
import { judge } from '../src/pki/path.ts'
import { Revocation } from '../src/pki/revocation.ts'
import { consoleOn } from './fakes/console-line.ts'
import { ensureFiles } from './interop/lab/packages.ts'
import { must } from './interop/lab/run.ts'

const gatehouse = fileURLToPath(new URL('../gatehouse', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-authority-'))
const config = join(folder, 'config', 'gatehouse.yaml')
const pki = join(folder, 'config', 'pki')
const at = (name: string) => join(folder, name)
const root = process.getuid?.() === 0
/** Stands for the gateway's user and group. */
const nobody = 65534
const openssl = (...args: readonly string[]) => must('openssl', args, { timeoutMs: 60_000 })
const certificates = (file: string): Certificate[] => readCertificates(readFileSync(file, 'utf8'), file)

/** The machine that the test runs on, but for its network and a gateway. */
const reloads: string[] = []
const device: Device = {
  ...linuxDevice({ config, state: at('run'), ports: ['wan0', 'lan0'], root: at('root') }),
  interfaces: () => ['lo', 'wan0', 'lan0'],
  portsNamed: async () => undefined,
  applySystem: async () => undefined,
  status: async () => ({}) as Awaited<ReturnType<Device['status']>>,
  reload: async () => {
    reloads.push(readFileSync(config, 'utf8'))
    return 'the gateway has taken the configuration into use'
  },
  log: () => undefined,
}

function run(...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(gatehouse, args, { encoding: 'utf8', timeout: 120_000 })
  return { status, stdout, stderr }
}

/** What the screen shows, as somebody copies it from a terminal with its line ends, made into a file by the command that it shows. */
function fromScreen(said: string): { file: string; password: string } {
  const [, name] = /make (\S+)\.p12 of it/.exec(said)!
  const [block] = /-----BEGIN PKCS12-----[\s\S]*-----END PKCS12-----\n/.exec(said)!
  writeFileSync(at(`${name}.txt`), block.replaceAll('\n', '\r\n'))
  const [, command] = / macOS, Linux +(.*)\n/.exec(said)!
  expect(spawnSync('sh', ['-c', command!], { cwd: folder }).status).toBe(0)
  return { file: at(`${name}.p12`), password: /Its password: (\S+) /.exec(said)?.[1] ?? '' }
}

/** The certificates in a bundle, the client's own first, after its key was tried with it. */
async function unpacked(said: string): Promise<readonly Certificate[]> {
  const { file, password } = fromScreen(said)
  const args = ['pkcs12', '-legacy', '-in', file, '-passin', `pass:${password}`]
  await openssl(...args, '-nokeys', '-out', at('all.pem'))
  await openssl(...args, '-nocerts', '-nodes', '-out', at('own.key'))
  const key = await openssl('pkey', '-in', at('own.key'), '-pubout')
  await openssl('x509', '-in', at('all.pem'), '-pubkey', '-noout', '-out', at('own.pub'))
  expect(readFileSync(at('own.pub'), 'utf8').trim()).toBe(key.trim())
  return certificates(at('all.pem'))
}

const verified = (...args: readonly string[]) =>
  spawnSync('openssl', ['verify', '-x509_strict', '-CAfile', join(pki, 'ca.pem'), ...args], { encoding: 'utf8' })

/** Why a client is refused by what the gateway is configured with, strict as it can be; undefined: it comes in. */
async function refused(file: string): Promise<string | undefined> {
  const text = readFileSync(config, 'utf8').replace('    crls:', '    revocation: strict\n    crls:')
  const outcome = parseConfiguration(text, (path) => readFileSync(path, 'utf8'), ['wan0', 'lan0'])
  if (outcome.is !== 'valid') throw new Error(JSON.stringify(outcome.faults))
  const [rule] = certificateSettingsOf(outcome.configuration).rules
  const authorities = certificates(join(pki, 'ca.pem'))
  const trust = { authorities, intermediates: [], weak: false }
  const judged = judge(certificates(file), trust, { at: Date.now(), purpose: 'client' })
  if (judged.is === 'refused') return judged.why
  return (await new Revocation(sources).fault(judged.path, rule!))?.why
}

let line: ReturnType<typeof consoleOn>
let said = ''

beforeAll(async () => {
  await ensureFiles({ openssl: '/usr/bin/openssl' })
  mkdirSync(join(folder, 'config'), { mode: 0o750 })
  chmodSync(folder, 0o711)
  if (root) chownSync(join(folder, 'config'), 0, nobody)
  line = consoleOn(device)
  line.terminal.rows = 0
  const answers = ['y', 'gw7', 'secret123', 'secret123', '', 'static', '192.0.2.2/24', '', '', 'none', 'certificates']
  for (const answer of [...answers, 'vpn.example.org 192.0.2.2', 'bob', '']) await line.type(`${answer}\r`)
  said = await line.type('\r', /gw7> $/)
}, 600_000)
afterAll(() => {
  line.hangUp()
  rmSync(folder, { recursive: true, force: true })
})

// One story: a test is not begun again in the middle of it.
describe('a gateway that is its own authority', { retry: 0 }, () => {
  test('the wizard writes what check takes, for the gateway alone to read', () => {
    expect(run('check', config)).toMatchObject({ status: 0, stderr: '' })
    const modes = ['.', 'ca.key', 'ca.pem', 'vpn.example.org.key', 'bob.p12', 'issued.json', 'crl.pem'].map((file) =>
      (statSync(join(pki, file)).mode & 0o777).toString(8),
    )
    expect(modes).toEqual(['750', '600', '644', '640', '600', '600', '644'])
    expect([existsSync(join(pki, 'bob.key')), existsSync(`${pki}.new`)]).toEqual([false, false])
  })

  test.runIf(root)("the gateway's user, who is in the folder's group, reads what it needs and no more", () => {
    const files = [
      'ca.pem',
      'crl.pem',
      'vpn.example.org.pem',
      'vpn.example.org.key',
      'ca.key',
      'bob.p12',
      'issued.json',
    ]
    const user = { uid: nobody, gid: nobody, encoding: 'utf8' } as const
    const readable = files.filter((file) => spawnSync('cat', [join(pki, file)], user).status === 0)
    expect(readable).toEqual(['ca.pem', 'crl.pem', 'vpn.example.org.pem', 'vpn.example.org.key'])
    expect(spawnSync('touch', [join(pki, 'x')], user).status).not.toBe(0)
  })

  test('the bundle on the screen becomes a file that OpenSSL opens, with the chain', async () => {
    const [own, authority] = await unpacked(said)
    expect(verified('-purpose', 'sslclient', at('all.pem'))).toMatchObject({ status: 0 })
    expect(authority!.der).toEqual(certificates(join(pki, 'ca.pem'))[0]!.der)
    expect(own!.notAfter).toBe(authority!.notAfter)
    expect(await refused(at('all.pem'))).toBeUndefined()
  })

  test('the gateway’s certificate speaks for all that clients dial', () => {
    const gateway = join(pki, 'vpn.example.org.pem')
    expect(verified('-purpose', 'sslserver', '-verify_hostname', 'vpn.example.org', gateway)).toMatchObject({
      status: 0,
    })
    expect(verified('-verify_ip', '192.0.2.2', gateway)).toMatchObject({ status: 0 })
  })

  test('another client: issued, listed, shown again; names complete', async () => {
    const issued = await line.type('certificate issue carol-laptop days 30\r', /gw7> $/)
    const [own] = await unpacked(issued)
    expect(own!.notAfter).toBeLessThan(Date.now() + 31 * 86_400_000)
    const again = await line.type('certificate show carol\t\r', /gw7> $/)
    expect(again).toContain('Its password was shown when it was made')
    const block = /-----BEGIN[\s\S]*?-----END/
    expect(block.exec(again)![0]).toBe(block.exec(issued)![0])
    expect(await line.type('certificate issue bob\r', /gw7> $/)).toContain('bob has a certificate')
    expect(await line.type('certificate list\r', /gw7> $/)).toMatch(
      /vpn\.example\.org +gateway +until .*\nbob +client +until .*\ncarol-laptop +client +until /,
    )
    expect(await line.type('certificate authority\r', /gw7> $/)).toContain(readFileSync(join(pki, 'ca.pem'), 'utf8'))
  })

  test('revoked: in no more at once, the others stay; never the gateway itself', async () => {
    reloads.length = 0
    const said = await line.type('certificate revoke bob\r', /gw7> $/)
    expect(said).toContain('bob is revoked\nthe gateway has taken the configuration into use\n')
    expect(reloads).toHaveLength(1)
    expect(await refused(join(pki, 'bob.pem'))).toMatch(/was revoked/)
    expect(await refused(join(pki, 'carol-laptop.pem'))).toBeUndefined()
    const check = ['-crl_check', '-CRLfile', join(pki, 'crl.pem')]
    expect(verified(...check, join(pki, 'bob.pem')).stderr).toContain('certificate revoked')
    expect(verified(...check, join(pki, 'carol-laptop.pem'))).toMatchObject({ status: 0 })
    expect(await line.type('certificate revoke vpn.example.org\r', /gw7> $/)).toContain('is this gateway itself')
    expect(await line.type('certificate show bob\r', /gw7> $/)).toContain(
      'no client bob has a certificate that is valid',
    )
  })

  test('the list is made anew in time, whichever way the clock was wrong, and not before', async () => {
    const register = join(pki, 'issued.json')
    const ends = (ms: number) => {
      const before = JSON.parse(readFileSync(register, 'utf8'))
      writeFileSync(register, JSON.stringify({ ...before, crlNextUpdate: Date.now() + ms }))
      return run('pki', 'upkeep', '--dir', pki).stdout
    }
    const day = 86_400_000
    expect(ends(21 * day)).toMatch(/^the revocation list is good until/)
    for (const ms of [19 * day, -100 * day, 4000 * day])
      expect(ends(ms)).toMatch(/^the revocation list is made anew, and good until/)
    expect(await refused(join(pki, 'bob.pem'))).toMatch(/was revoked/)
    expect(await refused(join(pki, 'carol-laptop.pem'))).toBeUndefined()
  })

  test('two at once wait for each other', async () => {
    const made = ['dora', 'emil', 'fritz'].map((name) =>
      device.gatehouse(['pki', 'client', name, '--text', '--ecdsa', '--dir', pki]),
    )
    expect((await Promise.all(made)).map(({ code }) => code)).toEqual([0, 0, 0])
    expect(run('pki', 'list', '--dir', pki).stdout).toMatch(
      /(dora|emil|fritz)[\s\S]*(dora|emil|fritz)[\s\S]*(dora|emil|fritz)/,
    )
    expect(run('pki', 'client', 'ca', '--text', '--dir', pki)).toMatchObject({ status: 2 })
  })

  test('the wizard again: the same authority; reset: nothing of it is left', async () => {
    const [before] = certificates(join(pki, 'ca.pem'))
    const made = await device.gatehouse(['pki', 'setup', 'vpn.example.org', '--client', 'carol-laptop', '--dir', pki])
    expect(made).toMatchObject({ code: 0, text: expect.stringContaining('carol-laptop has a certificate already') })
    expect(certificates(join(pki, 'ca.pem'))[0]!.der).toEqual(before!.der)
    await device.forgetEverything()
    expect([existsSync(config), existsSync(pki)]).toEqual([false, false])
  })
})
