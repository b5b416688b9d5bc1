// Writes down what an endpoint knows, record by record, whenever it changes (write-ahead.ts says when), and reads it back after a restart.
//   ike/… l2tp/…   the machines' own records
//   peer/ID        what the endpoint keeps of a peer beside IKE
//   call/ID        a call: its link, if it carries packets, what the fast path was told of it, and what the owner keeps of it
import type { ClientKind, PeerId } from '../ike/contract.ts'
import type { CallId } from '../l2tp/contract.ts'
import type { Change } from '../platform/fast-path.ts'
import type { Journal } from '../platform/journal.ts'
import type { LinkRecord } from '../ppp/link.ts'
import type { Durable, Records } from '../wire/durable.ts'
import type { Call, EndpointOwner, Peer } from './owner.ts'

export type PeerRecord = {
  readonly client: ClientKind
  readonly ike: string
  readonly esp: string
  readonly weak: boolean
  readonly natted: boolean
}

export type Configured = Change & { readonly do: 'configureSession' }

export type CallRecord = {
  /** Undefined: it was still being negotiated, and is negotiated anew. */
  readonly link: LinkRecord | undefined
  readonly configured: Configured | undefined
  /** The owner's own; undefined where there is nothing to go on with. */
  readonly kept: unknown
  /** It was saying goodbye. */
  readonly leaving: boolean
}

type Parts = {
  readonly journal: Journal
  readonly ike: Durable
  readonly l2tp: Durable
  readonly peers: ReadonlyMap<PeerId, Peer>
  readonly calls: ReadonlyMap<CallId, Call>
  readonly owner: EndpointOwner
}

/** The records whose names begin so, without that beginning. */
export function under(prefix: string, records: Records): Records {
  const found = [...records].filter(([name]) => name.startsWith(prefix))
  return new Map(found.map(([name, record]) => [name.slice(prefix.length), record]))
}

export class Keeper {
  readonly #parts: Parts
  readonly #peers: Set<PeerId> = new Set()
  readonly #calls: Set<CallId> = new Set()
  /** Names that the journal has: what never was in it need not be taken out. */
  readonly #written: Set<string> = new Set()

  constructor(parts: Parts) {
    this.#parts = parts
    for (const name of parts.journal.former?.keys() ?? []) this.#written.add(name)
  }

  peerChanged(id: PeerId): void {
    this.#peers.add(id)
  }

  callChanged(id: CallId): void {
    this.#calls.add(id)
  }

  /** Everything that may have changed since the last time, as one. */
  write(): void {
    const { journal, ike, l2tp, peers, calls, owner } = this.#parts
    const records = new Map<string, unknown>()
    const put = (name: string, record: unknown) => {
      if (record !== undefined) this.#written.add(name)
      else if (!this.#written.delete(name)) return
      records.set(name, record)
    }
    for (const [name, record] of ike.changes()) put(`ike/${name}`, record)
    for (const [name, record] of l2tp.changes()) put(`l2tp/${name}`, record)
    for (const id of this.#peers) put(`peer/${id}`, peerRecord(peers.get(id)))
    for (const id of this.#calls) put(`call/${id}`, callRecord(calls.get(id), owner))
    for (const [name, record] of owner.changes()) put(`owner/${name}`, record)
    this.#peers.clear()
    this.#calls.clear()
    if (records.size > 0) journal.write(records)
  }
}

function peerRecord(peer: Peer | undefined): PeerRecord | undefined {
  if (!peer?.up) return undefined
  const { client, ike, esp, weak, natted } = peer
  return { client, ike, esp, weak, natted }
}

function callRecord(call: Call | undefined, owner: EndpointOwner): CallRecord | undefined {
  if (!call || call.ended) return undefined
  const leaving = call.link.status().phase === 'terminate'
  return { link: call.link.record(), configured: call.configured, kept: owner.keeps(call), leaving }
}
