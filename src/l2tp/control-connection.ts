// One control connection (tunnel), whichever end opened it: RFC 2661 §7.2.1, with reliable delivery below and the sessions above it.
// The walk of a message: sequence numbers (reliable.ts) → body by meaning (wire/message.ts) → acceptable? (acceptance.ts) → table → effects,
// and at the end of each input one `flush` that sends what the window lets through, or else the acknowledgement that is owed.
import { printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { type Instant, jittered } from '../wire/machine.ts'
import { type Ending, refuseConnected, refuseStart, saying, unusable } from './acceptance.ts'
import type { L2tpTunnelStatus, PeerId } from './contract.ts'
import {
  malformed,
  noSessions,
  secretAsked,
  silence,
  stateMachineError,
  tookTooLong,
  unknownMessage,
} from './endings.ts'
import type { ConnectionRecord } from './records.ts'
import * as reliable from './reliable.ts'
import { type Carrier, dropCalls, expireCalls, receiveCallMessage, type Session, tunnelOpen } from './session.ts'
import type { Surroundings } from './surroundings.ts'
import {
  type ControlConnectionAction,
  type ControlConnectionEvent,
  type ControlConnectionState,
  controlConnectionTable,
  type Row,
} from './tables.ts'
import { newChallenge, responseTo } from './tunnel-authentication.ts'
import { type ControlHeader, emitControl } from './wire/header.ts'
import { emitMessage, type Message, parseMessage } from './wire/message.ts'
import { type Fields, type MessageType, resultText, scope } from './wire/registry.ts'

type State =
  | { readonly is: 'wait-ctl-reply'; readonly challenge: Uint8Array | undefined; readonly until: Instant }
  | { readonly is: 'wait-ctl-conn'; readonly challenge: Uint8Array | undefined; readonly until: Instant }
  | { readonly is: 'established'; readonly since: Instant }
  /** Closed, or not open yet. Kept until our StopCCN is acknowledged, or for a cycle in which the peer may repeat its own (§5.7). */
  | { readonly is: 'idle'; readonly until: Instant | undefined }

type Detail = {
  readonly message?: Message
  readonly ending?: Ending
  readonly byUs?: boolean
}

/** Framing that we take: synchronous and asynchronous, which come to the same over UDP. */
const framingCapabilities = 3
const vendorName = new TextEncoder().encode('Gatehouse')
/** From SCCRQ to SCCCN: beyond this the peer is not trying. */
const setUpMs = 60_000
/**
 * How long an open control connection may stand after its last session: Windows closes it at once. Before its first it has the time of a set-up:
 * the request may be lost again and again.
 */
const emptyMs = 15_000

export class ControlConnection implements Carrier {
  readonly peer: PeerId
  readonly local: number
  readonly localPort: number
  remotePort: number
  remote = 0
  readonly openedByUs: boolean
  /** Octets of the SCCRQ that opened it (AVPs only), by which a repeated one is known. */
  opening: Uint8Array | undefined
  peerHostName = ''
  vendor = ''
  framing = 0
  readonly sessions = new Map<number, Session>()
  readonly pending = new Map<number, Instant>()
  emptySince: Instant | undefined
  served = false
  /** Our SCCRQ's, while a simultaneous open could happen (§4.4.3). */
  tieBreaker: Uint8Array | undefined
  #state: State = { is: 'idle', until: undefined }
  #wasOpen = false
  /** Closed: reported, sessions dropped; only acknowledgements and what is in the queue still go out. */
  #over = false
  #delivery = reliable.newReliable()
  #heard: Instant
  #helloMs = 0
  #since: Instant

  constructor(
    ids: { readonly peer: PeerId; readonly local: number; readonly localPort: number; readonly remotePort: number },
    openedByUs: boolean,
    now: Instant,
  ) {
    this.peer = ids.peer
    this.local = ids.local
    this.localPort = ids.localPort
    this.remotePort = ids.remotePort
    this.openedByUs = openedByUs
    this.#heard = now
    this.#since = now
  }

  /** Undefined while it isn't open: what is half done begins anew, and what is over is over. */
  record(): ConnectionRecord | undefined {
    if (this.#state.is !== 'established' || this.#over) return undefined
    const { peer, local, localPort, remotePort, remote, openedByUs, opening, peerHostName, vendor } = this
    const { framing, sessions, pending, emptySince, served } = this
    return {
      peer,
      local,
      localPort,
      remotePort,
      remote,
      openedByUs,
      opening,
      peerHostName,
      vendor,
      framing,
      sessions,
      pending,
      emptySince,
      served,
      established: this.#state.since,
      since: this.#since,
      helloMs: this.#helloMs,
      delivery: this.#delivery,
    }
  }

  /** One that an earlier daemon had; its peer counts as heard now. */
  static restored(record: ConnectionRecord, now: Instant): ControlConnection {
    const connection = new ControlConnection(record, record.openedByUs, record.since)
    connection.remote = record.remote
    connection.opening = record.opening
    connection.peerHostName = record.peerHostName
    connection.vendor = record.vendor
    connection.framing = record.framing ?? 0
    for (const [id, session] of record.sessions) connection.sessions.set(id, session)
    for (const [id, until] of record.pending) connection.pending.set(id, until)
    connection.emptySince = record.emptySince
    connection.served = record.served
    connection.#state = { is: 'established', since: record.established }
    connection.#wasOpen = true
    connection.#helloMs = record.helloMs
    connection.#delivery = record.delivery
    connection.#heard = now
    return connection
  }

  get state(): ControlConnectionState {
    return this.#state.is
  }

  /** It is over, and kept only until the last acknowledgement or for a peer that repeats itself. */
  get closing(): boolean {
    return this.#over
  }

  /** Its SCCRQ was refused, and the peer has not acknowledged that yet. */
  get refusing(): boolean {
    return this.#over && !this.#wasOpen && this.#delivery.queue.length > 0
  }

  get establishedSince(): Instant | undefined {
    return this.#state.is === 'established' ? this.#state.since : undefined
  }

  /** Nothing is left to send, to answer or to wait for. */
  gone(now: Instant): boolean {
    if (this.#state.is !== 'idle') return false
    return this.#state.until !== undefined ? now >= this.#state.until : this.#delivery.queue.length === 0
  }

  get deadline(): Instant | undefined {
    const times = [this.#delivery.resendAt]
    if (this.#state.is !== 'established') times.push(this.#state.until)
    else {
      if (this.emptySince !== undefined) times.push(this.emptySince + this.#emptyMs)
      if (this.#helloMs > 0 && this.#delivery.queue.length === 0) times.push(this.#heard + this.#helloMs)
      for (const until of this.pending.values()) {
        times.push(until)
        break
      }
    }
    const set = times.filter((time) => time !== undefined)
    return set.length > 0 ? Math.min(...set) : undefined
  }

  get #emptyMs(): number {
    return this.served ? emptyMs : setUpMs
  }

  status(): L2tpTunnelStatus {
    const calls = [...this.sessions.values()].flatMap(({ state }) => (state.is === 'established' ? [state.call] : []))
    return {
      peer: this.peer,
      localTunnel: this.local,
      remoteTunnel: this.remote,
      peerHostName: this.peerHostName,
      state: this.#over ? 'closing' : this.#state.is,
      since: this.#state.is === 'established' ? this.#state.since : this.#since,
      calls,
    }
  }

  // ── what the core calls ──────────────────────────────────────────────────────────────────────────────────────────────

  /** The LAC's part: SCCRQ, or the tunnel-open event at once where the connection stands. */
  open(around: Surroundings): void {
    this.#step(around, 'Local Open request', {})
  }

  /** A peer's SCCRQ (Ns 0) opens this connection. */
  accept(around: Surroundings, header: ControlHeader, body: Uint8Array, message: Message): void {
    const { policy, now } = around
    this.opening = body.slice()
    this.remote = message.fields.assignedTunnelId ?? 0
    this.#learn(message)
    const at = { now, window: policy.receiveWindow, retransmission: policy.retransmit }
    reliable.receive(this.#delivery, header, { session: 0, body }, at)
    const ending = refuseStart(message, policy.secret, undefined)
    if (ending) this.#step(around, 'Receive SCCRQ, not acceptable', { message, ending, byUs: true })
    else this.#step(around, 'Receive SCCRQ, acceptable', { message })
  }

  /** A message of the peer for this connection, by its ID or by what it says. */
  receive(around: Surroundings, header: ControlHeader, body: Uint8Array): void {
    const { policy, now } = around
    this.#heard = now
    const at = { now, window: policy.receiveWindow, retransmission: policy.retransmit }
    const received = reliable.receive(this.#delivery, header, { session: header.session, body }, at)
    if (received.is === 'outside') {
      this.#invalid(around, `sequence numbers Ns ${header.ns}, Nr ${header.nr} lie outside the window.`)
      return
    }
    if (received.is === 'duplicate') {
      // The peer repeats its SCCRQ: most likely our SCCRP was lost, and nothing helps it like another.
      if (this.#state.is === 'wait-ctl-conn') reliable.resendFirst(this.#delivery)
      return
    }
    for (const message of received.messages) this.#read(around, message.session, message.body)
  }

  /** Data came through the peer's SA. */
  heard(now: Instant): void {
    this.#heard = now
  }

  /** A peer that has opened another connection may have forgotten this one: ask now. */
  probe(around: Surroundings): void {
    if (this.#state.is === 'established' && this.#delivery.queue.length === 0) this.send(around, 'HELLO', {}, 0)
  }

  /** StopCCN, and the end of all sessions. */
  close(around: Surroundings, ending: Ending): void {
    this.#step(around, 'Admin Tunnel Close', { ending, byUs: true })
  }

  /** SCCRP for a control connection that is not there (idle, §7.2.1): StopCCN with the IDs that it names. */
  refuseReply(around: Surroundings, header: ControlHeader, remote: number): void {
    this.remote = remote
    const at = { now: around.now, window: 1, retransmission: around.policy.retransmit }
    this.#delivery.unacknowledged = this.#delivery.next = this.#delivery.sent = header.nr
    this.#delivery.expected = header.ns
    reliable.receive(this.#delivery, header, { session: 0, body: new Uint8Array(1) }, at)
    this.#step(around, 'Receive SCCRP', { ending: stateMachineError('SCCRP', 'idle'), byUs: true })
  }

  /** Everything of it is forgotten, nothing is said to the peer. */
  drop(around: Surroundings, ending: Ending): void {
    this.#cleanUp(around, { ending, byUs: false })
    this.#forget()
  }

  /** Lost the tie (§4.4.3): no word to the peer. Requests that wait for a connection are handed back. */
  yieldTie(): readonly number[] {
    const waiting = [...this.sessions.values()].flatMap(({ request }) => (request !== undefined ? [request] : []))
    this.#forget()
    return waiting
  }

  tick(around: Surroundings) {
    const { now, policy } = around
    if (this.#delivery.resendAt !== undefined && now >= this.#delivery.resendAt) {
      if (!reliable.timeout(this.#delivery, policy.retransmit)) return this.#peerSilent(around)
    }
    if (this.#state.is === 'idle') return
    if (this.#state.is !== 'established') {
      if (now >= this.#state.until) this.close(around, tookTooLong(this.#state.is, setUpMs))
      return
    }
    expireCalls(this, around)
    if (this.emptySince !== undefined && now >= this.emptySince + this.#emptyMs)
      return this.close(around, noSessions(this.#emptyMs))
    if (this.#helloMs > 0 && this.#delivery.queue.length === 0 && now >= this.#heard + this.#helloMs) {
      this.send(around, 'HELLO', {}, 0)
    }
  }

  /** Sends what is due. Called once after each input. */
  flush(around: Surroundings): void {
    for (const { message, ns, nr } of reliable.flush(this.#delivery, around.now, around.policy.retransmit)) {
      const header = { tunnel: this.remote, session: message.session, ns, nr }
      const { peer, localPort, remotePort } = this
      around.emit({ do: 'send', peer, localPort, remotePort, octets: emitControl(header, message.body) })
    }
  }

  send(around: Surroundings, type: MessageType, fields: Fields, session: number): void {
    if (this.#over) return
    const { policy, random } = around
    // Not in the first two: xl2tpd picks its secret by host name and challenge, after it has read the whole message.
    const hides = policy.hideAvps && type !== 'SCCRQ' && type !== 'SCCRP'
    const hiding =
      hides && policy.secret
        ? {
            secret: policy.secret.reveal(),
            randomVector: random.octets(16),
            padding: (length: number) => random.octets(length),
          }
        : undefined
    const body = emitMessage(type, fields, hiding)
    if (!reliable.enqueue(this.#delivery, { session, body })) this.#peerSilent(around)
  }

  // ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #read(around: Surroundings, session: number, body: Uint8Array) {
    let message: ReturnType<typeof parseMessage>
    try {
      message = parseMessage(body, around.policy.secret?.reveal())
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#invalid(around, `${error.message}.`)
      return this.close(around, malformed(error))
    }
    if (message.is === 'message') return this.#act(around, session, message)
    this.#invalid(around, `message type ${message.number} is not RFC 2661's.`)
    if (message.mandatory) this.close(around, unknownMessage(message.number))
  }

  #act(around: Surroundings, session: number, message: Message) {
    const { type } = message
    if (this.#over && type !== 'StopCCN') return
    switch (type) {
      case 'SCCRQ':
        return this.#step(around, 'Receive SCCRQ', { ending: stateMachineError(type, this.state), byUs: true })
      case 'SCCRP':
        return this.#actReply(around, message)
      case 'SCCCN':
        return this.#actConnected(around, message)
      case 'StopCCN':
        return this.#actStop(around, message)
      case 'HELLO': {
        const ending = unusable(message)
        if (ending) this.close(around, ending)
        return
      }
      default:
        if (scope(type) === 'session' && this.#state.is === 'established') {
          return receiveCallMessage(this, around, session, message)
        }
        return this.#invalid(around, `${type} came in state ${this.#state.is}.`)
    }
  }

  #actReply(around: Surroundings, message: Message) {
    if (this.#state.is !== 'wait-ctl-reply') {
      const ending = stateMachineError('SCCRP', this.state)
      return this.#step(around, 'Receive SCCRP', { ending, byUs: true })
    }
    this.remote = message.fields.assignedTunnelId ?? 0
    this.#learn(message)
    const ending = refuseStart(message, around.policy.secret, this.#state.challenge)
    if (ending) this.#step(around, 'Receive SCCRP, not acceptable', { message, ending, byUs: true })
    else this.#step(around, 'Receive SCCRP, acceptable', { message })
  }

  #actConnected(around: Surroundings, message: Message) {
    if (this.#state.is !== 'wait-ctl-conn') {
      const ending = stateMachineError('SCCCN', this.state)
      return this.#step(around, 'Receive SCCCN', { ending, byUs: true })
    }
    const ending = refuseConnected(message, around.policy.secret, this.#state.challenge)
    if (ending) this.#step(around, 'Receive SCCCN, not acceptable', { ending, byUs: true })
    else this.#step(around, 'Receive SCCCN, acceptable', {})
  }

  #actStop(around: Surroundings, message: Message): void {
    const { result = 0, error = 0, text = new Uint8Array(0) } = message.fields.resultCode ?? {}
    // A server may refuse our SCCRQ with this alone; the acknowledgement wants its ID.
    if (this.remote === 0) this.remote = message.fields.assignedTunnelId ?? 0
    const challenged = this.#state.is === 'wait-ctl-conn' && this.#state.challenge !== undefined
    const hint = challenged ? ` ${secretAsked}` : ''
    const why = `The peer closed the control connection: ${resultText('StopCCN', result, error)}${saying(text)}.${hint}`
    this.#step(around, 'Receive StopCCN', { ending: { result, error, text: '', why }, byUs: false })
    // Its sender repeats it until our acknowledgement arrives (§5.7); nothing else of ours is of interest to it.
    reliable.abandon(this.#delivery)
    this.#state = { is: 'idle', until: around.now + reliable.cycle(around.policy.retransmit) }
  }

  #learn({ fields }: Message): void {
    this.peerHostName = text(fields.hostName)
    this.vendor = text(fields.vendorName)
    this.framing = fields.framingCapabilities ?? 0
    reliable.setPeerWindow(this.#delivery, fields.receiveWindowSize ?? 4)
  }

  #invalid(around: Surroundings, what: string): void {
    const why = `On L2TP control connection ${this.local}: ${what}`
    around.emit({ do: 'report', event: { event: 'l2tp.message.invalid', peer: this.peer, why } })
  }

  // ── the table ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #step(around: Surroundings, event: ControlConnectionEvent, detail: Detail): void {
    const row: Row<ControlConnectionAction, ControlConnectionState> | undefined =
      controlConnectionTable[this.#state.is][event]
    if (!row) return
    const challenge = row.next.startsWith('wait') && around.policy.secret ? newChallenge(around.random) : undefined
    // Sessions that the open connection lets go out need it to be open.
    const opens = row.next === 'established' && this.#state.is !== 'established'
    for (const action of row.actions) {
      if (action === 'Send tunnel-open event to waiting sessions' && opens) this.#enter(around, row.next, challenge)
      this.#perform(around, action, detail, challenge)
    }
    if (this.#state.is !== row.next) this.#enter(around, row.next, challenge)
  }

  #perform(around: Surroundings, action: ControlConnectionAction, detail: Detail, challenge: Uint8Array | undefined) {
    switch (action) {
      case 'Send SCCRQ':
        this.tieBreaker = around.random.octets(8)
        return this.send(around, 'SCCRQ', this.#start(around, { challenge, tieBreaker: this.tieBreaker }), 0)
      case 'Send SCCRP': {
        const challengeResponse = this.#response(around, detail.message, 'SCCRP')
        return this.send(around, 'SCCRP', this.#start(around, { challenge, challengeResponse }), 0)
      }
      case 'Send SCCCN': {
        const challengeResponse = this.#response(around, detail.message, 'SCCCN')
        return this.send(around, 'SCCCN', challengeResponse ? { challengeResponse } : {}, 0)
      }
      case 'Send StopCCN': {
        const { result, error, text } = detail.ending!
        const resultCode = { result, error, text: new TextEncoder().encode(text) }
        return this.send(around, 'StopCCN', { assignedTunnelId: this.local, resultCode }, 0)
      }
      case 'Clean up':
        return this.#cleanUp(around, detail)
      case 'Send tunnel-open event to waiting sessions':
        return tunnelOpen(this, around)
      case 'Re-queue SCCRQ for idle state':
        // The core does: it alone can make the other connection.
        return
    }
  }

  #start(
    { policy }: Surroundings,
    extra: {
      readonly challenge: Uint8Array | undefined
      readonly challengeResponse?: Uint8Array | undefined
      readonly tieBreaker?: Uint8Array
    },
  ): Fields {
    const given = Object.fromEntries(Object.entries(extra).filter(([, value]) => value !== undefined))
    return {
      protocolVersion: { version: 1, revision: 0 },
      framingCapabilities,
      hostName: new TextEncoder().encode(policy.hostName),
      vendorName,
      assignedTunnelId: this.local,
      receiveWindowSize: policy.receiveWindow,
      ...given,
    }
  }

  #response({ policy }: Surroundings, message: Message | undefined, carrier: 'SCCRP' | 'SCCCN') {
    const challenge = message?.fields.challenge
    return challenge && policy.secret ? responseTo(challenge, policy.secret.reveal(), carrier) : undefined
  }

  #enter(around: Surroundings, next: ControlConnectionState, challenge: Uint8Array | undefined): void {
    const { now, random, policy } = around
    switch (next) {
      case 'wait-ctl-reply':
      case 'wait-ctl-conn':
        this.#state = { is: next, challenge, until: now + setUpMs }
        return
      case 'idle':
        this.#state = { is: 'idle', until: undefined }
        return
      case 'established': {
        this.#state = { is: 'established', since: now }
        this.#wasOpen = true
        this.tieBreaker = undefined
        this.#helloMs = policy.helloSeconds > 0 ? jittered(random, policy.helloSeconds * 1000) : 0
        if (this.sessions.size === 0) this.emptySince = now
        const { peer, local: localTunnel, remote: remoteTunnel, peerHostName, vendor } = this
        const event = {
          event: 'l2tp.tunnel.established',
          peer,
          localTunnel,
          remoteTunnel,
          peerHostName,
          vendor,
        } as const
        around.emit({ do: 'report', event })
      }
    }
  }

  #cleanUp(around: Surroundings, { ending, byUs = true }: Detail): void {
    if (this.#over) return
    this.#over = true
    const { result, error, why } = ending!
    const { peer, local: localTunnel } = this
    dropCalls(this, around, ending!, byUs)
    this.emptySince = undefined
    if (this.#wasOpen) {
      const event = { event: 'l2tp.tunnel.closed', peer, localTunnel, byUs, result, error, why } as const
      around.emit({ do: 'report', event })
    } else {
      around.emit({ do: 'report', event: { event: 'l2tp.tunnel.refused', peer, why, userSees: undefined } })
    }
  }

  /** Retransmissions are used up (§5.8): the peer is gone, and so is the control connection. */
  #peerSilent(around: Surroundings): void {
    const { peer, local: localTunnel } = this
    if (!this.#over) {
      this.#over = true
      const { tries } = around.policy.retransmit
      const seconds = Math.round(reliable.cycle(around.policy.retransmit) / 1000)
      const unanswered = this.#wasOpen ? undefined : this.openedByUs ? 'SCCRQ' : 'SCCRP'
      const why = silence(unanswered, seconds, tries)
      around.emit({ do: 'report', event: { event: 'l2tp.peer.silent', peer, localTunnel, tries, why } })
      dropCalls(this, around, { result: 0, error: 0, text: '', why }, true)
    }
    this.#forget()
  }

  #forget(): void {
    this.#over = true
    this.#state = { is: 'idle', until: undefined }
    this.#delivery = reliable.newReliable()
    this.emptySince = undefined
  }
}

function text(octets: Uint8Array | undefined): string {
  if (!octets) return ''
  let end = octets.length
  while (end > 0 && octets[end - 1] === 0) end--
  return printable(octets.subarray(0, end))
}
