// Sites: gateways whose networks are joined with ours in tunnel mode. Which site a peer is, what holds for it, and the traffic that the IDs of a quick mode
// name (RFC 2407 §4.6.2): an address, a subnet, or a range that is a whole network.
import { addressText, ipv4Number } from '../wire/address.ts'
import { type Network, networkHolds, networkRange, prefixOfMask, showNetwork } from '../wire/network.ts'
import { entryFor } from './by-address.ts'
import type { IkePolicy, SitePolicy, Traffic } from './contract.ts'
import type { IkeSa } from './state.ts'
import type { Turn } from './turn.ts'
import { identificationType as id, nameOf } from './wire/numbers.ts'
import { type IdPayload, idPayload } from './wire/payloads.ts'

/** The site that may be at this address. */
export function siteAt(policy: Pick<IkePolicy, 'sites'>, address: string): SitePolicy | undefined {
  return policy.sites && entryFor(policy.sites, ({ addresses }) => addresses, address)
}

export function siteOf(turn: Turn, sa: IkeSa): SitePolicy | undefined {
  return siteAt(turn.state.policy, sa.path.remote.address)
}

/** Whether a peer at this address may begin in aggressive mode. */
export function speaksAggressive(policy: Pick<IkePolicy, 'sites' | 'aggressiveMode'>, address: string): boolean {
  return policy.aggressiveMode === true || siteAt(policy, address)?.aggressive === true
}

/** What holds for a peer at this address: its site's own, where it is one. */
export function policyAt(policy: IkePolicy, address: string): IkePolicy {
  const site = siteAt(policy, address)
  if (!site) return policy
  const { ike, esp, requirePfs, pfsGroups, lifetimes } = site
  return { ...policy, ike, esp, requirePfs, pfsGroups, lifetimes }
}

// --- traffic and IDs --------------------------------------------------------------------------------------------------------------------

/** The network that an ID names; a string says what it is instead. */
function networkOf({ idType, data }: IdPayload): Network | string {
  const text = (at: number) => addressText(data.subarray(at, at + 4))
  if (idType === id.ID_IPV4_ADDR && data.length === 4) return { address: text(0), prefix: 32 }
  if (idType === id.ID_IPV4_ADDR_SUBNET && data.length === 8) {
    const prefix = prefixOfMask(text(4))
    if (prefix === undefined) return `the mask ${text(4)}, which is none`
    const network = { address: text(0), prefix }
    return whole(network) ? network : `${showNetwork(network)}, which has bits beyond its prefix`
  }
  if (idType === id.ID_IPV4_ADDR_RANGE && data.length === 8) {
    const [first, last] = [ipv4Number(text(0))!, ipv4Number(text(4))!]
    const prefix = Array.from({ length: 33 }, (_, i) => 32 - i).find((length) => first + 2 ** (32 - length) - 1 >= last)
    const network = { address: text(0), prefix: prefix ?? 0 }
    if (last >= first && whole(network) && networkRange(network).last === last) return network
    return `the range ${text(0)}-${text(4)}, which is no whole network`
  }
  return `an ID of type ${nameOf(id, idType, 'ID type')}; an IPv4 address, subnet or range is right`
}

function whole(network: Network): boolean {
  return networkHolds(network, { address: network.address, prefix: 32 })
}

/** What two IDs name, ours first; a string says what is wrong with them. */
export function trafficOf(ours: IdPayload, peers: IdPayload): Traffic | string {
  const source = networkOf(ours)
  const destination = networkOf(peers)
  if (typeof source === 'string') return `${source} (on our side)`
  if (typeof destination === 'string') return `${destination} (on its side)`
  if (ours.protocol !== peers.protocol)
    return `IP protocol ${ours.protocol} on our side and ${peers.protocol} on its own`
  return { source, destination, protocol: ours.protocol, sourcePort: ours.port, destinationPort: peers.port }
}

/** IDs for the traffic: a host as an address, a network as a subnet. */
export function idsOf({ source, destination, protocol, sourcePort, destinationPort }: Traffic) {
  return { ours: networkId(source, protocol, sourcePort), peers: networkId(destination, protocol, destinationPort) }
}

function networkId({ address, prefix }: Network, protocol: number, port: number): IdPayload {
  const octets = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff)
  const base = octets(ipv4Number(address)!)
  if (prefix === 32) return idPayload({ idType: id.ID_IPV4_ADDR, protocol, port, data: Uint8Array.from(base) })
  const mask = octets(prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0)
  return idPayload({ idType: id.ID_IPV4_ADDR_SUBNET, protocol, port, data: Uint8Array.from([...base, ...mask]) })
}

const holdsNumber = (outer: number, inner: number) => outer === 0 || outer === inner

export function trafficHolds(outer: Traffic, inner: Traffic): boolean {
  return (
    networkHolds(outer.source, inner.source) &&
    networkHolds(outer.destination, inner.destination) &&
    holdsNumber(outer.protocol, inner.protocol) &&
    holdsNumber(outer.sourcePort, inner.sourcePort) &&
    holdsNumber(outer.destinationPort, inner.destinationPort)
  )
}

export function sameTraffic(a: Traffic, b: Traffic): boolean {
  return trafficHolds(a, b) && trafficHolds(b, a)
}

/** `10.1.0.0/16 and 10.2.0.0/16`, ours first. */
export function showTraffic({ source, destination, protocol, sourcePort, destinationPort }: Traffic): string {
  const side = (network: Network, port: number) => `${showNetwork(network)}${port === 0 ? '' : ` port ${port}`}`
  const which = protocol === 0 ? '' : ` (IP protocol ${protocol})`
  return `${side(source, sourcePort)} and ${side(destination, destinationPort)}${which}`
}

/** Why this traffic is not the site's to ask for, or undefined where it is: all of it must lie in what the site's configuration names. */
export function trafficFault(site: SitePolicy, asked: Traffic): string | undefined {
  if (site.traffic.some((allowed) => trafficHolds(allowed, asked))) return undefined
  if (site.traffic.length === 0)
    return `the peer wants a tunnel between ${showTraffic(asked)} (ours first); site ${site.name} is a link of L2TP here: set the same mode on both sides`
  const allowed = site.traffic.map(showTraffic).join('; ')
  return `the peer wants a tunnel between ${showTraffic(asked)} (ours first); site ${site.name} has ${allowed}: set the same networks on both sides`
}
