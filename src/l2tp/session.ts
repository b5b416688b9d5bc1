// The sessions (calls) of one control connection: RFC 2661 §7.4 for incoming calls in both roles. Outgoing calls are refused.
import { printable } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import { type Ending, refuseCall, saying, unusable } from './acceptance.ts'
import type { CallId } from './contract.ts'
import type { Surroundings } from './surroundings.ts'
import { type CallAction, type CallEvent, type CallState, lacTable, lnsTable, type Row } from './tables.ts'
import type { Message } from './wire/message.ts'
import { callResults, errors, type Fields, type MessageType, resultText } from './wire/registry.ts'

export type Session = {
  readonly role: 'LAC' | 'LNS'
  /** Our ID; the peer's, 0 until it is known. */
  readonly local: number
  remote: number
  /** Where we called. */
  readonly request: number | undefined
  callingNumber: string | undefined
  /** The LAC wants data packets numbered. */
  sequencing: boolean
  state: { readonly is: Exclude<CallState, 'established'> } | { readonly is: 'established'; readonly call: CallId }
}

/** What sessions need of the control connection that carries them. */
export type Carrier = {
  readonly peer: number
  readonly local: number
  readonly remote: number
  readonly localPort: number
  readonly remotePort: number
  readonly peerHostName: string
  /** Framing Capabilities of the peer. */
  readonly framing: number
  readonly sessions: Map<number, Session>
  /** Sessions on their way up, by our ID: until when. The first is the oldest. */
  readonly pending: Map<number, Instant>
  /** Since when there are no sessions, while there are none. */
  emptySince: Instant | undefined
  /** It has had a session, or been asked for one. */
  served: boolean
  send(around: Surroundings, type: MessageType, fields: Fields, session: number): void
}

/** Sessions that one control connection may carry: no honest client comes near, and a peer can't fill the memory or take all session IDs. */
const mostSessions = 256
/** Of these, on their way up at once: they hold an ID and a port, and cost their peer one message. */
const mostPending = 64
/** From ICRQ to ICCN, and from the request to the end of it all in the LAC: far more than any client takes. */
const setUpMs = 60_000
/** bits per second, told in ICCN: means nothing here; Windows and Android send the same. */
const connectSpeed = 100_000_000
const synchronousFraming = 1
const asynchronousFraming = 2

type Detail = {
  readonly ending?: Ending
  readonly fields?: Fields
  readonly byUs?: boolean
}

/** The LAC's request for a session; ICRQ goes out when the control connection is open. Undefined: no session ID is free. */
export function startCall(carrier: Carrier, around: Surroundings, request: number): Session | undefined {
  if (carrier.sessions.size >= mostSessions) return undefined
  const session = newSession(carrier, around, 'LAC', request)
  if (!session) return undefined
  step(carrier, around, session, 'Bearer Ring or Ready to indicate incoming conn.', {})
  return session
}

/** The control connection is open: waiting sessions begin. */
export function tunnelOpen(carrier: Carrier, around: Surroundings): void {
  for (const session of [...carrier.sessions.values()]) {
    if (session.state.is === 'wait-tunnel') step(carrier, around, session, 'tunnel-open', {})
  }
}

function newSession(
  carrier: Carrier,
  around: Surroundings,
  role: 'LAC' | 'LNS',
  request: number | undefined,
): Session | undefined {
  const local = around.calls.takeSessionId(around.random)
  if (local === undefined) return undefined
  const session: Session = {
    role,
    local,
    remote: 0,
    request,
    callingNumber: undefined,
    sequencing: false,
    state: { is: 'idle' },
  }
  carrier.sessions.set(local, session)
  carrier.emptySince = undefined
  carrier.served = true
  carrier.pending.set(local, around.now + setUpMs)
  return session
}

