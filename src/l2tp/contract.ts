// CONTRACT. What L2TP takes and gives: one machine for all control connections, LNS and LAC. Every message comes through an SA of a peer.
import type { Instant } from '../wire/machine.ts'
import type { Secret } from '../wire/secret.ts'
import type { L2tpEvent } from './events.ts'

export type PeerId = number
/** One L2TP session (call): what a PPP link rides on. Never used again. */
export type CallId = number

export type L2tpPolicy = {
  readonly hostName: string
  /** Tunnel authentication (RFC 2661 §4.2), where both ends share a secret. */
  readonly secret: Secret | undefined
  /** L2TP ports as Windows knows them: sessions at once in the whole gateway; undefined: any. */
  readonly portLimit: number | undefined
  /** Our receive window, and seconds between HELLOs on a quiet control connection. */
  readonly receiveWindow: number
  readonly helloSeconds: number
  /** First retransmission after this many milliseconds, doubling to `capMs` (at least 8 s: RFC 2661 §5.8); `tries` until the tunnel is dead. */
  readonly retransmit: { readonly firstMs: number; readonly capMs: number; readonly tries: number }
  /** Hide the AVPs that may be hidden (RFC 2661 §4.3); needs `secret`. */
  readonly hideAvps: boolean
}

export type L2tpInput =
  | {
      readonly on: 'control'
      readonly peer: PeerId
      readonly localPort: number
      readonly remotePort: number
      readonly octets: Uint8Array
    }
  | { readonly on: 'tick' }
  /** The peer's last SA is gone: drop everything of it, without a word to it. Its calls end with `callDown` and `callFailed`; no `idle` follows. */
  | { readonly on: 'peerGone'; readonly peer: PeerId }
  /** Data came from the peer: its control connection need not be probed. */
  | { readonly on: 'heard'; readonly peers: readonly PeerId[] }
  /** Is the peer of this call there? HELLO, unless something waits for an acknowledgement already. A call that is not up any more is passed over. */
  | { readonly on: 'probe'; readonly call: CallId }
  /** The LAC role: bring up a control connection (or use the one there is) and a session. Answered by `callUp` or `callFailed`, with the same `request`. */
  | {
      readonly on: 'call'
      readonly request: number
      readonly peer: PeerId
      readonly localPort: number
      readonly remotePort: number
    }
  /**
   * PPP is over, or the operator says so: CDN (RFC 2661 §6.12) with a result code (3: administrative, 1: PPP ended) and text for the peer;
   * the tunnel is closed with its last session. A call that is not up any more is passed over.
   */
  | {
      readonly on: 'hangUp'
      readonly call: CallId
      readonly result: number
      readonly error: number
      readonly text: string
    }
  /** StopCCN to everybody. */
  | { readonly on: 'shutdown'; readonly text: string }
  | { readonly on: 'policy'; readonly policy: L2tpPolicy }

export type L2tpEffect =
  | {
      readonly do: 'send'
      readonly peer: PeerId
      readonly localPort: number
      readonly remotePort: number
      readonly octets: Uint8Array
    }
  /** The session is established: PPP begins. It comes before the acknowledgement (or our ICCN) that lets the peer send: add the session first. `request` where we called. Ids as in the fast path's `addSession`. */
  | {
      readonly do: 'callUp'
      readonly call: CallId
      readonly request: number | undefined
      readonly peer: PeerId
      readonly local: { readonly tunnel: number; readonly session: number; readonly port: number }
      readonly remote: { readonly tunnel: number; readonly session: number; readonly port: number }
      readonly sequencing: boolean
      readonly peerHostName: string
      readonly callingNumber: string | undefined
    }
  | { readonly do: 'callDown'; readonly call: CallId; readonly reason: string }
  | { readonly do: 'callFailed'; readonly request: number; readonly reason: string }
  /** The peer's last control connection is closed and its state kept long enough; nothing above the SA is left. */
  | { readonly do: 'idle'; readonly peer: PeerId }
  | { readonly do: 'report'; readonly event: L2tpEvent }

/** For `status`. `state` is RFC 2661's (`wait-ctl-reply`, `wait-ctl-conn`, `established`), or `closing`. */
export type L2tpTunnelStatus = {
  readonly peer: PeerId
  readonly localTunnel: number
  readonly remoteTunnel: number
  readonly peerHostName: string
  readonly state: string
  readonly since: Instant
  readonly calls: readonly CallId[]
}

/** A session that stands after a restart: what `callUp` said of it. */
export type StandingCall = Pick<
  Extract<L2tpEffect, { readonly do: 'callUp' }>,
  'call' | 'peer' | 'local' | 'remote' | 'sequencing' | 'peerHostName'
>
