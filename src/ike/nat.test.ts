import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector, jsonVector } from '../../test/vectors.ts'
import { disabledAt, proposalsFor } from '../algorithms/levels.ts'
import type { Endpoint } from '../wire/address.ts'
import { hex, unhex } from '../wire/codec.ts'
import { IkeCore } from './core.ts'
import { vendorNames } from './fingerprint.ts'
import {
  chooseNatMethod,
  detectNat,
  type NatContext,
  type NatMethod,
  natDPayloads,
  natHash,
  natMethods,
  natVendorIds,
  readEncapsulationMode,
} from './nat.ts'
import { parseChain } from './wire/chain.ts'
import { parseHeader } from './wire/header.ts'
import { deadPeerProbe } from './wire/notifications.ts'
import { payloadType } from './wire/numbers.ts'
import { natDPayload } from './wire/payloads.ts'
import type { VendorName } from './wire/vendor-ids.ts'

const cookies = { initiatorCookie: unhex('0102030405060708'), responderCookie: unhex('1112131415161718') }
const server: Endpoint = { address: '203.0.113.7', port: 500 }
const client: Endpoint = { address: '192.168.1.10', port: 500 }
const nat: Endpoint = { address: '198.51.100.1', port: 1024 }
const random = { octets: (length: number) => new Uint8Array(length).fill(0xee) }

/** As the server sees it: the remote is what came out of the NAT, or the client itself. */
const seen = (remote: Endpoint, rest: Partial<NatContext> = {}): NatContext => ({
  method: 'RFC 3947',
  hash: 'sha1',
  cookies,
  path: { local: server, remote },
  publicAddress: undefined,
  ...rest,
})
const hashes = (...ends: Endpoint[]) => ends.map((end) => natDPayload(20, natHash('sha1', cookies, end)))

describe('NAT-D', () => {
  test('RFC 3947 §3.2: the hashes that two strongSwans sent each other', () => {
    const [vector] = jsonVector<{ vectors: { packets: string[]; cky_i: string; cky_r: string }[] }>(
      'ike/main-and-quick-mode',
    ).vectors
    const { header, body } = parseHeader(unhex(vector!.packets[2]!))
    const sent = parseChain(header.next, body, 'clear').payloads.filter((payload) => payload.is === 'NAT-D')
    const both = { initiatorCookie: unhex(vector!.cky_i), responderCookie: unhex(vector!.cky_r) }
    const ends = ['192.168.0.101', '192.168.0.100'].map((address) => natHash('sha1', both, { address, port: 500 }))
    expect(sent.map(({ hash }) => hex(hash))).toEqual(ends.map(hex))
  })

  test('IPv6 addresses have sixteen octets', () => {
    const one = natHash('md5', cookies, { address: '2001:db8::1', port: 500 })
    expect(one.length).toBe(16)
    expect(one).not.toEqual(natHash('md5', cookies, { address: '2001:db8::2', port: 500 }))
  })

  test('the peer’s end first, then ours', () => {
    expect(natDPayloads(seen(nat), false, random)).toEqual(hashes(nat, server))
  })

  test('spoiled: only the hash that stands for the client', () => {
    const [theirs, ours] = natDPayloads(seen(client), true, random)
    expect([hex(theirs!.hash), ours]).toEqual(['ee'.repeat(20), hashes(server)[0]])
  })

  test('behind a 1:1 NAT we claim the address that peers dial', () => {
    const [, ours] = natDPayloads(seen(nat, { publicAddress: '192.0.2.99' }), false, random)
    expect(ours).toEqual(hashes({ address: '192.0.2.99', port: 500 })[0])
  })

  test.each([
    ['RFC 3947', 20],
    ['draft-03', 130],
    ['draft-02', 130],
    ['draft-02\\n', 130],
    ['apple', 15],
  ] as const)('%s sends payload type %i', (method, type) => {
    expect(natDPayloads(seen(nat, { method }), false, random).map((payload) => payload.type)).toEqual([type, type])
  })
})

describe('who is behind a NAT', () => {
  test.each([
    ['nobody', hashes(server, client), seen(client), { peerBehindNat: false, weBehindNat: false }],
    ['the client', hashes(server, client), seen(nat), { peerBehindNat: true, weBehindNat: false }],
    [
      'we',
      hashes({ address: '192.0.2.99', port: 500 }, client),
      seen(client),
      { peerBehindNat: false, weBehindNat: true },
    ],
    [
      'we, by a 1:1 NAT that is configured: not to be seen',
      hashes({ address: '192.0.2.99', port: 500 }, client),
      seen(client, { publicAddress: '192.0.2.99' }),
      { peerBehindNat: false, weBehindNat: false },
    ],
    [
      'nobody, in Mac OS X 10.3’s wrong order',
      hashes(client, server),
      seen(client),
      { peerBehindNat: false, weBehindNat: false },
    ],
    [
      'nobody, a client of several addresses',
      hashes(server, { address: '10.0.0.1', port: 500 }, client),
      seen(client),
      { peerBehindNat: false, weBehindNat: false },
    ],
    [
      'both, hashes of the wrong length too',
      [natDPayload(20, unhex('00'))],
      seen(client),
      { peerBehindNat: true, weBehindNat: true },
    ],
    ['nobody says anything', [], seen(nat), { peerBehindNat: false, weBehindNat: false }],
  ] as const)('%s', (_, received, context, findings) => {
    expect(detectNat(context, received)).toEqual(findings)
  })
})