/** A session's message. `to` is the session ID in its header. */
export function receiveCallMessage(carrier: Carrier, around: Surroundings, to: number, message: Message) {
  switch (message.type) {
    case 'ICRQ':
      return receiveRequest(carrier, around, to, message)
    case 'OCRQ':
      return refuseOutgoing(carrier, around, message)
    case 'CDN':
      return receiveDisconnect(carrier, around, to, message)
    case 'ICRP':
      return receiveReply(carrier, around, to, message)
    case 'ICCN':
      return receiveConnected(carrier, around, to, message)
    default: {
      const session = carrier.sessions.get(to)
      const fault = unusable(message)
      if (session && fault) return step(carrier, around, session, 'Local close request', { ending: fault, byUs: true })
      // WEN and SLI tell of a modem's errors and control characters (RFC 2661 §6.13, §6.14): taken, and of no use to PPP over UDP.
      if (session && (message.type === 'WEN' || message.type === 'SLI')) return
      stray(carrier, around, to, message)
    }
  }
}

function stray(carrier: Carrier, around: Surroundings, to: number, message: Message): void {
  const why = `${message.type} for session ${to} of control connection ${carrier.local}, which is not there or not waiting for it.`
  around.emit({ do: 'report', event: { event: 'l2tp.message.invalid', peer: carrier.peer, why } })
}

/** A message that has no place in the session's state (RFC 2661 §7.4: Send CDN, clean up). */
function outOfPlace(message: Message, session: Session): Ending {
  return {
    result: callResults.generalError,
    error: errors.sessionId,
    text: `${message.type} in state ${session.state.is}`,
    why: `The peer sent ${message.type} for session ${session.local} in state ${session.state.is}, where RFC 2661 §7.4 has no place for it; it lost track of the call and must dial again.`,
  }
}

function receiveRequest(carrier: Carrier, around: Surroundings, to: number, message: Message) {
  const remote = message.fields.assignedSessionId ?? 0
  const old =
    carrier.sessions.get(to) ?? [...carrier.sessions.values()].find((one) => remote !== 0 && one.remote === remote)
  if (old) {
    return step(carrier, around, old, 'Receive ICRQ', { ending: outOfPlace(message, old), byUs: true })
  }
  const room = {
    used: around.calls.used,
    limit: around.policy.portLimit,
    full: carrier.sessions.size >= mostSessions || carrier.pending.size >= mostPending,
  }
  const session = newSession(carrier, around, 'LNS', undefined)
  const refusal = refuseCall(message, { ...room, full: room.full || !session })
  if (!session) return refuseUnnumbered(carrier, around, { local: 0, remote }, refusal!)
  session.remote = remote
  const number = message.fields.callingNumber
  session.callingNumber = number && number.length > 0 ? printable(number) : undefined
  if (refusal) step(carrier, around, session, 'Receive ICRQ, not acceptable', { ending: refusal, byUs: true })
  else step(carrier, around, session, 'Receive ICRQ, acceptable', {})
}

function refuseOutgoing(carrier: Carrier, around: Surroundings, message: Message): void {
  const local = around.calls.takeSessionId(around.random) ?? 0
  around.calls.freeSessionId(local)
  const ids = { local, remote: message.fields.assignedSessionId ?? 0 }
  refuseUnnumbered(carrier, around, ids, {
    result: callResults.noFacilitiesEver,
    error: errors.none,
    text: 'no outgoing calls here',
    why: 'The peer asked this gateway to place an outgoing call (OCRQ); it has no lines to dial on. Let the peer ask for an incoming call (ICRQ), as VPN clients do.',
  })
}

/** Refuses a call that no session was made for. */
function refuseUnnumbered(
  carrier: Carrier,
  around: Surroundings,
  ids: { readonly local: number; readonly remote: number },
  ending: Ending,
): void {
  reportRefused(carrier, around, ending)
  sendDisconnect(carrier, around, ids, ending)
}

