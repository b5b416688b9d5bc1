// Certificates with strongSwan and libreswan, in transport mode with L2TP inside: RSA and ECDSA, a chain of three, revocation in its three strengths, and who is refused.
// The list is a file that is replaced. It takes a gateway for each strength, so all of it runs with `npm run interop:certificates` only.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pkcs12 } from '../../src/pki/pkcs12.ts'
import { authority, certify, crlOf, type Issued, type Kind } from '../fakes/authority.ts'
import type { Client, Dial } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { must } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, slowly, users } from './settings.ts'

const day = 86_400_000
const times = { notBefore: Date.now() - day, notAfter: Date.now() + 30 * day }
const pick = { from: Date.now() - 60_000, to: Date.now() + day }

/** On demand, so on a machine that may be busy with other things. */
const patience = { ike: 60, ppp: 60 }

const onDemand = process.env.GATEHOUSE_LAB_CERTIFICATES === undefined ? describe.skip : interop

onDemand('certificates (npm run interop:certificates)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-pki-'))
  const list = join(folder, 'crl')
  const root = authority('CN=Root, O=Lab', { kind: 'rsa', ...times })
  const middle = authority('CN=Middle, O=Lab', { kind: 'rsa', authority: { pathLength: 1 }, ...times }, root)
  const low = authority('CN=Low, O=Lab', { kind: 'rsa', authority: { pathLength: 0 }, ...times }, middle)
  const made = (name: string, kind: Kind, by: Issued, more = {}) =>
    certify(`CN=${name}, O=Lab`, { kind, ...times, ...more }, by)
  const names = { altNames: ['gw.example.org', addresses.gateway] }
  const own = [made('gw rsa', 'rsa', root, names), made('gw ecdsa', 'P-256', root, names)]
  const alice = made('alice', 'rsa', root)
  let lab: Lab
  let client: Client
  let gateway: Gateway

  const settings = (revocation: 'off' | 'standard' | 'strict') => ({
    psk: undefined,
    users,
    more: {
      certificates: {
        authorities: [root.pem],
        certificate: own[0]!.pem,
        key: own[0]!.keyPem,
        more: [{ certificate: own[1]!.pem, key: own[1]!.keyPem }],
        revocation,
        crls: [list],
      },
    },
  })
  const by = (one: Issued, chain: readonly Issued[] = []): Partial<Dial> => ({
    certificate: {
      own: one.pem,
      chain: chain.map(({ pem }) => pem),
      key: one.keyPem,
      authority: root.pem,
      server: 'O=Lab, CN=*',
    },
  })
  const revoke = (...revoked: Issued[]) => writeFileSync(list, crlOf(root, revoked, pick))

  async function enters(one: Issued, chain: readonly Issued[] = []): Promise<void> {
    const session = await client.connect(dial('alice', { ...by(one, chain), patience }))
    expect(session.peer).toBe('10.99.0.1')
    expect(await client.ping('10.99.0.1')).toBe(3)
    await client.disconnect()
    await gateway.empty()
  }

  /** strongSwan is told at once, sealed, in the words of RFC 2408. */
  async function refused(one: Issued, sentence: RegExp, told = 'INVALID_CERT'): Promise<void> {
    const mark = gateway.mark()
    const attempt = await client.attempt(dial('alice', { ...by(one), patience }))
    expect(attempt).toMatchObject({ is: 'refused', stage: 'ike', said: expect.stringContaining(`received ${told}`) })
    expect(await gateway.says(sentence, { since: mark })).toContain('certificate')
  }

  beforeAll(async () => {
    revoke()
    lab = await openLab()
    client = await lab.client('swan', 'strongswan', 11)
    gateway = await lab.gateway(settings('standard'))
  }, 900_000)
  afterAll(async () => {
    await lab?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('RSA: both prove themselves, L2TP and PPP inside', slowly(900_000), () => enters(alice))
  test('ECDSA with P-256', slowly(900_000), () => enters(made('bob', 'P-256', root)))
  test('a chain of three below the root', slowly(900_000), () => enters(made('carol', 'rsa', low), [middle, low]))
  test('libreswan, with our PKCS #12: RSA', slowly(900_000), async () => {
    const libre = await lab.client('libre', 'libreswan', 12)
    const { key, certificate } = made('libre', 'rsa', root)
    const p12 = pkcs12({ key, certificates: [certificate.der, root.certificate.der], friendlyName: 'own' }, 'lab')
    const credentials = { ...by(alice).certificate!, p12, server: 'O=Lab, CN=gw rsa' }
    const session = await libre.connect(dial('bob', { certificate: credentials, patience }))
    expect(session.peer).toBe('10.99.0.1')
    expect(await libre.ping('10.99.0.1')).toBe(3)
    await libre.disconnect()
    await gateway.empty()
  })
  test('expired: said so', slowly(900_000), () =>
    refused(made('old', 'rsa', root, { notAfter: Date.now() - day / 2 }), /CN=old.*expired on .*renew it/),
  )
  test('of another authority: said so', slowly(900_000), () =>
    refused(
      made('eve', 'rsa', authority('CN=Nobody', { kind: 'rsa', ...times })),
      /CN=Nobody.*no chain leads.*CN=Root/,
      'INVALID_CERT_AUTHORITY',
    ),
  )

  describe('revocation', () => {
    const restart = async (strength: 'off' | 'standard' | 'strict') => {
      await gateway.stop()
      gateway = await lab.gateway(settings(strength))
    }
    test('standard: revoked is refused, an unreadable list is not', slowly(900_000), async () => {
      revoke(alice)
      await restart('standard')
      await refused(alice, /CN=alice.*was revoked on/)
      writeFileSync(list, 'nothing')
      await restart('standard')
      await enters(alice)
    })
    test('strict: good is let in; expired or unreadable lists refuse', slowly(900_000), async () => {
      revoke()
      await restart('strict')
      await enters(alice)
      writeFileSync(list, crlOf(root, [], { from: Date.now() - 9 * day, to: Date.now() - day }))
      await restart('strict')
      await refused(alice, /can't be found out \(.*expired on .*\).*strict/, 'AUTHENTICATION_FAILED')
      writeFileSync(list, 'nothing')
      await restart('strict')
      await refused(alice, /can't be found out/, 'AUTHENTICATION_FAILED')
    })
    test(
      "the gateway's own authority: the wizard's bundle, strict; revoked, at the next reload",
      slowly(900_000),
      async () => {
        const dir = join(folder, 'pki')
        const pki = (...args: readonly string[]) =>
          must(join(import.meta.dirname, '../../gatehouse'), ['pki', ...args, '--dir', dir], { timeoutMs: 120_000 })
        const said = await pki('setup', 'vpn.example.org', '--address', addresses.gateway, '--client', 'phone')
        const bundle = join(dir, 'phone.p12')
        const from = [
          'pkcs12',
          '-legacy',
          '-in',
          bundle,
          '-passin',
          `pass:${/password: (\S+)/.exec(said)![1]}`,
          '-nodes',
        ]
        const phone = {
          own: await must('openssl', [...from, '-clcerts', '-nokeys']),
          key: await must('openssl', [...from, '-nocerts']),
          authority: await must('openssl', [...from, '-cacerts', '-nokeys']),
          server: 'CN=vpn.example.org',
        }
        const file = (name: string) => ({ file: join(dir, name) })
        const own = { certificate: file('vpn.example.org.pem'), key: file('vpn.example.org.key') }
        const lists = { revocation: 'strict', crls: [join(dir, 'crl.pem')] }
        await gateway.stop()
        gateway = await lab.gateway({
          psk: undefined,
          users,
          more: { certificates: { authorities: file('ca.pem'), ...own, ...lists } },
        })
        const enter = dial('alice', { certificate: phone, patience })
        expect((await client.connect(enter)).peer).toBe('10.99.0.1')
        expect(await client.ping('10.99.0.1')).toBe(3)
        await client.disconnect()
        await gateway.empty()
        await pki('revoke', 'phone')
        const mark = gateway.mark()
        gateway.reload()
        await gateway.says(/configuration/, { since: mark })
        expect(await client.attempt(enter)).toMatchObject({ is: 'refused', stage: 'ike' })
        expect(await gateway.says(/CN=phone.*was revoked on/, { since: mark })).toContain('certificate')
      },
    )
    test('off: revoked comes in', slowly(900_000), async () => {
      revoke(alice)
      await restart('off')
      await enters(alice)
    })
  })
})
