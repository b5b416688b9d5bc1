// The nftables ruleset of a gateway as text: forwarding and translation for clients, a default-deny filter around them, nothing else touched.
import type { GatewayPlan, SitePlan } from '../network.ts'
import { isCarriedMark } from './policy-ruleset.ts'

/** The table that belongs to a device; a second gateway on the machine has a device, and so a table, of its own. */
export function tableOf(device: string): string {
  return device === 'gatehouse0' ? 'gatehouse' : `gatehouse-${device}`
}

/** Text for `nft -f -` that leaves no such table, whether there was one or not. */
export function withoutTable(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`
}

/** The devices that carry clients, as nftables and sentences name them. */
export function carriersOf({ device, devicePrefix }: GatewayPlan): string {
  return devicePrefix === undefined ? device : `${devicePrefix}*`
}

const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

/**
 * The whole table, replacing an earlier one in one transaction. `opened` are interfaces on which forwarding was off before us: what comes in
 * there and doesn't go to a client is dropped, as it was before.
 */
export function rulesetOf(plan: GatewayPlan, opened: readonly string[]): string {
  const { gatewayAddress, sites = [] } = plan
  const carriers = carriersOf(plan)
  // No set: nft takes a wildcard in one only from version 1.0.3 on.
  const elsewhere = `iifname != "${carriers}" iifname != "lo"`
  const clients = [
    ...plan.clients.map(({ first, last }) => (first === last ? first : `${first}-${last}`)),
    ...plan.clientNetworks,
  ]
  const table = tableOf(plan.device)
  const remotes = sites.length > 0
  // On the kernel's plane what comes out of a tunnel comes by the interface that ESP came by, and leaves by the one that ESP leaves by.
  const sealed = plan.devicePrefix === undefined ? '' : 'meta ipsec missing '
  const dnsOutside =
    plan.forwarding === 'proxy-arp'
      ? ''
      : `${elsewhere} ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport 53 drop`
  return `${withoutTable(table)}table inet ${table} {
  set clients { type ipv4_addr; flags interval; auto-merge; elements = { ${clients.join(', ')} } }
${siteSets(sites)}  set opened { type ifname; ${opened.length > 0 ? `elements = { ${opened.map((name) => `"${name}"`).join(', ')} }` : ''} }
  chain spoofed {
    type filter hook prerouting priority raw; policy accept;
    iifname "${carriers}" goto fromcarriers
    ip saddr @clients iifname != "lo" drop
    ${remotes ? `${sealed}ip saddr @remotes iifname != "lo" drop` : ''}
  }
  chain fromcarriers {
    meta nfproto ipv6 ip6 saddr != fe80::/10 drop
    ${remotes ? 'ip saddr @remotes accept' : ''}
    ${isCarriedMark} accept
    ip saddr != @clients drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
${sites.map(siteRules(plan)).join('')}    iifname "${carriers}" jump fromclients
    oifname "${carriers}" jump toclients
    iifname @opened meta nfproto ipv4 drop
  }
  chain fromclients {
    meta nfproto ipv6 drop
    oifname "${carriers}" ${plan.clientToClient ? 'accept' : 'drop'}
    ${plan.internet ? 'accept' : `ct state established,related accept\n    ${within(plan)} accept\n    drop`}
  }
  chain toclients {
    meta nfproto ipv6 drop
    ${plan.forwarding === 'masquerade' ? 'ct state established,related' : 'ip daddr @clients'} accept
    ${plan.forwarding === 'masquerade' ? '' : 'ct state established,related accept'}
    drop
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${carriers}" jump togateway
    ${remotes && sealed ? 'meta ipsec exists ip saddr @remotes jump togateway' : ''}
    ${dnsOutside}
  }
  chain togateway {
    ct state established,related accept
    ${isCarriedMark} ip saddr != @clients ${remotes ? 'ip saddr != @remotes ' : ''}accept
    icmp type { echo-request, destination-unreachable } accept
    ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport 53 accept
    ${plan.gatewayServices ? 'meta nfproto ipv4 accept' : ''}
    drop
  }
${remotes && sealed ? leaving(plan) : ''}${plan.forwarding === 'masquerade' ? masquerade(carriers) : ''}}
`
}

const within = ({ localNetworks }: GatewayPlan) => `ip daddr { ${[...privateNetworks, ...localNetworks].join(', ')} }`

const list = (networks: readonly string[]) => `{ ${networks.join(', ')} }`

/** The networks behind sites: what comes with such a source, and not out of a tunnel, is forged. */
function siteSets(sites: NonNullable<GatewayPlan['sites']>): string {
  if (sites.length === 0) return ''
  const remotes = sites.flatMap(({ remote }) => remote)
  return `  set remotes { type ipv4_addr; flags interval; auto-merge; elements = ${list(remotes)} }\n`
}

/** By the device; on the kernel's plane through an SA, or to the device, where a packet waits for one. */
const siteRules =
  (plan: GatewayPlan) =>
  ({ local, remote, link }: SitePlan): string => {
    const carriers = carriersOf(plan)
    const tunnel = plan.devicePrefix !== undefined && link === undefined
    const incoming = tunnel ? ['meta ipsec exists'] : [`iifname "${carriers}"`]
    const outgoing = tunnel ? ['rt ipsec exists', `oifname "${plan.device}"`] : [`oifname "${carriers}"`]
    return [
      ...incoming.map((how) => `    ${how} ip saddr ${list(remote)} ip daddr ${list(local)} accept\n`),
      ...outgoing.map((how) => `    ${how} ip saddr ${list(local)} ip daddr ${list(remote)} accept\n`),
    ].join('')
  }

/** After everybody's address translation, whose packets XFRM's policies may mean no longer. */
function leaving(plan: GatewayPlan): string {
  return `  chain leaving {
    type filter hook postrouting priority 300; policy accept;
    oifname != { "${plan.device}", "lo" } oifname != "${carriersOf(plan)}" ip daddr @remotes rt ipsec missing drop
  }
`
}

function masquerade(carriers: string): string {
  return `  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "${carriers}" ip saddr @clients masquerade
  }
`
}

type Chain = {
  readonly table: string
  readonly family: string
  readonly name: string
  readonly hook?: string
  readonly policy?: string
}

/** What of the machine's own firewall stands in the way, from `nft -j list chains`: base chains of others that drop what no rule accepts. */
export function obstacles(listing: string, plan: GatewayPlan): string[] {
  const table = tableOf(plan.device)
  const carriers = carriersOf(plan)
  let chains: Chain[]
  try {
    chains = (JSON.parse(listing).nftables as { chain?: Chain }[]).flatMap(({ chain }) => (chain ? [chain] : []))
  } catch {
    return []
  }
  const fromSas = plan.devicePrefix === undefined ? '' : 'what comes out of IPsec (meta ipsec exists), '
  return chains
    .filter((chain) => chain.table !== table && !chain.table.startsWith('gatehouse') && chain.policy === 'drop')
    .flatMap(({ family, table: other, name, hook }) => {
      const where = `the machine's own firewall (table ${family} ${other}, chain ${name}) drops what no rule of it accepts`
      if (hook === 'forward')
        return [`${where}: let it accept what comes from and goes to ${carriers}, or clients reach nothing beyond us`]
      if (hook === 'input')
        return [`${where}: let it accept UDP 500 and 4500 and protocol 50, ${fromSas}and what comes from ${carriers}`]
      return []
    })
}
