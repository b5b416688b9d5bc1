// Users who hold the same pre-shared key against each other: an ID and an address that somebody else writes into a message gain him nothing.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../test/scenarios/ike-host.ts'
import { hexVector } from '../../test/vectors.ts'
import { disabledAt, proposalsFor } from '../algorithms/levels.ts'
import { addressOctets, type Path } from '../wire/address.ts'
import { IkeCore } from './core.ts'
import { deadPeerProbe, deadPeerSequence, initialContact } from './wire/notifications.ts'
import { identificationType, payloadType } from './wire/numbers.ts'
import { idPayload, type NotifyPayload } from './wire/payloads.ts'

const server = { address: '198.51.100.1', port: 500 }
const at = (address: string, port = 500): Path => ({ local: server, remote: { address, port } })
const first = hexVector('ike/first-packets/macos-ios-current-psk')
const quick = hexVector('ike/quick-mode/qm-macos-nat')
const name = idPayload({
  idType: identificationType.ID_IPV4_ADDR,
  protocol: 0,
  port: 0,
  data: addressOctets('192.168.1.10')!,
})
const contact = initialContact({ initiatorCookie: new Uint8Array(8), responderCookie: new Uint8Array(8) })
const home = { ownAddress: '192.168.1.10', natD: payloadType['NAT-D'], identity: name }

function gateway(): IkeCore {
  return new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), disabled: disabledAt('legacy') }))
}

/** Writes a source of its choice on MM5 and what follows. */
class Impostor extends ScriptedClient {
  pretended: Path | undefined

  override float(): void {
    if (this.pretended) this.path = this.pretended
    else super.float()
  }
}

const another = (cookie: number) => new Uint8Array([...new Uint8Array(8).fill(cookie), ...first.subarray(8)])
const did = (client: ScriptedClient, what: string) => client.effects.filter((effect) => effect.do === what)
const installedFor = (client: ScriptedClient) =>
  client.effects.flatMap((effect) => (effect.do === 'install' ? [effect.pair.peer] : []))

/** The stored body has a HASH of SHA1's length; these SAs have SHA2-256. */
function quickBody(client: ScriptedClient): Uint8Array {
  const wanted = client.keys!.skeyid.length
  const given = ((quick[2]! << 8) | quick[3]!) - 4
  return new Uint8Array([quick[0]!, 0, 0, 4 + wanted, ...new Uint8Array(wanted), ...quick.subarray(4 + given)])
}

function connected(core: IkeCore, address = '203.0.113.9'): ScriptedClient {
  const client = new ScriptedClient(core, at(address))
  client.mainMode(first, home)
  client.quickMode(1, quickBody(client))
  return client
}

describe('somebody with the same key', () => {
  test('who says INITIAL-CONTACT with my ID in an MM5 from my address ends nothing of mine', () => {
    const core = gateway()
    const me = connected(core)
    const impostor = new Impostor(core, at('192.0.2.66'))
    impostor.pretended = me.path
    impostor.mainMode(another(9), { ...home, behindHash: [contact] })
    impostor.say(impostor.inform(77, [contact]))
    expect(did(impostor, 'peerGone')).toEqual([])
    expect(core.state.peers.get(1)?.pairs.size).toBe(1)
  })

  test('who goes on to quick mode as me gets a peer of his own, not a pair of mine', () => {
    const core = gateway()
    const me = connected(core)
    const impostor = new Impostor(core, at('192.0.2.66'))
    impostor.pretended = me.path
    impostor.mainMode(another(9), home)
    impostor.quickMode(1, quickBody(impostor))
    expect([installedFor(me), installedFor(impostor)]).toEqual([[1], [2]])
  })

  test('who moves his own peer to my address does not inherit my next ISAKMP SA', () => {
    const core = gateway()
    const impostor = connected(core, '192.0.2.66')
    const me = new ScriptedClient(core, at('203.0.113.9'))
    const spi = [...core.state.peers.get(1)!.pairs.keys()][0]!
    impostor.give({
      on: 'moved',
      peer: 1,
      inboundSpi: spi,
      path: { local: impostor.path.local, remote: at('203.0.113.9', 4500).remote },
    })
    expect(core.state.peers.get(1)?.path.remote).toEqual({ address: '203.0.113.9', port: 4500 })
    me.mainMode(another(9), home)
    me.quickMode(1, quickBody(me))
    expect(installedFor(me)).toEqual([2])
  })

  test('and does not guess the number that went to my address', () => {
    const core = gateway()
    const impostor = connected(core, '192.0.2.66')
    impostor.path = { local: impostor.path.local, remote: { address: '203.0.113.9', port: 4500 } }
    const asked = challengeIn(impostor, impostor.inform(70, [contact]))
    impostor.say(impostor.inform(71, [deadPeerProbe(impostor.cookies, asked ^ 1, true)]))
    impostor.say(impostor.inform(72, [deadPeerProbe(impostor.cookies, asked, true)]))
    expect(core.state.peers.get(1)).toMatchObject({ provenAt: '192.0.2.66', challenge: undefined })
  })
})

/** The number of the probe that a message brings. */
function challengeIn(client: ScriptedClient, octets: Uint8Array): number {
  const sent = client
    .give({ on: 'datagram', path: client.path, octets })
    .flatMap((effect) => (effect.do === 'send' ? [effect] : []))
  expect(sent.map(({ path }) => path)).toEqual([client.path])
  const probe = client.read(sent[0]!.octets).find((payload): payload is NotifyPayload => payload.is === 'N')
  return deadPeerSequence(probe!)!
}

describe('who really went elsewhere', () => {
  test('answers a probe there, and its next ISAKMP SA inherits', () => {
    const core = gateway()
    const me = connected(core)
    me.path = { local: me.path.local, remote: { address: '198.51.100.77', port: 4500 } }
    const asked = challengeIn(me, me.inform(70, [contact]))
    me.say(me.inform(71, [deadPeerProbe(me.cookies, asked, true)]))
    expect(core.state.peers.get(1)?.provenAt).toBe('198.51.100.77')
    const again = new ScriptedClient(core, at('198.51.100.77'))
    again.mainMode(another(9), home)
    again.quickMode(1, quickBody(again))
    expect(installedFor(again)).toEqual([1])
  })

  test('a port that a NAT changed needs no proof', () => {
    const core = gateway()
    const me = connected(core)
    const spi = [...core.state.peers.get(1)!.pairs.keys()][0]!
    const remote = { address: '203.0.113.9', port: 61_000 }
    const effects = me.give({ on: 'moved', peer: 1, inboundSpi: spi, path: { local: me.path.local, remote } })
    expect(effects.map((effect) => effect.do)).toEqual(['move', 'report'])
  })
})
