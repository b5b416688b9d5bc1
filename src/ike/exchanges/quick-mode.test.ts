// Quick mode as traces.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { hexVector } from '../../../test/vectors.ts'
import { concat } from '../../wire/codec.ts'
import type { IkeEffect, IkeInput, IkePolicy } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { addressId } from '../identity.ts'
import { offerEsp } from '../offers.ts'
import { emitChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'
import { doi, identificationType, nameOf, notifyType, payloadType, protocolId } from '../wire/numbers.ts'
import {
  deletePayload,
  hashPayload,
  type IdPayload,
  idPayload,
  kePayload,
  natOaPayload,
  noncePayload,
  type Payload,
} from '../wire/payloads.ts'

const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }
const sha1Octets = 20

function established(more: Partial<IkePolicy> = {}, fastPath = true): ScriptedClient {
  const client = new ScriptedClient(new IkeCore(ikePolicy({ key: 'secret', ...more })), path)
  client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'))
  client.effects.length = 0
  if (!fastPath) return Object.assign(client, { give: (input: IkeInput) => bare(client, input) })
  return client
}

/** Nothing slow is done: the test looks at what is asked for. */
function bare(client: ScriptedClient, input: IkeInput): readonly IkeEffect[] {
  const effects = client.core.handle(input, { now: client.now, random: client.random })
  client.effects.push(...effects)
  return effects
}

const offer = (group?: 'ecp256' | 'modp2048') =>
  offerEsp({
    proposals: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
    group,
    spi: 0xc0de0001,
    udp: undefined,
    lifetime: { seconds: 3_600, kilobytes: undefined },
  })

const id = (last: number, protocol = 17, port = 1701): IdPayload =>
  idPayload({ idType: identificationType.ID_IPV4_ADDR, protocol, port, data: Uint8Array.of(203, 0, 113, last) })

const nonce = noncePayload(new Uint8Array(16).fill(1))
const plain = (...payloads: Payload[]) => emitChain([hashPayload(new Uint8Array(sha1Octets)), ...payloads]).octets

function show(effect: IkeEffect): string {
  if (effect.do === 'work') return `work ${effect.work.do}`
  if (effect.do !== 'report') return effect.do
  return effect.event.event === 'ike.negotiation.refused' ? `refused, ${effect.event.cause}` : effect.event.event
}

describe('the order of things', () => {
  test('QM2 waits for the inbound SA, and what we send for QM3', () => {
    const client = established({}, false)
    client.quickMode(7, plain(offer(), nonce))
    expect(client.effects.map(show)).toEqual(['install'])
    const [install] = client.effects
    if (install?.do !== 'install') throw new Error('no install')
    expect(install.pair).toMatchObject({ use: false, encapsulated: false, ports: { local: 0, remote: 0 } })
    expect(bare(client, { on: 'installed', job: install.job }).map(show)).toEqual(['send', 'peerUp'])
    expect(client.core.status()[0]?.pairs).toMatchObject([{ state: 'new' }])
    // A packet shows as much as QM3 does; then there is nothing left to repeat.
    const { inboundSpi } = client.core.status()[0]!.pairs[0]!
    expect(bare(client, { on: 'pairUsed', peer: 1, inboundSpi }).map(show)).toEqual(['ike.pair.established'])
    client.now += 60_000
    expect(bare(client, { on: 'tick' }).filter((effect) => effect.do === 'send').length).toBe(1)
  })

  test('without QM3 or a packet the pair is taken away again', () => {
    const client = established()
    client.quickMode(7, plain(offer(), nonce), false)
    for (let i = 0; i < 40; i++) {
      client.now += 1_000
      client.give({ on: 'tick' })
    }
    const all = client.effects.map(show)
    expect(all.filter((name) => name === 'remove')).toEqual(['remove'])
    expect(all.at(-1)).toBe('peerGone')
  })

  test('a repeated QM1 is answered with the same QM2, and makes no second pair', () => {
    const client = established()
    const said: Uint8Array[] = []
    const say = client.say.bind(client)
    client.say = (octets) => {
      said.push(octets)
      return say(octets)
    }
    client.quickMode(7, plain(offer(), nonce), false)
    const [qm2] = client.effects.filter((effect) => effect.do === 'send')
    client.now += 500
    expect(client.give({ on: 'datagram', path, octets: said[0]! })).toEqual([qm2])
    expect(client.effects.filter((effect) => effect.do === 'install').length).toBe(1)
  })

  test('on an ISAKMP SA that the client has deleted: answered for a minute (Apple), with the old keys, and then no more', () => {
    const client = established()
    const { initiatorCookie, responderCookie } = client.cookies
    const spis = [concat(initiatorCookie, responderCookie)]
    client.say(client.inform(5, [deletePayload({ doi: doi.IPSEC, protocol: protocolId.ISAKMP, spis })]))
    expect(client.core.status()).toMatchObject([{ state: 'deleted' }])
    expect(client.quickMode(7, plain(offer(), nonce))?.map(({ is }) => is)).toEqual(['HASH', 'SA', 'NONCE'])
    expect(client.core.status()[0]?.pairs).toMatchObject([{ state: 'current' }])
    client.now += 61_000
    client.give({ on: 'tick' })
    expect(client.quickMode(8, plain(offer(), nonce))).toBe(undefined)
    expect(client.core.status()).toEqual([])
  })

  test('a fourth message where none is awaited changes nothing', () => {
    const client = established()
    client.quickMode(7, plain(offer(), nonce))
    expect(client.core.status()[0]?.pairs).toMatchObject([{ state: 'current' }])
    const before = client.effects.length
    client.say(client.seal(new Uint8Array(16), 32, 7, [hashPayload(new Uint8Array(20)), nonce]).octets)
    expect(client.effects.length).toBe(before)
  })
})

