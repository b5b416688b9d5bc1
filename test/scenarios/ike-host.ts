// One end of a scenario: an IkeCore on a host of the simulated network, with a stand-in for the fast path. Its ESP is no ESP, but it is sealed with
// the negotiated keys, numbered, and opened only by who has them, so that wrong keys, lost pairs and wrong peers show.
import { hmac } from '../../src/crypto/hash.ts'
import type {
  CertificateWork,
  IkeEffect,
  IkeInput,
  IkePolicy,
  PeerId,
  SaPair,
  WorkResult,
} from '../../src/ike/contract.ts'
import { IkeCore } from '../../src/ike/core.ts'
import type { IkeEvent } from '../../src/ike/events.ts'
import { type Endpoint, type Path, samePath } from '../../src/wire/address.ts'
import { concat, equal, Reader, Writer } from '../../src/wire/codec.ts'
import { Secret } from '../../src/wire/secret.ts'
import type { Datagram, Host, Network, SeededRandom } from './network.ts'
import { doWork } from './sync-dh.ts'

export type Policy = Partial<IkePolicy> & { readonly key?: string }

/** A policy that lacks nothing; `key` is for any peer. */
export function ikePolicy({ key = 'correct horse battery staple', ...rest }: Policy = {}): IkePolicy {
  return {
    ike: [
      { cipher: 'aes128', hash: 'sha1', group: 'ecp256' },
      { cipher: 'aes256', hash: 'sha256', group: 'modp2048' },
    ],
    esp: [{ cipher: 'aes128', hash: 'sha1', group: undefined }],
    pfsGroups: ['ecp256', 'modp2048'],
    requirePfs: false,
    preSharedKeys: [{ peer: 'any', key: new Secret(key) }],
    lifetimes: { ikeSeconds: 28_800, espSeconds: 3_600, espKilobytes: undefined },
    replayWindow: 1024,
    publicAddress: undefined,
    dpd: { idleSeconds: 20, intervalSeconds: 5, tries: 4 },
    keepaliveSeconds: 20,
    halfOpen: { perSource: 16, total: 256 },
    disabled: [],
    ...rest,
  }
}

type LivePair = SaPair & {
  path: Path
  sequence: number
  seen: Set<number>
  used: boolean
  octets: number
  heardAt: number | undefined
}

type LivePeer = { readonly pairs: Map<number, LivePair>; using: number | undefined; path: Path }

/** What arrived through a peer's pairs. */
export type Arrival = { readonly peer: PeerId; readonly text: string; readonly at: number }

const computingMs = 3
const installingMs = 1

export class IkeHost {
  readonly core: IkeCore
  readonly host: Host
  readonly network: Network
  readonly random: SeededRandom
  readonly events: { readonly at: number; readonly event: IkeEvent }[] = []
  /** `peerUp`, `peerGone` and `failed`, in order. */
  readonly news: IkeEffect[] = []
  /** Reasons of attempts that came to nothing while another went on. */
  readonly retries: string[] = []
  readonly arrivals: Arrival[] = []
  readonly peers = new Map<PeerId, LivePeer>()
  /** Packets without a pair to open or carry them. */
  readonly lost = { noPair: 0, forged: 0, unsendable: 0 }
  /** Refuses every install while set: the world fails. */
  refuseInstalls: string | undefined
  /** Every datagram of IKE that left, for traces. */
  readonly sent: { readonly path: Path; readonly octets: Uint8Array }[] = []
  readonly ports: { readonly ike: number; readonly natt: number }
  /** Who signs and judges for this host. */
  certificates: ((work: CertificateWork) => WorkResult) | undefined
  #timer: number | undefined
  #requests = 1

  constructor(network: Network, host: Host, random: SeededRandom, policy: IkePolicy) {
    this.core = new IkeCore(policy)
    this.network = network
    this.host = host
    this.random = random
    this.ports = policy.ports ?? { ike: 500, natt: 4500 }
    host.receive = (datagram) => this.#receive(datagram)
  }

  get now(): number {
    return this.network.time.now
  }

