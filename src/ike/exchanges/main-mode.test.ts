// Main mode as traces: what must be refused before anything is changed.
import { getDiffieHellman } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { doWork } from '../../../test/scenarios/sync-dh.ts'
import { hexVector } from '../../../test/vectors.ts'
import { concat, hex } from '../../wire/codec.ts'
import { Secret } from '../../wire/secret.ts'
import type { IkeEffect, IkePolicy } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { natHash } from '../nat.ts'
import { emitChain, parseChain } from '../wire/chain.ts'
import { emitMessage, parseHeader } from '../wire/header.ts'
import { exchangeType, payloadType } from '../wire/numbers.ts'
import {
  certPayload,
  certReqPayload,
  hashPayload,
  type IdPayload,
  idPayload,
  kePayload,
  natDPayload,
  noncePayload,
  type Payload,
} from '../wire/payloads.ts'

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }
const first = hexVector('ike/first-packets/nm-l2tp-strongswan')

function client(more: Partial<IkePolicy> = {}): ScriptedClient {
  return new ScriptedClient(new IkeCore(ikePolicy({ key: 'secret', ...more })), path)
}

function show(effect: IkeEffect): string {
  if (effect.do !== 'report') return effect.do
  return effect.event.event === 'ike.negotiation.refused' ? `refused, ${effect.event.cause}` : effect.event.event
}

const clearPayloads = (octets: Uint8Array): readonly Payload[] => {
  const { header, body } = parseHeader(octets)
  return parseChain(header.next, body, 'clear').payloads
}

describe('MM3', () => {
  const modp2048 = { ike: [{ cipher: 'aes256', hash: 'sha256', group: 'modp2048' }] } as const
  const prime = Uint8Array.from(getDiffieHellman('modp14').getPrime())
  const less = (by: number) => prime.map((octet, i) => (i === 255 ? octet - by : octet))
  const zeros = (last: number) => concat(new Uint8Array(255), Uint8Array.of(last))
  const good = () => doWork({ do: 'generate', group: 'modp2048' }, client().random) as { publicValue: Uint8Array }

  test.each([
    ['0', zeros(0)],
    ['1', zeros(1)],
    ['p-1', less(1)],
    ['p', prime],
    ['all ones, which is above p', new Uint8Array(256).fill(0xff)],
    ['one octet short', new Uint8Array(255).fill(7)],
    ['empty', new Uint8Array()],
  ])('a public value of %s is refused, and the right one still accepted', (_, value) => {
    const one = client(modp2048)
    const mm2 = one.say(first)!
    one.cookies = parseHeader(mm2).header
    const effects = one.give({
      on: 'datagram',
      path,
      octets: one.clear([kePayload(value), noncePayload(new Uint8Array(16).fill(1))]),
    })
    expect(effects.map(show)).toEqual(['refused, key exchange'])
    expect(one.core.status()[0]?.state).toBe('awaiting MM3')
    const mm4 = one.say(one.clear([kePayload(good().publicValue), noncePayload(new Uint8Array(16).fill(1))]))
    expect(clearPayloads(mm4!).map(({ is }) => is)).toEqual(['KE', 'NONCE', 'NAT-D', 'NAT-D'])
  })

  test.each([7, 0, 257])('RFC 2409 §5: a nonce of %i octets is none; it MUST have 8 to 256', (length) => {
    const one = client(modp2048)
    one.cookies = parseHeader(one.say(first)!).header
    const octets = one.clear([kePayload(good().publicValue), noncePayload(new Uint8Array(length))])
    expect(one.give({ on: 'datagram', path, octets }).map(show)).toEqual(['ike.message.invalid'])
    expect(one.core.status()[0]?.state).toBe('awaiting MM3')
  })

  test('RFC 3947 §3.2: our NAT-D MUST hold the peer’s end first, then ours; only the peer’s is ever spoiled', () => {
    for (const forceEncapsulation of [false, true]) {
      const one = client({ forceEncapsulation })
      one.cookies = parseHeader(one.say(first)!).header
      const hashOf = (end: { address: string; port: number }) => natHash('sha1', one.cookies, end)
      const own = doWork({ do: 'generate', group: 'ecp256' }, one.random) as { publicValue: Uint8Array }
      const natD = [path.local, path.remote].map((end) => natDPayload(payloadType['NAT-D'], hashOf(end)))
      const mm4 = one.say(one.clear([kePayload(own.publicValue), noncePayload(new Uint8Array(16).fill(1)), ...natD]))!
      const hashes = clearPayloads(mm4).flatMap((payload) => (payload.is === 'NAT-D' ? [hex(payload.hash)] : []))
      expect(hashes[1]).toBe(hex(hashOf(path.local)))
      expect(hashes[0] === hex(hashOf(path.remote))).toBe(!forceEncapsulation)
    }
  })
})

