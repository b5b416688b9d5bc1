// Two fast paths with nothing between them but a queue: what one sends the other has. No ESP, no network, no TUN: what remains is the control plane's own.
import type { Change, FastPath, FastPathEvent, PeerId, SessionId } from '../../src/platform/fast-path.ts'
import type { Path } from '../../src/wire/address.ts'

type Session = Change & { do: 'addSession' }
type Peer = { outboundSpi: number; readonly sessions: Map<string, SessionId> }

/** A pair of ends. What is sent arrives in the other's next batch; outcomes of changes in one's own. */
export function loopedPaths(): readonly [FastPath, FastPath] {
  const [a, b] = [new LoopedPath(), new LoopedPath()]
  a.other = b
  b.other = a
  return [a, b]
}

class LoopedPath implements FastPath {
  readonly kind = 'fake'
  readonly description = 'a loop in memory'
  readonly ports = { ike: 500, natt: 4500 }
  other!: LoopedPath
  readonly #peers = new Map<PeerId, Peer>()
  readonly #sessions = new Map<SessionId, Session>()
  /** Inbound SPI to the peer that it belongs to. */
  readonly #inbound = new Map<number, PeerId>()
  readonly #used = new Set<number>()
  #events: FastPathEvent[] = []
  #receive: ((batch: readonly FastPathEvent[]) => void) | undefined
  #scheduled = false
  #closed = false

  listen(receive: (batch: readonly FastPathEvent[]) => void): void {
    this.#receive = receive
  }

  apply(job: number, changes: readonly Change[]): void {
    for (const change of changes) this.#change(change)
    this.#tell({ on: 'applied', job })
  }

  #change(change: Change): void {
    switch (change.do) {
      case 'addPeer':
        this.#peers.set(change.peer, { outboundSpi: 0, sessions: new Map() })
        return
      case 'removePeer':
        for (const id of this.#peers.get(change.peer)?.sessions.values() ?? []) this.#sessions.delete(id)
        this.#peers.delete(change.peer)
        return
      case 'addPair':
        this.#inbound.set(change.inbound.spi, change.peer)
        this.#peers.get(change.peer)!.outboundSpi = change.outbound.spi
        return
      case 'removePair':
        this.#inbound.delete(change.inboundSpi)
        this.#used.delete(change.inboundSpi)
        return
      case 'addSession':
        this.#sessions.set(change.session, change)
        this.#peers.get(change.peer)!.sessions.set(`${change.local.tunnel} ${change.local.session}`, change.session)
        return
      case 'removeSession':
        this.#sessions.delete(change.session)
    }
  }

  sendIke({ local, remote }: Path, octets: Uint8Array): void {
    this.other.#tell({ on: 'ike', path: { local: remote, remote: local }, octets })
  }

  sendKeepalive(): void {}

  sendControl(peer: PeerId, localPort: number, remotePort: number, octets: Uint8Array): void {
    const to = this.#across(peer)
    if (to !== undefined)
      this.other.#tell({ on: 'control', peer: to, localPort: remotePort, remotePort: localPort, octets })
  }

  sendPpp(id: SessionId, protocol: number, payload: Uint8Array): void {
    const session = this.#sessions.get(id)
    const peer = session && this.#across(session.peer)
    if (!session || peer === undefined) return
    const { tunnel, session: remote } = session.remote
    const to = this.other.#peers.get(peer)?.sessions.get(`${tunnel} ${remote}`)
    if (to !== undefined) this.other.#tell({ on: 'ppp', session: to, protocol, payload })
  }

  /** The other end's number of this peer; a first packet on its SA is told there. */
  #across(peer: PeerId): PeerId | undefined {
    const spi = this.#peers.get(peer)?.outboundSpi ?? 0
    const to = this.other.#inbound.get(spi)
    if (to !== undefined && !this.other.#used.has(spi)) {
      this.other.#used.add(spi)
      this.other.#tell({ on: 'pairUsed', peer: to, inboundSpi: spi })
    }
    return to
  }

  activity() {
    return { pairs: [], sessions: [] }
  }

  counters() {
    return {}
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #tell(event: FastPathEvent): void {
    this.#events.push(event)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      const batch = this.#events
      this.#events = []
      if (!this.#closed) this.#receive?.(batch)
    })
  }
}
