// Soft associations: what happens to traffic that a rule wants protected while it is unknown whether the peer speaks IPsec at all. A machine; one state a pair of
// rule and peer:
//
//   state        | wanted     | protected  | silent                  | refused    | time
//   (none)       | negotiating| protected  | -                       | -          | -
//   negotiating  | -          | protected  | soft, where allowed     | barred     | barred
//                |            |            | else barred             |            |
//   soft         | -          | protected  | -                       | barred     | (none)
//   barred       | -          | protected  | -                       | -          | (none)
//   protected    | -          | -          | -                       | -          | gone: (none)
//
// Clear traffic passes in `soft` alone. Only silence makes a peer one that doesn't speak IPsec: whoever answers IKE and refuses, or fails to prove who he is, speaks it.
import type { Instant } from '../wire/machine.ts'

/** How long a rule's traffic waits for an answer to IKE before silence counts. Ours: the initiator's own tries end before. */
const negotiatingMs = 60_000
/** How long nothing is tried again after a failure. Ours: a host that asks once a second isn't to start a main mode each time. */
const barredMs = 10_000
/** Peers at once, all rules together: each costs a negotiation, and packets with invented destinations mustn't fill memory. */
export const mostPeers = 4096

/** `rule` is the filter's text, `peer` an address. */
export type Key = { readonly rule: string; readonly peer: string }

export type SoftInput =
  /** A packet for the peer met the rule and had no SA. `softSeconds` as the rule's action has it. */
  | ({ readonly on: 'wanted'; readonly softSeconds: number | undefined } & Key)
  /** The peer has an SA pair for the rule, or has it no longer. */
  | ({ readonly on: 'protected' | 'gone' } & Key)
  /** Nothing that it was sent by IKE was answered. */
  | ({ readonly on: 'silent' } & Key)
  /** It answered, and no pair came of it. */
  | ({ readonly on: 'refused'; readonly reason: string } & Key)
  | { readonly on: 'tick' }
  /** The policy changed: nothing stands any more. */
  | { readonly on: 'clear' }

export type SoftEffect =
  | ({ readonly do: 'negotiate' } & Key)
  /** Clear traffic with the peer passes for this rule until `endClear`, and at most for so many seconds. */
  | ({ readonly do: 'allowClear'; readonly seconds: number } & Key)
  | ({ readonly do: 'endClear' } & Key)
  | ({ readonly do: 'report'; readonly event: SoftEvent } & Key)

export type SoftEvent =
  | { readonly event: 'policy.soft.up'; readonly seconds: number }
  | { readonly event: 'policy.soft.down'; readonly why: 'expired' | 'protected' | 'policy changed' | 'refused' }
  | { readonly event: 'policy.dropped'; readonly why: string }

type State =
  | { readonly is: 'negotiating'; readonly softSeconds: number | undefined; readonly until: Instant }
  | { readonly is: 'soft'; readonly since: Instant; readonly until: Instant }
  | { readonly is: 'barred'; readonly until: Instant }
  | { readonly is: 'protected' }

export type SoftRow = Key & { readonly since: Instant; readonly until: Instant }

export class SoftAssociations {
  readonly #states = new Map<string, Key & { state: State }>()

  handle(input: SoftInput, now: Instant): readonly SoftEffect[] {
    if (input.on === 'tick') return this.#tick(now)
    if (input.on === 'clear') return this.#clear()
    const key: Key = { rule: input.rule, peer: input.peer }
    const id = JSON.stringify([key.rule, key.peer])
    const state = this.#states.get(id)?.state
    const to = (next: State | undefined, ...effects: SoftEffect[]) => {
      if (next === undefined) this.#states.delete(id)
      else this.#states.set(id, { ...key, state: next })
      return effects
    }
    if (input.on === 'wanted') {
      if (state !== undefined || this.#states.size >= mostPeers) return []
      const until = now + negotiatingMs
      return to({ is: 'negotiating', softSeconds: input.softSeconds, until }, { do: 'negotiate', ...key })
    }
    if (input.on === 'protected')
      return to({ is: 'protected' }, ...(state?.is === 'soft' ? ended(key, 'protected') : []))
    if (input.on === 'gone') return state?.is === 'protected' ? to(undefined) : []
    if (input.on === 'silent' && state?.is === 'negotiating') return this.#silent(key, state, now, to)
    if (input.on === 'refused' && (state?.is === 'negotiating' || state?.is === 'soft')) {
      return to(
        { is: 'barred', until: now + barredMs },
        ...(state.is === 'soft' ? ended(key, 'refused') : []),
        dropped(key, `the peer speaks IPsec, and no SA could be made: ${input.reason}`),
      )
    }
    return []
  }

  #silent(
    key: Key,
    { softSeconds }: Extract<State, { is: 'negotiating' }>,
    now: Instant,
    to: (next: State, ...effects: SoftEffect[]) => SoftEffect[],
  ): SoftEffect[] {
    if (softSeconds === undefined) {
      return to(
        { is: 'barred', until: now + barredMs },
        dropped(key, "the peer doesn't answer IKE, and the filter action forbids clear traffic"),
      )
    }
    return to(
      { is: 'soft', since: now, until: now + softSeconds * 1000 },
      { do: 'allowClear', seconds: softSeconds, ...key },
      { do: 'report', event: { event: 'policy.soft.up', seconds: softSeconds }, ...key },
    )
  }

  #tick(now: Instant): SoftEffect[] {
    const effects: SoftEffect[] = []
    for (const [id, { rule, peer, state }] of this.#states) {
      if (state.is === 'protected' || state.until > now) continue
      const key = { rule, peer }
      if (state.is === 'negotiating') {
        this.#states.set(id, { ...key, state: { is: 'barred', until: now + barredMs } })
        effects.push(dropped(key, 'no SA was made in time'))
        continue
      }
      this.#states.delete(id)
      if (state.is === 'soft') effects.push(...ended(key, 'expired'))
    }
    return effects
  }

  #clear(): SoftEffect[] {
    const soft = [...this.#states.values()].filter(({ state }) => state.is === 'soft')
    this.#states.clear()
    return soft.flatMap(({ rule, peer }) => ended({ rule, peer }, 'policy changed'))
  }

  protects({ rule, peer }: Key): boolean {
    return this.#states.get(JSON.stringify([rule, peer]))?.state.is === 'protected'
  }

  get deadline(): Instant | undefined {
    const all = [...this.#states.values()].flatMap(({ state }) => (state.is === 'protected' ? [] : [state.until]))
    return all.length === 0 ? undefined : all.reduce((least, at) => Math.min(least, at))
  }

  /** What stands in clear now. */
  rows(): SoftRow[] {
    return [...this.#states.values()].flatMap(({ rule, peer, state }) =>
      state.is === 'soft' ? [{ rule, peer, since: state.since, until: state.until }] : [],
    )
  }
}

function ended(key: Key, why: Extract<SoftEvent, { event: 'policy.soft.down' }>['why']): SoftEffect[] {
  return [
    { do: 'endClear', ...key },
    { do: 'report', event: { event: 'policy.soft.down', why }, ...key },
  ]
}

function dropped(key: Key, why: string): SoftEffect {
  return { do: 'report', event: { event: 'policy.dropped', why }, ...key }
}