  handle(input: IkeInput): readonly IkeEffect[] {
    const effects = this.core.handle(input, { now: this.now, random: this.random })
    for (const effect of effects) this.#execute(effect)
    this.#arm()
    return effects
  }

  connect(to: string, ports = { local: 1701, remote: 1701 }): number {
    const request = this.#requests++
    const path = { local: this.#local(this.ports.ike), remote: { address: to, port: 500 } }
    this.handle({ on: 'connect', request, path, ports })
    return request
  }

  /** Sends text through the pair that carries this peer's packets. */
  send(peer: PeerId, text: string): void {
    const live = this.peers.get(peer)
    const pair = live?.pairs.get(live.using ?? -1)
    if (!live || !pair) {
      this.lost.unsendable++
      return
    }
    const body = new Writer()
      .u32(pair.outbound.spi)
      .u32(++pair.sequence)
      .put(new TextEncoder().encode(text))
      .done()
    const octets = concat(body, seal(pair.outbound, body))
    pair.octets += octets.length
    const { local, remote } = live.path
    if (pair.encapsulated) this.#transmit('udp', local, remote, octets)
    else this.#transmit('esp', { ...local, port: 0 }, { ...remote, port: 0 }, octets)
  }

  /** The peers that are up, oldest first. */
  get up(): PeerId[] {
    return [...this.peers.keys()]
  }

  eventsOf<E extends IkeEvent['event']>(name: E): Extract<IkeEvent, { event: E }>[] {
    return this.events.flatMap(({ event }) => (event.event === name ? [event as Extract<IkeEvent, { event: E }>] : []))
  }

  /** Tells the core what the fast path counted, as the gateway does every second. */
  reportActivity(): void {
    const pairs = [...this.peers].flatMap(([peer, live]) =>
      [...live.pairs.values()].map((pair) => ({
        peer,
        inboundSpi: pair.inbound.spi,
        at: pair.heardAt,
        octets: pair.octets,
      })),
    )
    for (const live of this.peers.values())
      for (const pair of live.pairs.values()) {
        pair.heardAt = undefined
        pair.octets = 0
      }
    const changed = pairs.filter(({ at, octets }) => at !== undefined || octets > 0)
    if (changed.length > 0) this.handle({ on: 'heard', pairs: changed })
  }

  #local(port: number): Endpoint {
    return { address: this.host.address, port }
  }

  #arm(): void {
    const { deadline } = this.core
    if (deadline === undefined || (this.#timer !== undefined && this.#timer <= deadline)) return
    this.#timer = deadline
    this.network.time.at(deadline, () => {
      if (this.#timer !== deadline) return
      this.#timer = undefined
      if ((this.core.deadline ?? Number.POSITIVE_INFINITY) <= this.now) this.handle({ on: 'tick' })
      else this.#arm()
    })
  }

  #execute(effect: IkeEffect): void {
    const { time } = this.network
    switch (effect.do) {
      case 'send': {
        this.sent.push(effect)
        const marked =
          effect.path.local.port === this.ports.natt ? concat(new Uint8Array(4), effect.octets) : effect.octets
        return this.#transmit('udp', effect.path.local, effect.path.remote, marked)
      }
      case 'keepalive':
        return this.#transmit('udp', effect.path.local, effect.path.remote, Uint8Array.of(0xff))
      case 'work': {
        const { job, work } = effect
        return time.after(computingMs, () => this.handle({ on: 'done', job, result: doWork(work, this.random) }))
      }
      case 'certificateWork': {
        const { job, work } = effect
        const result = this.certificates?.(work) ?? { is: 'failed', reason: 'this host has no certificates' }
        return time.after(computingMs, () => this.handle({ on: 'done', job, result }))
      }
      case 'install':
        return this.#install(effect)
      case 'use': {
        const live = this.peers.get(effect.peer)
        if (!live?.pairs.has(effect.inboundSpi)) throw new Error(`use of an unknown pair ${effect.inboundSpi}`)
        live.using = effect.inboundSpi
        return
      }
      case 'remove': {
        const live = this.peers.get(effect.peer)
        if (!live?.pairs.delete(effect.inboundSpi)) throw new Error(`removal of an unknown pair ${effect.inboundSpi}`)
        if (live.using === effect.inboundSpi) live.using = undefined
        return
      }
      case 'move': {
        const live = this.peers.get(effect.peer)
        if (live) live.path = effect.path
        return
      }
      case 'peerGone':
        this.news.push(effect)
        this.peers.delete(effect.peer)
        return
      case 'retrying':
        this.retries.push(effect.reason)
        return
      case 'peerUp':
      case 'failed':
        this.news.push(effect)
        return
      case 'report':
        this.events.push({ at: this.now, event: effect.event })
    }
  }

  // In force at once, as changes in a list are; the answer comes later.
  #install({ job, pair, newPeer }: IkeEffect & { do: 'install' }): void {
    const failure = this.refuseInstalls ?? (newPeer || this.peers.has(pair.peer) ? undefined : 'no such peer')
    const answer: IkeInput = failure === undefined ? { on: 'installed', job } : { on: 'installed', job, failure }
    this.network.time.after(installingMs, () => this.handle(answer))
    if (failure !== undefined) return
    const live: LivePeer = this.peers.get(pair.peer) ?? { pairs: new Map(), using: undefined, path: pair.path }
    this.peers.set(pair.peer, live)
    const fresh = { sequence: 0, seen: new Set<number>(), used: false, octets: 0, heardAt: undefined }
    live.pairs.set(pair.inbound.spi, { ...pair, ...fresh })
    if (pair.use) live.using = pair.inbound.spi
  }

