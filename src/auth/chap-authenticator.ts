// The server's side of CHAP, for its three kinds (RFC 1994 §4, RFC 2433, RFC 2759).
//
// 1. `start`: a Challenge. Each time it is sent again it has a new identifier and value (RFC 1994 §4.1); the last few stay answerable,
//    because the network delays and reorders.
// 2. A Response to one of them becomes an attempt for judgement. While it is judged its repeats are passed over, and one different
//    Response is parked.
// 3. The verdict becomes Success or Failure, and is remembered with the Response: the same Response gets the same answer again.
//    A Response to an old challenge that differs (the peer saw a repeated Challenge) is judged again, so that `S=` fits it, but can't undo a success.
// 4. A Failure that allows it (R=1) holds the next challenge.

import { equal } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import { type Answered, CHAP_KINDS, type ChapKind, type ChapRules } from './chap-kinds.ts'
import type { AuthAttempt, AuthEffect, AuthInput, AuthVerdict } from './contract.ts'
import { AUTH_ERRORS, KIND_NAMES, userText } from './names.ts'
import { type ChapPacket, emitChap, parseChap, type ValuedPacket } from './wire/chap.ts'

/** Challenges that can still be answered. Ours: enough for the repeats of a slow path. */
const OUTSTANDING = 4
/** Judgements on one link after the first success, so that a peer can't keep the verifier busy. Ours. */
const MOST_AFTER_SUCCESS = 8

export type ChapAuthenticatorOptions = {
  readonly kind: ChapKind
  /** Our name in challenges. */
  readonly name: string
  /** Milliseconds until an unanswered Challenge is sent again. */
  readonly resendMs: number
  /** Failures until a Failure is final; at least 1. */
  readonly tries: number
}

/** `retry`: it came in a Failure, and is answered with the Failure's identifier plus one (RFC 2433 §4), or the same. */
type Challenge = { readonly id: number; readonly value: Uint8Array; readonly retry: boolean }
type Judged = { readonly job: number; readonly answered: Answered }
type Judgeable = { readonly answered: Answered; readonly attempt: AuthAttempt }

type State =
  | { readonly is: 'idle' }
  | { readonly is: 'challenging'; readonly resendAt: Instant | undefined }
  | { readonly is: 'verifying'; readonly judged: Judged; readonly parked: Judgeable | undefined }
  | { readonly is: 'accepted'; readonly judged: Judged | undefined }
  | { readonly is: 'refused' }

export class ChapAuthenticator implements Machine<AuthInput, AuthEffect> {
  readonly #options: ChapAuthenticatorOptions
  readonly #rules: ChapRules
  #state: State = { is: 'idle' }
  #outstanding: readonly Challenge[] = []
  #last: { readonly answered: Answered; readonly reply: Uint8Array } | undefined
  #nextId = 1
  #jobs = 0
  #failures = 0
  #afterSuccess = 0

  constructor(options: ChapAuthenticatorOptions) {
    this.#options = options
    this.#rules = CHAP_KINDS[options.kind]
  }

  get deadline(): Instant | undefined {
    return this.#state.is === 'challenging' ? this.#state.resendAt : undefined
  }

  handle(input: AuthInput, at: At): readonly AuthEffect[] {
    switch (input.on) {
      case 'start':
        return this.#state.is === 'idle' ? [this.#challenge(at)] : []
      case 'tick': {
        const due = this.deadline
        return due !== undefined && due <= at.now ? [this.#challenge(at)] : []
      }
      case 'packet':
        try {
          return this.#packet(parseChap(input.octets), at)
        } catch (error) {
          if (error instanceof WireError) return [{ do: 'ignored', why: error.message }]
          throw error
        }
      case 'verdict':
        return this.#verdict(input.job, input.verdict, at)
    }
  }

  #challenge(at: At): AuthEffect {
    const challenge = { id: this.#takeId(), value: at.random.octets(this.#rules.challengeLength), retry: false }
    this.#outstanding = [challenge, ...this.#outstanding].slice(0, OUTSTANDING)
    this.#state = { is: 'challenging', resendAt: at.now + this.#options.resendMs }
    const name = new TextEncoder().encode(this.#options.name)
    return { do: 'send', octets: emitChap({ is: 'Challenge', id: challenge.id, value: challenge.value, name }) }
  }

  #packet(packet: ChapPacket, at: At): readonly AuthEffect[] {
    switch (packet.is) {
      case 'Response':
        return this.#response(packet, at)
      case 'Change-Password-1':
      case 'Change-Password-2':
      case 'Change-Password-3':
        return this.#changePassword(packet.id, at)
      default:
        return [{ do: 'ignored', why: `a CHAP ${packet.is} came from the end that has to answer` }]
    }
  }

  #response(packet: ValuedPacket<'Response'>, at: At): readonly AuthEffect[] {
    const last = this.#last
    if (last && this.#answeredAlike(last.answered, packet)) return [{ do: 'send', octets: last.reply }]
    const challenge = this.#outstanding.find(
      ({ id, retry }) => packet.id === id || (retry && packet.id === ((id + 1) & 0xff)),
    )
    if (!challenge) return [{ do: 'ignored', why: `a CHAP Response to no challenge of ours (identifier ${packet.id})` }]
    const answered: Answered = {
      id: packet.id,
      challenge: challenge.value,
      value: packet.value.slice(),
      name: packet.name.slice(),
    }
    const attempt = this.#rules.attempt(answered)
    const state = this.#state
    if (typeof attempt === 'string') {
      return state.is === 'challenging' ? this.#refuse(answered, 691, false, attempt, at) : []
    }
    switch (state.is) {
      case 'challenging':
        return this.#judge({ answered, attempt }, (judged) => ({ is: 'verifying', judged, parked: undefined }))
      case 'verifying':
        if (!sameResponse(state.judged.answered, packet)) this.#state = { ...state, parked: { answered, attempt } }
        return []
      case 'accepted':
        if (state.judged || ++this.#afterSuccess > MOST_AFTER_SUCCESS) return []
        return this.#judge({ answered, attempt }, (judged) => ({ is: 'accepted', judged }))
      default:
        return []
    }
  }

  /**
   * RFC 1994 §4.1: each Response to a challenge that was answered gets the answer that it got before, or a peer could try other names. With the Microsoft
   * kinds it is the same Response only: a Failure's next challenge may have its identifier, and another Response needs another proof.
   */
  #answeredAlike(answered: Answered, packet: ValuedPacket<'Response'>): boolean {
    return this.#options.kind === 'chap' ? answered.id === packet.id : sameResponse(answered, packet)
  }

