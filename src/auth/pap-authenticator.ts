// The server's side of PAP (RFC 1334 §2): wait for a request, have it judged, answer it, and answer its repeats alike.

import { sameSecret } from '../crypto/constant-time.ts'
import { equal } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import { Secret } from '../wire/secret.ts'
import type { AuthEffect, AuthInput, AuthVerdict } from './contract.ts'
import { userText } from './names.ts'
import { emitPap, parsePap } from './wire/pap.ts'

type Request = { readonly id: number; readonly user: Uint8Array; readonly password: Secret }

type State =
  | { readonly is: 'waiting' }
  | { readonly is: 'verifying'; readonly job: number; readonly request: Request }
  | { readonly is: 'accepted' | 'refused'; readonly request: Request }

export class PapAuthenticator implements Machine<AuthInput, AuthEffect> {
  #state: State = { is: 'waiting' }
  #jobs = 0

  get deadline(): Instant | undefined {
    return undefined
  }

  handle(input: AuthInput, _at: At): readonly AuthEffect[] {
    if (input.on === 'verdict') return this.#verdict(input.job, input.verdict)
    if (input.on !== 'packet') return []
    try {
      const packet = parsePap(input.octets)
      if (packet.is === 'Authenticate-Request') {
        return this.#request({
          id: packet.id,
          user: packet.user.slice(),
          password: new Secret(packet.password.slice()),
        })
      }
      return [{ do: 'ignored', why: `a PAP ${packet.is} came from the end that has to ask` }]
    } catch (error) {
      if (error instanceof WireError) return [{ do: 'ignored', why: error.message }]
      throw error
    }
  }

  #request(request: Request): readonly AuthEffect[] {
    const state = this.#state
    switch (state.is) {
      case 'waiting': {
        const job = ++this.#jobs
        this.#state = { is: 'verifying', job, request }
        const { password } = request
        return [{ do: 'verify', job, attempt: { kind: 'pap', user: userText(request.user), password } }]
      }
      case 'verifying':
        // The peer counts its identifier on with each repeat and listens for the last one (RFC 1334 §2.2.1).
        if (same(state.request, request)) this.#state = { ...state, request }
        return []
      default:
        return same(state.request, request) ? [answer(request.id, state.is)] : []
    }
  }

  #verdict(job: number, verdict: AuthVerdict): readonly AuthEffect[] {
    const state = this.#state
    if (state.is !== 'verifying' || state.job !== job) return []
    const { request } = state
    this.#state = { is: verdict.is, request }
    const sent = answer(request.id, verdict.is)
    if (verdict.is === 'accepted') return [sent, { do: 'accepted', user: verdict.user }]
    const { why, error } = verdict
    return [sent, { do: 'refused', user: userText(request.user), why, userSees: error, final: true }]
  }
}

function same(a: Request, b: Request): boolean {
  return equal(a.user, b.user) && sameSecret(a.password.reveal(), b.password.reveal())
}

function answer(id: number, is: 'accepted' | 'refused'): AuthEffect {
  const message = new TextEncoder().encode(is === 'accepted' ? 'Welcome' : 'Access denied')
  return {
    do: 'send',
    octets: emitPap({ is: is === 'accepted' ? 'Authenticate-Ack' : 'Authenticate-Nak', id, message }),
  }
}
