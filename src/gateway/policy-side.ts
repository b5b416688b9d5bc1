// The IPsec policy of the configuration, in force: compiled for the addresses that the machine has, handed to the packet filter, and the soft associations that it
// allows. Without an assigned policy there is no filter of ours: the data planes never speak L2TP in clear, which is all that the built-in rule asks.
//
// A packet that a rule wants protected and that has no SA waits in its carrier (carriers.ts). What the plane can't carry is dropped and noted, and once a second the notes are
// read. Its peer is asked by IKE: silent, it may become soft; if it answers, it speaks IPsec, and stays without clear traffic. Tunnels are the sites' (sites.ts).
import type { Configuration } from '../config/configuration.ts'
import type { PolicyStatus } from '../control/protocol.ts'
import type { IkePolicy, PeerId, SaPair, TrafficRule } from '../ike/contract.ts'
import type { FastPath, FastPathEvent } from '../platform/fast-path.ts'
import type { PolicyFilter, PolicyPlan } from '../platform/packet-policy.ts'
import { filterRows } from '../policy/explain.ts'
import type { Facts } from '../policy/policy.ts'
import { type Key, SoftAssociations, type SoftEffect, type SoftInput } from '../policy/soft-associations.ts'
import { compile, type SpdEntry } from '../policy/spd.ts'
import type { Instant } from '../wire/machine.ts'
import { showNetwork } from '../wire/network.ts'
import { Carriers, type Wanted } from './carriers.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { policyFactsOf } from './policies.ts'
import { sitesOfRules, trafficRulesOf } from './traffic-rules.ts'

/** Our own: how often it is looked whether a packet wants something, and the machine's addresses changed. */
const lookMs = 1000
/** Our own: numbers of our requests begin here; sites count from 1. */
const firstRequest = 2 ** 32

export class PolicySide {
  readonly #platform: Platform
  readonly #events: EventLog
  readonly #fastPath: FastPath
  readonly #endpoint: () => Endpoint
  readonly #soft = new SoftAssociations()
  readonly #carriers: Carriers
  /** Told when the rules for IKE, or the sites that rules make, are others: an address of the machine came or went. */
  readonly #changed: () => void
  readonly #requests = new Map<number, Key & { readonly carried: boolean }>()
  /** What the last packet for a rule and host wants. */
  readonly #wanted = new Map<string, Wanted>()
  /** Addresses of hosts with pairs. */
  readonly #peers = new Map<PeerId, string>()
  #touched = false
  #nextRequest = firstRequest
  #device = ''
  #configuration: Configuration | undefined
  #spd: readonly SpdEntry[] = []
  /** Rules with numbers, in the order of their numbers from 0: those that can be asked for. */
  #rules: readonly { readonly rule: string; readonly softSeconds: number | undefined }[] = []
  #inForce = ''
  /** The policies that it came from. */
  #written = ''
  #cancel: (() => void) | undefined
  #closed = false

  constructor(
    platform: Platform,
    events: EventLog,
    fastPath: FastPath,
    endpoint: () => Endpoint,
    changed: () => void = () => {},
  ) {
    this.#platform = platform
    this.#events = events
    this.#fastPath = fastPath
    this.#endpoint = endpoint
    this.#changed = changed
    this.#carriers = new Carriers(fastPath, endpoint)
  }

