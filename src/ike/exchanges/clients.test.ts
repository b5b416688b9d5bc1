// Real clients' messages, from their first packet to a pair, as traces: what the gateway answers to each.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { hexVector, hexVectors } from '../../../test/vectors.ts'
import { disabledAt, proposalsFor, type SecurityLevel } from '../../algorithms/levels.ts'
import { showEspProposal } from '../../algorithms/proposals.ts'
import { hex } from '../../wire/codec.ts'
import type { IkePolicy } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { vendorNames } from '../fingerprint.ts'
import { parseChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'
import { initialContact } from '../wire/notifications.ts'
import { payloadType } from '../wire/numbers.ts'
import type { Payload } from '../wire/payloads.ts'

const server = { address: '198.51.100.1', port: 500 }
const nat = { address: '203.0.113.9', port: 500 }

function gateway(level: SecurityLevel = 'legacy', more: Partial<IkePolicy> = {}): IkeCore {
  return new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor(level), disabled: disabledAt(level), ...more }))
}

const client = (core: IkeCore) => new ScriptedClient(core, { local: server, remote: nat })
const kinds = (payloads: readonly Payload[] | undefined) => payloads?.map(({ is }) => is).join(' ')
const firstPacket = (name: string) => hexVector(`ike/first-packets/${name}`)
const quickBody = (name: string) => hexVector(`ike/quick-mode/${name}`)

describe('first packets', () => {
  test('each client is recognised and answered with one transform and only vendor ids that it sent itself', () => {
    const table = hexVectors('ike/first-packets').map(({ name, octets }) => {
      const one = client(gateway())
      const answer = one.say(octets)
      const status = one.core.status()[0]
      if (!answer || !status) return `${name}: ${refusals(one)}`
      const { header, body } = parseHeader(answer)
      const { payloads } = parseChain(header.next, body, 'clear')
      return `${name}: ${status.client}, ${status.proposal}, ${vendorNames(payloads).join(' + ') || 'no vendor ids'}`
    })
    expect(table).toMatchInlineSnapshot(`
      [
        "android-2-4.0-psk: android, aes128-sha1-modp1024, RFC 3947 + FRAGMENTATION + DPD",
        "android-4-6-psk: android, aes256-sha1-modp1024, RFC 3947 + FRAGMENTATION + DPD",
        "android-6-7-psk: android, aes256-sha256-modp1024, RFC 3947 + FRAGMENTATION + DPD",
        "android-8-11-psk: android, aes256-sha256-modp1024, RFC 3947 + FRAGMENTATION + DPD",
        "chromeos-old: strongswan, aes128-sha256-modp3072, RFC 3947 + FRAGMENTATION + DPD",
        "cisco-ios-psk: cisco, aes128-sha1-modp1024, RFC 3947",
        "draytek-vigor: draytek, 3des-md5-modp1024, RFC 3947 + DPD",
        "libreswan-l2tp: libreswan, aes256-sha256-modp2048, RFC 3947 + FRAGMENTATION + DPD",
        "macos-ios-current-psk: apple, aes256-sha256-modp2048, RFC 3947 + FRAGMENTATION + DPD",
        "macosx-10.4-10.8-psk: apple, 3des-sha1-modp1024, RFC 3947 + DPD",
        "mikrotik-ros6-default: mikrotik, aes128-sha1-modp2048, RFC 3947 + DPD",
        "msl2tp-98-me-nt4: windows-legacy, 3des-sha1-modp1024, draft-ietf-ipsec-nat-t-ike-02\\n",
        "nm-l2tp-strongswan: strongswan, aes128-sha1-ecp256, RFC 3947 + FRAGMENTATION + DPD",
        "nm-l2tp-strongswan-3des: strongswan, 3des-sha1-modp1024, RFC 3947 + FRAGMENTATION + DPD",
        "nm-l2tp-strongswan-3des-plus-default: strongswan, aes128-sha256-ecp256, RFC 3947 + FRAGMENTATION + DPD",
        "tplink-router: unknown, 3des-sha1-modp1024, RFC 3947 + DPD",
        "vista-2008-psk: windows, aes128-sha1-ecp256, RFC 3947 + FRAGMENTATION",
        "win2000-kb818043-psk: windows-legacy, 3des-sha1-modp1024, draft-ietf-ipsec-nat-t-ike-02\\n + FRAGMENTATION",
        "win2000-sp4-psk: windows-legacy, 3des-sha1-modp1024, no vendor ids",
        "win7-2008r2-psk: windows, aes128-sha1-ecp256, RFC 3947 + FRAGMENTATION",
        "win8-win11-cert: authentication method (789)",
        "win8-win11-psk: windows, aes128-sha1-ecp256, RFC 3947 + FRAGMENTATION",
        "winxp-sp2-2003-psk: windows-legacy, 3des-sha1-modp2048, draft-ietf-ipsec-nat-t-ike-02\\n + FRAGMENTATION",
      ]
    `)
  })

  test('each that a pre-shared key is for comes to an ISAKMP SA', () => {
    for (const { name, octets } of hexVectors('ike/first-packets')) {
      if (name === 'win8-win11-cert') continue
      const one = client(gateway())
      const messages = one.mainMode(octets)
      expect([name, kinds(messages[2]), one.core.status()[0]?.state]).toEqual([name, 'ID HASH', 'established'])
    }
  })
})

