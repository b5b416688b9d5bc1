// Real clients' messages in and out again to the same octets, generated payloads likewise, and what malformed ones do.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { captureOctets, datagrams, hasCapture } from '../../../test/captures.ts'
import { hexVector, hexVectors } from '../../../test/vectors.ts'
import { concat, equal, hex, unhex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { attribute, attributeNumber, findNumber, longAttribute } from './attributes.ts'
import { afterFirst, emitChain, mostPayloads, padded, parseChain } from './chain.ts'
import { emitMessage, headerOctets, parseHeader } from './header.ts'
import { nameOf, notifyType, payloadType } from './numbers.ts'
import {
  certPayload,
  certReqPayload,
  deletePayload,
  fragmentPayload,
  hashPayload,
  idPayload,
  kePayload,
  natDPayload,
  natOaPayload,
  noncePayload,
  notifyPayload,
  type Payload,
  saPayload,
  sigPayload,
  unknownPayload,
  vidPayload,
} from './payloads.ts'

/** Builds a payload anew from its parsed fields alone. */
function rebuilt(payload: Payload): Payload {
  switch (payload.is) {
    case 'SA':
      return saPayload(payload)
    case 'KE':
      return kePayload(payload.publicValue)
    case 'ID':
      return idPayload(payload)
    case 'CERT':
      return certPayload(payload.encoding, payload.data)
    case 'CERTREQ':
      return certReqPayload(payload.encoding, payload.data)
    case 'HASH':
      return hashPayload(payload.data)
    case 'SIG':
      return sigPayload(payload.data)
    case 'NONCE':
      return noncePayload(payload.nonce)
    case 'N':
      return notifyPayload(payload)
    case 'D':
      return deletePayload(payload)
    case 'VID':
      return vidPayload(payload.vendorId)
    case 'NAT-D':
      return natDPayload(payload.type, payload.hash)
    case 'NAT-OA':
      return natOaPayload(payload.type, payload.address!)
    case 'FRAGMENT':
      return fragmentPayload(payload)
    case 'unknown':
      return unknownPayload(payload.type, payload.body)
  }
}

function roundTrip(datagram: Uint8Array): Uint8Array {
  const { header, body } = parseHeader(datagram)
  if (header.encrypted) return emitMessage(header, body)
  const { first, octets } = emitChain(parseChain(header.next, body, 'clear').payloads.map(rebuilt))
  return emitMessage({ ...header, next: first }, octets)
}

describe('messages of real clients', () => {
  test.each(hexVectors('ike/first-packets'))('$name: parsed and built anew, the same octets', ({ octets }) => {
    expect(hex(roundTrip(octets))).toBe(hex(octets))
  })

  test.each(hexVectors('ike/quick-mode'))('$name: likewise, without header and padding', ({ octets }) => {
    const chain = parseChain(payloadType.HASH, octets, 'decrypted')
    expect(hex(emitChain(chain.payloads.map(rebuilt)).octets)).toBe(hex(chain.octets))
    expect(concat(emitChain(chain.payloads.slice(0, 1)).octets, afterFirst(chain)).length).toBe(chain.octets.length)
  })

  test('Windows 10, first message: what it says', () => {
    const { header, body } = parseHeader(hexVector('ike/first-packets/win8-win11-psk'))
    const { payloads } = parseChain(header.next, body, 'clear')
    expect({
      ...header,
      initiatorCookie: hex(header.initiatorCookie),
      responderCookie: hex(header.responderCookie),
    }).toEqual({
      initiatorCookie: 'bb60dd34e8e3a883',
      responderCookie: '0000000000000000',
      next: 1,
      major: 1,
      minor: 0,
      exchange: 2,
      encrypted: false,
      commit: false,
      authenticationOnly: false,
      otherFlags: 0,
      messageId: 0,
    })
    expect(payloads.map(({ is }) => is)).toEqual(['SA', ...Array<string>(8).fill('VID')])
    const [sa] = payloads
    const transforms = sa?.is === 'SA' ? sa.proposals[0]!.transforms : []
    expect(transforms.map(({ attributes }) => attributes.map((one) => [one.type, attributeNumber(one)]))[0]).toEqual([
      [1, 7],
      [14, 256],
      [2, 2],
      [4, 20],
      [3, 1],
      [11, 1],
      [12, 28800],
    ])
  })

  test('Windows 10, quick mode behind a NAT: identities, NAT-OA, five proposals', () => {
    const { payloads } = parseChain(payloadType.HASH, hexVector('ike/quick-mode/qm-win10-nat'), 'decrypted')
    expect(payloads.map((payload) => payload.is)).toEqual(['HASH', 'SA', 'NONCE', 'ID', 'ID', 'NAT-OA', 'NAT-OA'])
    expect(payloads.flatMap((payload) => (payload.is === 'NAT-OA' ? [payload.address] : []))).toEqual([
      '192.168.1.10',
      '198.51.100.1',
    ])
    expect(
      payloads.flatMap((payload) => (payload.is === 'ID' ? [[payload.idType, payload.protocol, payload.port]] : [])),
    ).toEqual([
      [1, 17, 1701],
      [1, 17, 1701],
    ])
  })

  const captures = ['ike/isakmp4500.pcap', 'ike/ikev1-isakmp-main-mode.pcap']
  test.skipIf(!captures.every(hasCapture))('captures of others: every message, the same octets', () => {
    const messages = captures.flatMap(datagrams).flatMap(({ from, to, payload }) => {
      if (from.port !== 4500 && to.port !== 4500) return [payload]
      // RFC 3948 §2.2: four zeros mark IKE on port 4500; the rest is ESP or a keepalive.
      return payload.length > 4 && payload.subarray(0, 4).every((octet) => octet === 0) ? [payload.subarray(4)] : []
    })
    expect(messages.length).toBeGreaterThan(20)
    expect(messages.map((message) => hex(roundTrip(message)))).toEqual(messages.map(hex))
  })
})

// --- generated --------------------------------------------------------------------------------------------------------------------------

const octets = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength })
const u8 = fc.nat(0xff)
const u16 = fc.nat(0xffff)
const u32 = fc.nat(0xffff_ffff)

