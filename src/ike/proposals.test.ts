// What we choose of what real clients offer, at each security level, and what we say where we choose nothing.
import { describe, expect, test } from 'vitest'
import { hexVector, hexVectors } from '../../test/vectors.ts'
import type { EspProposal, IkeProposal } from '../algorithms/algorithms.ts'
import { disabledAt, proposalsFor, type SecurityLevel } from '../algorithms/levels.ts'
import { parseEspProposal, parseIkeProposal, showEspProposal, showIkeProposal } from '../algorithms/proposals.ts'
import { groups } from '../algorithms/registry.ts'
import { hex, unhex } from '../wire/codec.ts'
import { offerEsp, offerIke, readEspAnswer, readIkeAnswer } from './offers.ts'
import {
  type EspChoiceContext,
  type EspChoicePolicy,
  type EspChosen,
  espAnswer,
  type IkeChoicePolicy,
  selectEsp,
  selectIke,
} from './proposals.ts'
import { type Attribute, attribute, longAttribute } from './wire/attributes.ts'
import { emitChain, parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { payloadType } from './wire/numbers.ts'
import { type SaPayload, saPayload } from './wire/payloads.ts'
import type { Proposal, Transform } from './wire/security-association.ts'

const levels = ['modern', 'compatible', 'legacy'] as const

function policyAt(level: SecurityLevel): IkeChoicePolicy & EspChoicePolicy {
  return { ...proposalsFor(level), disabled: disabledAt(level), requirePfs: false }
}

function ike(...texts: string[]): IkeProposal[] {
  return texts.map((text) => (parseIkeProposal(text) as { proposal: IkeProposal }).proposal)
}

function esp(...texts: string[]): EspProposal[] {
  return texts.map((text) => (parseEspProposal(text) as { proposal: EspProposal }).proposal)
}

function saOf(octets: Uint8Array, first: number): SaPayload {
  return parseChain(first, octets, 'decrypted').payloads.find((payload) => payload.is === 'SA')!
}

function firstPacket(name: string): SaPayload {
  const { header, body } = parseHeader(hexVector(`ike/first-packets/${name}`))
  return saOf(body, header.next)
}

const quickMode = (name: string) => saOf(hexVector(`ike/quick-mode/${name}`), payloadType.HASH)
const plain: EspChoiceContext = { udp: 'may', keyExchangeOctets: undefined }

describe('phase 1', () => {
  test('what each client gets at each level', () => {
    const table = hexVectors('ike/first-packets').map(({ name }) => {
      const chosen = levels.map((level) => {
        const choice = selectIke(policyAt(level), firstPacket(name))
        return choice.is === 'chosen' ? showIkeProposal(choice.proposal) : choice.cause
      })
      return `${name}: ${chosen.join(', ')}`
    })
    expect(table).toEqual([
      'android-2-4.0-psk: proposal, aes128-sha1-modp1024, aes128-sha1-modp1024',
      'android-4-6-psk: proposal, aes256-sha1-modp1024, aes256-sha1-modp1024',
      'android-6-7-psk: proposal, aes256-sha256-modp1024, aes256-sha256-modp1024',
      'android-8-11-psk: proposal, aes256-sha256-modp1024, aes256-sha256-modp1024',
      'chromeos-old: aes128-sha256-modp3072, aes128-sha256-modp3072, aes128-sha256-modp3072',
      'cisco-ios-psk: proposal, aes128-sha1-modp1024, aes128-sha1-modp1024',
      'draytek-vigor: proposal, proposal, 3des-md5-modp1024',
      'libreswan-l2tp: aes256-sha256-modp2048, aes256-sha256-modp2048, aes256-sha256-modp2048',
      'macos-ios-current-psk: aes256-sha256-modp2048, aes256-sha256-modp2048, aes256-sha256-modp2048',
      'macosx-10.4-10.8-psk: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'mikrotik-ros6-default: aes128-sha1-modp2048, aes128-sha1-modp2048, aes128-sha1-modp2048',
      'msl2tp-98-me-nt4: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'nm-l2tp-strongswan: aes128-sha1-ecp256, aes128-sha1-ecp256, aes128-sha1-ecp256',
      'nm-l2tp-strongswan-3des: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'nm-l2tp-strongswan-3des-plus-default: aes128-sha256-ecp256, aes128-sha256-ecp256, aes128-sha256-ecp256',
      'tplink-router: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'vista-2008-psk: aes128-sha1-ecp256, aes128-sha1-ecp256, aes128-sha1-ecp256',
      'win2000-kb818043-psk: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'win2000-sp4-psk: proposal, 3des-sha1-modp1024, 3des-sha1-modp1024',
      'win7-2008r2-psk: aes128-sha1-ecp256, aes128-sha1-ecp256, aes128-sha1-ecp256',
      'win8-win11-cert: authentication method, authentication method, authentication method',
      'win8-win11-psk: aes128-sha1-ecp256, aes128-sha1-ecp256, aes128-sha1-ecp256',
      'winxp-sp2-2003-psk: proposal, 3des-sha1-modp2048, 3des-sha1-modp2048',
    ])
  })

  test('RFC 2408 §4.2: the answer is the chosen transform as it came, with its numbers and encodings', () => {
    const windows = selectIke({ ike: ike('3des-sha1-modp1024'), disabled: [] }, firstPacket('win8-win11-psk'))
    // Proposal 1, transform 5; the lifetime stays a TLV of four octets.
    expect(windows.is === 'chosen' && hex(windows.answer.body)).toBe(
      '0000000100000001 0000002c01010001 0000002405010000 80010005 80020002 80040002 80030001 800b0001 000c000400007080'.replaceAll(
        ' ',
        '',
      ),
    )
    const linux = selectIke({ ike: ike('3des-sha1-modp1024'), disabled: [] }, firstPacket('nm-l2tp-strongswan-3des'))
    // Proposal 0; the lifetime stays a TV.
    expect(linux.is === 'chosen' && hex(linux.answer.body)).toContain('800b0001800c2a30')
    expect(linux.is === 'chosen' && linux.answer.proposals[0]!.number).toBe(0)
  })

  test('our preference decides, not the order of the offer', () => {
    const offer = firstPacket('win8-win11-psk')
    const choose = (...texts: string[]) => {
      const choice = selectIke({ ike: ike(...texts), disabled: [] }, offer)
      return choice.is === 'chosen' ? showIkeProposal(choice.proposal) : choice
    }
    expect(choose('3des-sha1-modp1024', 'aes256-sha1-modp2048')).toBe('3des-sha1-modp1024')
    expect(choose('aes128-md5-modp1024', 'aes256-sha1-ecp384')).toBe('aes256-sha1-ecp384')
  })

  test('a transform without cipher and hash is passed over', () => {
    const offer = firstPacket('nm-l2tp-strongswan-3des-plus-default')
    expect(offer.proposals[0]!.transforms.at(-1)!.attributes.map(({ type }) => type)).toEqual([4, 3, 11, 12])
    expect(selectIke(policyAt('legacy'), offer)).toMatchObject({ is: 'chosen' })
  })

  const single = (...attributes: Attribute[]): SaPayload =>
    saPayload({
      doi: 1,
      situation: 1,
      proposals: [{ number: 1, protocol: 1, spi: new Uint8Array(), transforms: [{ number: 1, id: 1, attributes }] }],
    })
  // RFC 3602 §5.3: the Key Length attribute "MUST be specified"; who leaves it out means 128 bits.
  const aes = [attribute(1, 7), attribute(2, 2), attribute(3, 1), attribute(4, 14)]

  test.each([
    ['key length 0 is an absent one: 128 bits', [...aes, attribute(14, 0)], 'aes128-sha1-modp2048'],
    ['key length absent: 128 bits', aes, 'aes128-sha1-modp2048'],
    ['key length as a TLV', [...aes, longAttribute(14, 256)], 'aes256-sha1-modp2048'],
    ['a key length that AES has not', [...aes, attribute(14, 255)], 'refused'],
    ['a class that stands twice with different values', [...aes, attribute(4, 2), attribute(14, 128)], 'refused'],
    [
      'a class that stands twice with the same value',
      [...aes, attribute(4, 14), attribute(14, 128)],
      'aes128-sha1-modp2048',
    ],
    ['a group of its own making (Group-Prime)', [...aes, { type: 6, basic: false, value: unhex('ff') }], 'refused'],
    ['a Group-Type that says what the group says', [...aes, attribute(5, 1)], 'aes128-sha1-modp2048'],
    ['a PRF that we do not know', [...aes, attribute(13, 9)], 'refused'],
    [
      'an empty attribute',
      [attribute(1, 7), { type: 2, basic: false, value: new Uint8Array() }, attribute(3, 1), attribute(4, 14)],
      'refused',
    ],
  ] as const)('%s', (_, attributes, result) => {
    const choice = selectIke(policyAt('modern'), single(...attributes))
    expect(choice.is === 'chosen' ? showIkeProposal(choice.proposal) : choice.is).toBe(result)
  })

  test('another DOI or situation is answered by its own notify', () => {
    const offer = firstPacket('win8-win11-psk')
    expect(selectIke(policyAt('modern'), { ...offer, doi: 2, proposals: [] })).toMatchObject({
      is: 'refused',
      notify: 2,
    })
    // SIT_SECRECY, SIT_INTEGRITY, and what is none.
    for (const situation of [0, 2, 3, 4, 5, 6, 7])
      for (const choice of [
        selectIke(policyAt('modern'), { ...offer, situation }),
        selectEsp(policyAt('modern'), { ...quickMode('qm-win10-nonat'), situation }, plain),
      ])
        expect([situation, choice]).toMatchObject([situation, { is: 'refused', notify: 3 }])
  })

  test('RFC 2408 §3.5: in phase 1 the content of an SPI MUST be ignored', () => {
    const [proposal] = firstPacket('win8-win11-psk').proposals
    const chosen = [0, 4, 8, 16].map((length) => {
      const spi = new Uint8Array(length).fill(0xff)
      const choice = selectIke(
        policyAt('modern'),
        saPayload({ doi: 1, situation: 1, proposals: [{ ...proposal!, spi }] }),
      )
      return choice.is === 'chosen' ? showIkeProposal(choice.proposal) : choice.why
    })
    expect(new Set(chosen)).toEqual(new Set(['aes128-sha1-ecp256']))
  })

  test('RFC 2408 §5.6: a Transform-ID that is not known is ignored and MUST NOT cause an event', () => {
    const transforms = [2, 99, 1].map((id, i): Transform => ({ number: i + 1, id, attributes: aes }))
    const proposals = [{ number: 1, protocol: 1, spi: new Uint8Array(), transforms }]
    expect(selectIke(policyAt('modern'), saPayload({ doi: 1, situation: 1, proposals }))).toMatchObject({
      is: 'chosen',
      answer: { proposals: [{ transforms: [{ number: 3, id: 1 }] }] },
    })
    const [esp] = quickMode('qm-win10-nonat').proposals
    const unknown: Transform = { number: 1, id: 99, attributes: esp!.transforms[0]!.attributes }
    const mixed = { ...esp!, transforms: [unknown, ...esp!.transforms] }
    const choice = selectEsp(policyAt('modern'), saPayload({ doi: 1, situation: 1, proposals: [mixed] }), plain)
    expect(choice).toMatchObject({ is: 'chosen', offered: { transform: esp!.transforms[0]! } })
  })
})

describe('phase 2', () => {
  test('what each client gets at each level', () => {
    const table = hexVectors('ike/quick-mode').map(({ name }) => {
      const chosen = levels.map((level) => {
        const choice = selectEsp(policyAt(level), quickMode(name), plain)
        return choice.is === 'chosen'
          ? `${showEspProposal(choice.proposal)} ${choice.udp ? 'udp' : 'plain'}`
          : choice.cause
      })
      return `${name}: ${chosen.join(', ')}`
    })
    expect(table).toEqual([
      'qm-android4-nat: aes128-sha1 udp, aes128-sha1 udp, aes128-sha1 udp',
      'qm-macos-nat: aes128-sha1 udp, aes128-sha1 udp, aes128-sha1 udp',
      'qm-win10-nat: aes128-sha1 udp, aes128-sha1 udp, aes128-sha1 udp',
      'qm-win10-nonat: aes128-sha1 plain, aes128-sha1 plain, aes128-sha1 plain',
      'qm-win2000-port0: proposal, 3des-sha1 plain, 3des-sha1 plain',
      'qm-winxp-fqdn-idci: proposal, 3des-sha1 udp, 3des-sha1 udp',
      'qm-winxp-nat-draft02: proposal, 3des-sha1 udp, 3des-sha1 udp',
    ])
  })

  test('Windows 10: the choice, and an answer with our SPI that repeats proposal 2 as it came', () => {
    const choice = selectEsp(policyAt('modern'), quickMode('qm-win10-nat'), { ...plain, udp: 'must' }) as EspChosen
    expect({ ...choice, offered: undefined }).toEqual({
      is: 'chosen',
      proposal: { cipher: 'aes128', hash: 'sha1', group: undefined },
      mode: 'transport',
      udp: true,
      esn: false,
      lifetime: { seconds: 3600, kilobytes: 250_000 },
      peerSpi: 0xc0de0002,
      offered: undefined,
    })
    expect(hex(espAnswer(choice, 0x01020304).body)).toBe(
      '0000000100000001 0000003802030401 01020304 0000002c010c0000 80040004 80060080 80050002 80010001 0002000400000e10 80010002 000200040003d090'.replaceAll(
        ' ',
        '',
      ),
    )
  })

  const proposal = (number: number, protocol: number, id: number, ...attributes: Attribute[]): Proposal => ({
    number,
    protocol,
    spi: unhex('c0de0001'),
    transforms: [{ number: 1, id, attributes }],
  })
  const offerOf = (...proposals: Proposal[]): SaPayload => saPayload({ doi: 1, situation: 1, proposals })
  const transport = attribute(4, 2)
  const sha1 = attribute(5, 2)
  const bits128 = attribute(6, 128)
  const choose = (offer: SaPayload, context: Partial<EspChoiceContext> = {}, policy: Partial<EspChoicePolicy> = {}) => {
    const choice = selectEsp({ ...policyAt('modern'), ...policy }, offer, { ...plain, ...context })
    return choice.is === 'chosen' ? showEspProposal(choice.proposal) : choice.cause
  }

  test('NULL is never chosen, whatever else is offered', () => {
    expect(choose(offerOf(proposal(1, 3, 11, transport, sha1)))).toBe('proposal')
    const { esp: legacy } = proposalsFor('legacy')
    expect(choose(offerOf(proposal(1, 3, 11, transport, sha1)), {}, { esp: legacy })).toBe('proposal')
  })

  test('RFC 4303 §1, §3.2: integrity alone where a list asks for it; never NULL with nothing', () => {
    const list = { esp: esp('null-sha1') }
    expect(choose(offerOf(proposal(1, 3, 11, transport, sha1)), {}, list)).toBe('null-sha1')
    expect(choose(offerOf(proposal(1, 3, 11, transport)), {}, list)).toBe('proposal')
    expect(parseEspProposal('null').is).not.toBe('proposal')
  })

  test('RFC 3193 §2.1: the ciphersuites that RFC 2406 mandates, NULL encryption among them, where they are named', () => {
    const offered = (id: number, hash: number) => offerOf(proposal(1, 3, id, transport, attribute(5, hash)))
    const named = { esp: esp('des-md5', 'des-sha1', 'null-md5', 'null-sha1') }
    const suites = [2, 11].flatMap((id) => [1, 2].map((hash) => choose(offered(id, hash), {}, named)))
    expect(suites).toEqual(['des-md5', 'des-sha1', 'null-md5', 'null-sha1'])
  })

  test('RFC 2407 §4.4.4.11: NULL where a rule names it, with a hash only', () => {
    const rule = { esp: esp('null-sha1') }
    expect(choose(offerOf(proposal(1, 3, 11, transport, sha1)), {}, rule)).toBe('null-sha1')
    expect(choose(offerOf(proposal(1, 3, 11, transport)), {}, rule)).toBe('proposal')
  })

  test('RFC 2407 §4.4.4.2: DES with HMAC-MD5 at the level for it', () => {
    const des = offerOf(proposal(1, 3, 2, transport, attribute(5, 1)))
    expect(choose(des, {}, { esp: proposalsFor('legacy').esp })).toBe('des-md5')
    expect(choose(des)).toBe('proposal')
  })

  // SA Life Type is 1, SA Life Duration 2.
  const life = (kind: number, duration: number) => [attribute(1, kind), attribute(2, duration)]

  test.each([
    ['both kinds of lifetime', [...life(1, 3600), ...life(2, 5000)], 'aes128-sha1'],
    ['the same lifetime twice', [...life(1, 3600), ...life(1, 3600)], 'aes128-sha1'],
    ['two lifetimes in seconds', [...life(1, 3600), ...life(1, 600)], 'proposal'],
    ['two lifetimes in kilobytes', [...life(2, 3600), ...life(2, 600)], 'proposal'],
    ['two hashes', [attribute(5, 1)], 'proposal'],
    ['two modes', [attribute(4, 1)], 'proposal'],
  ])('RFC 2407 §4.5.2: attributes that conflict, alone on offer: %s', (_, attributes, result) => {
    expect(choose(offerOf(proposal(1, 3, 12, transport, bits128, sha1, ...attributes)))).toBe(result)
  })

  test.each([
    ['Key Rounds', [sha1, bits128, attribute(7, 12)]],
    ['Compress Dictionary Size', [sha1, bits128, attribute(8, 12)]],
    ['a key length that AES has not', [sha1, attribute(6, 100)]],
    ['DES-MAC', [attribute(5, 3), bits128]],
    ['KPDK', [attribute(5, 4), bits128]],
  ])('RFC 2407 §4.5.3: what we do not support, alone on offer, ends the set-up: %s', (_, attributes) => {
    expect(choose(offerOf(proposal(1, 3, 12, transport, ...attributes)))).toBe('proposal')
  })

  test('AH is passed over; AH with ESP under one number is taken together, so not at all', () => {
    const ah = proposal(1, 2, 3, transport, sha1)
    const ours = (number: number) => proposal(number, 3, 12, transport, bits128, sha1)
    expect(choose(offerOf(ah))).toBe('proposal')
    expect(choose(offerOf(ah, ours(1)))).toBe('proposal')
    expect(choose(offerOf(ah, ours(2)))).toBe('aes128-sha1')
  })

  test('AES-GCM goes without a hash; AES-CBC without one is refused', () => {
    expect(choose(offerOf(proposal(1, 3, 20, transport, bits128)))).toBe('aes128gcm16')
    expect(choose(offerOf(proposal(1, 3, 20, transport, bits128, sha1)))).toBe('proposal')
    expect(choose(offerOf(proposal(1, 3, 12, transport, bits128)))).toBe('proposal')
  })

  test('encapsulation: every transport value, RFC and draft; tunnel never', () => {
    const seen = [1, 2, 3, 4, 61443, 61444, 7].map((mode) =>
      choose(offerOf(proposal(1, 3, 12, attribute(4, mode), bits128, sha1))),
    )
    expect(seen).toEqual(['mode', 'aes128-sha1', 'mode', 'aes128-sha1', 'mode', 'aes128-sha1', 'mode'])
    expect(choose(offerOf(proposal(1, 3, 12, bits128, sha1)))).toBe('aes128-sha1')
  })

  test('encapsulation follows what phase 1 found', () => {
    const inUdp = offerOf(proposal(1, 3, 12, attribute(4, 4), bits128, sha1))
    const direct = offerOf(proposal(1, 3, 12, transport, bits128, sha1))
    expect((['must', 'may', 'never'] as const).map((udp) => [choose(inUdp, { udp }), choose(direct, { udp })])).toEqual(
      [
        ['aes128-sha1', 'mode'],
        ['aes128-sha1', 'aes128-sha1'],
        ['mode', 'aes128-sha1'],
      ],
    )
  })

  // RFC 2409 §5.5: "if a KE payload is sent, the attribute describing the Diffie-Hellman group […] MUST be included in every transform".
  test('PFS: the group and a KE of its length come together, or neither', () => {
    const without = offerOf(proposal(1, 3, 12, transport, bits128, sha1))
    const withGroup = offerOf(proposal(1, 3, 12, transport, bits128, sha1, attribute(3, 14)))
    const unknownGroup = offerOf(proposal(1, 3, 12, transport, bits128, sha1, attribute(3, 24)))
    const ke = groups.modp2048.publicOctets
    expect([
      choose(without),
      choose(withGroup, { keyExchangeOctets: ke }),
      choose(withGroup),
      choose(without, { keyExchangeOctets: ke }),
      choose(withGroup, { keyExchangeOctets: 128 }),
      choose(unknownGroup, { keyExchangeOctets: 256 }),
      choose(without, {}, { requirePfs: true }),
      choose(withGroup, { keyExchangeOctets: ke }, { requirePfs: true }),
      choose(withGroup, { keyExchangeOctets: ke }, { pfsGroups: ['ecp256'] }),
      choose(withGroup, { keyExchangeOctets: ke }, { esp: esp('aes128-sha1-modp2048') }),
      choose(withGroup, { keyExchangeOctets: ke }, { esp: esp('aes128-sha1-ecp256') }),
    ]).toEqual([
      'aes128-sha1',
      'aes128-sha1-modp2048',
      'key exchange',
      'key exchange',
      'key exchange',
      'proposal',
      'proposal',
      'aes128-sha1-modp2048',
      'proposal',
      'aes128-sha1-modp2048',
      'proposal',
    ])
  })

  test('SPIs below 256 and of other lengths are no SPIs (RFC 4303 §2.1)', () => {
    const spis = ['000000ff', '00000000', 'c0de', 'c0de000100'].map(unhex)
    const one = proposal(1, 3, 12, transport, bits128, sha1)
    expect(spis.map((spi) => choose(offerOf({ ...one, spi })))).toEqual(Array(4).fill('proposal'))
  })

  test('a rule that asks for SHA2-256 cut to 96 bits takes a peer that says SHA2-256 at its word', () => {
    const offer = offerOf(proposal(1, 3, 12, transport, bits128, attribute(5, 5)))
    expect(choose(offer, {}, { esp: esp('aes128-sha256_96') })).toBe('aes128-sha256_96')
    expect(choose(offer)).toBe('aes128-sha256')
  })

  test('ESN where it is asked for (RFC 4304 §2)', () => {
    const offer = offerOf(proposal(1, 3, 12, transport, bits128, sha1, attribute(11, 1)))
    expect(selectEsp(policyAt('modern'), offer, plain)).toMatchObject({ is: 'chosen', esn: true })
  })
})

describe('refusals say what to change', () => {
  const why = (policy: IkeChoicePolicy, name: string) => {
    const choice = selectIke(policy, firstPacket(name))
    return choice.is === 'refused' ? choice.why : choice
  }

  test('the nearest offer needs one setting', () => {
    expect(why(policyAt('modern'), 'winxp-sp2-2003-psk')).toBe(
      'no phase 1 proposal in common: the peer offers 3des-sha1-modp2048, 3des-sha1-modp1024, 3des-md5-modp1024, des-sha1-modp768 and 1 more; ' +
        'the nearest, 3des-sha1-modp2048, is refused because 3des is switched off; “security: compatible” would allow it',
    )
  })

  test('the nearest offer needs one setting for two parts', () => {
    expect(why(policyAt('modern'), 'macosx-10.4-10.8-psk')).toBe(
      'no phase 1 proposal in common: the peer offers 3des-sha1-modp1024; ' +
        'the nearest, 3des-sha1-modp1024, is refused because 3des and modp1024 are switched off; “security: compatible” would allow it',
    )
  })

  test('nothing is switched off, the list is just another', () => {
    expect(why({ ike: ike('aes256-sha256-modp4096'), disabled: [] }, 'cisco-ios-psk')).toBe(
      'no phase 1 proposal in common: the peer offers aes128-sha1-modp1024; ' +
        'aes128-sha1-modp1024 is not in this gateway’s list: add it under “ike”, or choose aes256-sha256-modp4096 on the client',
    )
  })

  test('a list of one’s own: another security level would change nothing', () => {
    expect(why({ ike: ike('aes256-sha256-modp4096'), disabled: disabledAt('modern') }, 'cisco-ios-psk')).toBe(
      'no phase 1 proposal in common: the peer offers aes128-sha1-modp1024; ' +
        'aes128-sha1-modp1024 is not in this gateway’s list: add it under “ike”, or choose aes256-sha256-modp4096 on the client',
    )
  })

  test('nothing is known', () => {
    const camellia = [attribute(1, 8), attribute(14, 256), attribute(2, 3), attribute(3, 1), attribute(4, 31)]
    const transforms: Transform[] = [{ number: 1, id: 1, attributes: camellia }]
    const offer = saPayload({
      doi: 1,
      situation: 1,
      proposals: [{ number: 1, protocol: 1, spi: new Uint8Array(), transforms }],
    })
    expect(selectIke({ ike: ike('aes256-sha256-modp2048'), disabled: [] }, offer)).toEqual({
      is: 'refused',
      cause: 'proposal',
      notify: 14,
      why: 'no phase 1 proposal in common: the peer offers Camellia-CBC of 256 bits-Tiger-x25519; none of them is known here; this gateway accepts aes256-sha256-modp2048',
    })
  })

  test('certificates where there is a pre-shared key', () => {
    expect(why(policyAt('modern'), 'win8-win11-cert')).toBe(
      'the peer offers RSA signatures as authentication method and this gateway accepts pre-shared key: choose that on the client',
    )
  })

  const espWhy = (context: Partial<EspChoiceContext>, policy: Partial<EspChoicePolicy>, name: string) => {
    const choice = selectEsp({ ...policyAt('modern'), ...policy }, quickMode(name), { ...plain, ...context })
    return choice.is === 'refused' ? choice.why : choice
  }

  test('ESP: a setting, a mode, PFS', () => {
    expect(espWhy({}, {}, 'qm-win2000-port0')).toBe(
      'no ESP proposal in common: the peer offers 3des-sha1, 3des-md5, des-sha1 and des-md5; ' +
        'the nearest, 3des-sha1, is refused because 3des is switched off; “security: compatible” would allow it',
    )
    expect(espWhy({ udp: 'must' }, {}, 'qm-win10-nonat')).toBe(
      'the peer offers aes256-sha1 in transport mode only; a NAT stands between, which only UDP encapsulation passes: switch NAT traversal on at the client',
    )
    expect(espWhy({ udp: 'never' }, {}, 'qm-win10-nat')).toBe(
      'the peer offers aes256-sha1 in UDP transport mode only; NAT traversal was not agreed on in phase 1: switch it on at the client',
    )
    expect(espWhy({}, { requirePfs: true, pfsGroups: ['modp2048'] }, 'qm-win10-nat')).toBe(
      'the peer’s proposal aes256-sha1 has no PFS and this gateway requires it: set requirePfs to false, or PFS with modp2048 on the client',
    )
    expect(espWhy({ keyExchangeOctets: 256 }, {}, 'qm-win10-nat')).toBe(
      'the peer offers the proposal aes256-sha1 without a PFS group and sends a KE payload all the same; RFC 2409 §5.5 wants both or neither: set PFS alike on both sides',
    )
  })
})

describe('the initiator', () => {
  const lifetime = { seconds: 28_800, kilobytes: undefined }

  test('offers what the responder accepts, and reads its answer', () => {
    const wanted = proposalsFor('legacy').ike.slice(0, 100)
    for (const proposal of wanted) {
      const offer = offerIke([proposal], lifetime)
      const choice = selectIke(policyAt('legacy'), offer)
      if (choice.is !== 'chosen') throw new Error(choice.why)
      expect(readIkeAnswer(offer, choice.answer)).toEqual({ is: 'chosen', proposal, method: 1, lifetime })
    }
  })

  test('likewise for ESP, plain and in UDP, with and without PFS', () => {
    for (const udp of ['RFC 3947', 'draft-02', undefined] as const)
      for (const group of ['modp2048', undefined] as const)
        for (const { cipher, hash } of proposalsFor('legacy').esp) {
          const offered = { proposals: [{ cipher, hash, group: undefined }], group, spi: 0xc0de0001, udp, lifetime }
          const offer = offerEsp(offered)
          const keyExchangeOctets = group && groups[group].publicOctets
          const choice = selectEsp(policyAt('legacy'), offer, { udp: udp ? 'must' : 'never', keyExchangeOctets })
          if (choice.is !== 'chosen') throw new Error(choice.why)
          expect(choice.peerSpi).toBe(0xc0de0001)
          expect(readEspAnswer(offer, espAnswer(choice, 0x01020304))).toEqual({
            is: 'chosen',
            proposal: { cipher, hash, group },
            peerSpi: 0x01020304,
            udp: udp !== undefined,
            esn: false,
            lifetime,
          })
        }
  })

  test('what was offered, octet for octet: the order of Windows', () => {
    const { octets } = emitChain([offerIke(ike('aes256-sha1-modp2048', '3des-sha1-modp1024'), lifetime)])
    expect(hex(octets)).toBe(
      [
        '00000060 00000001 00000001 00000054 01010002',
        '03000028 01010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080',
        '00000024 02010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080',
      ]
        .join('')
        .replaceAll(' ', ''),
    )
  })

  test('RFC 2407 §4.5: ESP, octet for octet: basic attributes as such, a length only where the key has one, no hash with GCM', () => {
    const { octets } = emitChain([
      offerEsp({
        proposals: esp('aes128-sha1', '3des-md5', 'aes128gcm16', 'null-sha1'),
        group: 'modp2048',
        spi: 0xc0de0001,
        udp: undefined,
        lifetime: { seconds: 3_600, kilobytes: 250_000 },
      }),
    ])
    const behind = '8003000e 80010001 0002000400000e10 80010002 000200040003d090'
    expect(hex(octets)).toBe(
      [
        '000000cc 00000001 00000001 000000c0 01030404 c0de0001',
        `03000030 010c0000 80040002 80060080 80050002 ${behind}`,
        `0300002c 02030000 80040002 80050001 ${behind}`,
        `0300002c 03140000 80040002 80060080 ${behind}`,
        `0000002c 040b0000 80040002 80050002 ${behind}`,
      ]
        .join('')
        .replaceAll(' ', ''),
    )
  })

  test('RFC 2409 §5: an answer with attributes changed, added or deleted MUST be rejected', () => {
    const changed = (offer: SaPayload, change: (attributes: readonly Attribute[]) => readonly Attribute[]) => {
      const [proposal] = offer.proposals
      const [transform] = proposal!.transforms
      const transforms = [{ ...transform!, attributes: change(transform!.attributes) }]
      return saPayload({ doi: 1, situation: 1, proposals: [{ ...proposal!, transforms }] })
    }
    const without = (type: number) => (attributes: readonly Attribute[]) =>
      attributes.filter((one) => one.type !== type)
    const and = (type: number, value: number) => (attributes: readonly Attribute[]) => [
      ...attributes.filter((one) => one.type !== type),
      attribute(type, value),
    ]
    const same = (attributes: readonly Attribute[]) => attributes
    const ikeOffer = offerIke(ike('aes256-sha1-modp2048'), lifetime)
    const ikeChanges = [
      same,
      without(1),
      without(2),
      without(3),
      without(4),
      without(14),
      and(2, 1),
      and(3, 3),
      and(4, 2),
      and(14, 128),
      and(13, 9),
    ]
    expect(ikeChanges.map((change) => readIkeAnswer(ikeOffer, changed(ikeOffer, change)).is)).toEqual([
      'chosen',
      ...Array(10).fill('refused'),
    ])
    const espOffer = offerEsp({
      proposals: esp('aes256-sha1'),
      group: 'modp2048',
      spi: 0xc0de0001,
      udp: undefined,
      lifetime,
    })
    const espChanges = [
      same,
      without(3),
      without(5),
      without(6),
      and(3, 2),
      and(4, 1),
      and(4, 4),
      and(5, 1),
      and(6, 128),
      and(7, 12),
      and(11, 1),
    ]
    expect(espChanges.map((change) => readEspAnswer(espOffer, changed(espOffer, change)).is)).toEqual([
      'chosen',
      ...Array(10).fill('refused'),
    ])
  })

  test('an answer that was not offered, or is more than one, is refused', () => {
    const offer = offerIke(ike('aes256-sha1-modp2048'), lifetime)
    const other = offerIke(ike('aes128-sha1-modp2048'), lifetime)
    const two = offerIke(ike('aes256-sha1-modp2048', 'aes256-sha1-modp2048'), lifetime)
    const none = { ...offer, proposals: [] }
    expect([other, two, none].map((answer) => readIkeAnswer(offer, answer).is)).toEqual([
      'refused',
      'refused',
      'refused',
    ])
    expect(readIkeAnswer(offer, other)).toMatchObject({ why: expect.stringContaining('but aes128-sha1-modp2048') })
    const espOffer = { proposals: esp('aes128-sha1'), group: undefined, spi: 0xc0de0001, udp: undefined, lifetime }
    const answers = [
      offerEsp({ ...espOffer, udp: 'RFC 3947' }),
      offerEsp({ ...espOffer, group: 'modp2048' }),
      offerEsp({ ...espOffer, proposals: esp('aes256-sha1') }),
      offerEsp({ ...espOffer, spi: 255 }),
    ]
    expect(answers.map((answer) => readEspAnswer(offerEsp(espOffer), answer).is)).toEqual(Array(4).fill('refused'))
  })
})
