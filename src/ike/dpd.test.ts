// Dead-peer detection on the wire (RFC 3706): the number of each R-U-THERE is higher than the last. Openswan answers no lower one, libreswan three.
import { expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { disabledAt, proposalsFor } from '../algorithms/levels.ts'
import { IkeCore } from './core.ts'
import { firstSequence } from './dpd.ts'
import { vendorNames } from './fingerprint.ts'
import { emitChain, parseChain } from './wire/chain.ts'
import { emitMessage, parseHeader } from './wire/header.ts'
import { deadPeerProbe, deadPeerSequence } from './wire/notifications.ts'
import { exchangeType, payloadType } from './wire/numbers.ts'

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

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }
const policy = ikePolicy({ key: 'secret', esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }] })

function connected(first: string): ScriptedClient {
  const client = new ScriptedClient(new IkeCore(policy), path)
  client.mainMode(hexVector(`ike/first-packets/${first}`), {
    ownAddress: '192.168.1.10',
    natD: payloadType['NAT-D'],
  })
  client.quickMode(7, hexVector('ike/quick-mode/qm-win10-nat'))
  expect(client.core.status()).toMatchObject([{ state: 'established', pairs: [{ state: 'current' }] }])
  client.effects.length = 0
  return client
}

test('RFC 3706 §5.1: the vendor ID MUST be sent before: our first message has it, and who did not send it is never asked', () => {
  const initiator = new ScriptedClient(new IkeCore(policy), path)
  const [mm1] = initiator.give({ on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
  const { header, body } = parseHeader(mm1?.do === 'send' ? mm1.octets : new Uint8Array())
  expect(vendorNames(parseChain(header.next, body, 'clear').payloads)).toContain('DPD')
  const quiet = connected('win8-win11-psk')
  for (let round = 0; round < 20; round++) {
    quiet.now += 25_000
    quiet.give({ on: 'tick' })
  }
  expect(quiet.effects).toEqual([])
})

test('RFC 3706 §5.2: R-U-THERE and its ACK in clear MUST be rejected', () => {
  const client = connected('nm-l2tp-strongswan')
  const peer = client.core.state.peers.get(1)!
  const { heardAt } = peer
  client.now += 5_000
  for (const answer of [false, true]) {
    const chain = emitChain([deadPeerProbe(client.cookies, peer.sequence, answer)])
    const header = { ...client.cookies, exchange: exchangeType.informational, messageId: 9, next: chain.first }
    client.give({ on: 'datagram', path: client.path, octets: emitMessage(header, chain.octets) })
  }
  expect(client.effects).toMatchObject(
    ['R-U-THERE', 'R-U-THERE-ACK'].map((notify) => ({ do: 'report', event: { notify, authenticated: false } })),
  )
  expect([client.effects.length, peer.heardAt]).toEqual([2, heardAt])
})
