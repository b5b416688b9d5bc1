// The client's side of PAP (RFC 1334 §2): ask until there is an answer.
import { printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import type { Secret } from '../wire/secret.ts'
import type { AuthEffect, AuthInput } from './contract.ts'
import { emitPap, parsePap } from './wire/pap.ts'

export type PapPeerOptions = {
  readonly user: string
  readonly password: Secret
  /** Milliseconds until an unanswered request is sent again. */
  readonly resendMs: number
}

type State =
  | { readonly is: 'idle' | 'accepted' | 'refused' }
  /** `count` requests were sent, with identifiers 1 to `count`. */
  | { readonly is: 'asking'; readonly count: number; readonly resendAt: Instant }

export class PapPeer implements Machine<AuthInput, AuthEffect> {
  readonly #options: PapPeerOptions
  #state: State = { is: 'idle' }

  constructor(options: PapPeerOptions) {
    this.#options = options
  }

  get deadline(): Instant | undefined {
    return this.#state.is === 'asking' ? this.#state.resendAt : undefined
  }

  handle(input: AuthInput, at: At): readonly AuthEffect[] {
    const state = this.#state
    switch (input.on) {
      case 'start':
        return state.is === 'idle' ? [this.#ask(0, at)] : []
      case 'tick':
        return state.is === 'asking' && state.resendAt <= at.now ? [this.#ask(state.count, at)] : []
      case 'packet':
        try {
          return this.#answer(input.octets)
        } catch (error) {
          if (error instanceof WireError) return [{ do: 'ignored', why: error.message }]
          throw error
        }
      case 'verdict':
        return []
    }
  }

  #ask(sent: number, at: At): AuthEffect {
    const text = new TextEncoder()
    const { user, password, resendMs } = this.#options
    this.#state = { is: 'asking', count: sent + 1, resendAt: at.now + resendMs }
    return {
      do: 'send',
      octets: emitPap({
        is: 'Authenticate-Request',
        id: (sent + 1) & 0xff,
        user: text.encode(user).slice(0, 255),
        password: password.reveal().slice(0, 255),
      }),
    }
  }

  #answer(octets: Uint8Array): readonly AuthEffect[] {
    const packet = parsePap(octets)
    const state = this.#state
    if (packet.is !== 'Authenticate-Ack' && packet.is !== 'Authenticate-Nak') {
      return [{ do: 'ignored', why: `a PAP ${packet.is} came from the end that has to answer` }]
    }
    // Every request said the same, so an answer to an earlier one will do.
    if (state.is !== 'asking' || packet.id === 0 || packet.id > state.count) return []
    const { user } = this.#options
    if (packet.is === 'Authenticate-Ack') {
      this.#state = { is: 'accepted' }
      return [{ do: 'accepted', user }]
    }
    this.#state = { is: 'refused' }
    const words = packet.message.length === 0 ? '' : `: "${printable(packet.message)}"`
    const why = `the server refused the user name or password${words}`
    return [{ do: 'refused', user, why, userSees: 691, final: true }]
  }
}
