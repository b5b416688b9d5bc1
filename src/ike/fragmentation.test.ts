// Messages in fragments, both ways: in any order, repeated, from a client that numbers all its messages 1, and from nobody who may send any.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { proposalsFor } from '../algorithms/levels.ts'
import { concat, hex } from '../wire/codec.ts'
import { IkeCore } from './core.ts'
import { longestMessage } from './fragmentation.ts'
import { parseChain } from './wire/chain.ts'
import { emitMessage, parseHeader } from './wire/header.ts'
import { payloadType } from './wire/numbers.ts'
import { fragmentPayload } from './wire/payloads.ts'

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }
const first = () => hexVector('ike/first-packets/macos-ios-current-psk')

function gateway(fragmentOctets?: number): IkeCore {
  return new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), fragmentOctets }))
}

type Part = { readonly id?: number; readonly number: number; readonly last?: boolean; readonly data: Uint8Array }

function fragment(whole: Uint8Array, { id = 1, number, last = false, data }: Part, encrypted = false): Uint8Array {
  const { header } = parseHeader(whole)
  const { body } = fragmentPayload({ id, number, last, data })
  const { initiatorCookie, responderCookie, exchange, messageId } = header
  const next = payloadType.FRAGMENT
  const payload = concat(Uint8Array.of(0, 0, (body.length + 4) >>> 8, (body.length + 4) & 0xff), body)
  return emitMessage({ initiatorCookie, responderCookie, exchange, messageId, next, encrypted }, payload)
}

function inParts(whole: Uint8Array, size: number, id = 1, encrypted = false): Uint8Array[] {
  const count = Math.ceil(whole.length / size)
  return Array.from({ length: count }, (_, i) =>
    fragment(
      whole,
      { id, number: i + 1, last: i + 1 === count, data: whole.subarray(i * size, (i + 1) * size) },
      encrypted,
    ),
  )
}

/** Sends all but its first message in parts, in the order that `turn` makes of them. */
class FragmentingClient extends ScriptedClient {
  turn = (parts: Uint8Array[]): Uint8Array[] => parts
  readonly answers: Uint8Array[] = []

  override say(octets: Uint8Array): Uint8Array | undefined {
    const begins = parseHeader(octets).header.responderCookie.every((octet) => octet === 0)
    const sent = (begins ? [octets] : this.turn(inParts(octets, 100))).flatMap((part) =>
      this.give({ on: 'datagram', path: this.path, octets: part }).flatMap((effect) =>
        effect.do === 'send' ? [effect.octets] : [],
      ),
    )
    this.answers.push(...sent)
    return whole(sent)
  }
}

/** What the core said, put together again where it came in fragments. */
function whole(messages: readonly Uint8Array[]): Uint8Array | undefined {
  const [one] = messages
  if (!one || parseHeader(one).header.next !== payloadType.FRAGMENT) return one
  const parts = messages.map(
    (octets) => parseChain(payloadType.FRAGMENT, parseHeader(octets).body, 'clear').payloads[0]!,
  )
  return concat(...parts.map((part) => (part.is === 'FRAGMENT' ? part.data : new Uint8Array())))
}

