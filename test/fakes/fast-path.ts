// The fast path in memory: the same contract and the same answers as the userland one, without a kernel. Its datagrams are octets on the simulated
// network, which may lose, repeat, delay, corrupt or readdress them. Instead of ESP there is a tag over the contents that needs the same keys.
import { createHmac } from 'node:crypto'
import type {
  Activity,
  Change,
  EspSa,
  FastPath,
  FastPathEvent,
  FastPathOptions,
  PairCounters,
  PeerId,
  SessionCounters,
  SessionId,
  TunnelCounters,
  TunnelId,
  TunnelSelector,
} from '../../src/platform/fast-path.ts'
import { splitNetwork } from '../../src/platform/native-codec.ts'
import { addressOctets, addressText, type Path, samePath } from '../../src/wire/address.ts'
import { concat, equal, Reader, Writer } from '../../src/wire/codec.ts'
import type { Datagram, Host, Network } from '../scenarios/network.ts'

/** What ESP carries. */
type Inner =
  | {
      readonly is: 'control'
      readonly sourcePort: number
      readonly destinationPort: number
      readonly octets: Uint8Array
    }
  | {
      readonly is: 'data'
      readonly tunnel: number
      readonly session: number
      readonly protocol: number
      readonly payload: Uint8Array
    }
  | { readonly is: 'ip'; readonly packet: Uint8Array }

type Pair = {
  readonly add: Change & { do: 'addPair' }
  readonly ordinal: number
  readonly seals: { readonly inbound: Uint8Array; readonly outbound: Uint8Array }
  path: Path
  usable: boolean
  /** Among a tunnel's pairs the greatest carries what is sent; 0: not in use. */
  rank: number
  used: boolean
  movedTo: Path | undefined
  sequence: number
  highest: number
  readonly seen: Set<number>
  readonly counters: { -readonly [K in keyof PairCounters]: PairCounters[K] }
  told: string
}

type Session = {
  readonly add: Change & { do: 'addSession' }
  configuration: (Change & { do: 'configureSession' }) | undefined
  readonly counters: { -readonly [K in keyof SessionCounters]: SessionCounters[K] }
  told: string
}

type Tunnel = {
  set: Change & { do: 'setTunnel' }
  readonly held: Uint8Array[]
  readonly counters: { -readonly [K in keyof TunnelCounters]: TunnelCounters[K] }
  told: string
}

type Peer = {
  readonly id: PeerId
  readonly pairs: Map<number, Pair>
  readonly sessions: Map<SessionId, Session>
  active: Pair | undefined
}

class Refused extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

export class FakeFastPath implements FastPath {
  readonly kind = 'fake'
  readonly description = 'fake, in memory'
  readonly ports: { readonly ike: number; readonly natt: number }
  /** IP packets that came out of sessions. */
  readonly tun: Uint8Array[] = []
  /** Called with each of them too. */
  onTun: ((packet: Uint8Array, session: SessionId | undefined) => void) | undefined
  /** Sequence numbers of an SA: fewer, where a test wants to use them up. */
  sequenceSpace = 2 ** 32
  readonly #network: Network
  readonly #host: Host
  readonly #peers = new Map<PeerId, Peer>()
  readonly #spis = new Map<number, Peer>()
  readonly #sessions = new Map<SessionId, Peer>()
  readonly #routes = new Map<string, SessionId>()
  readonly #tunnels = new Map<TunnelId, Tunnel>()
  readonly #counters: Record<string, number> = {}
  #ordinal = 0
  #rank = 0
  #events: FastPathEvent[] = []
  #receive: ((batch: readonly FastPathEvent[]) => void) | undefined
  #closed = false
  #scheduled = false
  /** After `abandon`: what a former owner made and no later one has claimed; undefined while nothing is to be claimed. */
  #unclaimed: { peers: Set<PeerId>; pairs: Set<number>; sessions: Set<SessionId> } | undefined
  /** What was claimed after a restart, and what nobody wanted: `pair 4711`. */
  readonly adopted: string[] = []
  readonly forgotten: string[] = []

  constructor(network: Network, host: Host, options?: Pick<FastPathOptions, 'ports'>) {
    this.#network = network
    this.#host = host
    this.ports = { ike: options?.ports.ike || 500, natt: options?.ports.natt || 4500 }
    host.receive = (datagram) => this.#arrive(datagram)
  }