  #judge({ answered, attempt }: Judgeable, next: (judged: Judged) => State): readonly AuthEffect[] {
    const judged = { job: ++this.#jobs, answered }
    this.#state = next(judged)
    return [{ do: 'verify', job: judged.job, attempt }]
  }

  #verdict(job: number, verdict: AuthVerdict, at: At): readonly AuthEffect[] {
    const state = this.#state
    if ((state.is !== 'verifying' && state.is !== 'accepted') || state.judged?.job !== job) return []
    const { answered } = state.judged
    if (state.is === 'accepted') {
      this.#state = { is: 'accepted', judged: undefined }
      return verdict.is === 'accepted' && this.#provable(verdict) ? [this.#reply(answered, this.#success(verdict))] : []
    }
    if (verdict.is === 'refused') return this.#refuse(answered, verdict.error, verdict.retry, verdict.why, at)
    if (!this.#provable(verdict)) {
      return this.#refuse(answered, 691, false, 'the verifier accepted but gave no authenticator response', at)
    }
    this.#state = { is: 'accepted', judged: undefined }
    const effects: AuthEffect[] = [
      this.#reply(answered, this.#success(verdict)),
      { do: 'accepted', user: verdict.user },
    ]
    if (state.parked) effects.push(...this.#judge(state.parked, (judged) => ({ is: 'accepted', judged })))
    return effects
  }

  #provable(verdict: AuthVerdict & { is: 'accepted' }): boolean {
    return this.#options.kind !== 'mschapv2' || verdict.authenticatorResponse?.length === 20
  }

  #success(verdict: AuthVerdict & { is: 'accepted' }): Uint8Array {
    return new TextEncoder().encode(this.#rules.success(verdict.authenticatorResponse))
  }

  #reply(answered: Answered, message: Uint8Array, is: 'Success' | 'Failure' = 'Success'): AuthEffect {
    const reply = emitChap({ is, id: answered.id, message })
    this.#last = { answered, reply }
    return { do: 'send', octets: reply }
  }

  #refuse(answered: Answered, error: number, mayRetry: boolean, why: string, at: At): readonly AuthEffect[] {
    this.#failures++
    const retry = mayRetry && this.#rules.mayRetry && this.#failures < this.#options.tries
    const challenge = at.random.octets(this.#rules.challengeLength)
    const reply = this.#reply(answered, this.#rules.failure({ error, retry, challenge }), 'Failure')
    // No timer: a person may be typing. The link's own limit ends it.
    this.#outstanding = retry ? [{ id: answered.id, value: challenge, retry: true }] : []
    this.#state = retry ? { is: 'challenging', resendAt: undefined } : { is: 'refused' }
    return [reply, { do: 'refused', user: userText(answered.name), why, userSees: error, final: !retry }]
  }

  /** Passwords aren't changed over PPP: error 709 (RFC 2759 §6), and the peer needn't try again. */
  #changePassword(id: number, at: At): readonly AuthEffect[] {
    if (this.#options.kind === 'chap' || this.#state.is !== 'challenging' || !this.#last) {
      return [{ do: 'ignored', why: 'a CHAP Change-Password that nothing led to' }]
    }
    const { answered } = this.#last
    const failure = { error: 709, retry: false, challenge: at.random.octets(this.#rules.challengeLength) }
    this.#state = { is: 'refused' }
    this.#outstanding = []
    const octets = emitChap({ is: 'Failure', id, message: this.#rules.failure(failure) })
    const why = `the client tried to change the password by ${KIND_NAMES[this.#options.kind]}, which is not offered; ${AUTH_ERRORS[709]}`
    return [
      { do: 'send', octets },
      { do: 'refused', user: userText(answered.name), why, userSees: 709, final: true },
    ]
  }

  #takeId(): number {
    const id = this.#nextId
    this.#nextId = (this.#nextId + 1) & 0xff
    return id
  }
}

function sameResponse(a: Answered, b: ValuedPacket<'Response'>): boolean {
  return a.id === b.id && equal(a.value, b.value) && equal(a.name, b.name)
}
