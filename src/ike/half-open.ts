// Limits on negotiations whose peer has not authenticated himself: by source and in all. When all places are taken the oldest negotiation whose peer
// never answered ours gives way: a forger sees no answer, so his are all of that kind, while an honest peer answers within a round trip. Sources that
// completed one before come first, since an office behind one NAT is one source.
import { type Path, sourceOf } from '../wire/address.ts'
import type { IkeSaId } from './contract.ts'
import { allowed } from './quota.ts'
import { policyOf, report, type Turn } from './turn.ts'

export type HalfOpen = {
  /** Responder's negotiations, oldest first, with their source addresses. */
  readonly source: Map<IkeSaId, string>
  readonly count: Map<string, number>
  /** Those whose peer has not answered our first message yet, the oldest first: nobody knows whether it is where it says. */
  readonly unanswered: Set<IkeSaId>
  /** Sources that completed a negotiation, the latest last. */
  readonly completed: Set<string>
  dropped: number
}

// Ours: sources remembered as good ones.
const completedKept = 4096
/** Ours: the share of all places that one good source may take. An office fits, and nobody who once came in, or who writes his address, shuts out the rest. */
const knownShare = 1 / 4

export function noHalfOpen(): HalfOpen {
  return { source: new Map(), count: new Map(), unanswered: new Set(), completed: new Set(), dropped: 0 }
}

/** What becomes of a first message: it may go on, perhaps in place of somebody else's negotiation, or is dropped. */
export type Admission =
  | { readonly is: 'admitted'; readonly inPlaceOf?: IkeSaId }
  | { readonly is: 'dropped'; readonly limit: 'per-source' | 'total' }

export function admission(turn: Turn, path: Path): Admission {
  const { halfOpen } = turn.state
  const limits = policyOf(turn).halfOpen
  const source = sourceOf(path.remote.address)
  const known = halfOpen.completed.has(source)
  const most = known ? Math.max(limits.perSource, limits.total * knownShare) : limits.perSource
  if ((halfOpen.count.get(source) ?? 0) >= most) return { is: 'dropped', limit: 'per-source' }
  if (halfOpen.source.size < limits.total) return { is: 'admitted' }
  for (const id of halfOpen.unanswered)
    if (!halfOpen.completed.has(halfOpen.source.get(id) ?? '')) return { is: 'admitted', inPlaceOf: id }
  if (!known) return { is: 'dropped', limit: 'total' }
  for (const [id, other] of halfOpen.source)
    if (!halfOpen.completed.has(other)) return { is: 'admitted', inPlaceOf: id }
  return { is: 'dropped', limit: 'total' }
}

export function opened(turn: Turn, id: IkeSaId, path: Path): void {
  const { source, count, unanswered } = turn.state.halfOpen
  const from = sourceOf(path.remote.address)
  unanswered.add(id)
  source.set(id, from)
  count.set(from, (count.get(from) ?? 0) + 1)
}

/** The peer has our first message, so it is where it says: it gives way to no stranger any more. */
export function answered(turn: Turn, id: IkeSaId): void {
  turn.state.halfOpen.unanswered.delete(id)
}

/** The negotiation is over, with success or without. */
export function closed(turn: Turn, id: IkeSaId): void {
  const { source, count } = turn.state.halfOpen
  const address = source.get(id)
  if (address === undefined) return
  source.delete(id)
  turn.state.halfOpen.unanswered.delete(id)
  const left = count.get(address)! - 1
  if (left === 0) count.delete(address)
  else count.set(address, left)
}

/** The peer with whom main mode was spoken at this address has authenticated himself. */
export function completed(turn: Turn, address: string): void {
  const { completed: sources } = turn.state.halfOpen
  const source = sourceOf(address)
  sources.delete(source)
  sources.add(source)
  if (sources.size > completedKept) sources.delete(sources.values().next().value!)
}

export function reportDropped(turn: Turn, path: Path, limit: 'per-source' | 'total'): void {
  const { halfOpen } = turn.state
  halfOpen.dropped++
  if (!allowed(turn.state.limitQuota, limit === 'total' ? 'total' : sourceOf(path.remote.address), turn.now)) return
  report(turn, { event: 'ike.limit.reached', path, limit, dropped: halfOpen.dropped })
  halfOpen.dropped = 0
}