  listen(receive: (batch: readonly FastPathEvent[]) => void): void {
    this.#receive = receive
    this.#wake()
  }

  /** The owner was killed: packets go on, nobody hears of anything. `keepEvents`: what waits in sockets is read by the next owner. */
  abandon(keepEvents: boolean): void {
    this.#receive = undefined
    this.#events = keepEvents ? this.#events.filter(({ on }) => on === 'ike' || on === 'control' || on === 'ppp') : []
    this.#unclaimed = {
      peers: new Set(this.#peers.keys()),
      pairs: new Set(this.#spis.keys()),
      sessions: new Set(this.#sessions.keys()),
    }
  }

  forgetTheRest(): void {
    const { peers, pairs, sessions } = this.#unclaimed ?? { peers: [], pairs: [], sessions: [] }
    for (const id of sessions) if (this.#sessions.has(id)) this.#removeSession(id, [])
    for (const spi of pairs) if (this.#spis.has(spi)) this.#removePair(this.#spis.get(spi)!, spi, [])
    for (const id of peers) this.#peers.delete(id)
    this.forgotten.push(
      ...[...peers].map((id) => `peer ${id}`),
      ...[...pairs].map((spi) => `pair ${spi}`),
      ...[...sessions].map((id) => `session ${id}`),
    )
    this.#unclaimed = undefined
  }

  /** True: the change is about something that is there, which is its owner's from now on. */
  #claims(change: Change, undo: (() => void)[]): boolean {
    const left = this.#unclaimed
    if (!left) return false
    switch (change.do) {
      case 'addPeer':
        if (!left.peers.delete(change.peer)) return false
        this.adopted.push(`peer ${change.peer}`)
        return true
      case 'addPair': {
        const { spi, cipherKey } = change.inbound
        // With keys it is a new one.
        if (cipherKey.length > 0) return false
        const holder = this.#spis.get(spi)
        if (!left.pairs.has(spi) || holder?.id !== change.peer)
          throw new Refused('nothing-to-adopt', `peer ${change.peer} had no pair with inbound SPI ${spi}`)
        left.pairs.delete(spi)
        this.adopted.push(`pair ${spi}`)
        const pair = holder.pairs.get(spi)!
        pair.path = change.path
        if (change.use) this.#use(holder, pair, undo)
        return true
      }
      case 'addSession': {
        const holder = this.#sessions.get(change.session)
        const was = holder?.sessions.get(change.session)?.add
        const same = was && JSON.stringify([was.local, was.remote]) === JSON.stringify([change.local, change.remote])
        if (!left.sessions.has(change.session) || holder?.id !== change.peer || !same)
          throw new Refused('nothing-to-adopt', `peer ${change.peer} had no session ${change.session} with these ids`)
        left.sessions.delete(change.session)
        this.adopted.push(`session ${change.session}`)
        return true
      }
      default:
        return false
    }
  }

  // ---- changes -----------------------------------------------------------------------------------------------------------------------------

  apply(job: number, changes: readonly Change[]): void {
    const undo: (() => void)[] = []
    let failure: { code: string; message: string } | undefined
    try {
      for (const change of changes) this.#make(change, undo)
    } catch (error) {
      for (const step of undo.reverse()) step()
      if (!(error instanceof Error && 'code' in error)) throw error
      failure = { code: String(error.code), message: error.message }
    }
    this.#tell(failure ? { on: 'applied', job, failure } : { on: 'applied', job })
    this.#release()
  }

  #make(change: Change, undo: (() => void)[]): void {
    if (this.#claims(change, undo)) return
    switch (change.do) {
      case 'addPeer': {
        if (this.#peers.has(change.peer)) throw new Refused('peer-exists', `peer ${change.peer} exists already`)
        this.#peers.set(change.peer, { id: change.peer, pairs: new Map(), sessions: new Map(), active: undefined })
        undo.push(() => this.#peers.delete(change.peer))
        return
      }
      case 'removePeer': {
        const peer = this.#peer(change.peer)
        for (const session of [...peer.sessions.keys()]) this.#removeSession(session, undo)
        for (const spi of [...peer.pairs.keys()]) this.#removePair(peer, spi, undo)
        this.#peers.delete(peer.id)
        undo.push(() => this.#peers.set(peer.id, peer))
        return
      }
      case 'addPair':
        this.#addPair(change, undo)
        return
      case 'useOutbound': {
        const peer = this.#peer(change.peer)
        this.#use(peer, this.#pair(peer, change.inboundSpi), undo)
        return
      }
      case 'removePair': {
        const peer = this.#peer(change.peer)
        this.#pair(peer, change.inboundSpi)
        this.#removePair(peer, change.inboundSpi, undo)
        return
      }
      case 'move':
        for (const pair of this.#peer(change.peer).pairs.values()) {
          const { path, movedTo } = pair
          undo.push(() => Object.assign(pair, { path, movedTo }))
          Object.assign(pair, { path: change.path, movedTo: undefined })
        }
        return
      case 'addSession':
        this.#addSession(change, undo)
        return
      case 'configureSession':
        this.#configure(change, undo)
        return
      case 'removeSession':
        this.#session(change.session)
        this.#removeSession(change.session, undo)
        return
      case 'setTunnel': {
        const before = this.#tunnels.get(change.tunnel)
        const counters = { tunnel: change.tunnel, ...noTraffic(), wrongSource: 0, tooBig: 0 }
        const tunnel = before ?? { set: change, held: [], counters, told: JSON.stringify(counters) }
        const { set } = tunnel
        tunnel.set = change
        this.#tunnels.set(change.tunnel, tunnel)
        undo.push(() => {
          tunnel.set = set
          if (!before) this.#tunnels.delete(change.tunnel)
        })
        return
      }
      case 'removeTunnel': {
        const tunnel = this.#tunnels.get(change.tunnel)
        if (!tunnel) throw new Refused('no-such-tunnel', `there is no tunnel ${change.tunnel}`)
        this.#tunnels.delete(change.tunnel)
        undo.push(() => this.#tunnels.set(change.tunnel, tunnel))
      }
    }
  }

  #addPair(change: Change & { do: 'addPair' }, undo: (() => void)[]): void {
    const peer = this.#peer(change.peer)
    const { inbound, outbound, replayWindow } = change
    if (inbound.spi < 256 || outbound.spi < 256) throw new Refused('bad-spi', 'SPIs below 256 are reserved')
    if (replayWindow < 32 || replayWindow > 4096) throw new Refused('bad-window', `a replay window of ${replayWindow}`)
    if (change.tunnel && !this.#tunnels.has(change.tunnel.id))
      throw new Refused('no-such-tunnel', `there is no tunnel ${change.tunnel.id}`)
    if (this.#spis.has(inbound.spi)) throw new Refused('spi-in-use', `inbound SPI ${inbound.spi} is in use`)
    const pair: Pair = {
      add: change,
      ordinal: this.#ordinal++,
      seals: { inbound: sealOf(inbound), outbound: sealOf(outbound) },
      path: change.path,
      usable: false,
      rank: 0,
      used: false,
      movedTo: undefined,
      sequence: 0,
      highest: 0,
      seen: new Set(),
      counters: { peer: peer.id, inboundSpi: inbound.spi, ...noTraffic(), replayed: 0, forged: 0 },
      told: '',
    }
    pair.told = JSON.stringify(pair.counters)
    peer.pairs.set(inbound.spi, pair)
    this.#spis.set(inbound.spi, peer)
    undo.push(() => {
      peer.pairs.delete(inbound.spi)
      this.#spis.delete(inbound.spi)
    })
    if (change.use) this.#use(peer, pair, undo)
  }

  #use(peer: Peer, pair: Pair, undo: (() => void)[]): void {
    const { active } = peer
    const { usable } = pair
    undo.push(() => {
      peer.active = active
      pair.usable = usable
    })
    pair.usable = true
    if (pair.add.tunnel) pair.rank = ++this.#rank
    else peer.active = pair
  }

  #removePair(peer: Peer, spi: number, undo: (() => void)[]): void {
    const pair = peer.pairs.get(spi)!
    const { active } = peer
    peer.pairs.delete(spi)
    this.#spis.delete(spi)
    undo.push(() => {
      peer.pairs.set(spi, pair)
      this.#spis.set(spi, peer)
      peer.active = active
    })
    if (active !== pair) return
    const usable = [...peer.pairs.values()].filter((other) => other.usable && !other.add.tunnel)
    peer.active = usable.sort((a, b) => b.ordinal - a.ordinal)[0]
  }

  #addSession(change: Change & { do: 'addSession' }, undo: (() => void)[]): void {
    const peer = this.#peer(change.peer)
    if (this.#sessions.has(change.session))
      throw new Refused('session-exists', `session ${change.session} exists already`)
    for (const { add } of peer.sessions.values()) {
      if (add.local.tunnel === change.local.tunnel && add.local.session === change.local.session) {
        throw new Refused('ids-in-use', `peer ${peer.id} has a session with these ids`)
      }
    }
    const counters = { session: change.session, ...noTraffic(), wrongSource: 0, tooBig: 0 }
    peer.sessions.set(change.session, {
      add: change,
      configuration: undefined,
      counters,
      told: JSON.stringify(counters),
    })
    this.#sessions.set(change.session, peer)
    undo.push(() => {
      peer.sessions.delete(change.session)
      this.#sessions.delete(change.session)
    })
  }

  #configure(change: Change & { do: 'configureSession' }, undo: (() => void)[]): void {
    const session = this.#session(change.session)
    const wanted = destinationsOf(change)
    const had = session.configuration ? destinationsOf(session.configuration) : []
    for (const network of wanted) {
      const holder = this.#routes.get(network)
      if (holder !== undefined && holder !== change.session)
        throw new Refused('address-in-use', `${network} belongs to session ${holder}`)
    }
    const before = session.configuration
    this.#route(change.session, had, wanted)
    session.configuration = change
    undo.push(() => {
      session.configuration = before
      this.#route(change.session, wanted, had)
    })
  }

  #removeSession(id: SessionId, undo: (() => void)[]): void {
    const peer = this.#sessions.get(id)!
    const session = peer.sessions.get(id)!
    const had = session.configuration ? destinationsOf(session.configuration) : []
    this.#route(id, had, [])
    peer.sessions.delete(id)
    this.#sessions.delete(id)
    undo.push(() => {
      peer.sessions.set(id, session)
      this.#sessions.set(id, peer)
      this.#route(id, [], had)
    })
  }

  #route(session: SessionId, had: readonly string[], has: readonly string[]): void {
    for (const network of had) this.#routes.delete(network)
    for (const network of has) this.#routes.set(network, session)
  }

  #peer(id: PeerId): Peer {
    const peer = this.#peers.get(id)
    if (!peer) throw new Refused('no-such-peer', `there is no peer ${id}`)
    return peer
  }

  #pair(peer: Peer, spi: number): Pair {
    const pair = peer.pairs.get(spi)
    if (!pair) throw new Refused('no-such-pair', `peer ${peer.id} has no pair with inbound SPI ${spi}`)
    return pair
  }

  #session(id: SessionId): Session {
    const session = this.#sessions.get(id)?.sessions.get(id)
    if (!session) throw new Refused('no-such-session', `there is no session ${id}`)
    return session
  }

