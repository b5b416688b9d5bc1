// Aggressive mode as a client with a group name speaks it, message by message, and what a forger, a wrong key and a policy that forbids it get.
import { describe, expect, test } from 'vitest'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { SeededRandom } from '../../../test/scenarios/network.ts'
import { doWork } from '../../../test/scenarios/sync-dh.ts'
import { proposalsFor } from '../../algorithms/levels.ts'
import type { Path } from '../../wire/address.ts'
import { Secret } from '../../wire/secret.ts'
import type { IkeEffect, IkeInput, IkePolicy, SitePolicy } from '../contract.ts'
import { IkeCore } from '../core.ts'
import type { IkeEvent } from '../events.ts'
import { namedId } from '../identity.ts'
import { deriveIkeKeys, hashI, hashR, phase1Iv, sealBody, skeyidOfPreSharedKey } from '../keys.ts'
import { natHash } from '../nat.ts'
import { offerIke } from '../offers.ts'
import { readIkeTransform } from '../transforms.ts'
import { emitChain, padded, parseChain } from '../wire/chain.ts'
import { emitMessage, parseHeader } from '../wire/header.ts'
import { doi, exchangeType, identificationType, notifyType, payloadType } from '../wire/numbers.ts'
import {
  hashPayload,
  idPayload,
  kePayload,
  natDPayload,
  noncePayload,
  notifyPayload,
  type Payload,
  vidPayload,
} from '../wire/payloads.ts'
import { vendorOctets } from '../wire/vendor-ids.ts'

const server = { address: '198.51.100.1', port: 500 }
const outside = { address: '203.0.113.9', port: 500 }
const proposal = { cipher: 'aes128', hash: 'sha1', group: 'ecp256' } as const

function gateway(more: Partial<IkePolicy> = {}): IkeCore {
  return new IkeCore(ikePolicy({ key: 'secret', ...proposalsFor('legacy'), aggressiveMode: true, ...more }))
}

/** A client with the name `vpnusers`; its answers are those of an honest one but for what a test spoils. */
class Client {
  readonly core: IkeCore
  readonly effects: IkeEffect[] = []
  readonly random = new SeededRandom(3)
  readonly own = doWork({ do: 'generate', group: 'ecp256' }, this.random)
  readonly niB = this.random.octets(16)
  readonly id = idPayload({
    idType: identificationType.ID_KEY_ID,
    protocol: 0,
    port: 0,
    data: new TextEncoder().encode('vpnusers'),
  })
  readonly offer = offerIke([proposal], { seconds: 3600, kilobytes: undefined })
  path: Path = { local: server, remote: outside }

  constructor(core: IkeCore) {
    this.core = core
  }

  say(octets: Uint8Array): Uint8Array[] {
    const queue = [
      ...this.core.handle({ on: 'datagram', path: this.path, octets }, { now: 1_000, random: this.random }),
    ]
    const sent: Uint8Array[] = []
    for (let effect = queue.shift(); effect; effect = queue.shift()) {
      this.effects.push(effect)
      if (effect.do === 'send') sent.push(effect.octets)
      if (effect.do !== 'work') continue
      const result = doWork(effect.work, this.random)
      queue.push(...this.core.handle({ on: 'done', job: effect.job, result }, { now: 1_000, random: this.random }))
    }
    return sent
  }

  get gxi(): Uint8Array {
    if (this.own.is !== 'generated') throw new Error('no key pair')
    return this.own.publicValue
  }

  am1(vendors: readonly Payload[] = [], gxi = this.gxi): Uint8Array {
    const chain = emitChain([this.offer, kePayload(gxi), noncePayload(this.niB), this.id, ...vendors])
    const cookies = { initiatorCookie: new Uint8Array(8).fill(7), responderCookie: new Uint8Array(8) }
    return emitMessage({ ...cookies, exchange: exchangeType.aggressive, next: chain.first }, chain.octets)
  }

