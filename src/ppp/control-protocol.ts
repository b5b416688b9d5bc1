// One control protocol at work: the automaton, its restart timer and identifiers, and the exchange of options. LCP and the NCPs differ only in
// their codes and in the rules for their options.
//
// A received packet passes three gates before the automaton sees it:
// 1. It parses, or it is thrown away (RFC 1661 §5: a bad length).
// 2. An Ack, Nak or Reject answers our last request and nothing else (§5.2 to §5.4): identifier, options, and not twice.
// 3. A request that repeats what we have acknowledged, in Opened, is acknowledged again and brings nothing down: the Ack was lost.
import { equal } from '../wire/codec.ts'
import type { At, Instant } from '../wire/machine.ts'
import { type Action, type EventName, type StateName, transition } from './automaton.ts'
import {
  type ConfigurePacket,
  type ControlPacket,
  emitControl,
  type Option,
  parseControl,
  sameOption,
  sameOptions,
} from './wire/control.ts'

/** What the rules make of the peer's request. Naks hold values that we would take, Rejects the options as received. */
export type Judgement =
  | { readonly is: 'ack' }
  | { readonly is: 'nak'; readonly options: readonly Option[] }
  | { readonly is: 'reject'; readonly options: readonly Option[] }

/** The options of one protocol. What it agrees lives behind this. */
export interface OptionRules {
  /** Negotiation begins anew: back to what we'd like. */
  reset(at: At): void
  /** Options of our next Configure-Request. */
  request(): readonly Option[]
  judge(options: readonly Option[], at: At): Judgement
  /** The peer's request was acknowledged: its values are in force. */
  agreed(options: readonly Option[]): void
  naked(options: readonly Option[], at: At): void
  rejected(options: readonly Option[]): void
  /** The request needed more Naks than are sensible: what it still wants wrongly will be rejected. */
  insisted?(options: readonly Option[]): void
  /** A sentence, once it is clear that these ends can't agree. */
  readonly fault: string | undefined
}

export type Restart = {
  /** Milliseconds; counts (RFC 1661 §4.6). */
  readonly ms: number
  readonly maxConfigure: number
  readonly maxTerminate: number
  readonly maxFailure: number
}

export type ControlOptions = {
  /** Highest code that the protocol knows. */
  readonly codes: number
  readonly restart: Restart
  /** Our request is repeated at once when the peer's first one arrives, if ours was sent at least this many milliseconds before. */
  readonly repeatAfterMs: number
}

export type Output =
  | { readonly is: 'send'; readonly octets: Uint8Array }
  | { readonly is: 'up' | 'down' }
  /** This-Layer-Finished. `silent`: the peer never sent a valid packet. */
  | { readonly is: 'finished'; readonly silent: boolean }
  /** A packet whose meaning is the owner's: what LCP has beyond code 7. */
  | { readonly is: 'packet'; readonly packet: ControlPacket }
  | { readonly is: 'terminating'; readonly data: Uint8Array }
  /** The peer doesn't know a code that the protocol can do without. */
  | { readonly is: 'refused'; readonly code: number }
  | { readonly is: 'invalid'; readonly why: string }
  | { readonly is: 'fault'; readonly why: string }

type Request = {
  readonly id: number
  readonly options: readonly Option[]
  readonly sentAt: Instant
  readonly answered: boolean
}

/** What is written down of a negotiation. */
export type ControlRecord = {
  readonly state: StateName
  readonly restarts: number
  readonly timer: Instant | undefined
  readonly nextId: number
  readonly request: Request | undefined
  readonly acknowledged: Uint8Array | undefined
  readonly naksSent: number
  readonly refusals: number
  readonly heard: boolean
  readonly requested: boolean
  readonly faulted: boolean
  readonly terminateId: number
  readonly closing: Uint8Array
}

/** What an action may need of the packet that caused it. */
type Cause = { readonly packet?: ControlPacket; readonly octets?: Uint8Array; readonly judgement?: Judgement }

const NOTHING = new Uint8Array()
/** Naks and Rejects of our requests, as a multiple of Max-Failure, until negotiating counts as failed. Ours. */
const MOST_REFUSALS = 3
/** Octets that a Code-Reject or Protocol-Reject shows of what it rejects: they fit the least MRU that we take (lcp.ts). Ours. */
export const MOST_REJECTED = 120

