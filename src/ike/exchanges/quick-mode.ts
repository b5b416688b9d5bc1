// What both roles of quick mode share (RFC 2409 §5.5): SPIs, keys and the installing of the pair.
import { sameSecret, wipe } from '../../crypto/constant-time.ts'
import { hex } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import type { SaPair } from '../contract.ts'
import { espKeys, type IkeKeys, type QuickModeSecrets } from '../keys.ts'
import { hashed, type Opened, type Outgoing, open, type Received, sealedMessage } from '../message.ts'
import { breach, type MessageName, required } from '../message-rules.ts'
import { endPeer, firstOfItsKind, movePeer, peerOf } from '../peers.ts'
import { protection } from '../sa.ts'
import type { IkeSa, Nonces, Offer, Pair, QuickMode, Selectors } from '../state.ts'
import { firstTruncation, proposalInUse } from '../truncation.ts'
import { arm, emit, newJob, policyOf, refuse, type Turn } from '../turn.ts'
import { afterFirst } from '../wire/chain.ts'
import { exchangeType } from '../wire/numbers.ts'
import type { IdPayload, Payload } from '../wire/payloads.ts'
import { failSa } from './main-mode-initiator.ts'

/** The one place where a quick mode changes; undefined ends it. */
export function advanceQuick(turn: Turn, sa: IkeSa, messageId: number, quick: QuickMode | undefined): void {
  arm(turn, quickTimer(sa, messageId), undefined)
  if (quick) {
    sa.quick.set(messageId, quick)
    return
  }
  sa.quick.delete(messageId)
  const next = [...sa.quick].find(([, { is }]) => is === 'waiting')
  if (next && !oursUnderWay(sa)) arm(turn, quickTimer(sa, next[0]), turn.now)
}

/** A quick mode that we began has not come to its last message. */
export function oursUnderWay(sa: IkeSa): boolean {
  return [...sa.quick.values()].some(
    (quick) =>
      quick.is === 'awaiting QM2' ||
      (quick.is === 'installing' && quick.role === 'initiator') ||
      (quick.is === 'computing' && quick.work.to !== 'send QM2'),
  )
}

export function quickTimer(sa: IkeSa, messageId: number): string {
  return `quick ${sa.id} ${messageId}`
}

/** An SPI that no pair of ours has; 0 to 255 are reserved (RFC 4303 §2.1). Promised until the pair is added or the quick mode fails. */
export function promiseSpi(turn: Turn): number {
  for (;;) {
    const [a, b, c, d] = turn.random.octets(4) as unknown as [number, number, number, number]
    const spi = a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d
    if (spi < 256 || turn.state.spis.has(spi)) continue
    turn.state.spis.set(spi, -1)
    return spi
  }
}

export function releaseSpi(turn: Turn, spi: number): void {
  if (turn.state.spis.get(spi) === -1) turn.state.spis.delete(spi)
}

/** Decrypted, by the rules, with the right HASH; or what is wrong. `hashOf` is given the octets behind the HASH payload. */
export function openQuick(
  name: MessageName,
  keys: IkeKeys,
  iv: Uint8Array,
  received: Received,
  hashOf: (after: Uint8Array) => Uint8Array,
): Opened | string {
  try {
    const opened = open(keys, iv, received)
    if (!opened) return `${name} is no whole number of cipher blocks`
    const { payloads } = opened.chain
    const wrong = breach(name, payloads)
    if (wrong) return wrong
    const right = sameSecret(required(payloads, 'HASH').data, hashOf(afterFirst(opened.chain)))
    return right ? opened : `${name} has a wrong HASH`
  } catch (error) {
    if (error instanceof WireError) return `${name} does not decrypt: ${error.message}`
    throw error
  }
}

/** A quick mode message of ours. */
export function sealQuick(
  sa: IkeSa,
  messageId: number,
  iv: Uint8Array,
  payloads: readonly Payload[],
  hashOf: (after: Uint8Array) => Uint8Array,
): { readonly octets: Uint8Array; readonly iv: Uint8Array } {
  const outgoing: Outgoing = { cookies: sa.cookies, exchange: exchangeType.quick, messageId }
  return sealedMessage(protection(sa)!.keys, iv, outgoing, hashed(payloads, hashOf))
}

/** IDci and IDcr as ours and the peer's. Ports count for UDP or any protocol; what they name is opaque in transport mode. */
export function selectorsOf(
  ours: IdPayload | undefined,
  peers: IdPayload | undefined,
  tunnel?: Selectors['tunnel'],
): Selectors {
  return {
    ...(tunnel ? { tunnel } : {}),
    ours: ours?.body.slice(),
    peers: peers?.body.slice(),
    ports: { local: ours?.port ?? 0, remote: peers?.port ?? 0 },
  }
}