describe('PFS', () => {
  test('RFC 2409 §5.5: with a KE in QM1 there MUST be one in QM2, in the group of the transform', () => {
    const client = established({ pfsGroups: ['ecp256'] })
    const own = new Uint8Array(64)
    // A point of P-256: its generator.
    own.set(generator)
    const answer = client.quickMode(7, plain(offer('ecp256'), nonce, kePayload(own)), false)!
    expect(answer.map(({ is }) => is)).toEqual(['HASH', 'SA', 'NONCE', 'KE'])
    expect(client.effects.find((effect) => effect.do === 'install')?.pair.proposal.group).toBe('ecp256')
  })

  test.each([
    ['a group without KE', [offer('ecp256'), nonce], 'key exchange'],
    ['KE without a group', [offer(), nonce, kePayload(new Uint8Array(64))], 'key exchange'],
    ['a group that is not allowed', [offer('modp2048'), nonce, kePayload(new Uint8Array(256))], 'proposal'],
  ] as const)('%s is refused inside the ISAKMP SA', (_, payloads, cause) => {
    const client = established({ pfsGroups: ['ecp256'] })
    client.quickMode(7, plain(...payloads))
    expect(client.effects.map(show)).toEqual([`refused, ${cause}`, 'send'])
    const sent = client.effects.at(-1)
    const said = client.read(sent?.do === 'send' ? sent.octets : new Uint8Array())[1]!
    expect(said).toMatchObject({ is: 'N', protocol: protocolId.ESP, spi: Uint8Array.of(0xc0, 0xde, 0, 1) })
    expect(client.core.state.spis.size).toBe(0)
  })

  test('a value off the curve ends the quick mode when the work is done', () => {
    const client = established({ pfsGroups: ['ecp256'] })
    client.quickMode(7, plain(offer('ecp256'), nonce, kePayload(new Uint8Array(64).fill(7))))
    expect(client.effects.map(show)).toEqual(['work exchange', 'refused, key exchange', 'send'])
    expect([client.core.state.spis.size, client.core.state.sas.get(1)!.quick.size]).toEqual([0, 0])
  })
})

