// Dead-peer detection on the wire (RFC 3706): the number of each R-U-THERE is higher than the last. Openswan answers no lower one, libreswan three.
import { expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { disabledAt, proposalsFor } from '../algorithms/levels.ts'
import { IkeCore } from './core.ts'
import { firstSequence } from './dpd.ts'
import { deadPeerProbe, deadPeerSequence } from './wire/notifications.ts'
import { payloadType } from './wire/numbers.ts'

test('the numbers of probes rise, however often the peer has answered', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), disabled: disabledAt('legacy') }))
  const local = { address: '198.51.100.1', port: 500 }
  const client = new ScriptedClient(core, { local, remote: { address: '203.0.113.9', port: 500 } })
  client.mainMode(hexVector('ike/first-packets/macos-ios-current-psk'), {
    ownAddress: '192.168.1.10',
    natD: payloadType['NAT-D'],
  })
  const body = hexVector('ike/quick-mode/qm-macos-nat')
  const hash = client.keys!.skeyid.length
  const behind = body.subarray((body[2]! << 8) | body[3]!)
  client.quickMode(1, new Uint8Array([body[0]!, 0, 0, 4 + hash, ...new Uint8Array(hash), ...behind]))
  const numbers: number[] = []
  for (let round = 0; round < 8; round++) {
    client.now += 25_000
    for (const effect of client.give({ on: 'tick' })) {
      if (effect.do !== 'send') continue
      for (const payload of client.read(effect.octets)) if (payload.is === 'N') numbers.push(deadPeerSequence(payload)!)
    }
    client.say(client.inform(70 + round, [deadPeerProbe(client.cookies, numbers.at(-1)!, true)]))
  }
  expect(numbers).toEqual(Array.from({ length: 8 }, (_, i) => numbers[0]! + i))
})

test('the first number is drawn, its high bit clear', () => {
  const drawing = (octet: number) => firstSequence({ octets: (length) => new Uint8Array(length).fill(octet) })
  const all = Array.from({ length: 256 }, (_, octet) => drawing(octet))
  expect(new Set(all).size).toBe(256)
  expect(all.every((number) => number > 0 && number < 2 ** 31)).toBe(true)
})