  /** Reads AM2 and makes AM3; `natD` are the ends that it names. */
  am3(am2: Uint8Array, psk = 'secret', natD: readonly (typeof outside)[] = []) {
    const { header, body } = parseHeader(am2)
    const { payloads } = parseChain(header.next, body, 'clear')
    const find = <K extends Payload['is']>(is: K) =>
      payloads.find((one) => one.is === is) as Extract<Payload, { is: K }>
    if (this.own.is !== 'generated') throw new Error('no key pair')
    const gxr = find('KE').publicValue
    const shared = doWork(
      { do: 'agree', group: 'ecp256', privateValue: this.own.privateValue, peerPublic: gxr },
      this.random,
    )
    if (shared.is !== 'agreed') throw new Error('no secret')
    const skeyid = skeyidOfPreSharedKey('sha1', new TextEncoder().encode(psk), this.niB, find('NONCE').nonce)
    const keys = deriveIkeKeys(proposal, skeyid, shared.shared, header)
    const transcript = { ...header, gxi: this.gxi, gxr, saiB: this.offer.body }
    const proven = Buffer.compare(hashR(keys, transcript, find('ID').body), find('HASH').data) === 0
    const chain = emitChain([
      hashPayload(hashI(keys, transcript, this.id.body)),
      ...natD.map((end) => natDPayload(payloadType['NAT-D'], natHash('sha1', header, end))),
    ])
    const { sealed } = sealBody(keys, phase1Iv(keys, this.gxi, gxr), padded(chain.octets, 16))
    const { initiatorCookie, responderCookie } = header
    const outgoing = { initiatorCookie, responderCookie, exchange: exchangeType.aggressive, next: chain.first }
    return {
      proven,
      kinds: payloads.map(({ is }) => is),
      octets: emitMessage({ ...outgoing, encrypted: true }, sealed),
    }
  }

  /** A notify in clear, as strongSwan sends it where our proof is wrong. */
  refusal(am2: Uint8Array): Uint8Array {
    const { initiatorCookie, responderCookie } = parseHeader(am2).header
    const notify = notifyType['AUTHENTICATION-FAILED']
    const said = notifyPayload({ doi: doi.IPSEC, protocol: 1, notify, spi: new Uint8Array(), data: new Uint8Array() })
    const chain = emitChain([said])
    const outgoing = { initiatorCookie, responderCookie, exchange: exchangeType.informational, messageId: 9 }
    return emitMessage({ ...outgoing, next: chain.first }, chain.octets)
  }

  wait(ms: number): void {
    this.effects.push(...this.core.handle({ on: 'tick' }, { now: 1_000 + ms, random: this.random }))
  }

  get states(): string[] {
    return this.core.status().map(({ state, identity }) => `${state} ${identity ?? ''}`.trim())
  }

  get said(): string[] {
    return this.effects.flatMap((effect) => (effect.do === 'report' && 'why' in effect.event ? [effect.event.why] : []))
  }
}

describe('a client with a group name', () => {
  test('three messages, and the ISAKMP SA stands with its name', () => {
    const one = new Client(gateway())
    const [am2] = one.say(one.am1())
    const { proven, kinds, octets } = one.am3(am2!)
    expect([proven, kinds, one.states]).toEqual([true, ['SA', 'KE', 'NONCE', 'ID', 'HASH'], ['awaiting AM3']])
    expect(one.say(octets)).toEqual([])
    expect(one.states).toEqual(['established vpnusers'])
  })

  test('behind a NAT: NAT-D in the second and third message, and the third on port 4500', () => {
    const one = new Client(gateway())
    const [am2] = one.say(one.am1([vidPayload(vendorOctets('RFC 3947'))]))
    const { kinds, octets } = one.am3(am2!, 'secret', [server, { address: '192.168.1.10', port: 500 }])
    expect(kinds).toEqual(['SA', 'KE', 'NONCE', 'ID', 'HASH', 'NAT-D', 'NAT-D', 'VID'])
    one.path = { local: { ...server, port: 4500 }, remote: { ...outside, port: 4501 } }
    one.say(octets)
    expect(one.core.status()).toMatchObject([{ state: 'established', natted: true, path: one.path }])
  })

  test('the group of the KE decides which transforms may be chosen', () => {
    const one = new Client(gateway())
    one.say(one.am1([], new Uint8Array(256).fill(3)))
    expect([one.states, one.said.length]).toEqual([[], 1])
    expect(readIkeTransform(one.offer.proposals[0]!.transforms[0]!).shown).toBe('aes128-sha1-ecp256')
  })

  test('AM1 again is answered with the same AM2, and is one negotiation', () => {
    const one = new Client(gateway())
    one.say(one.am1())
    one.say(one.am1())
    expect(one.states).toEqual(['awaiting AM3'])
  })
})

