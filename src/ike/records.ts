// IKE's state as records that a restarted daemon is made from: one for each ISAKMP SA that stands and each peer that has been announced, with their timers.
// What is half done is left out, and what depends on it is put right: a main mode begins anew; a quick mode whose result was still being worked on is
// forgotten, its SPI is free and its message id unseen, so that the peer's repetition is a first message. What waits for the peer goes on as it was.
import type { Durable, Records } from '../wire/durable.ts'
import type { Instant } from '../wire/machine.ts'
import type { SaPair, StandingPeer } from './contract.ts'
import { modeOf, quickTimer } from './exchanges/quick-mode.ts'
import { digest } from './retransmit.ts'
import { cookiesKey } from './sa.ts'
import type { IkeSa, IkeState, Peer, QuickMode } from './state.ts'
import { proposalInUse } from './truncation.ts'

type TimerRecord = readonly (readonly [string, Instant])[]
type SaRecord = {
  readonly sa: Omit<IkeSa, 'seen' | 'parked'>
  /** Message ids, 4 octets each: thousands of numbers would be ten times as long. */
  readonly seen: Uint32Array
  /** Inbound SPIs of pairs for which a successor of ours was in the making: it is begun anew at once. */
  readonly again: readonly number[]
  readonly timers: TimerRecord
}
type PeerRecord = { readonly peer: Peer; readonly timers: TimerRecord }

const onSa = ['resend', 'ike-rekey', 'ike-expire', 'retire', 'forget', 'answers', 'keepalive'] as const
const onPeer = ['lost', 'probe'] as const
const onPair = ['rekey', 'expire', 'drain', 'settle'] as const

/** Records of what was touched since the last call. */
export function changedRecords(state: IkeState): ReturnType<Durable['changes']> {
  const records = new Map<string, unknown>()
  for (const id of state.sas.takeTouched()) records.set(`sa ${id}`, saRecord(state, id))
  for (const id of state.peers.takeTouched()) records.set(`peer ${id}`, peerRecord(state, id))
  if (records.size > 0) records.set('next', { ...state.next })
  return records
}

function saRecord(state: IkeState, id: number): SaRecord | undefined {
  const sa = state.sas.peek(id)
  if (!sa || !stands(sa)) return undefined
  const { seen: all, parked: _, ...rest } = sa
  const quick = new Map([...sa.quick].filter(([, mode]) => lasts(mode)))
  const seen = new Set(all)
  const answers = new Map(sa.answers)
  const again: number[] = []
  for (const [messageId, mode] of sa.quick) {
    if (lasts(mode)) continue
    const received = answered(mode)
    if (received) {
      seen.delete(messageId)
      answers.delete(digest(received))
    } else again.push(...replaced(mode))
  }
  const timers = [...onSa.map((what) => `${what} ${id}`), ...[...quick.keys()].map((mode) => quickTimer(sa, mode))]
  return { sa: { ...rest, quick, answers }, seen: Uint32Array.from(seen), again, timers: timersOf(state, timers) }
}

/**
 * Established, or as good as: who has had MM5 of ours has it established. Negotiations of strangers are not worth a write each, or they could have us do
 * nothing else.
 */
function stands({ phase1 }: IkeSa): boolean {
  return phase1.is === 'established' || phase1.is === 'deleted' || phase1.is === 'awaiting MM6'
}

/** It waits for the peer, not for work or the fast path. */
function lasts({ is }: QuickMode): boolean {
  return is === 'awaiting QM2' || is === 'awaiting QM3' || is === 'settling'
}

/** The peer's first message, where this mode answers one. */
function answered(mode: QuickMode): Uint8Array | undefined {
  if (mode.is === 'installing') return mode.role === 'responder' ? mode.received : undefined
  return mode.is === 'computing' && mode.work.to === 'send QM2' ? mode.work.reply.received : undefined
}

/** Inbound SPI of the pair whose successor this mode of ours was to make. */
function replaced(mode: QuickMode): number[] {
  if (mode.is === 'waiting') return mode.wish.replaces === undefined ? [] : [mode.wish.replaces]
  if (mode.is !== 'computing' && mode.is !== 'installing') return []
  const spi =
    mode.is === 'installing'
      ? mode.pair.predecessor
      : mode.work.to === 'send QM1'
        ? mode.work.wish.replaces
        : mode.work.offer.predecessor
  return spi === undefined ? [] : [spi]
}

function peerRecord(state: IkeState, id: number): PeerRecord | undefined {
  const peer = state.peers.peek(id)
  if (!peer?.announced) return undefined
  const pairs = [...peer.pairs.keys()].flatMap((spi) => onPair.map((what) => `${what} ${spi}`))
  return { peer, timers: timersOf(state, [...onPeer.map((what) => `${what} ${id}`), ...pairs]) }
}

