// One PPP link through its phases (RFC 1661 §3), in the server's and in the client's role.
//
// 1. dead: until `up`. LCP opens and its Configure-Request goes out.
// 2. establish: LCP negotiates. When it opens, both ends know who has to authenticate, and how.
// 3. authenticate: one conversation. Frames of network protocols are passed over (§3.5).
// 4. network: the server asks for a grant, then IPCP and IPV6CP open. Every change of theirs is told by a `network` effect.
//    What is no protocol of ours is answered with a Protocol-Reject, CCP among it, and hurts nothing.
// 5. terminate: Terminate-Requests until they are acknowledged or given up; or, after the peer's own, one restart period of patience.
// When LCP is renegotiated the link goes back to 2: authentication and network protocols begin anew.
// The phases stand in one file, long as it is, because they share one state and hand it on to each other.
import type { AuthEffect, AuthInput, AuthKind } from '../auth/contract.ts'
import { KIND_NAMES, WEAK_KINDS } from '../auth/names.ts'
import { printable } from '../wire/codec.ts'
import { type At, earlier, type Instant, type Machine } from '../wire/machine.ts'
import { Authentication } from './authentication.ts'
import type { NetworkGrant, PppEffect, PppInput, PppLinkStatus, PppPolicy } from './contract.ts'
import type { PppEvent } from './events.ts'
import { LcpLayer, type LcpLayerRecord, type LcpOutput } from './lcp-layer.ts'
import { NetworkLayer, type NetworkOutput, type NetworkRecord } from './network-layer.ts'
import { Timers } from './timers.ts'
import { PROTOCOL } from './wire/protocols.ts'

/** Ours. Milliseconds that the network phase may go without an open network protocol. */
const WITHOUT_NETWORK_MS = 30_000
/** Ours: events of one kind that a peer can cause on one link. */
const MOST_REPORTS = 8
/** Windows' numbers. */
const NO_NETWORK_PROTOCOL = 720
const LCP_TERMINATED = 734
const NO_ANSWER_IN_TIME = 718

type Ending = {
  readonly reason: string
  /** What the peer is told. */
  readonly toPeer: string
  readonly byPeer: boolean
  readonly userSees: number | undefined
}

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

export type LinkRecord = {
  readonly lcp: LcpLayerRecord
  readonly network: NetworkRecord
  readonly timers: ReadonlyMap<TimerName, Instant>
  readonly jobs: number
  readonly failures: number
  readonly user: string
  readonly kind: AuthKind | undefined
  readonly since: Instant | undefined
  readonly idleMs: number
  readonly reports: Readonly<Record<string, number>>
}

export class PppLink implements Machine<PppInput, PppEffect> {
  readonly #policy: PppPolicy
  readonly #lcp: LcpLayer
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
  #reports: Readonly<Record<string, number>> = {}
  #out: PppEffect[] = []

  constructor(policy: PppPolicy) {
    if (policy.role === 'server' && policy.authentication.length === 0)
      throw new RangeError('a server must ask for some authentication')
    this.#policy = policy
    const authentication = policy.role === 'client' && !policy.credentials ? [] : policy.authentication
    const { role, mru, restart, echo } = policy
    this.#lcp = new LcpLayer({ role, mru, authentication }, restart, echo)
  }

  /**
   * A link that carries packets, as plain data. Undefined for every other: what is half done begins anew. The authentication is not in it: a client
   * whose network protocols are open has had its answer.
   */
  record(): LinkRecord | undefined {
    const network = this.#phase.is === 'network' && this.#network?.anyOpen ? this.#network.record() : undefined
    if (!network) return undefined
    return {
      lcp: this.#lcp.record(),
      network,
      timers: this.#timers.record(),
      jobs: this.#jobs,
      failures: this.#failures,
      user: this.#user ?? '',
      kind: this.#kind,
      since: this.#since,
      idleMs: this.#idleMs,
      reports: this.#reports,
    }
  }