describe('refused', () => {
  test('a wrong key: our proof is none to the client, and its message none to us', () => {
    const one = new Client(gateway())
    const [am2] = one.say(one.am1())
    const { proven, octets } = one.am3(am2!, 'guess')
    one.say(octets)
    expect([proven, one.states, one.said]).toEqual([false, ['awaiting AM3'], ['AM3 does not decrypt']])
    one.wait(31_000)
    expect([one.states, one.said.slice(1)]).toEqual([
      [],
      [
        'the peer did not go on after our proof (it sent a proof that does not fit our pre-shared key): the pre-shared key is another there, or it knows us by another name',
      ],
    ])
  })

  test('a wrong key, found by the client: what it says of it is told when nothing better has come', () => {
    const one = new Client(gateway())
    const [am2] = one.say(one.am1())
    one.say(one.refusal(am2!))
    expect(one.states).toEqual(['awaiting AM3'])
    one.wait(31_000)
    expect([one.states, one.said]).toEqual([
      [],
      [
        'the peer did not go on after our proof (it said AUTHENTICATION-FAILED): the pre-shared key is another there, or it knows us by another name',
      ],
    ])
  })

  test('a first message from anywhere and no more: nothing is said of it', () => {
    const one = new Client(gateway())
    one.say(one.am1())
    one.wait(31_000)
    expect([one.states, one.said]).toEqual([[], []])
  })

  test('where the policy does not allow it: one notify, and nothing that a key could be guessed from', () => {
    const one = new Client(gateway({ aggressiveMode: false }))
    const sent = one.say(one.am1())
    const kinds = sent.map(
      (octets) => parseChain(parseHeader(octets).header.next, parseHeader(octets).body, 'clear').payloads,
    )
    expect([kinds.map((payloads) => payloads.map(({ is }) => is)), one.states]).toEqual([[['N']], []])
  })

  test('forged first messages start no more work than there is room for; with the work done, the next one is answered', () => {
    const core = gateway()
    const client = new Client(core)
    const jobs: number[] = []
    for (let forged = 0; forged < 1_000; forged++) {
      const octets = client.am1().slice()
      new DataView(octets.buffer).setUint32(0, forged + 1)
      const path = { local: server, remote: { address: `10.0.${forged >> 8}.${forged & 255}`, port: 500 } }
      for (const effect of core.handle({ on: 'datagram', path, octets }, { now: 1_000, random: client.random }))
        if (effect.do === 'work') jobs.push(effect.job)
    }
    expect(jobs.length).toBe(64)
    expect(client.say(client.am1())).toEqual([])
    const result = doWork({ do: 'exchange', group: 'ecp256', peerPublic: client.gxi }, client.random)
    for (const job of jobs) core.handle({ on: 'done', job, result }, { now: 1_001, random: client.random })
    expect(client.say(client.am1())).toHaveLength(1)
  })

  test('a public value off the curve', () => {
    const one = new Client(gateway())
    one.say(one.am1([], new Uint8Array(64).fill(9)))
    expect(one.states).toEqual([])
  })
})