function refusals({ effects }: ScriptedClient): string {
  return effects
    .flatMap((effect) =>
      effect.do === 'report' && effect.event.event === 'ike.negotiation.refused'
        ? [`${effect.event.cause} (${effect.event.userSees})`]
        : [],
    )
    .join(', ')
}

describe('quick modes', () => {
  const cases = [
    ['win10-nat', 'win8-win11-psk', payloadType['NAT-D'], 1],
    ['macos-nat', 'macos-ios-current-psk', payloadType['NAT-D'], 0x4711],
    ['android4-nat', 'android-4-6-psk', payloadType['NAT-D'], 0xdeadbeef],
    ['winxp-nat-draft02', 'winxp-sp2-2003-psk', payloadType['NAT-D (draft)'], 0x1234],
    ['winxp-fqdn-idci', 'win8-win11-psk', payloadType['NAT-D'], 2],
  ] as const

  test('behind a NAT: the pair, and what QM2 says', () => {
    const table = cases.map(([body, first, natD, messageId]) => {
      const one = client(gateway())
      one.mainMode(firstPacket(first), { ownAddress: '192.168.1.10', natD })
      const plain = hashLengthOf(one, quickBody(`qm-${body}`))
      const answer = one.quickMode(messageId, plain)
      const install = one.effects.find((effect) => effect.do === 'install')
      if (!install) return `${body}: ${refusals(one)}`
      const { proposal, encapsulated, ports, natOa } = install.pair
      const ids = answer!.filter(({ is }) => is === 'ID').map(({ body: octets }) => hex(octets))
      const sent = parseChain(payloadType.HASH, plain, 'decrypted').payloads.filter(({ is }) => is === 'ID')
      expect(ids).toEqual(sent.map(({ body: octets }) => hex(octets)))
      expect(one.core.status()[0]?.pairs).toMatchObject([{ state: 'current' }])
      return `${body}: ${showEspProposal(proposal)}${encapsulated ? ' in UDP' : ''}, ${ports.remote} to ${ports.local}, ${JSON.stringify(natOa)}; ${kinds(answer)}`
    })
    expect(table).toMatchInlineSnapshot(`
      [
        "win10-nat: aes128-sha1 in UDP, 1701 to 1701, {"peers":"192.168.1.10","ours":"198.51.100.1"}; HASH SA NONCE ID ID NAT-OA NAT-OA",
        "macos-nat: aes128-sha1 in UDP, 56322 to 1701, {"peers":"192.168.1.10","ours":"198.51.100.1"}; HASH SA NONCE ID ID NAT-OA NAT-OA",
        "android4-nat: aes128-sha1 in UDP, 0 to 1701, {"peers":"192.168.1.10","ours":"198.51.100.1"}; HASH SA NONCE ID ID NAT-OA NAT-OA N",
        "winxp-nat-draft02: 3des-sha1 in UDP, 1701 to 1701, {"peers":"192.168.1.10","ours":"198.51.100.1"}; HASH SA NONCE ID ID NAT-OA",
        "winxp-fqdn-idci: 3des-sha1 in UDP, 1701 to 1701, {"peers":"192.168.1.10","ours":"198.51.100.1"}; HASH SA NONCE ID ID NAT-OA NAT-OA",
      ]
    `)
  })

  test('without a NAT nothing is encapsulated and no NAT-OA goes back', () => {
    for (const [body, first] of [
      ['win10-nonat', 'win8-win11-psk'],
      ['win2000-port0', 'win2000-sp4-psk'],
    ] as const) {
      const one = client(gateway())
      one.mainMode(firstPacket(first), body === 'win10-nonat' ? { natD: payloadType['NAT-D'] } : {})
      const answer = one.quickMode(1, hashLengthOf(one, quickBody(`qm-${body}`)))
      expect([body, kinds(answer)]).toEqual([body, 'HASH SA NONCE ID ID'])
      expect(one.effects.find((effect) => effect.do === 'install')?.pair).toMatchObject({ encapsulated: false })
    }
  })

  test('ESP NULL is never chosen, though Windows offers it last', () => {
    const one = client(gateway('modern', { esp: [{ cipher: 'null', hash: 'sha1', group: undefined }] }))
    one.mainMode(firstPacket('win8-win11-psk'), { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] })
    const all = client(gateway('legacy'))
    all.mainMode(firstPacket('win8-win11-psk'), { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] })
    all.quickMode(1, hashLengthOf(all, quickBody('qm-win10-nat')))
    expect(all.effects.find((effect) => effect.do === 'install')?.pair.proposal.cipher).not.toBe('null')
  })

  test('Windows goes on with small message ids, and a repeated one makes no second pair', () => {
    const one = client(gateway())
    one.mainMode(firstPacket('win8-win11-psk'), { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] })
    const plain = hashLengthOf(one, quickBody('qm-win10-nat'))
    for (const messageId of [1, 2, 3]) expect(kinds(one.quickMode(messageId, plain))).toContain('HASH SA')
    expect(one.quickMode(2, plain)).toBeUndefined()
    expect(one.effects.filter((effect) => effect.do === 'install').length).toBe(3)
    expect(one.core.status()[0]?.pairs.map(({ state }) => state)).toEqual(['draining', 'draining', 'current'])
  })
})

