import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { attribute, longAttribute } from './attributes.ts'
import {
  deadPeerProbe,
  deadPeerSequence,
  espNotify,
  ikeNotify,
  initialContact,
  parseResponderLifetime,
  readLifetime,
  responderLifetimeData,
} from './notifications.ts'
import { notifyType } from './numbers.ts'

const cookies = { initiatorCookie: unhex('0102030405060708'), responderCookie: unhex('1112131415161718') }

describe('notify bodies', () => {
  test('INITIAL-CONTACT names the ISAKMP SA by both cookies (RFC 2407 §4.6.3.3)', () => {
    expect(hex(initialContact(cookies).body)).toBe(
      '00000001 01 10 6002 0102030405060708 1112131415161718'.replaceAll(' ', ''),
    )
  })

  test('R-U-THERE and its answer carry the same number (RFC 3706 §5.3)', () => {
    const probe = deadPeerProbe(cookies, 0x01020304, false)
    const answer = deadPeerProbe(cookies, deadPeerSequence(probe)!, true)
    expect(hex(probe.body)).toBe('00000001 01 10 8d28 0102030405060708 1112131415161718 01020304'.replaceAll(' ', ''))
    expect(hex(answer.body)).toBe('00000001 01 10 8d29 0102030405060708 1112131415161718 01020304'.replaceAll(' ', ''))
    expect(deadPeerSequence({ ...probe, data: unhex('0102') })).toBeUndefined()
  })

  test('RESPONDER-LIFETIME: seconds and kilobytes, in the numbers of each phase', () => {
    expect(hex(responderLifetimeData(2, { seconds: 3600, kilobytes: 250_000 }))).toBe(
      '80010001 0002000400000e10 80010002 000200040003d090'.replaceAll(' ', ''),
    )
    expect(hex(responderLifetimeData(1, { seconds: 28_800, kilobytes: undefined }))).toBe('800b0001000c000400007080')
    const notify = espNotify(
      notifyType['RESPONDER-LIFETIME'],
      unhex('c0de0001'),
      responderLifetimeData(2, { seconds: 60, kilobytes: undefined }),
    )
    expect(parseResponderLifetime(2, notify)).toEqual({ seconds: 60, kilobytes: undefined })
    expect(() => parseResponderLifetime(2, ikeNotify(24576, undefined, unhex('80')))).toThrow(WireError)
  })
})

describe('lifetimes of a transform', () => {
  const seconds = attribute(1, 1)
  const kilobytes = attribute(1, 2)

  test.each([
    ['TV seconds', [seconds, attribute(2, 3600)], { seconds: 3600, kilobytes: undefined }],
    ['TLV seconds', [seconds, longAttribute(2, 3600)], { seconds: 3600, kilobytes: undefined }],
    [
      'both kinds',
      [seconds, longAttribute(2, 3600), kilobytes, longAttribute(2, 250_000)],
      { seconds: 3600, kilobytes: 250_000 },
    ],
    [
      'an eight-octet TLV',
      [seconds, { type: 2, basic: false, value: unhex('0000000000000e10') }],
      { seconds: 3600, kilobytes: undefined },
    ],
    ['a duration without a type counts as seconds', [attribute(2, 600)], { seconds: 600, kilobytes: undefined }],
    [
      'the shortest of several',
      [seconds, attribute(2, 600), seconds, attribute(2, 300)],
      { seconds: 300, kilobytes: undefined },
    ],
    ['0 says nothing', [seconds, attribute(2, 0)], { seconds: undefined, kilobytes: undefined }],
    [
      'an unknown type says nothing',
      [attribute(1, 9), attribute(2, 600)],
      { seconds: undefined, kilobytes: undefined },
    ],
    ['none', [], { seconds: undefined, kilobytes: undefined }],
  ] as const)('%s', (_, attributes, lifetime) => {
    expect(readLifetime(2, attributes)).toEqual(lifetime)
  })
})
