// The one vocabulary of what happens: every layer's events and the gateway's own. The log, the counters, the monitor and the tests read it.
import type { IkeEvent } from '../ike/events.ts'
import type { L2tpEvent } from '../l2tp/events.ts'
import type { SoftEvent } from '../policy/soft-associations.ts'
import type { PppEvent } from '../ppp/events.ts'

export type OwnEvent =
  | {
      readonly event: 'gateway.ready'
      readonly dataplane: string
      readonly description: string
      readonly listening: string
    }
  /** After a restart: what goes on as if nothing had been. */
  | { readonly event: 'gateway.resumed'; readonly sessions: number; readonly peers: number }
  | { readonly event: 'gateway.stopping'; readonly sessions: number }
  | { readonly event: 'gateway.stopped' }
  /** `ended`: sessions that the change touched; `later`: what takes a restart. */
  | { readonly event: 'gateway.reloaded'; readonly ended: number; readonly later: readonly string[] }
  | { readonly event: 'gateway.reload.refused'; readonly why: string }
  /** A bug of ours: a machine threw. Only what `about` names was dropped. */
  | {
      readonly event: 'gateway.bug'
      readonly machine: string
      readonly input: string
      readonly error: string
      readonly stack: string
    }
  | {
      readonly event: 'session.started'
      readonly session: number
      readonly user: string
      readonly address: string
      readonly natted: boolean
      readonly ike: string
      readonly esp: string
      readonly weak: boolean
      readonly authentication: string
    }
  | {
      readonly event: 'session.ended'
      readonly session: number
      readonly user: string
      readonly address: string
      readonly why: string
      readonly seconds: number
      readonly bytesIn: number
      readonly bytesOut: number
    }
  /** A second log-in of the same user, and what became of it. */
  | { readonly event: 'session.second'; readonly user: string; readonly outcome: 'first-ended' | 'refused' }
  | { readonly event: 'pool.exhausted'; readonly user: string; readonly size: number }
  /** Inner packets whose source was not the session's own address: counted since the last such line. */
  | { readonly event: 'session.wrong-source'; readonly session: number; readonly packets: number }
  /** L2TP data for a session that this peer doesn't have: it ended, or is somebody else's. */
  | { readonly event: 'data.stray'; readonly tunnel: number; readonly session: number }
  /** Networks are joined: the first tunnel of a site is up, or a further one. */
  | {
      readonly event: 'site.up'
      readonly site: string
      readonly networks: string
      readonly ike: string
      readonly esp: string
      readonly weak: boolean
      readonly natted: boolean
    }
  | { readonly event: 'site.down'; readonly site: string; readonly why: string }
  /** `next`: what is tried, in words. */
  | { readonly event: 'site.failed'; readonly site: string; readonly why: string; readonly next: string }
  /** What came out of a tunnel and wasn't what it was agreed for: dropped. */
  | { readonly event: 'site.wrong-traffic'; readonly site: string; readonly packets: number }
  | { readonly event: 'policy.enforced'; readonly policy: string; readonly filters: number }
  /** A rule's traffic with a host has an SA pair in transport mode. */
  | {
      readonly event: 'policy.secured'
      readonly rule: string
      readonly traffic: string
      readonly ike: string
      readonly esp: string
      readonly weak: boolean
    }
  /** Soft associations, and what was dropped for want of an SA. */
  | (SoftEvent & { readonly rule: string; readonly peer: string })
  | { readonly event: 'spi.unknown'; readonly spi: number }
  /** Whether a network device takes ESP off the kernel, when that changed. */
  | { readonly event: 'fastpath.offload'; readonly note: string }
  /** The fast path refused a change. */
  | { readonly event: 'fastpath.refused'; readonly what: string; readonly code: string; readonly message: string }
  /** Something beside the protocols failed: DNS forwarding, nftables, a route. `what` names it, `why` says what to do. */
  | { readonly event: 'network.trouble'; readonly what: string; readonly why: string }
  /** NTP has not set the clock for so many minutes: hours are judged by it as it is. */
  | { readonly event: 'clock.unsynchronised'; readonly minutes: number }
  | { readonly event: 'network.leftovers.removed'; readonly what: readonly string[] }

export type GatewayEvent = IkeEvent | L2tpEvent | PppEvent | OwnEvent

/** Whom an event is about, as far as the gateway knows: what the protocols' own events can't say. */
export type Origin = {
  /** The peer's outer address and port: `203.0.113.9:4500`. */
  readonly peer?: string | undefined
  readonly client?: string | undefined
  readonly user?: string | undefined
  readonly address?: string | undefined
  readonly session?: number | undefined
}
