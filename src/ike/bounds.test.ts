// What somebody who has the pre-shared key can make us keep: it has bounds, and the newest stay.
import { expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { type Path, sourceOf } from '../wire/address.ts'
import { IkeCore } from './core.ts'
import type { Peer } from './state.ts'
import { ikeNotify, ikeSpi, responderLifetimeData } from './wire/notifications.ts'
import { notifyType } from './wire/numbers.ts'

const first = hexVector('ike/first-packets/nm-l2tp-strongswan')
const path = (address: string, port: number) => ({
  local: { address: '198.51.100.1', port: 500 },
  remote: { address, port },
})

function peerOf(identity: string, at: Path): Peer {
  return {
    id: 1,
    identity,
    client: 'strongswan',
    path: at,
    provenAt: at.remote.address,
    challenge: undefined,
    sas: new Set(),
    pairs: new Map(),
    using: undefined,
    heardAt: 0,
    sentAt: undefined,
    probe: undefined,
    sequence: 1,
    request: undefined,
    announced: true,
    inFastPath: true,
    lostBecause: 'expired',
  }
}

/** One of several: takes only what is sent to it in the exchange that it speaks in. */
class Client extends ScriptedClient {
  override say(octets: Uint8Array): Uint8Array | undefined {
    const { address } = this.path.remote
    return this.give({ on: 'datagram', path: this.path, octets }).flatMap((effect) =>
      effect.do === 'send' && effect.path.remote.address === address && effect.octets[18] === octets[18]
        ? [effect.octets]
        : [],
    )[0]
  }
}

function begin(core: IkeCore, cookie: number, address = '203.0.113.9', port = 500): ScriptedClient {
  const client = new Client(core, path(address, port))
  const octets = first.slice()
  new DataView(octets.buffer).setUint32(0, cookie)
  client.mainMode(octets)
  return client
}

test('ISAKMP SAs without a pair: the oldest give way, by Delete', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret' }))
  begin(core, 1)
  // As if so many others had come meanwhile; a main mode for each would take a minute.
  for (let id = 1_000_000; id < 1_001_023; id++) core.state.bare.add(id)
  expect([core.status().length, core.state.bare.size]).toEqual([1, 1024])
  const last = begin(core, 2, '203.0.113.10')
  expect(core.status().map(({ path: { remote } }) => remote.address)).toEqual(['203.0.113.10'])
  expect(
    last.effects.filter((effect) => effect.do === 'send' && effect.path.remote.address === '203.0.113.9'),
  ).toHaveLength(1)
})

test('ISAKMP SAs of one peer: eight', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret' }))
  begin(core, 1)
  const peer = core.state.sas.get(1)!
  const template = { ...peer, phase1: peer.phase1 }
  // A peer with ten that stand; nothing of this client's goes through quick mode.
  const ids = Array.from({ length: 10 }, (_, i) => 100 + i)
  for (const id of ids) core.state.sas.set(id, { ...template, id, peer: 1 })
  core.state.peers.set(1, { ...peerOf(peer.identity!, peer.path), sas: new Set(ids) })
  core.state.peersByRemote.set('203.0.113.9 500', new Set([1]))
  begin(core, 2)
  expect([...core.state.peers.get(1)!.sas]).toEqual([103, 104, 105, 106, 107, 108, 109, 2])
})

test('a client that says RESPONDER-LIFETIME does not make us negotiate all the time: it is no responder', () => {
  const core = new IkeCore(ikePolicy({ key: 'secret' }))
  const client = begin(core, 1)
  const { expires } = core.state.sas.get(1)!
  const data = responderLifetimeData(1, { seconds: 1, kilobytes: undefined })
  client.give({
    on: 'datagram',
    path: client.path,
    octets: client.inform(7, [ikeNotify(notifyType['RESPONDER-LIFETIME'], ikeSpi(client.cookies), data)]),
  })
  expect(core.state.sas.get(1)!.seen).toContain(7)
  expect(core.state.sas.get(1)!.expires).toBe(expires)
})

test('a message longer than any client’s is not looked at', () => {
  const core = new IkeCore(ikePolicy())
  const client = new ScriptedClient(core, path('203.0.113.9', 500))
  client.say(new Uint8Array(16_385))
  expect(client.effects).toMatchObject([{ event: { event: 'ike.message.invalid', why: 'a message of 16385 octets' } }])
})

test('a host with a /64 is one source', () => {
  expect(['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', '192.0.2.1'].map(sourceOf)).toEqual([
    '2001:db8:1:2::/64',
    '2001:db8:1:2::/64',
    '192.0.2.1',
  ])
  const core = new IkeCore(ikePolicy({ halfOpen: { perSource: 4, total: 100 } }))
  for (let i = 1; i <= 20; i++) {
    const octets = first.slice()
    new DataView(octets.buffer).setUint32(0, i)
    const remote = { address: `2001:db8:1:2::${i.toString(16)}`, port: 500 }
    const local = { address: '2001:db8::1', port: 500 }
    new ScriptedClient(core, { local, remote }).say(octets)
  }
  expect(core.state.sas.size).toBe(4)
})
