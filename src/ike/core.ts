// The IKE machine: all ISAKMP SAs of a gateway or a client. The walk of a datagram: (1) header and version; (2) which SA its cookies name; (3) was it
// answered before; (4) the exchange that it belongs to, in the role that we have there. Work results, data-path news and timers go the same way.

import type { Path } from '../wire/address.ts'
import type { Durable, Records } from '../wire/durable.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import { methodsFor } from './authentication.ts'
import type { IkeEffect, IkeInput, IkePolicy, IkeSaStatus, StandingPeer, TunnelUse, WorkResult } from './contract.ts'
import { heard, moved, pairUsed, sequenceLow } from './data-path.ts'
import * as aggressiveInitiator from './exchanges/aggressive-mode-initiator.ts'
import * as aggressive from './exchanges/aggressive-mode-responder.ts'
import * as informational from './exchanges/informational.ts'
import * as initiator from './exchanges/main-mode-initiator.ts'
import * as responder from './exchanges/main-mode-responder.ts'
import { notInstalled } from './exchanges/quick-mode.ts'
import * as quickInitiator from './exchanges/quick-mode-initiator.ts'
import * as quickResponder from './exchanges/quick-mode-responder.ts'
import { inFragments, longestMessage, receiveFragment } from './fragmentation.ts'
import type { Received } from './message.ts'
import { changedRecords, restore, standingPeers } from './records.ts'
import { answerAgain, answeredBefore } from './retransmit.ts'
import { cookiesKey, dropSa, findSa, firstKey, protection, standingSa } from './sa.ts'
import { speaksAggressive } from './sites.ts'
import { type IkeSa, type IkeState, type JobOwner, newState, type Phase1 } from './state.ts'
import { showStatus } from './status.ts'
import { receiveStranger } from './strangers.ts'
import { timerDue } from './timers.ts'
import { emit, reportInvalid, type Turn } from './turn.ts'
import { parseChain } from './wire/chain.ts'
import { headerOctets, parseHeader } from './wire/header.ts'
import { exchangeType, payloadType } from './wire/numbers.ts'

export class IkeCore implements Machine<IkeInput, IkeEffect>, Durable {
  readonly #state: IkeState

