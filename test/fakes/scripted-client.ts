// A client written by hand: begins main mode with any first packet, then says what a test wants, message by message, and reads the answers. Where it
// differs from our own initiator it is because real clients do.
import type { IkeProposal } from '../../src/algorithms/algorithms.ts'
import type { Digest } from '../../src/crypto/hash.ts'
import type { IkeEffect, IkeInput } from '../../src/ike/contract.ts'
import type { IkeCore } from '../../src/ike/core.ts'
import {
  type Cookies,
  deriveIkeKeys,
  exchangeIv,
  hash1,
  hash3,
  hashI,
  type IkeKeys,
  openBody,
  phase1Iv,
  sealBody,
  skeyidOfPreSharedKey,
} from '../../src/ike/keys.ts'
import { natHash } from '../../src/ike/nat.ts'
import { readIkeTransform } from '../../src/ike/transforms.ts'
import { emitChain, padded, parseChain } from '../../src/ike/wire/chain.ts'
import { emitMessage, parseHeader } from '../../src/ike/wire/header.ts'
import { exchangeType, identificationType, payloadType } from '../../src/ike/wire/numbers.ts'
import {
  hashPayload,
  type IdPayload,
  idPayload,
  kePayload,
  natDPayload,
  noncePayload,
  type Payload,
} from '../../src/ike/wire/payloads.ts'
import type { Path } from '../../src/wire/address.ts'
import { addressOctets } from '../../src/wire/address.ts'
import { concat } from '../../src/wire/codec.ts'
import { SeededRandom } from '../scenarios/network.ts'
import { doWork } from '../scenarios/sync-dh.ts'

export type Habits = {
  readonly psk?: string
  /** The client's own address, behind the NAT where it differs from the path's. */
  readonly ownAddress?: string
  /** Type of the NAT-D payloads, or undefined without NAT traversal. */
  readonly natD?: number | undefined
  /** NAT-D in the wrong order, as Mac OS X 10.3 sends them. */
  readonly natDTurned?: boolean
  readonly identity?: IdPayload
  /** Payloads after HASH in MM5. */
  readonly behindHash?: readonly Payload[]
}

export class ScriptedClient {
  readonly core: IkeCore
  readonly effects: IkeEffect[] = []
  readonly random = new SeededRandom(7)
  now = 1_000
  path: Path
  keys: IkeKeys | undefined
  cookies: Cookies = { initiatorCookie: new Uint8Array(8), responderCookie: new Uint8Array(8) }
  #lastBlock: Uint8Array = new Uint8Array()
  readonly #fastPath: boolean

  /** Without `fastPath`, work and installs are left to the test. */
  constructor(core: IkeCore, path: Path, fastPath = true) {
    this.core = core
    this.path = path
    this.#fastPath = fastPath
  }