const anyAttribute = fc.oneof(
  fc.record({ type: fc.nat(0x7fff), basic: fc.constant(true), value: octets(2) }),
  fc.record({ type: fc.nat(0x7fff), basic: fc.constant(false), value: octets(0, 300) }),
)
const anyTransform = fc.record({ number: u8, id: u8, attributes: fc.array(anyAttribute, { maxLength: 32 }) })
const anyProposal = fc.record({
  number: u8,
  protocol: u8,
  spi: octets(0, 255),
  transforms: fc.array(anyTransform, { minLength: 1, maxLength: 4 }),
})
const anySa = fc
  .record({
    doi: fc.constantFrom(0, 1),
    situation: fc.constant(1),
    proposals: fc.array(anyProposal, { minLength: 1, maxLength: 4 }),
  })
  .map(saPayload)
const spis = octets(1, 16).chain((first) =>
  fc.array(octets(first.length), { maxLength: 5 }).map((rest) => [first, ...rest]),
)
const knownTypes: readonly number[] = Object.values(payloadType).filter((type) => ![2, 3, 14].includes(type))

const anyPayload: fc.Arbitrary<Payload> = fc.oneof(
  anySa,
  octets(0, 512).map(kePayload),
  fc.record({ idType: u8, protocol: u8, port: u16, data: octets(0, 40) }).map(idPayload),
  fc.tuple(u8, octets(0, 600)).map(([encoding, data]) => certPayload(encoding, data)),
  fc.tuple(u8, octets(0, 100)).map(([encoding, data]) => certReqPayload(encoding, data)),
  octets(0, 64).map(hashPayload),
  octets(0, 256).map(sigPayload),
  octets(0, 256).map(noncePayload),
  fc.record({ doi: u32, protocol: u8, spi: octets(0, 20), notify: u16, data: octets(0, 20) }).map(notifyPayload),
  fc.record({ doi: u32, protocol: u8, spis }).map(deletePayload),
  octets(0, 40).map(vidPayload),
  fc.tuple(fc.constantFrom(15, 20, 130), octets(0, 64)).map(([type, hash]) => natDPayload(type, hash)),
  fc.tuple(fc.constantFrom(16, 21, 131), fc.ipV4()).map(([type, address]) => natOaPayload(type, address)),
  fc
    .record({ id: u16, number: fc.integer({ min: 1, max: 255 }), last: fc.boolean(), data: octets(0, 100) })
    .map(fragmentPayload),
  fc
    .tuple(
      fc.integer({ min: 1, max: 255 }).filter((type) => !knownTypes.includes(type)),
      octets(0, 30),
    )
    .map(([type, body]) => unknownPayload(type, body)),
)
const anyPayloads = fc.array(anyPayload, { maxLength: mostPayloads })