describe('MM5', () => {
  test('with several keys for any peer, the one that decrypts it counts', () => {
    const core = new IkeCore({
      ...ikePolicy(),
      preSharedKeys: ['old', 'secret', 'other'].map((text) => ({
        peer: 'any',
        key: ikePolicy({ key: text }).preSharedKeys[0]!.key,
      })),
    })
    const two = new ScriptedClient(core, path)
    expect(two.mainMode(first)[2]?.map(({ is }) => is)).toEqual(['ID', 'HASH'])
    expect(core.state.sas.get(1)!.keyIndex).toBe(1)
  })

  test.each([
    ['the first', 0, 16],
    ['the last that is tried', 15, 16],
    ['none', -1, 16],
    ['one beyond', 16, 16],
  ])('every candidate is tried once, whichever is right, and sixteen at most: %s', (_, right, tried) => {
    const asked: number[] = []
    class Counted extends Secret {
      readonly at: number
      constructor(text: string, at: number) {
        super(text)
        this.at = at
      }
      override reveal(): Uint8Array {
        asked.push(this.at)
        return super.reveal()
      }
    }
    const preSharedKeys = Array.from({ length: 20 }, (_, i) => ({
      peer: 'any',
      key: new Counted(i === right ? 'secret' : `other ${i}`, i),
    }))
    const one = new ScriptedClient(new IkeCore({ ...ikePolicy(), preSharedKeys }), path)
    one.mainMode(first)
    expect(asked).toEqual(Array.from({ length: tried }, (_, i) => i))
    expect(one.core.status()[0]?.state).toBe(right >= 0 && right < tried ? 'established' : 'awaiting MM5')
  })

  describe('keys for names', () => {
    const fqdn = (text: string) => idPayload({ idType: 2, protocol: 0, port: 0, data: new TextEncoder().encode(text) })
    const dial = (identity: IdPayload) => {
      const preSharedKeys = [
        { peer: 'east.example.org', key: new Secret('of both') },
        { peer: 'west.example.org', key: new Secret('of both') },
      ]
      const one = new ScriptedClient(new IkeCore({ ...ikePolicy(), preSharedKeys }), path)
      one.mainMode(first, { psk: 'of both', identity })
      return one
    }

    test('its owner comes in, though another name has the same key', () => {
      expect(dial(fqdn('west.example.org')).core.state.sas.get(1)).toMatchObject({
        keyIndex: 1,
        shownIdentity: 'west.example.org',
      })
    })

    test('nobody else does with it', () => {
      const one = dial(fqdn('north.example.org'))
      expect(one.core.status()[0]?.state).toBe('awaiting MM5')
      expect(one.effects.filter((effect) => show(effect).startsWith('refused'))).toMatchObject([
        {
          event: {
            why: expect.stringMatching(/is the one for west.example.org, and the peer calls itself north.example.org/),
          },
        },
      ])
    })
  })

  test('a wrong key is one event, however often MM5 comes, and never answered', () => {
    const one = client()
    one.mainMode(first, { psk: 'wrong' })
    const refused = one.effects.filter((effect) => show(effect) === 'refused, pre-shared key')
    expect(refused).toMatchObject([
      { event: { why: expect.stringContaining('the pre-shared key of 203.0.113.9 is not the one configured here') } },
    ])
    const sent = one.effects.filter((effect) => effect.do === 'send').length
    const garbage = one.seal(new Uint8Array(16).fill(9), 2, 0, [noncePayload(new Uint8Array(60).fill(3))]).octets
    for (let i = 0; i < 10; i++) {
      one.now += 1_000
      one.give({ on: 'datagram', path, octets: garbage })
    }
    expect(one.effects.filter((effect) => show(effect) === 'refused, pre-shared key').length).toBe(1)
    expect(one.effects.filter((effect) => effect.do === 'send').length).toBe(sent)
  })

  test('damage behind the first block is no wrong key', () => {
    const one = client()
    const core = one.core
    const give = one.give.bind(one)
    // Every sealed message loses one bit on its way, behind its first block.
    one.give = (input) => {
      if (input.on !== 'datagram' || !parseHeader(input.octets).header.encrypted) return give(input)
      return give({ ...input, octets: input.octets.map((octet, i) => (i === 28 + 20 ? octet ^ 1 : octet)) })
    }
    one.mainMode(first)
    expect(one.effects.map(show).filter((name) => name.startsWith('refused'))).toEqual([])
    expect(one.effects.map(show)).toContain('ike.message.invalid')
    expect(core.status()[0]?.state).toBe('awaiting MM5')
  })
})

/** Main mode whose MM5 is changed before it is sealed; what came of it. */
function withMM5(change: (payloads: readonly Payload[]) => readonly Payload[]) {
  const one = client()
  const seal = one.seal.bind(one)
  one.seal = (iv, exchange, messageId, payloads) => seal(iv, exchange, messageId, change(payloads))
  const answers = one.mainMode(first).length
  const [sa] = one.core.status()
  one.now += 31_000
  one.give({ on: 'tick' })
  return { answers, events: one.effects.map(show).slice(-2), state: sa?.state, left: one.core.status().length }
}

