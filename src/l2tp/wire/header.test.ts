// The L2TP header: RFC 2661 §3.1.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hex, unhex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { emitControl, emitData, parseControl, parseData } from './header.ts'

const id = fc.integer({ min: 0, max: 0xffff })

describe('control messages', () => {
  test('flags are exactly C802, which Android demands', () => {
    const octets = emitControl({ tunnel: 0x1234, session: 0x5678, ns: 1, nr: 2 }, unhex('8008 0000 0000 0006'))
    expect(hex(octets)).toBe('c802' + '0014' + '1234' + '5678' + '0001' + '0002' + '8008000000000006')
  })

  test('every header comes back as it was', () => {
    fc.assert(
      fc.property(fc.record({ tunnel: id, session: id, ns: id, nr: id }), fc.uint8Array(), (header, body) => {
        expect(parseControl(emitControl(header, body))).toEqual({ header, body })
      }),
    )
  })

  test('reserved flag bits and octets behind the Length are passed over', () => {
    expect(parseControl(unhex('fdf2 000c 0001 0002 0003 0004 ffff'))).toEqual({
      header: { tunnel: 1, session: 2, ns: 3, nr: 4 },
      body: new Uint8Array(0),
    })
  })

  test.each([
    ['a data message', '4002 000c 0001 0002 0003 0004', 'T bit'],
    ['no L bit', '8802 0001 0002 0003 0004', 'L bit'],
    ['no S bit', 'c002 000c 0001 0002 0003 0004', 'S bit'],
    ['the O bit', 'ca02 000c 0001 0002 0003 0004', 'O bit'],
    ['L2F', 'c801 000c 0001 0002 0003 0004', 'L2F'],
    ['L2TPv3', 'c803 000c 0001 0002 0003 0004', 'L2TPv3'],
    ['another version', 'c80f 000c 0001 0002 0003 0004', 'is 15'],
    ['a length below the header', 'c802 000b 0001 0002 0003 0004', 'shorter'],
    ['a length beyond the datagram', 'c802 000d 0001 0002 0003 0004', '13 octets'],
    ['a header cut short', 'c802 000c 0001', '12 octets'],
    ['nothing', '', '2 octets'],
  ])('%s is a WireError', (_, octets, words) => {
    expect(() => parseControl(unhex(octets))).toThrow(WireError)
    expect(() => parseControl(unhex(octets))).toThrow(words)
  })
})

describe('data messages', () => {
  test.each([
    ['no flags', '0002 0001 0002 ff03c021', undefined, undefined, undefined, false],
    ['L', '4002 000c 0001 0002 ff03c021', 12, undefined, undefined, false],
    ['S', '0802 0001 0002 0007 0000 ff03c021', undefined, { ns: 7, nr: 0 }, undefined, false],
    ['O', '0202 0001 0002 0002 0000 ff03c021', undefined, undefined, 2, false],
    ['P', '0102 0001 0002 ff03c021', undefined, undefined, undefined, true],
    ['L, S, O and P', '4b02 0013 0001 0002 0007 0000 0001 00 ff03c021', 19, { ns: 7, nr: 0 }, 1, true],
  ])('%s', (_, octets, length, sequence, offset, priority) => {
    const header = { tunnel: 1, session: 2, length, sequence, offset, priority }
    expect(parseData(unhex(octets))).toEqual({ header, payload: unhex('ff03c021') })
    expect(hex(emitData(header, unhex('ff03c021')))).toBe(octets.replaceAll(' ', ''))
  })

  test('every combination of flags comes back as it was', () => {
    const header = fc.record({
      tunnel: id,
      session: id,
      length: fc.constantFrom(undefined, 0),
      sequence: fc.option(fc.record({ ns: id, nr: id }), { nil: undefined }),
      offset: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
      priority: fc.boolean(),
    })
    fc.assert(
      fc.property(header, fc.uint8Array(), (header, payload) => {
        const octets = emitData(header, payload)
        const length = header.length === undefined ? undefined : octets.length
        expect(parseData(octets)).toEqual({ header: { ...header, length }, payload })
      }),
    )
  })

  test.each([
    ['a control message', 'c802 000c 0001 0002 0003 0004'],
    ['a length below the header', '4002 0007 0001 0002'],
    ['a length beyond the datagram', '4002 000a 0001 0002 ff'],
    ['an offset beyond the datagram', '0202 0001 0002 0003 0000'],
  ])('%s is a WireError', (_, octets) => {
    expect(() => parseData(unhex(octets))).toThrow(WireError)
  })
})