export class ControlProtocol<Rules extends OptionRules = OptionRules> {
  readonly rules: Rules
  readonly #options: ControlOptions
  #state: StateName = 'Initial'
  #restarts = 0
  #timer: Instant | undefined
  #nextId = 0
  #request: Request | undefined
  /** Octets of the peer's request that we acknowledged last. */
  #acknowledged: Uint8Array | undefined
  #naksSent = 0
  #refusals = 0
  #heard = false
  #requested = false
  #faulted = false
  #terminateId = 0
  #closing: Uint8Array = NOTHING
  #out: Output[] = []

  constructor(rules: Rules, options: ControlOptions) {
    this.rules = rules
    this.#options = options
  }

  get state(): StateName {
    return this.#state
  }

  /** The negotiation as plain data, without the rules'. */
  record(): ControlRecord {
    return {
      state: this.#state,
      restarts: this.#restarts,
      timer: this.#timer,
      nextId: this.#nextId,
      request: this.#request,
      acknowledged: this.#acknowledged,
      naksSent: this.#naksSent,
      refusals: this.#refusals,
      heard: this.#heard,
      requested: this.#requested,
      faulted: this.#faulted,
      terminateId: this.#terminateId,
      closing: this.#closing,
    }
  }

  restore(record: ControlRecord): void {
    this.#state = record.state
    this.#restarts = record.restarts
    this.#timer = record.timer
    this.#nextId = record.nextId
    this.#request = record.request
    this.#acknowledged = record.acknowledged
    this.#naksSent = record.naksSent
    this.#refusals = record.refusals
    this.#heard = record.heard
    this.#requested = record.requested
    this.#faulted = record.faulted
    this.#terminateId = record.terminateId
    this.#closing = record.closing
  }

  get deadline(): Instant | undefined {
    return this.#timer
  }

  /** The lower layer is up, and we want to speak. */
  start(at: At): readonly Output[] {
    this.#event('Open', at)
    this.#event('Up', at)
    return this.#taken()
  }

  lowerDown(at: At): readonly Output[] {
    this.#event('Down', at)
    return this.#taken()
  }

  /** `data` goes into Terminate-Requests. */
  close(data: Uint8Array, at: At): readonly Output[] {
    this.#closing = data
    this.#event('Close', at)
    return this.#taken()
  }

  /** The peer rejected the protocol, and it can't be done without: LCP itself (RFC 1661 §4.3, RXJ-). */
  protocolRejected(at: At): readonly Output[] {
    this.#event('RXJ-', at)
    return this.#taken()
  }

  tick(at: At): readonly Output[] {
    if (this.#timer === undefined || this.#timer > at.now) return []
    this.#event(this.#restarts > 0 ? 'TO+' : 'TO-', at)
    return this.#taken()
  }

  /** A number for packets of the owner's (Protocol-Reject, Echo-Request). */
  takeId(): number {
    this.#nextId = (this.#nextId + 1) & 0xff
    return this.#nextId
  }

  /** Throws WireError for octets that don't parse. */
  receive(octets: Uint8Array, at: At): readonly Output[] {
    const packet = parseControl(octets, this.#options.codes)
    this.#heard = true
    this.#packet(packet, octets, at)
    const { fault } = this.rules
    if (fault !== undefined && !this.#faulted) {
      this.#faulted = true
      this.#out.push({ is: 'fault', why: fault })
    }
    return this.#taken()
  }

  #packet(packet: ControlPacket, octets: Uint8Array, at: At): void {
    switch (packet.is) {
      case 'Configure-Request':
        this.#configureRequest(packet, octets, at)
        return
      case 'Configure-Ack':
      case 'Configure-Nak':
      case 'Configure-Reject':
        this.#answer(packet, at)
        return
      case 'Terminate-Request':
        this.#out.push({ is: 'terminating', data: packet.data.slice() })
        this.#event('RTR', at, { packet })
        return
      case 'Terminate-Ack':
        this.#event('RTA', at)
        return
      case 'Code-Reject':
        this.#codeReject(packet.rejected, at)
        return
      case 'unknown':
        this.#event('RUC', at, { packet, octets })
        return
      case 'Echo-Request':
      case 'Echo-Reply':
      case 'Discard-Request':
        this.#event('RXR', at, { packet })
        this.#out.push({ is: 'packet', packet })
        return
      default:
        this.#out.push({ is: 'packet', packet })
    }
  }

  #configureRequest(packet: ConfigurePacket, octets: Uint8Array, at: At): void {
    if (this.#state === 'Opened' && this.#acknowledged && equal(this.#acknowledged, octets)) {
      this.#send({ is: 'Configure-Ack', id: packet.id, options: packet.options })
      return
    }
    const judgement = this.#limited(this.rules.judge(packet.options, at), packet.options)
    this.#repeatRequest(at)
    this.#event(judgement.is === 'ack' ? 'RCR+' : 'RCR-', at, { packet, octets, judgement })
  }

