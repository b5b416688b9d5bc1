// Informational exchanges as traces: what Delete and notifies do when they are authentic, and that nothing else does anything.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { hexVector } from '../../../test/vectors.ts'
import { unhex } from '../../wire/codec.ts'
import type { IkeEffect, IkePolicy } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { hash1 } from '../keys.ts'
import { spiOctets } from '../proposals.ts'
import { emitChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'
import { deadPeerProbe, ikeSpi, parseResponderLifetime } from '../wire/notifications.ts'
import { doi, nameOf, notifyType, payloadType, protocolId } from '../wire/numbers.ts'
import {
  deletePayload,
  hashPayload,
  type NotifyPayload,
  noncePayload,
  notifyPayload,
  type Payload,
} from '../wire/payloads.ts'

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }

/** A Windows client behind a NAT with one pair. */
function connected(more: Partial<IkePolicy> = {}): ScriptedClient {
  const client = new ScriptedClient(
    new IkeCore(ikePolicy({ key: 'secret', esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }], ...more })),
    path,
  )
  client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'), {
    ownAddress: '192.168.1.10',
    natD: payloadType['NAT-D'],
  })
  client.quickMode(7, body())
  client.effects.length = 0
  return client
}

/** The Windows 10 offer, with room for a SHA1 hash. */
const body = () => hexVector('ike/quick-mode/qm-win10-nat')
const peerSpi = unhex('c0de0002')

const deleteEsp = (...spis: Uint8Array[]) => deletePayload({ doi: doi.IPSEC, protocol: protocolId.ESP, spis })
const deleteIke = (client: ScriptedClient) =>
  deletePayload({ doi: doi.IPSEC, protocol: protocolId.ISAKMP, spis: [ikeSpi(client.cookies)] })

function show(effect: IkeEffect): string {
  return effect.do === 'report' ? effect.event.event : effect.do
}

const say = (client: ScriptedClient, messageId: number, payloads: readonly Payload[]) =>
  client.give({ on: 'datagram', path: client.path, octets: client.inform(messageId, payloads) }).map(show)

