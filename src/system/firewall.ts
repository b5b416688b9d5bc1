// The board's own firewall, a table apart from the gateway's: what comes in from outside is dropped unless a line here says otherwise.
//
// The gateway's table (`platform/linux/ruleset.ts`) decides what clients may do; this one lets their interfaces pass. A packet has to be
// accepted by both.
import type { Configuration, LanEntry } from '../config/configuration.ts'
import { made, type SystemFile } from './file.ts'
import { lanDevice, wanDevice } from './networkd.ts'
import { pppoeMtu } from './pppoe.ts'

export const table = 'gatehouse_system'

/** PPP interfaces of the kernel's data plane and what the gateway makes beside them begin so. */
const kernelPlanePrefixes = ['ghp', 'ghx']

/** RFC 4890 §4.3.1 and §4.4.1 (the host's own errors), §4.4.1 (neighbour discovery, hop limit 255), and ping both ways. */
const icmpv6Errors =
  'destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply'
const neighbourDiscovery = 'nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect'

export function firewallFiles(configuration: Configuration | undefined): SystemFile[] {
  return [made('firewall', '/etc/gatehouse/firewall.nft', configuration ? ruleset(configuration) : closedRuleset())]
}

/** What stands before there is a configuration, or where it is faulty: nothing comes in. */
export function closedRuleset(): string {
  return tableOf(`  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
`)
}

/** Replaces the table in one transaction: at no moment is there none. */
function tableOf(body: string): string {
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${body}}
`
}

export function ruleset(configuration: Configuration): string {
  const { system, device, ports } = configuration
  const wan = system?.wan && wanDevice(system.wan)
  const lan = system?.lan && lanDevice(system.lan)
  const clients = [device, ...kernelPlanePrefixes.map((prefix) => `${prefix}*`)]
  return tableOf(
    `${input(wan, lan, clients, ports, system?.wan?.is === 'dhcp')}${forward(wan, lan, clients)}${
      wan === undefined ? '' : translate(wan, system?.lan, system?.wan?.is === 'pppoe')
    }`,
  )
}

function input(
  wan: string | undefined,
  lan: string | undefined,
  clients: readonly string[],
  { ike, natt }: Configuration['ports'],
  dhcp: boolean,
): string {
  // Decapsulated by the kernel, L2TP comes in where its ESP came in; in clear, from anywhere, it is nobody's. The kernel data plane gives its data another port,
  // and what comes out of its SAs a mark (native/kernel/ruleset.cc).
  return `  chain input {
    type filter hook input priority filter; policy drop;
    udp dport 1701 meta secpath missing counter drop
    iifname "lo" accept
    ct state invalid drop
    ct state established,related accept
    udp dport 1701 accept
    meta mark & 0xff000000 == 0x67000000 meta secpath exists accept
${clients.map((name) => `    iifname "${name}" accept\n`).join('')}${
  lan === undefined ? '' : `    iifname "${lan}" jump from_lan\n`
}${wan === undefined ? '' : `    iifname "${wan}" jump from_wan\n`}    counter drop
  }
${
  wan === undefined
    ? ''
    : `  chain from_wan {
    icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } limit rate 100/second burst 50 packets accept
    icmpv6 type { ${neighbourDiscovery} } ip6 hoplimit 255 accept
    icmpv6 type { ${icmpv6Errors} } limit rate 100/second burst 50 packets accept
    udp dport { ${ike}, ${natt} } accept
    meta l4proto esp accept
    meta l4proto ipcomp meta secpath exists accept
${dhcp ? '    meta nfproto ipv4 udp sport 67 udp dport 68 accept\n    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept\n' : ''}  }
`
}${
  lan === undefined
    ? ''
    : `  chain from_lan {
    icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
    meta l4proto { tcp, udp } th dport 53 accept
    udp sport 68 udp dport 67 accept
    udp dport { ${ike}, ${natt} } accept
    meta l4proto esp accept
  }
`
}`
}

function forward(wan: string | undefined, lan: string | undefined, clients: readonly string[]): string {
  const pass = clients.map((name) => `    iifname "${name}" accept\n    oifname "${name}" accept\n`).join('')
  const out = lan === undefined || wan === undefined ? '' : `    iifname "${lan}" oifname "${wan}" accept\n`
  // A tunnel to another gateway is decapsulated by the kernel: what came through it carries the mark of its policy.
  const tunnels = lan === undefined ? '' : `    oifname "${lan}" meta secpath exists accept\n`
  return `  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    ct state established,related accept
${pass}${out}${tunnels}    counter drop
  }
`
}

/** What goes into a tunnel keeps its addresses; clients' packets are the gateway's to translate. */
function translate(wan: string, lan: LanEntry | undefined, pppoe: boolean): string {
  const most = pppoeMtu - 40
  const clamp = `tcp flags & (syn | rst) == syn tcp option maxseg size > ${most} tcp option maxseg size set ${most}`
  return `${
    lan
      ? `  chain translate {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${lan.address.address}/${lan.address.prefix} oifname "${wan}" rt ipsec missing masquerade
  }
`
      : ''
  }${
    pppoe
      ? `  chain clamp {
    type filter hook forward priority mangle; policy accept;
    oifname "${wan}" ${clamp}
    iifname "${wan}" ${clamp}
  }
`
      : ''
  }`
}
