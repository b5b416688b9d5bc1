// Messages of other versions and exchanges: survived, said once, answered at most with one notify.
import { expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { unhex } from '../wire/codec.ts'
import type { IkeEffect } from './contract.ts'
import { IkeCore } from './core.ts'
import { parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { nameOf, notifyType } from './wire/numbers.ts'

const path = { local: { address: '192.0.2.1', port: 500 }, remote: { address: '198.51.100.7', port: 500 } }

function say(octets: Uint8Array): string[] {
  const client = new ScriptedClient(new IkeCore(ikePolicy()), path)
  const shown = client.give({ on: 'datagram', path, octets }).map(show)
  expect(client.core.status()).toEqual([])
  return shown
}

function show(effect: IkeEffect): string {
  if (effect.do === 'report' && effect.event.event === 'ike.negotiation.refused')
    return `refused, ${effect.event.cause}: ${effect.event.why}`
  if (effect.do === 'report') return `${effect.event.event}: ${'why' in effect.event ? effect.event.why : ''}`
  if (effect.do !== 'send') return effect.do
  const { header, body } = parseHeader(effect.octets)
  return parseChain(header.next, body, 'clear')
    .payloads.map((payload) => (payload.is === 'N' ? nameOf(notifyType, payload.notify) : payload.is))
    .join(' ')
}

const first = hexVector('ike/first-packets/win8-win11-psk')
const changed = (at: number, value: number) => first.map((octet, i) => (i === at ? value : octet))

test('AuthIP of Windows', () => {
  expect(say(changed(18, 243))).toMatchInlineSnapshot(`
    [
      "ike.message.invalid: an exchange of type AuthIP, which is not spoken here",
      "UNSUPPORTED-EXCHANGE-TYPE",
    ]
  `)
})

test('aggressive mode, which is recognised and refused by saying so', () => {
  expect(say(changed(18, 4))).toMatchInlineSnapshot(`
    [
      "refused, exchange type: the peer wants aggressive mode, which this gateway does not speak: leave the group or identifier field empty on the client, then it uses main mode",
      "UNSUPPORTED-EXCHANGE-TYPE",
    ]
  `)
})

test('IKEv2', () => {
  expect(say(changed(17, 0x20))).toMatchInlineSnapshot(`
    [
      "refused, exchange type: the peer speaks IKEv2, this gateway L2TP over IKEv1: choose L2TP/IPsec with a pre-shared key on the client",
    ]
  `)
})

test('a version that nobody has', () => {
  expect(say(changed(17, 0x50))).toMatchInlineSnapshot(`
    [
      "ike.message.invalid: ISAKMP version 5.0",
    ]
  `)
})

test('RFC 2408 §5.2: a minor version above ours, or a flag that there is not: the message is discarded', () => {
  expect([...say(changed(17, 0x11)), ...say(changed(19, 0x08)), ...say(changed(19, 0x80))]).toMatchInlineSnapshot(`
    [
      "ike.message.invalid: ISAKMP version 1.1",
      "ike.message.invalid: flags of 8, which RFC 2408 leaves at zero",
      "ike.message.invalid: flags of 128, which RFC 2408 leaves at zero",
    ]
  `)
})

test('quick mode on an ISAKMP SA that is gone', () => {
  const octets = changed(18, 32)
  octets.set(unhex('0102030405060708'), 8)
  expect(say(octets)).toMatchInlineSnapshot(`
    [
      "ike.message.invalid: quick mode for an ISAKMP SA that does not exist (any more)",
    ]
  `)
})

test('nothing, one octet, half a header', () => {
  for (const length of [0, 1, 27])
    expect(say(first.subarray(0, length))).toEqual([expect.stringMatching(/^ike\.message\.invalid/)])
})
