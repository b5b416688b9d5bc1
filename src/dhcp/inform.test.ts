// DHCPINFORM and its answer: the packet that Apple's clients send, one made as Windows', and whatever else comes to port 67.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hexVector } from '../../test/vectors.ts'
import { hex, unhex } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { answerInform, type InformSettings } from './inform.ts'
import { emitDatagram, parseDatagram } from './wire/datagram.ts'
import { type DhcpMessage, emitDhcp, messageTypes, options, parseDhcp } from './wire/message.ts'

/** As Apple's source makes it: xid 1, htype 8, ciaddr 10.0.0.5, list 6 44 43 1 249 15. */
const apple = hexVector('dhcp/dhcpinform-apple')

const settings: InformSettings = {
  client: '10.0.0.5',
  server: '10.0.0.1',
  dns: ['10.0.0.1', '192.0.2.53'],
  domain: 'example.net',
  routes: [
    { address: '10.1.0.0', prefix: 16 },
    { address: '192.168.7.128', prefix: 25 },
  ],
}

const request: DhcpMessage = {
  op: 1,
  hardwareType: 1,
  hardwareLength: 6,
  transaction: 0xdeadbeef,
  flags: 0,
  clientAddress: unhex('0a000005'),
  gatewayAddress: new Uint8Array(4),
  hardwareAddress: unhex('00005300000100000000000000000000'),
  options: new Map(),
}

function packet(change: Partial<DhcpMessage>, list: readonly (readonly [number, string])[]): Uint8Array {
  const message = { ...request, ...change, options: new Map(list.map(([code, octets]) => [code, unhex(octets)])) }
  const from = { address: '10.0.0.5', port: 68 }
  return emitDatagram({ from, to: { address: '255.255.255.255', port: 67 }, payload: emitDhcp(message) })
}

/** The options of an answer, as hex by number. */
function answered(answer: Uint8Array | undefined): readonly (readonly [number, string])[] {
  if (!answer) return []
  return [...parseDhcp(parseDatagram(answer).payload).options].map(([code, value]) => [code, hex(value)])
}

describe('Apple', () => {
  test('is answered with what it listed and we have, in its order', () => {
    const answer = answerInform(apple, settings)!
    expect(answered(answer)).toEqual([
      [53, '05'],
      [54, '0a000001'],
      [6, '0a000001' + 'c0000235'],
      [1, 'ffffffff'],
      [249, '10' + '0a01' + '0a000005' + '19' + 'c0a80780' + '0a000005'],
      [15, hex(new TextEncoder().encode('example.net'))],
    ])
    const { from, to, payload } = parseDatagram(answer)
    expect([from, to]).toEqual([
      { address: '10.0.0.1', port: 67 },
      { address: '10.0.0.5', port: 68 },
    ])
    const { options: _, ...header } = parseDhcp(payload)
    expect(header).toEqual({
      op: 2,
      hardwareType: 1,
      hardwareLength: 6,
      transaction: 1,
      flags: 0,
      clientAddress: unhex('0a000005'),
      gatewayAddress: new Uint8Array(4),
      hardwareAddress: parseDhcp(parseDatagram(apple).payload).hardwareAddress,
    })
  })

  // Checksums computed apart from this code.
  test('the whole packet, octet for octet', () => {
    const answer = answerInform(apple, { ...settings, dns: [], domain: undefined, routes: [] })!
    const ip = '4500014800000000401165a00a0000010a000005'
    const udp = '004300440134dbc9'
    const bootp = `0201060000000001000000000a000005${'00'.repeat(12)}00000001000000000000000000000001${'00'.repeat(192)}`
    const end = `6382536335010536040a0000010104ffffffffff${'00'.repeat(44)}`
    expect(hex(answer)).toBe(ip + udp + bootp + end)
  })
})

// RFC 2131 §4.3.5: the server answers to the address in ciaddr and "MUST NOT send a lease expiration time"; yiaddr stays empty.
test('RFC 2131 §4.3.5: no lease, no address, and straight to the client', () => {
  const { to, payload } = parseDatagram(
    answerInform(
      packet({}, [
        [53, '08'],
        [55, '3301'],
      ]),
      settings,
    )!,
  )
  const answer = parseDhcp(payload)
  expect([...answer.options.keys()]).toEqual([53, 54, 1])
  expect([to.address, hex(payload.subarray(16, 20))]).toEqual(['10.0.0.5', '00000000'])
})

