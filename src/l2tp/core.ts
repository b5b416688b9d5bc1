// The L2TP machine: all control connections of all peers, told apart by the SA that their messages came through and never by address or port.
// The walk of a control message: header → the connection that it names, if it is this peer's → (control-connection.ts) → effects.
// A message for tunnel 0 opens a connection (SCCRQ) or closes one whose ID its sender never learnt (StopCCN).
import { equal } from '../wire/codec.ts'
import { Deadlines } from '../wire/deadlines.ts'
import type { Durable, Records } from '../wire/durable.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine, Random } from '../wire/machine.ts'
import type { CallId, L2tpEffect, L2tpInput, L2tpPolicy, L2tpTunnelStatus, PeerId, StandingCall } from './contract.ts'
import { ControlConnection } from './control-connection.ts'
import { lastSession, noRoom, peerGone, shuttingDown, startedOver } from './endings.ts'
import { takeId } from './ids.ts'
import type { CallsRecord, ConnectionRecord } from './records.ts'
import { hangUp, type Session, startCall } from './session.ts'
import type { CallRegister, Surroundings } from './surroundings.ts'
import { type ControlHeader, emitControl, parseControl } from './wire/header.ts'
import { type Message, parseMessage } from './wire/message.ts'

/** Control connections of one peer, those that are being closed among them: one is usual, two after a restart. */
const mostConnections = 8
/** An SCCRQ like the one that opened a connection, this long after it was established, is no late copy: its sender has started over. */
const lateCopyMs = 5_000

type ControlInput = Extract<L2tpInput, { on: 'control' }>
type CallInput = Extract<L2tpInput, { on: 'call' }>
type HangUpInput = Extract<L2tpInput, { on: 'hangUp' }>

export class L2tpCore implements Machine<L2tpInput, L2tpEffect>, Durable {
  #policy: L2tpPolicy
  readonly #connections = new Map<number, ControlConnection>()
  readonly #peers = new Map<PeerId, Set<ControlConnection>>()
  readonly #sessionIds = new Set<number>()
  readonly #calls = new Map<CallId, { readonly tunnel: number; readonly session: number }>()
  readonly #deadlines = new Deadlines<ControlConnection>()
  readonly #register: CallRegister
  #lastCall: CallId = 0
  /** Local IDs of connections that may have changed since they were last written down. */
  #touched: Set<number> = new Set()

  /** `former`: what an earlier one wrote down, to go on from now. */
  constructor(policy: L2tpPolicy, former?: { readonly records: Records; readonly now: Instant }) {
    this.#policy = policy
    this.#register = this.#callRegister()
    for (const [name, record] of former?.records ?? []) {
      if (name === 'calls') this.#lastCall = (record as CallsRecord).last
      else this.#restore(record as ConnectionRecord, former!.now)
    }
  }

