// The security policy database (RFC 4301 §4.4.1): what the assigned policy comes to for packets. An ordered list; the first entry that means a packet decides.
// 1. exemptions: what IPsec itself is made of, and what goes to many. 2. the filters of the assigned policy's rules and the built-in rule, the most specific
// first. 3. the default response. What nothing means passes, as it would without a policy.
import { anyNetwork, hostNetwork, type Network, parseNetwork } from '../wire/network.ts'
import type {
  AuthenticationMethod,
  Connection,
  Facts,
  Filter,
  FilterAction,
  Negotiation,
  Policies,
  Policy,
  Rule,
  Side,
} from './policy.ts'
import { meets, mirrored, type Packet, type Selector, selectorHolds } from './selector.ts'

export type Protection = Omit<Negotiation, 'is'> & {
  readonly authentication: readonly AuthenticationMethod[]
  /** The default response: nothing is begun by us, and clear traffic stays as it is. */
  readonly respondOnly: boolean
}

/** Where an entry came from, for people. */
export type Origin = {
  readonly is: 'exemption' | 'rule' | 'built-in' | 'default-response'
  readonly policy: string | undefined
  readonly rule: string
  readonly filterList: string
  readonly filterAction: string
  /** The entry is the way back of a mirrored filter. */
  readonly mirror: boolean
}

export type SpdEntry = {
  readonly selector: Selector
  /** Whether packets that it means leave this machine or come to it; `either`: both, in transport mode to and from the machine itself. */
  readonly direction: 'out' | 'in' | 'either'
  readonly action: 'permit' | 'block' | { readonly protect: Protection }
  readonly tunnel: string | undefined
  readonly connection: Connection
  readonly rule: Origin
  /** Higher is more specific. */
  readonly weight: number
}

/** What is never subject to a policy, as Windows exempts it: IKE, ESP itself, multicast and broadcast. */
const exempt: readonly { readonly what: string; readonly selector: Partial<Selector> }[] = [
  { what: 'IKE', selector: { protocol: 17, destinationPort: 500 } },
  { what: 'IKE', selector: { protocol: 17, sourcePort: 500 } },
  { what: 'IKE and ESP in UDP', selector: { protocol: 17, destinationPort: 4500 } },
  { what: 'IKE and ESP in UDP', selector: { protocol: 17, sourcePort: 4500 } },
  { what: 'ESP', selector: { protocol: 50 } },
  { what: 'multicast', selector: { destination: parseNetwork('224.0.0.0/4')! } },
  { what: 'broadcast', selector: { destination: parseNetwork('255.255.255.255/32')! } },
]

const everything: Selector = {
  source: anyNetwork,
  destination: anyNetwork,
  protocol: 0,
  sourcePort: 0,
  destinationPort: 0,
}

/** Longer than any weight of a filter: exemptions stand before all. */
const heaviest = 1024

/**
 * How specific a selector is: the lengths of both prefixes first, then whether it names a protocol, then its ports. The same for both directions, so that the
 * packets of one conversation meet the same rule both ways.
 */
export function weigh({ source, destination, protocol, sourcePort, destinationPort }: Selector): number {
  const ports = Number(sourcePort !== 0) + Number(destinationPort !== 0)
  return (source.prefix + destination.prefix) * 8 + (protocol === 0 ? 0 : 4) + ports
}

/** The entries in order. */
export function compile(policies: Policies, facts: Facts): SpdEntry[] {
  const assigned = policies.policies.find(({ name }) => name === policies.assigned)
  const rules = assigned?.rules.filter(({ enabled }) => enabled) ?? []
  const filters = [
    ...rules.flatMap((rule) => entriesOf(rule, assigned!.name, facts)),
    ...(policies.builtInL2tpRule ? entriesOf(l2tpRule(facts), undefined, facts) : []),
  ]
  return [...exemptions(), ...inOrder(filters), ...(assigned ? defaultResponse(assigned) : [])]
}

function exemptions(): SpdEntry[] {
  return exempt.map(({ what, selector }) => ({
    selector: { ...everything, ...selector },
    direction: 'either',
    action: 'permit',
    tunnel: undefined,
    connection: 'all',
    rule: {
      is: 'exemption',
      policy: undefined,
      rule: what,
      filterList: what,
      filterAction: 'Permit',
      mirror: false,
    },
    weight: heaviest,
  }))
}

/** Where two filters are equally specific, the stricter action goes first; else the order in which they are written. */
function inOrder(entries: readonly SpdEntry[]): SpdEntry[] {
  const strictness = ({ action }: SpdEntry) => (action === 'block' ? 0 : action === 'permit' ? 2 : 1)
  return entries
    .map((entry, i) => ({ entry, i }))
    .sort((a, b) => b.entry.weight - a.entry.weight || strictness(a.entry) - strictness(b.entry) || a.i - b.i)
    .map(({ entry }) => entry)
}