function timersOf(state: IkeState, keys: readonly string[]): TimerRecord {
  return keys.flatMap((key) => {
    const at = state.timers.at(key)
    return at === undefined ? [] : [[key, at] as const]
  })
}

/** Fills a new state. Every peer counts as heard now: nobody listened meanwhile. */
export function restore(state: IkeState, records: Records, now: Instant): void {
  // Whoever wrote the records goes on writing: also what ends before the first time must be taken out of them.
  for (const map of [state.sas, state.peers]) map.takeTouched()
  for (const [name, record] of records) {
    if (name.startsWith('peer ')) restorePeer(state, record as PeerRecord, now)
    else if (name.startsWith('sa ')) restoreSa(state, record as SaRecord, now)
    else Object.assign(state.next, record)
  }
  for (const [name, record] of records)
    if (name.startsWith('sa ')) for (const spi of (record as SaRecord).again) hurry(state, spi, now)
  tie(state)
}

function hurry(state: IkeState, spi: number, now: Instant): void {
  if (state.timers.at(`rekey ${spi}`) !== undefined) state.timers.set(`rekey ${spi}`, now)
}

function restorePeer(state: IkeState, { peer, timers }: PeerRecord, now: Instant): void {
  state.peers.set(peer.id, { ...peer, heardAt: now, probe: undefined })
  for (const [key, at] of timers) state.timers.set(key, at)
  for (const pair of peer.pairs.values()) {
    pair.heardAt = Math.max(pair.heardAt, now)
    state.spis.set(pair.inboundSpi, peer.id)
  }
  const { address, port } = peer.path.remote
  const there = state.peersByRemote.get(`${address} ${port}`) ?? new Set()
  state.peersByRemote.set(`${address} ${port}`, there.add(peer.id))
}

function restoreSa(state: IkeState, { sa, seen, timers }: SaRecord, now: Instant): void {
  state.sas.set(sa.id, { ...sa, seen: new Set(seen), parked: undefined })
  state.byCookies.set(cookiesKey(sa.cookies), sa.id)
  if (sa.role === 'initiator')
    state.byCookies.set(cookiesKey({ ...sa.cookies, responderCookie: new Uint8Array(8) }), sa.id)
  if (sa.first !== undefined) state.byFirst.set(sa.first, sa.id)
  for (const quick of sa.quick.values()) if (quick.is === 'awaiting QM2') state.spis.set(quick.wish.inboundSpi, -1)
  for (const [key, at] of timers) state.timers.set(key, at)
  // Its renewal had begun and is half done: it begins anew.
  const due = state.timers.at(`ike-rekey ${sa.id}`)
  if (sa.phase1.is === 'established' && !sa.replaced && due === undefined) state.timers.set(`ike-rekey ${sa.id}`, now)
}

/** Peers and ISAKMP SAs name each other: of either only what is there stays named. */
function tie(state: IkeState): void {
  for (const sa of state.sas.values()) {
    if (sa.peer !== undefined && !state.peers.has(sa.peer)) sa.peer = undefined
    if (sa.peer === undefined && sa.phase1.is === 'established') state.bare.add(sa.id)
  }
  for (const peer of state.peers.values()) {
    for (const id of peer.sas) if (state.sas.peek(id)?.peer !== peer.id) peer.sas.delete(id)
  }
}

const noKey = new Uint8Array(0)

/** Peers as the fast path has them. */
export function standingPeers(state: IkeState): readonly StandingPeer[] {
  return [...state.peers.values()].map((peer) => ({
    peer: peer.id,
    path: peer.path,
    client: peer.client,
    using: peer.using,
    pairs: [...peer.pairs.values()].map(
      ({
        inboundSpi,
        outboundSpi,
        proposal,
        truncation,
        encapsulated,
        ikeSa,
        natOa,
        selectors,
        esn,
        replayWindow,
      }): SaPair => ({
        peer: peer.id,
        ikeSa,
        proposal: proposalInUse({ proposal, truncation }),
        path: peer.path,
        encapsulated,
        mode: modeOf(selectors.tunnel),
        tunnel: selectors.tunnel,
        inbound: { spi: inboundSpi, cipherKey: noKey, integrityKey: noKey },
        outbound: { spi: outboundSpi, cipherKey: noKey, integrityKey: noKey },
        esn,
        replayWindow,
        natOa,
        ports: selectors.ports,
        use: peer.using === inboundSpi,
      }),
    ),
  }))
}