  /** `former`: what an earlier one wrote down, to go on from now. */
  constructor(policy: IkePolicy, former?: { readonly records: Records; readonly now: Instant }) {
    this.#state = newState(policy)
    if (former) restore(this.#state, former.records, former.now)
  }

  get deadline(): Instant | undefined {
    return this.#state.timers.next
  }

  /** What is remembered, for snapshots in tests: plain data. */
  get state(): IkeState {
    return this.#state
  }

  status(): readonly IkeSaStatus[] {
    return showStatus(this.#state)
  }

  changes(): Records {
    return changedRecords(this.#state)
  }

  /** What stands between a peer and its fast path: its path and pairs, and which of them carries our packets. */
  standing(): readonly StandingPeer[] {
    return standingPeers(this.#state)
  }

  handle(input: IkeInput, at: At): readonly IkeEffect[] {
    const turn: Turn = { now: at.now, random: at.random, state: this.#state, effects: [] }
    const known = this.#state.peers.touched
    dispatch(turn, input)
    // Who was heard when, and how much, is told again by whoever counts it: nothing of it is worth a record.
    if (input.on === 'heard' && turn.effects.length === 0 && !known) this.#state.peers.forgetTouched()
    for (const id of this.#state.forget.splice(0)) {
      const sa = this.#state.sas.get(id)
      if (sa) dropSa(turn, sa, 'the peer has restarted')
    }
    return inFragments(turn.state, turn.effects, turn.state.policy.fragmentOctets)
  }
}

function dispatch(turn: Turn, input: IkeInput): void {
  switch (input.on) {
    case 'datagram':
      return receive(turn, input.path, input.octets)
    case 'tick':
      return tick(turn)
    case 'done':
      return done(turn, input.job, input.result)
    case 'installed':
      return installed(turn, input.job, input.failure)
    case 'heard':
      return heard(turn, input.pairs)
    case 'pairUsed':
      return pairUsed(turn, input.inboundSpi, input.truncation)
    case 'moved':
      return moved(turn, input.inboundSpi, input.path)
    case 'sequenceLow':
      return sequenceLow(turn, input.inboundSpi)
    case 'connect':
      return connect(turn, input)
    case 'disconnect': {
      const peer = turn.state.peers.get(input.peer)
      if (peer) informational.sayGoodbye(turn, peer, 'disconnected', input.reason)
      return
    }
    case 'shutdown':
      return shutdown(turn)
    case 'policy':
      turn.state.policy = input.policy
  }
}

function tick(turn: Turn): void {
  for (let timer = turn.state.timers.due(turn.now); timer !== undefined; timer = turn.state.timers.due(turn.now))
    timerDue(turn, timer)
}

function connect(turn: Turn, input: IkeInput & { on: 'connect' }): void {
  const { request: number, path, ports, nattPort = 4500, tunnel } = input
  if (tunnel && beginOnStanding(turn, path, tunnel)) return
  if (methodsFor(turn.state.policy, path.remote.address).length === 0) {
    const reason = `neither a pre-shared key nor a certificate is configured for ${path.remote.address}`
    return emit(turn, { do: 'failed', request: number, reason })
  }
  initiator.sendMM1(turn, { path, request: { number, path, ports, nattPort, attempt: 1, tunnel } })
}

/** Another tunnel with a site, or other traffic in transport mode with a host, that has an ISAKMP SA. */
function beginOnStanding(turn: Turn, path: Path, tunnel: TunnelUse): boolean {
  for (const peer of turn.state.peers.values()) {
    const its = [...peer.pairs.values()].some(
      ({ selectors: { tunnel: other } }) => other?.site === tunnel.site || (other?.transport && tunnel.transport),
    )
    const sa = its && peer.path.remote.address === path.remote.address ? standingSa(turn, peer) : undefined
    if (!sa) continue
    quickInitiator.beginTunnel(turn, sa, tunnel)
    return true
  }
  return false
}

function shutdown(turn: Turn): void {
  for (const peer of [...turn.state.peers.values()]) informational.sayGoodbye(turn, peer, 'shutdown', 'shutdown')
  for (const sa of [...turn.state.sas.values()]) {
    if (sa.phase1.is === 'established') informational.sayDeleteIke(turn, sa)
    dropSa(turn, sa, 'shutdown')
  }
}

// --- a datagram -------------------------------------------------------------------------------------------------------------------------

/** Octets from anywhere: what does not parse is reported, within a quota, and changes nothing. */
function receive(turn: Turn, path: Path, marked: Uint8Array): void {
  const octets = withoutMarker(marked)
  if (octets.length > longestMessage) return reportInvalid(turn, path, `a message of ${octets.length} octets`)
  try {
    const { header, body } = parseHeader(octets)
    route(turn, { path, octets, header, body })
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    reportInvalid(turn, path, error.message)
  }
}

// An iOS of 2013 put the non-ESP marker before its messages twice (libreswan iface_udp.c). No initiator cookie begins with four zeros by chance that often.
function withoutMarker(octets: Uint8Array): Uint8Array {
  const doubled = octets.length > headerOctets + 4 && octets.subarray(0, 4).every((octet) => octet === 0)
  if (!doubled) return octets
  const length = new DataView(octets.buffer, octets.byteOffset).getUint32(4 + headerOctets - 4)
  return length === octets.length - 4 ? octets.subarray(4) : octets
}

function route(turn: Turn, received: Received): void {
  const { header, path } = received
  const begins =
    header.exchange === exchangeType.main ||
    (header.exchange === exchangeType.aggressive && speaksAggressive(turn.state.policy, path.remote.address))
  if (header.major !== 1 || header.minor !== 0) return receiveStranger(turn, received)
  if (header.otherFlags !== 0)
    return reportInvalid(turn, path, `flags of ${header.otherFlags}, which RFC 2408 leaves at zero`)
  if (header.next === payloadType.FRAGMENT) {
    const whole = receiveFragment(turn, received)
    return whole && receive(turn, path, whole)
  }
  if (begins && header.responderCookie.every((octet) => octet === 0)) return first(turn, received)
  const sa = findSa(turn, header)
  if (!sa) return receiveStranger(turn, received)
  if (answeredBefore(turn, sa, path, received.octets)) return repeated(turn, sa, header.messageId)
  const before = sa.phase1
  exchange(turn, sa, received)
  unpark(turn, sa, before)
}

// (2) A message without a responder's cookie begins a negotiation, or repeats its beginning.
function first(turn: Turn, received: Received): void {
  const { header, path, octets, body } = received
  const key = firstKey(octets, path)
  const sa = turn.state.sas.get(turn.state.byFirst.get(key) ?? -1)
  if (sa) {
    answeredBefore(turn, sa, path, octets)
    return
  }
  if (header.encrypted || header.messageId !== 0)
    return reportInvalid(turn, path, 'a first message that is encrypted or has a message id')
  // Our own first message come back: some NATs and attackers reflect.
  if (turn.state.byCookies.has(cookiesKey(header))) return
  if (header.exchange === exchangeType.main) return responder.receiveMM1(turn, received, key)
  aggressive.receiveAM1(turn, received, parseChain(header.next, body, 'clear'), key)
}

function repeated(turn: Turn, sa: IkeSa, messageId: number): void {
  if (sa.quick.get(messageId)?.is === 'settling') quickInitiator.settleLater(turn, sa, messageId)
}

function exchange(turn: Turn, sa: IkeSa, received: Received): void {
  const { header, path } = received
  switch (header.exchange) {
    case exchangeType.main:
      return mainMode(turn, sa, received)
    case exchangeType.aggressive:
      return aggressiveMode(turn, sa, received)
    case exchangeType.quick:
      return quickMode(turn, sa, received)
    case exchangeType.informational:
      if (
        sa.phase1.is === 'awaiting MM6' &&
        header.encrypted &&
        initiator.receiveRefusal(turn, sa, sa.phase1, received)
      )
        return
      if (header.encrypted && !protection(sa)) return park(sa, received)
      return informational.receiveInformational(turn, sa, received)
    default:
      reportInvalid(turn, path, `exchange type ${header.exchange} inside an ISAKMP SA`)
  }
}

/** One message that came before its turn: the work is not done yet, or the message before it is still on its way. */
function park(sa: IkeSa, { path, octets }: Received): void {
  sa.parked = { path, octets: octets.slice() }
}

function unpark(turn: Turn, sa: IkeSa, before: IkeSa['phase1']): void {
  const { parked } = sa
  if (!parked || sa.phase1.is === before.is || sa.phase1.is === 'computing') return
  sa.parked = undefined
  receive(turn, parked.path, parked.octets)
}

function mainMode(turn: Turn, sa: IkeSa, received: Received): void {
  const { header, path, body } = received
  const { phase1 } = sa
  if (header.messageId !== 0) return reportInvalid(turn, path, 'main mode with a message id')
  const sealed = phase1.is === 'awaiting MM5' || phase1.is === 'awaiting MM6'
  if (phase1.is === 'established' || phase1.is === 'deleted') return
  if (phase1.is === 'computing') return park(sa, received)
  if (header.encrypted !== sealed)
    return reportInvalid(
      turn,
      path,
      `main mode ${header.encrypted ? 'sealed' : 'in clear'} in the state “${phase1.is}”`,
    )
  if (!sealed && !fromTheSame(sa, path))
    return reportInvalid(turn, path, 'main mode in clear from another address or port')
  switch (phase1.is) {
    case 'awaiting MM2':
      return initiator.receiveMM2(turn, sa, phase1, received, parseChain(header.next, body, 'clear'))
    case 'awaiting MM3':
      return responder.receiveMM3(turn, sa, phase1, received, parseChain(header.next, body, 'clear'))
    case 'awaiting MM4':
      return initiator.receiveMM4(turn, sa, phase1, received, parseChain(header.next, body, 'clear'))
    case 'awaiting MM5':
      return responder.receiveMM5(turn, sa, phase1, received)
    case 'awaiting MM6':
      return initiator.receiveMM6(turn, sa, phase1, received)
  }
}

function aggressiveMode(turn: Turn, sa: IkeSa, received: Received): void {
  const { phase1 } = sa
  if (phase1.is === 'computing') return park(sa, received)
  if (phase1.is === 'awaiting AM2') return answerToAM1(turn, sa, phase1, received)
  if (phase1.is !== 'awaiting AM3') return
  if (received.header.messageId !== 0 || !received.header.encrypted)
    return reportInvalid(turn, received.path, 'AM3 in clear or with a message id')
  aggressive.receiveAM3(turn, sa, phase1, received)
}

function answerToAM1(turn: Turn, sa: IkeSa, phase1: Phase1 & { is: 'awaiting AM2' }, received: Received): void {
  const { header, body, path } = received
  if (header.messageId !== 0 || header.encrypted) return reportInvalid(turn, path, 'AM2 sealed or with a message id')
  if (!fromTheSame(sa, path)) return reportInvalid(turn, path, 'AM2 from another address or port')
  aggressiveInitiator.receiveAM2(turn, sa, phase1, received, parseChain(header.next, body, 'clear'))
}

// Before anybody is authenticated a negotiation stays where it began.
function fromTheSame(sa: IkeSa, { remote }: Path): boolean {
  return sa.path.remote.address === remote.address && sa.path.remote.port === remote.port
}

function quickMode(turn: Turn, sa: IkeSa, received: Received): void {
  const { header, path } = received
  if (!header.encrypted || header.messageId === 0)
    return reportInvalid(turn, path, 'quick mode in clear or without a message id')
  if (!protection(sa)) {
    // Its AM3, which nobody answers, was lost: with AM2 it is said again.
    if (sa.phase1.is === 'awaiting AM3') answerAgain(turn, sa)
    return park(sa, received)
  }
  const quick = sa.quick.get(header.messageId)
  if (quick?.is === 'awaiting QM2') return quickInitiator.receiveQM2(turn, sa, quick, received)
  if (quick?.is === 'awaiting QM3') return quickResponder.receiveQM3(turn, sa, quick, received)
  if (quick?.is === 'settling') return quickInitiator.receiveConnected(turn, sa, quick, received)
  // A fourth message that comes too late, or a replay: the exchange is over.
  if (quick || sa.seen.has(header.messageId)) return
  quickResponder.receiveQM1(turn, sa, received)
}

// --- results ----------------------------------------------------------------------------------------------------------------------------

/** Work is done. A result that nobody awaits any more is dropped. */
function done(turn: Turn, job: number, result: WorkResult): void {
  const owner = turn.state.jobs.get(job)
  turn.state.jobs.delete(job)
  const sa = turn.state.sas.get(owner?.sa ?? -1)
  if (!owner || !sa) return
  if (owner.messageId !== 0) return doneQuick(turn, sa, owner.messageId, job, result)
  const { phase1 } = sa
  if (phase1.is !== 'computing' || phase1.job !== job) return
  const { work } = phase1
  if (work.to === 'send AM2') aggressive.sendAM2(turn, sa, work, result)
  else if (work.to === 'send AM1') aggressiveInitiator.sendAM1(turn, sa, work, result)
  else if (work.to === 'send AM3') aggressiveInitiator.sendAM3(turn, sa, work, result)
  else if (work.to === 'send MM3') initiator.sendMM3(turn, sa, work, result)
  else if (work.to === 'send MM4') responder.sendMM4(turn, sa, work, result)
  else if (work.to !== 'send MM5') initiator.signatureDone(turn, sa, work, result)
  else initiator.sendMM5(turn, sa, work, result)
  if (turn.state.sas.has(sa.id)) unpark(turn, sa, phase1)
}

function doneQuick(turn: Turn, sa: IkeSa, messageId: number, job: number, result: WorkResult): void {
  const quick = sa.quick.get(messageId)
  if (quick?.is !== 'computing' || quick.job !== job) return
  const { work } = quick
  if (work.to === 'send QM1') quickInitiator.generatedForQM1(turn, sa, messageId, work, result)
  else if (work.to === 'send QM2') quickResponder.sendQM2(turn, sa, messageId, work, result)
  else quickInitiator.agreedForQM3(turn, sa, messageId, work, result)
}

/** A pair is in the fast path, or could not be put there. */
function installed(turn: Turn, job: number, failure: string | undefined): void {
  const owner = turn.state.jobs.get(job)
  turn.state.jobs.delete(job)
  const sa = turn.state.sas.get(owner?.sa ?? -1)
  const quick = sa?.quick.get(owner?.messageId ?? 0)
  if (!owner || !sa || quick?.is !== 'installing' || quick.job !== job) return unwanted(turn, owner, failure)
  if (failure !== undefined) return notInstalled(turn, sa, owner.messageId, quick, failure)
  if (quick.role === 'responder') quickResponder.installedResponder(turn, sa, owner.messageId, quick)
  else quickInitiator.installedInitiator(turn, sa, owner.messageId, quick)
}

// The quick mode ended while its pair was being installed. With the peer the pair goes too, so only a living peer's is taken away.
function unwanted(turn: Turn, owner: JobOwner | undefined, failure: string | undefined): void {
  const { install } = owner ?? {}
  if (!install || turn.state.spis.get(install.inboundSpi) !== -1) return
  turn.state.spis.delete(install.inboundSpi)
  if (failure === undefined && turn.state.peers.has(install.peer)) emit(turn, { do: 'remove', ...install })
}
