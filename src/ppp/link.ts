// One PPP link through its phases (RFC 1661 §3), in the server's and in the client's role.
//
// 1. dead: until `up`. LCP opens and its Configure-Request goes out.
// 2. establish: LCP negotiates. When it opens, both ends know who has to authenticate, and how.
// 3. authenticate: one conversation. Frames of network protocols are passed over (§3.5).
// 4. network: the server asks for a grant, then IPCP and IPV6CP open. Every change of theirs is told by a `network` effect.
//    What is no protocol of ours is answered with a Protocol-Reject, CCP among it, and hurts nothing.
// 5. terminate: Terminate-Requests until they are acknowledged or given up; or, after the peer's own, one restart period of patience.
// When LCP is renegotiated the link goes back to 2: authentication and network protocols begin anew.
import type { AuthEffect, AuthInput, AuthKind } from '../auth/contract.ts'
import { KIND_NAMES, WEAK_KINDS } from '../auth/names.ts'
import { printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'
import { Authentication } from './authentication.ts'
import type { NetworkGrant, PppEffect, PppInput, PppLinkStatus, PppPolicy } from './contract.ts'
import { ControlProtocol, type Output } from './control-protocol.ts'
import type { PppEvent } from './events.ts'
import { KeepAlive } from './keep-alive.ts'
import { LcpRules } from './lcp.ts'
import { NetworkLayer, type NetworkOutput } from './network-layer.ts'
import { readTerminateReason, type TerminateReason, windowsTerminateData } from './terminate-reason.ts'
import { Timers } from './timers.ts'
import { type ControlPacket, emitControl, LCP_CODES } from './wire/control.ts'
import { PROTOCOL } from './wire/protocols.ts'

/** Ours. Milliseconds that the network phase may go without an open network protocol. */
const WITHOUT_NETWORK_MS = 30_000
/** Ours: events of one kind that a peer can cause on one link. */
const MOST_REPORTS = 8
/** Ours: octets of a frame that a Protocol-Reject shows: what fits any MRU. */
const MOST_REJECTED = 512
/** Windows' numbers. */
const NO_NETWORK_PROTOCOL = 720
const LCP_TERMINATED = 734
const NO_ANSWER_IN_TIME = 718

type Ending = { readonly reason: string; readonly byPeer: boolean; readonly userSees: number | undefined }

type Phase =
  | { readonly is: 'dead' | 'establish' | 'over' }
  | { readonly is: 'authenticate'; readonly authentication: Authentication }
  /** The grant is awaited while `granting` holds its job. `authentication` stays, to answer repeats. */
  | {
      readonly is: 'network'
      readonly user: string
      readonly granting: number | undefined
      readonly authentication: Authentication | undefined
    }
  | { readonly is: 'terminate'; readonly ending: Ending }

/** Whole set-up; authentication; no network protocol open; session and idle limits. */
type TimerName = 'set-up' | 'authentication' | 'network' | 'session' | 'idle'

export class PppLink implements Machine<PppInput, PppEffect> {
  readonly #policy: PppPolicy
  readonly #lcp: ControlProtocol<LcpRules>
  readonly #keepAlive: KeepAlive
  readonly #timers: Timers<TimerName> = new Timers()
  #phase: Phase = { is: 'dead' }
  #network: NetworkLayer | undefined
  /** NCP requests that came before the grant: the last of each protocol. */
  #parked: ReadonlyMap<number, Uint8Array> = new Map()
  #jobs = 0
  #failures = 0
  #user: string | undefined
  #kind: AuthKind | undefined
  #since: Instant | undefined
  #idleMs = 0
  #peerSaid: TerminateReason | undefined
  #peerIsWindows = false
  #reports: Readonly<Record<string, number>> = {}
  #out: PppEffect[] = []

  constructor(policy: PppPolicy) {
    if (policy.role === 'server' && policy.authentication.length === 0)
      throw new RangeError('a server must ask for some authentication')
    this.#policy = policy
    const authentication = policy.role === 'client' && !policy.credentials ? [] : policy.authentication
    this.#lcp = new ControlProtocol(new LcpRules({ role: policy.role, mru: policy.mru, authentication }), {
      codes: LCP_CODES,
      restart: policy.restart,
      repeatAfterMs: 0,
    })
    this.#keepAlive = new KeepAlive(policy.echo)
  }

  get deadline(): Instant | undefined {
    if (this.#phase.is === 'over') return undefined
    const due = [
      this.#lcp.deadline,
      this.#network?.deadline,
      this.#authentication?.deadline,
      this.#keepAlive.deadline,
      this.#timers.deadline,
    ].filter((at) => at !== undefined)
    return due.length === 0 ? undefined : Math.min(...due)
  }

  status(): PppLinkStatus {
    const ipv4 = this.#network?.ipv4
    return {
      phase: this.#phase.is === 'over' ? 'dead' : this.#phase.is,
      user: this.#user,
      authentication: this.#kind,
      address: this.#policy.role === 'server' ? ipv4?.peers : ipv4?.ours,
      since: this.#since,
    }
  }

  handle(input: PppInput, at: At): readonly PppEffect[] {
    this.#out = []
    if (this.#phase.is !== 'over') this.#input(input, at)
    return this.#out
  }

  #input(input: PppInput, at: At): void {
    switch (input.on) {
      case 'up':
        if (this.#phase.is !== 'dead') return
        this.#establish(at)
        this.#lcpOutputs(this.#lcp.start(at), at)
        return
      case 'frame':
        this.#frame(input.protocol, input.payload, at)
        return
      case 'tick':
        this.#tick(at)
        return
      case 'verdict': {
        const authentication = this.#authentication
        if (authentication)
          this.#authEffects(authentication.verdict(input.job, input.verdict, at, this.#nextJob), authentication, at)
        return
      }
      case 'grant':
        if (this.#phase.is === 'network' && this.#phase.granting === input.job) this.#granted(input.grant, at)
        return
      case 'heard':
        if (input.inbound) this.#keepAlive.heard(at.now)
        if (input.user && this.#timers.has('idle')) this.#timers.set('idle', at.now + this.#idleMs)
        return
      case 'close':
        this.#terminate({ reason: input.reason, byPeer: false, userSees: undefined }, printable(input.reason, 120), at)
        return
      case 'down':
        this.#finish(
          this.#phase.is === 'terminate'
            ? this.#phase.ending
            : { reason: this.#lost('the session below went away'), byPeer: true, userSees: this.#peerSaid?.error },
        )
    }
  }

  // Phases 2 and 5: LCP.

  #establish(at: At): void {
    const { restart, authSeconds } = this.#policy
    this.#phase = { is: 'establish' }
    // Negotiating anew before the network phase doesn't lengthen the patience.
    if (!this.#timers.has('set-up'))
      this.#timers.set('set-up', at.now + restart.ms * restart.maxConfigure + authSeconds * 1000)
  }

  #lcpFrame(payload: Uint8Array, at: At): void {
    try {
      this.#lcpOutputs(this.#lcp.receive(payload, at), at)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#invalid(`LCP: ${error.message}`)
    }
  }

  #lcpOutputs(outputs: readonly Output[], at: At): void {
    for (const output of outputs) {
      switch (output.is) {
        case 'send':
          this.#send(PROTOCOL.lcp, output.octets)
          break
        case 'up':
          this.#lcpOpened(at)
          break
        case 'down':
          this.#lcpDown(at)
          break
        case 'finished':
          this.#lcpFinished(output.silent)
          break
        case 'packet':
          this.#lcpPacket(output.packet, at)
          break
        case 'terminating':
          this.#peerSaid = readTerminateReason(output.data)
          break
        case 'invalid':
          this.#invalid(`LCP: ${output.why}`)
          break
        case 'fault':
          this.#lcpFault(output.why, at)
      }
    }
  }

  #lcpOpened(at: At): void {
    const { role, authSeconds } = this.#policy
    const { peer, asked } = this.#lcp.rules
    const kind = role === 'server' ? asked : peer.authentication
    this.#report({
      event: 'ppp.lcp.opened',
      mru: peer.mru,
      authentication: kind ? KIND_NAMES[kind] : 'none',
    })
    this.#kind = kind
    if (!kind) {
      this.#enterNetwork(this.#policy.credentials?.user ?? '', undefined, at)
      return
    }
    const authentication = new Authentication(kind, this.#policy, this.#failures)
    this.#phase = { is: 'authenticate', authentication }
    this.#timers.set('authentication', at.now + authSeconds * 1000)
    this.#converse({ on: 'start' }, at)
  }

  /** LCP leaves Opened: because one end terminates, or to negotiate anew. */
  #lcpDown(at: At): void {
    const open = this.#network?.anyOpen ?? false
    this.#network?.lowerDown(at)
    this.#network = undefined
    this.#parked = new Map()
    this.#timers.clear('authentication', 'network')
    this.#keepAlive.stop()
    if (open) this.#tellNetwork()
    if (this.#phase.is === 'terminate') return
    if (this.#lcp.state === 'Stopping') {
      const reason = this.#peerSaid
        ? `the peer closed the link: ${this.#peerSaid.text}`
        : 'the peer rejected LCP itself'
      this.#phase = { is: 'terminate', ending: { reason, byPeer: true, userSees: this.#peerSaid?.error } }
      this.#timers.clearAll()
    } else this.#establish(at)
  }

  #lcpFinished(silent: boolean): void {
    if (this.#phase.is === 'terminate') {
      this.#finish(this.#phase.ending)
      return
    }
    const why = silent ? 'the peer never answered LCP' : this.#lost('the peer did not agree on LCP options')
    this.#finish({ reason: why, byPeer: false, userSees: this.#peerSaid?.error ?? NO_ANSWER_IN_TIME })
  }

  /** The peer's own words, where it had any, explain more than ours. */
  #lost(otherwise: string): string {
    return this.#peerSaid ? `the peer wanted to close the link: ${this.#peerSaid.text}` : otherwise
  }

  #lcpFault(why: string, at: At): void {
    if (this.#lcp.rules.impossible !== undefined)
      this.#report({ event: 'ppp.auth.impossible', why, userSees: LCP_TERMINATED })
    this.#terminate({ reason: why, byPeer: false, userSees: LCP_TERMINATED }, 'No agreement on LCP options', at)
  }

  #lcpPacket(packet: ControlPacket, at: At): void {
    const { magic } = this.#lcp.rules
    const opened = this.#lcp.state === 'Opened'
    switch (packet.is) {
      case 'Echo-Request':
        if (!opened) return
        // RFC 1661 §5.8: our own magic number in a request means that we talk to ourselves.
        if (magic !== 0 && packet.magic === magic) {
          this.#lcp.rules.looped()
          this.#lcpFault(this.#lcp.rules.fault!, at)
        } else
          this.#send(PROTOCOL.lcp, emitControl({ is: 'Echo-Reply', id: packet.id, magic, data: packet.data.slice() }))
        return
      case 'Identification': {
        const text = printable(packet.data, 120)
        if (text.startsWith('MSRAS')) this.#peerIsWindows = true
        this.#report({ event: 'ppp.peer.identified', text })
        return
      }
      case 'Protocol-Reject':
        if (opened) this.#protocolRejected(packet.protocol, at)
        return
      default:
        return
    }
  }

  #protocolRejected(protocol: number, at: At): void {
    if (protocol === PROTOCOL.lcp) this.#lcpOutputs(this.#lcp.protocolRejected(at), at)
    else if (this.#phase.is === 'authenticate' && protocol === this.#phase.authentication.protocol) {
      const why = `the peer agreed to ${KIND_NAMES[this.#phase.authentication.kind]} and then rejected its protocol`
      this.#report({ event: 'ppp.auth.impossible', why, userSees: LCP_TERMINATED })
      this.#terminate({ reason: why, byPeer: false, userSees: LCP_TERMINATED }, 'Authentication impossible', at)
    } else this.#networkOutputs(this.#network?.rejected(protocol, at) ?? [], at)
  }

  // Phase 3: authentication.

  get #authentication(): Authentication | undefined {
    return this.#phase.is === 'authenticate' || this.#phase.is === 'network' ? this.#phase.authentication : undefined
  }

  readonly #nextJob = (): number => ++this.#jobs

  #converse(input: AuthInput & { on: 'start' | 'packet' | 'tick' }, at: At): void {
    const authentication = this.#authentication
    if (authentication) this.#authEffects(authentication.handle(input, at, this.#nextJob), authentication, at)
  }

  #authEffects(effects: readonly AuthEffect[], authentication: Authentication, at: At): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'send':
          this.#send(authentication.protocol, effect.octets)
          break
        case 'verify':
          this.#out.push(effect)
          break
        case 'accepted':
          this.#accepted(effect.user, authentication, at)
          break
        case 'refused':
          this.#refused(effect, authentication.kind, at)
          break
        case 'ignored':
          this.#invalid(effect.why)
      }
    }
  }

  #accepted(user: string, authentication: Authentication, at: At): void {
    const { kind } = authentication
    this.#report({ event: 'ppp.auth.accepted', user, kind: KIND_NAMES[kind], weak: WEAK_KINDS.has(kind) })
    this.#enterNetwork(user, authentication, at)
  }

  #refused(effect: AuthEffect & { do: 'refused' }, kind: AuthKind, at: At): void {
    this.#failures++
    const user = printable(effect.user)
    this.#report({
      event: 'ppp.auth.refused',
      user,
      kind: KIND_NAMES[kind],
      why: effect.why,
      userSees: effect.userSees,
    })
    if (!effect.final) return
    const reason = `authentication of "${user}" refused: ${effect.why}`
    this.#terminate({ reason, byPeer: false, userSees: effect.userSees }, 'Authentication failed', at)
  }

  // Phase 4: the network.

  #enterNetwork(user: string, authentication: Authentication | undefined, at: At): void {
    this.#user = user
    this.#timers.clear('set-up', 'authentication')
    this.#timers.set('network', at.now + WITHOUT_NETWORK_MS)
    this.#keepAlive.start(at.now)
    if (this.#policy.role === 'server') {
      const job = this.#nextJob()
      this.#phase = { is: 'network', user, granting: job, authentication }
      this.#out.push({ do: 'grant', job, user })
      return
    }
    this.#phase = { is: 'network', user, granting: undefined, authentication }
    const ipv6 = this.#policy.ipv6 ? { interfaceId: undefined } : undefined
    this.#openNetwork(new NetworkLayer(this.#policy.restart, undefined, ipv6), at)
  }

  #granted(grant: NetworkGrant, at: At): void {
    const phase = this.#phase as Phase & { is: 'network' }
    this.#phase = { ...phase, granting: undefined }
    if (grant.is === 'refused') {
      const why = grant.reason
      this.#report({ event: 'ppp.network.refused', user: phase.user, why, userSees: NO_NETWORK_PROTOCOL })
      this.#terminate({ reason: why, byPeer: false, userSees: NO_NETWORK_PROTOCOL }, 'No address to give', at)
      return
    }
    const { ours, peers, dns, nbns, interfaceId, sessionSeconds, idleSeconds } = grant
    // Negotiating LCP anew doesn't lengthen a session.
    if (sessionSeconds !== undefined && !this.#timers.has('session'))
      this.#timers.set('session', at.now + sessionSeconds * 1000)
    if (idleSeconds !== undefined) {
      this.#idleMs = idleSeconds * 1000
      this.#timers.set('idle', at.now + this.#idleMs)
    }
    const ipv6 = this.#policy.ipv6 ? { interfaceId } : undefined
    this.#openNetwork(new NetworkLayer(this.#policy.restart, { ours, peers, dns, nbns }, ipv6), at)
  }

  #openNetwork(network: NetworkLayer, at: At): void {
    this.#network = network
    this.#networkOutputs(network.start(at), at)
    const parked = this.#parked
    this.#parked = new Map()
    for (const [protocol, payload] of parked) this.#networkFrame(protocol, payload, at)
  }

  #networkOutputs(outputs: readonly NetworkOutput[], at: At): void {
    const user = this.#user ?? ''
    for (const output of outputs) {
      switch (output.is) {
        case 'send':
          this.#send(output.protocol, output.octets)
          break
        case 'opened':
          this.#since ??= at.now
          this.#timers.clear('network')
          this.#tellNetwork()
          this.#report({ event: 'ppp.network.opened', user, protocol: output.protocol, address: output.address })
          break
        case 'closed':
          this.#tellNetwork()
          this.#awaitNetwork(at)
          break
        case 'failed':
          // IPV6CP is offered and needn't be taken.
          if (output.protocol === 'ipcp')
            this.#report({
              event: 'ppp.network.refused',
              user,
              why: `IPCP: ${output.why}`,
              userSees: NO_NETWORK_PROTOCOL,
            })
          this.#awaitNetwork(at)
          break
        case 'invalid':
          this.#invalid(output.why)
      }
    }
  }

  #awaitNetwork(at: At): void {
    if (!this.#network?.anyOpen && !this.#timers.has('network'))
      this.#timers.set('network', at.now + WITHOUT_NETWORK_MS)
  }

  #tellNetwork(): void {
    const { mru, acfc, pfc } = this.#lcp.rules.peer
    this.#out.push({
      do: 'network',
      user: this.#user ?? '',
      acfc,
      pfc,
      mtu: mru,
      ipv4: this.#network?.ipv4,
      ipv6: this.#network?.ipv6,
      authentication: this.#kind,
    })
  }

  // Frames and time.

  #frame(protocol: number, payload: Uint8Array, at: At): void {
    this.#keepAlive.heard(at.now)
    if (protocol === PROTOCOL.lcp) {
      if (this.#phase.is !== 'dead') this.#lcpFrame(payload, at)
    } else if (this.#phase.is === 'network') this.#networkFrame(protocol, payload, at)
    else if (this.#phase.is === 'authenticate' && protocol === this.#phase.authentication.protocol)
      this.#converse({ on: 'packet', octets: payload }, at)
  }

  #networkFrame(protocol: number, payload: Uint8Array, at: At): void {
    if (protocol === PROTOCOL.pap || protocol === PROTOCOL.chap) {
      // A repeated response: our Success was lost (RFC 1994 §4.2). Or the server asks again.
      if (protocol === this.#authentication?.protocol) this.#converse({ on: 'packet', octets: payload }, at)
    } else if (this.#network?.speaks(protocol)) this.#networkOutputs(this.#network.receive(protocol, payload, at), at)
    else if (this.#network) this.#rejectProtocol(protocol, payload)
    else if (protocol === PROTOCOL.ipcp || protocol === PROTOCOL.ipv6cp)
      this.#parked = new Map(this.#parked).set(protocol, payload.slice())
    else if (protocol !== PROTOCOL.ip && protocol !== PROTOCOL.ipv6) this.#rejectProtocol(protocol, payload)
  }

  #rejectProtocol(protocol: number, payload: Uint8Array): void {
    const rejected = payload.slice(0, MOST_REJECTED)
    this.#send(PROTOCOL.lcp, emitControl({ is: 'Protocol-Reject', id: this.#lcp.takeId(), protocol, rejected }))
  }

  #tick(at: At): void {
    this.#lcpOutputs(this.#lcp.tick(at), at)
    if (this.#network) this.#networkOutputs(this.#network.tick(at), at)
    this.#converse({ on: 'tick' }, at)
    if (this.#phase.is !== 'over') this.#askPeer(at)
    for (;;) {
      const timer = this.#timers.take(at.now)
      if (timer === undefined) return
      this.#timeIsUp(timer, at)
    }
  }

  #timeIsUp(timer: TimerName, at: At): void {
    switch (timer) {
      case 'set-up': {
        const reason = 'the peer kept negotiating and never authenticated itself'
        this.#terminate({ reason, byPeer: false, userSees: NO_ANSWER_IN_TIME }, 'Time is up', at)
        return
      }
      case 'authentication':
        this.#authenticationLate(at)
        return
      case 'network': {
        const reason = 'no network protocol came up'
        this.#terminate({ reason, byPeer: false, userSees: NO_NETWORK_PROTOCOL }, 'No network protocol', at)
        return
      }
      default:
        this.#limit(timer, at)
    }
  }

  #askPeer(at: At): void {
    const asked = this.#keepAlive.tick(at.now)
    if (asked?.is === 'ask') {
      const { magic } = this.#lcp.rules
      const echo = emitControl({ is: 'Echo-Request', id: this.#lcp.takeId(), magic, data: new Uint8Array() })
      this.#send(PROTOCOL.lcp, echo)
    } else if (asked?.is === 'silent') {
      this.#report({ event: 'ppp.peer.silent', quietSeconds: asked.seconds })
      // One Terminate-Request in case it can hear, and no waiting for an answer.
      const ending = { reason: `the peer was silent for ${asked.seconds} s`, byPeer: false, userSees: undefined }
      this.#terminate(ending, 'Peer not responding', at)
      this.#finish(ending)
    }
  }

  #authenticationLate(at: At): void {
    const { role, authSeconds } = this.#policy
    const who = role === 'server' ? 'the client' : 'the server'
    const why = `${who} did not finish authenticating within ${authSeconds} s`
    this.#report({
      event: 'ppp.auth.refused',
      user: this.#policy.credentials?.user ?? '',
      kind: KIND_NAMES[this.#kind!],
      why,
      userSees: NO_ANSWER_IN_TIME,
    })
    this.#terminate({ reason: why, byPeer: false, userSees: NO_ANSWER_IN_TIME }, 'Authentication timed out', at)
  }

  #limit(limit: 'session' | 'idle', at: At): void {
    this.#report({ event: 'ppp.limit.reached', user: this.#user ?? '', limit })
    const reason = limit === 'session' ? 'the session reached its time limit' : 'the session was idle for too long'
    this.#terminate({ reason, byPeer: false, userSees: undefined }, printable(reason), at)
  }

  // The end.

  /** `toPeer` is what the peer is told: printable, and never more than its user may know. */
  #terminate(ending: Ending, toPeer: string, at: At): void {
    if (this.#phase.is === 'dead') {
      this.#finish(ending)
      return
    }
    if (this.#phase.is === 'terminate' || this.#phase.is === 'over') return
    this.#phase = { is: 'terminate', ending }
    this.#timers.clearAll()
    const data =
      this.#peerIsWindows && ending.userSees !== undefined
        ? windowsTerminateData(this.#lcp.rules.magic, ending.userSees)
        : new TextEncoder().encode(toPeer)
    this.#lcpOutputs(this.#lcp.close(data, at), at)
  }

  #finish({ reason, byPeer, userSees }: Ending): void {
    if (this.#phase.is === 'over') return
    this.#phase = { is: 'over' }
    this.#timers.clearAll()
    this.#network = undefined
    this.#keepAlive.stop()
    this.#report({ event: 'ppp.closed', user: this.#user, byPeer, why: reason })
    this.#out.push({ do: 'finished', reason, byPeer, userSees })
  }

  #send(protocol: number, payload: Uint8Array): void {
    this.#out.push({ do: 'send', protocol, payload })
  }

  #invalid(why: string): void {
    this.#report({ event: 'ppp.message.invalid', why })
  }

  /** What a peer can repeat at will is reported a few times on each link. */
  #report(event: PppEvent): void {
    const count = (this.#reports[event.event] ?? 0) + 1
    this.#reports = { ...this.#reports, [event.event]: count }
    if (count <= MOST_REPORTS) this.#out.push({ do: 'report', event })
  }
}