  /** RFC 1661 §4.6, Max-Failure: after so many Naks what is still wrong is rejected, and nothing is asked for any more. */
  #limited(judgement: Judgement, requested: readonly Option[]): Judgement {
    if (judgement.is !== 'nak' || this.#naksSent < this.#options.restart.maxFailure) return judgement
    this.rules.insisted?.(requested)
    const wrong = requested.filter(({ type }) => judgement.options.some((option) => option.type === type))
    return wrong.length === 0 ? { is: 'ack' } : { is: 'reject', options: wrong }
  }

  /** A peer that was not listening yet has lost our first request: repeat it when its own first one shows that it listens now. */
  #repeatRequest(at: At): void {
    const first = !this.#requested
    this.#requested = true
    const request = this.#request
    if (!first || this.#state !== 'Req-Sent' || !request || request.answered) return
    if (at.now - request.sentAt < this.#options.repeatAfterMs) return
    this.#send({ is: 'Configure-Request', id: request.id, options: request.options })
  }

  #answer(packet: ConfigurePacket, at: At): void {
    const negotiating = this.#state === 'Req-Sent' || this.#state === 'Ack-Rcvd' || this.#state === 'Ack-Sent'
    if (!negotiating && this.#state !== 'Opened') {
      this.#event(packet.is === 'Configure-Ack' ? 'RCA' : 'RCN', at)
      return
    }
    const request = this.#request
    if (!request || packet.id !== request.id || request.answered) return
    if (packet.is === 'Configure-Ack') {
      if (!sameOptions(packet.options, request.options)) {
        this.#invalid('a Configure-Ack of other options than ours')
        return
      }
      // What it asked for is the rules' now; only its number is of interest.
      this.#request = { ...request, options: [], answered: true }
      this.#refusals = 0
      this.#event('RCA', at)
      return
    }
    if (packet.options.length === 0) {
      this.#invalid(`an empty ${packet.is}`)
      return
    }
    const theirs = packet.options.filter((option) => !request.options.some((ours) => sameOption(ours, option)))
    if (packet.is === 'Configure-Reject' && theirs.length > 0) {
      this.#invalid('a Configure-Reject of options that we did not send')
      return
    }
    this.#request = { ...request, answered: true }
    this.#refused(packet, at)
    if (this.rules.fault !== undefined) return
    // The table would go on for ever, at the speed of the line.
    const endless = this.#refusals > MOST_REFUSALS * this.#options.restart.maxFailure
    this.#event(endless ? 'TO-' : 'RCN', at)
  }