describe('selectors', () => {
  test('what is no UDP is refused, and the peer can trust the notify', () => {
    const client = established()
    client.quickMode(7, plain(offer(), nonce, id(9, 6, 80), id(1, 6, 80)))
    expect(client.effects.map(show)).toEqual(['refused, selectors', 'send'])
    const sent = client.effects.at(-1)
    const said = client.read(sent?.do === 'send' ? sent.octets : new Uint8Array())[1]!
    expect(said.is === 'N' && nameOf(notifyType, said.notify)).toBe('INVALID-ID-INFORMATION')
    // RFC 2409 §5.7: the message id MUST NOT be that of the exchange which caused it.
    expect([0, 7]).not.toContain(parseHeader(sent?.do === 'send' ? sent.octets : new Uint8Array()).header.messageId)
  })

  test.each([
    ['ID_FQDN', identificationType.ID_FQDN],
    ['ID_IPV6_ADDR', identificationType.ID_IPV6_ADDR],
    ['ID_KEY_ID', identificationType.ID_KEY_ID],
    ['one that nobody has', 99],
  ])('RFC 2408 §5.8: IDs of a type that names no traffic are refused: %s', (_, idType) => {
    const { ike, esp, pfsGroups, requirePfs, lifetimes } = ikePolicy()
    const common = { ike, esp, pfsGroups, requirePfs, lifetimes, traffic: [] }
    const client = established({ sites: [{ site: 1, name: 'branch', addresses: [path.remote.address], ...common }] })
    const name = idPayload({ idType, protocol: 0, port: 0, data: new TextEncoder().encode('branch.example.o') })
    const lifetime = { seconds: 3_600, kilobytes: undefined }
    const tunnel = {
      proposals: esp,
      group: undefined,
      spi: 0xc0de0001,
      udp: undefined,
      lifetime,
      mode: 'tunnel',
    } as const
    client.quickMode(7, plain(offerEsp(tunnel), nonce, name, name))
    expect(client.effects.map(show)).toEqual(['refused, selectors', 'send'])
  })

  test('one ID alone is none', () => {
    const client = established()
    client.quickMode(7, plain(offer(), nonce, id(9)))
    expect(client.effects.map(show)).toEqual(['ike.message.invalid'])
  })

  test('RFC 3948 §3.1.2: through a NAT transport mode is for L2TP alone, whatever a rule allows', () => {
    const all = { address: '0.0.0.0', prefix: 0 }
    const traffic = { source: all, destination: all, protocol: 6, sourcePort: 80, destinationPort: 0 }
    const { esp, pfsGroups, requirePfs, lifetimes } = ikePolicy()
    const action = { esp, pfsGroups, requirePfs, lifetimes, carrier: 7 }
    const outcomes = ['192.168.1.10', path.remote.address].map((ownAddress) => {
      const policy = ikePolicy({ key: 'secret', rules: [{ name: 'web', traffic, action }] })
      const client = new ScriptedClient(new IkeCore(policy), path)
      client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'), { ownAddress, natD: payloadType['NAT-D'] })
      client.effects.length = 0
      const theirs = addressId(path.remote.address, 6)
      client.quickMode(7, plain(offer(), nonce, theirs, addressId(path.local.address, 6, 80)))
      const [first] = client.effects
      return first?.do === 'report' && 'why' in first.event ? first.event.why : first?.do
    })
    expect(outcomes).toEqual([expect.stringMatching(/^there is a NAT in between/), 'install'])
  })

  test('ports are those of the selectors, whatever addresses stand beside them', () => {
    const client = established()
    client.quickMode(7, plain(offer(), nonce, id(200, 17, 51_234), id(201)))
    expect(client.effects.find((effect) => effect.do === 'install')?.pair.ports).toEqual({
      local: 1701,
      remote: 51_234,
    })
  })
})

test('RFC 3947 §5.2: NAT-OA goes back only where ESP in UDP was selected', () => {
  const client = established()
  const original = ['192.168.1.10', '198.51.100.1'].map((address) => natOaPayload(payloadType['NAT-OA'], address))
  expect(client.quickMode(7, plain(offer(), nonce, ...original))?.map(({ is }) => is)).toEqual(['HASH', 'SA', 'NONCE'])
})

test('RFC 2407 §4.5: a lifetime that is not said shall be 28,800 s', () => {
  const client = established({ lifetimes: { ikeSeconds: 28_800, espSeconds: 86_400, espKilobytes: undefined } })
  const silent = offerEsp({
    proposals: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
    group: undefined,
    spi: 0xc0de0001,
    udp: undefined,
    lifetime: { seconds: undefined, kilobytes: undefined },
  })
  client.quickMode(7, plain(silent, nonce))
  const [peer] = client.core.state.peers.values()
  const [pair] = peer!.pairs.values()
  expect(pair!.expires - pair!.established).toBe(28_800_000)
})

test('an authenticated peer gets so many quick modes at once and no more', () => {
  const client = established({}, false)
  for (let messageId = 1; messageId <= 100; messageId++) client.quickMode(messageId, plain(offer(), nonce))
  expect(client.core.state.sas.get(1)!.quick.size).toBe(32)
})

test('a quick mode that is damaged leaves the message id free for the right one', () => {
  const client = established()
  const say = client.say.bind(client)
  client.say = (octets) => say(concat(octets.subarray(0, -1), Uint8Array.of(octets.at(-1)! ^ 1)))
  client.quickMode(7, plain(offer(), nonce))
  expect(client.effects.map(show)).toEqual(['ike.message.invalid'])
  client.say = say
  expect(client.quickMode(7, plain(offer(), nonce))?.map(({ is }) => is)).toEqual(['HASH', 'SA', 'NONCE'])
})

/** The generator of P-256 (RFC 5903 §3.1), both coordinates. */
const generator = Uint8Array.from(
  (
    '6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296' +
    '4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5'
  )
    .match(/../g)!
    .map((digits) => Number.parseInt(digits, 16)),
)
