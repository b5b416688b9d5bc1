// The message rules as the RFC's notation, and what they refuse.
import { describe, expect, test } from 'vitest'
import { breach, type MessageName, messageRules } from './message-rules.ts'
import {
  certPayload,
  certReqPayload,
  deletePayload,
  hashPayload,
  idPayload,
  kePayload,
  natDPayload,
  noncePayload,
  type Payload,
  saPayload,
  unknownPayload,
  vidPayload,
} from './wire/payloads.ts'

const octets = new Uint8Array(20)
const SA = saPayload({ doi: 1, situation: 1, proposals: [] })
const KE = kePayload(octets)
const NONCE = noncePayload(octets)
const HASH = hashPayload(octets)
const ID = idPayload({ idType: 1, protocol: 0, port: 0, data: octets })
const D = deletePayload({ doi: 1, protocol: 3, spis: [] })
const VID = vidPayload(octets)

describe('message rules', () => {
  test('as a table', () => {
    const table = Object.entries(messageRules).map(([name, { sealed, first, payloads }]) => {
      const counts = Object.entries(payloads).map(
        ([is, [least, most]]) => `${is} ${least === most ? least : `${least}-${most}`}`,
      )
      return `${name} ${sealed ? 'sealed' : 'clear'}, ${first ?? 'nothing'} first: ${counts.join(', ')}`
    })
    expect(table).toMatchInlineSnapshot(`
      [
        "MM1 clear, SA first: SA 1",
        "MM2 clear, SA first: SA 1",
        "MM3 clear, nothing first: KE 1, NONCE 1, NAT-D 0-16",
        "MM4 clear, nothing first: KE 1, NONCE 1, NAT-D 0-16",
        "MM5 sealed, nothing first: ID 1, HASH 0-1, SIG 0-1",
        "MM6 sealed, nothing first: ID 1, HASH 0-1, SIG 0-1",
        "QM1 sealed, HASH first: HASH 1, SA 1, NONCE 1, KE 0-1, ID 0-2, NAT-OA 0-2",
        "QM2 sealed, HASH first: HASH 1, SA 1, NONCE 1, KE 0-1, ID 0-2, NAT-OA 0-2",
        "QM3 sealed, HASH first: HASH 1",
        "QM4 sealed, HASH first: HASH 1",
        "AM1 clear, SA first: SA 1, KE 1, NONCE 1, ID 1",
        "AM2 clear, SA first: SA 1, KE 1, NONCE 1, ID 1, HASH 1, NAT-D 0-16",
        "AM3 sealed, nothing first: HASH 1, NAT-D 0-16",
        "INFO sealed, HASH first: HASH 1, D 0-24, NONCE 0-1",
      ]
    `)
  })

  const cases: readonly (readonly [MessageName, readonly Payload[], string | undefined])[] = [
    ['MM1', [SA, VID, VID], undefined],
    ['MM1', [], 'MM1 begins with nothing, not with SA'],
    ['MM1', [VID, SA], 'MM1 begins with VID, not with SA'],
    ['MM1', [SA, SA], 'MM1 holds SA 2 times, 1 allowed'],
    ['MM1', [SA, KE], 'MM1 holds KE 1 times, 0 allowed'],
    ['MM1', [SA, ...Array<Payload>(25).fill(VID)], 'MM1 holds VID 25 times, 24 allowed'],
    ['MM3', [KE, NONCE, natDPayload(20, octets), natDPayload(20, octets), natDPayload(20, octets)], undefined],
    ['MM3', [NONCE, KE, unknownPayload(99, octets)], undefined],
    ['MM3', [KE], 'MM3 holds no NONCE'],
    ['MM3', [NONCE], 'MM3 holds no KE'],
    ['MM3', [KE, KE, NONCE], 'MM3 holds KE 2 times, 1 allowed'],
    ['MM5', [ID, HASH, certPayload(4, octets)], undefined],
    ['MM5', [HASH], 'MM5 holds no ID'],
    ['QM1', [HASH, SA, NONCE, ID, ID], undefined],
    ['QM1', [SA, HASH, NONCE], 'QM1 begins with SA, not with HASH'],
    ['QM1', [HASH, SA, SA, NONCE], 'QM1 holds SA 2 times, 1 allowed'],
    ['QM1', [HASH, SA, NONCE, ID, ID, ID], 'QM1 holds ID 3 times, 2 allowed'],
    ['QM3', [HASH], undefined],
    ['QM3', [HASH, SA], 'QM3 holds SA 1 times, 0 allowed'],
    ['INFO', [HASH, D], undefined],
    ['INFO', [HASH, NONCE, D], undefined],
    ['INFO', [D], 'INFO begins with D, not with HASH'],
  ]

  test.each(cases)('%s of these payloads (%#)', (name, payloads, wrong) => {
    expect(breach(name, payloads)).toBe(wrong)
  })

  test('RFC 2408 §3.9, §3.10: CERT and CERTREQ MUST be accepted at any point', () => {
    const least = (name: MessageName): Payload[] => {
      const { first, payloads } = messageRules[name]
      const kinds = Object.entries(payloads).flatMap(([is, [count]]) => (count > 0 ? [is] : []))
      const all: readonly Payload[] = [HASH, SA, KE, NONCE, ID]
      const found = all.filter(({ is }) => kinds.includes(is))
      return first ? [...found.filter(({ is }) => is === first), ...found.filter(({ is }) => is !== first)] : found
    }
    const more = [certPayload(4, octets), certPayload(9, octets), certReqPayload(4, octets)]
    const names = Object.keys(messageRules) as MessageName[]
    expect(names.map((name) => [name, breach(name, least(name)), breach(name, [...least(name), ...more])])).toEqual(
      names.map((name) => [name, undefined, undefined]),
    )
  })
})
