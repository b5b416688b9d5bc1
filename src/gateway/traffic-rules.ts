// The compiled policy as others take it: rules in transport mode for IKE, and tunnels between networks as sites.
import { proposalsFor } from '../algorithms/levels.ts'
import type { Configuration, SiteEntry } from '../config/configuration.ts'
import type { SiteId, TrafficNegotiation, TrafficRule } from '../ike/contract.ts'
import type { Protection, SpdEntry } from '../policy/spd.ts'
import { networkHolds } from '../wire/network.ts'

/** Rules in transport mode, in their order. `carrierOf`: where what isn't L2TP is carried; undefined: it isn't, and no peer gets an SA for it. */
export function trafficRulesOf(
  spd: readonly SpdEntry[],
  configuration: Configuration,
  carrierOf: (entry: SpdEntry) => SiteId | undefined,
): TrafficRule[] {
  return spd.flatMap((entry): TrafficRule[] => {
    const { selector: traffic, action, tunnel, direction, rule } = entry
    if (rule.is === 'exemption' || rule.is === 'default-response' || tunnel !== undefined || direction === 'in')
      return []
    const name = rule.policy === undefined ? `the built-in ${rule.rule}` : `rule ${rule.rule} of policy ${rule.policy}`
    if (typeof action === 'string') return [{ name, traffic, action }]
    const carrier = isL2tp(entry) ? undefined : carrierOf(entry)
    if (carrier === undefined && !isL2tp(entry)) return []
    const { esp, requirePfs, lifetimes } = configuration.remoteAccess
    const { pfsGroups } = proposalsFor(configuration.security)
    const own = { esp, requirePfs, lifetimes, pfsGroups }
    const terms = rule.is === 'built-in' ? own : termsOf(action.protect, configuration)
    return [{ name, traffic, action: { ...terms, carrier } }]
  })
}

/** UDP 1701 of ours and nothing else. */
export function isL2tp({ selector: { protocol, sourcePort } }: SpdEntry): boolean {
  return protocol === 17 && sourcePort === 1701
}

/** A filter action's methods in order; each has the same limits. PFS, where it is asked for, is asked of everybody. */
function termsOf(
  { methods, pfs }: Protection,
  { remoteAccess: { lifetimes }, security }: Configuration,
): Omit<TrafficNegotiation, 'carrier'> {
  const [first] = methods
  return {
    esp: methods.map(({ proposal }) => proposal),
    pfsGroups: pfs ? [pfs] : proposalsFor(security).pfsGroups,
    requirePfs: pfs !== undefined,
    lifetimes: {
      ...lifetimes,
      espSeconds: first?.seconds ?? lifetimes.espSeconds,
      espKilobytes: first?.kilobytes ?? lifetimes.espKilobytes,
    },
  }
}

const nobodyDials = { dialOut: undefined, dialIn: undefined, idleSeconds: undefined }

/** Rules with a tunnel endpoint: each peer is one site, brought up by traffic; networks that `sites` has with that peer already are left to it. */
export function sitesOfRules(spd: readonly SpdEntry[], configuration: Configuration): SiteEntry[] {
  const sites = new Map<string, SiteEntry>()
  for (const { selector, action, tunnel, direction, rule } of spd) {
    if (tunnel === undefined || direction !== 'out' || typeof action === 'string') continue
    const written = configuration.sites.find(({ peers }) => peers.includes(tunnel))
    if (written) continue
    const { source, destination } = selector
    const before = sites.get(tunnel)
    const terms = termsOf(action.protect, configuration)
    const entry: SiteEntry = before ?? {
      name: `rule:${rule.rule}`,
      peers: [tunnel],
      mode: 'tunnel',
      localNetworks: [],
      remoteNetworks: [],
      // By the rule's own methods, which IKE has by its peer.
      authentication: { methods: [], preSharedKey: undefined, certificates: undefined },
      start: 'on-traffic',
      ike: configuration.remoteAccess.ike,
      // A site has no group of its own beside them.
      esp: terms.esp.map((one) => (action.protect.pfs ? { ...one, group: action.protect.pfs } : one)),
      exchange: 'main',
      localIdentity: undefined,
      requirePfs: terms.requirePfs,
      lifetimes: terms.lifetimes,
      ...nobodyDials,
    }
    const adding = (networks: typeof entry.localNetworks, one: typeof source) =>
      networks.some((other) => networkHolds(other, one)) ? networks : [...networks, one]
    sites.set(tunnel, {
      ...entry,
      localNetworks: adding(entry.localNetworks, source),
      remoteNetworks: adding(entry.remoteNetworks, destination),
    })
  }
  return [...sites.values()]
}