  // ---- out ---------------------------------------------------------------------------------------------------------------------------------

  sendIke(path: Path, octets: Uint8Array): void {
    this.#send('udp', path, path.local.port === this.ports.ike ? octets : concat(nonEspMarker, octets))
  }

  sendKeepalive(path: Path): void {
    this.#send('udp', path, Uint8Array.of(0xff))
  }

  #send(protocol: Datagram['protocol'], { local, remote }: Path, octets: Uint8Array): void {
    if (this.#closed) return
    const end = ({ address, port }: Path['local']) => ({ address, port: protocol === 'udp' ? port : 0 })
    this.#network.send(this.#host, { protocol, from: end(local), to: end(remote), octets })
  }

  sendControl(id: PeerId, localPort: number, remotePort: number, octets: Uint8Array): void {
    const peer = this.#peers.get(id)
    if (!peer?.active) return this.#count('dropNoPair')
    this.#seal(
      peer,
      { is: 'control', sourcePort: localPort, destinationPort: remotePort, octets: octets.slice() },
      8 + octets.length,
    )
  }

  sendPpp(id: SessionId, protocol: number, payload: Uint8Array): void {
    const peer = this.#sessions.get(id)
    if (!peer?.active) return this.#count('dropNoPair')
    const { remote } = peer.sessions.get(id)!.add
    const inner = {
      is: 'data',
      tunnel: remote.tunnel,
      session: remote.session,
      protocol,
      payload: payload.slice(),
    } as const
    this.#seal(peer, inner, 18 + payload.length)
  }

  /** An IP packet from behind, as if it came out of the TUN. */
  fromTun(packet: Uint8Array): void {
    const ip = parseIp(packet)
    const id = ip && this.#sessionFor(ip.destination)
    const session = id === undefined ? undefined : this.#sessions.get(id)?.sessions.get(id)
    if (ip && !session && this.#toTunnel(ip, packet)) return
    if (!ip || !session || id === undefined) return this.#count('dropNoRoute')
    if (packet.length > session.configuration!.mtu) {
      session.counters.tooBig++
      return this.#count('dropTooBig')
    }
    session.counters.packetsOut++
    session.counters.octetsOut += packet.length
    this.sendPpp(id, ip.version === 4 ? 0x21 : 0x57, packet)
  }

  /** False: no tunnel is for this packet. */
  #toTunnel(ip: Ip, packet: Uint8Array): boolean {
    const tunnel = [...this.#tunnels.values()].find(({ set }) => set.selectors.some((one) => meets(one, ip, 'out')))
    if (!tunnel) return false
    const id = tunnel.set.tunnel
    const carriers = [...this.#peers.values()].flatMap((peer) =>
      [...peer.pairs.values()]
        .filter(({ add, rank }) => rank > 0 && add.tunnel?.id === id && meets(add.tunnel.selector, ip, 'out'))
        .map((pair) => ({ peer, pair })),
    )
    const carrier = carriers.sort((a, b) => b.pair.rank - a.pair.rank)[0]
    if (!carrier) {
      this.#hold(tunnel, ip, packet)
      return true
    }
    tunnel.counters.packetsOut++
    tunnel.counters.octetsOut += packet.length
    this.#seal(carrier.peer, { is: 'ip', packet: packet.slice() }, packet.length, carrier.pair)
    return true
  }

  #hold(tunnel: Tunnel, ip: Ip, packet: Uint8Array): void {
    if (!tunnel.set.hold) return this.#count('dropNoPair')
    if (tunnel.held.length === 64) return this.#count('dropHeld')
    tunnel.held.push(packet.slice())
    this.#count('held')
    this.#tell({
      on: 'acquire',
      tunnel: tunnel.set.tunnel,
      protocol: ip.protocol,
      source: { address: ip.source, port: 0 },
      destination: { address: ip.destination, port: 0 },
    })
  }

  #release(): void {
    for (const { held, set } of this.#tunnels.values()) {
      const ready = [...this.#peers.values()].some((peer) =>
        [...peer.pairs.values()].some(({ add, rank }) => rank > 0 && add.tunnel?.id === set.tunnel),
      )
      // Or they go to a session by now.
      const first = held[0] && parseIp(held[0])
      const routed = first !== undefined && this.#sessionFor(first.destination) !== undefined
      if (ready || routed) for (const packet of held.splice(0)) this.fromTun(packet)
    }
  }

  #seal(peer: Peer, inner: Inner, octets: number, pair = peer.active!): void {
    if (pair.sequence + 1 >= this.sequenceSpace) return this.#count('dropExhausted')
    const sequence = ++pair.sequence
    if (sequence === Math.floor((this.sequenceSpace / 4) * 3)) {
      this.#tell({ on: 'sequenceLow', peer: peer.id, inboundSpi: pair.add.inbound.spi })
    }
    pair.counters.packetsOut++
    pair.counters.octetsOut += octets
    const { encapsulated, outbound } = pair.add
    const body = new Writer().u32(outbound.spi).u32(sequence).put(encodeInner(inner)).done()
    this.#send(encapsulated ? 'udp' : 'esp', pair.path, concat(body, tagOf(pair.seals.outbound, body)))
  }

  // ---- in ----------------------------------------------------------------------------------------------------------------------------------

  #arrive({ protocol, from, to, octets }: Datagram): void {
    if (this.#closed) return
    const path = { local: to, remote: from }
    const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
    if (protocol === 'esp') return this.#open(path, octets, false)
    if (to.port === this.ports.ike) return this.#ike(path, octets)
    if (to.port !== this.ports.natt) return this.#count('dropUnreachable')
    if (octets.length === 1 && octets[0] === 0xff) return this.#count('keepaliveIn')
    if (octets.length < 4) return this.#count('dropTooShort')
    if (view.getUint32(0) === 0) return this.#ike(path, octets.subarray(4))
    this.#open(path, octets, true)
  }

  #ike(path: Path, octets: Uint8Array): void {
    if (octets.length < 28) return this.#count('dropTooShort')
    this.#count('ikeIn')
    this.#tell({ on: 'ike', path, octets: octets.slice() })
  }

  #open(path: Path, octets: Uint8Array, encapsulated: boolean): void {
    if (octets.length < 8 + tagOctets) return this.#count('dropTooShort')
    const body = octets.subarray(0, octets.length - tagOctets)
    const from = new Reader(body)
    const spi = from.u32('spi')
    const sequence = from.u32('sequence')
    const peer = this.#spis.get(spi)
    const pair = peer?.pairs.get(spi)
    if (!peer || !pair) {
      this.#count('dropUnknownSpi')
      return this.#tell({ on: 'unknownSpi', path, spi })
    }
    if (sequence === 0 || sequence <= pair.highest - pair.add.replayWindow || pair.seen.has(sequence)) {
      pair.counters.replayed++
      return this.#count('dropReplayed')
    }
    if (!equal(tagOf(pair.seals.inbound, body), octets.subarray(octets.length - tagOctets))) {
      pair.counters.forged++
      return this.#count('dropForged')
    }
    if (encapsulated !== pair.add.encapsulated) return this.#count('dropEncapsulation')
    const newest = sequence > pair.highest
    pair.seen.add(sequence)
    pair.highest = Math.max(pair.highest, sequence)
    for (const old of pair.seen) if (old <= pair.highest - pair.add.replayWindow) pair.seen.delete(old)
    // Nobody looks while nobody is there, and nobody changes over.
    if (!pair.used && !this.#unclaimed?.pairs.has(spi)) this.#used(peer, pair)
    if (newest) this.#checkPath(peer, pair, path)
    pair.counters.packetsIn++
    this.#deliver(peer, pair, decodeInner(from))
  }

  #used(peer: Peer, pair: Pair): void {
    pair.used = true
    pair.usable = true
    if (pair.add.tunnel) pair.rank ||= ++this.#rank
    else if (!peer.active || peer.active.ordinal < pair.ordinal) peer.active = pair
    this.#tell({ on: 'pairUsed', peer: peer.id, inboundSpi: pair.add.inbound.spi })
  }

  #checkPath(peer: Peer, pair: Pair, seen: Path): void {
    const { encapsulated, inbound } = pair.add
    const told: Path = encapsulated
      ? seen
      : {
          local: { address: seen.local.address, port: pair.path.local.port },
          remote: { address: seen.remote.address, port: pair.path.remote.port },
        }
    if (samePath(told, pair.path)) {
      pair.movedTo = undefined
      return
    }
    if (pair.movedTo && samePath(pair.movedTo, told)) return
    pair.movedTo = told
    this.#tell({ on: 'moved', peer: peer.id, inboundSpi: inbound.spi, path: told })
  }

  #deliver(peer: Peer, pair: Pair, inner: Inner): void {
    if (inner.is === 'control') {
      pair.counters.octetsIn += 8 + inner.octets.length
      const { destinationPort: localPort, sourcePort: remotePort, octets } = inner
      return this.#tell({ on: 'control', peer: peer.id, localPort, remotePort, octets })
    }
    if (pair.add.tunnel || inner.is === 'ip') return this.#tunnelled(pair, inner)
    pair.counters.octetsIn += 18 + inner.payload.length
    for (const session of peer.sessions.values()) {
      const { local } = session.add
      if (local.tunnel === inner.tunnel && local.session === inner.session)
        return this.#ppp(session, inner.protocol, inner.payload)
    }
    this.#count('dropStray')
    this.#tell({ on: 'strayData', peer: peer.id, tunnel: inner.tunnel, session: inner.session })
  }

  #tunnelled(pair: Pair, inner: Inner): void {
    const ip = inner.is === 'ip' ? parseIp(inner.packet) : undefined
    const { tunnel: meant } = pair.add
    const tunnel = this.#tunnels.get(meant?.id ?? -1)
    if (inner.is !== 'ip' || !ip || !meant || !tunnel) return this.#count('dropInner')
    pair.counters.octetsIn += inner.packet.length
    if (!meets(meant.selector, ip, 'in')) {
      tunnel.counters.wrongSource++
      return this.#count('dropSelector')
    }
    tunnel.counters.packetsIn++
    tunnel.counters.octetsIn += inner.packet.length
    this.tun.push(inner.packet)
    this.onTun?.(inner.packet, undefined)
  }

  #ppp(session: Session, protocol: number, payload: Uint8Array): void {
    const id = session.add.session
    if (protocol !== 0x21 && protocol !== 0x57) return this.#tell({ on: 'ppp', session: id, protocol, payload })
    const { configuration } = session
    if (!configuration || !isOpen(configuration)) return this.#count('dropUnconfigured')
    const ip = parseIp(payload)
    if (!ip || ip.version !== (protocol === 0x21 ? 4 : 6)) return this.#count('dropInner')
    const dhcp = !configuration.anySource && ip.udpPort === 67 && ip.version === 4
    if (!allowsSource(configuration, ip.source) && !(dhcp && ip.source === '0.0.0.0')) {
      session.counters.wrongSource++
      return this.#count('dropSource')
    }
    session.counters.packetsIn++
    session.counters.octetsIn += payload.length
    if (dhcp) return this.#tell({ on: 'dhcp', session: id, packet: payload })
    this.tun.push(payload)
    this.onTun?.(payload, id)
  }

  #sessionFor(destination: string): SessionId | undefined {
    const found = [...this.#routes].filter(([network]) => contains(network, destination))
    const longest = found.sort(([a], [b]) => splitNetwork(b)[1] - splitNetwork(a)[1])[0]
    if (longest) return longest[1]
    for (const [id, peer] of this.#sessions) {
      const configuration = peer.sessions.get(id)?.configuration
      if (configuration?.anySource) return id
      if (configuration && linkLocalOf(configuration) === destination) return id
    }
    return undefined
  }

  // ---- the rest ----------------------------------------------------------------------------------------------------------------------------

  activity(): Activity {
    const pairs: PairCounters[] = []
    const sessions: SessionCounters[] = []
    for (const peer of this.#peers.values()) {
      for (const pair of peer.pairs.values()) if (changed(pair)) pairs.push({ ...pair.counters })
      for (const session of peer.sessions.values()) if (changed(session)) sessions.push({ ...session.counters })
    }
    const tunnels = [...this.#tunnels.values()].filter(changed).map(({ counters }) => ({ ...counters }))
    return tunnels.length > 0 ? { pairs, sessions, tunnels } : { pairs, sessions }
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#events = []
  }

  #count(name: string): void {
    this.#counters[name] = (this.#counters[name] ?? 0) + 1
  }

  #tell(event: FastPathEvent): void {
    this.#events.push(event)
    this.#wake()
  }

  #wake(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    this.#network.time.after(0, () => {
      this.#scheduled = false
      if (!this.#receive || this.#closed || this.#events.length === 0) return
      const batch = this.#events
      this.#events = []
      this.#receive(batch)
    })
  }
}

