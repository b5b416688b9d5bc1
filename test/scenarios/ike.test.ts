// Two or more whole IKE machines on a simulated network in virtual time: what must hold between them, whatever the network does.
import { describe, expect, test } from 'vitest'
import { exchangeIv, openBody } from '../../src/ike/keys.ts'
import { protection } from '../../src/ike/sa.ts'
import { parseChain } from '../../src/ike/wire/chain.ts'
import { parseHeader } from '../../src/ike/wire/header.ts'
import { exchangeType } from '../../src/ike/wire/numbers.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { showEndpoint } from '../../src/wire/address.ts'
import { Secret } from '../../src/wire/secret.ts'
import { IkeHost, ikePolicy, type Policy } from './ike-host.ts'
import { type Faults, fairNetwork, Network, SeededRandom, VirtualTime } from './network.ts'

const server = '192.0.2.1'

function world(seed = 1, faults: Faults = fairNetwork) {
  const time = new VirtualTime()
  const random = new SeededRandom(seed)
  const network = new Network(time, random, faults)
  const at = (address: string, policy: Policy = {}, behind?: ReturnType<Network['nat']>) =>
    new IkeHost(network, network.host(address, behind), random, ikePolicy(policy))
  return { time, random, network, at }
}

/** Says something each way through every pair in use, and hears it. */
function talk({ time }: ReturnType<typeof world>, a: IkeHost, b: IkeHost, word: string): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const before = to.arrivals.length
    for (const peer of from.up) from.send(peer, word)
    time.run(time.now + 500)
    expect(to.arrivals.slice(before).map(({ text }) => text)).toContain(word)
  }
}

/** What a client said in its first message of quick mode. */
function firstQuickMode(client: IkeHost): readonly Payload[] {
  const [sa] = client.core.state.sas.values()
  const { keys, lastBlock } = protection(sa!)!
  const qm1 = client.sent
    .map(({ octets }) => parseHeader(octets))
    .find(({ header }) => header.exchange === exchangeType.quick)!
  const opened = openBody(keys, exchangeIv(keys, lastBlock, qm1.header.messageId), qm1.body)!
  return parseChain(qm1.header.next, opened.plain, 'decrypted').payloads
}

const names = (host: IkeHost) => host.news.map((effect) => effect.do)