const natt = { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'] }
const states = ({ core }: ScriptedClient) => core.status().map(({ state }) => state)
const kept = ({ core }: ScriptedClient) => [...core.state.sas.values()].map(({ fragments }) => fragments?.is)
const complaints = ({ effects }: ScriptedClient) =>
  effects.flatMap((effect) =>
    effect.do === 'report' && effect.event.event === 'ike.message.invalid' ? [effect.event.why] : [],
  )

describe('from the peer', () => {
  for (const [name, turn] of [
    ['in order', (parts) => parts],
    ['turned round', (parts) => parts.reverse()],
    ['each twice', (parts) => parts.flatMap((part) => [part, part])],
    ['all, then all again', (parts) => [...parts, ...parts]],
  ] as const satisfies readonly (readonly [string, FragmentingClient['turn']])[])
    test(`a main mode in fragments, ${name}, all with id 1 (libreswan)`, () => {
      const one = new FragmentingClient(gateway(), path)
      one.turn = turn
      one.mainMode(first(), natt)
      expect(states(one)).toEqual(['established'])
    })

  test('a message that was whole and comes again is answered again, octet for octet', () => {
    const one = new FragmentingClient(gateway(), path)
    one.mainMode(first(), natt)
    const [mm6] = one.answers.slice(-1)
    const parts: Uint8Array[] = []
    one.turn = (all) => {
      parts.push(...all)
      return all
    }
    const again = one.core
    // Its MM5 once more, a second later: the cache answers.
    const mm5 = new FragmentingClient(gateway(), path)
    mm5.turn = (all) => {
      parts.splice(0, parts.length, ...all)
      return all
    }
    mm5.mainMode(first(), natt)
    mm5.now += 1_000
    const repeated = parts.flatMap((octets) =>
      mm5
        .give({ on: 'datagram', path: mm5.path, octets })
        .flatMap((effect) => (effect.do === 'send' ? [effect.octets] : [])),
    )
    expect(repeated.map(hex)).toEqual([hex(mm5.answers.at(-1)!)])
    expect([mm6 !== undefined, again.status().length]).toEqual([true, 1])
  })

  test('with the encryption flag on the fragments (iOS)', () => {
    const one = new ScriptedClient(gateway(), path)
    const mm2 = one.say(first())!
    const mm3 = emitMessage({ ...parseHeader(mm2).header, next: 0, exchange: 2, encrypted: false }, new Uint8Array(300))
    for (const octets of inParts(mm3, 100, 1, true)) one.say(octets)
    // It was put together and judged: it holds no payloads.
    expect(complaints(one)).toEqual([expect.stringContaining('300 octets after the last payload')])
  })

  test('a vendor id is answered as it came: 16 octets to Windows, the word of capabilities to others', () => {
    const vendorIds = (name: string) => {
      const answer = new ScriptedClient(gateway(), path).say(hexVector(`ike/first-packets/${name}`))!
      const { header, body } = parseHeader(answer)
      return parseChain(header.next, body, 'clear').payloads.flatMap((one) =>
        one.is === 'VID' && hex(one.vendorId).startsWith('4048b7d5') ? [hex(one.vendorId)] : [],
      )
    }
    expect(['win8-win11-psk', 'macos-ios-current-psk', 'cisco-ios-psk'].map(vendorIds)).toEqual([
      ['4048b7d56ebce88525e7de7f00d6c2d3'],
      ['4048b7d56ebce88525e7de7f00d6c2d380000000'],
      [],
    ])
  })
})

describe('from us', () => {
  test('what is longer than a packet goes out in parts, the same ones each time; to others whole', () => {
    const one = new FragmentingClient(gateway(300), path)
    one.mainMode(first(), natt)
    expect(states(one)).toEqual(['established'])
    const mm4 = one.answers.filter((octets) => parseHeader(octets).header.next === payloadType.FRAGMENT)
    expect(mm4.map(({ length }) => length)).toEqual([268, 200])
    const other = new ScriptedClient(gateway(300), path)
    other.mainMode(hexVector('ike/first-packets/cisco-ios-psk'))
    expect(other.effects.filter((one) => one.do === 'send' && parseHeader(one.octets).header.next === 132)).toEqual([])
  })
})

describe('hostile fragments', () => {
  const begun = () => {
    const one = new ScriptedClient(gateway(), path)
    const mm2 = one.say(first())!
    const cookies = emitMessage(
      { ...parseHeader(mm2).header, next: 0, exchange: 2, encrypted: false },
      new Uint8Array(),
    )
    return { one, cookies }
  }
  const data = new Uint8Array(100)

  test('for a negotiation that nobody began, or whose peer announced none, leave nothing', () => {
    const stranger = new ScriptedClient(gateway(), path)
    stranger.say(fragment(first(), { number: 1, data }))
    expect([kept(stranger), complaints(stranger)]).toEqual([
      [],
      ['a fragment outside a negotiation in which both sides announced them'],
    ])
    const silent = new ScriptedClient(gateway(), path)
    const mm2 = silent.say(hexVector('ike/first-packets/cisco-ios-psk'))!
    silent.say(fragment(mm2, { number: 1, data }))
    expect(kept(silent)).toEqual([undefined])
  })

  test('from another address leave nothing', () => {
    const { one, cookies } = begun()
    one.path = { ...path, remote: { address: '203.0.113.66', port: 500 } }
    one.say(fragment(cookies, { number: 1, data }))
    expect([kept(one), complaints(one)]).toEqual([[undefined], ['a fragment from another address']])
  })

  const wrong: readonly (readonly [string, readonly Part[], string])[] = [
    ['number 65', [{ number: 65, data }], 'fragment 65; at most 64 are taken'],
    ['an empty one', [{ number: 1, data: new Uint8Array() }], 'an empty fragment'],
    [
      'one beyond the last',
      [
        { number: 2, last: true, data },
        { number: 3, data },
      ],
      'fragment 3 of 2',
    ],
    [
      'a last before others',
      [
        { number: 3, data },
        { number: 2, last: true, data },
      ],
      'fragment 3 of 2',
    ],
    [
      'too much of it',
      [
        { number: 1, data: new Uint8Array(longestMessage - 40) },
        { number: 2, data },
      ],
      `fragments of more than ${longestMessage} octets`,
    ],
    [
      'no message',
      [{ number: 1, last: true, data: data.subarray(0, 4) }],
      'fragments of a message that is none of this negotiation',
    ],
    [
      'another negotiation’s message',
      [{ number: 1, last: true, data: first() }],
      'fragments of a message that is none of this negotiation',
    ],
  ]
  for (const [name, parts, why] of wrong)
    test(`${name}: ${why}`, () => {
      const { one, cookies } = begun()
      for (const part of parts) one.say(fragment(cookies, part))
      expect(complaints(one)).toEqual([why])
      expect(states(one)).toEqual(['awaiting MM3'])
    })

  test('a fragment of fragments is no message', () => {
    const { one, cookies } = begun()
    const inner = fragment(cookies, { number: 1, last: true, data })
    one.say(fragment(cookies, { number: 1, last: true, data: inner }))
    expect(complaints(one)).toEqual(['fragments of a message that is none of this negotiation'])
  })

  test('a part with other octets begins the message anew, so no old part spoils a new message', () => {
    const { one, cookies } = begun()
    one.say(fragment(cookies, { number: 1, data }))
    one.say(fragment(cookies, { number: 1, data: data.map(() => 1) }))
    const [sa] = [...one.core.state.sas.values()]
    expect(sa!.fragments).toMatchObject({ is: 'coming', parts: new Map([[1, data.map(() => 1)]]) })
  })

  test('of a hundred negotiations with parts, sixty-four keep theirs', () => {
    const core = new IkeCore(
      ikePolicy({ key: 'secret', ...proposalsFor('legacy'), halfOpen: { perSource: 200, total: 1_000 } }),
    )
    for (let i = 0; i < 100; i++) {
      const one = new ScriptedClient(core, path)
      const mm2 = one.say(concat(new Uint8Array(8).fill(i + 1), first().subarray(8)))!
      one.say(fragment(mm2, { number: 1, data }))
    }
    const parts = [...core.state.sas.values()].filter(({ fragments }) => fragments !== undefined)
    expect([parts.length, core.state.assembling.size, parts[0]!.id]).toEqual([64, 64, 37])
  })
})

test('a second non-ESP marker before a message is passed over (an iOS of 2013)', () => {
  const one = new ScriptedClient(gateway(), path)
  expect(one.say(concat(new Uint8Array(4), first()))).toBeDefined()
  expect(states(one)).toEqual(['awaiting MM3'])
})
