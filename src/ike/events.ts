// CONTRACT. What IKE reports: each failure is one event, with the facts from which the gateway makes one sentence.
import type { Path } from '../wire/address.ts'

export type IkeEvent =
  | {
      readonly event: 'ike.sa.established'
      readonly path: Path
      readonly sa: number
      readonly proposal: string
      readonly client: string
      readonly identity: string
      readonly natted: boolean
      readonly rekeyed: boolean
      readonly weak: boolean
    }
  | { readonly event: 'ike.sa.closed'; readonly path: Path; readonly sa: number; readonly reason: string }
  /** `why` is a whole sentence for the operator: what was offered, which rule refused it, what to change. `userSees` is the client's error number where known (789, 809, …). */
  | {
      readonly event: 'ike.negotiation.refused'
      readonly path: Path
      readonly client: string
      readonly cause: IkeRefusal
      readonly why: string
      readonly userSees: number | undefined
    }
  | {
      readonly event: 'ike.pair.established'
      readonly path: Path
      readonly peer: number
      readonly sa: number
      readonly proposal: string
      readonly inboundSpi: number
      readonly outboundSpi: number
      readonly rekeyed: boolean
      readonly weak: boolean
    }
  /** Its peer cuts SHA2-256 to another length than was agreed on; both SAs of the pair do so from now on. */
  | {
      readonly event: 'ike.pair.truncated'
      readonly path: Path
      readonly peer: number
      readonly inboundSpi: number
      readonly bits: 96 | 128
    }
  | {
      readonly event: 'ike.pair.removed'
      readonly path: Path
      readonly peer: number
      readonly inboundSpi: number
      readonly reason: string
    }
  | { readonly event: 'ike.peer.moved'; readonly peer: number; readonly from: Path; readonly to: Path }
  | {
      readonly event: 'ike.peer.dead'
      readonly path: Path
      readonly peer: number | undefined
      readonly quietSeconds: number
    }
  /** A peer told us something (a notify), authenticated or not; unauthenticated ones change nothing. */
  | {
      readonly event: 'ike.notify.received'
      readonly path: Path
      readonly notify: string
      readonly authenticated: boolean
    }
  /** Octets that don't parse, or a message out of place; folded by source. */
  | { readonly event: 'ike.message.invalid'; readonly path: Path; readonly why: string }
  | {
      readonly event: 'ike.limit.reached'
      readonly path: Path
      readonly limit: 'per-source' | 'total'
      readonly dropped: number
    }

export type IkeRefusal =
  | 'proposal'
  | 'pre-shared key'
  | 'certificate'
  | 'authentication method'
  | 'exchange type'
  | 'key exchange'
  | 'identity'
  | 'selectors'
  | 'mode'
  | 'no answer'
  | 'notify'