  #restore(record: ConnectionRecord, now: Instant): void {
    const connection = ControlConnection.restored(record, now)
    const { peer, local } = connection
    this.#connections.set(local, connection)
    this.#peers.set(peer, (this.#peers.get(peer) ?? new Set()).add(connection))
    for (const session of connection.sessions.values()) {
      this.#sessionIds.add(session.local)
      if (session.state.is === 'established')
        this.#calls.set(session.state.call, { tunnel: local, session: session.local })
    }
    this.#deadlines.set(connection, connection.deadline)
    this.#touched.add(local)
  }

  changes(): Records {
    const records = new Map<string, unknown>()
    for (const local of this.#touched) records.set(`connection ${local}`, this.#connections.get(local)?.record())
    this.#touched = new Set()
    if (records.size > 0) records.set('calls', { last: this.#lastCall } satisfies CallsRecord)
    return records
  }

  /** Sessions that stand, as `callUp` told them. */
  standing(): readonly StandingCall[] {
    return [...this.#connections.values()].flatMap((connection) =>
      [...connection.sessions.values()].flatMap((session) => {
        if (session.state.is !== 'established') return []
        const { peer, localPort, remotePort, peerHostName } = connection
        return {
          call: session.state.call,
          peer,
          peerHostName,
          local: { tunnel: connection.local, session: session.local, port: localPort },
          remote: { tunnel: connection.remote, session: session.remote, port: remotePort },
          sequencing: session.sequencing,
        }
      }),
    )
  }

  get deadline(): Instant | undefined {
    return this.#deadlines.next
  }

  status(): readonly L2tpTunnelStatus[] {
    return [...this.#connections.values()].map((connection) => connection.status())
  }

  handle(input: L2tpInput, at: At): readonly L2tpEffect[] {
    const effects: L2tpEffect[] = []
    const emit = (effect: L2tpEffect) => void effects.push(effect)
    const around: Surroundings = { ...at, policy: this.#policy, emit, calls: this.#register }
    switch (input.on) {
      case 'control':
        this.#control(around, input)
        break
      case 'tick':
        this.#tick(around)
        break
      case 'peerGone':
        for (const connection of this.#of(input.peer)) {
          connection.drop(around, peerGone)
          this.#remove(connection)
        }
        break
      case 'heard':
        this.#heard(around, input.peers)
        break
      case 'call':
        this.#call(around, input)
        break
      case 'probe': {
        const found = this.#session(input.call)
        if (found) this.#probe(around, found.connection)
        break
      }
      case 'hangUp':
        this.#hangUp(around, input)
        break
      case 'shutdown':
        for (const connection of [...this.#connections.values()]) {
          connection.close(around, shuttingDown(input.text))
          this.#settle(around, connection)
        }
        break
      case 'policy':
        this.#policy = input.policy
    }
    return effects
  }

  // ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #control(around: Surroundings, input: ControlInput) {
    let message: ReturnType<typeof parseControl>
    try {
      message = parseControl(input.octets)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      return this.#invalid(around, input.peer, `An L2TP header can't be read: ${error.message}.`)
    }
    const { header, body } = message
    const connection = this.#connections.get(header.tunnel)
    if (header.tunnel === 0 || connection?.peer !== input.peer) return this.#unaddressed(around, input, header, body)
    // The answer may come from another port than the one asked, and settles it (RFC 2661 §8.1).
    if (connection.state === 'wait-ctl-reply') connection.remotePort = input.remotePort
    this.#deliver(around, connection, header, body)
  }

  #deliver(around: Surroundings, connection: ControlConnection, header: ControlHeader, body: Uint8Array): void {
    const before = connection.establishedSince
    connection.receive(around, header, body)
    if (before === undefined && connection.establishedSince !== undefined) {
      for (const other of this.#of(connection.peer)) if (other !== connection) this.#probe(around, other)
    }
    if (connection.openedByUs && connection.state === 'established' && connection.sessions.size === 0) {
      connection.close(around, lastSession('The last session is over.'))
    }
    this.#settle(around, connection)
  }

  #probe(around: Surroundings, connection: ControlConnection): void {
    connection.probe(around)
    this.#settle(around, connection)
  }

  /** A message that names no connection of this peer. */
  #unaddressed(around: Surroundings, input: ControlInput, header: ControlHeader, body: Uint8Array) {
    const { peer } = input
    const from = `L2TP control connection ${header.tunnel}, which this peer does not have`
    if (body.length === 0) return this.#invalid(around, peer, `An acknowledgement came for ${from}.`)
    let message: ReturnType<typeof parseMessage>
    try {
      message = parseMessage(body, this.#policy.secret?.reveal())
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      return this.#invalid(around, peer, `A message for ${from} can't be read: ${error.message}.`)
    }
    if (message.is === 'message') {
      if (message.type === 'SCCRQ' && header.tunnel === 0) return this.#started(around, input, header, body, message)
      if (message.type === 'StopCCN') return this.#stopped(around, input, header, body, message)
      if (message.type === 'SCCRP') return this.#unasked(around, input, header, message)
    }
    const name = message.is === 'message' ? message.type : `Message type ${message.number}`
    this.#invalid(around, peer, `${name} came for ${from}: it closed long ago, or the peer sends with wrong IDs.`)
  }

  #started(around: Surroundings, input: ControlInput, header: ControlHeader, body: Uint8Array, message: Message) {
    const { peer } = input
    const remote = message.fields.assignedTunnelId
    if (remote === undefined || header.ns !== 0 || header.nr !== 0) {
      const fault =
        remote === undefined ? 'has no usable Assigned Tunnel ID' : `has Ns ${header.ns} and Nr ${header.nr}, not 0`
      return this.#invalid(around, peer, `The peer's SCCRQ ${fault}, so it can't even be refused.`)
    }
    const same = this.#of(peer).find((one) => !one.openedByUs && one.remote === remote)
    if (same) {
      if (this.#isCopy(around, same, body)) return this.#deliver(around, same, header, body)
      same.drop(around, startedOver)
      this.#remove(same)
    }
    const waiting = this.#tie(around, peer, message)
    if (waiting) this.#accept(around, input, header, body, message, waiting)
  }

  /** The SCCRQ that opened `connection`, repeated: its copies in flight and its retransmissions. Once a connection was closed, another dial. */
  #isCopy(around: Surroundings, connection: ControlConnection, body: Uint8Array): boolean {
    if (!connection.opening || !equal(connection.opening, body)) return false
    if (connection.closing) return connection.refusing
    const since = connection.establishedSince
    return since === undefined || around.now - since < lateCopyMs
  }

  /**
   * Both ends opened at once (RFC 2661 §4.4.3): the lower tie breaker wins, or the only one. Undefined: ours won and the peer's SCCRQ is
   * dropped in silence; otherwise the requests that now wait for the peer's connection.
   */
  #tie(around: Surroundings, peer: PeerId, message: Message): readonly number[] | undefined {
    const ours = this.#of(peer).find((one) => one.openedByUs && one.state === 'wait-ctl-reply')
    if (!ours?.tieBreaker) return []
    const theirs = message.fields.tieBreaker
    const order = theirs ? compare(ours.tieBreaker, theirs) : -1
    if (order < 0) return undefined
    const waiting = ours.yieldTie()
    for (const session of ours.sessions.keys()) this.#sessionIds.delete(session)
    this.#remove(ours)
    if (order > 0) return waiting
    // Equal: both connections are void, and each end tries again with another value.
    const { localPort, remotePort } = ours
    for (const request of waiting) this.#call(around, { on: 'call', request, peer, localPort, remotePort })
    return undefined
  }

  #accept(
    around: Surroundings,
    input: ControlInput,
    header: ControlHeader,
    body: Uint8Array,
    message: Message,
    waiting: readonly number[],
  ): void {
    const connection = this.#newConnection(around, input, false)
    if (!connection) return
    connection.accept(around, header, body, message)
    for (const request of waiting) this.#start(around, connection, request)
    this.#settle(around, connection)
  }

  /** StopCCN whose tunnel ID is wrong, or 0 because its sender never learnt ours: the connection is found by what it says. */
  #stopped(around: Surroundings, input: ControlInput, header: ControlHeader, body: Uint8Array, message: Message) {
    const said = message.fields.assignedTunnelId
    const own = this.#of(input.peer)
    const connection =
      own.find((one) => said !== undefined && one.remote === said) ?? own.find((one) => one.local === said)
    if (connection) return this.#deliver(around, connection, header, body)
    this.#invalid(around, input.peer, 'StopCCN came for an L2TP control connection that is closed already.')
    // Acknowledged all the same, or its sender repeats it for half a minute.
    const ack = { tunnel: said ?? 0, session: 0, ns: header.nr, nr: (header.ns + 1) & 0xffff }
    if (said === undefined) return
    const { peer, localPort, remotePort } = input
    around.emit({ do: 'send', peer, localPort, remotePort, octets: emitControl(ack, new Uint8Array(0)) })
  }

  /** SCCRP to an SCCRQ that is not (or no longer) ours. */
  #unasked(around: Surroundings, input: ControlInput, header: ControlHeader, message: Message) {
    const remote = message.fields.assignedTunnelId
    const known = this.#of(input.peer).some((one) => one.remote === remote)
    const connection = remote !== undefined && !known ? this.#newConnection(around, input, false) : undefined
    if (!connection || remote === undefined) return this.#invalid(around, input.peer, 'SCCRP came, and nobody asked.')
    connection.refuseReply(around, header, remote)
    this.#settle(around, connection)
  }

  // ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(around: Surroundings, input: CallInput) {
    const there = this.#of(input.peer).filter((one) => one.state !== 'idle')
    const open = there.find((one) => one.state === 'established') ?? there[0]
    const connection = open ?? this.#newConnection(around, input, true)
    if (!connection) return around.emit({ do: 'callFailed', request: input.request, reason: noRoom })
    this.#start(around, connection, input.request)
    if (!open || connection.state === 'established') connection.open(around)
    this.#settle(around, connection)
  }

  #start(around: Surroundings, connection: ControlConnection, request: number): void {
    if (!startCall(connection, around, request)) around.emit({ do: 'callFailed', request, reason: noRoom })
  }

  #hangUp(around: Surroundings, { call, result, error, text }: HangUpInput): void {
    const found = this.#session(call)
    if (!found) return
    const { connection, session } = found
    const why = text === '' ? 'The session was ended by this end.' : `The session was ended by this end: ${text}.`
    hangUp(connection, around, session, { result, error, text, why })
    if (connection.sessions.size === 0) connection.close(around, lastSession(why))
    this.#settle(around, connection)
  }

  #session(call: CallId): { readonly connection: ControlConnection; readonly session: Session } | undefined {
    const place = this.#calls.get(call)
    const connection = place && this.#connections.get(place.tunnel)
    const session = place && connection?.sessions.get(place.session)
    return connection && session ? { connection, session } : undefined
  }

  // ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #tick(around: Surroundings): void {
    for (;;) {
      const connection = this.#deadlines.due(around.now)
      if (!connection) return
      connection.tick(around)
      this.#settle(around, connection)
    }
  }

  /** Data proves that a peer lives, but not which of its connections it still knows. */
  #heard(around: Surroundings, peers: readonly PeerId[]): void {
    for (const peer of peers) {
      const [only, ...more] = this.#of(peer)
      if (only && more.length === 0) only.heard(around.now)
    }
  }

  // ── the connections ──────────────────────────────────────────────────────────────────────────────────────────────────

  #of(peer: PeerId): readonly ControlConnection[] {
    return [...(this.#peers.get(peer) ?? [])]
  }

  #newConnection(
    around: Surroundings,
    { peer, localPort, remotePort }: { readonly peer: PeerId; readonly localPort: number; readonly remotePort: number },
    byUs: boolean,
  ): ControlConnection | undefined {
    const own = this.#peers.get(peer) ?? new Set()
    // One that is only kept for the sake of late messages gives way.
    const spare = own.size >= mostConnections ? [...own].find(({ closing }) => closing) : undefined
    if (spare) this.#remove(spare)
    const local = own.size < mostConnections ? takeId(around.random, this.#connections) : undefined
    if (local === undefined) {
      around.emit({ do: 'report', event: { event: 'l2tp.tunnel.refused', peer, why: noRoom, userSees: undefined } })
      return undefined
    }
    const connection = new ControlConnection({ peer, local, localPort, remotePort }, byUs, around.now)
    this.#connections.set(local, connection)
    this.#peers.set(peer, own.add(connection))
    return connection
  }

  /** After each input that touched a connection: what it has to say is sent, its deadline set, or it is forgotten. */
  #settle(around: Surroundings, connection: ControlConnection): void {
    connection.flush(around)
    this.#touched.add(connection.local)
    if (!connection.gone(around.now)) {
      this.#deadlines.set(connection, connection.deadline)
      return
    }
    this.#remove(connection)
    if (!this.#peers.has(connection.peer)) around.emit({ do: 'idle', peer: connection.peer })
  }

  #remove(connection: ControlConnection): void {
    this.#touched.add(connection.local)
    this.#deadlines.set(connection, undefined)
    this.#connections.delete(connection.local)
    const own = this.#peers.get(connection.peer)
    own?.delete(connection)
    if (own?.size === 0) this.#peers.delete(connection.peer)
  }

  #invalid(around: Surroundings, peer: PeerId, why: string): void {
    around.emit({ do: 'report', event: { event: 'l2tp.message.invalid', peer, why } })
  }

  #callRegister(): CallRegister {
    const ids = this.#sessionIds
    return {
      get used() {
        return ids.size
      },
      takeSessionId: (random: Random) => {
        const id = takeId(random, ids)
        if (id !== undefined) ids.add(id)
        return id
      },
      freeSessionId: (id) => void ids.delete(id),
      open: (tunnel, session) => {
        this.#calls.set(++this.#lastCall, { tunnel, session })
        return this.#lastCall
      },
      close: (call) => void this.#calls.delete(call),
    }
  }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i]! - (b[i] ?? 0)
  return 0
}