test.each<[string, (payloads: readonly Payload[]) => readonly Payload[]]>([
  ['RFC 2407 §4.2.1: without an Identification Payload', ([, ...others]) => others],
  [
    'RFC 2408 §5.11: with a wrong HASH',
    (payloads) => payloads.map((one) => (one.is === 'HASH' ? hashPayload(new Uint8Array(one.data.length)) : one)),
  ],
])('%s the set-up MUST be aborted', (_, change) => {
  expect(withMM5(change)).toEqual({
    answers: 2,
    events: ['ike.message.invalid', 'refused, no answer'],
    state: 'awaiting MM5',
    left: 0,
  })
})

describe('cookies', () => {
  const modp = { ike: [{ cipher: 'aes256', hash: 'sha256', group: 'modp2048' }] } as const

  test('RFC 2408 §2.5.3: another for each negotiation, of no use to another address or port, and not to be made up', () => {
    const core = new IkeCore(ikePolicy({ key: 'secret', ...modp }))
    const clients = [500, 501].map((port) => new ScriptedClient(core, { ...path, remote: { ...path.remote, port } }))
    const [one, other] = clients as [ScriptedClient, ScriptedClient]
    other.random.octets(1)
    for (const each of clients) each.cookies = parseHeader(each.say(first)!).header
    expect(hex(one.cookies.responderCookie)).not.toBe(hex(other.cookies.responderCookie))
    const { publicValue } = doWork({ do: 'generate', group: 'modp2048' }, one.random) as { publicValue: Uint8Array }
    const mm3 = one.clear([kePayload(publicValue), noncePayload(new Uint8Array(16).fill(1))])
    const elsewhere = { ...path, remote: { address: '203.0.113.10', port: 500 } }
    const guessed = mm3.map((octet, i) => (i === 15 ? octet ^ 1 : octet))
    const effects = [
      one.give({ on: 'datagram', path: other.path, octets: mm3 }),
      one.give({ on: 'datagram', path: elsewhere, octets: mm3 }),
      one.give({ on: 'datagram', path: one.path, octets: guessed }),
    ]
    expect(effects.map((all) => all.map(show))).toEqual(Array(3).fill(['ike.message.invalid']))
    expect(core.status().map(({ state }) => state)).toEqual(['awaiting MM3', 'awaiting MM3'])
    expect(clearPayloads(one.say(mm3)!).map(({ is }) => is)).toContain('KE')
  })
})

test('RFC 2409 §4, §5: quick mode MUST ONLY be in phase 2, main mode in phase 1, and the exchange does not change', () => {
  const one = client()
  one.cookies = parseHeader(one.say(first)!).header
  const of = (exchange: number, messageId: number, encrypted: boolean) =>
    emitMessage({ ...one.cookies, exchange, messageId, encrypted, next: payloadType.HASH }, new Uint8Array(64).fill(3))
  const [aggressive, quick] = [exchangeType.aggressive, exchangeType.quick]
  const before = [of(aggressive, 0, false), of(aggressive, 0, true), of(quick, 7, true)]
  expect(before.flatMap((octets) => one.give({ on: 'datagram', path, octets }))).toEqual([])
  expect(one.core.status().map(({ state }) => state)).toEqual(['awaiting MM3'])
  const two = client()
  two.mainMode(first)
  const standing = structuredClone(two.core.status())
  const again = [exchangeType.main, aggressive].flatMap((exchange) =>
    [false, true].map((encrypted) =>
      emitMessage({ ...two.cookies, exchange, encrypted, next: payloadType.KE }, new Uint8Array(64).fill(3)),
    ),
  )
  expect(again.flatMap((octets) => two.give({ on: 'datagram', path, octets }))).toEqual([])
  expect(two.core.status()).toEqual(standing)
})

test('RFC 2408 §3.9, §3.10: CERT and CERTREQ in a first message are no reason to refuse it', () => {
  const { header, body } = parseHeader(first)
  const payloads = parseChain(header.next, body, 'clear').payloads
  const more = [certReqPayload(4, new Uint8Array()), certPayload(4, new Uint8Array(100).fill(9))]
  const octets = emitMessage(header, emitChain([...payloads, ...more]).octets)
  expect(clearPayloads(client().say(octets)!)[0]?.is).toBe('SA')
})

test('RFC 2408 §3.1: phase 1 MUST have message id 0', () => {
  const one = client()
  const odd = first.slice()
  odd[23] = 1
  expect(one.give({ on: 'datagram', path, octets: odd }).map(show)).toEqual(['ike.message.invalid'])
  expect(one.core.status()).toEqual([])
})
