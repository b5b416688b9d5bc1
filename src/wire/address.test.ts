import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressOctets,
  addressText,
  ipv4FromNumber,
  ipv4Number,
  ipv4Octets,
  ipv6Octets,
  ipv6Text,
  sameEndpoint,
  samePath,
  showEndpoint,
} from './address.ts'
import { hex, unhex } from './codec.ts'

describe('IPv4', () => {
  test('four decimal numbers, nothing else: leading zeros would be octal elsewhere', () => {
    const texts = [
      '192.0.2.1',
      '0.0.0.0',
      '255.255.255.255',
      '256.0.0.1',
      '1.2.3',
      '1.2.3.4.5',
      '01.2.3.4',
      '1.2.3.',
      '',
      'a.b.c.d',
    ]
    expect(texts.map((text) => ipv4Octets(text)?.join('.'))).toEqual([
      '192.0.2.1',
      '0.0.0.0',
      '255.255.255.255',
      ...Array(7).fill(undefined),
    ])
  })

  test('as numbers, without a sign', () => {
    expect(ipv4Number('255.255.255.254')).toBe(0xffff_fffe)
    expect(ipv4Number('nowhere')).toBeUndefined()
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), (value) => {
        expect(ipv4Number(ipv4FromNumber(value))).toBe(value)
      }),
    )
  })
})

describe('IPv6', () => {
  test.each([
    ['::', '0'.repeat(32)],
    ['::1', `${'0'.repeat(31)}1`],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['2001:DB8:0:0:1::', '20010db8000000000001000000000000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ])('%s', (text, octets) => {
    expect(hex(ipv6Octets(text)!)).toBe(octets)
  })

  test.each([
    '',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'fe80::1%eth0',
    '::g',
    '1:2:3:4:5:6:7::8:9',
    '::256.0.0.1',
  ])('“%s” is none', (text) => {
    expect(ipv6Octets(text)).toBeUndefined()
  })

  test.each([
    ['20010db8000000000000000000000001', '2001:db8::1'],
    ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
    ['20010db8000100010001000000010001', '2001:db8:1:1:1:0:1:1'],
    ['00000000000000000000000000000000', '::'],
    ['00010000000000000000000000000000', '1::'],
  ])('canonical text (RFC 5952 §4): %s is %s', (octets, text) => {
    expect(ipv6Text(unhex(octets))).toBe(text)
  })
})

describe('both', () => {
  test('text and octets, there and back', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(octets, (value) => {
        expect(addressOctets(addressText(value))).toEqual(value)
        expect(isIP(addressText(value))).toBe(value.length === 4 ? 4 : 6)
      }),
    )
  })

  test('whatever Node takes for an address without a zone, and nothing else', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(...'0123456789abcdefF:.'), maxLength: 24 }),
    )
    fc.assert(
      fc.property(text, (value) => {
        expect(addressOctets(value) !== undefined).toBe(isIP(value) !== 0)
      }),
      { numRuns: 2000 },
    )
  })

  test('endpoints and paths', () => {
    const [a, b] = [
      { address: '192.0.2.1', port: 500 },
      { address: '2001:db8::1', port: 4500 },
    ]
    expect([showEndpoint(a), showEndpoint(b)]).toEqual(['192.0.2.1:500', '[2001:db8::1]:4500'])
    expect([sameEndpoint(a, { ...a }), sameEndpoint(a, b), sameEndpoint(a, { ...a, port: 501 })]).toEqual([
      true,
      false,
      false,
    ])
    expect([
      samePath({ local: a, remote: b }, { local: { ...a }, remote: b }),
      samePath({ local: a, remote: b }, { local: b, remote: a }),
    ]).toEqual([true, false])
  })
})