const keyLengths: Record<EspSa['cipher'], number> = {
  des: 8,
  '3des': 24,
  aes128: 16,
  aes192: 24,
  aes256: 32,
  aes128gcm16: 20,
  aes192gcm16: 28,
  aes256gcm16: 36,
  null: 0,
}
const integrityLengths = { md5: 16, sha1: 20, sha256: 32, sha256_96: 32, sha384: 48, sha512: 64 } as const

/** The key of the tag: everything that both ends must agree on. */
function sealOf(sa: EspSa): Uint8Array {
  const aead = sa.cipher.endsWith('gcm16')
  if (aead !== (sa.hash === undefined))
    throw new Refused('unknown-algorithm', `no ESP transform is called ${sa.cipher}-${sa.hash}`)
  if (
    sa.cipherKey.length !== keyLengths[sa.cipher] ||
    sa.integrityKey.length !== (sa.hash ? integrityLengths[sa.hash] : 0)
  ) {
    throw new Refused('bad-key-length', `keys of ${sa.cipherKey.length} and ${sa.integrityKey.length} octets`)
  }
  return concat(new TextEncoder().encode(`${sa.cipher} ${sa.hash} ${sa.esn}`), sa.cipherKey, sa.integrityKey)
}

const nonEspMarker = new Uint8Array(4)
const tagOctets = 12