describe('bringing up', () => {
  test('without NAT everything stays on port 500 and ESP is plain', () => {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7')]
    client.connect(server)
    w.time.run(2_000)
    expect([names(gateway), names(client)]).toEqual([['peerUp'], ['peerUp']])
    expect(gateway.core.status()).toMatchObject([
      {
        state: 'established',
        role: 'responder',
        proposal: 'aes128-sha1-ecp256',
        natted: false,
        identity: '198.51.100.7',
      },
    ])
    expect(gateway.sent.every(({ path }) => path.local.port === 500)).toBe(true)
    talk(w, client, gateway, 'plain')
  })

  test('behind a NAT both float to 4500 and ESP comes in UDP', () => {
    const w = world()
    const gateway = w.at(server)
    const client = w.at('192.168.1.10', {}, w.network.nat('203.0.113.9'))
    client.connect(server)
    w.time.run(2_000)
    expect(gateway.core.status()[0]).toMatchObject({ natted: true, weLieBehindNat: false, identity: '192.168.1.10' })
    expect(client.core.status()[0]).toMatchObject({ natted: true, weLieBehindNat: true })
    expect(gateway.sent.map(({ path }) => path.local.port)).toEqual([500, 500, 4500, 4500])
    expect(client.sent.map(({ path }) => [path.local.port, path.remote.port])).toEqual(
      [500, 500, 4500, 4500, 4500].map((port) => [port, port]),
    )
    talk(w, client, gateway, 'in UDP')
    // RFC 3948 §4: the one behind the NAT keeps its binding alive.
    const keepalives: string[] = []
    w.network.tap = (datagram) => {
      if (datagram.octets.length === 1)
        keepalives.push(`${datagram.octets[0]} ${showEndpoint(datagram.from)} ${showEndpoint(datagram.to)}`)
      return [datagram]
    }
    w.time.run(62_000)
    const outer = showEndpoint([...gateway.core.state.peers.values()][0]!.path.remote)
    expect(keepalives).toEqual(Array(3).fill(`255 ${outer} 192.0.2.1:4500`))
  })

  test.each([
    ['behind a NAT', true, ['192.168.1.10', server]],
    ['without one', false, []],
  ])(
    'the first quick mode names both ports, and both original addresses %s: RFC 3193 §4.2.2, RFC 3947 §5.2',
    (_, natted, original) => {
      const w = world()
      w.at(server)
      const client = w.at('192.168.1.10', {}, natted ? w.network.nat('203.0.113.9') : undefined)
      client.connect(server)
      w.time.run(2_000)
      const said = firstQuickMode(client)
      expect(said.flatMap((one) => (one.is === 'ID' ? [`${one.protocol}/${one.port}`] : []))).toEqual([
        '17/1701',
        '17/1701',
      ])
      expect(said.flatMap((one) => (one.is === 'NAT-OA' ? [one.address] : []))).toEqual(original)
    },
  )

  test('a client that wants its ESP in UDP gets it without a NAT too', () => {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7', { forceEncapsulation: true })]
    client.connect(server)
    w.time.run(2_000)
    expect(gateway.sent.map(({ path }) => path.local.port)).toEqual([500, 500, 4500, 4500])
    expect(gateway.core.status()[0]).toMatchObject({ natted: true, identity: '198.51.100.7' })
    const pairs = [...gateway.core.state.peers.values()].flatMap((peer) => [...peer.pairs.values()])
    expect(pairs.map(({ encapsulated }) => encapsulated)).toEqual([true])
    talk(w, client, gateway, 'in UDP')
  })

  test('behind a 1:1 NAT of its own the gateway claims its public address and ESP comes in UDP', () => {
    const w = world()
    const gateway = w.at('10.0.0.2', { publicAddress: '203.0.113.5' }, w.network.nat('203.0.113.5', true))
    const client = w.at('198.51.100.7')
    client.connect('203.0.113.5')
    w.time.run(2_000)
    // Windows XP SP2 refuses servers that look as if behind a NAT: the client must find only itself behind one.
    expect(client.core.status()[0]).toMatchObject({ natted: true, weLieBehindNat: true, identity: '203.0.113.5' })
    expect(gateway.core.status()[0]).toMatchObject({ weLieBehindNat: false })
    talk(w, client, gateway, 'through 1:1')
  })

  test('RFC 2409 §4: DES, MD5, a pre-shared key and MODP group number one', () => {
    const w = world()
    const least: Policy = {
      ike: [{ cipher: 'des', hash: 'md5', group: 'modp768' }],
      esp: [{ cipher: 'des', hash: 'md5', group: undefined }],
    }
    const [gateway, client] = [w.at(server, least), w.at('198.51.100.7', least)]
    client.connect(server)
    w.time.run(2_000)
    expect(gateway.core.status()).toMatchObject([{ state: 'established', proposal: 'des-md5-modp768' }])
    expect(gateway.eventsOf('ike.pair.established')).toMatchObject([{ proposal: 'des-md5' }])
    talk(w, client, gateway, 'as in 1998')
  })

  test('with PFS, and refused without it where it is required', () => {
    const w = world()
    const esp = [{ cipher: 'aes128', hash: 'sha1', group: undefined }] as const
    const gateway = w.at(server, { requirePfs: true })
    const keen = w.at('198.51.100.7', { esp: [{ ...esp[0], group: 'modp2048' }] })
    const lazy = w.at('198.51.100.8', { esp })
    keen.connect(server)
    lazy.connect(server)
    w.time.run(3_000)
    expect(keen.eventsOf('ike.pair.established')).toMatchObject([{ proposal: 'aes128-sha1-modp2048' }])
    expect(names(lazy)).toEqual(['failed'])
    expect(gateway.eventsOf('ike.negotiation.refused')).toMatchObject([{ cause: 'proposal', userSees: 789 }])
    expect(gateway.eventsOf('ike.negotiation.refused')[0]!.why).toMatch(/PFS/)
  })
})

