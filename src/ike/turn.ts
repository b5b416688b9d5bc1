// One input being handled: what is known, and where the consequences go. Every part of IKE works on a turn; none keeps one.
import { type Path, sourceOf } from '../wire/address.ts'
import type { At, Instant } from '../wire/machine.ts'
import type { CertificateWork, IkeEffect, IkePolicy, Work } from './contract.ts'
import type { IkeEvent, IkeRefusal } from './events.ts'
import { allowed } from './quota.ts'
import type { IkeSa, IkeState, JobOwner } from './state.ts'

export type Turn = At & { readonly state: IkeState; readonly effects: IkeEffect[] }

export function policyOf(turn: Turn): IkePolicy {
  return turn.state.policy
}

export function emit(turn: Turn, effect: IkeEffect): void {
  turn.effects.push(effect)
}

export function send(turn: Turn, path: Path, octets: Uint8Array): void {
  emit(turn, { do: 'send', path, octets })
}

export function report(turn: Turn, event: IkeEvent): void {
  emit(turn, { do: 'report', event })
}

/** What anybody on the internet can cause is reported within a quota; the sources' floods are folded. */
export function reportInvalid(turn: Turn, path: Path, why: string): void {
  if (allowed(turn.state.invalidQuota, sourceOf(path.remote.address), turn.now))
    report(turn, { event: 'ike.message.invalid', path, why })
}

/** A refusal: one sentence for the operator, folded by source where nobody has authenticated himself. */
export function refuse(
  turn: Turn,
  at: Pick<IkeSa, 'path' | 'client'> & { readonly identity?: string | undefined },
  cause: IkeRefusal,
  why: string,
  userSees?: number,
): void {
  const stranger = at.identity === undefined
  if (stranger && !allowed(turn.state.refusalQuota, `${sourceOf(at.path.remote.address)} ${cause}`, turn.now)) return
  report(turn, { event: 'ike.negotiation.refused', path: at.path, client: at.client, cause, why, userSees })
}

/** Sets, moves or (with undefined) drops a timer. Keys are `WHAT ID …`, read again by core.ts. */
export function arm(turn: Turn, timer: string, at: Instant | undefined): void {
  turn.state.timers.set(timer, at)
}

/** Starts slow work; its result comes back to the owner, if the owner still waits for this number. */
export function startWork(turn: Turn, owner: JobOwner, work: Work): number {
  const job = newJob(turn, owner)
  emit(turn, { do: 'work', job, work })
  return job
}

/** Starts work with certificates, likewise. */
export function startCertificateWork(turn: Turn, owner: JobOwner, work: CertificateWork): number {
  const job = newJob(turn, owner)
  emit(turn, { do: 'certificateWork', job, work })
  return job
}

export function newJob(turn: Turn, owner: JobOwner): number {
  const job = turn.state.next.job++
  turn.state.jobs.set(job, owner)
  return job
}