describe('the method', () => {
  const all = Object.values(natMethods).map(({ vendor }) => vendor)
  test('RFC 3947 before -03, -02, -02 with a line end, Apple’s', () => {
    const order: (NatMethod | undefined)[] = []
    const left = [...all]
    while (left.length > 0) {
      const method = chooseNatMethod(left)
      order.push(method)
      left.splice(left.indexOf(natMethods[method!].vendor), 1)
    }
    expect(order).toEqual(['RFC 3947', 'draft-03', 'draft-02', 'draft-02\\n', 'apple'])
  })

  test('the other drafts are known and never chosen', () => {
    const others: VendorName[] = [0, 4, 5, 6, 7, 8].map((n) => `draft-ietf-ipsec-nat-t-ike-0${n as 0}` as const)
    expect(chooseNatMethod(others)).toBeUndefined()
    expect(chooseNatMethod([])).toBeUndefined()
  })

  test('an initiator offers four', () => {
    expect(natVendorIds().map(hex)).toEqual([
      '4a131c81070358455c5728f20e95452f',
      '7d9419a65310ca6f2c179d9215529d56',
      'cd60464335df21f87cfdb2fc68b6a448',
      '90cb80913ebb696e086381b5ec427b1f',
    ])
  })

  test('encapsulation modes (RFC 2407 §4.5, RFC 3947 §5.1, the drafts)', () => {
    expect([0, 1, 2, 3, 4, 5, 61443, 61444].map(readEncapsulationMode)).toEqual([
      undefined,
      { udp: false, mode: 'tunnel' },
      { udp: false, mode: 'transport' },
      { udp: true, mode: 'tunnel' },
      { udp: true, mode: 'transport' },
      undefined,
      { udp: true, mode: 'tunnel' },
      { udp: true, mode: 'transport' },
    ])
  })
})

test('RFC 3947 §4: a negotiation that begins on port 4500 MUST be supported, and stays there', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), disabled: disabledAt('legacy') }))
  const path = { local: { ...server, port: 4500 }, remote: { ...nat, port: 4500 } }
  const peer = new ScriptedClient(core, path)
  peer.mainMode(hexVector('ike/first-packets/macos-ios-current-psk'), {
    ownAddress: client.address,
    natD: payloadType['NAT-D'],
  })
  expect(core.status()).toMatchObject([{ state: 'established', natted: true, path }])
})

test('RFC 3947 §3: any source port is taken, and all that we say goes to where the last message came from', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), disabled: disabledAt('legacy') }))
  const peer = new ScriptedClient(core, { local: server, remote: { ...nat, port: 12_312 } })
  const sent = () => peer.effects.flatMap((effect) => (effect.do === 'send' ? [effect.path] : []))
  const home = { ownAddress: client.address, natD: payloadType['NAT-D'] }
  peer.mainMode(hexVector('ike/first-packets/macos-ios-current-psk'), home)
  const before = { local: server, remote: { ...nat, port: 12_312 } }
  const floated = { local: { ...server, port: 4500 }, remote: { ...nat, port: 12_313 } }
  expect(sent().slice(0, 3)).toEqual([before, before, floated])
  peer.effects.length = 0
  peer.path = { ...floated, remote: { ...nat, port: 61_000 } }
  peer.say(peer.inform(5, [deadPeerProbe(peer.cookies, 1, false)]))
  expect(sent()).toEqual([peer.path])
})

test('RFC 3947 §3.1: its vendor ID MUST be in our first message, and NAT-D goes to nobody who did not send one', () => {
  const path = { local: server, remote: nat }
  const [mm1] = new IkeCore(ikePolicy()).handle(
    { on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } },
    { now: 1_000, random },
  )
  const { header, body } = parseHeader(mm1?.do === 'send' ? mm1.octets : new Uint8Array())
  expect(vendorNames(parseChain(header.next, body, 'clear').payloads)).toContain('RFC 3947')
  const legacy = { key: 'secret', ...proposalsFor('legacy'), disabled: disabledAt('legacy') }
  const [without, having] = ['win2000-sp4-psk', 'win8-win11-psk'].map((first) => {
    const [, mm4] = new ScriptedClient(new IkeCore(ikePolicy(legacy)), path).mainMode(
      hexVector(`ike/first-packets/${first}`),
    )
    return mm4!.map(({ is }) => is)
  })
  expect([without, having]).toEqual([
    ['KE', 'NONCE'],
    ['KE', 'NONCE', 'NAT-D', 'NAT-D'],
  ])
})