describe('generated messages', () => {
  test('what is built is parsed to the same values', () => {
    fc.assert(
      fc.property(anyPayloads, (payloads) => {
        const { first, octets: chain } = emitChain(payloads)
        expect(parseChain(first, chain, 'clear')).toEqual({ payloads, octets: chain })
      }),
    )
  })

  test('padding behind a decrypted chain may be anything, behind a clear one a few zeros', () => {
    fc.assert(
      fc.property(anyPayloads, octets(1, 15), (payloads, padding) => {
        const { first, octets: chain } = emitChain(payloads)
        expect(parseChain(first, concat(chain, padding), 'decrypted').octets).toEqual(chain)
        const zeros = new Uint8Array(padding.length)
        expect(parseChain(first, concat(chain, zeros), 'clear').octets).toEqual(chain)
        if (!equal(padding, zeros)) expect(() => parseChain(first, concat(chain, padding), 'clear')).toThrow(WireError)
      }),
    )
  })

  test('headers', () => {
    const header = fc.record({
      initiatorCookie: octets(8),
      responderCookie: octets(8),
      next: u8,
      major: fc.nat(15),
      minor: fc.nat(15),
      exchange: u8,
      encrypted: fc.boolean(),
      commit: fc.boolean(),
      authenticationOnly: fc.boolean(),
      otherFlags: fc.nat(31).map((bits) => bits << 3),
      messageId: u32,
    })
    fc.assert(
      fc.property(header, octets(0, 100), (fields, body) => {
        expect(parseHeader(emitMessage(fields, body))).toEqual({ header: fields, body })
      }),
    )
  })

  test('any octets at all: a chain or a WireError, nothing else', () => {
    fc.assert(
      fc.property(u8, fc.uint8Array({ maxLength: 200 }), (first, body) => {
        try {
          parseChain(first, body, 'decrypted')
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

// --- malformed --------------------------------------------------------------------------------------------------------------------------

describe('the header', () => {
  const message = hexVector('ike/first-packets/win8-win11-psk')

  test('RFC 2408 §5.1: a length that is not the datagram’s is refused', () => {
    expect(() => parseHeader(message.subarray(0, -1))).toThrow(
      'length at octet 28: says 408, the datagram has 407 octets (UNEQUAL-PAYLOAD-LENGTHS)',
    )
    expect(() => parseHeader(concat(message, new Uint8Array(4)))).toThrow('says 408, the datagram has 412')
  })

  test.each(Array.from({ length: headerOctets }, (_, i) => i))('%i octets are too few', (length) => {
    expect(() => parseHeader(message.subarray(0, length))).toThrow(WireError)
  })
})

describe('chains that are refused', () => {
  const nonce = 'aabbccddeeff0011'
  test.each([
    ['RESERVED not zero', payloadType.NONCE, `0001000c${nonce}`, 'RESERVED at octet 2: is not zero'],
    ['a length below its own header', payloadType.NONCE, `00000003${nonce}`, '3 is shorter than its own header'],
    ['a length beyond the message', payloadType.NONCE, `0000000d${nonce}`, 'needs 9 octets, 8 are left'],
    [
      'an end inside a generic header',
      payloadType.NONCE,
      `0a00000c${nonce}0000`,
      'payload length at octet 14: needs 2 octets',
    ],
    [
      'octets behind a clear chain',
      payloadType.NONCE,
      `0000000c${nonce}01`,
      'chain at octet 13: 1 octets after the last payload',
    ],
    ['a notify cut short', payloadType.N, '0000000b00000001010000', 'notify type at octet 10'],
    [
      'a notify whose SPI is cut off',
      payloadType.N,
      '0000000e00000001010400180102',
      'notify SPI at octet 12: needs 4 octets',
    ],
    [
      'a delete that counts more SPIs than follow',
      payloadType.D,
      '000000100000000103040002c0de0001',
      '2 of 4 octets are not the 4 octets that follow',
    ],
    [
      'a delete of many SPIs of no length',
      payloadType.D,
      '0000000c000000010100ffff',
      '65535 of 0 octets are not the 0 octets that follow',
    ],
    ['an identity without its fixed part', payloadType.ID, '00000006 0111', 'ID port'],
    ['a NAT-OA of five octets', payloadType['NAT-OA'], '0000000d01000000c0a8010a01', '5 octets instead of 4'],
    ['fragment 0', payloadType.FRAGMENT, '0000000800010000', 'fragment number'],
  ])('%s', (_, first, body, why) => {
    expect(() => parseChain(first, unhex(body), 'clear')).toThrow(why)
    expect(() => parseChain(first, unhex(body), 'clear')).toThrow(WireError)
  })

  test('more payloads than any client sends', () => {
    const vid = vidPayload(unhex('00'))
    expect(parseChain(13, emitChain(Array(mostPayloads).fill(vid)).octets, 'clear').payloads.length).toBe(mostPayloads)
    expect(() => parseChain(13, emitChain(Array(mostPayloads + 1).fill(vid)).octets, 'clear')).toThrow(
      'more than 64 payloads',
    )
  })
})

describe('SA payloads', () => {
  const parse = (body: string) => {
    const octets = unhex(body)
    return parseChain(
      payloadType.SA,
      concat(Uint8Array.of(0, 0, (4 + octets.length) >>> 8, (4 + octets.length) & 0xff), octets),
      'clear',
    ).payloads[0]!
  }
  const transform = '0000 000c 0101 0000 80010005'
  const proposal = (rest: string) => `00000001 00000001 ${rest}`

  test('the smallest', () => {
    expect(parse(proposal(`0000 0014 01 01 00 01 ${transform}`))).toMatchObject({
      doi: 1,
      situation: 1,
      proposals: [
        { number: 1, protocol: 1, transforms: [{ number: 1, id: 1, attributes: [{ type: 1, basic: true }] }] },
      ],
    })
  })

  test('of another DOI or situation: no proposals, no error, the body kept', () => {
    expect(parse('00000002 12345678')).toMatchObject({
      doi: 2,
      situation: undefined,
      proposals: [],
      body: unhex('0000000212345678'),
    })
    expect(parse('00000001 00000002 00')).toMatchObject({ doi: 1, situation: 2, proposals: [] })
  })

  test.each([
    ['no proposal at all', '', 'next payload'],
    ['a proposal of length 3', '0000 0003 01 01 00 01', '3 is shorter than its own header'],
    ['a chain of proposals that goes on to something else', `0500 0014 01 01 00 01 ${transform}`, '5 inside an SA'],
    [
      'a chain of transforms that goes on to something else',
      `0000 0014 01 01 00 01 0200 000c 0101 0000 80010005`,
      '2 inside a proposal',
    ],
    ['a count of transforms that is wrong', `0000 0014 01 01 00 02 ${transform}`, 'says 2, there are 1'],
    ['no transform', '0000 0008 01 01 00 00', 'next payload'],
    ['RESERVED of a proposal', `0001 0014 01 01 00 01 ${transform}`, 'RESERVED'],
    ['RESERVED2 of a transform', '0000 0014 01 01 00 01 0000 000c 0101 0001 80010005', 'RESERVED2'],
    ['octets after the last proposal', `0000 0014 01 01 00 01 ${transform} 00`, '1 octets after the last proposal'],
    ['octets after the last transform', `0000 0015 01 01 00 01 ${transform} 00`, '1 octets after the last transform'],
    ['an attribute cut short', '0000 0012 01 01 00 01 0000 000a 0101 0000 8001', 'attribute value'],
    ['an SPI longer than the proposal', `0000 0014 01 01 ff 01 ${transform}`, 'SPI'],
  ])('%s is refused', (_, rest, why) => {
    expect(() => parse(proposal(rest))).toThrow(why)
    expect(() => parse(proposal(rest))).toThrow(WireError)
  })

  test('more proposals, transforms or attributes than any client sends', () => {
    const spi = new Uint8Array()
    const one = { number: 1, protocol: 1, spi, transforms: [{ number: 1, id: 1, attributes: [] }] }
    const many = saPayload({ doi: 1, situation: 1, proposals: Array(65).fill(one) })
    expect(() => parse(hex(many.body))).toThrow('more than 64 in one SA')
    const transforms = Array(129).fill(one.transforms[0])
    const long = saPayload({ doi: 1, situation: 1, proposals: [{ ...one, transforms }] })
    expect(() => parse(hex(long.body))).toThrow('more than 128 in one SA')
    const attributes = Array(33).fill(attribute(1, 1))
    const wide = saPayload({
      doi: 1,
      situation: 1,
      proposals: [{ ...one, transforms: [{ number: 1, id: 1, attributes }] }],
    })
    expect(() => parse(hex(wide.body))).toThrow('more than 32 in one transform')
  })
})

describe('attributes', () => {
  test('numbers in every encoding', () => {
    expect(attributeNumber(attribute(12, 3600))).toBe(3600)
    expect(attributeNumber(attribute(12, 28800 * 4))).toBe(115200)
    expect(attributeNumber(longAttribute(12, 28800))).toBe(28800)
    expect(attributeNumber({ type: 12, basic: false, value: unhex('000000000000ffff') })).toBe(65535)
    expect(attributeNumber({ type: 12, basic: false, value: unhex('ffffffffffffffffff') })).toBe(
      Number.MAX_SAFE_INTEGER,
    )
    expect(attributeNumber({ type: 12, basic: false, value: new Uint8Array() })).toBeUndefined()
    expect(findNumber([attribute(1, 5), attribute(2, 2)], 2)).toBe(2)
    expect(findNumber([], 2)).toBeUndefined()
  })
})

describe('padding and names', () => {
  test('whole blocks', () => {
    expect([0, 1, 8, 9].map((length) => padded(new Uint8Array(length), 8).length)).toEqual([0, 8, 8, 16])
  })

  test('known numbers by name, unknown ones by kind and number', () => {
    expect(nameOf(notifyType, 14)).toBe('NO-PROPOSAL-CHOSEN')
    expect(nameOf(notifyType, 9999, 'notify')).toBe('notify 9999')
  })
})

const malformed = [
  'ikev1_id_ipv6_addr_subnet-oobr',
  'isakmp-3948-oobr-2',
  'isakmp-delete-segfault',
  'isakmp-identification-segfault',
  'isakmp-ikev1_n_print-oobr',
  'isakmp-rfc3948-oobr',
  'isakmp-various-oobr',
  'isakmpv1-attr-oobr',
].map((name) => `malformed/${name}.pcap`)

describe('captures that broke other parsers', () => {
  test.skipIf(!malformed.every(hasCapture)).each(malformed)('%s: from every offset, values or a WireError', (path) => {
    const octets = captureOctets(path).subarray(0, 4096)
    for (let at = 0; at < octets.length; at++) {
      for (const first of [1, 5, 11, 12]) {
        try {
          parseChain(first, octets.subarray(at), 'decrypted')
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }
    }
  })
})
