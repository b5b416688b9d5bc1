// Who is in: grants addresses, lets a second log-in of a user end the first or refuses it, and keeps the list of sessions.
import { minuteOfWeek, minutesAllowed } from '../aaa/user.ts'
import type { Configuration, UserEntry } from '../config/configuration.ts'
import type { CallId } from '../l2tp/contract.ts'
import type { SessionCounters } from '../platform/fast-path.ts'
import type { NetworkGrant } from '../ppp/contract.ts'
import { printable } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { Call, CallEnd, Network } from './owner.ts'
import type { Platform } from './platform.ts'
import { dnsOf, poolPlanOf, userOf } from './policies.ts'
import { AddressPool } from './pool.ts'
import { UserSession } from './session.ts'

export type SessionRecord = {
  readonly user: string
  readonly address: string
  readonly startedAt: Instant
  readonly opened: boolean
  /** Milliseconds since 1970. */
  readonly since: number
}

export class Sessions {
  readonly pool: AddressPool
  readonly #platform: Platform
  readonly #events: EventLog
  readonly #endpoint: () => Endpoint
  readonly #byCall = new Map<CallId, UserSession>()
  readonly #byUser = new Map<string, Set<UserSession>>()
  #configuration: Configuration

  constructor(platform: Platform, configuration: Configuration, events: EventLog, endpoint: () => Endpoint) {
    this.#platform = platform
    this.#configuration = configuration
    this.#events = events
    this.#endpoint = endpoint
    this.pool = new AddressPool(poolPlanOf(configuration))
  }

