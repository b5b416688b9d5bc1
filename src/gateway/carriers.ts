// Transport mode for rules of the IPsec policy: each filter that wants its packets protected is a carrier, a tunnel of the fast path whose pairs are in transport
// mode, from this machine to one host. The walk: 1 the packet filter sends such packets to the fast path · 2 without a pair for the host they are held, `acquire`
// says so · 3 IKE is asked for a pair between the two hosts, with the filter's protocol and ports · 4 what was held is sent through it.
import { isWeak } from '../algorithms/levels.ts'
import { showEspProposal } from '../algorithms/proposals.ts'
import type { SecuredRow } from '../control/protocol.ts'
import type { PeerId, SaPair, SiteId, Traffic, TunnelUse } from '../ike/contract.ts'
import type { FastPath, FastPathEvent } from '../platform/fast-path.ts'
import { type Selector, showSelector } from '../policy/selector.ts'
import type { SpdEntry } from '../policy/spd.ts'
import { showEndpoint } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'
import { selectorOf } from './changes.ts'
import type { Endpoint } from './endpoint.ts'
import type { Peer } from './owner.ts'
import { isL2tp } from './traffic-rules.ts'

/** Our own: sites count from 1. */
const firstCarrier = 2 ** 24
/** Our own: a pair that was asked for and didn't come is asked for again after this. */
const askAgainMs = 10_000

type Carrier = { readonly id: SiteId; readonly rule: string; readonly selector: Selector }
type Carried = { readonly carrier: Carrier; readonly peer: PeerId; readonly row: SecuredRow }

/** What a packet without a pair wants: the rule it met, the host it is for, and what is to be negotiated. */
export type Wanted = { readonly rule: string; readonly peer: string; readonly local: string; readonly use: TunnelUse }

export class Carriers {
  readonly #fastPath: FastPath
  readonly #endpoint: () => Endpoint
  /** By rule and filter. */
  readonly #carriers = new Map<string, Carrier>()
  /** By inbound SPI. */
  readonly #pairs = new Map<number, Carried>()
  readonly #asked = new Map<string, Instant>()
  #next = firstCarrier

  constructor(fastPath: FastPath, endpoint: () => Endpoint) {
    this.#fastPath = fastPath
    this.#endpoint = endpoint
  }

  /** One for each filter that leaves this machine in transport mode and that the plane can carry; those that stay go on as they are. */
  change(spd: readonly SpdEntry[]): void {
    const wanted = spd.filter(this.#fastPath.kind === 'kernel' ? isCarriedByKernel : isCarried)
    const left = new Map(this.#carriers)
    for (const entry of wanted) {
      const key = keyOf(entry)
      if (!left.delete(key) && !this.#carriers.has(key)) this.#add(key, entry)
    }
    for (const [key, carrier] of left) this.#remove(key, carrier)
  }

  of(entry: SpdEntry): SiteId | undefined {
    return this.#carriers.get(keyOf(entry))?.id
  }

  /** Undefined: it is none of ours. */
  wanted({ tunnel, source, destination }: Extract<FastPathEvent, { on: 'acquire' }>): Wanted | undefined {
    const carrier = [...this.#carriers.values()].find(({ id }) => id === tunnel)
    if (!carrier) return undefined
    const { rule, selector } = carrier
    const traffic: Traffic = {
      ...selector,
      source: { address: source.address, prefix: 32 },
      destination: { address: destination.address, prefix: 32 },
    }
    const use = { site: carrier.id, traffic, transport: true } as const
    return { rule, peer: destination.address, local: source.address, use }
  }

  /** Whether it is time to ask for this; true once in a while. */
  mayAsk({ use, peer }: Wanted, now: Instant): boolean {
    const key = `${use.site} ${peer}`
    for (const [one, at] of this.#asked) if (now >= at + askAgainMs) this.#asked.delete(one)
    if (this.#asked.has(key)) return false
    this.#asked.set(key, now)
    return true
  }

  /** The rule that the pair is of, told once for each that isn't a successor; undefined: it is none of ours. */
  pairUp(
    peer: Peer,
    pair: SaPair,
    since: Date,
  ): { readonly rule: string; readonly row: SecuredRow | undefined } | undefined {
    const carrier = [...this.#carriers.values()].find(({ id }) => id === pair.tunnel?.site)
    if (!carrier) return undefined
    const traffic = showSelector(pair.tunnel!.traffic)
    const esp = showEspProposal(pair.proposal)
    const weak = peer.weak || isWeak(pair.proposal)
    const before = [...this.#pairs.values()].find((one) => one.peer === peer.id && one.row.traffic === traffic)
    const row = {
      rule: carrier.rule,
      peer: showEndpoint(peer.path.remote),
      traffic,
      ike: peer.ike,
      esp,
      weak,
      since: before?.row.since ?? since.toISOString(),
    }
    this.#pairs.set(pair.inbound.spi, { carrier, peer: peer.id, row })
    return { rule: carrier.rule, row: before ? undefined : row }
  }

  /** The rule and host that have no pair any more. */
  pairDown(inboundSpi: number): { readonly rule: string; readonly peer: PeerId } | undefined {
    const gone = this.#pairs.get(inboundSpi)
    if (!gone) return undefined
    this.#pairs.delete(inboundSpi)
    const { peer, carrier } = gone
    const left = [...this.#pairs.values()].some((one) => one.peer === peer && one.carrier.rule === carrier.rule)
    return left ? undefined : { rule: carrier.rule, peer }
  }

  rows(): readonly SecuredRow[] {
    const rows = new Map([...this.#pairs.values()].map(({ row }) => [`${row.peer} ${row.traffic}`, row]))
    return [...rows.values()]
  }

  #add(key: string, { rule, selector }: SpdEntry): void {
    const id = this.#next++
    this.#carriers.set(key, { id, rule: rule.rule, selector })
    const change = {
      do: 'setTunnel',
      tunnel: id,
      hold: true,
      transport: true,
      selectors: [selectorOf(selector)],
    } as const
    this.#endpoint().apply([change], `the packets of rule ${rule.rule}`)
  }

  #remove(key: string, carrier: Carrier): void {
    this.#carriers.delete(key)
    const peers = new Set([...this.#pairs.values()].filter((one) => one.carrier === carrier).map(({ peer }) => peer))
    for (const peer of peers) this.#endpoint().ike({ on: 'disconnect', peer, reason: 'the IPsec policy changed' })
    this.#endpoint().apply([{ do: 'removeTunnel', tunnel: carrier.id }], `to let go of rule ${carrier.rule}`)
  }
}

/** Whether packets that leave by this entry are carried in transport mode for it. */
export function isCarried(entry: SpdEntry): boolean {
  const { action, tunnel, direction, rule } = entry
  if (typeof action === 'string' || action.protect.respondOnly || tunnel !== undefined) return false
  return rule.is === 'rule' && direction !== 'in' && !isL2tp(entry)
}

/**
 * XFRM's policies mean what is forwarded as well, so the filter must begin at an address of ours; and they know no soft association, which the packet filter alone
 * can let by.
 */
function isCarriedByKernel(entry: SpdEntry): boolean {
  const { action, selector } = entry
  return isCarried(entry) && typeof action === 'object' && !action.protect.softSeconds && selector.source.prefix === 32
}

const keyOf = ({ rule, selector }: SpdEntry) => `${rule.policy} ${rule.rule}: ${showSelector(selector)}`
