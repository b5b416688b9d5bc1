// Whether a peer is really reached where it seems to be. A sealed message shows who sent it, not from where: whoever holds the pre-shared key, and every user
// does, can send one with a neighbour's address, port and ID on it. So by ID and address nothing is inherited and nothing ended before something that
// was sent there has been answered: our cookie and public value in main mode, or a probe with a random number after a move.
import { randomBelow } from '../wire/machine.ts'
import { inform } from './exchanges/informational.ts'
import { standingSa } from './sa.ts'
import type { IkeSa, Peer } from './state.ts'
import type { Turn } from './turn.ts'
import { deadPeerProbe } from './wire/notifications.ts'

// Ours: a challenge's number lies so far above the last one. Numbers must rise, so a peer gets about two thousand challenges, and as many guesses.
const longestStep = 2 ** 22

/** The keys were exchanged with the address that the SA is at now; another one showed itself in sealed messages only. */
export function exchangedHere({ exchangedWith, path }: IkeSa): boolean {
  return exchangedWith === path.remote.address
}

export function provenHere({ provenAt, path }: Peer): boolean {
  return provenAt === path.remote.address
}

/** An ISAKMP SA of the peer's was made with the address where the peer is. */
export function vouch(sa: IkeSa, peer: Peer): void {
  if (exchangedHere(sa) && sa.path.remote.address === peer.path.remote.address) peer.provenAt = sa.exchangedWith
}

/** The peer came to another address: it is asked there (RFC 3706), by a number that only who is there can know. */
export function challenge(turn: Turn, peer: Peer): void {
  peer.challenge = undefined
  const sa = standingSa(turn, peer)
  const { address } = peer.path.remote
  if (provenHere(peer) || !sa?.dpd || sa.path.remote.address !== address) return
  const sequence = peer.sequence + 1 + randomBelow(turn.random, longestStep)
  if (sequence > 0xffff_ffff) return
  peer.sequence = sequence
  peer.challenge = { address, sequence }
  inform(turn, sa, [deadPeerProbe(sa.cookies, sequence, false)])
}

/** R-U-THERE-ACK: one guess a challenge. */
export function answered(peer: Peer, sequence: number | undefined): void {
  const { challenge: asked, path } = peer
  if (asked?.address !== path.remote.address) return
  peer.challenge = undefined
  if (asked.sequence === sequence) peer.provenAt = asked.address
}