function tagOf(seal: Uint8Array, body: Uint8Array): Uint8Array {
  return createHmac('sha1', seal).update(body).digest().subarray(0, tagOctets)
}

function encodeInner(inner: Inner): Uint8Array {
  const to = new Writer()
  if (inner.is === 'control') return to.u8(1).u16(inner.sourcePort).u16(inner.destinationPort).put(inner.octets).done()
  if (inner.is === 'ip') return to.u8(3).put(inner.packet).done()
  return to.u8(2).u16(inner.tunnel).u16(inner.session).u16(inner.protocol).put(inner.payload).done()
}

/** The tag has vouched for it. */
function decodeInner(from: Reader): Inner {
  const kind = from.u8('kind')
  if (kind === 3) return { is: 'ip', packet: from.rest().slice() }
  if (kind === 1) {
    const ports = { sourcePort: from.u16('port'), destinationPort: from.u16('port') }
    return { is: 'control', ...ports, octets: from.rest().slice() }
  }
  const ids = { tunnel: from.u16('tunnel'), session: from.u16('session'), protocol: from.u16('protocol') }
  return { is: 'data', ...ids, payload: from.rest().slice() }
}

function noTraffic() {
  return { octetsIn: 0, packetsIn: 0, octetsOut: 0, packetsOut: 0 }
}