const siteOf = (address: string, more: Partial<SitePolicy> = {}): SitePolicy => ({
  site: 1,
  name: 'branch',
  addresses: [address],
  traffic: [],
  ike: [proposal, { ...proposal, cipher: 'aes256' }, { ...proposal, group: 'modp2048' }],
  esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
  pfsGroups: [],
  requirePfs: false,
  lifetimes: { ikeSeconds: 3_600, espSeconds: 1_200, espKilobytes: undefined },
  aggressive: true,
  ...more,
})

/** Our initiator and our responder, each with the other as a site in aggressive mode. `deliver` may lose, change or add messages. */
class TwoGateways {
  now = 1_000
  readonly random = new SeededRandom(5)
  readonly events: IkeEvent[] = []
  readonly failed: string[] = []
  readonly seen: string[] = []
  readonly cores: { readonly branch: IkeCore; readonly centre: IkeCore }
  deliver: (octets: Uint8Array, name: string) => readonly Uint8Array[] = (octets) => [octets]

  constructor(branch: Partial<IkePolicy> = {}, centre: Partial<IkePolicy> = {}, identity?: string) {
    const toCentre = siteOf(server.address, identity === undefined ? {} : { identity })
    this.cores = {
      branch: new IkeCore(ikePolicy({ key: 'secret', sites: [toCentre], ...branch })),
      centre: new IkeCore(ikePolicy({ key: 'secret', sites: [siteOf(outside.address)], ...centre })),
    }
  }