  /** Sessions whose packets pass. */
  get all(): UserSession[] {
    return [...this.#byCall.values()].filter((session) => session.opened)
  }

  /** What a restarted gateway goes on with. */
  record(call: Call): SessionRecord | undefined {
    const session = this.#byCall.get(call.id)
    if (!session || session.leaving !== undefined) return undefined
    const { user, address, startedAt, opened } = session
    return { user, address, startedAt, opened, since: session.since.getTime() }
  }

  /** A session that an earlier process had. False: the configuration has no place for it any more. */
  resumed(call: Call, { user, address, startedAt, opened, since }: SessionRecord): boolean {
    if (!userOf(this.#configuration, user)?.enabled || !this.pool.hold(user, address)) return false
    const session = new UserSession(call, user, address, startedAt, new Date(since))
    session.opened = opened
    this.#add(session)
    if (opened && this.#configuration.remoteAccess.forwarding === 'proxy-arp') this.#proxy(address, true)
    return true
  }

  of(call: Call): UserSession | undefined {
    return this.#byCall.get(call.id)
  }

  /** An address for a user who has proved who he is, or the sentence of the refusal. */
  grant(call: Call, user: string): NetworkGrant {
    const entry = userOf(this.#configuration, user)
    if (!entry?.enabled) return { is: 'refused', reason: `the user ${printable(user)} is not enabled any more` }
    const origin = { ...this.#endpoint().originOf(call.peer, call), user }
    const earlier = this.#byCall.get(call.id)
    if (earlier?.user === user && earlier.leaving === undefined) return this.#granted(entry, earlier.address)
    this.ended(call, { why: 'the link was negotiated anew', byPeer: true })
    const second = this.#second(call, entry)
    if (second) {
      this.#events.emit({ event: 'session.second', user, outcome: second.refused ? 'refused' : 'first-ended' }, origin)
      if (second.refused) {
        return {
          is: 'refused',
          reason: `${printable(user)} has a session already, and may have one only (sessions: refuse-second)`,
        }
      }
      for (const session of second.ended) this.end(session, 'the same user logged in again')
    }
    const address = this.pool.take(user, this.#platform.clock.now())
    if (address === undefined) {
      this.#events.emit({ event: 'pool.exhausted', user, size: this.pool.size }, origin)
      return {
        is: 'refused',
        reason: `the address pool is exhausted: all of its ${this.pool.size} addresses are in use`,
      }
    }
    this.#add(new UserSession(call, user, address, this.#platform.clock.now(), this.#platform.clock.date()))
    return this.#granted(entry, address)
  }

  #granted(entry: UserEntry, address: string): NetworkGrant {
    const { remoteAccess } = this.#configuration
    return {
      is: 'granted',
      ours: remoteAccess.gatewayAddress,
      peers: address,
      dns: dnsOf(this.#configuration),
      nbns: remoteAccess.nbns,
      interfaceId: undefined,
      sessionSeconds: this.#sessionSeconds(entry),
      idleSeconds: entry.idleSeconds ?? remoteAccess.idleSeconds,
    }
  }

  /** The limit of the user, else of all; and never beyond the hours at which the user may be in. */
  #sessionSeconds(entry: UserEntry): number | undefined {
    const limit = entry.sessionSeconds ?? this.#configuration.remoteAccess.sessionSeconds
    const minutes = minutesAllowed(entry.hours, minuteOfWeek(this.#platform.clock.date()))
    return minutes === undefined ? limit : Math.min(limit ?? Number.POSITIVE_INFINITY, Math.max(1, minutes * 60))
  }

  /**
   * A second log-in. `end-first`: the first ends. `refuse-second`: it stays, unless the new one is evidently the same machine dialling again (same
   * outer address, same L2TP host name). `any`: both stay, but a fixed address is one session's only, so there too the first ends.
   */
  #second(call: Call, entry: UserEntry): { refused: boolean; ended: readonly UserSession[] } | undefined {
    const others = [...(this.#byUser.get(entry.name) ?? [])].filter(
      (session) => session.call !== call && session.leaving === undefined,
    )
    if (others.length === 0) return undefined
    if (entry.sessions === 'end-first') return { refused: false, ended: others }
    if (entry.sessions === 'refuse-second')
      return { refused: !others.every((first) => sameMachine(first.call, call)), ended: others }
    const holder = others.filter((first) => first.address === entry.address)
    return holder.length > 0 ? { refused: false, ended: holder } : undefined
  }

  /** PPP carries packets: the session begins, once. */
  opened(call: Call, { ipv4, authentication }: Network): UserSession | undefined {
    const session = this.#byCall.get(call.id)
    if (!session || session.opened || !ipv4) return session
    session.opened = true
    const { ike, esp, weak, natted } = call.peer
    this.#events.emit(
      {
        event: 'session.started',
        session: call.id,
        user: session.user,
        address: session.address,
        natted,
        ike,
        esp,
        weak,
        authentication: authentication ?? 'none',
      },
      this.#endpoint().originOf(call.peer, call),
    )
    if (this.#configuration.remoteAccess.forwarding === 'proxy-arp') this.#proxy(session.address, true)
    return session
  }

  counted(call: Call, counters: SessionCounters): void {
    this.#byCall.get(call.id)?.counted(counters)
  }

  /** Says goodbye to the client; its address is free at once. */
  end(session: UserSession, why: string): void {
    if (session.leaving !== undefined) return
    session.leaving = why
    this.#release(session)
    this.#endpoint().end(session.call, why)
  }

  /** The call is over. */
  ended(call: Call, { why }: CallEnd): void {
    const session = this.#byCall.get(call.id)
    if (!session) return
    if (session.leaving === undefined) this.#release(session)
    this.#remove(session)
    if (!session.opened) return
    this.#events.emit(
      {
        event: 'session.ended',
        session: call.id,
        user: session.user,
        address: session.address,
        why: session.leaving ?? why,
        seconds: Math.round((this.#platform.clock.now() - session.startedAt) / 1000),
        bytesIn: session.bytesIn,
        bytesOut: session.bytesOut,
      },
      this.#endpoint().originOf(call.peer, call),
    )
  }

  /** Ends the sessions of a user, or the one with this inner address; how many. */
  disconnect(target: string): number {
    const chosen = this.all.filter(
      ({ user, address, leaving }) => leaving === undefined && (user === target || address === target),
    )
    for (const session of chosen) this.end(session, 'disconnected by the operator')
    return chosen.length
  }

  /** Another configuration: ends what it touches; how many that were. */
  change(after: Configuration): number {
    const { gatewayAddress } = after.remoteAccess
    const before = this.#configuration.remoteAccess
    const moved = before.gatewayAddress !== gatewayAddress
    this.#configuration = after
    if (after.remoteAccess.forwarding === 'proxy-arp' && before.forwarding !== 'proxy-arp') {
      for (const { address, leaving } of this.all) if (leaving === undefined) this.#proxy(address, true)
    }
    const misplaced = new Set(this.pool.change(poolPlanOf(after)))
    const ended = [...this.#byCall.values()].flatMap((session) => {
      const entry = userOf(after, session.user)
      const why = !entry
        ? 'the user is not in the configuration any more'
        : !entry.enabled
          ? 'the user was disabled'
          : moved
            ? `the gateway’s inner address is ${gatewayAddress} now`
            : misplaced.has(session.address)
              ? `the address ${session.address} is not the user’s any more`
              : undefined
      return why === undefined || session.leaving !== undefined ? [] : [{ session, why }]
    })
    for (const { session, why } of ended) this.end(session, why)
    return ended.length
  }

  #add(session: UserSession): void {
    this.#byCall.set(session.call.id, session)
    const sessions = this.#byUser.get(session.user) ?? new Set()
    this.#byUser.set(session.user, sessions.add(session))
  }

  #remove(session: UserSession): void {
    this.#byCall.delete(session.call.id)
    const sessions = this.#byUser.get(session.user)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#byUser.delete(session.user)
  }

  #release(session: UserSession): void {
    this.pool.release(session.address, this.#platform.clock.now())
    if (session.opened && this.#configuration.remoteAccess.forwarding === 'proxy-arp')
      this.#proxy(session.address, false)
  }

  #proxy(address: string, present: boolean): void {
    this.#platform.network
      .client(address, present)
      .catch((error: Error) =>
        this.#events.emit({ event: 'network.trouble', what: `proxy ARP for ${address}`, why: error.message }),
      )
  }
}

function sameMachine(a: Call, b: Call): boolean {
  return a.peer.path.remote.address === b.peer.path.remote.address && a.hostName === b.hostName
}