describe('Windows', () => {
  test('asks for both kinds of routes, and gets both', () => {
    const asked = packet({}, [
      [53, '08'],
      [61, '01000053000001'],
      [60, hex(new TextEncoder().encode('MSFT 5.0'))],
      [55, '060f2c2e2f79f92b'],
    ])
    const routes = '100a010a00000519c0a807800a000005'
    expect(answered(answerInform(asked, { ...settings, nbns: ['10.0.0.2'] }))).toEqual([
      [53, '05'],
      [54, '0a000001'],
      [6, '0a000001c0000235'],
      [15, '6578616d706c652e6e6574'],
      [44, '0a000002'],
      [121, routes],
      [249, routes],
    ])
  })

  test('the networks of every prefix length', () => {
    const of = (address: string, prefix: number) =>
      answered(
        answerInform(
          packet({}, [
            [53, '08'],
            [55, '79'],
          ]),
          { ...settings, routes: [{ address, prefix }] },
        ),
      ).at(-1)?.[1]
    expect(of('0.0.0.0', 0)).toBe('000a000005')
    expect(of('10.0.0.0', 8)).toBe('080a0a000005')
    expect(of('10.128.0.0', 9)).toBe('090a800a000005')
    expect(of('192.0.2.128', 25)).toBe('19c00002800a000005')
    expect(of('192.0.2.1', 32)).toBe('20c00002010a000005')
  })
})

describe('what is listed, and what is not', () => {
  test('nothing beyond the list', () => {
    expect(
      answered(
        answerInform(
          packet({}, [
            [53, '08'],
            [55, '0f'],
          ]),
          settings,
        ),
      ).map(([code]) => code),
    ).toEqual([53, 54, 15])
    expect(
      answered(
        answerInform(
          packet({}, [
            [53, '08'],
            [55, '03'],
          ]),
          settings,
        ),
      ).map(([code]) => code),
    ).toEqual([53, 54])
  })

  test('without a list: all', () => {
    expect(answered(answerInform(packet({}, [[53, '08']]), settings)).map(([code]) => code)).toEqual([
      53, 54, 1, 6, 15, 121, 249,
    ])
  })

  test('an option asked for twice stands once; the type and the server can not be overridden', () => {
    expect(
      answered(
        answerInform(
          packet({}, [
            [53, '08'],
            [55, '0f350f36'],
          ]),
          settings,
        ),
      ).map(([code]) => code),
    ).toEqual([53, 54, 15])
  })

  test('many routes are split over several options (RFC 3396)', () => {
    const routes = Array.from({ length: 60 }, (_, i) => ({ address: `10.${i}.0.0`, prefix: 16 }))
    const answer = answerInform(
      packet({}, [
        [53, '08'],
        [55, '79'],
      ]),
      { ...settings, routes },
    )!
    expect(answered(answer).at(-1)?.[1].length).toBe(60 * 7 * 2)
    expect(hex(answer)).toContain('79ff10')
  })

  test('what would be too long is left out whole', () => {
    const routes = Array.from({ length: 60 }, (_, i) => ({ address: `10.${i}.0.0`, prefix: 16 }))
    const asked = packet({}, [
      [53, '08'],
      [57, '0240'],
      [55, '790f'],
    ])
    const answer = answerInform(asked, { ...settings, routes })!
    expect(answered(answer).map(([code]) => code)).toEqual([53, 54, 15])
    expect(answer.length).toBeLessThanOrEqual(576)
    const many = Array.from({ length: 300 }, () => ({ address: '10.0.0.0', prefix: 16 }))
    expect(answerInform(packet({}, [[53, '08']]), { ...settings, routes: many })!.length).toBeLessThanOrEqual(1400)
  })

  test('IPv6 name servers have no place here', () => {
    expect(
      answered(
        answerInform(
          packet({}, [
            [53, '08'],
            [55, '06'],
          ]),
          { ...settings, dns: ['2001:db8::1', '10.0.0.1'] },
        ),
      ).at(-1),
    ).toEqual([6, '0a000001'])
  })
})