function changed(holder: { readonly counters: object; told: string }): boolean {
  const now = JSON.stringify(holder.counters)
  const differs = now !== holder.told
  holder.told = now
  return differs
}

function destinationsOf(configuration: Change & { do: 'configureSession' }): string[] {
  const { address, networks } = configuration
  const all = networks.map(canonical)
  return address === undefined
    ? all
    : [...all, canonical(`${address}/${addressOctets(address)?.length === 16 ? 128 : 32}`)]
}

function canonical(network: string): string {
  const [address, prefix] = splitNetwork(network)
  return `${addressText(masked(addressOctets(address)!, prefix))}/${prefix}`
}

function masked(octets: Uint8Array, prefix: number): Uint8Array {
  return octets.map((octet, i) => octet & (0xff00 >> Math.min(8, Math.max(0, prefix - 8 * i))))
}

function contains(network: string, address: string): boolean {
  const [base, prefix] = splitNetwork(network)
  const octets = addressOctets(address)!
  return octets.length === addressOctets(base)!.length && addressText(masked(octets, prefix)) === base
}

function linkLocalOf({ interfaceId }: Change & { do: 'configureSession' }): string | undefined {
  return interfaceId && addressText(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...interfaceId))
}

function isOpen(configuration: Change & { do: 'configureSession' }): boolean {
  const { address, networks, anySource, interfaceId } = configuration
  return address !== undefined || networks.length > 0 || anySource === true || interfaceId !== undefined
}

