// What is written down of a control connection that stands, so that a restarted daemon goes on with it: sequence numbers, queue and sessions as they are.
import type { Instant } from '../wire/machine.ts'
import type { CallId, PeerId } from './contract.ts'
import type { Reliable } from './reliable.ts'
import type { Session } from './session.ts'

export type ConnectionRecord = {
  readonly peer: PeerId
  readonly local: number
  readonly localPort: number
  readonly remotePort: number
  readonly remote: number
  readonly openedByUs: boolean
  readonly opening: Uint8Array | undefined
  readonly peerHostName: string
  /** Absent in what an older daemon wrote. */
  readonly framing: number | undefined
  readonly vendor: string
  readonly sessions: ReadonlyMap<number, Session>
  readonly pending: ReadonlyMap<number, Instant>
  readonly emptySince: Instant | undefined
  readonly served: boolean
  readonly established: Instant
  readonly since: Instant
  readonly helloMs: number
  readonly delivery: Reliable
}

/** Calls never have the number of an earlier one. */
export type CallsRecord = { readonly last: CallId }