describe('habits', () => {
  test('NAT-D in the wrong order finds no NAT where there is none', () => {
    const one = client(gateway())
    one.mainMode(firstPacket('macosx-10.4-10.8-psk'), { natD: payloadType['NAT-D'], natDTurned: true })
    expect(one.core.status()[0]).toMatchObject({ state: 'established', natted: false })
  })

  test('INITIAL-CONTACT inside MM5, and in an informational message right after main mode (Android)', () => {
    const core = gateway()
    const one = client(core)
    one.mainMode(firstPacket('macos-ios-current-psk'), { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] })
    one.quickMode(1, hashLengthOf(one, quickBody('qm-macos-nat')))
    const again = client(core)
    again.mainMode(withCookie(firstPacket('macos-ios-current-psk'), 9), {
      ownAddress: '192.168.1.10',
      natD: payloadType['NAT-D'],
      behindHash: [initialContact({ initiatorCookie: new Uint8Array(8), responderCookie: new Uint8Array(8) })],
    })
    expect(again.effects.filter((effect) => effect.do === 'peerGone')).toEqual([
      { do: 'peerGone', peer: 1, reason: 'replaced' },
    ])
    again.quickMode(1, hashLengthOf(again, quickBody('qm-macos-nat')))
    const third = client(core)
    third.mainMode(firstPacket('android-4-6-psk'), { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] })
    third.say(third.inform(77, [initialContact(third.cookies)]))
    expect(third.effects.filter((effect) => effect.do === 'peerGone')).toEqual([
      { do: 'peerGone', peer: 2, reason: 'replaced' },
    ])
  })
})

/** The same client on another day. */
function withCookie(octets: Uint8Array, cookie: number): Uint8Array {
  return new Uint8Array([...new Uint8Array(8).fill(cookie), ...octets.subarray(8)])
}

/** The stored bodies have a zeroed HASH of one length; this SA's hash may have another. */
function hashLengthOf(one: ScriptedClient, plain: Uint8Array): Uint8Array {
  const wanted = one.keys!.skeyid.length
  const given = ((plain[2]! << 8) | plain[3]!) - 4
  return new Uint8Array([plain[0]!, 0, 0, 4 + wanted, ...new Uint8Array(wanted), ...plain.subarray(4 + given)])
}
