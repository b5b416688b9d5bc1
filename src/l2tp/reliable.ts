// Reliable delivery of control messages (RFC 2661 §5.8 and appendix A): Ns and Nr modulo 65536, a window each way, slow start, exponential
// back-off, duplicates acknowledged, early messages kept until their turn. Plain data and functions; bodies go in and out, headers elsewhere.
import type { Instant } from '../wire/machine.ts'

export type Retransmission = { readonly firstMs: number; readonly capMs: number; readonly tries: number }

/** A message on its way out. `session` is the session ID for its header. */
export type Outgoing = { readonly session: number; readonly body: Uint8Array }
/** A message that came in, in its turn. */
export type Incoming = { readonly session: number; readonly body: Uint8Array }

export type Reliable = {
  /** Ns of the first message not acknowledged, and of the next one to be queued. */
  unacknowledged: number
  next: number
  /** One more than the highest Ns ever sent. */
  sent: number
  /** Ns expected next: what our Nr says. */
  expected: number
  /** Messages from `unacknowledged` on; the first `flying` of them are under way. */
  queue: Outgoing[]
  flying: number
  /** The peer's receive window, in messages (4 until it says otherwise: RFC 2661 §4.4.3). */
  peerWindow: number
  /** Appendix A: congestion window, slow start threshold, acknowledgements since the window last grew. */
  congestionWindow: number
  threshold: number
  grown: number
  /** Retransmissions of the first message in the queue, and when the next is due. */
  tries: number
  resendAt: Instant | undefined
  /** Early messages by Ns. */
  early: Map<number, Incoming>
  /** Something was received that no message of ours has acknowledged yet. */
  owesAck: boolean
}

/** More messages than this waiting for an acknowledgement mean a peer that asks and never listens. */
const longestQueue = 1024

export function newReliable(): Reliable {
  return {
    unacknowledged: 0,
    next: 0,
    sent: 0,
    expected: 0,
    queue: [],
    flying: 0,
    peerWindow: 4,
    congestionWindow: 1,
    threshold: 4,
    grown: 0,
    tries: 0,
    resendAt: undefined,
    early: new Map(),
    owesAck: false,
  }
}

/** The peer told its receive window. */
export function setPeerWindow(state: Reliable, window: number): void {
  state.peerWindow = window
  state.threshold = window
}

/** Puts a message into the queue. False: the queue is longer than any honest peer lets it grow. */
export function enqueue(state: Reliable, message: Outgoing): boolean {
  if (state.queue.length >= longestQueue) return false
  state.queue.push(message)
  state.next = add(state.next, 1)
  return true
}

export type Received =
  /** Bodies whose turn has come, in order; none for an acknowledgement, or a message that came early. */
  | { readonly is: 'accepted'; readonly messages: readonly Incoming[] }
  | { readonly is: 'duplicate' }
  /** Acknowledges what was never sent, or lies beyond the window. */
  | { readonly is: 'outside' }

/**
 * Takes a message with its sequence numbers; an empty body is an acknowledgement (ZLB) and uses up no Ns. `window` is our own receive window.
 */
export function receive(
  state: Reliable,
  header: { readonly ns: number; readonly nr: number },
  message: Incoming,
  at: { readonly now: Instant; readonly window: number; readonly retransmission: Retransmission },
): Received {
  if (distance(state.unacknowledged, header.nr) > distance(state.unacknowledged, state.sent)) {
    // An Nr from the past is an old message: nothing new in it, but its Ns may still want an answer.
    if (distance(header.nr, state.unacknowledged) >= 0x8000) return { is: 'outside' }
  } else acknowledge(state, header.nr, at.now, at.retransmission)
  if (message.body.length === 0) return { is: 'accepted', messages: [] }
  const ahead = distance(state.expected, header.ns)
  if (ahead >= 0x8000) {
    state.owesAck = true
    return { is: 'duplicate' }
  }
  if (ahead >= at.window) return { is: 'outside' }
  // Kept longer than the datagram that it is a view of.
  if (ahead > 0) {
    if (!state.early.has(header.ns)) state.early.set(header.ns, { ...message, body: message.body.slice() })
    return { is: 'accepted', messages: [] }
  }
  state.owesAck = true
  return { is: 'accepted', messages: inTurn(state, message) }
}