  /** Gives an input to the core and executes what is slow; returns the effects of all. */
  give(input: IkeInput): readonly IkeEffect[] {
    const effects = [...this.core.handle(input, { now: this.now, random: this.random })]
    this.effects.push(...effects)
    if (!this.#fastPath) return effects
    for (const effect of effects) {
      if (effect.do === 'work')
        effects.push(...this.give({ on: 'done', job: effect.job, result: doWork(effect.work, this.random) }))
      if (effect.do === 'install') effects.push(...this.give({ on: 'installed', job: effect.job }))
    }
    return effects
  }

  /** Sends a message; returns the first one that comes back. */
  say(octets: Uint8Array): Uint8Array | undefined {
    return this.give({ on: 'datagram', path: this.path, octets }).find((effect) => effect.do === 'send')?.octets
  }

  /** Main mode from a first packet to MM6; the parsed payloads of MM2, MM4 and MM6. */
  mainMode(first: Uint8Array, habits: Habits = {}): readonly (readonly Payload[])[] {
    const { psk = 'secret', ownAddress = this.path.remote.address, natD } = habits
    const mm2 = this.say(first)
    if (!mm2) throw new Error('MM1 was not answered')
    const mm1 = parseHeader(first)
    const saiB = parseChain(mm1.header.next, mm1.body, 'clear').payloads[0]!.body
    const answer = parseClear(mm2)
    const { initiatorCookie, responderCookie } = parseHeader(mm2).header
    this.cookies = { initiatorCookie, responderCookie }
    const sa = answer.find((payload) => payload.is === 'SA')!
    const proposal = readIkeTransform(sa.proposals[0]!.transforms[0]!).proposal as IkeProposal
    const own = doWork({ do: 'generate', group: proposal.group }, this.random)
    if (own.is !== 'generated') throw new Error('no key pair')
    const niB = this.random.octets(20)
    const hash = proposal.hash as Digest
    const ends = [this.path.local, { address: ownAddress, port: this.path.remote.port }]
    if (habits.natDTurned) ends.reverse()
    const natDs = natD === undefined ? [] : ends.map((end) => natDPayload(natD, natHash(hash, this.cookies, end)))
    const mm4 = this.say(this.clear([kePayload(own.publicValue), noncePayload(niB), ...natDs]))
    if (!mm4) throw new Error('MM3 was not answered')
    const exchanged = parseClear(mm4)
    const gxr = exchanged.find((payload) => payload.is === 'KE')!.publicValue
    const nrB = exchanged.find((payload) => payload.is === 'NONCE')!.nonce
    const shared = doWork(
      { do: 'agree', group: proposal.group, privateValue: own.privateValue, peerPublic: gxr },
      this.random,
    )
    if (shared.is !== 'agreed') throw new Error('no secret')
    const skeyid = skeyidOfPreSharedKey(hash, new TextEncoder().encode(psk), niB, nrB)
    this.keys = deriveIkeKeys(proposal, skeyid, shared.shared, this.cookies)
    const transcript = { ...this.cookies, gxi: own.publicValue, gxr, saiB }
    const id = habits.identity ?? addressIdentity(ownAddress)
    if (natD !== undefined && ownAddress !== this.path.remote.address) this.float()
    const mm5 = this.seal(phase1Iv(this.keys, own.publicValue, gxr), exchangeType.main, 0, [
      id,
      hashPayload(hashI(this.keys, transcript, id.body)),
      ...(habits.behindHash ?? []),
    ])
    const mm6 = this.say(mm5.octets)
    if (!mm6) return [answer, exchanged]
    const opened = this.open(mm5.iv, mm6)
    this.#lastBlock = opened.iv
    return [answer, exchanged, opened.payloads]
  }

  /** A quick mode with this plain body, whose HASH is put in; the payloads of QM2, and QM3 sent. */
  quickMode(messageId: number, plain: Uint8Array, finish = true): readonly Payload[] | undefined {
    const keys = this.keys!
    const body = plain.slice()
    const after = body.subarray(4 + hash1(keys, 0, new Uint8Array()).length)
    const chain = concat(header4(body), hash1(keys, messageId, after), after)
    const iv = exchangeIv(keys, this.#lastBlock, messageId)
    const { sealed, iv: next } = sealBody(keys, iv, padded(chain, 16))
    const qm1 = emitMessage(this.#header(exchangeType.quick, messageId, payloadType.HASH), sealed)
    const qm2 = this.say(qm1)
    if (!qm2 || parseHeader(qm2).header.exchange !== exchangeType.quick) return undefined
    const opened = this.open(next, qm2)
    const niB = parseChain(payloadType.HASH, chain, 'decrypted').payloads.find((one) => one.is === 'NONCE')!.nonce
    const nrB = opened.payloads.find((one) => one.is === 'NONCE')!.nonce
    if (finish) {
      const qm3 = this.seal(opened.iv, exchangeType.quick, messageId, [hashPayload(hash3(keys, messageId, niB, nrB))])
      this.say(qm3.octets)
    }
    return opened.payloads
  }

  /** An informational exchange with the right HASH. */
  inform(messageId: number, payloads: readonly Payload[]): Uint8Array {
    const keys = this.keys!
    const hash = hashPayload(hash1(keys, messageId, emitChain(payloads).octets))
    const iv = exchangeIv(keys, this.#lastBlock, messageId)
    return this.seal(iv, exchangeType.informational, messageId, [hash, ...payloads]).octets
  }

  /** What the core said in an exchange of its own. */
  read(octets: Uint8Array): readonly Payload[] {
    return this.open(exchangeIv(this.keys!, this.#lastBlock, parseHeader(octets).header.messageId), octets).payloads
  }

  float(): void {
    if (this.path.local.port === 4500) return
    this.path = {
      local: { ...this.path.local, port: 4500 },
      remote: { ...this.path.remote, port: this.path.remote.port === 500 ? 4500 : this.path.remote.port + 1 },
    }
  }

  clear(payloads: readonly Payload[]): Uint8Array {
    const chain = emitChain(payloads)
    return emitMessage({ ...this.cookies, exchange: exchangeType.main, next: chain.first }, chain.octets)
  }

  seal(iv: Uint8Array, exchange: number, messageId: number, payloads: readonly Payload[]) {
    const chain = emitChain(payloads)
    const { sealed, iv: next } = sealBody(this.keys!, iv, padded(chain.octets, 16))
    return { octets: emitMessage(this.#header(exchange, messageId, chain.first), sealed), iv: next }
  }

  open(iv: Uint8Array, octets: Uint8Array): { readonly payloads: readonly Payload[]; readonly iv: Uint8Array } {
    const { header, body } = parseHeader(octets)
    const opened = openBody(this.keys!, iv, body)
    if (!opened) throw new Error('no whole blocks')
    return { payloads: parseChain(header.next, opened.plain, 'decrypted').payloads, iv: opened.iv }
  }

  #header(exchange: number, messageId: number, next: number) {
    return { ...this.cookies, exchange, messageId, next, encrypted: true }
  }
}

function parseClear(octets: Uint8Array): readonly Payload[] {
  const { header, body } = parseHeader(octets)
  return parseChain(header.next, body, 'clear').payloads
}

function addressIdentity(address: string): IdPayload {
  return idPayload({ idType: identificationType.ID_IPV4_ADDR, protocol: 0, port: 0, data: addressOctets(address)! })
}

// The generic header of the HASH payload, with the length that this hash has.
const header4 = (body: Uint8Array) => body.slice(0, 4)