  /** A link that an earlier daemon had; its peer counts as heard now. */
  static restored(policy: PppPolicy, record: LinkRecord, at: At): PppLink {
    const link = new PppLink(policy)
    link.#lcp.restore(record.lcp)
    link.#lcp.watch(at)
    link.#network = new NetworkLayer(policy.restart, undefined, undefined, record.network)
    link.#timers.restore(record.timers)
    link.#jobs = record.jobs
    link.#failures = record.failures
    link.#user = record.user
    link.#kind = record.kind
    link.#since = record.since
    link.#idleMs = record.idleMs
    link.#reports = record.reports
    link.#phase = { is: 'network', user: record.user, granting: undefined, authentication: undefined }
    return link
  }

  get deadline(): Instant | undefined {
    if (this.#phase.is === 'over') return undefined
    const layers = earlier(this.#lcp.deadline, this.#network?.deadline)
    return earlier(earlier(layers, this.#authentication?.deadline), this.#timers.deadline)
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
        if (input.inbound) this.#lcp.heard(at.now)
        if (input.below) this.#lcp.heardBelow(at.now)
        if (input.user && this.#timers.has('idle')) this.#timers.set('idle', at.now + this.#idleMs)
        return
      case 'close':
        this.#terminate(input.reason, undefined, printable(input.reason, 120), at)
        return
      case 'down':
        this.#finish(
          this.#phase.is === 'terminate'
            ? this.#phase.ending
            : {
                reason: this.#lost('the session below went away'),
                toPeer: '',
                byPeer: true,
                userSees: this.#lcp.peerSaid?.error,
              },
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

  #lcpOutputs(outputs: readonly LcpOutput[], at: At): void {
    for (const output of outputs) {
      switch (output.is) {
        case 'send':
          this.#send(PROTOCOL.lcp, output.octets)
          break
        case 'opened':
          this.#lcpOpened(at)
          break
        case 'down':
          this.#lcpDown(output.terminating, at)
          break
        case 'finished':
          this.#lcpFinished(output.silent)
          break
        case 'fault':
          this.#lcpFault(output.why, output.authentication, at)
          break
        case 'identified':
          this.#report({ event: 'ppp.peer.identified', text: output.text })
          break
        case 'rejected':
          this.#protocolRejected(output.protocol, at)
          break
        case 'silent':
          this.#silent(output.seconds, at)
          break
        case 'ask':
          this.#out.push({ do: 'ask' })
          break
        case 'invalid':
          this.#invalid(output.why)
      }
    }
  }

  #lcpOpened(at: At): void {
    const { role, authSeconds } = this.#policy
    const { peer, rules } = this.#lcp
    const kind = role === 'server' ? rules.asked : peer.authentication
    this.#report({ event: 'ppp.lcp.opened', mru: peer.mru, authentication: kind ? KIND_NAMES[kind] : 'none' })
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
  #lcpDown(terminating: boolean, at: At): void {
    const open = this.#network?.anyOpen ?? false
    this.#network?.lowerDown(at)
    this.#network = undefined
    this.#parked = new Map()
    this.#timers.clear('authentication', 'network')
    this.#lcp.unwatch()
    if (open) this.#tellNetwork()
    if (this.#phase.is === 'terminate') return
    if (!terminating) {
      this.#establish(at)
      return
    }
    const { peerSaid } = this.#lcp
    const reason = peerSaid ? `the peer closed the link: ${peerSaid.text}` : 'the peer rejected a part of LCP itself'
    this.#phase = { is: 'terminate', ending: { reason, toPeer: '', byPeer: true, userSees: peerSaid?.error } }
    this.#timers.clearAll()
  }

  #lcpFinished(silent: boolean): void {
    if (this.#phase.is === 'terminate') {
      this.#finish(this.#phase.ending)
      return
    }
    const why = silent ? 'the peer never answered LCP' : this.#lost('the peer did not agree on LCP options')
    this.#finish({
      reason: why,
      toPeer: 'No agreement on LCP options',
      byPeer: false,
      userSees: this.#lcp.peerSaid?.error ?? NO_ANSWER_IN_TIME,
    })
  }

  /** The peer's own words, where it had any, explain more than ours. */
  #lost(otherwise: string): string {
    const { peerSaid } = this.#lcp
    return peerSaid ? `the peer wanted to close the link: ${peerSaid.text}` : otherwise
  }

  #lcpFault(why: string, authentication: boolean, at: At): void {
    if (authentication) this.#report({ event: 'ppp.auth.impossible', why, userSees: LCP_TERMINATED })
    this.#terminate(why, LCP_TERMINATED, 'No agreement on LCP options', at)
  }

