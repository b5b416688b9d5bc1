// The commit bit (RFC 2408 §3.1) in quick mode, both roles: what the peer wants us to wait for, in both forms that it is said, and what comes without it.
import { describe, expect, test } from 'vitest'
import { ScriptedClient } from '../../../test/fakes/scripted-client.ts'
import { ikePolicy } from '../../../test/scenarios/ike-host.ts'
import { SeededRandom } from '../../../test/scenarios/network.ts'
import { doWork } from '../../../test/scenarios/sync-dh.ts'
import { hexVector } from '../../../test/vectors.ts'
import type { IkeEffect, IkeInput } from '../contract.ts'
import { IkeCore } from '../core.ts'
import { exchangeIv, hash1, type IkeKeys } from '../keys.ts'
import { hashed, sealedMessage } from '../message.ts'
import { offerEsp } from '../offers.ts'
import { protection } from '../sa.ts'
import type { IkeSa, QuickMode } from '../state.ts'
import { emitChain } from '../wire/chain.ts'
import { parseHeader } from '../wire/header.ts'
import { espNotify } from '../wire/notifications.ts'
import { exchangeType, notifyType } from '../wire/numbers.ts'
import { hashPayload, noncePayload } from '../wire/payloads.ts'

const commitBit = (octets: Uint8Array) => octets.map((octet, i) => (i === 19 ? octet | 2 : octet))
const isQuick = (octets: Uint8Array) => parseHeader(octets).header.exchange === exchangeType.quick
const states = (core: IkeCore) => core.status().flatMap(({ pairs }) => pairs.map(({ state }) => state))
const theSa = (core: IkeCore) => [...core.state.sas.values()][0]!
const quicks = (core: IkeCore) => [...theSa(core).quick.values()].map(({ is }) => is)

/** CONNECTED as that peer would say it: in the quick mode itself, or in an informational exchange with its message id. */
function connected(
  sa: IkeSa,
  form: 'fourth message' | 'informational',
  notify: number = notifyType.CONNECTED,
): Uint8Array {
  const [messageId, quick] = [...sa.quick][0] as [number, Extract<QuickMode, { is: 'settling' }>]
  const { keys, lastBlock } = protection(sa) as { keys: IkeKeys; lastBlock: Uint8Array }
  const iv = form === 'informational' ? exchangeIv(keys, lastBlock, messageId) : quick.iv
  const exchange = form === 'informational' ? exchangeType.informational : exchangeType.quick
  const payloads = [espNotify(notify, Uint8Array.of(1, 2, 3, 4))]
  const chain = hashed(payloads, (after) => hash1(keys, messageId, after))
  return sealedMessage(keys, iv, { cookies: sa.cookies, exchange, messageId }, chain).octets
}

describe('as the responder: the initiator set it in QM1', () => {
  const path = { local: { address: '198.51.100.1', port: 500 }, remote: { address: '203.0.113.9', port: 500 } }

  function afterQM3(): ScriptedClient {
    const client = new ScriptedClient(new IkeCore(ikePolicy({ key: 'secret' })), path)
    client.mainMode(hexVector('ike/first-packets/nm-l2tp-strongswan'))
    const say = client.say.bind(client)
    client.say = (octets) => say(isQuick(octets) ? commitBit(octets) : octets)
    const proposals = [{ cipher: 'aes128', hash: 'sha1', group: undefined }] as const
    const lifetime = { seconds: 3_600, kilobytes: undefined }
    const offer = offerEsp({ proposals, group: undefined, spi: 0xc0de0001, udp: undefined, lifetime })
    const nonce = noncePayload(new Uint8Array(16).fill(1))
    client.quickMode(7, emitChain([hashPayload(new Uint8Array(20)), offer, nonce]).octets)
    client.say = say
    return client
  }

  test.each(['fourth message', 'informational'] as const)(
    'RFC 2408 §3.1: the pair MUST wait for CONNECTED: %s',
    (form) => {
      const client = afterQM3()
      expect([states(client.core), quicks(client.core)]).toEqual([['new'], ['settling']])
      client.say(connected(theSa(client.core), form))
      expect([states(client.core), quicks(client.core)]).toEqual([['current'], []])
    },
  )

  test('without CONNECTED the pair is used two seconds later, or with its first packet', () => {
    const late = afterQM3()
    late.now += 3_000
    late.give({ on: 'tick' })
    expect(states(late.core)).toEqual(['current'])
    const early = afterQM3()
    early.give({ on: 'pairUsed', peer: 1, inboundSpi: early.core.status()[0]!.pairs[0]!.inboundSpi })
    expect([states(early.core), quicks(early.core)]).toEqual([['current'], []])
  })

  test('another notify, or a wrong HASH, is not it', () => {
    const client = afterQM3()
    client.say(connected(theSa(client.core), 'fourth message', notifyType['RESPONDER-LIFETIME']))
    client.say(connected(theSa(client.core), 'fourth message').map((octet, i) => (i === 40 ? octet ^ 1 : octet)))
    expect(states(client.core)).toEqual(['new'])
  })

  test('CONNECTED that comes when all is over changes nothing', () => {
    const client = afterQM3()
    const octets = connected(theSa(client.core), 'informational')
    client.say(octets)
    expect(client.say(octets)).toBe(undefined)
    expect(states(client.core)).toEqual(['current'])
  })
})

describe('as the initiator: the responder set it in QM2', () => {
  const path = { local: { address: '203.0.113.9', port: 500 }, remote: { address: '198.51.100.1', port: 500 } }

  /** Our two cores; what the responder says in quick mode has the bit. */
  class Two {
    now = 1_000
    readonly random = new SeededRandom(9)
    readonly installs: IkeEffect[] = []
    readonly cores = [new IkeCore(ikePolicy({ key: 'secret' })), new IkeCore(ikePolicy({ key: 'secret' }))] as const

    constructor() {
      this.give(0, { on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
    }

    give(to: 0 | 1, input: IkeInput): void {
      for (const effect of this.cores[to].handle(input, { now: this.now, random: this.random })) {
        if (effect.do === 'install' && to === 0) this.installs.push(effect)
        if (effect.do === 'install') this.give(to, { on: 'installed', job: effect.job })
        if (effect.do === 'work')
          this.give(to, { on: 'done', job: effect.job, result: doWork(effect.work, this.random) })
        if (effect.do !== 'send') continue
        const octets = to === 1 && isQuick(effect.octets) ? commitBit(effect.octets) : effect.octets
        const { local, remote } = effect.path
        this.give(to === 0 ? 1 : 0, { on: 'datagram', path: { local: remote, remote: local }, octets })
      }
    }
  }

  test.each(['fourth message', 'informational'] as const)(
    'nothing is sent on the pair before CONNECTED: %s',
    (form) => {
      const two = new Two()
      expect(two.installs).toMatchObject([{ pair: { use: false } }])
      expect([states(two.cores[0]), quicks(two.cores[0])]).toEqual([['new'], ['settling']])
      two.give(0, { on: 'datagram', path, octets: connected(theSa(two.cores[0]), form) })
      expect([states(two.cores[0]), quicks(two.cores[0])]).toEqual([['current'], []])
    },
  )

  test('without CONNECTED the pair is used two seconds later', () => {
    const two = new Two()
    two.now += 3_000
    two.give(0, { on: 'tick' })
    expect(states(two.cores[0])).toEqual(['current'])
  })
})