/** The rule that Windows makes by itself for L2TP: our UDP 1701 is never spoken without IPsec. */
function l2tpRule({ l2tp }: Facts): Rule {
  const filter: Filter = {
    source: 'me',
    destination: 'any',
    protocol: 17,
    sourcePort: 1701,
    destinationPort: 0,
    mirrored: true,
  }
  const { methods, pfs, authentication } = l2tp
  return {
    name: 'L2TP rule',
    filterList: { name: 'L2TP', filters: [filter] },
    action: { name: 'L2TP', is: 'negotiate', methods, pfs, acceptUnsecured: false, softSeconds: undefined },
    authentication,
    tunnel: undefined,
    connection: 'all',
    enabled: true,
  }
}

function entriesOf(rule: Rule, policy: string | undefined, facts: Facts): SpdEntry[] {
  return rule.filterList.filters.flatMap((filter) =>
    sidesOf(filter.source, facts).flatMap((source) =>
      sidesOf(filter.destination, facts).flatMap((destination) => {
        const { protocol, sourcePort, destinationPort } = filter
        const there: Selector = { source, destination, protocol, sourcePort, destinationPort }
        const entry = (selector: Selector, mirror: boolean): SpdEntry => ({
          selector,
          direction: directionOf(selector, rule.tunnel, facts),
          action: actionOf(rule.action, rule.authentication),
          tunnel: rule.tunnel,
          connection: rule.connection,
          rule: {
            is: policy === undefined ? 'built-in' : 'rule',
            policy,
            rule: rule.name,
            filterList: rule.filterList.name,
            filterAction: rule.action.name,
            mirror,
          },
          weight: weigh(selector),
        })
        return filter.mirrored ? [entry(there, false), entry(mirrored(there), true)] : [entry(there, false)]
      }),
    ),
  )
}

function sidesOf(side: Side, { own, dns, gateway }: Facts): Network[] {
  const hosts = (addresses: readonly string[]) => addresses.flatMap((address) => hostNetwork(address) ?? [])
  if (side === 'any') return [anyNetwork]
  if (side === 'me') return hosts(own)
  if (side === 'dns') return hosts(dns)
  return side === 'gateway' ? hosts(gateway) : [side]
}

/** A tunnel's endpoint tells the direction: what comes in ends here. In transport mode one end is this machine. */
function directionOf(selector: Selector, tunnel: string | undefined, { own }: Facts): SpdEntry['direction'] {
  if (tunnel !== undefined) return own.includes(tunnel) ? 'in' : 'out'
  const isOwn = (network: Network) => network.prefix === 32 && own.includes(network.address)
  if (isOwn(selector.source) === isOwn(selector.destination)) return 'either'
  return isOwn(selector.source) ? 'out' : 'in'
}

function actionOf(action: FilterAction, authentication: readonly AuthenticationMethod[]): SpdEntry['action'] {
  if (action.is !== 'negotiate') return action.is
  const { methods, pfs, acceptUnsecured, softSeconds } = action
  return { protect: { methods, pfs, acceptUnsecured, softSeconds, authentication, respondOnly: false } }
}

function defaultResponse({ name, defaultResponse: response }: Policy): SpdEntry[] {
  if (!response) return []
  const protect: Protection = {
    ...response,
    pfs: undefined,
    acceptUnsecured: true,
    softSeconds: undefined,
    respondOnly: true,
  }
  return [
    {
      selector: everything,
      direction: 'either',
      action: { protect },
      tunnel: undefined,
      connection: 'all',
      rule: {
        is: 'default-response',
        policy: name,
        rule: 'Default response',
        filterList: 'Dynamic',
        filterAction: 'Default response',
        mirror: false,
      },
      weight: 0,
    },
  ]
}

/** The entry that decides; undefined: none means the packet. `through`: the way that it comes or goes, where that is known. */
export function lookup(
  spd: readonly SpdEntry[],
  packet: Packet,
  through?: Exclude<Connection, 'all'>,
): SpdEntry | undefined {
  return spd.find((entry) => applies(entry, packet, through))
}

export function applies({ selector, connection }: SpdEntry, packet: Packet, through?: Connection): boolean {
  return meets(selector, packet) && (through === undefined || connection === 'all' || connection === through)
}

/** Whether an entry decides some packet at all: false where a single earlier entry means all of its packets. */
export function isReached(spd: readonly SpdEntry[], index: number): boolean {
  const { selector, connection } = spd[index]!
  return !spd
    .slice(0, index)
    .some(
      (earlier) =>
        (earlier.connection === 'all' || earlier.connection === connection) &&
        selectorHolds(earlier.selector, selector),
    )
}
