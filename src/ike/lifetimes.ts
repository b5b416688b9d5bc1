// When SAs are rekeyed and when they end. The client rekeys at 80 to 90 % of a lifetime, whichever side of a connection it is on; the gateway only
// as a backstop after that, so that the two seldom meet; a pair is kept while its successor is made.
import { type Instant, jittered } from '../wire/machine.ts'
import type { IkeSa, Pair } from './state.ts'
import { arm, policyOf, type Turn } from './turn.ts'

// Ours: shares of a lifetime after which a side starts rekeying. What clients do: macOS 80 or 90 %, strongSwan about 90 %, Windows at the end.
const clientShare = 0.82
const gatewayShare = 0.94
const spread = 0.02
/** What a peer wants to live shorter than this ends without a successor: nobody makes us compute every second. */
const leastMs = 5_000
/** The same for octets of a kilobyte lifetime. */
const octetsShare = { initiator: 0.8, responder: 0.92 } as const

/** Lifetimes of a peer that states none (RFC 2407 §4.5: 8 hours). */
export const defaultSeconds = 28_800

const share = (role: 'initiator' | 'responder') => (role === 'initiator' ? clientShare : gatewayShare)

/** The moment to rekey something that was made now and lives so long. `role` is ours in the connection. */
function rekeyAt(turn: Turn, role: 'initiator' | 'responder', lifeSeconds: number): Instant {
  return turn.now + Math.max(leastMs, jittered(turn.random, lifeSeconds * 1000 * share(role), spread))
}

/** The lesser of two lifetimes, either of which may not be stated. */
export function lesser(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}

/** Seconds that a new ISAKMP SA lives: what was agreed, at most what we allow. */
export function ikeSeconds(turn: Turn, agreed: number | undefined): number {
  return Math.min(agreed ?? defaultSeconds, policyOf(turn).lifetimes.ikeSeconds)
}

export function armIkeTimers(turn: Turn, sa: IkeSa, lifeSeconds: number): void {
  sa.established = turn.now
  sa.expires = turn.now + lifeSeconds * 1000
  const peer = turn.state.peers.get(sa.peer ?? -1)
  const role = sa.request || peer?.request !== undefined ? 'initiator' : 'responder'
  arm(turn, `ike-rekey ${sa.id}`, rekeyAt(turn, role, lifeSeconds))
  arm(turn, `ike-expire ${sa.id}`, sa.expires)
}

/** None where the policy wants none. */
export function armKeepalive(turn: Turn, sa: IkeSa, since: Instant = turn.now): void {
  const { keepaliveSeconds } = policyOf(turn)
  if (keepaliveSeconds > 0) arm(turn, `keepalive ${sa.id}`, since + keepaliveSeconds * 1000)
}

export function armPairTimers(turn: Turn, pair: Pair): void {
  arm(turn, `rekey ${pair.inboundSpi}`, rekeyAt(turn, connectionRole(turn, pair), (pair.expires - turn.now) / 1000))
  arm(turn, `expire ${pair.inboundSpi}`, pair.expires)
}

export function disarmPair(turn: Turn, pair: Pair): void {
  for (const what of ['rekey', 'expire', 'drain', 'settle']) arm(turn, `${what} ${pair.inboundSpi}`, undefined)
}

/** Whether a kilobyte lifetime is nearly used up, or used up. */
export function octetsLeft(turn: Turn, pair: Pair): 'enough' | 'rekey' | 'none' {
  if (pair.lifeKilobytes === undefined) return 'enough'
  const used = pair.octets / (pair.lifeKilobytes * 1024)
  if (used >= 1) return 'none'
  return used >= octetsShare[connectionRole(turn, pair)] ? 'rekey' : 'enough'
}

// Ours: at line speed a kilobyte lifetime is used up between two looks at the counters. The pair carries on until its successor is there, so long at most.
const overMs = 30_000

export function expireSoon(turn: Turn, pair: Pair): void {
  if (pair.state === 'draining' || pair.used) return
  pair.used = true
  arm(turn, `expire ${pair.inboundSpi}`, Math.min(pair.expires, turn.now + overMs))
}

// Who brought the connection up is the client, whoever made this pair.
function connectionRole(turn: Turn, pair: Pair): 'initiator' | 'responder' {
  const peer = turn.state.peers.get(turn.state.spis.get(pair.inboundSpi) ?? -1)
  return peer?.request === undefined ? 'responder' : 'initiator'
}
