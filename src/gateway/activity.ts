// Turns the fast path's counters into what the machines want to hear: who was heard since the last look, and what moved.
import type { PeerId } from '../ike/contract.ts'
import type { Activity as Counted, SessionCounters, TunnelCounters } from '../platform/fast-path.ts'
import type { Instant } from '../wire/machine.ts'

export type Moved = {
  /** For IKE: octets are those of both directions since the last look; `at` where something came in. */
  readonly pairs: readonly {
    readonly peer: PeerId
    readonly inboundSpi: number
    readonly at: Instant | undefined
    readonly octets: number
    readonly sent: boolean
  }[]
  /** For L2TP: peers from which something came. */
  readonly peers: readonly PeerId[]
  readonly tunnels: readonly TunnelCounters[]
  /** For PPP. `inbound`: IP came from the client; `user`: IP moved either way; `wrongSource`: packets refused since the last look. */
  readonly sessions: readonly {
    readonly counters: SessionCounters
    readonly inbound: boolean
    readonly user: boolean
    readonly wrongSource: number
  }[]
}

type Before = { readonly packetsIn: number; readonly packetsOut: number; readonly wrongSource: number }

export class Activity {
  /** Packets each way, and octets of both, of each pair by inbound SPI. */
  readonly #pairs = new Map<
    number,
    { readonly packetsIn: number; readonly packetsOut: number; readonly octets: number }
  >()
  readonly #sessions = new Map<number, Before>()

  since({ pairs, sessions, tunnels = [] }: Counted, now: Instant): Moved {
    const peers = new Set<PeerId>()
    const moved = pairs.map(({ peer, inboundSpi, packetsIn, packetsOut, octetsIn, octetsOut }) => {
      const before = this.#pairs.get(inboundSpi) ?? { packetsIn: 0, packetsOut: 0, octets: 0 }
      const octets = octetsIn + octetsOut
      this.#pairs.set(inboundSpi, { packetsIn, packetsOut, octets })
      const heard = packetsIn > before.packetsIn
      if (heard) peers.add(peer)
      const sent = packetsOut > before.packetsOut
      return { peer, inboundSpi, at: heard ? now : undefined, octets: octets - before.octets, sent }
    })
    return { pairs: moved, peers: [...peers], sessions: sessions.map((counters) => this.#session(counters)), tunnels }
  }

  forgetPair(inboundSpi: number): void {
    this.#pairs.delete(inboundSpi)
  }

  forgetSession(session: number): void {
    this.#sessions.delete(session)
  }

  #session(counters: SessionCounters): Moved['sessions'][number] {
    const { session, packetsIn, packetsOut, wrongSource } = counters
    const before = this.#sessions.get(session) ?? { packetsIn: 0, packetsOut: 0, wrongSource: 0 }
    this.#sessions.set(session, { packetsIn, packetsOut, wrongSource })
    const inbound = packetsIn > before.packetsIn
    return {
      counters,
      inbound,
      user: inbound || packetsOut > before.packetsOut,
      wrongSource: wrongSource - before.wrongSource,
    }
  }
}
