// Main mode whose certificates outgrow a datagram, with strongSwan, either side beginning: both send their long message in fragments. And our
// certificates as one PKCS #7, which it takes. strongSwan runs on the machine itself, no guests: with `npm run interop:exchanges` only.
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { authority, certify, type Issued } from '../fakes/authority.ts'
import { type Capture, capture } from './lab/capture.ts'
import type { Gateway } from './lab/gateway.ts'
import { child, nativeSite, networks, theirs } from './lab/native-site.ts'
import { NativeSwan } from './lab/native-swan.ts'
import { addresses } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_EXCHANGES === undefined ? describe.skip : interop

const peer = addresses.dialler
const day = 86_400_000
const times = { notBefore: Date.now() - day, notAfter: Date.now() + 30 * day }
const slowly = { timeout: 600_000 }
/** ECP, so that CERTREQ begins within the first 255 octets of MM4, which is as far as nftables reaches. */
const ike = 'aes256-sha256-ecp256'

onDemand('certificates that need more than a datagram (npm run interop:exchanges)', () => {
  const large = () => generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey
  const root = authority('CN=Root, O=Lab', { key: large(), ...times })
  const middle = authority('CN=Middle, O=Lab', { key: large(), ...times }, root)
  const under = (name: string, altName: string, by: Issued) =>
    certify(`CN=${name}, O=Lab`, { key: large(), ...times, altNames: [altName] }, by)
  const gw = under('gw', addresses.gateway, middle)
  const branch = under('branch', peer, middle)
  const ours = { authorities: [root.pem], certificate: gw.pem + middle.pem, key: gw.keyPem }
  const held = nativeSite()
  let wire: Capture | undefined

  afterEach(async () => {
    await held.lab.network.exec('dialler', ['nft', 'flush', 'ruleset'])
    wire?.stop()
    wire = undefined
  })

  const swanctl = `
connections {
  site {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = ${ike}
    fragmentation = force
    send_cert = always
    local {
      auth = pubkey
      certs = own.pem
    }
    remote {
      auth = pubkey
      id = "O=Lab, CN=gw"
    }
${child}
  }
}
`

  async function listen(start: string): Promise<Gateway> {
    const both = { localNetworks: networks.ours, remoteNetworks: networks.theirs }
    const site = { name: 'branch', peer, ...both, authentication: { certificates: ours }, start }
    held.gateway = await held.lab.gateway({ psk, users, sites: [{ ...site, ike, esp: 'aes256-sha256' }] })
    return held.gateway
  }

  async function begin(start: string, own: Issued, issuers: readonly Issued[]): Promise<Gateway> {
    const files = {
      'swanctl.conf': swanctl,
      'x509/own.pem': own.pem,
      'private/own.pem': own.keyPem,
      'x509ca/root.pem': root.pem,
      ...Object.fromEntries(issuers.map((one, i) => [`x509/issuer${i}.pem`, one.pem])),
    }
    held.swan = await NativeSwan.start(held.lab, 'dialler', files)
    wire = await capture(
      held.lab.network,
      'dialler',
      'eth0',
      `(ip[6:2] & 0x3fff != 0) or (udp and greater ${14 + 1281})`,
    )
    return listen(start)
  }

  const ping = async (place: 'dialler' | 'inside', ...more: readonly string[]) => {
    const command = ['ping', '-n', '-c', '3', '-W', '20', ...more]
    return (await held.lab.network.exec(place, command, { timeoutMs: 90_000 })).stdout
  }
  const pingFromThem = () => ping('dialler', '-I', theirs, addresses.inside)
  const pingFromUs = () => ping('inside', theirs)
  const initiate = () => held.swan!.swanctl('--initiate', '--child', 'net', '--timeout', '60')

  /** charon writes when its buffer is full, and all when it ends. */
  async function logOf(charon: NativeSwan): Promise<string> {
    await charon.stop()
    return charon.log
  }

  /** Both sides' long messages went in parts, and no datagram in IP's own fragments or beyond what every path carries. */
  async function inFragments(): Promise<void> {
    expect(await wire!.lines()).toEqual([])
    const said = (await logOf(held.swan!)).split('\n').filter((line) => /frag/i.test(line))
    expect(said).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/splitting IKE message .* into \d+ fragments/),
        expect.stringMatching(/generating ID_PROT (request|response) 0 \[ FRAG/),
        expect.stringMatching(/received fragment #\d+.*reassembled fragmented IKE message/),
      ]),
    )
  }

  test('strongSwan begins: both send fragments', slowly, async () => {
    const running = await begin('by-peer', branch, [middle])
    await initiate()
    expect(await pingFromThem()).toContain('3 received')
    expect(await pingFromUs()).toContain('3 received')
    expect(running.log).toContain('identity CN=branch, O=Lab')
    await inFragments()
  })

  test('we begin: both send fragments', slowly, async () => {
    const running = await begin('on-traffic', branch, [middle])
    expect(await pingFromUs()).toContain('3 received')
    expect(await pingFromThem()).toContain('3 received')
    expect(running.log).toContain('identity CN=branch, O=Lab')
    await inFragments()
  })

  // strongSwan reads PKCS #7 but never asks for it. Its CERTREQ goes in clear and nothing covers it, so on the way out of its namespace the encoding (RFC 2408
  // §3.10) is made 1: behind headers (8 + 28), KE (68), NONCE (36) and CERTREQ's own 4 octets.
  test('strongSwan takes our chain as one PKCS #7', slowly, async () => {
    const at = (8 + 28 + 68 + 36 + 4) * 8
    await held.lab.network.mustExec('dialler', ['nft', '-f', '-'], {
      input: `table ip ask {
  chain out {
    type filter hook output priority 0
    udp sport 500 udp dport 500 @th,${at},8 4 @th,${at},8 set 1 counter
  }
}
`,
    })
    const running = await begin('on-traffic', under('branch', peer, root), [])
    expect(await pingFromUs()).toContain('3 received')
    expect(running.log).toContain('identity CN=branch, O=Lab')
    expect(await held.lab.network.mustExec('dialler', ['nft', 'list', 'ruleset'])).toMatch(/counter packets 1 /)
    // As X.509 each certificate has a payload and a line of its own.
    const said = await logOf(held.swan!)
    expect(said).toMatch(/parsed ID_PROT request 0 \[ ID CERT SIG/)
    expect(said).toMatch(/received end entity cert "O=Lab, CN=gw"/)
  })
})