describe('Delete', () => {
  test('of ESP SAs names the SPI at which its sender receives; the peer ends 5 s after its last pair', () => {
    const client = connected()
    expect(say(client, 1, [deleteEsp(unhex('11111111'), peerSpi)])).toEqual(['remove', 'ike.pair.removed'])
    client.now += 4_900
    expect(client.give({ on: 'tick' })).toEqual([])
    client.now += 200
    expect(client.give({ on: 'tick' })).toEqual([{ do: 'peerGone', peer: 1, reason: 'deleted-by-peer' }])
  })

  test('with a nonce before it, as Windows sends it', () => {
    const client = connected()
    expect(say(client, 1, [noncePayload(new Uint8Array(20)), deleteEsp(peerSpi)])).toEqual([
      'remove',
      'ike.pair.removed',
    ])
  })

  test('that names our SPI, as strongSwan sends it where its kernel refused the pair', () => {
    const client = connected()
    const [pair] = client.core.status()[0]!.pairs
    expect(say(client, 1, [deleteEsp(spiOctets(pair!.inboundSpi))])).toEqual(['remove', 'ike.pair.removed'])
  })

  test('of the ISAKMP SA ends nothing, and quick modes go on for a minute', () => {
    const client = connected()
    expect(say(client, 1, [deleteIke(client)])).toEqual(['ike.sa.closed'])
    expect(client.core.status()[0]?.state).toBe('deleted')
    expect(client.quickMode(8, body())?.map(({ is }) => is)).toContain('SA')
    client.now += 61_000
    client.give({ on: 'tick' })
    expect(client.core.status()).toEqual([])
    expect(client.effects.map(show)).not.toContain('peerGone')
  })

  test('RFC 2408 §5.15: only what the peer itself has is deleted', () => {
    const core = new IkeCore(ikePolicy({ key: 'secret' }))
    const [one, other] = [100, 200].map((port) => {
      const client = new ScriptedClient(core, { ...path, remote: { ...path.remote, port } })
      client.random.octets(port)
      const first = hexVector('ike/first-packets/nm-l2tp-strongswan')
      first[0] = port
      client.mainMode(first)
      client.quickMode(7, hexVector('ike/quick-mode/qm-win10-nonat'))
      return client
    }) as [ScriptedClient, ScriptedClient]
    const spiOfOther = core.status()[1]!.pairs[0]!.inboundSpi
    expect(say(one, 1, [deleteEsp(spiOctets(spiOfOther)), deleteIke(other)])).toEqual([])
    expect(core.status().map(({ state, pairs }) => [state, pairs.length])).toEqual([
      ['established', 1],
      ['established', 1],
    ])
  })

  test('RFC 2408 §5.14, §5.15: for another DOI, protocol or SPI the payload is discarded', () => {
    const client = connected()
    const { protocol, spi, notify, data } = deadPeerProbe(client.cookies, 5, false)
    const probe = { protocol, spi, notify, data }
    const spis = [peerSpi]
    const said = [
      [deletePayload({ doi: 2, protocol: protocolId.ESP, spis })],
      [deletePayload({ doi: doi.IPSEC, protocol: 99, spis })],
      [deletePayload({ doi: doi.IPSEC, protocol: protocolId.AH, spis })],
      [deleteEsp(unhex('11111111'))],
      [notifyPayload({ ...probe, doi: 2 })],
      [notifyPayload({ ...probe, doi: doi.IPSEC, protocol: 99 })],
      // A type that is not known is told, and no more.
      [notifyPayload({ ...probe, doi: doi.IPSEC, notify: 50_000 })],
    ].map((payloads, i) => {
      client.now += 60_000
      return say(client, i + 11, payloads)
    })
    const invalid = ['ike.message.invalid']
    expect(said).toEqual([invalid, invalid, [], [], invalid, invalid, ['ike.notify.received']])
    expect(client.core.status()[0]).toMatchObject({ state: 'established', pairs: [{ state: 'current' }] })
    expect(say(client, 77, [notifyPayload({ ...probe, doi: doi.ISAKMP })])).toEqual(['send'])
  })

  test('ours: ESP first, the ISAKMP SA last', () => {
    const client = connected()
    const effects = client.give({ on: 'disconnect', peer: 1, reason: 'the administrator said so' })
    const said = effects.flatMap((effect) => (effect.do === 'send' ? [client.read(effect.octets)] : []))
    expect(said.map((payloads) => payloads.map((one) => (one.is === 'D' ? `D ${one.protocol}` : one.is)))).toEqual([
      ['HASH', 'D 3'],
      ['HASH', 'D 1'],
    ])
  })
})

describe('what is not authentic', () => {
  test('RFC 2409 §5.7: a Delete with a wrong HASH, or none, or in clear, MUST NOT be acted upon', () => {
    const client = connected()
    const wrong = [hashPayload(new Uint8Array(hash1(client.keys!, 1, new Uint8Array()).length)), deleteEsp(peerSpi)]
    const { octets } = client.seal(new Uint8Array(16), 5, 1, wrong)
    const naked = client.seal(new Uint8Array(16), 5, 2, [deleteEsp(peerSpi)]).octets
    const chain = emitChain([deleteEsp(peerSpi)])
    const clear = Uint8Array.of(...naked.subarray(0, 28), ...chain.octets)
    clear[16] = chain.first
    clear[19] = 0
    new DataView(clear.buffer).setUint32(24, clear.length)
    const effects = [octets, naked, clear].flatMap((message) =>
      client.give({ on: 'datagram', path: client.path, octets: message }).map(show),
    )
    expect(effects.filter((name) => !name.startsWith('ike.'))).toEqual([])
    expect(client.core.status()[0]).toMatchObject({ state: 'established', pairs: [{ state: 'current' }] })
  })

  test('a message said again is answered from the cache, or not at all, and makes nothing', () => {
    const client = connected()
    const octets = client.inform(1, [deadPeerProbe(client.cookies, 5, false)])
    const [first] = client.give({ on: 'datagram', path: client.path, octets })
    client.now += 1_000
    expect(client.give({ on: 'datagram', path: client.path, octets })).toEqual([first])
    client.now += 120_000
    client.give({ on: 'tick' })
    expect(client.give({ on: 'datagram', path: client.path, octets })).toEqual([])
  })
})

