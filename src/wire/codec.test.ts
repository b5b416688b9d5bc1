import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, equal, hex, printable, Reader, unhex, Writer } from './codec.ts'
import { WireError } from './errors.ts'

describe('Reader', () => {
  test('reads big-endian, in order, to the end', () => {
    const from = new Reader(unhex('01 0203 04050607 0809 0a'))
    expect([
      from.u8('a'),
      from.u16('b'),
      from.u32('c'),
      hex(from.take(2, 'd')),
      from.remaining,
      hex(from.rest()),
    ]).toEqual([1, 0x0203, 0x04050607, '0809', 1, '0a'])
    expect(from.rest()).toEqual(new Uint8Array())
  })

  test('the highest bit makes no number negative', () => {
    expect(new Reader(unhex('ffffffff')).u32('all')).toBe(0xffff_ffff)
  })

  test('what is not there is a WireError that names the field and the octet', () => {
    const from = new Reader(unhex('0102'), 28)
    from.u8('first')
    expect(() => from.u16('length')).toThrow(new WireError('length', 29, 'needs 2 octets, 1 are left'))
    expect(() => from.take(-1, 'negative')).toThrow(WireError)
    expect(from.u8('still there')).toBe(2)
  })

  test('a reader within another keeps counting from the message’s start', () => {
    const from = new Reader(unhex('00010203'))
    from.u8('skipped')
    const within = from.within(2, 'inner')
    within.u8('one')
    expect([within.offset, within.remaining, from.remaining]).toEqual([2, 1, 1])
    expect(() => within.u16('two')).toThrow('two at octet 2')
    expect(() => from.within(2, 'more')).toThrow('more at octet 3')
  })

  test('views are of the message; a copy of a view is a copy, even where the message came in a Buffer', () => {
    const message = Buffer.from('01020304', 'hex')
    const [view, copy] = [new Reader(message).take(2, 'view'), new Reader(message).take(2, 'copy').slice()]
    message[0] = 0xff
    expect([hex(view), hex(copy)]).toEqual(['ff02', '0102'])
  })
})

describe('Writer', () => {
  test('writes what Reader reads', () => {
    const field = fc.oneof(
      fc.record({ is: fc.constant('u8' as const), value: fc.nat(0xff) }),
      fc.record({ is: fc.constant('u16' as const), value: fc.nat(0xffff) }),
      fc.record({ is: fc.constant('u32' as const), value: fc.nat(0xffff_ffff) }),
    )
    fc.assert(
      fc.property(fc.array(field, { maxLength: 300 }), (fields) => {
        const to = new Writer()
        for (const { is, value } of fields) to[is](value)
        const from = new Reader(to.done())
        expect(fields.map(({ is }) => from[is](is))).toEqual(fields.map(({ value }) => value))
        expect(from.remaining).toBe(0)
      }),
    )
  })

  test('grows, pads, patches lengths, and gives a copy', () => {
    const to = new Writer().u16(0).u32(0).zeros(2).put(new Uint8Array(1000).fill(7))
    to.patchU16(0, to.length).patchU32(2, 0xdeadbeef)
    const done = to.done()
    to.u16(0)
    expect(() => to.patchU16(2, 0)).toThrow(RangeError)
    const next = new Writer().zeros(9).done()
    expect([hex(next), hex(to.done())]).toEqual(['00'.repeat(9), '0000'])
    expect([done.length, hex(done.subarray(0, 9)), done.at(-1)]).toEqual([1008, '03f0deadbeef000007', 7])
  })
})

describe('octets', () => {
  test('hex and back, white space and colons passed over', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        expect(unhex(hex(octets))).toEqual(octets)
      }),
    )
    expect(unhex('00:1f 2E\n')).toEqual(Uint8Array.of(0, 0x1f, 0x2e))
    expect(() => unhex('012')).toThrow(WireError)
    expect(() => unhex('0g')).toThrow(WireError)
  })

  test('joined, compared', () => {
    expect(concat(unhex('01'), unhex(''), unhex('0203'))).toEqual(unhex('010203'))
    expect([
      equal(unhex('01'), unhex('01')),
      equal(unhex('01'), unhex('02')),
      equal(unhex('01'), unhex('0100')),
    ]).toEqual([true, false, false])
  })

  test('what a peer sent is shown in printable ASCII, nothing else, and cut', () => {
    expect(printable(new TextEncoder().encode('a\\b\n\x1b[31m'))).toBe('a\\x5cb\\x0a\\x1b[31m')
    expect(printable('ü')).toBe('\\xc3\\xbc')
    expect(printable('x'.repeat(100), 10)).toBe(`${'x'.repeat(10)}…`)
    expect(printable('')).toBe('')
  })
})