describe('refusing', () => {
  test('a wrong key is one event a negotiation that says so, and no notify goes back', () => {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7', { key: 'wrong' })]
    client.connect(server)
    w.time.run(90_000)
    const refusals = gateway.eventsOf('ike.negotiation.refused')
    // The client begins three times, since a damaged key exchange would look the same to it.
    expect(refusals.map(({ cause }) => cause)).toEqual(['pre-shared key', 'pre-shared key', 'pre-shared key'])
    expect(refusals[0]!.why).toContain('pre-shared key')
    expect(client.retries).toEqual([1, 2].map(() => expect.stringContaining('pre-shared key')))
    expect(client.news).toMatchObject([{ do: 'failed', reason: expect.stringContaining('pre-shared key') }])
    // MM2 and MM4, nothing more: MM5 is never answered.
    expect(gateway.sent.length).toBe(6)
    expect([gateway.core.status(), client.core.status()]).toEqual([[], []])
  })

  test('no proposal in common', () => {
    const w = world()
    const gateway = w.at(server)
    const client = w.at('198.51.100.7', { ike: [{ cipher: '3des', hash: 'md5', group: 'modp1024' }] })
    client.connect(server)
    w.time.run(60_000)
    expect(gateway.eventsOf('ike.negotiation.refused')[0]).toMatchObject({
      cause: 'proposal',
      why: expect.stringContaining('3des-md5-modp1024'),
    })
    expect(client.news).toMatchObject([{ do: 'failed', reason: expect.stringContaining('NO-PROPOSAL-CHOSEN') }])
  })

  test('no ESP proposal in common is told inside the ISAKMP SA', () => {
    const w = world()
    const gateway = w.at(server)
    const client = w.at('198.51.100.7', { esp: [{ cipher: '3des', hash: 'md5', group: undefined }] })
    client.connect(server)
    w.time.run(2_000)
    expect(client.news).toMatchObject([{ do: 'failed', reason: expect.stringContaining('NO-PROPOSAL-CHOSEN') }])
    expect(gateway.eventsOf('ike.negotiation.refused')).toMatchObject([{ cause: 'proposal' }])
  })

  test('a gateway that does not answer', () => {
    const w = world()
    const client = w.at('198.51.100.7')
    client.connect(server)
    w.time.run(60_000)
    expect(client.news).toMatchObject([
      { do: 'failed', silent: true, reason: expect.stringMatching(/did not answer.*500 and 4500/) },
    ])
    expect(client.core.deadline).toBeUndefined()
  })

  test('a gateway that answered and then falls silent speaks IPsec: it does not count as silent', () => {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7', { key: 'wrong' })]
    client.connect(server)
    expect(w.time.run(30_000, () => client.retries.length > 0)).toBe(true)
    const before = gateway.sent.length
    gateway.handle = () => []
    w.time.run(120_000)
    expect([gateway.sent.length, client.retries.length]).toEqual([before, 1])
    expect(client.news).toEqual([
      { do: 'failed', request: expect.any(Number), reason: expect.stringMatching(/did not answer/) },
    ])
  })

  test('a data plane that refuses the pair ends the quick mode, and the peer that was made for it', () => {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7')]
    gateway.refuseInstalls = 'no memory'
    client.connect(server)
    w.time.run(60_000)
    expect(gateway.news).toEqual([])
    expect(gateway.core.state.peers.size).toBe(0)
    expect(gateway.core.state.spis.size).toBe(0)
    expect(gateway.eventsOf('ike.negotiation.refused')[0]!.why).toContain('no memory')
    expect(names(client)).toEqual(['failed'])
  })
})

