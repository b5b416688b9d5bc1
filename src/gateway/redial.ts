// What both kinds of sites share in reaching a peer: its addresses, some of them by name, and how long to wait after it wasn't reached.
import { ipv4Number } from '../wire/address.ts'
import type { EventLog } from './event-log.ts'
import type { Platform } from './platform.ts'

/** Our own: the pause after all peers of a site were tried, at first and at most. */
const pause = { firstMs: 5_000, mostMs: 300_000 } as const
/** Our own: names are looked up again so often, and before each attempt. */
export const resolveMs = 300_000

/** After this many failures in a row, of so many addresses: whether there is another to try at once, else how long to wait (doubled each round). */
export function redialAfter(failures: number, addresses: number): { readonly others: boolean; readonly ms: number } {
  const all = Math.max(1, addresses)
  const others = failures % all !== 0
  const ms = Math.min(pause.firstMs * 2 ** Math.min(10, Math.floor(failures / all) - 1), pause.mostMs)
  return { others, ms: others ? 0 : ms }
}

export class PeerAddresses {
  readonly #name: string
  readonly #peers: readonly string[]
  /** By peer as configured; a name has what it was resolved to last. */
  readonly #known = new Map<string, readonly string[]>()

  constructor(name: string, peers: readonly string[]) {
    this.#name = name
    this.#peers = peers
  }

  get all(): readonly string[] {
    return this.#peers.flatMap((peer) => this.#known.get(peer) ?? [])
  }

  get named(): boolean {
    return this.#peers.some((peer) => ipv4Number(peer) === undefined)
  }

  /** Looks names up. Never rejects: what was known last may still be right, and where nothing was it is reported. */
  async resolve(platform: Platform, events: EventLog): Promise<void> {
    for (const peer of this.#peers) {
      if (ipv4Number(peer) !== undefined) {
        this.#known.set(peer, [peer])
        continue
      }
      try {
        this.#known.set(peer, (await platform.resolve?.(peer)) ?? [])
      } catch (error) {
        if (this.#known.has(peer)) continue
        const why = `${peer} of site ${this.#name} has no address: ${(error as Error).message}`
        events.emit({ event: 'network.trouble', what: 'a name', why })
      }
    }
  }
}
