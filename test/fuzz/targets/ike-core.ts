// The IKE machine under hostile datagrams: from strangers, and from a peer that knows the keys and means ill. Nothing may be thrown, not even a
// WireError; memory and answers stay bounded.

import type { Group } from '../../../src/algorithms/algorithms.ts'
import { ciphers, groups } from '../../../src/algorithms/registry.ts'
import type { IkeEffect, IkeInput, WorkResult } from '../../../src/ike/contract.ts'
import { IkeCore } from '../../../src/ike/core.ts'
import { exchangeIv, hash1, type IkeKeys, sealBody } from '../../../src/ike/keys.ts'
import { padded } from '../../../src/ike/wire/chain.ts'
import { emitMessage } from '../../../src/ike/wire/header.ts'
import { exchangeType, payloadType } from '../../../src/ike/wire/numbers.ts'
import type { Endpoint, Path } from '../../../src/wire/address.ts'
import { concat, hex, unhex } from '../../../src/wire/codec.ts'
import { ikePolicy } from '../../scenarios/ike-host.ts'
import { doWork } from '../../scenarios/sync-dh.ts'
import { hexVectors, jsonVector } from '../../vectors.ts'
import { FuzzRandom } from '../random.ts'
import { demand, type Target } from '../target.ts'
import { ikeDatagrams } from './ike-wire.ts'

const server: Endpoint = { address: '203.0.113.7', port: 500 }
const client: Endpoint = { address: '198.51.100.1', port: 500 }
const policy = ikePolicy({
  ike: [
    { cipher: 'aes128', hash: 'sha1', group: 'ecp256' },
    { cipher: 'aes256', hash: 'sha1', group: 'modp2048' },
    { cipher: '3des', hash: 'sha1', group: 'modp1024' },
  ],
  esp: [
    { cipher: 'aes128', hash: 'sha1', group: undefined },
    { cipher: '3des', hash: 'sha1', group: undefined },
  ],
  halfOpen: { perSource: 8, total: 32 },
  aggressiveMode: true,
})

/** One core with the world around it: work is done at once, with a secret that everybody knows. */
class Surrounded {
  readonly core: IkeCore
  readonly random: FuzzRandom
  now = 0
  sent: { path: Path; octets: Uint8Array }[] = []

  constructor(random: FuzzRandom) {
    this.core = new IkeCore(policy)
    this.random = random
  }

  /** Handles the input and all that follows from it; the words of the effects. */
  handle(input: IkeInput): string {
    const words: string[] = []
    const queue: IkeInput[] = [input]
    for (let i = 0; i < queue.length; i++) {
      demand(i < 200, 'one input leads to an end')
      const effects = this.core.handle(queue[i]!, { now: this.now, random: this.random })
      demand(effects.length < 200, 'one input has few effects')
      for (const effect of effects) {
        words.push(effect.do === 'report' ? effect.event.event : effect.do)
        const answer = this.#answer(effect)
        if (answer) queue.push(answer)
      }
    }
    return [...new Set(words)].sort().join(' ')
  }

  /** Lets what is due happen. */
  pass(ms: number): void {
    this.now += ms
    for (let i = 0; (this.core.deadline ?? Number.POSITIVE_INFINITY) <= this.now; i++) {
      demand(i < 1000, 'ticks come to an end')
      this.handle({ on: 'tick' })
    }
  }

  #answer(effect: IkeEffect): IkeInput | undefined {
    if (effect.do === 'send') this.sent.push(effect)
    if (effect.do === 'install') return { on: 'installed', job: effect.job }
    if (effect.do !== 'work') return undefined
    const { group } = effect.work
    const publicValue = publicValueOf(group, effect.work.do)
    const shared = new Uint8Array(groups[group].sharedOctets).fill(9)
    const results: Record<typeof effect.work.do, WorkResult> = {
      generate: { is: 'generated', privateValue: new Uint8Array(32).fill(5), publicValue },
      exchange: { is: 'exchanged', publicValue, shared },
      agree: { is: 'agreed', shared },
    }
    return { on: 'done', job: effect.job, result: results[effect.work.do] }
  }
}

const publicValues = new Map<string, Uint8Array>()

