// The client's side of CHAP, for its three kinds: answer each Challenge, and in MS-CHAPv2 believe no Success that doesn't prove
// that the server knows the password too (RFC 2759 §5). The Response is repeated until it is answered, since a Success can be lost.
import { sameSecret } from '../crypto/constant-time.ts'
import { equal, printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import type { Secret } from '../wire/secret.ts'
import { CHAP_KINDS, type ChapKind } from './chap-kinds.ts'
import type { AuthEffect, AuthInput } from './contract.ts'
import { AUTH_ERRORS, KIND_NAMES } from './names.ts'
import { type ChapPacket, emitChap, parseChap, type ValuedPacket } from './wire/chap.ts'
import { parseMschapFailure, parseMschapv2Success } from './wire/mschap.ts'

/** Windows' number for a server that failed to prove itself. */
const MUTUAL_AUTHENTICATION_FAILED = 778

export type ChapPeerOptions = {
  readonly kind: ChapKind
  readonly user: string
  readonly password: Secret
  /** Milliseconds until an unanswered Response is sent again. */
  readonly resendMs: number
}

type Sent = {
  readonly id: number
  readonly challenge: Uint8Array
  readonly octets: Uint8Array
  readonly expected: Uint8Array | undefined
}

type State =
  | { readonly is: 'waiting' }
  | { readonly is: 'responded'; readonly sent: Sent; readonly resendAt: Instant }
  | { readonly is: 'accepted'; readonly sent: Sent }
  | { readonly is: 'refused' }

export class ChapPeer implements Machine<AuthInput, AuthEffect> {
  readonly #options: ChapPeerOptions
  #state: State = { is: 'waiting' }
  /** A server may challenge again in the network phase: the link isn't accepted twice. */
  #told = false

  constructor(options: ChapPeerOptions) {
    this.#options = options
  }

  get deadline(): Instant | undefined {
    return this.#state.is === 'responded' ? this.#state.resendAt : undefined
  }

  handle(input: AuthInput, at: At): readonly AuthEffect[] {
    if (input.on === 'tick') {
      const state = this.#state
      if (state.is !== 'responded' || state.resendAt > at.now) return []
      this.#state = { ...state, resendAt: at.now + this.#options.resendMs }
      return [{ do: 'send', octets: state.sent.octets }]
    }
    if (input.on !== 'packet' || this.#state.is === 'refused') return []
    try {
      return this.#packet(parseChap(input.octets), at)
    } catch (error) {
      if (error instanceof WireError) return [{ do: 'ignored', why: error.message }]
      throw error
    }
  }

  #packet(packet: ChapPacket, at: At): readonly AuthEffect[] {
    switch (packet.is) {
      case 'Challenge':
        return this.#challenged(packet, at)
      case 'Success':
        return this.#success(packet.id, packet.message)
      case 'Failure':
        return this.#failure(packet.id, packet.message)
      default:
        return [{ do: 'ignored', why: `a CHAP ${packet.is} came from the end that has to ask` }]
    }
  }

  #challenged(packet: ValuedPacket<'Challenge'>, at: At): readonly AuthEffect[] {
    const { kind, user, password, resendMs } = this.#options
    const rules = CHAP_KINDS[kind]
    if (kind === 'chap' ? packet.value.length === 0 : packet.value.length !== rules.challengeLength) {
      return [{ do: 'ignored', why: `a ${KIND_NAMES[kind]} challenge of ${packet.value.length} octets` }]
    }
    const state = this.#state
    if (state.is === 'responded' || state.is === 'accepted') {
      const { sent } = state
      if (sent.id === packet.id && equal(sent.challenge, packet.value)) return [{ do: 'send', octets: sent.octets }]
    }
    const name = new TextEncoder().encode(user)
    const challenge = packet.value.slice()
    const { value, expected } = rules.respond(packet.id, challenge, name, password, at.random)
    const octets = emitChap({ is: 'Response', id: packet.id, value, name })
    const sent = { id: packet.id, challenge, octets, expected }
    this.#state = { is: 'responded', sent, resendAt: at.now + resendMs }
    return [{ do: 'send', octets }]
  }

  #success(id: number, message: Uint8Array): readonly AuthEffect[] {
    const state = this.#state
    if (state.is !== 'responded' || id !== state.sent.id) return []
    const { sent } = state
    if (sent.expected) {
      const proof = parseMschapv2Success(message)
      if (!proof || !sameSecret(proof, sent.expected)) {
        const found = proof ? 'wrong' : 'missing'
        return this.#refused(
          `the server accepted us, but its own proof is ${found}: it does not know the password (mutual authentication failed)`,
          MUTUAL_AUTHENTICATION_FAILED,
        )
      }
    }
    this.#state = { is: 'accepted', sent }
    if (this.#told) return []
    this.#told = true
    return [{ do: 'accepted', user: this.#options.user }]
  }

  #failure(id: number, message: Uint8Array): readonly AuthEffect[] {
    const state = this.#state
    if (state.is !== 'responded' || id !== state.sent.id) return []
    const failure = this.#options.kind === 'chap' ? undefined : parseMschapFailure(message)
    if (!failure) {
      const words = message.length === 0 ? '' : `: "${printable(message)}"`
      return this.#refused(`the server refused the user name or password${words}`, 691)
    }
    const words = AUTH_ERRORS[failure.error] ?? 'it gives no reason known here'
    const said = failure.message ? `: "${printable(failure.message)}"` : ''
    return this.#refused(`the server refused with error ${failure.error}, ${words}${said}`, failure.error)
  }

  /** We have one password, so there is nothing to retry with. */
  #refused(why: string, userSees: number): readonly AuthEffect[] {
    this.#state = { is: 'refused' }
    return [{ do: 'refused', user: this.#options.user, why, userSees, final: true }]
  }
}
