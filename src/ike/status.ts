// What `status` shows of IKE.
import { showEspProposal, showIkeProposal } from '../algorithms/proposals.ts'
import type { IkeSaStatus } from './contract.ts'
import type { IkeSa, IkeState } from './state.ts'
import { proposalInUse } from './truncation.ts'

/** Pairs stand with the newest ISAKMP SA of their peer, whichever of them made them. */
export function showStatus(state: IkeState): readonly IkeSaStatus[] {
  return [...state.sas.values()].map((sa) => ({
    id: sa.id,
    peer: sa.peer,
    path: sa.path,
    role: sa.role,
    state: sa.phase1.is === 'established' && sa.replaced ? 'replaced' : sa.phase1.is,
    proposal: proposalOf(sa),
    natted: sa.peerBehindNat || sa.weBehindNat,
    weLieBehindNat: sa.weBehindNat,
    client: sa.client,
    software: sa.software,
    identity: sa.shownIdentity,
    established: sa.established,
    expires: sa.expires,
    pairs: pairsOf(state, sa),
  }))
}

function proposalOf({ phase1 }: IkeSa): string | undefined {
  return 'agreed' in phase1 ? showIkeProposal(phase1.agreed.proposal) : undefined
}

function pairsOf(state: IkeState, sa: IkeSa): IkeSaStatus['pairs'] {
  const peer = state.peers.peek(sa.peer ?? -1)
  if (!peer || [...peer.sas].at(-1) !== sa.id) return []
  return [...peer.pairs.values()].map((pair) => ({
    inboundSpi: pair.inboundSpi,
    outboundSpi: pair.outboundSpi,
    proposal: showEspProposal(proposalInUse(pair)),
    established: pair.established,
    state: pair.state,
  }))
}
