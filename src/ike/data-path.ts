// What the fast path tells IKE: life, octets, first packets, moves. All of it was authenticated by ESP, inside the anti-replay window.
import type { Path } from '../wire/address.ts'
import type { IkeInput } from './contract.ts'
import { heardFrom } from './dpd.ts'
import { advanceQuick } from './exchanges/quick-mode.ts'
import { expireSoon, octetsLeft } from './lifetimes.ts'
import { confirmPair, findPair, movePeer } from './peers.ts'
import { rekeyPair } from './rekey.ts'
import type { Pair } from './state.ts'
import { type Truncation, truncationFound } from './truncation.ts'
import type { Turn } from './turn.ts'

export function heard(turn: Turn, pairs: (IkeInput & { on: 'heard' })['pairs']): void {
  for (const { inboundSpi, at, octets, sent } of pairs) {
    const found = findPair(turn, inboundSpi)
    if (!found) continue
    const { peer, pair } = found
    pair.octets += octets
    if (sent) peer.sentAt = turn.now
    if (at !== undefined) {
      pair.heardAt = Math.max(pair.heardAt, at)
      heardFrom(peer, at)
    }
    const left = octetsLeft(turn, pair)
    if (left !== 'enough') rekeyPair(turn, peer, pair)
    if (left === 'none') expireSoon(turn, pair)
  }
}

/** The first packet on a pair: the peer has it, whatever became of QM3. */
export function pairUsed(turn: Turn, inboundSpi: number, truncation: Truncation): void {
  const found = findPair(turn, inboundSpi)
  if (!found) return
  if (truncation !== undefined) truncationFound(turn, found, truncation)
  finishQuick(turn, found.pair)
  confirmPair(turn, found.peer, found.pair, 'packet')
  heardFrom(found.peer, turn.now)
}

function finishQuick(turn: Turn, { ikeSa, inboundSpi }: Pair): void {
  const sa = turn.state.sas.get(ikeSa)
  for (const [messageId, quick] of sa?.quick ?? [])
    if ((quick.is === 'awaiting QM3' || quick.is === 'settling') && quick.inboundSpi === inboundSpi)
      advanceQuick(turn, sa!, messageId, undefined)
}

export function moved(turn: Turn, inboundSpi: number, path: Path): void {
  const found = findPair(turn, inboundSpi)
  if (!found) return
  const { peer, pair } = found
  // Protocol 50 has no ports: those of the peer's IKE stay.
  const to = pair.encapsulated
    ? path
    : { local: peer.path.local, remote: { ...peer.path.remote, address: path.remote.address } }
  movePeer(turn, peer, to)
}

export function sequenceLow(turn: Turn, inboundSpi: number): void {
  const found = findPair(turn, inboundSpi)
  if (found) rekeyPair(turn, found.peer, found.pair)
}
