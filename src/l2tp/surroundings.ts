// What a control connection and its sessions are handled in: the moment, the policy, and what all control connections share.
import type { Instant, Random } from '../wire/machine.ts'
import type { CallId, L2tpEffect, L2tpPolicy } from './contract.ts'

export type Surroundings = {
  readonly now: Instant
  readonly random: Random
  readonly policy: L2tpPolicy
  readonly emit: (effect: L2tpEffect) => void
  readonly calls: CallRegister
}

/** Session IDs and calls of the whole machine. */
export interface CallRegister {
  /** Sessions that stand or are being set up. */
  readonly used: number
  /** A random session ID that is not zero and not in use; undefined: all are. */
  takeSessionId(random: Random): number | undefined
  freeSessionId(id: number): void
  /** A new call's number, on this control connection and session. */
  open(tunnel: number, session: number): CallId
  close(call: CallId): void
}