describe('neighbours behind one NAT', () => {
  function four() {
    const w = world()
    const gateway = w.at(server)
    const nat = w.network.nat('203.0.113.9')
    // All with the same private address, and so with the same ID.
    const clients = [1, 2, 3, 4].map(() => w.at('192.168.1.10', {}, nat))
    for (const client of clients) client.connect(server)
    w.time.run(5_000)
    return { ...w, w, gateway, nat, clients }
  }

  test('four clients with one ID are four peers, and nobody hears another', () => {
    const { time, gateway, clients } = four()
    expect(names(gateway)).toEqual(['peerUp', 'peerUp', 'peerUp', 'peerUp'])
    expect(new Set(gateway.core.status().map(({ identity }) => identity))).toEqual(new Set(['192.168.1.10']))
    for (const [i, client] of clients.entries()) client.send(client.up[0]!, `from ${i}`)
    time.run(time.now + 1_000)
    expect(gateway.arrivals.map(({ peer, text }) => `${peer} ${text}`).sort()).toEqual([
      '1 from 0',
      '2 from 1',
      '3 from 2',
      '4 from 3',
    ])
    for (const peer of gateway.up) gateway.send(peer, `to ${peer}`)
    time.run(time.now + 1_000)
    expect(clients.map(({ arrivals }) => arrivals.map(({ text }) => text))).toEqual([
      ['to 1'],
      ['to 2'],
      ['to 3'],
      ['to 4'],
    ])
  })

  test('each with a key of its own, found by trying; the gateway renews with the one that it was', () => {
    const w = world()
    const keys = ['first of all', 'second of all', 'third of all', 'fourth of all']
    const preSharedKeys = keys.map((text) => ({ peer: 'any', key: new Secret(text) }))
    const lifetimes = { ikeSeconds: 60, espSeconds: 3_600, espKilobytes: undefined }
    const gateway = w.at(server, { preSharedKeys, lifetimes })
    const nat = w.network.nat('203.0.113.9')
    const clients = keys.map((key) => w.at('192.168.1.10', { key }, nat))
    for (const client of clients) client.connect(server)
    w.time.run(5_000)
    // Clients that leave renewing to the gateway.
    for (const { core } of clients)
      for (const id of core.state.sas.keys()) core.state.timers.set(`ike-rekey ${id}`, undefined)
    w.time.run(70_000)
    expect(names(gateway)).toEqual(['peerUp', 'peerUp', 'peerUp', 'peerUp'])
    const begun = [...gateway.core.state.sas.values()].filter(({ role }) => role === 'initiator')
    expect(new Set(begun.map(({ keyIndex }) => keyIndex))).toEqual(new Set([0, 1, 2, 3]))
    const stranger = w.at('192.168.1.11', { key: 'of nobody' }, nat)
    stranger.connect(server)
    w.time.run(w.time.now + 5_000)
    expect(gateway.eventsOf('ike.negotiation.refused').at(-1)).toMatchObject({ cause: 'pre-shared key' })
    expect(gateway.up).toHaveLength(4)
  })

  test('INITIAL-CONTACT of one kills none of the others, and its own old session at the same port', () => {
    const { time, w, gateway, nat, clients, network } = four()
    // A fifth neighbour: MM5 of each of them carries INITIAL-CONTACT.
    const fifth = w.at('192.168.1.10', {}, nat)
    fifth.connect(server)
    time.run(time.now + 5_000)
    expect(names(gateway).filter((name) => name === 'peerGone')).toEqual([])
    // The second one restarts and keeps its outer port: a new machine on the same host.
    const old = clients[1]!
    const reborn = new IkeHost(network, old.host, w.random, ikePolicy())
    reborn.connect(server)
    time.run(time.now + 5_000)
    expect(gateway.news.filter((effect) => effect.do === 'peerGone')).toEqual([
      { do: 'peerGone', peer: 2, reason: 'replaced' },
    ])
    expect(gateway.up).toEqual([1, 3, 4, 5, 6])
    reborn.send(reborn.up[0]!, 'again')
    time.run(time.now + 500)
    expect(gateway.arrivals.at(-1)).toMatchObject({ peer: 6, text: 'again' })
  })

  test('when the NAT forgets its bindings every client stays its own peer', () => {
    const { time, network, gateway, nat, clients } = four()
    for (const [i, client] of clients.entries()) client.send(client.up[0]!, `before ${i}`)
    time.run(time.now + 500)
    network.rebind(nat)
    for (const [i, client] of [...clients.entries()].reverse()) client.send(client.up[0]!, `after ${i}`)
    time.run(time.now + 500)
    expect(gateway.eventsOf('ike.peer.moved').length).toBe(4)
    for (const peer of gateway.up) gateway.send(peer, `to ${peer}`)
    time.run(time.now + 500)
    expect(clients.map(({ arrivals }) => arrivals.at(-1)!.text)).toEqual(['to 1', 'to 2', 'to 3', 'to 4'])
    expect(names(gateway).includes('peerGone')).toBe(false)
    // And IKE follows: a Delete by the gateway reaches the right one.
    gateway.handle({ on: 'disconnect', peer: 3, reason: 'the administrator said so' })
    time.run(time.now + 6_000)
    expect(clients.map((client) => names(client).at(-1))).toEqual(['peerUp', 'peerUp', 'peerGone', 'peerUp'])
  })
})

