// Calls at an endpoint: a PPP machine for each, its session in the fast path, and the end of both.
import type { L2tpEffect, StandingCall } from '../l2tp/contract.ts'
import type { PppEffect, PppInput } from '../ppp/contract.ts'
import type { PppEvent } from '../ppp/events.ts'
import { printable } from '../wire/codec.ts'
import type { Records } from '../wire/durable.ts'
import type { PppMachine } from './cores.ts'
import type { CallRecord } from './keeper.ts'
import type { Call, CallEnd, Network, Peer } from './owner.ts'
import { originOf, type Surroundings } from './surroundings.ts'

/** Our own: calls of one peer that have not proved a password. Whoever has the pre-shared key can make them; a gateway that dials for others has a few at once. */
const mostUnproven = 64

/** CDN's result code 3: the call was ended for administrative reasons (RFC 2661 §4.4.2), as Windows itself says it. */
const administrative = { result: 3, error: 0 } as const

/** CDN's result code 4 and general error 4: no facilities at the moment, insufficient resources (RFC 2661 §4.4.2). */
const noFacilities = { result: 4, error: 4 } as const

/** What a session is set to while it says goodbye: no packet passes. */
const shut = { acfc: false, pfc: false, mtu: 1400, address: undefined, networks: [] } as const

export class CallSide {
  readonly #s: Surroundings

  constructor(surroundings: Surroundings) {
    this.#s = surroundings
  }