/** One value that passes for public for every initiator, and another for every responder: nobody takes his own from the other. */
function publicValueOf(group: Group, does: 'generate' | 'exchange' | 'agree'): Uint8Array {
  const known = publicValues.get(`${group} ${does}`)
  if (known) return known
  const made = doWork({ do: 'generate', group }, new FuzzRandom('public value', does))
  if (made.is !== 'generated') throw new Error(`no public value for ${group}`)
  publicValues.set(`${group} ${does}`, made.publicValue)
  return made.publicValue
}

const paths: readonly Path[] = [500, 500, 4500, 1024].map((port, i) => ({
  local: { ...server, port: port === 500 ? 500 : 4500 },
  remote: { address: `198.51.100.${1 + (i % 3)}`, port },
}))

/** Main mode's messages between two cores of ours: what a stranger would have recorded. */
function recordedMainMode(): readonly Uint8Array[] {
  return [...negotiate(new Surrounded(new FuzzRandom('i')), new Surrounded(new FuzzRandom('r'))).recorded]
}

/** Delivers up to `most` messages of a whole negotiation. `path` is the responder's. */
function negotiate(
  initiator: Surrounded,
  responder: Surrounded,
  most = 100,
  { local, remote }: Path = { local: server, remote: client },
): { readonly recorded: readonly Uint8Array[] } {
  const recorded: Uint8Array[] = []
  const path = { local: { ...remote, port: 500 }, remote: { ...local, port: 500 } }
  initiator.handle({ on: 'connect', request: 1, path, ports: { local: 1701, remote: 1701 } })
  for (let round = 0; round < 20; round++) {
    for (const [from, to] of [
      [initiator, responder],
      [responder, initiator],
    ] as const) {
      for (const { path, octets } of from.sent.splice(0)) {
        if (recorded.length === most) return { recorded }
        recorded.push(octets)
        to.handle({ on: 'datagram', path: { local: path.remote, remote: path.local }, octets })
      }
    }
  }
  return { recorded }
}

const strangers: Target = {
  name: 'ike core, strangers',
  weight: 2,
  episode: 64,
  corpus: () => [...ikeDatagrams(), ...recordedMainMode()],
  begin: (random) => {
    const responder = new Surrounded(random)
    return (octets) => {
      // An honest initiator stops somewhere on its way, so that there is something to aim at in every state.
      if (random.chance(0.05)) negotiate(new Surrounded(random), responder, random.below(9), random.pick(paths))
      const outcome = responder.handle({ on: 'datagram', path: random.pick(paths), octets: aimed(octets, responder) })
      responder.sent = []
      if (random.chance(0.1)) responder.pass(random.below(20_000))
      demand(responder.core.state.sas.size <= 64, 'half-open negotiations are bounded')
      return outcome
    }
  },
}

// Half of the inputs name an SA that there is, so that they get further than the first look.
function aimed(octets: Uint8Array, { core, random }: Surrounded): Uint8Array {
  const sas = [...core.state.sas.values()]
  if (octets.length >= 28) new DataView(octets.buffer, octets.byteOffset).setUint32(24, octets.length)
  if (octets.length < 16 || sas.length === 0 || random.chance(0.5)) return octets
  const { cookies } = random.pick(sas)
  octets.set(cookies.initiatorCookie, 0)
  octets.set(cookies.responderCookie.some((octet) => octet !== 0) ? cookies.responderCookie : random.octets(8), 8)
  return octets
}

const answered: Target = {
  name: 'ike core, an initiator',
  weight: 2,
  episode: 64,
  corpus: () => [...recordedMainMode(), ...ikeDatagrams()],
  begin: (random) => {
    const initiator = new Surrounded(random)
    return (octets) => {
      // An honest responder answers some of the way, then somebody else does.
      if (random.chance(0.1)) {
        negotiate(initiator, new Surrounded(random), random.below(9))
        initiator.sent = []
      }
      const path = { local: client, remote: random.chance(0.8) ? server : { ...server, port: 4500 } }
      const outcome = initiator.handle({ on: 'datagram', path, octets: aimed(octets, initiator) })
      initiator.sent = []
      if (random.chance(0.1)) initiator.pass(random.below(20_000))
      return outcome
    }
  },
}