function receiveReply(carrier: Carrier, around: Surroundings, to: number, message: Message) {
  const session = carrier.sessions.get(to)
  if (!session) {
    stray(carrier, around, to, message)
    // "idle: Receive ICRP: Send CDN" (§7.4.2): the peer holds a session that we gave up before it answered.
    const remote = message.fields.assignedSessionId
    const ending = { result: callResults.generalError, error: errors.sessionId, text: 'no such session', why: '' }
    if (remote !== undefined) sendDisconnect(carrier, around, { local: to, remote }, ending)
    return
  }
  if (session.state.is !== 'wait-reply') {
    return step(carrier, around, session, 'Receive ICRP', { ending: outOfPlace(message, session), byUs: true })
  }
  const refusal = unusable(message)
  session.remote = message.fields.assignedSessionId ?? 0
  if (refusal) step(carrier, around, session, 'Receive ICRP, not acceptable', { ending: refusal, byUs: true })
  else step(carrier, around, session, 'Receive ICRP, acceptable', {})
}

function receiveConnected(carrier: Carrier, around: Surroundings, to: number, message: Message) {
  const session = carrier.sessions.get(to)
  if (!session) return stray(carrier, around, to, message)
  if (session.state.is !== 'wait-connect') {
    return step(carrier, around, session, 'Receive ICCN', { ending: outOfPlace(message, session), byUs: true })
  }
  const refusal = unusable(message)
  if (refusal) step(carrier, around, session, 'Receive ICCN, not acceptable', { ending: refusal, byUs: true })
  else step(carrier, around, session, 'Receive ICCN, acceptable', { fields: message.fields })
}

/** CDN is never answered (RFC 2661 §6.12). Old clients put wrong IDs into it: theirs, ours and none are all tried. */
function receiveDisconnect(carrier: Carrier, around: Surroundings, to: number, message: Message) {
  const said = message.fields.assignedSessionId
  const sessions = [...carrier.sessions.values()]
  const session =
    carrier.sessions.get(to) ??
    sessions.find((one) => said !== undefined && one.remote === said) ??
    (said !== undefined ? carrier.sessions.get(said) : undefined)
  if (!session) return stray(carrier, around, to, message)
  const { result = 0, error = 0, text = new Uint8Array(0) } = message.fields.resultCode ?? {}
  const why = `The peer ended the session: ${resultText('CDN', result, error)}${saying(text)}.`
  step(carrier, around, session, 'Receive CDN', { ending: { result, error, text: '', why }, byUs: false })
}

/** CDN to the peer, and the end of the session. */
export function hangUp(carrier: Carrier, around: Surroundings, session: Session, ending: Ending): void {
  step(carrier, around, session, 'Local close request', { ending, byUs: true })
}

/** Sessions whose set-up took too long. */
export function expireCalls(carrier: Carrier, around: Surroundings): void {
  for (const [local, until] of carrier.pending) {
    if (until > around.now) return
    const session = carrier.sessions.get(local)!
    hangUp(carrier, around, session, {
      result: callResults.timeout,
      error: errors.none,
      text: 'set-up took too long',
      why: `The session was not set up within ${setUpMs / 1000} s: the peer stopped in state ${session.state.is}. It lost our messages or waits for a modem; let it dial again.`,
    })
  }
}

/** The control connection is gone, and every session with it, without a CDN. */
export function dropCalls(carrier: Carrier, around: Surroundings, ending: Ending, byUs: boolean): void {
  for (const session of [...carrier.sessions.values()]) end(carrier, around, session, ending, byUs)
}

function step(carrier: Carrier, around: Surroundings, session: Session, event: CallEvent, detail: Detail): void {
  const table = (session.role === 'LAC' ? lacTable : lnsTable) as Readonly<
    Record<CallState, { readonly [E in CallEvent]?: Row<CallAction, CallState> }>
  >
  const row = table[session.state.is][event]
  if (!row) return
  for (const action of row.actions) perform(carrier, around, session, action, detail)
  enter(carrier, around, session, row.next, detail)
}