describe('strangers and attackers', () => {
  function pairUp() {
    const w = world()
    const [gateway, client] = [w.at(server), w.at('198.51.100.7')]
    client.connect(server)
    w.time.run(2_000)
    talk(w, client, gateway, 'up')
    return { ...w, w, gateway, client }
  }
  const snapshot = ({ core }: IkeHost) => structuredClone(core.status())

  test('everything that was sent, sent again from elsewhere, changes nothing', () => {
    const { time, network, gateway, client } = pairUp()
    const before = snapshot(gateway)
    const news = gateway.news.length
    for (const { octets } of client.sent)
      for (const address of ['198.51.100.7', '198.51.100.66'])
        for (const port of [500, 4500])
          gateway.handle({
            on: 'datagram',
            path: { local: { address: server, port: 500 }, remote: { address, port } },
            octets,
          })
    time.run(time.now + 100)
    // A first message from another endpoint begins a negotiation that nobody finishes; nothing else.
    const left = snapshot(gateway)
    expect(left.filter(({ state }) => state === 'established')).toEqual(before)
    time.run(time.now + 40_000)
    expect(gateway.news.length).toBe(news)
    expect(network.counts.lost).toBe(0)
    expect(snapshot(gateway)).toEqual(before)
  })

  test('a Delete or notify in clear, and a forged one with the right cookies, change nothing', () => {
    const { time, gateway, client } = pairUp()
    const before = snapshot(gateway)
    const info = client.sent[0]!.octets.slice()
    const sealed = client.sent.at(-1)!.octets
    info.set(sealed.subarray(0, 16))
    info[18] = 5
    const body = [
      // Delete of ISAKMP SAs, DOI 1, protocol 1, 16 octets, one SPI.
      [0, 0, 0, 28, 0, 0, 0, 1, 1, 16, 0, 1, ...sealed.subarray(0, 16)],
      // INITIAL-CONTACT.
      [0, 0, 0, 28, 0, 0, 0, 1, 1, 16, 0x60, 0x02, ...sealed.subarray(0, 16)],
    ]
    for (const [i, octets] of body.entries())
      for (const encrypted of [0, 1]) {
        const message = new Uint8Array([...info.subarray(0, 28), ...octets])
        message[16] = i === 0 ? 12 : 11
        message[19] = encrypted
        message.set([1, 2, 3, 4 + i], 20)
        new DataView(message.buffer).setUint32(24, message.length)
        gateway.handle({
          on: 'datagram',
          path: { local: { address: server, port: 500 }, remote: { address: '198.51.100.7', port: 500 } },
          octets: message,
        })
      }
    time.run(time.now + 10_000)
    expect(snapshot(gateway)).toEqual(before)
    talk({ time } as ReturnType<typeof world>, client, gateway, 'still there')
  })

  test('random octets, on the SA and off it, are survived', () => {
    const { time, random, gateway, client } = pairUp()
    const before = snapshot(gateway)
    const path = { local: { address: server, port: 500 }, remote: { address: '198.51.100.7', port: 500 } }
    for (let i = 0; i < 3_000; i++) {
      const template = client.sent[random.below(client.sent.length)]!.octets.slice()
      const from = random.below(3) === 0 ? 0 : 16
      for (let flips = 1 + random.below(4); flips > 0; flips--)
        template[from + random.below(template.length - from)] = random.below(256)
      gateway.handle({ on: 'datagram', path, octets: template })
      gateway.handle({ on: 'datagram', path, octets: random.octets(random.below(200)) })
    }
    time.run(time.now + 60_000)
    expect(snapshot(gateway).filter(({ state }) => state === 'established')).toEqual(before)
    talk({ time } as ReturnType<typeof world>, client, gateway, 'still there')
  })
})