/** Of a pair that is for this. */
export function modeOf(tunnel: Selectors['tunnel']): SaPair['mode'] {
  return tunnel && !tunnel.transport ? 'tunnel' : 'transport'
}

type Installation = {
  readonly role: 'initiator' | 'responder'
  readonly messageId: number
  readonly offer: Offer
  readonly nonces: Nonces
  readonly gxy: Uint8Array | undefined
  /** QM2 or QM3, sent when the pair is there. */
  readonly message: Uint8Array
  readonly iv: Uint8Array
  readonly received: Uint8Array
}

/** Derives the keys and asks for the pair to be put into the fast path. The keys go out with the effect and are not kept. */
export function install(turn: Turn, sa: IkeSa, installation: Installation): void {
  const { role, messageId, offer, nonces, gxy, message, iv, received } = installation
  const peer = peerOf(turn, sa)
  const newPeer = !peer.inFastPath
  peer.inFastPath = true
  if (peer.pairs.size === 0) movePeer(turn, peer, sa.path)
  const { inboundSpi } = offer
  const job = newJob(turn, { sa: sa.id, messageId, install: { peer: peer.id, inboundSpi } })
  const secrets: QuickModeSecrets = { ...nonces, gxy }
  const { keys } = protection(sa)!
  const side = (spi: number) => ({ spi, ...espKeys(keys, secrets, offer.proposal, spi) })
  const pair: SaPair = {
    peer: peer.id,
    ikeSa: sa.id,
    proposal: proposalInUse({ proposal: offer.proposal, truncation: firstTruncation(peer, offer) }),
    path: peer.path,
    encapsulated: offer.encapsulated,
    mode: modeOf(offer.selectors.tunnel),
    tunnel: offer.selectors.tunnel,
    inbound: side(offer.inboundSpi),
    outbound: side(offer.outboundSpi),
    esn: offer.esn,
    replayWindow: policyOf(turn).replayWindow,
    natOa: offer.natOa,
    ports: offer.selectors.ports,
    use: role === 'initiator' && !offer.commit && !offer.selectors.tunnel && firstOfItsKind(peer, offer.selectors),
  }
  emit(turn, { do: 'install', job, pair, newPeer })
  // RFC 2409 §5.5: irretrievably removed from the current state.
  if (gxy) wipe(gxy)
  const pending = { ...pendingPair(turn, sa, role, offer, nonces), truncation: firstTruncation(peer, offer) }
  advanceQuick(turn, sa, messageId, {
    is: 'installing',
    job,
    role,
    pair: pending,
    peer: peer.id,
    commit: offer.commit,
    message,
    received,
    nonces,
    iv,
  })
}

function pendingPair(turn: Turn, sa: IkeSa, role: Pair['role'], offer: Offer, { niB, nrB }: Nonces): Pair {
  const { inboundSpi, outboundSpi, proposal, encapsulated, lifeSeconds, lifeKilobytes, selectors, natOa, predecessor } =
    offer
  const [rank] = [hex(niB), hex(nrB)].sort()
  return {
    inboundSpi,
    outboundSpi,
    proposal,
    encapsulated,
    ikeSa: sa.id,
    role,
    selectors,
    natOa,
    esn: offer.esn,
    replayWindow: policyOf(turn).replayWindow,
    predecessor,
    established: turn.now,
    expires: turn.now + lifeSeconds * 1000,
    lifeKilobytes,
    rank: rank!,
    truncation: undefined,
    state: 'new',
    octets: 0,
    heardAt: turn.now,
    drainsUntil: undefined,
    deleteSaid: false,
    used: false,
  }
}

/** The fast path refused the pair: the quick mode ends, and a peer that was made for it too. */
export function notInstalled(
  turn: Turn,
  sa: IkeSa,
  messageId: number,
  quick: QuickMode & { is: 'installing' },
  failure: string,
): void {
  advanceQuick(turn, sa, messageId, undefined)
  releaseSpi(turn, quick.pair.inboundSpi)
  const peer = turn.state.peers.get(quick.peer)
  const why = `the data plane refused the SA pair: ${failure}`
  // What it was first for never came into the fast path, nor did the peer.
  if (peer && !peer.announced && peer.pairs.size === 0) {
    peer.inFastPath = false
    endPeer(turn, peer, 'expired')
  }
  if (sa.request && !peer?.announced) return failSa(turn, sa, 'mode', why)
  refuse(turn, sa, 'mode', why)
}