  /** What IKE is to know of the policy; undefined: no policy is assigned. */
  get rules(): readonly TrafficRule[] | undefined {
    const configuration = this.#configuration
    if (configuration?.policies.assigned === undefined) return undefined
    return trafficRulesOf(this.#spd, configuration, (entry) => this.#carriers.of(entry))
  }

  /** With the rules for IKE. */
  informed(policy: IkePolicy): IkePolicy {
    const { rules } = this
    return rules ? { ...policy, rules } : policy
  }

  /** With the sites that rules with a tunnel endpoint make. */
  joined(configuration: Configuration): Configuration {
    return { ...configuration, sites: [...configuration.sites, ...sitesOfRules(this.#spd, configuration)] }
  }

  /** Puts the policy in force. Fails where the filter can't be made: what should be protected mustn't go without it. */
  async change(configuration: Configuration): Promise<void> {
    this.#configuration = configuration
    await this.#enforce()
  }

  status(): PolicyStatus {
    const shift = this.#platform.clock.date().getTime() - this.#platform.clock.now()
    const iso = (at: Instant) => new Date(at + shift).toISOString()
    return {
      assigned: this.#configuration?.policies.assigned,
      builtInL2tpRule: this.#configuration?.policies.builtInL2tpRule ?? true,
      filters: filterRows(this.#spd),
      soft: this.#soft
        .rows()
        .map(({ rule, peer, since, until }) => ({ rule, peer, since: iso(since), until: iso(until) })),
      secured: this.#carriers.rows(),
    }
  }

  /** A packet of a rule is held. Whether it was ours. */
  acquire(event: Extract<FastPathEvent, { readonly on: 'acquire' }>): boolean {
    const wanted = this.#carriers.wanted(event)
    if (!wanted) return false
    const { rule, peer } = wanted
    const softSeconds = this.#rules.find((each) => each.rule === rule)?.softSeconds
    this.#wanted.set(nameOf(wanted), wanted)
    this.#handle({ on: 'wanted', rule, peer, softSeconds })
    // Another filter of a rule that protects something with the host already.
    if (this.#soft.protects({ rule, peer }) && this.#carriers.mayAsk(wanted, this.#platform.clock.now()))
      void this.#connect({ rule, peer }, wanted)
    return true
  }

  /** A pair in transport mode came up, whoever asked for it. Whether it was a rule's. */
  pairUp(peer: Peer, pair: SaPair): boolean {
    const up = this.#carriers.pairUp(peer, pair, this.#platform.clock.date())
    if (!up) return false
    const { rule, row } = up
    this.#touched ||= !this.#peers.has(peer.id)
    this.#peers.set(peer.id, peer.path.remote.address)
    this.#handle({ on: 'protected', rule, peer: peer.path.remote.address })
    if (!row) return true
    const { traffic, ike, esp, weak } = row
    this.#events.emit({ event: 'policy.secured', rule, traffic, ike, esp, weak }, this.#endpoint().originOf(peer))
    return true
  }

  pairDown(inboundSpi: number): void {
    const down = this.#carriers.pairDown(inboundSpi)
    const peer = down && this.#peers.get(down.peer)
    if (down && peer !== undefined) this.#handle({ on: 'gone', rule: down.rule, peer })
  }

  /** Hosts that have had pairs, if it is another than the last time: what to write down. */
  changed(): readonly PeerId[] | undefined {
    if (!this.#touched) return undefined
    this.#touched = false
    return [...this.#peers.keys()]
  }

  /** What rules protected before a restart begins anew: the next packet asks. */
  restore(peers: readonly PeerId[]): void {
    for (const peer of peers)
      if (this.#endpoint().peers.has(peer))
        this.#endpoint().ike({ on: 'disconnect', peer, reason: 'what rules protect begins anew after a restart' })
  }

  /** Whether the request was ours. */
  failed(request: number, reason: string, silent = false): boolean {
    const key = this.#requests.get(request)
    if (!key) return false
    this.#requests.delete(request)
    this.#handle(silent ? { on: 'silent', ...key } : { on: 'refused', reason, ...key })
    return true
  }

  /** Without a carrier the peer speaks IPsec, and nothing but L2TP is carried for it in transport mode. */
  peerUp(peer: Peer, request: number | undefined): boolean {
    const key = this.#requests.get(request ?? 0)
    if (!key) return false
    this.#requests.delete(request!)
    if (this.#fastPath.kind !== 'kernel' || key.carried) return true
    const reason =
      'the kernel data plane carries no rule in transport mode whose source is more than one address or that allows unsecured peers; a rule with a tunnel endpoint is right'
    this.#handle({ on: 'refused', reason, ...key })
    this.#endpoint().ike({ on: 'disconnect', peer: peer.id, reason })
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.#platform.packetPolicy?.clear(this.#device)
  }

  // --- in force ----------------------------------------------------------------------------------------------------------------------------

  async #enforce(): Promise<void> {
    const { packetPolicy } = this.#platform
    const configuration = this.#configuration
    if (!configuration) return
    this.#device = configuration.device
    this.#spd = compile(configuration.policies, this.#facts(configuration))
    if (configuration.policies.assigned === undefined || !packetPolicy) {
      this.#handle({ on: 'clear' })
      this.#carriers.change([])
      this.#inForce = ''
      this.#written = ''
      return packetPolicy?.clear(configuration.device)
    }
    this.#carriers.change(this.#spd)
    this.#rules = rulesOf(this.#spd)
    const plan = planOf(
      configuration,
      this.#fastPath.kind,
      this.#spd,
      this.#rules,
      (entry) => this.#carriers.of(entry) !== undefined,
    )
    const text = JSON.stringify(plan)
    if (text !== this.#inForce) {
      // What is under way with a peer outlives a mere change of the machine's addresses.
      const written = JSON.stringify(configuration.policies)
      if (written !== this.#written) this.#handle({ on: 'clear' })
      await packetPolicy.enforce(plan)
      const later = this.#inForce !== ''
      this.#inForce = text
      this.#written = written
      this.#allowAgain()
      if (later) this.#changed()
      this.#events.emit({
        event: 'policy.enforced',
        policy: configuration.policies.assigned,
        filters: plan.filters.length,
      })
    }
    this.#lookSoon()
  }

  /** A new list lets nobody through any more; who was, and still has time, is let through by the new one. */
  #allowAgain(): void {
    const now = this.#platform.clock.now()
    for (const { rule, peer, until } of this.#soft.rows())
      if (until > now) this.#perform({ do: 'allowClear', rule, peer, seconds: Math.ceil((until - now) / 1000) })
  }

  #facts(configuration: Configuration): Facts {
    const none = { own: [], dns: [], gateway: [] }
    return policyFactsOf(configuration, this.#platform.packetPolicy?.facts() ?? none)
  }

  #lookSoon(): void {
    this.#cancel?.()
    if (this.#closed) return
    this.#cancel = this.#platform.timers.after(lookMs, () => {
      this.#cancel = undefined
      void this.#look()
        .catch((error: Error) =>
          this.#events.emit({ event: 'network.trouble', what: 'the IPsec policy', why: error.message }),
        )
        .then(() => this.#inForce === '' || this.#lookSoon())
    })
  }

  async #look(): Promise<void> {
    for (const { soft, peer } of (await this.#platform.packetPolicy?.wanted()) ?? []) {
      const rule = this.#rules[soft]
      if (rule) this.#handle({ on: 'wanted', peer, ...rule })
    }
    const { deadline } = this.#soft
    if (deadline !== undefined && deadline <= this.#platform.clock.now()) this.#handle({ on: 'tick' })
    if (!this.#closed) await this.#enforce()
  }

  // --- soft associations -------------------------------------------------------------------------------------------------------------------

  #handle(input: SoftInput): void {
    for (const effect of this.#soft.handle(input, this.#platform.clock.now())) this.#perform(effect)
  }

  #perform(effect: SoftEffect): void {
    const { rule, peer } = effect
    const number = this.#rules.findIndex((each) => each.rule === rule)
    const { packetPolicy } = this.#platform
    const trouble = (error: Error) =>
      this.#events.emit({ event: 'network.trouble', what: `the soft association with ${peer}`, why: error.message })
    switch (effect.do) {
      case 'negotiate':
        return void this.#negotiate({ rule, peer })
      case 'allowClear':
        // The rule means nothing while the machine has none of its addresses.
        if (number < 0) return
        return void packetPolicy?.allowClear(number, peer, effect.seconds).catch(trouble)
      case 'endClear':
        return void packetPolicy?.endClear(number, peer).catch(trouble)
      case 'report':
        return this.#events.emit({ ...effect.event, rule, peer })
    }
  }

  #negotiate(key: Key): Promise<void> {
    return this.#connect(key, this.#wanted.get(nameOf(key)))
  }

  async #connect(key: Key, wanted: Wanted | undefined): Promise<void> {
    const request = this.#nextRequest++
    this.#requests.set(request, { ...key, carried: wanted !== undefined })
    try {
      const own = this.#configuration!.listen[0] ?? this.#platform.packetPolicy!.facts().own[0] ?? ''
      const local = wanted?.local ?? (await this.#platform.localAddressFor?.(key.peer)) ?? own
      this.#endpoint().ike({
        on: 'connect',
        request,
        path: { local: { address: local, port: this.#fastPath.ports.ike }, remote: { address: key.peer, port: 500 } },
        ports: { local: wanted?.use.traffic.sourcePort ?? 0, remote: wanted?.use.traffic.destinationPort ?? 0 },
        ...(wanted ? { tunnel: wanted.use } : {}),
      })
    } catch (error) {
      this.failed(request, (error as Error).message, false)
    }
  }
}

const nameOf = ({ rule, peer }: Key) => JSON.stringify([rule, peer])

/** Rules in transport mode that something can be asked for: not L2TP, which clients begin, and no default response, which begins nothing. */
function rulesOf(spd: readonly SpdEntry[]): { rule: string; softSeconds: number | undefined }[] {
  const rules = new Map<string, number | undefined>()
  for (const entry of spd) {
    const rule = asks(entry)
    if (rule !== undefined && typeof entry.action === 'object') rules.set(rule, entry.action.protect.softSeconds)
  }
  return [...rules].map(([rule, softSeconds]) => ({ rule, softSeconds }))
}

function asks({ action, tunnel, rule }: SpdEntry): string | undefined {
  return typeof action === 'object' && !action.protect.respondOnly && tunnel === undefined && rule.is === 'rule'
    ? rule.rule
    : undefined
}

/** The list as the packet filter takes it. */
export function planOf(
  { device }: Configuration,
  plane: FastPath['kind'],
  spd: readonly SpdEntry[],
  rules: readonly { readonly rule: string }[],
  carries: (entry: SpdEntry) => boolean,
): PolicyPlan {
  return {
    device,
    plane: plane === 'kernel' ? 'kernel' : 'userland',
    carriers: plane === 'kernel' ? 'ghp*' : device,
    filters: spd.map((entry): PolicyFilter => {
      const { selector, direction, connection, action, tunnel } = entry
      const rule = asks(entry)
      return {
        ...selector,
        source: showNetwork(selector.source),
        destination: showNetwork(selector.destination),
        direction,
        connection,
        action: typeof action === 'string' ? action : action.protect.respondOnly ? 'permit' : 'protect',
        forwarded: tunnel !== undefined,
        carried: carries(entry),
        acceptUnsecured: typeof action === 'object' && action.protect.acceptUnsecured,
        soft: rule === undefined ? undefined : rules.findIndex((each) => each.rule === rule),
      }
    }),
  }
}