describe('rekeying', () => {
  const quick = { lifetimes: { ikeSeconds: 28_800, espSeconds: 60, espKilobytes: undefined } }
  const short = { lifetimes: { ikeSeconds: 90, espSeconds: 60, espKilobytes: undefined } }

  /** A packet each way every 100 ms; every one of them must arrive. */
  function chatter(w: ReturnType<typeof world>, hosts: readonly IkeHost[], seconds: number) {
    const said: string[] = []
    const until = w.time.now + seconds * 1000
    let n = 0
    const each = () => {
      for (const [i, host] of hosts.entries())
        for (const peer of host.up) {
          const word = `${i}:${peer}:${n}`
          said.push(word)
          host.send(peer, word)
        }
      n++
      if (w.time.now < until) w.time.after(100, each)
    }
    each()
    for (let at = w.time.now; at < until; at += 1_000) w.time.at(at, () => hosts.map((host) => host.reportActivity()))
    w.time.run(until + 1_000)
    const heard = new Set(hosts.flatMap(({ arrivals }) => arrivals.map(({ text }) => text)))
    return { said: said.length, missing: said.filter((word) => !heard.has(word)).slice(0, 10) }
  }

  function pairUp(clientPolicy: Policy, gatewayPolicy: Policy = clientPolicy, natted = true) {
    const w = world()
    const gateway = w.at(server, gatewayPolicy)
    const client = w.at('192.168.1.10', clientPolicy, natted ? w.network.nat('203.0.113.9') : undefined)
    client.connect(server)
    w.time.run(2_000)
    return { w, gateway, client }
  }

  const pairsOf = (host: IkeHost) =>
    [...host.core.state.peers.values()].map(({ pairs }) => [...pairs.values()].map(({ state }) => state))

  test('the client rekeys both phases for ten minutes, and no packet is lost', () => {
    const { w, gateway, client } = pairUp(short)
    const { said, missing } = chatter(w, [client, gateway], 600)
    expect(said).toBeGreaterThan(10_000)
    expect(missing).toEqual([])
    expect([names(client), names(gateway)]).toEqual([['peerUp'], ['peerUp']])
    expect(client.eventsOf('ike.pair.established').length).toBeGreaterThan(10)
    expect(client.eventsOf('ike.sa.established').length).toBeGreaterThan(6)
    // What was replaced is gone: nothing piles up.
    expect(pairsOf(gateway)[0]!.length).toBeLessThan(4)
    expect(gateway.core.state.sas.size).toBeLessThan(4)
  })

  test('the gateway rekeys as a backstop where the client does not', () => {
    const { w, gateway, client } = pairUp(short)
    for (let second = 1; second < 600; second++)
      w.time.at(second * 1000, () => {
        const { state } = client.core
        for (const id of state.sas.keys()) state.timers.set(`ike-rekey ${id}`, undefined)
        for (const spi of state.spis.keys()) state.timers.set(`rekey ${spi}`, undefined)
      })
    const { missing } = chatter(w, [client, gateway], 600)
    expect(missing).toEqual([])
    expect([names(client), names(gateway)]).toEqual([['peerUp'], ['peerUp']])
    expect(gateway.eventsOf('ike.pair.established').length).toBeGreaterThan(9)
    expect(gateway.core.status().some(({ role, state }) => role === 'initiator' && state === 'established')).toBe(true)
  })

  test('a successor that takes longer than what is left of the lifetime costs no packet', () => {
    const { w, gateway, client } = pairUp({
      lifetimes: { ikeSeconds: 28_800, espSeconds: 30, espKilobytes: undefined },
    })
    // Quick mode takes 4 s and more; the gateway begins it 2 s before the end, and the client's own pairs live on.
    for (let second = 1; second < 120; second++)
      w.time.at(second * 1000, () => {
        for (const spi of client.core.state.spis.keys())
          for (const what of ['rekey', 'expire']) client.core.state.timers.set(`${what} ${spi}`, undefined)
      })
    w.network.faults = { ...fairNetwork, latency: 2_000 }
    const { missing } = chatter(w, [client, gateway], 120)
    w.time.run(w.time.now + 5_000)
    expect(missing.filter((word) => Number(word.split(':')[2]) < 1_100)).toEqual([])
    expect(gateway.eventsOf('ike.pair.established').length).toBeGreaterThan(2)
  })

  test('both rekey at the same moment, again and again, and no packet is lost', () => {
    const { w, gateway, client } = pairUp(quick, quick, false)
    for (let second = 10; second < 300; second += 20)
      w.time.at(second * 1000, () => {
        for (const host of [client, gateway])
          for (const [peer, { pairs, using }] of host.peers)
            if (pairs.has(using ?? 0)) host.handle({ on: 'sequenceLow', peer, inboundSpi: using! })
      })
    const { missing } = chatter(w, [client, gateway], 360)
    expect(missing).toEqual([])
    expect([names(client), names(gateway)]).toEqual([['peerUp'], ['peerUp']])
    expect(pairsOf(gateway)[0]!.length).toBeLessThan(5)
  })

  test('kilobytes bring a successor before they run out', () => {
    const byOctets = { lifetimes: { ikeSeconds: 28_800, espSeconds: 3_600, espKilobytes: 20 } }
    const { w, gateway, client } = pairUp(byOctets)
    const { missing } = chatter(w, [client, gateway], 300)
    expect(missing).toEqual([])
    expect(client.eventsOf('ike.pair.established').length).toBeGreaterThan(3)
    expect(names(gateway)).toEqual(['peerUp'])
  })

  test('at line speed kilobytes run out between two looks, again and again, and no packet is lost', () => {
    const byOctets = { lifetimes: { ikeSeconds: 28_800, espSeconds: 3_600, espKilobytes: 1 } }
    const { w, gateway, client } = pairUp(byOctets)
    const { missing } = chatter(w, [client, gateway], 120)
    expect(missing).toEqual([])
    expect(client.eventsOf('ike.pair.established').length).toBeGreaterThan(30)
    expect(pairsOf(gateway)[0]!.length).toBeLessThan(16)
    expect(names(gateway)).toEqual(['peerUp'])
  })

  test('a peer that deletes its ISAKMP SA and goes on with quick modes on it is answered for a minute', () => {
    const { w, gateway, client } = pairUp(quick)
    const [before] = gateway.core.state.peers.values()
    const sa = [...gateway.core.state.sas.values()][0]!
    // The gateway hears Delete; the client, like Apple's, keeps its own.
    gateway.core.state.sas.get(sa.id)!.phase1 = {
      ...(sa.phase1 as typeof sa.phase1 & { is: 'established' }),
      is: 'deleted',
    }
    const { missing } = chatter(w, [client, gateway], 55)
    expect(missing).toEqual([])
    expect(client.eventsOf('ike.pair.established').length).toBe(2)
    expect([...gateway.core.state.peers.values()][0]).toBe(before)
  })

  test('deleting the ISAKMP SA ends nothing', () => {
    const { w, gateway, client } = pairUp({})
    const [sa] = client.core.state.sas.values()
    client.core.state.timers.set(`ike-expire ${sa!.id}`, w.time.now + 10)
    w.time.run(w.time.now + 120_000)
    expect(gateway.core.state.sas.size).toBe(0)
    expect(names(gateway)).toEqual(['peerUp'])
    talk(w, client, gateway, 'without an ISAKMP SA')
  })
})

