// CONTRACT. What one PPP link takes and gives: LCP, authentication, NCPs, for the server and the client role.
import type { AuthAttempt, AuthKind, AuthVerdict } from '../auth/contract.ts'
import type { Instant } from '../wire/machine.ts'
import type { Secret } from '../wire/secret.ts'
import type { PppEvent } from './events.ts'

export type { AuthKind }

export type PppPolicy = {
  readonly role: 'server' | 'client'
  /** Server: what may be asked for, best first. Client: what it agrees to. */
  readonly authentication: readonly AuthKind[]
  /** Our name in CHAP challenges. */
  readonly name: string
  /** Client role: who we are. */
  readonly credentials: { readonly user: string; readonly password: Secret } | undefined
  /** MRU that we ask for, in octets (RFC 1661 §6.1). */
  readonly mru: number
  /** Echo after this many quiet seconds (up to a tenth earlier), and each interval after; unanswered ones until the link is dead. */
  readonly echo: { readonly idleSeconds: number; readonly intervalSeconds: number; readonly tries: number }
  /** Restart timer in ms and counts (RFC 1661 §4.6). */
  readonly restart: {
    readonly ms: number
    readonly maxConfigure: number
    readonly maxTerminate: number
    readonly maxFailure: number
  }
  /** Authentication must be over within this many seconds; failed attempts on one link until it is closed (MS-CHAP retry, R=1). */
  readonly authSeconds: number
  readonly authTries: number
  readonly ipv6: boolean
}

/** What the gateway hands to a user once authenticated; from the pool, fixed, or RADIUS later. */
export type NetworkGrant =
  | {
      readonly is: 'granted'
      readonly ours: string
      readonly peers: string
      readonly dns: readonly string[]
      readonly nbns: readonly string[]
      /** 8 octets for IPV6CP, of our end. */
      readonly interfaceId: Uint8Array | undefined
      /** Session and idle limits in seconds; undefined: none. */
      readonly sessionSeconds: number | undefined
      readonly idleSeconds: number | undefined
    }
  /** `reason` is a sentence, e.g. that the address pool is exhausted. */
  | { readonly is: 'refused'; readonly reason: string }

export type PppInput =
  /** The lower layer is up (ICCN); LCP opens. */
  | { readonly on: 'up' }
  | { readonly on: 'frame'; readonly protocol: number; readonly payload: Uint8Array }
  | { readonly on: 'tick' }
  /** The verdict on an attempt given out by `verify`. */
  | { readonly on: 'verdict'; readonly job: number; readonly verdict: AuthVerdict }
  | { readonly on: 'grant'; readonly job: number; readonly grant: NetworkGrant }
  /** Inner traffic since the last time: resets idle and echo. `inbound`: something came from the peer. `user`: IP packets of the user moved. */
  | {
      readonly on: 'heard'
      readonly inbound: boolean
      readonly user: boolean
      /** Since an `ask` something came from the peer's host, whatever it was. */
      readonly below?: boolean
    }
  /** Terminate the link politely (RFC 1661 §3.7). `reason` goes into the report and, escaped, into the Terminate-Request's data. */
  | { readonly on: 'close'; readonly reason: string }
  /** The lower layer is gone. */
  | { readonly on: 'down' }

export type PppEffect =
  | { readonly do: 'send'; readonly protocol: number; readonly payload: Uint8Array }
  /** The peer answers no echo and never did: is its host there? Below is asked, and says `heard` if so. */
  | { readonly do: 'ask' }
  /** Server: judge this attempt (local users, RADIUS). */
  | { readonly do: 'verify'; readonly job: number; readonly attempt: AuthAttempt }
  /** Server: authenticated; which addresses? */
  | { readonly do: 'grant'; readonly job: number; readonly user: string }
  /** An NCP opened or changed: what the fast path needs. Sent again with each NCP that opens. */
  | {
      readonly do: 'network'
      readonly user: string
      readonly acfc: boolean
      readonly pfc: boolean
      /** The peer's MRU: what may be sent to it. */
      readonly mtu: number
      readonly ipv4:
        | {
            readonly ours: string
            readonly peers: string
            readonly dns: readonly string[]
            readonly nbns: readonly string[]
          }
        | undefined
      readonly ipv6: { readonly ours: Uint8Array; readonly peers: Uint8Array } | undefined
      readonly authentication: AuthKind | undefined
    }
  /** The link is finished; nothing follows. `userSees`: the client's error number where known (691, 734, …). */
  | {
      readonly do: 'finished'
      /** For the operator: it may tell an unknown user from a wrong password. */
      readonly reason: string
      /** What the layer below may tell the peer: never more than its user may know. */
      readonly toPeer: string
      readonly byPeer: boolean
      readonly userSees: number | undefined
    }
  | { readonly do: 'report'; readonly event: PppEvent }

/** For `status`. */
export type PppLinkStatus = {
  readonly phase: 'dead' | 'establish' | 'authenticate' | 'network' | 'terminate'
  readonly user: string | undefined
  readonly authentication: AuthKind | undefined
  readonly address: string | undefined
  readonly since: Instant | undefined
}