describe('dead-peer detection', () => {
  test('RFC 3706 §5.3: R-U-THERE MUST be answered with an ACK that has its sequence number', () => {
    const client = connected()
    const answer = client.say(client.inform(1, [deadPeerProbe(client.cookies, 0x01020304, false)]))!
    expect(client.read(answer)).toEqual([expect.anything(), deadPeerProbe(client.cookies, 0x01020304, true)])
  })

  test('asks after quiet, with numbers that grow; an answer is life, silence is death', () => {
    const client = connected()
    const asked: number[] = []
    const quiet = (milliseconds: number) => {
      client.now += milliseconds
      for (const effect of client.give({ on: 'tick' })) {
        if (effect.do !== 'send') continue
        const notify = client.read(effect.octets)[1] as NotifyPayload
        expect(nameOf(notifyType, notify.notify)).toBe('R-U-THERE')
        asked.push(new DataView(notify.data.slice().buffer).getUint32(0))
      }
    }
    quiet(18_000)
    expect(asked).toEqual([])
    quiet(4_000)
    quiet(5_000)
    expect(asked[1]).toBe(asked[0]! + 1)
    client.say(client.inform(1, [deadPeerProbe(client.cookies, asked[1]!, true)]))
    quiet(5_000)
    expect(asked.length).toBe(2)
    for (const wait of [20_000, 5_000, 5_000, 5_000, 5_000]) quiet(wait)
    expect(asked.length).toBe(6)
    expect(client.effects.filter((effect) => effect.do === 'peerGone')).toEqual([
      { do: 'peerGone', peer: 1, reason: 'dead' },
    ])
    expect(client.core.status()).toEqual([])
  })

  test('authentic ESP is life too', () => {
    const client = connected()
    const { inboundSpi } = client.core.status()[0]!.pairs[0]!
    for (let i = 0; i < 20; i++) {
      client.now += 10_000
      client.give({ on: 'heard', pairs: [{ peer: 1, inboundSpi, at: client.now, octets: 100 }] })
      client.give({ on: 'tick' })
    }
    expect(client.effects.filter((effect) => effect.do === 'send')).toEqual([])
  })
})

describe('lifetimes', () => {
  const shorter = { lifetimes: { ikeSeconds: 600, espSeconds: 300, espKilobytes: 1_000 } }

  test('RFC 2407 §4.6.3.1: RESPONDER-LIFETIME MUST be sent under the protection of an ISAKMP SA; the offer is echoed as it came', () => {
    const client = new ScriptedClient(new IkeCore(ikePolicy({ key: 'secret', ...shorter })), path)
    client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'), {
      ownAddress: '192.168.1.10',
      natD: payloadType['NAT-D'],
    })
    const informed = client.effects.flatMap((effect) =>
      effect.do === 'send' && parseHeader(effect.octets).header.exchange === 5 ? [client.read(effect.octets)[1]] : [],
    ) as NotifyPayload[]
    expect(informed.map((notify) => parseResponderLifetime(1, notify))).toEqual([
      { seconds: 600, kilobytes: undefined },
    ])
    const format = { doi: doi.IPSEC, notify: notifyType['RESPONDER-LIFETIME'] }
    expect(informed).toMatchObject([{ ...format, protocol: protocolId.ISAKMP, spi: ikeSpi(client.cookies) }])
    const qm2 = client.quickMode(7, body())!
    const notify = qm2.find((payload) => payload.is === 'N')!
    const spi = spiOctets(client.core.status()[0]!.pairs[0]!.inboundSpi)
    expect(notify).toMatchObject({ ...format, protocol: protocolId.ESP, spi })
    expect(parseResponderLifetime(2, notify)).toEqual({ seconds: 300, kilobytes: 1_000 })
    const sa = qm2.find((payload) => payload.is === 'SA')!
    const durations = sa.proposals[0]!.transforms[0]!.attributes.filter(({ type }) => type === 2)
    expect(durations.map(({ basic, value }) => [basic, ...value])).toEqual([
      [false, 0, 0, 0x0e, 0x10],
      [false, 0, 3, 0xd0, 0x90],
    ])
    expect(client.core.status()[0]!.expires! - client.core.status()[0]!.established!).toBe(600_000)
  })

  test('a shorter lifetime of the peer is obeyed and not commented on', () => {
    const client = connected()
    expect(client.core.state.peers.get(1)!.pairs.values().next().value).toMatchObject({ lifeKilobytes: 250_000 })
    expect(client.effects).toEqual([])
  })
})