  /** A peer that answers every request with another Nak would keep us for ever: after Max-Failure of them a Nak counts as a Reject. */
  #refused(packet: ConfigurePacket, at: At): void {
    const { maxFailure } = this.#options.restart
    this.#refusals++
    if (packet.is === 'Configure-Nak' && this.#refusals <= maxFailure) {
      this.rules.naked(packet.options, at)
      return
    }
    if (packet.is === 'Configure-Reject') {
      this.rules.rejected(packet.options)
      return
    }
    const named = this.#request!.options.filter((ours) => packet.options.some(({ type }) => type === ours.type))
    this.rules.rejected(named)
  }

  #codeReject(rejected: Uint8Array, at: At): void {
    // Codes 1 to 7 are what the protocol is made of (RFC 1661 §4.3: RXJ- is an error that can't be recovered from).
    const code = rejected[0]
    const essential = code !== undefined && code >= 1 && code <= 7
    this.#event(essential ? 'RXJ-' : 'RXJ+', at)
    if (code !== undefined && !essential) this.#out.push({ is: 'refused', code })
  }

  #event(event: EventName, at: At, cause: Cause = {}): void {
    const found = transition(this.#state, event)
    if (!found) return
    const from = this.#state
    this.#state = found.next
    for (const action of found.actions) this.#act(action, from, event, at, cause)
    if (!TIMED.has(this.#state)) this.#timer = undefined
  }

  #act(action: Action, from: StateName, event: EventName, at: At, cause: Cause): void {
    switch (action) {
      case 'tls':
        return
      case 'tlu':
        this.#out.push({ is: 'up' })
        return
      case 'tld':
        this.#beginAnew(at)
        this.#out.push({ is: 'down' })
        return
      case 'tlf':
        this.#out.push({ is: 'finished', silent: !this.#heard })
        return
      case 'irc':
        if (from === 'Starting' || from === 'Stopped') this.#beginAnew(at)
        this.#restarts = this.#closes() ? this.#options.restart.maxTerminate : this.#options.restart.maxConfigure
        return
      case 'zrc':
        this.#restarts = 0
        this.#timer = at.now + this.#options.restart.ms
        return
      case 'scr':
        this.#sendRequest(event, at)
        return
      case 'sca':
      case 'scn':
        this.#answerRequest(cause)
        return
      case 'str':
        this.#sendTerminate(event, at)
        return
      case 'sta':
        this.#send({ is: 'Terminate-Ack', id: cause.packet?.id ?? this.takeId(), data: NOTHING })
        return
      case 'scj':
        this.#codeRejects(cause.octets ?? NOTHING)
        return
      case 'ser':
        // The reply holds our magic number, which is the owner's: it answers when it is given the packet.
        return
    }
  }

  #codeRejects(octets: Uint8Array): void {
    this.#send({ is: 'Code-Reject', id: this.takeId(), rejected: octets.slice(0, MOST_REJECTED) })
  }

  #closes(): boolean {
    return this.#state === 'Closing' || this.#state === 'Stopping'
  }

  #beginAnew(at: At): void {
    this.#request = undefined
    this.#acknowledged = undefined
    this.#naksSent = 0
    this.#refusals = 0
    this.#requested = false
    this.#faulted = false
    this.rules.reset(at)
  }

  #sendRequest(event: EventName, at: At): void {
    const again = event === 'TO+' && this.#request && !this.#request.answered
    const request = again
      ? { ...this.#request!, sentAt: at.now }
      : { id: this.takeId(), options: this.rules.request(), sentAt: at.now, answered: false }
    this.#request = request
    this.#restarts--
    this.#timer = at.now + this.#options.restart.ms
    this.#send({ is: 'Configure-Request', id: request.id, options: request.options })
  }

  #sendTerminate(event: EventName, at: At): void {
    if (event !== 'TO+') this.#terminateId = this.takeId()
    this.#restarts--
    this.#timer = at.now + this.#options.restart.ms
    this.#send({ is: 'Terminate-Request', id: this.#terminateId, data: this.#closing })
  }

  #answerRequest({ packet, octets, judgement }: Cause): void {
    const request = packet as ConfigurePacket
    if (judgement!.is === 'ack') {
      this.#naksSent = 0
      this.#acknowledged = octets!.slice()
      this.rules.agreed(request.options)
      this.#send({ is: 'Configure-Ack', id: request.id, options: request.options })
      return
    }
    if (judgement!.is === 'nak') this.#naksSent++
    const is = judgement!.is === 'nak' ? 'Configure-Nak' : 'Configure-Reject'
    this.#send({ is, id: request.id, options: (judgement as Exclude<Judgement, { is: 'ack' }>).options })
  }

  #send(packet: ControlPacket): void {
    this.#out.push({ is: 'send', octets: emitControl(packet) })
  }

  #invalid(why: string): void {
    this.#out.push({ is: 'invalid', why })
  }

  #taken(): readonly Output[] {
    const out = this.#out
    this.#out = []
    return out
  }
}

/** States in which the restart timer runs (RFC 1661 §4.2). */
const TIMED: ReadonlySet<StateName> = new Set(['Closing', 'Stopping', 'Req-Sent', 'Ack-Rcvd', 'Ack-Sent'])
