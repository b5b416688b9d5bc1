// SHA2-256 in two lengths: what is remembered, told and asked for when the fast path has found the other one.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import type { Hash } from '../algorithms/algorithms.ts'
import { IkeCore } from './core.ts'
import { offerEsp } from './offers.ts'
import { emitChain } from './wire/chain.ts'
import { hashPayload, noncePayload } from './wire/payloads.ts'

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }
const nonce = (octet: number) => noncePayload(new Uint8Array(16).fill(octet))

function offerOf(hash: Hash, spi: number) {
  const lifetime = { seconds: 3_600, kilobytes: undefined }
  return offerEsp({
    proposals: [{ cipher: 'aes128', hash, group: undefined }],
    group: undefined,
    spi,
    udp: undefined,
    lifetime,
  })
}

/** A client with one pair of that hash. */
function withPair(hash: Hash): ScriptedClient {
  const esp = (['sha256', 'sha256_96', 'sha1'] as const).map(
    (one) => ({ cipher: 'aes128', hash: one, group: undefined }) as const,
  )
  const client = new ScriptedClient(new IkeCore(ikePolicy({ key: 'secret', esp })), path)
  client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'))
  quick(client, 7, hash)
  return client
}

function quick(client: ScriptedClient, messageId: number, hash: Hash): void {
  client.effects.length = 0
  const qm1 = emitChain([hashPayload(new Uint8Array(20)), offerOf(hash, 0xc0de0000 + messageId), nonce(messageId)])
  client.quickMode(messageId, qm1.octets)
}

const installed = ({ effects }: ScriptedClient) =>
  effects.flatMap((effect) => (effect.do === 'install' ? [effect.pair.proposal.hash] : []))
const pairs = ({ core }: ScriptedClient) => core.status().flatMap((sa) => sa.pairs)
const shown = (client: ScriptedClient) => pairs(client).map(({ proposal, state }) => `${proposal} ${state}`)

/** The first packet on the newest pair. */
function packet(client: ScriptedClient, truncation: 96 | 128) {
  const { inboundSpi } = pairs(client).at(-1)!
  const effects = client.give({ on: 'pairUsed', peer: 1, inboundSpi, truncation })
  return effects.flatMap((effect) =>
    effect.do === 'report' && effect.event.event === 'ike.pair.truncated' ? [effect.event] : [],
  )
}

describe('a peer that cuts SHA2-256 to 96 bits', () => {
  test('is shown with what it does, and told of once', () => {
    const client = withPair('sha256')
    expect(installed(client)).toEqual(['sha256'])
    const { inboundSpi } = pairs(client)[0]!
    expect(packet(client, 96)).toEqual([{ event: 'ike.pair.truncated', path, peer: 1, inboundSpi, bits: 96 }])
    expect(packet(client, 96)).toEqual([])
    expect(shown(client)).toEqual(['aes128-sha256_96 current'])
  })

  test('a successor begins with what its predecessor was found to have, and may change back', () => {
    const client = withPair('sha256')
    packet(client, 96)
    quick(client, 8, 'sha256')
    expect(installed(client)).toEqual(['sha256_96'])
    expect(packet(client, 128)).toMatchObject([{ bits: 128 }])
    expect(shown(client)).toEqual(['aes128-sha256_96 draining', 'aes128-sha256 current'])
    quick(client, 9, 'sha256')
    expect(installed(client)).toEqual(['sha256'])
  })

  test('another peer’s pairs, and those of other hashes, stay as they are', () => {
    const client = withPair('sha256')
    packet(client, 96)
    quick(client, 8, 'sha1')
    expect(installed(client)).toEqual(['sha1'])
    expect(shown(withPair('sha256'))).toEqual(['aes128-sha256 current'])
  })

  test('what we begin ourselves is offered under the number that was agreed on', () => {
    const client = withPair('sha256')
    packet(client, 96)
    client.effects.length = 0
    client.give({ on: 'sequenceLow', peer: 1, inboundSpi: pairs(client)[0]!.inboundSpi })
    const [sa] = [...client.core.state.sas.values()]
    const [mode] = [...sa!.quick.values()]
    expect(mode?.is === 'awaiting QM2' && mode.wish.proposals).toEqual([
      { cipher: 'aes128', hash: 'sha256', group: undefined },
    ])
  })

  test('a restarted daemon finds the pair as the fast path has it', () => {
    const client = withPair('sha256')
    packet(client, 96)
    const records = client.core.changes()
    const after = new IkeCore(ikePolicy({ key: 'secret' }), { records, now: client.now })
    expect(after.standing().flatMap((peer) => peer.pairs.map(({ proposal }) => proposal.hash))).toEqual(['sha256_96'])
  })
})

test('a pair that was agreed with 96 bits (the private number 252) can be found to have 128', () => {
  const client = withPair('sha256_96')
  expect(installed(client)).toEqual(['sha256_96'])
  expect(packet(client, 128)).toMatchObject([{ bits: 128 }])
  expect(shown(client)).toEqual(['aes128-sha256 current'])
})
