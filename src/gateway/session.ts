// A user's session: one object from the IKE SA to what is counted. It begins when PPP carries packets and ends with whichever layer ends first.
import type { SessionRow } from '../control/protocol.ts'
import type { SessionCounters } from '../platform/fast-path.ts'
import { showEndpoint } from '../wire/address.ts'
import { printable } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import type { Call } from './owner.ts'

export class UserSession {
  readonly call: Call
  readonly user: string
  readonly address: string
  readonly since: Date
  readonly startedAt: Instant
  #counters: SessionCounters | undefined
  /** Given to the user, but PPP has not opened with it yet. */
  opened = false
  /** It says goodbye: its address is somebody else's already. */
  leaving: string | undefined

  constructor(call: Call, user: string, address: string, now: Instant, since: Date) {
    this.call = call
    this.user = user
    this.address = address
    this.startedAt = now
    this.since = since
  }

  get bytesIn(): number {
    return this.#counters?.octetsIn ?? 0
  }

  get bytesOut(): number {
    return this.#counters?.octetsOut ?? 0
  }

  counted(counters: SessionCounters): void {
    this.#counters = counters
  }

  /** As `status` shows it. */
  row(): SessionRow {
    const { call, user, address, since } = this
    const { peer } = call
    return {
      session: call.id,
      user,
      address,
      peer: showEndpoint(peer.path.remote),
      natted: peer.natted,
      client: peer.client,
      hostName: printable(call.hostName),
      authentication: call.link.status().authentication ?? 'none',
      ike: peer.ike,
      esp: peer.esp,
      weak: peer.weak,
      since: since.toISOString(),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      packetsIn: this.#counters?.packetsIn ?? 0,
      packetsOut: this.#counters?.packetsOut ?? 0,
    }
  }
}