function allowsSource(configuration: Change & { do: 'configureSession' }, source: string): boolean {
  if (configuration.anySource) return true
  return (
    destinationsOf(configuration).some((network) => contains(network, source)) || linkLocalOf(configuration) === source
  )
}

/** Ports are not looked at: no test asks for them. */
function meets({ local, remote, protocol }: TunnelSelector, ip: Ip, way: 'out' | 'in'): boolean {
  const [ours, theirs] = way === 'out' ? [ip.source, ip.destination] : [ip.destination, ip.source]
  return contains(local, ours) && contains(remote, theirs) && (protocol === 0 || protocol === ip.protocol)
}

type Ip = {
  readonly version: 4 | 6
  readonly protocol: number
  readonly source: string
  readonly destination: string
  readonly udpPort: number | undefined
}

function parseIp(packet: Uint8Array): Ip | undefined {
  const version = packet[0] === undefined ? 0 : packet[0] >> 4
  if (version === 4 && packet.length >= 20) {
    const header = (packet[0]! & 15) * 4
    const udp = packet[9] === 17 && packet.length >= header + 4
    return {
      version,
      protocol: packet[9]!,
      source: addressText(packet.subarray(12, 16)),
      destination: addressText(packet.subarray(16, 20)),
      udpPort: udp ? (packet[header + 2]! << 8) | packet[header + 3]! : undefined,
    }
  }
  if (version === 6 && packet.length >= 40) {
    return {
      version,
      protocol: packet[6]!,
      source: addressText(packet.subarray(8, 24)),
      destination: addressText(packet.subarray(24, 40)),
      udpPort: undefined,
    }
  }
  return undefined
}
