// The nftables ruleset of a gateway as text: forwarding and translation for clients, a default-deny filter around them, nothing else touched.
import type { GatewayPlan } from '../network.ts'
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
  const beyond = plan.internet
    ? 'accept'
    : `ip daddr { ${[...privateNetworks, ...plan.localNetworks].join(', ')} } accept`
  const dnsOutside =
    plan.forwarding === 'proxy-arp'
      ? ''
      : `${elsewhere} ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport 53 drop`
  return `${withoutTable(table)}table inet ${table} {
  set clients { type ipv4_addr; flags interval; auto-merge; elements = { ${clients.join(', ')} } }
${siteSets(sites)}  set opened { type ifname; ${opened.length > 0 ? `elements = { ${opened.map((name) => `"${name}"`).join(', ')} }` : ''} }
  chain spoofed {
    type filter hook prerouting priority raw; policy accept;
    iifname "${carriers}" meta nfproto ipv6 ip6 saddr != fe80::/10 drop
    ${sites.length > 0 ? `iifname "${carriers}" ip saddr @remotes accept` : ''}
    iifname "${carriers}" ${isCarriedMark} accept
    iifname "${carriers}" ip saddr != @clients drop
    ${elsewhere} ip saddr @clients drop
    ${sites.length > 0 ? `${elsewhere} ip saddr @remotes drop` : ''}
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
${sites.map(siteRules(carriers)).join('')}    iifname "${carriers}" jump fromclients
    oifname "${carriers}" jump toclients
    iifname @opened meta nfproto ipv4 drop
  }
  chain fromclients {
    meta nfproto ipv6 drop
    oifname "${carriers}" ${plan.clientToClient ? 'accept' : 'drop'}
    ct state established,related accept
    ${beyond}
    ${plan.internet ? '' : 'drop'}
  }
  chain toclients {
    meta nfproto ipv6 drop
    ct state established,related accept
    ${plan.forwarding === 'masquerade' ? '' : 'ip daddr @clients accept'}
    drop
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${carriers}" jump togateway
    ${dnsOutside}
  }
  chain togateway {
    ct state established,related accept
    ${isCarriedMark} ip saddr != @clients ${sites.length > 0 ? 'ip saddr != @remotes ' : ''}accept
    icmp type { echo-request, destination-unreachable } accept
    ip daddr ${gatewayAddress} meta l4proto { tcp, udp } th dport 53 accept
    ${plan.gatewayServices ? 'meta nfproto ipv4 accept' : ''}
    drop
  }
${plan.forwarding === 'masquerade' ? masquerade(carriers) : ''}}
`
}

const list = (networks: readonly string[]) => `{ ${networks.join(', ')} }`

/** The networks behind sites: what comes with such a source, and not out of a tunnel, is forged. */
function siteSets(sites: NonNullable<GatewayPlan['sites']>): string {
  if (sites.length === 0) return ''
  const remotes = sites.flatMap(({ remote }) => remote)
  return `  set remotes { type ipv4_addr; flags interval; auto-merge; elements = ${list(remotes)} }\n`
}

const siteRules =
  (carriers: string) =>
  ({ local, remote }: NonNullable<GatewayPlan['sites']>[number]): string =>
    `    iifname "${carriers}" ip saddr ${list(remote)} ip daddr ${list(local)} accept
    oifname "${carriers}" ip saddr ${list(local)} ip daddr ${list(remote)} accept
`

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
