import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { frames, hasCapture } from '../../../test/captures.ts'
import { hexVector, hexVectors } from '../../../test/vectors.ts'
import { hex, unhex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { CODES, type ControlPacket, emitControl, LCP_CODES, NCP_CODES, parseControl } from './control.ts'
import { IPCP_OPTIONS } from './ipcp-options.ts'
import { IPV6CP_OPTIONS } from './ipv6cp-options.ts'
import { authenticationKind, authenticationName, authenticationOption, LCP_OPTIONS } from './lcp-options.ts'
import { numberOf, numberOption, optionName } from './option.ts'
import { PROTOCOL, protocolName } from './protocols.ts'

/** Protocol and packet of a captured frame. */
function frame(name: string): { protocol: number; packet: ControlPacket } {
  const octets = hexVector(`ppp/${name}`)
  const protocol = (octets[0]! << 8) | octets[1]!
  return { protocol, packet: parseControl(octets.subarray(2), protocol === PROTOCOL.lcp ? LCP_CODES : NCP_CODES) }
}

describe('what real clients send', () => {
  test('Windows 10: LCP, with callback and then without', () => {
    const first = { type: 1, data: unhex('0578') }
    const rest = [
      { type: 5, data: unhex('1d3b5f70') },
      { type: 7, data: unhex('') },
      { type: 8, data: unhex('') },
    ]
    expect(frame('ppp-win10-lcp-confreq')).toEqual({
      protocol: PROTOCOL.lcp,
      packet: { is: 'Configure-Request', id: 0, options: [first, ...rest, { type: 13, data: unhex('06') }] },
    })
    expect(frame('ppp-win10-lcp-confreq2').packet).toEqual({
      is: 'Configure-Request',
      id: 1,
      options: [first, ...rest],
    })
  })

  test('Windows: identifications, and a Terminate-Request', () => {
    expect(frame('ppp-win-lcp-ident1').packet).toEqual({
      is: 'Identification',
      id: 2,
      magic: 0x1d3b5f70,
      data: new TextEncoder().encode('MSRASV5.20'),
    })
    expect(frame('ppp-win-lcp-termreq-0').packet).toEqual({
      is: 'Terminate-Request',
      id: 9,
      data: unhex('1d3b5f70 003ccd74 00000000'),
    })
  })

  test('macOS: LCP without an MRU, IPCP for an address and name servers', () => {
    expect(frame('ppp-macos-lcp-confreq').packet).toMatchObject({
      options: [{ type: 2 }, { type: 5 }, { type: 7 }, { type: 8 }],
    })
    expect(frame('ppp-macos-ipcp-confreq').packet).toMatchObject({
      options: [{ type: 3 }, { type: 129 }, { type: 131 }],
    })
  })

  test.each(hexVectors('ppp').map(({ name, octets }) => [name, octets] as const))(
    '%s is emitted again octet by octet',
    (_, octets) => {
      const known = octets[0] === 0xc0 ? LCP_CODES : NCP_CODES
      const packet = octets.subarray(2)
      expect(hex(emitControl(parseControl(packet, known)))).toBe(hex(packet))
    },
  )
})

describe('control packets', () => {
  test.each([
    ['', 'code'],
    ['01', 'identifier'],
    ['0101', 'length'],
    ['01010003', 'length'],
    ['01010008', 'length'],
    ['01010005 01', 'option length'],
    ['01010006 0101', 'option length'],
    ['01010006 0105', 'option 1'],
    ['08010005 00', 'rejected protocol'],
    ['09010006 0000', 'magic number'],
    ['0d010008 00000000', 'seconds'],
  ])('%s is no packet: %s', (octets, where) => {
    expect(() => parseControl(unhex(octets), LCP_CODES)).toThrow(WireError)
    expect(() => parseControl(unhex(octets), LCP_CODES)).toThrow(`${where} at octet`)
  })

  test('RFC 1661 §5: octets behind the length are padding', () => {
    expect(parseControl(unhex('05010004 ffff'), LCP_CODES)).toEqual({
      is: 'Terminate-Request',
      id: 1,
      data: new Uint8Array(),
    })
  })

  test("LCP's own codes are unknown to an NCP, and unknown codes are values", () => {
    expect(parseControl(unhex('09010008 00000001'), NCP_CODES)).toEqual({
      is: 'unknown',
      code: 9,
      id: 1,
      data: unhex('00000001'),
    })
    expect(parseControl(unhex('00010004'), LCP_CODES)).toEqual({
      is: 'unknown',
      code: 0,
      id: 1,
      data: new Uint8Array(),
    })
  })

  const id = fc.nat(255)
  const octets = (maxLength: number) => fc.uint8Array({ maxLength })
  const magic = fc.nat(0xffffffff)
  const options = fc.array(fc.record({ type: fc.nat(255), data: octets(20) }), { maxLength: 12 })
  const packet: fc.Arbitrary<ControlPacket> = fc.oneof(
    fc.record({
      is: fc.constantFrom('Configure-Request', 'Configure-Ack', 'Configure-Nak', 'Configure-Reject'),
      id,
      options,
    }),
    fc.record({ is: fc.constantFrom('Terminate-Request', 'Terminate-Ack'), id, data: octets(40) }),
    fc.record({ is: fc.constant('Code-Reject'), id, rejected: octets(40) }),
    fc.record({ is: fc.constant('Protocol-Reject'), id, protocol: fc.nat(0xffff), rejected: octets(40) }),
    fc.record({
      is: fc.constantFrom('Echo-Request', 'Echo-Reply', 'Discard-Request', 'Identification'),
      id,
      magic,
      data: octets(40),
    }),
    fc.record({ is: fc.constant('Time-Remaining'), id, magic, seconds: fc.nat(0xffffffff), data: octets(40) }),
    fc.record({ is: fc.constant('unknown'), code: fc.integer({ min: 14, max: 255 }), id, data: octets(40) }),
  ) as fc.Arbitrary<ControlPacket>

  test('what is emitted is parsed to the same', () => {
    fc.assert(
      fc.property(packet, (value) => {
        expect(parseControl(emitControl(value), LCP_CODES)).toEqual(value)
      }),
    )
  })

  test('malformed octets are WireErrors and nothing else', () => {
    const nearly = fc.tuple(packet, fc.nat(60), fc.nat(255)).map(([value, at, octet]) => {
      const spoilt = emitControl(value)
      if (spoilt.length > 0) spoilt[at % spoilt.length] = octet
      return spoilt
    })
    fc.assert(
      fc.property(fc.oneof(octets(80), nearly), (input) => {
        try {
          parseControl(input, LCP_CODES)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 3000 },
    )
  })
})

// Captures of tcpdump's test suite, which crashed other parsers.
describe.each(['ppp-invalid-lengths', 'mlppp-oobr', 'heapoverflow-ppp_hdlc_if_print'])('%s', (name) => {
  const path = `malformed/${name}.pcap`
  test.skipIf(!hasCapture(path))('is parsed from any octet on, or is a WireError', () => {
    const found = frames(path).frames
    expect(found.length).toBeGreaterThan(0)
    for (const octets of found) {
      for (let from = 0; from < octets.length; from++) {
        try {
          parseControl(octets.subarray(from), LCP_CODES)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }
    }
  })
})

describe('registries', () => {
  test.each([
    ['LCP', LCP_OPTIONS],
    ['IPCP', IPCP_OPTIONS],
    ['IPV6CP', IPV6CP_OPTIONS],
  ])('%s: every option once, with its source', (_, registry) => {
    const rows = Object.values(registry)
    expect(new Set(rows.map(({ type }) => type)).size).toBe(rows.length)
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    for (const { source } of rows) expect(source).toMatch(/^RFC \d+ §\d/)
  })

  test('codes are distinct', () => expect(new Set(Object.values(CODES)).size).toBe(LCP_CODES))

  test('names of what is known and what is not', () => {
    expect([0x80fd, 0x8235, 0x1234].map(protocolName)).toEqual(['CCP', 'ACSCP', '0x1234'])
    expect(optionName(LCP_OPTIONS, { type: 13, data: new Uint8Array() })).toBe('Callback')
    expect(optionName(LCP_OPTIONS, { type: 99, data: new Uint8Array() })).toBe('option 99')
  })

  test('numbers in options', () => {
    expect(numberOption(LCP_OPTIONS.mru, 1400)).toEqual({ type: 1, data: unhex('0578') })
    expect(numberOption(LCP_OPTIONS.magic, 0xfedcba98)).toEqual({ type: 5, data: unhex('fedcba98') })
    expect(numberOf({ type: 5, data: unhex('fedcba98') })).toBe(0xfedcba98)
  })
})

describe('Authentication-Protocol', () => {
  test.each([
    ['pap', 'c023'],
    ['chap', 'c22305'],
    ['mschap', 'c22380'],
    ['mschapv2', 'c22381'],
  ] as const)('%s is %s', (kind, data) => {
    expect(authenticationOption(kind)).toEqual({ type: 3, data: unhex(data) })
    expect(authenticationKind({ type: 3, data: unhex(data) })).toBe(kind)
  })

  test.each([
    ['c227', 'EAP'],
    ['c22306', 'CHAP algorithm 6'],
    ['c027', '0xc027'],
    ['c0', 'nothing'],
    ['c02301', 'PAP'],
    ['c2238181', 'CHAP algorithm 129'],
  ])('%s (%s) is none of ours', (data, name) => {
    expect(authenticationKind({ type: 3, data: unhex(data) })).toBeUndefined()
    expect(authenticationName({ type: 3, data: unhex(data) })).toBe(name)
  })
})