function inTurn(state: Reliable, first: Incoming): Incoming[] {
  const messages = [first]
  state.expected = add(state.expected, 1)
  for (;;) {
    const next = state.early.get(state.expected)
    if (!next) return messages
    state.early.delete(state.expected)
    messages.push(next)
    state.expected = add(state.expected, 1)
  }
}

function acknowledge(state: Reliable, nr: number, now: Instant, retransmission: Retransmission): void {
  const count = distance(state.unacknowledged, nr)
  if (count === 0) return
  state.queue.splice(0, count)
  state.unacknowledged = nr
  state.flying = Math.max(0, state.flying - count)
  state.tries = 0
  state.resendAt = state.flying > 0 ? now + interval(retransmission, 0) : undefined
  for (let i = 0; i < count; i++) grow(state)
}

/** Slow start up to the threshold, one message a round trip beyond it (appendix A). */
function grow(state: Reliable): void {
  if (state.congestionWindow >= state.peerWindow) return
  if (state.congestionWindow < state.threshold) state.congestionWindow++
  else if (++state.grown >= state.congestionWindow) {
    state.congestionWindow++
    state.grown = 0
  }
}

/** A message with the sequence numbers that it is to be sent with now. */
export type Numbered = { readonly message: Outgoing; readonly ns: number; readonly nr: number }

/** What is to be sent now: queued messages as far as the windows let them, or else one acknowledgement (an empty body) if one is owed. */
export function flush(state: Reliable, now: Instant, retransmission: Retransmission): readonly Numbered[] {
  const out: Numbered[] = []
  const limit = Math.min(state.congestionWindow, state.peerWindow, state.queue.length)
  while (state.flying < limit) {
    const ns = add(state.unacknowledged, state.flying)
    out.push({ message: state.queue[state.flying]!, ns, nr: state.expected })
    state.flying++
    if (distance(state.unacknowledged, state.sent) < state.flying) state.sent = add(state.unacknowledged, state.flying)
    state.resendAt ??= now + interval(retransmission, state.tries)
  }
  if (out.length === 0 && state.owesAck) out.push({ message: zlb, ns: state.sent, nr: state.expected })
  state.owesAck = false
  return out
}

const zlb: Outgoing = { session: 0, body: new Uint8Array(0) }

/**
 * The retransmission timer ran out: everything under way counts as lost, the window closes to one, and `flush` sends the first again.
 * False: it was sent as often as it may be, the peer is gone.
 */
export function timeout(state: Reliable, retransmission: Retransmission): boolean {
  if (state.tries >= retransmission.tries) return false
  state.tries++
  state.threshold = Math.max(1, state.congestionWindow >> 1)
  state.congestionWindow = 1
  state.grown = 0
  state.flying = 0
  state.resendAt = undefined
  return true
}

/** Sends the first message under way once more with the next `flush`, without waiting for the timer. */
export function resendFirst(state: Reliable): void {
  state.flying = 0
}

/** Nothing more is sent but acknowledgements. */
export function abandon(state: Reliable): void {
  state.queue = []
  state.flying = 0
  state.next = state.sent
  state.unacknowledged = state.sent
  state.resendAt = undefined
}

/** Milliseconds that an unanswered message takes until its sender gives up: the full retransmission cycle (RFC 2661 §5.7). */
export function cycle(retransmission: Retransmission): number {
  let sum = 0
  for (let tries = 0; tries <= retransmission.tries; tries++) sum += interval(retransmission, tries)
  return sum
}

/** Doubles from `firstMs`; the cap must be no less than 8 s (RFC 2661 §5.8). */
function interval({ firstMs, capMs }: Retransmission, tries: number): number {
  return Math.min(firstMs * 2 ** tries, Math.max(capMs, 8000))
}

function add(a: number, b: number): number {
  return (a + b) & 0xffff
}

/** Steps from `a` forward to `b`. */
function distance(a: number, b: number): number {
  return (b - a) & 0xffff
}
