// LCP of one link beyond its options: echoes and keeping watch by them, identifications, Protocol-Rejects, and what Terminate-Requests say.
import { printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { type At, earlier, type Instant } from '../wire/machine.ts'
import { ControlProtocol, type ControlRecord, MOST_REJECTED, type Output, type Restart } from './control-protocol.ts'
import { KeepAlive, type KeepAliveSettings } from './keep-alive.ts'
import { type LcpPeer, type LcpRecord, LcpRules, type LcpSettings } from './lcp.ts'
import { readTerminateReason, type TerminateReason, windowsTerminateData } from './terminate-reason.ts'
import { CODES, type ControlPacket, emitControl, LCP_CODES } from './wire/control.ts'
import { PROTOCOL } from './wire/protocols.ts'

/** Code, identifier, length and magic number of an Echo-Reply. */
const ECHO_HEADER = 8

export type LcpOutput =
  | { readonly is: 'send'; readonly octets: Uint8Array }
  | { readonly is: 'opened' }
  /** It left Opened: because an end terminates, or to negotiate anew. */
  | { readonly is: 'down'; readonly terminating: boolean }
  /** `silent`: the peer never sent a valid packet. */
  | { readonly is: 'finished'; readonly silent: boolean }
  /** These ends can't agree. `authentication`: that is what they can't agree on. */
  | { readonly is: 'fault'; readonly why: string; readonly authentication: boolean }
  | { readonly is: 'identified'; readonly text: string }
  /** The peer doesn't speak a protocol of ours. */
  | { readonly is: 'rejected'; readonly protocol: number }
  | { readonly is: 'silent'; readonly seconds: number }
  /** The layer below is to be asked whether the peer's host is there. */
  | { readonly is: 'ask' }
  | { readonly is: 'invalid'; readonly why: string }

export type LcpLayerRecord = {
  readonly control: ControlRecord
  readonly rules: LcpRecord
  readonly peerSaid: TerminateReason | undefined
  readonly peerIsWindows: boolean
}

export class LcpLayer {
  readonly #control: ControlProtocol<LcpRules>
  readonly #keepAlive: KeepAlive
  /** Codes beyond 7 that the peer doesn't know: it is sent no more of them (RFC 1661 §4.3). After a restart of ours it says so again. */
  readonly #refused: Set<number> = new Set()
  #peerSaid: TerminateReason | undefined
  #peerIsWindows = false

  constructor(settings: LcpSettings, restart: Restart, echo: KeepAliveSettings) {
    // The first request goes out before a peer that has still to start its PPP listens: no delay before it is repeated.
    this.#control = new ControlProtocol(new LcpRules(settings), { codes: LCP_CODES, restart, repeatAfterMs: 0 })
    this.#keepAlive = new KeepAlive(echo)
  }

  record(): LcpLayerRecord {
    return {
      control: this.#control.record(),
      rules: this.rules.record(),
      peerSaid: this.#peerSaid,
      peerIsWindows: this.#peerIsWindows,
    }
  }

  restore(record: LcpLayerRecord): void {
    this.#control.restore(record.control)
    this.rules.restore(record.rules)
    this.#peerSaid = record.peerSaid
    this.#peerIsWindows = record.peerIsWindows
  }

  get deadline(): Instant | undefined {
    return earlier(this.#control.deadline, this.#keepAlive.deadline)
  }

  get peer(): LcpPeer {
    return this.#control.rules.peer
  }

  get rules(): LcpRules {
    return this.#control.rules
  }

  /** What the peer's last Terminate-Request said. */
  get peerSaid(): TerminateReason | undefined {
    return this.#peerSaid
  }

  start(at: At): readonly LcpOutput[] {
    return this.#outputs(this.#control.start(at), at)
  }

  /** `toPeer` is printable. A Windows user is shown `userSees`. */
  close(toPeer: string, userSees: number | undefined, at: At): readonly LcpOutput[] {
    const data =
      this.#peerIsWindows && userSees !== undefined
        ? windowsTerminateData(this.rules.magic, userSees)
        : new TextEncoder().encode(toPeer)
    return this.#outputs(this.#control.close(data, at), at)
  }

  receive(payload: Uint8Array, at: At): readonly LcpOutput[] {
    try {
      return this.#outputs(this.#control.receive(payload, at), at)
    } catch (error) {
      if (error instanceof WireError) return [{ is: 'invalid', why: `LCP: ${error.message}` }]
      throw error
    }
  }

  tick(at: At): readonly LcpOutput[] {
    const outputs = this.#outputs(this.#control.tick(at), at)
    const step = this.#keepAlive.tick(at)
    if (!step) return outputs
    if (step.is === 'silent') return [...outputs, step]
    const echo = () => this.#send({ is: 'Echo-Request', id: this.#control.takeId(), ...this.#empty() })
    return [...outputs, ...(step.echo ? echo() : []), ...(step.below ? [{ is: 'ask' } as const] : [])]
  }

  /** Begins to ask whether the peer is there, when nothing comes from it. */
  watch(at: At): void {
    this.#keepAlive.start(at)
  }

  unwatch(): void {
    this.#keepAlive.stop()
  }

  heard(now: Instant): void {
    this.#keepAlive.heard(now)
  }

  /** The peer's host was heard, not on this link. */
  heardBelow(now: Instant): void {
    this.#keepAlive.heardBelow(now)
  }

  /** RFC 1661 §5.7. */
  rejectProtocol(protocol: number, payload: Uint8Array): readonly LcpOutput[] {
    const rejected = payload.slice(0, MOST_REJECTED)
    return this.#send({ is: 'Protocol-Reject', id: this.#control.takeId(), protocol, rejected })
  }

  #outputs(outputs: readonly Output[], at: At): readonly LcpOutput[] {
    return outputs.flatMap((output): readonly LcpOutput[] => {
      switch (output.is) {
        case 'send':
        case 'finished':
          return [output]
        case 'up':
          return [{ is: 'opened' }]
        case 'down': {
          const { state } = this.#control
          return [{ is: 'down', terminating: state === 'Stopping' || state === 'Closing' }]
        }
        case 'packet':
          return this.#packet(output.packet, at)
        case 'terminating':
          this.#peerSaid = readTerminateReason(output.data)
          return []
        case 'refused':
          this.#refused.add(output.code)
          if (output.code === CODES['Echo-Request']) this.#keepAlive.refused()
          return []
        case 'invalid':
          return [{ is: 'invalid', why: `LCP: ${output.why}` }]
        default:
          return [this.#fault(output.why)]
      }
    })
  }

  #fault(why: string): LcpOutput {
    return { is: 'fault', why, authentication: this.rules.impossible !== undefined }
  }

  #packet(packet: ControlPacket, at: At): readonly LcpOutput[] {
    const { magic } = this.rules
    const opened = this.#control.state === 'Opened'
    switch (packet.is) {
      case 'Echo-Request':
        if (!opened) return []
        // RFC 1661 §5.8: our own magic number in a request means that we talk to ourselves.
        if (magic !== 0 && packet.magic === magic) {
          this.rules.looped()
          return [this.#fault(this.rules.fault!)]
        }
        return this.#send({
          is: 'Echo-Reply',
          id: packet.id,
          magic,
          data: packet.data.slice(0, this.peer.mru - ECHO_HEADER),
        })
      case 'Echo-Reply':
        this.#keepAlive.replied()
        return []
      case 'Identification': {
        const text = printable(packet.data, 120)
        if (text.startsWith('MSRAS')) this.#peerIsWindows = true
        return [{ is: 'identified', text }]
      }
      case 'Protocol-Reject':
        if (!opened) return []
        if (packet.protocol === PROTOCOL.lcp) return this.#outputs(this.#control.protocolRejected(at), at)
        return [{ is: 'rejected', protocol: packet.protocol }]
      default:
        return []
    }
  }

  #empty(): { magic: number; data: Uint8Array } {
    return { magic: this.rules.magic, data: new Uint8Array() }
  }

  #send(packet: Exclude<ControlPacket, { is: 'unknown' }>): readonly LcpOutput[] {
    return this.#refused.has(CODES[packet.is]) ? [] : [{ is: 'send', octets: emitControl(packet) }]
  }
}
