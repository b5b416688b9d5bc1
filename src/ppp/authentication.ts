// The conversation of one link's authentication phase, of whichever kind and role LCP settled on, with its job numbers made the link's own:
// a link that authenticates twice must not take the first verdict for the second.
import { ChapAuthenticator } from '../auth/chap-authenticator.ts'
import { ChapPeer } from '../auth/chap-peer.ts'
import type { AuthEffect, AuthInput, AuthKind, AuthVerdict } from '../auth/contract.ts'
import { PapAuthenticator } from '../auth/pap-authenticator.ts'
import { PapPeer } from '../auth/pap-peer.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import type { PppPolicy } from './contract.ts'
import { PROTOCOL } from './wire/protocols.ts'

export class Authentication {
  readonly kind: AuthKind
  /** The PPP protocol of its packets. */
  readonly protocol: number
  readonly #machine: Machine<AuthInput, AuthEffect>
  #verifying: { readonly job: number; readonly inner: number } | undefined

  /** `failures`: how many this link has behind it. */
  constructor(kind: AuthKind, policy: PppPolicy, failures: number) {
    this.kind = kind
    this.protocol = kind === 'pap' ? PROTOCOL.pap : PROTOCOL.chap
    this.#machine = policy.role === 'server' ? authenticator(kind, policy, failures) : peer(kind, policy)
  }

  get deadline(): Instant | undefined {
    return this.#machine.deadline
  }

  /** `nextJob` is asked for a number where a judgement is needed. */
  handle(input: AuthInput & { on: 'start' | 'packet' | 'tick' }, at: At, nextJob: () => number): readonly AuthEffect[] {
    return this.#numbered(this.#machine.handle(input, at), nextJob)
  }

  /** Nothing where the verdict isn't awaited any more. */
  verdict(job: number, verdict: AuthVerdict, at: At, nextJob: () => number): readonly AuthEffect[] {
    if (this.#verifying?.job !== job) return []
    const { inner } = this.#verifying
    this.#verifying = undefined
    return this.#numbered(this.#machine.handle({ on: 'verdict', job: inner, verdict }, at), nextJob)
  }

  #numbered(effects: readonly AuthEffect[], nextJob: () => number): readonly AuthEffect[] {
    return effects.map((effect) => {
      if (effect.do !== 'verify') return effect
      this.#verifying = { job: nextJob(), inner: effect.job }
      return { ...effect, job: this.#verifying.job }
    })
  }
}

function authenticator(kind: AuthKind, policy: PppPolicy, failures: number): Machine<AuthInput, AuthEffect> {
  if (kind === 'pap') return new PapAuthenticator()
  const tries = Math.max(1, policy.authTries - failures)
  return new ChapAuthenticator({ kind, name: policy.name, resendMs: policy.restart.ms, tries })
}

function peer(kind: AuthKind, policy: PppPolicy): Machine<AuthInput, AuthEffect> {
  const { user, password } = policy.credentials!
  const resendMs = policy.restart.ms
  return kind === 'pap' ? new PapPeer({ user, password, resendMs }) : new ChapPeer({ kind, user, password, resendMs })
}
