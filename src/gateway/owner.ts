// What an endpoint consists of, and what it asks and tells whoever owns it: the gateway or the client.
import type { AuthAttempt, AuthVerdict } from '../auth/contract.ts'
import type { ClientKind, PeerGoneReason, PeerId, SaPair, SiteId } from '../ike/contract.ts'
import type { CallId } from '../l2tp/contract.ts'
import type { Change, FastPathEvent, SessionCounters, TunnelCounters } from '../platform/fast-path.ts'
import type { NetworkGrant, PppEffect, PppInput, PppPolicy } from '../ppp/contract.ts'
import type { Path } from '../wire/address.ts'
import type { Records } from '../wire/durable.ts'
import type { PppMachine } from './cores.ts'
import type { Seat } from './driver.ts'

/** A remote host behind SA pairs. */
export type Peer = {
  readonly id: PeerId
  path: Path
  client: ClientKind
  /** What protects it now: proposals as strings. */
  ike: string
  esp: string
  weak: boolean
  natted: boolean
  readonly calls: Map<CallId, Call>
  /** It is a site's, in tunnel mode. */
  site?: SiteId | undefined
  /** IKE has announced it. */
  up: boolean
}

/** An L2TP call and the PPP link on it. */
export type Call = {
  readonly id: CallId
  readonly peer: Peer
  /** Where we called. */
  readonly request: number | undefined
  readonly hostName: string
  readonly seat: Seat<PppInput>
  readonly link: PppMachine
  /** What the fast path was told last. */
  configured: (Change & { readonly do: 'configureSession' }) | undefined
  /** PPP said that nobody is there any more. */
  silent: boolean
  /** PPP wants to know whether anything comes from its host. */
  asked: boolean
  ended: boolean
}

export type Network = Extract<PppEffect, { readonly do: 'network' }>
/** What the owner adds to what PPP agreed. */
export type Admission = {
  readonly networks: readonly string[]
  readonly anySource: boolean
  /** The address that the peer has in PPP is not routed to it. */
  readonly withoutAddress?: boolean
}
/** Why a call is over, in words. */
export type CallEnd = { readonly why: string; readonly byPeer: boolean }

/** What an endpoint asks and tells whoever owns it. */
export interface EndpointOwner {
  /** `request` where we called. */
  pppPolicy(peer: Peer, request: number | undefined): PppPolicy
  verify(call: Call, attempt: AuthAttempt): Promise<AuthVerdict>
  grant(call: Call, user: string): NetworkGrant
  /** PPP carries packets now, or carries more than before. */
  network(call: Call, network: Network): Admission
  counted(call: Call, counters: SessionCounters): void
  /** An IPv4 packet to UDP port 67; the answer is one too, or none. */
  dhcp(call: Call, packet: Uint8Array): Uint8Array | undefined
  ended(call: Call, end: CallEnd): void
  peerUp(peer: Peer, request: number | undefined): void
  peerGone(peer: Peer, reason: PeerGoneReason): void
  /** An attempt came to nothing, another begins: what to say should time run out. */
  retrying(request: number, reason: string): void
  /** `silent`: the peer answered nothing at all. */
  failed(request: number, reason: string, silent?: boolean): void
  /** Tunnel mode: a pair is in the fast path, or out of it again. */
  pairUp?(peer: Peer, pair: SaPair): void
  pairDown?(inboundSpi: number): void
  /** A packet of a tunnel waits for an SA. */
  acquire?(wanted: Extract<FastPathEvent, { readonly on: 'acquire' }>): void
  tunnelCounted?(counters: TunnelCounters): void
  /** What is to be written down of a call, as plain data; undefined where a restarted owner would have nothing to go on with. */
  keeps(call: Call): unknown
  /** A call that an earlier process had, with what was kept of it. False: it is not to go on. */
  resumed(call: Call, kept: unknown): boolean
  /** Records of the owner's own beside those of calls; see Durable. */
  changes(): Records
}