  up(up: Extract<L2tpEffect, { do: 'callUp' }>): void {
    const peer = this.#s.peers.get(up.peer)
    if (!peer) {
      this.#s.l2tp({ on: 'hangUp', call: up.call, result: 2, error: 0, text: 'no such peer' })
      return
    }
    const unproven = [...peer.calls.values()].filter(({ link }) => link.status().phase !== 'network').length
    if (unproven >= mostUnproven) {
      const why = `${unproven} calls of this peer have not logged in yet; more are taken when some have`
      this.#s.events.emit({ event: 'l2tp.session.refused', peer: peer.id, why, userSees: undefined }, originOf(peer))
      this.#s.l2tp({ on: 'hangUp', call: up.call, ...noFacilities, text: 'too many calls without a log-in' })
      return
    }
    const call = this.#seat(up, peer, this.#s.cores.ppp(this.#s.owner.pppPolicy(peer, up.request)), up.request)
    const { seat } = call
    const { local, remote, sequencing } = up
    this.#s.changes.apply(
      [{ do: 'addSession', session: call.id, peer: peer.id, local, remote, sequencing }],
      `session ${call.id}`,
      (failure) => {
        if (failure === undefined) seat.send({ on: 'up' })
        else this.finish(call, { why: failure, byPeer: false })
      },
    )
  }

  #seat({ call: id, peerHostName: hostName }: StandingCall, peer: Peer, link: PppMachine, request?: number): Call {
    const seat = this.#s.driver.seat<PppInput, PppEffect>({
      name: `ppp call ${id}`,
      machine: link,
      tick: { on: 'tick' },
      execute: (effect) => this.#on(call, effect),
      // What was heard when is told again by whoever counts it.
      handled: (input) => {
        if (input.on !== 'heard') this.#s.keeper?.callChanged(id)
      },
      broken: () => this.finish(call, { why: 'a bug of ours', byPeer: false }),
    })
    const call: Call = {
      id,
      peer,
      request,
      hostName,
      seat,
      link,
      configured: undefined,
      silent: false,
      asked: false,
      ended: false,
    }
    this.#s.calls.set(id, call)
    peer.calls.set(id, call)
    this.#s.keeper?.callChanged(id)
    return call
  }

  /** Seats the call. Returns what is to be done once the fast path has it: nothing, negotiate its link anew, or end it. */
  resume(standing: StandingCall, records: Records): () => void {
    const peer = this.#s.peers.get(standing.peer)
    if (!peer) return () => {}
    const record = records.get(`call/${standing.call}`) as CallRecord | undefined
    const policy = this.#s.owner.pppPolicy(peer, undefined)
    const { clock, random } = this.#s.platform
    const former = record?.link && { record: record.link, at: { now: clock.now(), random } }
    const call = this.#seat(standing, peer, this.#s.cores.ppp(policy, former))
    call.configured = record?.configured
    if (!record || record.leaving || !this.#s.owner.resumed(call, record.kept))
      return () => this.finish(call, { why: 'it was ending when the gateway was restarted', byPeer: false })
    return former ? () => {} : () => call.seat.send({ on: 'up' })
  }

  /** Ends a call politely: LCP Terminate, then CDN. Its address carries nothing from now on. */
  end(call: Call, why: string): void {
    if (call.ended) return
    this.#s.changes.apply([{ do: 'configureSession', session: call.id, ...shut }], `to close session ${call.id}`)
    call.seat.send({ on: 'close', reason: why })
  }

  /** These networks are behind the call from now on. */
  routeTo(call: Call, networks: readonly string[]): void {
    if (call.ended || !call.configured) return
    call.configured = { ...call.configured, networks }
    this.#s.keeper?.callChanged(call.id)
    this.#s.changes.apply([call.configured], `session ${call.id}`)
  }

  #on(call: Call, effect: PppEffect) {
    if (effect.do === 'report') return this.#report(call, effect.event)
    if (call.ended) return
    switch (effect.do) {
      case 'send':
        return this.#s.fastPath.sendPpp(call.id, effect.protocol, effect.payload)
      case 'ask':
        call.asked = true
        return this.#s.l2tp({ on: 'probe', call: call.id })
      case 'verify':
        return this.#s.driver.job(
          call.seat,
          () => this.#s.owner.verify(call, effect.attempt),
          (verdict): PppInput => ({ on: 'verdict', job: effect.job, verdict }),
          (error): PppInput => ({
            on: 'verdict',
            job: effect.job,
            verdict: {
              is: 'refused',
              error: 691,
              retry: false,
              why: `the password could not be checked: ${String(error)}`,
            },
          }),
        )
      case 'grant':
        return call.seat.send({ on: 'grant', job: effect.job, grant: this.#s.owner.grant(call, effect.user) })
      case 'network':
        return this.#network(call, effect)
      case 'finished':
        return this.finish(call, { why: effect.reason, byPeer: effect.byPeer }, effect.toPeer)
    }
  }

  #report(call: Call, event: PppEvent): void {
    if (event.event === 'ppp.peer.silent') call.silent = true
    this.#s.events.emit(event, originOf(call.peer, call))
  }

  #network(call: Call, network: Network): void {
    const { networks, anySource, withoutAddress } = this.#s.owner.network(call, network)
    call.configured = {
      do: 'configureSession',
      session: call.id,
      acfc: network.acfc,
      pfc: network.pfc,
      mtu: network.mtu,
      address: withoutAddress ? undefined : network.ipv4?.peers,
      networks,
      ...(anySource ? { anySource } : {}),
      ...(network.ipv6 ? { interfaceId: network.ipv6.peers } : {}),
    }
    this.#s.changes.apply([call.configured], `session ${call.id}`)
  }

  /** PPP is over: CDN, and where the host fell silent and carries nothing else, its SAs go too. */
  finish(call: Call, end: CallEnd, toPeer = end.byPeer ? '' : end.why): void {
    if (call.ended) return
    const { peer, silent } = call
    this.#s.l2tp({
      on: 'hangUp',
      call: call.id,
      ...administrative,
      text: printable(toPeer, 120),
    })
    this.drop(call, end)
    if (silent && peer.calls.size === 0) this.#s.ike({ on: 'disconnect', peer: peer.id, reason: 'silent' })
  }

  /** Takes a call away; L2TP knows already. */
  drop(call: Call, end: CallEnd): void {
    if (call.ended) return
    this.#s.look()
    call.ended = true
    this.#s.keeper?.callChanged(call.id)
    this.#s.owner.ended(call, end)
    this.#s.calls.delete(call.id)
    call.peer.calls.delete(call.id)
    if (call.peer.up) this.#s.idle.add(call.peer)
    this.#s.activity.forgetSession(call.id)
    this.#s.changes.apply([{ do: 'removeSession', session: call.id }], `to remove session ${call.id}`)
    call.seat.leave({ on: 'down' })
  }
}
