// What the sides of an endpoint (IKE, L2TP, calls) share: the world they act on, peers and calls, and the way to each other.
import type { IkeInput, PeerId } from '../ike/contract.ts'
import type { CallId, L2tpInput } from '../l2tp/contract.ts'
import type { FastPath } from '../platform/fast-path.ts'
import { showEndpoint } from '../wire/address.ts'
import type { Activity } from './activity.ts'
import type { Changes } from './changes.ts'
import type { Cores } from './cores.ts'
import type { Driver } from './driver.ts'
import type { EventLog } from './event-log.ts'
import type { Origin } from './events.ts'
import type { Keeper } from './keeper.ts'
import type { Call, CallEnd, EndpointOwner, Peer } from './owner.ts'
import type { Platform } from './platform.ts'

export type Surroundings = {
  readonly platform: Platform
  readonly cores: Cores
  readonly events: EventLog
  readonly fastPath: FastPath
  readonly owner: EndpointOwner
  readonly driver: Driver
  readonly changes: Changes
  readonly activity: Activity
  readonly keeper: Keeper | undefined
  readonly peers: Map<PeerId, Peer>
  readonly calls: Map<CallId, Call>
  /** Peers that came up, or lost a call: each without a session when it was put in, the oldest first. */
  readonly idle: Set<Peer>
  /** To the machines. */
  ike(input: IkeInput): void
  l2tp(input: L2tpInput): void
  /** Takes a call away; L2TP knows already. */
  drop(call: Call, end: CallEnd): void
  /** There is a peer now: who is heard is looked at from now on. */
  poll(): void
  /** Looks at once, before counters go. */
  look(): void
  /** After all that was asked of the fast path until now. */
  afterwards(act: () => void): void
  closed(): boolean
}

/** What the log adds to an event of a peer or a call. */
export function originOf(peer: Peer | undefined, call?: Call): Origin {
  return {
    peer: peer && showEndpoint(peer.path.remote),
    client: peer?.client,
    user: call?.link.status().user,
    address: call?.link.status().address,
    session: call?.id,
  }
}
