// An L2TP core and the peers that a test speaks for: what is said goes in with the right Ns and Nr, and what comes of it is lines to compare.
// The core's random IDs are written T1, T2 … and S1, S2 … in the order in which they show.
import type { L2tpEffect, L2tpInput, L2tpPolicy, PeerId } from '../../src/l2tp/contract.ts'
import { L2tpCore } from '../../src/l2tp/core.ts'
import { emitControl, parseControl } from '../../src/l2tp/wire/header.ts'
import { emitMessage, parseMessage } from '../../src/l2tp/wire/message.ts'
import type { Fields, MessageType } from '../../src/l2tp/wire/registry.ts'
import { printable } from '../../src/wire/codec.ts'
import { SeededRandom } from '../scenarios/network.ts'

export const tracePolicy: L2tpPolicy = {
  hostName: 'gw1',
  secret: undefined,
  portLimit: undefined,
  receiveWindow: 4,
  helloSeconds: 60,
  retransmit: { firstMs: 1000, capMs: 8000, tries: 5 },
  hideAvps: false,
}

/** Where a message goes, where it is not the usual place. */
type Place = {
  readonly peer?: PeerId
  readonly tunnel?: number
  readonly session?: number
  readonly ns?: number
  readonly nr?: number
  readonly port?: number
}

/** What SCCRQ and SCCRP of the peer hold, save its tunnel ID. */
export const start: Fields = {
  protocolVersion: { version: 1, revision: 0 },
  framingCapabilities: 3,
  hostName: text('client'),
}

export class L2tpTrace {
  readonly core: L2tpCore
  readonly policy: L2tpPolicy
  readonly random = new SeededRandom(7)
  now = 0
  /** Sequence numbers of the peer that the test speaks for: its next Ns, and the Nr that it owes. */
  ns = 0
  nr = 0
  /** Last IDs that the core assigned. */
  tunnel = 0
  session = 0
  readonly #names = new Map<string, string>()

  constructor(policy: Partial<L2tpPolicy> = {}) {
    this.policy = { ...tracePolicy, ...policy }
    this.core = new L2tpCore(this.policy)
  }

  /** The peer says something. By default on the last tunnel and, for ICCN, CDN, WEN, SLI and ICRP, the last session. */
  say(type: MessageType, fields: Fields = {}, place: Place = {}): readonly string[] {
    return this.body(emitMessage(type, fields), {
      session: called.has(type) ? this.session : 0,
      ...place,
      ...(type === 'SCCRQ' ? { tunnel: place.tunnel ?? 0 } : {}),
    })
  }

  /** A new peer, or the same one from the beginning. */
  fresh(): this {
    this.ns = 0
    this.nr = 0
    return this
  }

  body(body: Uint8Array, place: Place = {}): readonly string[] {
    const ns = place.ns ?? (body.length > 0 && place.ns === undefined ? this.ns++ : this.ns)
    const header = { tunnel: place.tunnel ?? this.tunnel, session: place.session ?? 0, ns, nr: place.nr ?? this.nr }
    return this.octets(emitControl(header, body), place)
  }

  /** An acknowledgement. */
  ack(place: Place = {}): readonly string[] {
    return this.body(new Uint8Array(0), place)
  }

  octets(octets: Uint8Array, { peer = 1, port = 1701 }: Place = {}): readonly string[] {
    return this.put({ on: 'control', peer, localPort: 1701, remotePort: port, octets })
  }

  put(input: L2tpInput): readonly string[] {
    return this.core.handle(input, { now: this.now, random: this.random }).map((effect) => this.#line(effect))
  }

  /** Time passes: every tick that falls due, each with its moment before its lines. */
  pass(seconds: number): readonly string[] {
    const end = this.now + seconds * 1000
    const lines: string[] = []
    for (;;) {
      const { deadline } = this.core
      if (deadline === undefined || deadline > end) break
      this.now = Math.max(this.now, deadline)
      const come = this.put({ on: 'tick' })
      if (come.length > 0) lines.push(`at ${Math.round(this.now / 100) / 10} s`, ...come)
    }
    this.now = end
    return lines
  }

  #line(effect: L2tpEffect): string {
    switch (effect.do) {
      case 'send':
        return this.#sent(effect)
      case 'callUp': {
        const { local, remote } = effect
        const request = effect.request === undefined ? '' : ` request ${effect.request}`
        const sequencing = effect.sequencing ? ' sequencing' : ''
        const calling = effect.callingNumber === undefined ? '' : ` from ${effect.callingNumber}`
        const ours = `${this.#name('T', local.tunnel)}/${this.#name('S', local.session)}:${local.port}`
        return `callUp ${effect.call}${request} ${ours} to ${remote.tunnel}/${remote.session}:${remote.port}${sequencing}${calling} host "${effect.peerHostName}"`
      }
      case 'callDown':
        return `callDown ${effect.call}`
      case 'callFailed':
        return `callFailed ${effect.request}: ${effect.reason}`
      case 'idle':
        return `idle ${effect.peer}`
      case 'report': {
        const { event } = effect
        return `report ${event.event}${'why' in event ? `: ${this.#named(event.why)}` : ''}`
      }
    }
  }

  #sent({ octets, peer, remotePort }: Extract<L2tpEffect, { do: 'send' }>): string {
    const { header, body } = parseControl(octets)
    const where = `${peer === 1 ? '' : `peer ${peer} `}${remotePort === 1701 ? '' : `port ${remotePort} `}${header.tunnel}/${header.session} Ns ${header.ns} Nr ${header.nr}`
    if (body.length === 0) return `ZLB ${where}`
    if (peer === 1) this.nr = (header.ns + 1) & 0xffff
    const message = parseMessage(body, this.policy.secret?.reveal())
    if (message.is === 'unknown') return `type ${message.number} ${where}`
    const { assignedTunnelId, assignedSessionId, resultCode, challenge, challengeResponse } = message.fields
    const said: string[] = []
    if (assignedTunnelId !== undefined) {
      this.tunnel = assignedTunnelId
      said.push(this.#name('T', assignedTunnelId))
    }
    if (assignedSessionId !== undefined) {
      if (message.type !== 'CDN') this.session = assignedSessionId
      said.push(this.#name('S', assignedSessionId))
    }
    if (challenge) said.push('challenge')
    if (challengeResponse) said.push('response')
    if (resultCode) said.push(`${resultCode.result}/${resultCode.error} "${printable(resultCode.text, 100)}"`)
    return [message.type, where, ...said].join(' ')
  }

  #name(letter: 'T' | 'S', id: number): string {
    const key = `${letter}${id}`
    const known = this.#names.get(key)
    if (known) return known
    const count = [...this.#names.keys()].filter((other) => other.startsWith(letter)).length
    const name = `${letter}${count + 1}`
    this.#names.set(key, name)
    return name
  }

  /** A sentence with the IDs that it holds by name. */
  #named(sentence: string): string {
    return sentence
      .replace(/control connection (\d+)/g, (whole, id) =>
        this.#names.get(`T${id}`) ? `control connection ${this.#names.get(`T${id}`)}` : whole,
      )
      .replace(/session (\d+)/g, (whole, id) =>
        this.#names.get(`S${id}`) ? `session ${this.#names.get(`S${id}`)}` : whole,
      )
  }
}

/** Messages whose header holds the session ID of the end that is told. */
const called: ReadonlySet<MessageType> = new Set(['ICCN', 'ICRP', 'CDN', 'WEN', 'SLI', 'OCRP', 'OCCN'])

export function text(words: string): Uint8Array {
  return new TextEncoder().encode(words)
}
