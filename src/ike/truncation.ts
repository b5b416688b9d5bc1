// SHA2-256 in ESP under one number with two lengths: RFC 4868 cuts it to 128 bits, a draft of it cut it to 96, and Linux before 2.6.33 with the Androids built
// on it still does. What a peer does is not negotiated; the fast path tells by a pair's authentic packets and goes along, for that pair alone.
import type { EspProposal } from '../algorithms/algorithms.ts'
import type { Offer, Pair, Peer } from './state.ts'
import { report, type Turn } from './turn.ts'

export type Truncation = 96 | 128 | undefined

/** What a new pair begins with: what the pair that it replaces was found to have, so that a renewal loses nothing. */
export function firstTruncation(
  peer: Peer,
  { proposal, predecessor }: Pick<Offer, 'proposal' | 'predecessor'>,
): Truncation {
  if (proposal.hash === 'sha256_96') return 96
  if (proposal.hash !== 'sha256') return undefined
  return peer.pairs.get(predecessor ?? -1)?.truncation ?? 128
}

/** The proposal as the fast path has it. */
export function proposalInUse({ proposal, truncation }: Pick<Pair, 'proposal' | 'truncation'>): EspProposal {
  if (truncation === undefined) return proposal
  return { ...proposal, hash: truncation === 96 ? 'sha256_96' : 'sha256' }
}

/** The fast path has found what the peer does. */
export function truncationFound(
  turn: Turn,
  { peer, pair }: { readonly peer: Peer; readonly pair: Pair },
  bits: 96 | 128,
): void {
  if (pair.truncation === undefined || pair.truncation === bits) return
  pair.truncation = bits
  report(turn, { event: 'ike.pair.truncated', path: peer.path, peer: peer.id, inboundSpi: pair.inboundSpi, bits })
}