describe('no answer', () => {
  test.each([
    ['DHCPDISCOVER', packet({}, [[53, '01']])],
    ['DHCPREQUEST', packet({}, [[53, '03']])],
    ['no message type', packet({}, [[55, '06']])],
    ['a message type of two octets', packet({}, [[53, '0808']])],
    ['a reply', packet({ op: 2 }, [[53, '08']])],
    ["another client's address", packet({ clientAddress: unhex('0a000006') }, [[53, '08']])],
    ['another port', emitDatagram({ ...parseDatagram(apple), to: { address: '10.0.0.1', port: 53 } })],
    ['a wrong header checksum', change(apple, 10, 0xff)],
    ['a wrong UDP checksum', change(packet({}, [[53, '08']]), 26, 0x55)],
    ['a fragment', fragment(apple)],
    ['TCP', change(apple, 9, 6)],
    ['IPv6', change(apple, 0, 0x65)],
    ['a header length below 20', change(apple, 0, 0x44)],
    ['plain BOOTP', emitDatagram({ ...parseDatagram(apple), payload: change(parseDatagram(apple).payload, 236, 0) })],
    [
      'an hlen that does not fit',
      emitDatagram({ ...parseDatagram(apple), payload: change(parseDatagram(apple).payload, 2, 17) }),
    ],
    [
      'an option that runs out of the message',
      emitDatagram({ ...parseDatagram(apple), payload: parseDatagram(apple).payload.subarray(0, 242) }),
    ],
    ['a packet cut short', apple.subarray(0, 100)],
    ['nothing', new Uint8Array(0)],
  ])('%s', (_, octets) => {
    expect(answerInform(octets, settings)).toBe(undefined)
  })

  test('ciaddr zero is answered: the link says who it is', () => {
    expect(answerInform(packet({ clientAddress: new Uint8Array(4) }, [[53, '08']]), settings)).toBeDefined()
  })
})

function change(octets: Uint8Array, at: number, value: number): Uint8Array {
  const changed = octets.slice()
  changed[at] = value
  return changed
}

/** The same packet with "more fragments" set and a header checksum that fits. */
function fragment(octets: Uint8Array): Uint8Array {
  const changed = change(octets, 6, 0x20)
  const sum = ((changed[10]! << 8) | changed[11]!) - 0x2000
  changed[10] = sum >>> 8
  changed[11] = sum & 0xff
  return changed
}

describe('codec', () => {
  const octets4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
  const message: fc.Arbitrary<DhcpMessage> = fc.record({
    op: fc.nat(255),
    hardwareType: fc.nat(255),
    hardwareLength: fc.nat(16),
    transaction: fc.integer({ min: 0, max: 0xffff_ffff }),
    flags: fc.nat(0xffff),
    clientAddress: octets4,
    gatewayAddress: octets4,
    hardwareAddress: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    options: fc
      .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ maxLength: 600 })), {
        selector: ([code]) => code,
        maxLength: 8,
      })
      .map((list) => new Map(list.filter(([code]) => code !== options.overload))),
  })

  test('every message comes back as it was', () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(parseDhcp(emitDhcp(one))).toEqual(one)
      }),
    )
  })

  test('every datagram comes back as it was', () => {
    const endpoint = fc.record({ address: fc.ipV4(), port: fc.nat(0xffff) })
    fc.assert(
      fc.property(fc.record({ from: endpoint, to: endpoint, payload: fc.uint8Array({ maxLength: 300 }) }), (one) => {
        expect(parseDatagram(emitDatagram(one))).toEqual(one)
      }),
    )
  })

  test('options in file and sname, where the overload option says so (RFC 2131 §4.1)', () => {
    const octets = emitDhcp({ ...request, options: new Map([[52, Uint8Array.of(3)]]) })
    octets.set(unhex('350108ff'), 44 + 64)
    octets.set(unhex('370106ff'), 44)
    expect([...parseDhcp(octets).options]).toEqual([
      [52, Uint8Array.of(3)],
      [53, Uint8Array.of(messageTypes.inform)],
      [55, Uint8Array.of(6)],
    ])
  })

  test('anything at all gives no answer or one, and never throws', () => {
    const harmless = (octets: Uint8Array) => {
      answerInform(octets, settings)
      for (const parse of [parseDatagram, parseDhcp]) {
        try {
          parse(octets)
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
        }
      }
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), harmless), { numRuns: 1000 })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(apple.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(apple.length),
        (changes, cut) => {
          const octets = apple.slice(0, apple.length - (cut % 40))
          for (const [at, value] of changes) if (at < octets.length) octets[at] = value
          harmless(octets)
        },
      ),
      { numRuns: 3000 },
    )
  })
})
