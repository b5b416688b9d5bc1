// The administrator's rules in quick mode: which of them decides what a peer may ask for in transport mode, and what holds for it. L2TP is a rule's where
// one means it, else everybody's; anything else is carried for a rule alone.
import type { IkePolicy, Traffic, TrafficRule, TunnelUse } from './contract.ts'
import { policyAt, showTraffic, trafficHolds, trafficOf } from './sites.ts'
import type { IkeSa } from './state.ts'
import type { IdPayload } from './wire/payloads.ts'

/** What a pair is to carry (undefined: L2TP), and the methods, PFS and lifetimes for it. */
export type TrafficUse = { readonly tunnel: TunnelUse | undefined; readonly policy: IkePolicy }

const udp = 17
/** RFC 2661 §8.1. */
const l2tpPort = 1701

/** What holds for a pair with a peer at this address: its rule's own, or its site's. */
export function policyFor(policy: IkePolicy, address: string, tunnel: TunnelUse | undefined): IkePolicy {
  if (!tunnel?.transport) return policyAt(policy, address)
  const rule = policy.rules?.find(({ action }) => typeof action === 'object' && action.carrier === tunnel.site)
  return rule ? withRule(policy, rule) : policy
}

/** What a peer asks for in transport mode. Its IDs say protocol and ports; the addresses are those of the ISAKMP SA: behind a NAT an ID means nothing. */
export function transportUse(
  policy: IkePolicy,
  sa: IkeSa,
  ours: IdPayload | undefined,
  peers: IdPayload | undefined,
): TrafficUse | string {
  const asked: Traffic = {
    source: { address: sa.path.local.address, prefix: 32 },
    destination: { address: sa.path.remote.address, prefix: 32 },
    protocol: ours?.protocol ?? 0,
    sourcePort: ours?.port ?? 0,
    destinationPort: peers?.port ?? 0,
  }
  const plain = { tunnel: undefined, policy: policyAt(policy, sa.path.remote.address) }
  const rule = l2tpRule(policy, asked) ?? ruleFor(policy, asked)
  if (!rule) {
    const wrong = [ours, peers].find((id) => id && id.protocol !== 0 && id.protocol !== udp)
    if (!wrong) return plain
    return `the peer wants to protect IP protocol ${wrong.protocol}, but only UDP (17) is carried here without a rule of the IPsec policy for it`
  }
  if (typeof rule.action === 'string') {
    const does = rule.action === 'block' ? 'blocks' : 'lets pass in clear'
    return `the peer wants to protect ${showTraffic(asked)} (ours first), which ${rule.name} ${does}`
  }
  if (rule.action.carrier === undefined) return { tunnel: undefined, policy: withRule(plain.policy, rule) }
  const fault = transportFault(sa) ?? addressFault(asked, ours, peers)
  const tunnel = { site: rule.action.carrier, traffic: asked, transport: true } as const
  return fault ?? { tunnel, policy: withRule(policy, rule) }
}

/** Why nothing but L2TP can be carried in transport mode with this peer. */
export function transportFault({ peerBehindNat, weBehindNat }: IkeSa): string | undefined {
  if (!peerBehindNat && !weBehindNat) return undefined
  return 'there is a NAT in between, through which transport mode carries L2TP alone: a rule with a tunnel endpoint is right'
}

function ruleFor({ rules }: IkePolicy, asked: Traffic): TrafficRule | undefined {
  return rules?.find(({ traffic }) => trafficHolds(traffic, asked))
}

/** Android and Windows 2000 name no port of ours, macOS any of its own: the rule that L2TP's packets meet, where it is for L2TP alone. */
function l2tpRule(policy: IkePolicy, asked: Traffic): TrafficRule | undefined {
  if (asked.protocol !== udp || (asked.sourcePort !== 0 && asked.sourcePort !== l2tpPort)) return undefined
  const rule = ruleFor(policy, { ...asked, sourcePort: l2tpPort })
  return typeof rule?.action === 'object' && rule.action.carrier === undefined ? rule : undefined
}

function withRule(policy: IkePolicy, { action }: TrafficRule): IkePolicy {
  if (typeof action === 'string') return policy
  const { esp, pfsGroups, requirePfs, lifetimes } = action
  return { ...policy, esp, pfsGroups, requirePfs, lifetimes }
}

function addressFault(asked: Traffic, ours: IdPayload | undefined, peers: IdPayload | undefined): string | undefined {
  if (!ours || !peers) return undefined
  const named = trafficOf(ours, peers)
  if (typeof named === 'string') return `the peer names ${named} in quick mode`
  const same = named.source.address === asked.source.address && named.destination.address === asked.destination.address
  return same && named.source.prefix + named.destination.prefix === 64
    ? undefined
    : `the peer wants to protect ${showTraffic(named)} (ours first) in transport mode, which is for the two ends ${asked.source.address} and ${asked.destination.address} alone`
}