  connect(): this {
    const path = { local: outside, remote: server }
    this.give('branch', { on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
    return this
  }

  give(to: 'branch' | 'centre', input: IkeInput): void {
    for (const effect of this.cores[to].handle(input, { now: this.now, random: this.random })) {
      if (effect.do === 'report') this.events.push(effect.event)
      if (effect.do === 'failed') this.failed.push(effect.reason)
      if (effect.do === 'work') this.give(to, { on: 'done', job: effect.job, result: doWork(effect.work, this.random) })
      if (effect.do === 'install') this.give(to, { on: 'installed', job: effect.job })
      if (effect.do === 'send') this.#carry(to, effect.path, effect.octets)
    }
  }

  #carry(from: 'branch' | 'centre', { local, remote }: Path, octets: Uint8Array): void {
    const { exchange, encrypted } = parseHeader(octets).header
    const name = exchange !== exchangeType.aggressive ? 'other' : encrypted ? 'AM3' : from === 'branch' ? 'AM1' : 'AM2'
    this.seen.push(name)
    for (const one of this.deliver(octets, name))
      this.give(from === 'branch' ? 'centre' : 'branch', {
        on: 'datagram',
        path: { local: remote, remote: local },
        octets: one,
      })
  }

  wait(seconds: number): this {
    for (let i = 0; i < seconds; i++) {
      this.now += 1_000
      for (const end of ['branch', 'centre'] as const) this.give(end, { on: 'tick' })
    }
    return this
  }

  get states(): string[] {
    return [this.cores.branch, this.cores.centre].map((core) =>
      core
        .status()
        .map(
          ({ state, identity, pairs }) => `${state} ${identity ?? ''}${pairs.map((pair) => ` ${pair.state}`).join('')}`,
        )
        .join('; '),
    )
  }
}

describe('as the initiator, to a site whose entry says so', () => {
  const up = ['established 198.51.100.1 current', 'established gw.example.org current']

  test('three messages, one group, our name; it is shown as weak, then comes quick mode', () => {
    const two = new TwoGateways({}, {}, 'gw.example.org').connect()
    expect(two.states).toEqual(up)
    expect(two.seen.slice(0, 3)).toEqual(['AM1', 'AM2', 'AM3'])
    expect(two.events.flatMap((event) => (event.event === 'ike.sa.established' ? [event.weak] : []))).toEqual([
      true,
      true,
    ])
  })

  test('what the name means', () => {
    const names = ['192.0.2.7', 'gw.example.org', 'vpn@example.org', 'branch office']
    const kinds = names.map((name) => namedId(name)).map(({ idType, protocol, port }) => [idType, protocol, port])
    expect(kinds).toEqual([
      [identificationType.ID_IPV4_ADDR, 0, 0],
      [identificationType.ID_FQDN, 0, 0],
      [identificationType.ID_USER_FQDN, 0, 0],
      [identificationType.ID_KEY_ID, 0, 0],
    ])
  })

  test('the key for the name that it goes by is taken before one for everybody', () => {
    const keys = [
      { peer: 'any', key: new Secret('for everybody') },
      { peer: 'gw.example.org', key: new Secret('secret') },
    ]
    expect(new TwoGateways({}, { preSharedKeys: keys }, 'gw.example.org').connect().states).toEqual(up)
  })

  test('another key at the peer is told as that, by both', () => {
    const two = new TwoGateways({}, { preSharedKeys: [{ peer: 'any', key: new Secret('another') }] }).connect().wait(60)
    const refused = two.events.flatMap((event) => (event.event === 'ike.negotiation.refused' ? [event.why] : []))
    expect(refused).toContain(
      'the peer did not go on after our proof: the pre-shared key is another there, or it knows us by another name',
    )
    expect([two.failed, two.states]).toEqual([
      [
        '198.51.100.1:500 answers with a proof that does not fit our pre-shared key: the key is another there, or it knows us by another name',
      ],
      ['', ''],
    ])
  })

  test('AM2s that somebody forged or changed stop nothing', () => {
    const two = new TwoGateways({}, {}, 'gw.example.org')
    let spoilt = 0
    two.deliver = (octets, name) =>
      name === 'AM2' && spoilt++ < 2
        ? [octets.map((octet, i) => (i === octets.length - 1 ? octet ^ 1 : octet))]
        : [octets]
    expect(two.connect().wait(10).states).toEqual(up)
  })

  test('a lost AM3 is said again when quick mode has brought AM2 back', () => {
    const two = new TwoGateways({}, {}, 'gw.example.org')
    let lost = 0
    two.deliver = (octets, name) => (name === 'AM3' && lost++ === 0 ? [] : [octets])
    two.connect()
    expect(two.states).toEqual(['established 198.51.100.1', 'awaiting AM3 '])
    expect(two.wait(4).states).toEqual(up)
  })

  test('an AM2 in fragments, which announces only itself that its sender makes them', () => {
    const two = new TwoGateways({}, { fragmentOctets: 300 }, 'gw.example.org').connect()
    expect(two.seen.slice(0, 4)).toEqual(['AM1', 'AM2', 'AM2', 'AM3'])
    expect(two.states).toEqual(up)
  })

  test('nobody there: asked eight times, then one sentence', () => {
    const two = new TwoGateways()
    two.deliver = () => []
    two.connect().wait(40)
    expect([two.seen.length, two.failed.length, two.states]).toEqual([8, 1, ['', '']])
    expect(two.failed[0]).toContain('did not answer aggressive mode')
  })

  test('its renewal is in aggressive mode too', () => {
    const two = new TwoGateways({}, {}, 'gw.example.org').connect()
    two.seen.length = 0
    two.wait(3_100)
    expect(two.seen.filter((name) => name.startsWith('AM'))).toEqual(['AM1', 'AM2', 'AM3'])
    expect(two.states[0]).toContain('established')
  })

  test('main mode with such a site is answered as well, aggressive mode with others is not', () => {
    const two = new TwoGateways({}, { sites: [] }).connect().wait(40)
    expect(two.states).toEqual(['', ''])
    const main = new TwoGateways({ sites: [siteOf(server.address, { aggressive: false })] }).connect()
    expect(main.states[1]).toContain('established')
  })
})
