// Tunnel mode with strongSwan by certificates: both roles, methods in order, and peers whose certificates are refused; main mode with libreswan. They run on the
// machine itself, strongSwan with its userland ESP, so there are no guests; a minute, with `npm run interop:certificates` only.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { pkcs12 } from '../../src/pki/pkcs12.ts'
import { authority, certify, crlOf, type Issued, type Kind } from '../fakes/authority.ts'
import type { Gateway } from './lab/gateway.ts'
import { child, nativeSite, networks, theirs } from './lab/native-site.ts'
import { libreswanOnce, NativeSwan } from './lab/native-swan.ts'
import { addresses } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_CERTIFICATES === undefined ? describe.skip : interop

const peer = addresses.dialler
const key = 'between two gateways'
const day = 86_400_000
const times = { notBefore: Date.now() - day, notAfter: Date.now() + 30 * day }
const slowly = { timeout: 600_000 }

onDemand('sites by certificates (npm run interop:certificates)', () => {
  const root = authority('CN=Root, O=Lab', { kind: 'rsa', ...times })
  const of = (name: string, altName: string, kind: Kind = 'rsa') =>
    certify(`CN=${name}, O=Lab`, { kind, ...times, altNames: [altName] }, root)
  const branch = of('branch', peer)
  const by = (own: Issued) => ({ authorities: [root.pem], certificate: own.pem, key: own.keyPem })
  const certificates = by(of('gw', addresses.gateway))
  const held = nativeSite()

  const swanctl = (byKey: boolean) => `
connections {
  site {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = aes256-sha256-modp2048
    send_cert = always
    ${byKey ? 'local { auth = psk }' : 'local {\n      auth = pubkey\n      certs = own.pem\n    }'}
    ${byKey ? 'remote { auth = psk }' : 'remote {\n      auth = pubkey\n      id = "O=Lab, CN=gw"\n    }'}
${child}
  }
}
${byKey ? `secrets {\n  ike-site { secret = "${key}" }\n}` : ''}
`

  const libreswan = `
config setup
  ikev1-policy=accept

conn site
  ikev2=no
  authby=rsasig
  leftcert=own
  leftid=%fromcert
  leftsendcert=always
  rightid="O=Lab, CN=gw"
  left=${peer}
  leftsubnet=${networks.theirs}
  right=${addresses.gateway}
  rightsubnet=${networks.ours}
  ike=aes256-sha2_256-modp2048
  phase2alg=aes256-sha2_256
  pfs=no
  auto=ignore
`

  /** `own` undefined: strongSwan has the key alone. */
  async function begin(start: string, authentication: unknown, own: Issued | undefined): Promise<Gateway> {
    const credentials: Record<string, string> = own
      ? { 'x509/own.pem': own.pem, 'private/own.pem': own.keyPem, 'x509ca/root.pem': root.pem }
      : {}
    held.swan = await NativeSwan.start(held.lab, 'dialler', {
      'swanctl.conf': swanctl(own === undefined),
      ...credentials,
    })
    return listen(start, authentication)
  }

  async function listen(start: string, authentication: unknown): Promise<Gateway> {
    const both = { localNetworks: networks.ours, remoteNetworks: networks.theirs }
    const proposals = { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }
    const sites = [{ name: 'branch', peer, ...both, authentication, start, ...proposals }]
    held.gateway = await held.lab.gateway({ psk, users, sites })
    return held.gateway
  }

  const initiate = () => held.swan!.swanctl('--initiate', '--child', 'net', '--timeout', '60')
  const pingFromThem = async () => {
    const ping = ['ping', '-n', '-c', '3', '-W', '20', '-I', theirs, addresses.inside]
    return (await held.lab.network.exec('dialler', ping, { timeoutMs: 90_000 })).stdout
  }
  const pingFromUs = async () => {
    const ping = ['ping', '-n', '-c', '3', '-W', '20', theirs]
    return (await held.lab.network.exec('inside', ping, { timeoutMs: 90_000 })).stdout
  }

  test.each([
    ['RSA', certificates, branch],
    ['ECDSA with P-256', by(of('gw', addresses.gateway, 'P-256')), of('branch', peer, 'P-256')],
    ['ECDSA with P-384', by(of('gw', addresses.gateway, 'P-384')), of('branch', peer, 'P-384')],
  ] as const)('we begin, on the first packet, which is not lost: %s', slowly, async (_, ours, own) => {
    const running = await begin('on-traffic', { certificates: ours }, own)
    expect(await pingFromUs()).toContain('3 received')
    expect(await pingFromThem()).toContain('3 received')
    expect(running.log).toContain('identity CN=branch, O=Lab')
  })

  test('it begins', slowly, async () => {
    await begin('by-peer', { certificates }, branch)
    await initiate()
    expect(await pingFromThem()).toContain('3 received')
    expect(await pingFromUs()).toContain('3 received')
  })

  test.each([
    ['X.509', ''],
    ['one PKCS #7', 'send-pkcs7-thingie'],
  ])('libreswan begins, with our PKCS #12: both prove themselves in main mode, it by %s', slowly, async (_, impair) => {
    const running = await listen('by-peer', { certificates })
    const { key, certificate } = branch
    const p12 = pkcs12({ key, certificates: [certificate.der, root.certificate.der], friendlyName: 'own' }, 'lab')
    const said = await libreswanOnce(held.lab, 'dialler', { conf: libreswan, p12, authority: root.pem, impair })
    expect(said.includes('sending cert as pkcs7 blob')).toBe(impair !== '')
    expect(said).toMatch(/authenticated peer .* using peer certificate 'O=Lab, CN=gw' issued by CA 'O=Lab, CN=Root'/)
    expect(said).toContain('IKE SA established {auth=RSA_SIG')
    await running.says(/\(libreswan\) is up: .*identity CN=branch, O=Lab/)
  })

  test('certificates or the key, and it begins with the key', slowly, async () => {
    const running = await begin('by-peer', [{ certificates }, { preSharedKey: key }], undefined)
    await initiate()
    expect(await pingFromUs()).toContain('3 received')
    expect(running.log).toContain(`identity ${peer}`)
  })

  describe('revocation', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-crl-'))
    afterAll(() => rmSync(folder, { recursive: true, force: true }))
    const now = Date.now()
    const lists = {
      good: crlOf(root, [], { from: now - 60_000, to: now + day }),
      revoked: crlOf(root, [branch], { from: now - 60_000, to: now + day }),
      expired: crlOf(root, [], { from: now - 9 * day, to: now - day }),
    }
    /** Nobody listens there. */
    const nowhere = 'http://127.0.0.1:9/crl'
    const placeOf = (list: keyof typeof lists | 'unreachable') => {
      if (list === 'unreachable') return nowhere
      const path = join(folder, list)
      writeFileSync(path, lists[list])
      return path
    }

    test.each([
      ['off', 'good', 'in'],
      ['off', 'revoked', 'in'],
      ['off', 'expired', 'in'],
      ['off', 'unreachable', 'in'],
      ['standard', 'good', 'in'],
      ['standard', 'revoked', /CN=branch.*was revoked on/],
      ['standard', 'expired', 'in'],
      ['standard', 'unreachable', 'in'],
      ['strict', 'good', 'in'],
      ['strict', 'revoked', /CN=branch.*was revoked on/],
      ['strict', 'expired', /can't be found out \(.*expired on .*strict/],
      ['strict', 'unreachable', /can't be found out .*strict/],
    ] as const)('%s, the list is %s: %s', slowly, async (revocation, list, outcome) => {
      const judged = { ...certificates, revocation, crls: [placeOf(list)] }
      const running = await begin('by-peer', { certificates: judged }, branch)
      const came = await initiate().then(
        () => true,
        () => false,
      )
      expect(came).toBe(outcome === 'in')
      if (outcome === 'in') expect(await pingFromThem()).toContain('3 received')
      else await running.says(outcome, { timeoutMs: 20_000 })
    })
  })

  test('somebody else of the same authority: refused by us who began, and strongSwan is told', slowly, async () => {
    const running = await begin('on-traffic', { certificates }, of('other', 'other.example.org'))
    expect(await pingFromUs()).toContain('0 received')
    const why = /certificate of CN=other, O=Lab does not speak for 192\.0\.2\.70/
    await running.says(why, { timeoutMs: 60_000 })
    expect(held.swan!.log).toMatch(/received INVALID_ID_INFORMATION/)
    expect(await held.swan!.swanctl('--list-sas')).not.toContain('ESTABLISHED')
  })

  test('our certificate is of an authority that strongSwan does not know: its word is in our log', slowly, async () => {
    const nobody = authority('CN=Nobody', { kind: 'rsa', ...times })
    const stranger = certify('CN=gw, O=Lab', { kind: 'rsa', ...times, altNames: [addresses.gateway] }, nobody)
    const running = await begin('on-traffic', { certificates: { ...by(stranger), authorities: [root.pem] } }, branch)
    expect(await pingFromUs()).toContain('0 received')
    const why = /192\.0\.2\.70:\d+ refused our certificate \(it said AUTHENTICATION-FAILED\)/
    await running.says(why, { timeoutMs: 60_000 })
  })
})
