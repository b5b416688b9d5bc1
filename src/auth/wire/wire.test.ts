import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { emitChap, parseChap } from './chap.ts'
import {
  emitMschapFailure,
  emitMschapResponse,
  emitMschapv2Response,
  parseMschapFailure,
  parseMschapResponse,
  parseMschapv2Response,
  parseMschapv2Success,
} from './mschap.ts'
import { emitPap, parsePap } from './pap.ts'

const text = (value: string) => new TextEncoder().encode(value)
const octets = (maxLength: number) => fc.uint8Array({ maxLength })
const id = fc.nat(255)

/** Whatever comes in, it parses or it is a WireError. */
function onlyWireErrors(parse: (octets: Uint8Array) => unknown): void {
  fc.assert(
    fc.property(octets(80), (input) => {
      try {
        parse(input)
      } catch (error) {
        expect(error).toBeInstanceOf(WireError)
      }
    }),
    { numRuns: 2000 },
  )
}

describe('PAP', () => {
  test('a request, octet by octet', () => {
    const packet = { is: 'Authenticate-Request', id: 7, user: text('bob'), password: text('pw') } as const
    expect(hex(emitPap(packet))).toBe('0107000b03626f62027077')
    expect(parsePap(unhex('0107000b03626f62027077 ffff'))).toEqual(packet)
  })

  test('an answer without even the length of its message', () => {
    expect(parsePap(unhex('02070004'))).toEqual({ is: 'Authenticate-Ack', id: 7, message: new Uint8Array() })
  })

  test.each(['', '0107', '01070003', '0107000b03626f620270', '0107000504', '020700050a'])(
    '%s is cut short',
    (input) => {
      expect(() => parsePap(unhex(input))).toThrow(WireError)
    },
  )

  test('what is emitted is parsed to the same', () => {
    const request = fc.record({
      is: fc.constant('Authenticate-Request' as const),
      id,
      user: octets(255),
      password: octets(255),
    })
    const answer = fc.record({
      is: fc.constantFrom('Authenticate-Ack' as const, 'Authenticate-Nak' as const),
      id,
      message: octets(255),
    })
    fc.assert(
      fc.property(fc.oneof(request, answer), (packet) => {
        expect(parsePap(emitPap(packet))).toEqual(packet)
      }),
    )
  })

  test('malformed octets are WireErrors and nothing else', () => onlyWireErrors(parsePap))
})

describe('CHAP', () => {
  test('a challenge, octet by octet', () => {
    const packet = { is: 'Challenge', id: 1, value: unhex('0102030405060708'), name: text('gw') } as const
    expect(hex(emitChap(packet))).toBe('0101000f0801020304050607086777')
    expect(parseChap(emitChap(packet))).toEqual(packet)
  })

  test.each(['', '01010003', '010100050a', '0101000404', '010100060901'])('%s is cut short', (input) => {
    expect(() => parseChap(unhex(input))).toThrow(WireError)
  })

  test('what is emitted is parsed to the same', () => {
    const packet = fc.oneof(
      fc.record({
        is: fc.constantFrom('Challenge' as const, 'Response' as const),
        id,
        value: octets(255),
        name: octets(300),
      }),
      fc.record({ is: fc.constantFrom('Success' as const, 'Failure' as const), id, message: octets(300) }),
      fc.record({
        is: fc.constantFrom('Change-Password-1' as const, 'Change-Password-2' as const, 'Change-Password-3' as const),
        id,
        data: octets(600),
      }),
      fc.record({ is: fc.constant('unknown' as const), code: fc.integer({ min: 8, max: 255 }), id, data: octets(50) }),
    )
    fc.assert(
      fc.property(packet, (value) => {
        expect(parseChap(emitChap(value))).toEqual(value)
      }),
    )
  })

  test('malformed octets are WireErrors and nothing else', () => onlyWireErrors(parseChap))
})

describe('MS-CHAP values', () => {
  test('a version 1 response', () => {
    const response = { lmResponse: new Uint8Array(24).fill(1), ntResponse: new Uint8Array(24).fill(2), useNt: true }
    expect(hex(emitMschapResponse(response))).toBe(`${'01'.repeat(24)}${'02'.repeat(24)}01`)
    expect(parseMschapResponse(emitMschapResponse(response))).toEqual(response)
  })

  test('a version 2 response', () => {
    const response = { peerChallenge: new Uint8Array(16).fill(3), ntResponse: new Uint8Array(24).fill(4) }
    expect(hex(emitMschapv2Response(response))).toBe(`${'03'.repeat(16)}${'00'.repeat(8)}${'04'.repeat(24)}00`)
    expect(parseMschapv2Response(emitMschapv2Response(response))).toEqual(response)
  })

  test('a response of another size', () => {
    expect(() => parseMschapResponse(new Uint8Array(48))).toThrow(WireError)
    expect(() => parseMschapv2Response(new Uint8Array(50))).toThrow(WireError)
  })

  test('a failure in the form of RFC 2759 §6', () => {
    const failure = {
      error: 691,
      retry: true,
      challenge: unhex('5b5d7c7d7b3f2f3e3c2c602132262628'),
      version: 3,
      message: 'Access denied',
    }
    const said = text('E=691 R=1 C=5B5D7C7D7B3F2F3E3C2C602132262628 V=3 M=Access denied')
    expect(emitMschapFailure(failure)).toEqual(said)
    expect(parseMschapFailure(said)).toEqual(failure)
  })

  test('a failure in the form of RFC 2433 §5, and with less than that', () => {
    expect(parseMschapFailure(text('E=646 R=0 C=102DB5DF085D3041 V=2'))).toEqual({
      error: 646,
      retry: false,
      challenge: unhex('102db5df085d3041'),
      version: 2,
      message: undefined,
    })
    expect(parseMschapFailure(text('E=691'))).toEqual({
      error: 691,
      retry: false,
      challenge: undefined,
      version: undefined,
      message: undefined,
    })
    expect(parseMschapFailure(text('go away'))).toBeUndefined()
  })

  test('a success', () => {
    const value = '407A5589115FD0D6209F510FE9C04566932CDA56'
    expect(parseMschapv2Success(text(`S=${value} M=Welcome`))).toEqual(unhex(value))
    expect(parseMschapv2Success(text(`S=${value}`))).toEqual(unhex(value))
    expect(parseMschapv2Success(text('S=407A'))).toBeUndefined()
    expect(parseMschapv2Success(text('Welcome'))).toBeUndefined()
  })

  test('malformed octets are WireErrors and nothing else', () => {
    onlyWireErrors(parseMschapResponse)
    onlyWireErrors(parseMschapv2Response)
    onlyWireErrors(parseMschapFailure)
    onlyWireErrors(parseMschapv2Success)
  })
})
