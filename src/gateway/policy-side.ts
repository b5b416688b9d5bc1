// The IPsec policy of the configuration, in force: compiled for the addresses that the machine has, handed to the packet filter, and the soft associations that it
// allows. Without an assigned policy there is no filter of ours: the data planes never speak L2TP in clear, which is all that the built-in rule asks.
//
// A packet that a rule wants protected and that has no SA is dropped and noted; once a second the notes are read. Its peer is asked by IKE: silent, it may become soft; if it
// answers, it speaks IPsec, and stays without clear traffic. Tunnels are the sites' (sites.ts); transport mode is carried for L2TP alone.
import type { Configuration } from '../config/configuration.ts'
import type { PolicyStatus } from '../control/protocol.ts'
import type { FastPath } from '../platform/fast-path.ts'
import type { PolicyFilter, PolicyPlan } from '../platform/packet-policy.ts'
import { filterRows } from '../policy/explain.ts'
import type { Facts } from '../policy/policy.ts'
import { type Key, SoftAssociations, type SoftEffect, type SoftInput } from '../policy/soft-associations.ts'
import { compile, type SpdEntry } from '../policy/spd.ts'
import type { Instant } from '../wire/machine.ts'
import { showNetwork } from '../wire/network.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { Peer } from './owner.ts'
import type { Platform } from './platform.ts'
import { policyFactsOf } from './policies.ts'

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
  readonly #requests = new Map<number, Key>()
  #nextRequest = firstRequest
  #configuration: Configuration | undefined
  #spd: readonly SpdEntry[] = []
  /** Rules with numbers, in the order of their numbers from 0: those that can be asked for. */
  #rules: readonly { readonly rule: string; readonly softSeconds: number | undefined }[] = []
  #inForce = ''
  #cancel: (() => void) | undefined
  #closed = false

  constructor(platform: Platform, events: EventLog, fastPath: FastPath, endpoint: () => Endpoint) {
    this.#platform = platform
    this.#events = events
    this.#fastPath = fastPath
    this.#endpoint = endpoint
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
    }
  }

  /** Whether the request was ours. */
  failed(request: number, reason: string, silent = false): boolean {
    const key = this.#requests.get(request)
    if (!key) return false
    this.#requests.delete(request)
    this.#handle(silent ? { on: 'silent', ...key } : { on: 'refused', reason, ...key })
    return true
  }

  /** The peer speaks IPsec, and nothing but L2TP is carried in transport mode. */
  peerUp(peer: Peer, request: number | undefined): boolean {
    const key = this.#requests.get(request ?? 0)
    if (!key) return false
    this.#requests.delete(request!)
    const reason = 'transport mode carries L2TP alone; a rule with a tunnel endpoint is right'
    this.#handle({ on: 'refused', reason, ...key })
    this.#endpoint().ike({ on: 'disconnect', peer: peer.id, reason })
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancel?.()
    await this.#platform.packetPolicy?.clear()
  }

  // --- in force ----------------------------------------------------------------------------------------------------------------------------

  async #enforce(): Promise<void> {
    const { packetPolicy } = this.#platform
    const configuration = this.#configuration
    if (!configuration) return
    this.#spd = compile(configuration.policies, this.#facts(configuration))
    if (configuration.policies.assigned === undefined || !packetPolicy) {
      this.#handle({ on: 'clear' })
      this.#inForce = ''
      return packetPolicy?.clear()
    }
    this.#rules = rulesOf(this.#spd)
    const plan = planOf(configuration, this.#fastPath.kind, this.#spd, this.#rules)
    const text = JSON.stringify(plan)
    if (text !== this.#inForce) {
      this.#handle({ on: 'clear' })
      await packetPolicy.enforce(plan)
      this.#inForce = text
      this.#events.emit({
        event: 'policy.enforced',
        policy: configuration.policies.assigned,
        filters: plan.filters.length,
      })
    }
    this.#lookSoon()
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
        return void packetPolicy?.allowClear(number, peer, effect.seconds).catch(trouble)
      case 'endClear':
        return void packetPolicy?.endClear(number, peer).catch(trouble)
      case 'report':
        return this.#events.emit({ ...effect.event, rule, peer })
    }
  }

  async #negotiate(key: Key): Promise<void> {
    const request = this.#nextRequest++
    this.#requests.set(request, key)
    try {
      const own = this.#configuration!.listen[0] ?? this.#platform.packetPolicy!.facts().own[0] ?? ''
      const local = (await this.#platform.localAddressFor?.(key.peer)) ?? own
      this.#endpoint().ike({
        on: 'connect',
        request,
        path: { local: { address: local, port: this.#fastPath.ports.ike }, remote: { address: key.peer, port: 500 } },
        ports: { local: 0, remote: 0 },
      })
    } catch (error) {
      this.failed(request, (error as Error).message, false)
    }
  }
}

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
        acceptUnsecured: typeof action === 'object' && action.protect.acceptUnsecured,
        soft: rule === undefined ? undefined : rules.findIndex((each) => each.rule === rule),
      }
    }),
  }
}
