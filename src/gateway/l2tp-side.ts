// L2TP at an endpoint: control messages through SAs, calls that come up and go down, and peers that have no L2TP any more.
import type { PeerId } from '../ike/contract.ts'
import type { L2tpEffect, L2tpInput, L2tpTunnelStatus, StandingCall } from '../l2tp/contract.ts'
import type { L2tpEvent } from '../l2tp/events.ts'
import type { L2tpMachine } from './cores.ts'
import type { Seat } from './driver.ts'
import { originOf, type Surroundings } from './surroundings.ts'
import { Waiting } from './waiting.ts'

/** Our own: IPsec without L2TP is kept so long for a client that dials again on it; a new dial takes a second, so ten minutes are generous. */
const idleMs = 600_000

export class L2tpSide {
  readonly #s: Surroundings
  readonly #machine: L2tpMachine
  readonly #seat: Seat<L2tpInput>
  readonly #callUp: (up: Extract<L2tpEffect, { do: 'callUp' }>) => void
  /** Peers that were without L2TP, since they were last. */
  readonly #idle: Waiting<PeerId>

  constructor(
    surroundings: Surroundings,
    machine: L2tpMachine,
    callUp: (up: Extract<L2tpEffect, { do: 'callUp' }>) => void,
  ) {
    this.#s = surroundings
    this.#machine = machine
    this.#callUp = callUp
    this.#idle = new Waiting(surroundings.platform, idleMs, (id) => this.#idleDue(id))
    this.#seat = surroundings.driver.seat<L2tpInput, L2tpEffect>({
      name: 'l2tp',
      machine,
      tick: { on: 'tick' },
      execute: (effect) => this.#on(effect),
      broken: (input) => this.#broke(input),
    })
  }

  send(input: L2tpInput): void {
    this.#seat.send(input)
  }

  status(): readonly L2tpTunnelStatus[] {
    return this.#machine.status()
  }

  standing(): readonly StandingCall[] {
    return this.#machine.standing()
  }

  #on(effect: L2tpEffect) {
    switch (effect.do) {
      case 'send':
        return this.#s.fastPath.sendControl(effect.peer, effect.localPort, effect.remotePort, effect.octets)
      case 'callUp':
        return this.#callUp(effect)
      case 'callDown': {
        const call = this.#s.calls.get(effect.call)
        // PPP that says goodbye knows why; its `finished` tells.
        if (call?.link.status().phase === 'terminate') call.seat.send({ on: 'down' })
        else if (call) this.#s.drop(call, { why: effect.reason, byPeer: true })
        return
      }
      case 'callFailed':
        return this.#s.owner.failed(effect.request, effect.reason)
      case 'idle':
        return this.idle(effect.peer)
      case 'report':
        return this.#report(effect.event)
    }
  }

  /** Nothing is above the SAs any more. A host that doesn't come back for a while has gone, and its Delete was lost. */
  idle(id: PeerId): void {
    this.#idle.add(id)
  }

  #idleDue(id: PeerId): void {
    const peer = this.#s.peers.get(id)
    if (
      !peer ||
      peer.site !== undefined ||
      peer.calls.size > 0 ||
      this.#machine.status().some((tunnel) => tunnel.peer === id)
    )
      return
    this.#s.ike({ on: 'disconnect', peer: id, reason: 'no L2TP for ten minutes' })
  }

  #report(event: L2tpEvent): void {
    const call = 'call' in event ? this.#s.calls.get(event.call) : undefined
    this.#s.events.emit(event, originOf(this.#s.peers.get(event.peer), call))
  }

  #broke(input: L2tpInput): void {
    const peer = 'peer' in input ? input.peer : 'call' in input ? this.#s.calls.get(input.call)?.peer.id : undefined
    if (peer !== undefined && input.on !== 'peerGone') this.#s.ike({ on: 'disconnect', peer, reason: 'a bug of ours' })
  }
}