  #transmit(protocol: Datagram['protocol'], from: Endpoint, to: Endpoint, octets: Uint8Array): void {
    this.network.send(this.host, { protocol, from, to, octets })
  }

  #receive({ protocol, from, to, octets }: Datagram): void {
    const path = { local: to, remote: from }
    if (protocol === 'esp') return this.#receiveEsp(path, octets)
    if (to.port === this.ports.ike) return void this.handle({ on: 'datagram', path, octets })
    if (to.port !== this.ports.natt || octets.length <= 4) return
    const ike = octets.subarray(0, 4).every((octet) => octet === 0)
    if (ike) this.handle({ on: 'datagram', path, octets: octets.subarray(4) })
    else this.#receiveEsp(path, octets)
  }

  #receiveEsp(path: Path, octets: Uint8Array): void {
    if (octets.length < 8 + tagOctets) return
    const body = octets.subarray(0, -tagOctets)
    const reader = new Reader(body)
    const spi = reader.u32('SPI')
    const sequence = reader.u32('sequence')
    for (const [peer, live] of this.peers) {
      const pair = live.pairs.get(spi)
      if (pair) return this.#open(peer, live, pair, path, sequence, body, octets.subarray(-tagOctets))
    }
    this.lost.noPair++
  }

  #open(
    peer: PeerId,
    live: LivePeer,
    pair: LivePair,
    path: Path,
    sequence: number,
    body: Uint8Array,
    tag: Uint8Array,
  ): void {
    if (pair.seen.has(sequence)) return
    if (!equal(tag, seal(pair.inbound, body))) {
      this.lost.forged++
      return
    }
    pair.seen.add(sequence)
    pair.heardAt = this.now
    pair.octets += body.length
    this.arrivals.push({ peer, text: new TextDecoder().decode(body.subarray(8)), at: this.now })
    if (!pair.used) {
      pair.used = true
      live.using = pair.inbound.spi
      this.handle({ on: 'pairUsed', peer, inboundSpi: pair.inbound.spi })
    }
    if (pair.encapsulated && !samePath(path, live.path))
      this.handle({ on: 'moved', peer, inboundSpi: pair.inbound.spi, path })
  }
}

const tagOctets = 12

function seal({ cipherKey, integrityKey }: SaPair['inbound'], body: Uint8Array): Uint8Array {
  return hmac('sha1', concat(cipherKey, integrityKey), body).slice(0, tagOctets)
}
