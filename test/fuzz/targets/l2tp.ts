// L2TP: headers, AVPs, hidden ones too, and the machine under whatever comes through a peer's SA.
import { L2tpCore } from '../../../src/l2tp/core.ts'
import { emitAvps, parseAvps } from '../../../src/l2tp/wire/avp.ts'
import { emitControl, emitData, isControl, parseControl, parseData } from '../../../src/l2tp/wire/header.ts'
import { reveal } from '../../../src/l2tp/wire/hidden.ts'
import { parseMessage } from '../../../src/l2tp/wire/message.ts'
import { equal } from '../../../src/wire/codec.ts'
import { Secret } from '../../../src/wire/secret.ts'
import { captureOctets, datagrams, hasCapture } from '../../captures.ts'
import { hexVector, hexVectors } from '../../vectors.ts'
import type { FuzzRandom } from '../random.ts'
import { demand, parser, type Target } from '../target.ts'

const broken = 'malformed/l2tp-avp-overflow.pcap'

function controls(): readonly Uint8Array[] {
  const known = hexVectors('l2tp').map(({ octets }) => octets)
  if (!hasCapture(broken)) return known
  return [...known, ...datagrams(broken).map(({ payload }) => payload), captureOctets(broken).slice(40, 1500)]
}

const bodies = () => hexVectors('l2tp').map(({ octets }) => octets.slice(12))
const secret = new TextEncoder().encode('tunnel secret')

function control(octets: Uint8Array): string {
  const { header, body } = parseControl(octets)
  demand(parseControl(emitControl(header, body)).body.length === body.length, 'a control message is built anew')
  return message(body)
}

function message(body: Uint8Array): string {
  const outcomes = [undefined, secret].map((key) => {
    const parsed = parseMessage(body, key)
    if (parsed.is === 'unknown') return 'unknown'
    return `${parsed.type} ${Object.keys(parsed.fields).join(' ')} ${parsed.faults.length} ${parsed.missing.join(' ')}`
  })
  return outcomes.join('; ')
}

function data(octets: Uint8Array): string {
  const { header, payload } = parseData(octets)
  const again = parseData(emitData(header, payload))
  demand(equal(again.payload, payload), 'a data message is built anew with the same payload')
  return Object.keys(header)
    .filter((key) => header[key as keyof typeof header] !== undefined)
    .join(' ')
}

function avps(octets: Uint8Array): string {
  const parsed = parseAvps(octets)
  demand(equal(emitAvps(parsed), octets), 'AVPs are built anew to the same octets')
  return parsed.map(({ type, hidden }) => `${type}${hidden ? 'h' : ''}`).join(' ')
}

const core: Target = {
  name: 'l2tp core',
  weight: 3,
  episode: 64,
  corpus: controls,
  begin: (random) => {
    const machine = new L2tpCore({
      hostName: 'gw1',
      secret: random.chance(0.5) ? new Secret(secret) : undefined,
      portLimit: random.chance(0.5) ? 5 : undefined,
      receiveWindow: 4,
      helloSeconds: 60,
      retransmit: { firstMs: 1000, capMs: 8000, tries: 5 },
      hideAvps: false,
    })
    const state = new L2tpPeer(machine, random)
    return (octets) => state.feed(octets)
  },
}

/** A whole call, as Windows 10 makes it. */
const call = ['sccrq', 'scccn', 'icrq', 'iccn'].map((step) => hexVector(`l2tp/l2tp-win10-${step}`))

/** Keeps count as a peer would, so that many inputs are in sequence and reach the calls. */
class L2tpPeer {
  readonly #machine: L2tpCore
  readonly #random: FuzzRandom
  #now = 0
  #ns = 0
  #nr = 0
  #tunnel = 0
  #session = 0

  constructor(machine: L2tpCore, random: FuzzRandom) {
    this.#machine = machine
    this.#random = random
  }

  feed(octets: Uint8Array): string {
    // An honest call between the hostile messages, or none would ever come about.
    if (this.#random.chance(0.05)) this.#honest()
    if (octets.length >= 12 && this.#random.chance(0.8)) this.#inSequence(octets)
    const peer = this.#random.chance(0.9) ? 1 : 2
    const outcome = this.#handle({ on: 'control', peer, localPort: 1701, remotePort: 1701, octets })
    if (this.#random.chance(0.05)) this.#pass(this.#random.below(30_000))
    if (this.#random.chance(0.01)) this.#handle({ on: 'peerGone', peer })
    demand(this.#machine.status().length < 200, 'tunnels are bounded')
    return outcome
  }

  #honest(): void {
    for (const step of call) {
      const octets = step.slice()
      this.#inSequence(octets)
      this.#handle({ on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets })
    }
  }

  #inSequence(octets: Uint8Array): void {
    const view = new DataView(octets.buffer, octets.byteOffset)
    const first = octets.length > 20 && view.getUint16(18) === 1
    if (first) this.#ns = 0
    view.setUint16(0, 0xc802)
    view.setUint16(2, octets.length)
    view.setUint16(4, first ? 0 : this.#tunnel)
    if (!first) view.setUint16(6, this.#session)
    view.setUint16(8, this.#ns)
    view.setUint16(10, first ? 0 : this.#nr)
    if (octets.length > 12) this.#ns = (this.#ns + 1) & 0xffff
  }

  #handle(input: Parameters<L2tpCore['handle']>[0]): string {
    const effects = this.#machine.handle(input, { now: this.#now, random: this.#random })
    demand(effects.length < 200, 'one input has few effects')
    for (const effect of effects) if (effect.do === 'send') this.#learn(effect.octets)
    return [...new Set(effects.map((effect) => (effect.do === 'report' ? effect.event.event : effect.do)))]
      .sort()
      .join(' ')
  }

  #learn(octets: Uint8Array): void {
    demand(isControl(octets), 'the machine sends control messages')
    const { header, body } = parseControl(octets)
    if (body.length > 0) this.#nr = (header.ns + 1) & 0xffff
    if (body.length === 0) return
    const parsed = parseMessage(body, secret)
    if (parsed.is !== 'message') return
    this.#tunnel = parsed.fields.assignedTunnelId ?? this.#tunnel
    this.#session = parsed.fields.assignedSessionId ?? this.#session
  }

  #pass(ms: number): void {
    this.#now += ms
    for (let i = 0; (this.#machine.deadline ?? Number.POSITIVE_INFINITY) <= this.#now; i++) {
      demand(i < 1000, 'ticks come to an end')
      this.#handle({ on: 'tick' })
    }
  }
}

export const l2tpTargets: readonly Target[] = [
  parser('l2tp control message', controls, control, 20),
  parser('l2tp message', bodies, message, 15),
  parser('l2tp AVPs', bodies, avps, 10),
  parser(
    'l2tp data header',
    () => [...controls(), Uint8Array.of(0x40, 2, 0, 12, 0, 1, 0, 2, 0xff, 3, 0, 0x21)],
    data,
    10,
  ),
  parser('l2tp hidden value', bodies, (octets) => `${reveal(7, octets, secret, octets.subarray(0, 16)).length > 0}`, 5),
  core,
]