function chainCorpus(): readonly Uint8Array[] {
  const quick = hexVectors('ike/quick-mode').map(({ octets }) => octets)
  const { vectors } = jsonVector<{ vectors: { m5_plain: string }[] }>('ike/main-and-quick-mode')
  const informational = [
    // INITIAL-CONTACT, R-U-THERE, Delete of an ESP SA and of the ISAKMP SA; first the place of a hash.
    `0b000018${'00'.repeat(20)}0000001c0000000101106002${'11'.repeat(16)}`,
    `0b000018${'00'.repeat(20)}000000200000000101108d28${'11'.repeat(16)}00000001`,
    `0c000018${'00'.repeat(20)}000000100000000103040001c0de0001`,
    `0c000018${'00'.repeat(20)}0000001c0000000101100001${'11'.repeat(16)}`,
    `0b000018${'00'.repeat(20)}000000240000000103046000c0de000180010001000200040000003c`,
  ].map((text) => Uint8Array.from(Buffer.from(text, 'hex')))
  return [...quick, ...informational, ...vectors.map(({ m5_plain }) => Uint8Array.from(Buffer.from(m5_plain, 'hex')))]
}

const peer: Target = {
  name: 'ike core, an authenticated peer',
  weight: 2,
  episode: 64,
  corpus: chainCorpus,
  begin: (random) => {
    const [initiator, responder] = [new Surrounded(random), new Surrounded(random)]
    negotiate(initiator, responder)
    demand(established(responder) !== undefined, 'two cores reach an ISAKMP SA')
    return (octets) => {
      const sa = established(responder)
      if (!sa) return 'gone'
      const exchange = random.pick([
        exchangeType.quick,
        exchangeType.quick,
        exchangeType.informational,
        exchangeType.main,
        33,
      ])
      const messageId = random.chance(0.9) ? 1 + random.below(0xffff_fffe) : random.below(3)
      const sealed = sealedMessage(sa, exchange, messageId, named(octets, sa, responder), random)
      const outcome = responder.handle({ on: 'datagram', path: { local: server, remote: client }, octets: sealed })
      responder.sent = []
      if (random.chance(0.05)) responder.pass(random.below(10_000))
      return `${exchange} ${outcome}`
    }
  },
}

/** Stand-ins in the corpus for what only the running negotiation knows. */
const [spiMark, cookiesMark] = ['c0de0001', '11'.repeat(16)]

// Puts a real SPI and the real cookies where the corpus has its stand-ins, so that Delete and notifies hit something.
function named(octets: Uint8Array, sa: Established, { core, random }: Surrounded): Uint8Array {
  const text = Buffer.from(octets).toString('hex')
  if (!text.includes(spiMark) && !text.includes(cookiesMark)) return octets
  const pairs = core.status().flatMap(({ pairs }) => pairs)
  const spi = pairs.length > 0 ? random.pick(pairs).outboundSpi.toString(16).padStart(8, '0') : spiMark
  const cookies = hex(concat(sa.cookies.initiatorCookie, sa.cookies.responderCookie))
  return unhex(text.replace(spiMark, spi).replace(cookiesMark, cookies))
}

type Established = {
  readonly keys: IkeKeys
  readonly lastBlock: Uint8Array
  readonly cookies: { initiatorCookie: Uint8Array; responderCookie: Uint8Array }
}

function established({ core }: Surrounded): Established | undefined {
  for (const { phase1, cookies } of core.state.sas.values())
    if (phase1.is === 'established' || phase1.is === 'deleted') return { ...phase1, cookies }
  return undefined
}

/** The input as the content of a message with a right HASH(1), or sometimes a wrong one. */
function sealedMessage(
  sa: Established,
  exchange: number,
  messageId: number,
  octets: Uint8Array,
  random: FuzzRandom,
): Uint8Array {
  const { keys, lastBlock, cookies } = sa
  const next = octets[0] ?? 0
  const after = octets.subarray(Math.min(octets.length, 24))
  const hash = random.chance(0.95) ? hash1(keys, messageId, after) : random.octets(20)
  const plain = concat(Uint8Array.of(next, 0, 0, 4 + hash.length), hash, after)
  const { blockOctets } = ciphers[keys.cipher]
  const { sealed } = sealBody(keys, exchangeIv(keys, lastBlock, messageId), padded(plain, blockOctets))
  return emitMessage({ ...cookies, exchange, next: payloadType.HASH, encrypted: true, messageId }, sealed)
}

export const ikeCoreTargets: readonly Target[] = [strangers, answered, peer]