describe('ends', () => {
  function pairUp(policy: Policy = {}) {
    const w = world()
    const [gateway, client] = [w.at(server, policy), w.at('198.51.100.7', policy)]
    client.connect(server)
    w.time.run(2_000)
    return { w, gateway, client }
  }

  test('disconnecting says Delete, ESP first, and the other side is rid of the peer', () => {
    const { w, gateway, client } = pairUp()
    client.handle({ on: 'disconnect', peer: client.up[0]!, reason: 'done' })
    w.time.run(w.time.now + 4_000)
    expect(names(gateway)).toEqual(['peerUp'])
    w.time.run(w.time.now + 3_000)
    expect(gateway.news.at(-1)).toEqual({ do: 'peerGone', peer: 1, reason: 'deleted-by-peer' })
    expect(client.news.at(-1)).toEqual({ do: 'peerGone', peer: 1, reason: 'disconnected' })
    expect(gateway.core.status()).toEqual([])
    expect(gateway.core.deadline).toBeUndefined()
  })

  test('a client killed without a word is dead within a minute, and an idle one that answers lives', () => {
    const { w, gateway, client } = pairUp()
    w.time.run(w.time.now + 300_000)
    expect(names(gateway)).toEqual(['peerUp'])
    client.host.unplugged = true
    w.time.run(w.time.now + 60_000)
    expect(gateway.news.at(-1)).toEqual({ do: 'peerGone', peer: 1, reason: 'dead' })
    expect(gateway.eventsOf('ike.peer.dead').length).toBe(1)
    expect(gateway.core.status()).toEqual([])
  })

  test('lifetimes of a second, and no keepalives, keep nobody busy', () => {
    const w = world()
    const restless = { lifetimes: { ikeSeconds: 1, espSeconds: 1, espKilobytes: undefined }, keepaliveSeconds: 0 }
    const gateway = w.at(server)
    const client = w.at('192.168.1.10', restless, w.network.nat('203.0.113.9'))
    client.connect(server)
    w.time.run(30_000)
    expect(gateway.sent.length + client.sent.length).toBeLessThan(20)
    expect(gateway.news.at(-1)).toMatchObject({ do: 'peerGone' })
  })

  test('a busy peer is never asked whether it lives', () => {
    const { w, gateway, client } = pairUp()
    const before = gateway.sent.length + client.sent.length
    for (let second = 0; second < 300; second += 5)
      w.time.at(w.time.now + second * 1000, () => {
        client.send(client.up[0]!, 'x')
        gateway.send(gateway.up[0]!, 'y')
        for (const host of [client, gateway]) w.time.after(50, () => host.reportActivity())
      })
    w.time.run(w.time.now + 300_000)
    expect(gateway.sent.length + client.sent.length).toBe(before)
  })

  test('shutdown says goodbye to everybody', () => {
    const { w, gateway, client } = pairUp()
    gateway.handle({ on: 'shutdown' })
    w.time.run(w.time.now + 6_000)
    expect(gateway.news.at(-1)).toMatchObject({ do: 'peerGone', reason: 'shutdown' })
    expect(client.news.at(-1)).toMatchObject({ do: 'peerGone', reason: 'deleted-by-peer' })
    expect([gateway.core.deadline, client.core.deadline]).toEqual([undefined, undefined])
  })

  test('without a successor a pair ends with its lifetime, and the ten seconds that one may take to come', () => {
    const { w, gateway, client } = pairUp({
      lifetimes: { ikeSeconds: 600, espSeconds: 60, espKilobytes: undefined },
      dpd: { idleSeconds: 0, intervalSeconds: 5, tries: 3 },
    })
    client.host.unplugged = true
    w.time.run(w.time.now + 80_000)
    expect(gateway.news.at(-1)).toEqual({ do: 'peerGone', peer: 1, reason: 'expired' })
  })
})