function perform(carrier: Carrier, around: Surroundings, session: Session, action: CallAction, detail: Detail) {
  const { local, remote } = session
  switch (action) {
    case 'Send ICRQ':
      return carrier.send(around, 'ICRQ', { assignedSessionId: local, callSerialNumber: session.request ?? 0 }, 0)
    case 'Send ICRP':
      return carrier.send(around, 'ICRP', { assignedSessionId: local }, remote)
    case 'Send ICCN':
      return carrier.send(around, 'ICCN', { txConnectSpeed: connectSpeed, framingType: framingFor(carrier) }, remote)
    case 'Send CDN':
      return sendDisconnect(carrier, around, session, detail.ending!)
    case 'Clean up':
      return end(carrier, around, session, detail.ending!, detail.byUs ?? true)
    case 'Initiate local tunnel open':
    case 'Prepare for data':
      // The control connection sees to the one; entering the state tells the gateway of the other.
      return
  }
}

/** Nothing may be asked for that the peer does not take (RFC 2661 §4.4.3). Of one that says it takes none both would be wrong. */
function framingFor({ framing }: Carrier): number {
  return (framing & synchronousFraming) === 0 && (framing & asynchronousFraming) !== 0
    ? asynchronousFraming
    : synchronousFraming
}

function sendDisconnect(
  carrier: Carrier,
  around: Surroundings,
  ids: { readonly local: number; readonly remote: number },
  { result, error, text }: Ending,
): void {
  const resultCode = { result, error, text: new TextEncoder().encode(text) }
  carrier.send(around, 'CDN', { assignedSessionId: ids.local, resultCode }, ids.remote)
}

function enter(carrier: Carrier, around: Surroundings, session: Session, next: CallState, detail: Detail): void {
  if (next !== 'established') {
    session.state = { is: next }
    return
  }
  const call = around.calls.open(carrier.local, session.local)
  session.state = { is: 'established', call }
  session.sequencing = detail.fields?.sequencingRequired ?? false
  carrier.pending.delete(session.local)
  const { peer, localPort, remotePort, peerHostName } = carrier
  around.emit({
    do: 'report',
    event: {
      event: 'l2tp.session.established',
      peer,
      call,
      localSession: session.local,
      remoteSession: session.remote,
    },
  })
  around.emit({
    do: 'callUp',
    call,
    request: session.request,
    peer,
    local: { tunnel: carrier.local, session: session.local, port: localPort },
    remote: { tunnel: carrier.remote, session: session.remote, port: remotePort },
    sequencing: session.sequencing,
    peerHostName,
    callingNumber: session.callingNumber,
  })
}

/** Forgets a session and says so to those who must know. */
function end(carrier: Carrier, around: Surroundings, session: Session, ending: Ending, byUs: boolean): void {
  carrier.sessions.delete(session.local)
  carrier.pending.delete(session.local)
  around.calls.freeSessionId(session.local)
  if (carrier.sessions.size === 0) carrier.emptySince = around.now
  if (session.state.is === 'established') {
    const { call } = session.state
    const { result, error, why } = ending
    around.calls.close(call)
    around.emit({
      do: 'report',
      event: { event: 'l2tp.session.closed', peer: carrier.peer, call, byUs, result, error, why },
    })
    around.emit({ do: 'callDown', call, reason: why })
  } else if (session.request !== undefined) {
    around.emit({ do: 'callFailed', request: session.request, reason: ending.why })
  } else reportRefused(carrier, around, ending)
}

function reportRefused(carrier: Carrier, around: Surroundings, { why }: Ending): void {
  // Which of Windows' numbers a refused call shows is not established; the user sees the connection end.
  around.emit({ do: 'report', event: { event: 'l2tp.session.refused', peer: carrier.peer, why, userSees: undefined } })
}
