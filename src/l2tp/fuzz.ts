// What a fuzzer runs: octets in, and nothing may come of them but a value or a WireError. The harness of test/fuzz lists these by name.
import { WireError } from '../wire/errors.ts'
import type { Random } from '../wire/machine.ts'
import { Secret } from '../wire/secret.ts'
import type { L2tpEffect, L2tpPolicy } from './contract.ts'
import { L2tpCore } from './core.ts'
import { emitAvps, parseAvps } from './wire/avp.ts'
import { emitControl, emitData, parseControl, parseData } from './wire/header.ts'
import { parseMessage } from './wire/message.ts'

/** Throws what is neither a value nor a WireError. */
function refusedOrRead(read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof WireError)) throw error
  }
}

const secret = new Secret('fuzz')
const policy: L2tpPolicy = {
  hostName: 'fuzz',
  secret,
  portLimit: undefined,
  receiveWindow: 4,
  helloSeconds: 60,
  retransmit: { firstMs: 1000, capMs: 8000, tries: 5 },
  hideAvps: true,
}

/** The same octets for ever: a run must repeat. Counting up, so that IDs differ. */
function counting(): Random {
  let count = 0
  return { octets: (length) => Uint8Array.from({ length }, () => count++ & 0xff) }
}

/**
 * The first octet of each piece says how long the piece is; each piece is a message for a core with an open control connection and a session
 * being set up, whose IDs and sequence numbers are put in where the header leaves them zero, so that more than the header is reached.
 */
function core(octets: Uint8Array): void {
  const machine = new L2tpCore(policy)
  const random = counting()
  let now = 0
  let tunnel = 0
  let ns = 0
  let nr = 0
  const put = (message: Uint8Array): void => {
    const sent = machine.handle(
      { on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets: message },
      { now, random },
    )
    for (const effect of sent) ({ tunnel, nr } = learnt(effect, tunnel, nr))
  }
  put(emitControl({ tunnel: 0, session: 0, ns: ns++, nr: 0 }, opening))
  for (let at = 0; at < octets.length; ) {
    const length = octets[at]!
    const body = octets.subarray(at + 1, at + 1 + length)
    at += 1 + length
    if (length % 16 === 0) put(body)
    else put(emitControl({ tunnel, session: 0, ns: ns++, nr }, body))
    now += length * 10
    if (machine.deadline !== undefined && machine.deadline <= now) machine.handle({ on: 'tick' }, { now, random })
  }
  machine.handle({ on: 'peerGone', peer: 1 }, { now, random })
  if (machine.status().length > 0 || machine.deadline !== undefined)
    throw new Error('a peer that is gone left something behind')
}

const opening = emitAvps(
  [
    [0, [0, 1]],
    [2, [1, 0]],
    [3, [0, 0, 0, 3]],
    [9, [0, 7]],
  ].map(([type, value]) => ({
    mandatory: true,
    hidden: false,
    reserved: 0,
    vendor: 0,
    type: type as number,
    value: Uint8Array.from(value as number[]),
  })),
)

function learnt(effect: L2tpEffect, tunnel: number, nr: number): { tunnel: number; nr: number } {
  if (effect.do !== 'send') return { tunnel, nr }
  const { header, body } = parseControl(effect.octets)
  if (body.length === 0) return { tunnel, nr }
  const message = parseMessage(body, secret.reveal())
  const assigned = message.is === 'message' ? message.fields.assignedTunnelId : undefined
  return { tunnel: assigned ?? tunnel, nr: (header.ns + 1) & 0xffff }
}

/** What was read comes out again as it was: where the flags and lengths were proper, octet for octet. */
function roundTrip(octets: Uint8Array): void {
  const { header, body } = parseControl(octets)
  const avps = parseAvps(body)
  const again = parseControl(emitControl(header, emitAvps(avps)))
  if (JSON.stringify([again.header, parseAvps(again.body)]) !== JSON.stringify([header, avps])) {
    throw new Error('a control message did not come back as it was')
  }
}

function dataRoundTrip(octets: Uint8Array): void {
  const { header, payload } = parseData(octets)
  const again = parseData(emitData(header, payload))
  const same = JSON.stringify([{ ...again.header, length: 0 }, again.payload])
  if (same !== JSON.stringify([{ ...header, length: 0 }, payload]))
    throw new Error('a data message did not come back as it was')
}

export const fuzzTargets: Readonly<Record<string, (octets: Uint8Array) => void>> = {
  'l2tp-control': (octets) => refusedOrRead(() => roundTrip(octets)),
  'l2tp-data': (octets) => refusedOrRead(() => dataRoundTrip(octets)),
  'l2tp-message': (octets) => refusedOrRead(() => parseMessage(octets, undefined)),
  'l2tp-message-hidden': (octets) => refusedOrRead(() => parseMessage(octets, secret.reveal())),
  'l2tp-core': core,
}