  #protocolRejected(protocol: number, at: At): void {
    if (this.#phase.is === 'authenticate' && protocol === this.#phase.authentication.protocol) {
      const why = `the peer agreed to ${KIND_NAMES[this.#phase.authentication.kind]} and then rejected its protocol`
      this.#report({ event: 'ppp.auth.impossible', why, userSees: LCP_TERMINATED })
      this.#terminate(why, LCP_TERMINATED, 'Authentication impossible', at)
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
    const { why, userSees, final } = effect
    this.#report({ event: 'ppp.auth.refused', user, kind: KIND_NAMES[kind], why, userSees })
    if (final) this.#terminate(`authentication of "${user}" refused: ${why}`, userSees, 'Authentication failed', at)
  }

  // Phase 4: the network.

  #enterNetwork(user: string, authentication: Authentication | undefined, at: At): void {
    this.#user = user
    this.#timers.clear('set-up', 'authentication')
    this.#timers.set('network', at.now + WITHOUT_NETWORK_MS)
    this.#lcp.watch(at)
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
    this.#phase = { ...(this.#phase as Phase & { is: 'network' }), granting: undefined }
    if (grant.is === 'refused') {
      const why = grant.reason
      this.#networkRefused(why)
      this.#terminate(why, NO_NETWORK_PROTOCOL, 'No address to give', at)
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
          this.#forgetAuthentication()
          this.#tellNetwork()
          this.#report({ event: 'ppp.network.opened', user, protocol: output.protocol, address: output.address })
          break
        case 'closed':
          this.#tellNetwork()
          this.#awaitNetwork(at)
          break
        case 'failed':
          // IPV6CP is offered and needn't be taken.
          if (output.protocol === 'ipcp') this.#networkRefused(`IPCP: ${output.why}`)
          this.#awaitNetwork(at)
          break
        case 'invalid':
          this.#invalid(output.why)
      }
    }
  }

  /** Whoever opens a network protocol with us has had our Success: a server has nothing to repeat. A client may be challenged again. */
  #forgetAuthentication(): void {
    if (this.#phase.is === 'network' && this.#policy.role === 'server')
      this.#phase = { ...this.#phase, authentication: undefined }
  }

  #networkRefused(why: string): void {
    this.#report({ event: 'ppp.network.refused', user: this.#user ?? '', why, userSees: NO_NETWORK_PROTOCOL })
  }

  #awaitNetwork(at: At): void {
    if (!this.#network?.anyOpen && !this.#timers.has('network'))
      this.#timers.set('network', at.now + WITHOUT_NETWORK_MS)
  }

  #tellNetwork(): void {
    const { mru, acfc, pfc } = this.#lcp.peer
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
    this.#lcp.heard(at.now)
    if (protocol === PROTOCOL.lcp) {
      if (this.#phase.is !== 'dead') this.#lcpOutputs(this.#lcp.receive(payload, at), at)
    } else if (this.#phase.is === 'network') this.#networkFrame(protocol, payload, at)
    else if (this.#phase.is === 'authenticate' && protocol === this.#phase.authentication.protocol)
      this.#converse({ on: 'packet', octets: payload }, at)
  }

  #networkFrame(protocol: number, payload: Uint8Array, at: At): void {
    if (protocol === PROTOCOL.pap || protocol === PROTOCOL.chap) {
      // A repeated response: our Success was lost (RFC 1994 §4.2). Or the server asks again.
      if (protocol === this.#authentication?.protocol) this.#converse({ on: 'packet', octets: payload }, at)
    } else if (this.#network?.speaks(protocol)) this.#networkOutputs(this.#network.receive(protocol, payload, at), at)
    else if (this.#network) this.#lcpOutputs(this.#lcp.rejectProtocol(protocol, payload), at)
    else if (protocol === PROTOCOL.ipcp || protocol === PROTOCOL.ipv6cp)
      this.#parked = new Map(this.#parked).set(protocol, payload.slice())
    else if (protocol !== PROTOCOL.ip && protocol !== PROTOCOL.ipv6)
      this.#lcpOutputs(this.#lcp.rejectProtocol(protocol, payload), at)
  }

  #tick(at: At): void {
    this.#lcpOutputs(this.#lcp.tick(at), at)
    if (this.#network) this.#networkOutputs(this.#network.tick(at), at)
    this.#converse({ on: 'tick' }, at)
    for (;;) {
      const timer = this.#timers.take(at.now)
      if (timer === undefined) return
      this.#timeIsUp(timer, at)
    }
  }

  #timeIsUp(timer: TimerName, at: At): void {
    switch (timer) {
      case 'set-up':
        this.#terminate('the peer kept negotiating and never authenticated itself', NO_ANSWER_IN_TIME, 'Time is up', at)
        return
      case 'authentication':
        this.#authenticationLate(at)
        return
      case 'network':
        this.#terminate('no network protocol came up', NO_NETWORK_PROTOCOL, 'No network protocol', at)
        return
      default:
        this.#limit(timer, at)
    }
  }

  #silent(seconds: number, at: At): void {
    this.#report({ event: 'ppp.peer.silent', quietSeconds: seconds })
    // One Terminate-Request in case it can hear, and no waiting for an answer.
    this.#terminate(`the peer was silent for ${seconds} s`, undefined, 'Peer not responding', at)
    if (this.#phase.is === 'terminate') this.#finish(this.#phase.ending)
  }

  #authenticationLate(at: At): void {
    const { role, authSeconds } = this.#policy
    const why = `the ${role === 'server' ? 'client' : 'server'} did not finish authenticating within ${authSeconds} s`
    const user = this.#policy.credentials?.user ?? ''
    const kind = KIND_NAMES[this.#kind!]
    this.#report({ event: 'ppp.auth.refused', user, kind, why, userSees: NO_ANSWER_IN_TIME })
    this.#terminate(why, NO_ANSWER_IN_TIME, 'Authentication timed out', at)
  }

  #limit(limit: 'session' | 'idle', at: At): void {
    this.#report({ event: 'ppp.limit.reached', user: this.#user ?? '', limit })
    const reason = limit === 'session' ? 'the session reached its time limit' : 'the session was idle for too long'
    this.#terminate(reason, undefined, reason, at)
  }

  // The end.

  /** `toPeer` is what the peer is told: printable, and never more than its user may know. */
  #terminate(reason: string, userSees: number | undefined, toPeer: string, at: At): void {
    const ending = { reason, toPeer, byPeer: false, userSees }
    if (this.#phase.is === 'dead') {
      this.#finish(ending)
      return
    }
    if (this.#phase.is === 'terminate' || this.#phase.is === 'over') return
    this.#phase = { is: 'terminate', ending }
    this.#timers.clearAll()
    this.#lcpOutputs(this.#lcp.close(toPeer, userSees, at), at)
  }

  #finish({ reason, toPeer, byPeer, userSees }: Ending): void {
    if (this.#phase.is === 'over') return
    this.#phase = { is: 'over' }
    this.#timers.clearAll()
    this.#network = undefined
    this.#report({ event: 'ppp.closed', user: this.#user, byPeer, why: reason })
    this.#out.push({ do: 'finished', reason, toPeer, byPeer, userSees })
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
