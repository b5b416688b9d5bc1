// The nftables table that puts an IPsec policy in force, as text. It only drops: what passes here still meets everybody else's tables.
//
// - `out` sees what the machine sends and forwards, `in` what comes to it and what it forwards; each filter is a rule, the first that fits ends the chain.
// - Protected is what has an SA: on the kernel's plane `rt ipsec` and `meta ipsec` tell, on the userland plane the TUN device, behind which there is nothing but SAs.
// - What the kernel plane took out of a remote access SA carries its mark (0x67……) and ports that the plane has put in: it was judged there.
// - `steer` marks what the machine sends and a rule of the userland plane wants protected, for the way to the TUN device; `arrived` marks what comes out of SAs for
//   such rules: the gateway's own table lets that in, and the reverse path is asked for with the mark. The output hook names the way from before the mark, so
//   `leaving` sees to it that nothing marked leaves by another way.
// - On the kernel plane XFRM's policies hold what a rule carries, which to `output` looks like what leaves in clear: `leaving` sees it once it is sealed, or is not.
// - `clearN` holds the peers that a soft association lets through, with its time; `wantedN` remembers whom a dropped packet was for.
import type { PolicyFilter, PolicyPlan } from '../packet-policy.ts'

/** The table that belongs to a device. */
export function policyTableOf(device: string): string {
  return device === 'gatehouse0' ? 'gatehouse_policy' : `gatehouse_policy_${device.replaceAll('-', '_')}`
}

/** How long it is remembered that a peer was wanted, in seconds, and of how many peers. */
const remembered = { seconds: 30, peers: 4096 } as const

export function policyRuleset(plan: PolicyPlan): string {
  const table = policyTableOf(plan.device)
  const soft = plan.filters.flatMap((filter) => filter.soft ?? [])
  const sets = [...new Set(soft)].flatMap((number) => [
    `  set clear${number} { type ipv4_addr; flags timeout; size ${remembered.peers}; }`,
    `  set wanted${number} { type ipv4_addr; flags dynamic,timeout; timeout ${remembered.seconds}s; size ${remembered.peers}; }`,
  ])
  return `${withoutPolicyTable(table)}table inet ${table} {
${sets.join('\n')}
  chain out {
${plan.filters.flatMap((filter) => outgoing(filter, plan)).join('\n')}
  }
  chain in {
${plan.filters.flatMap((filter) => incoming(filter, plan)).join('\n')}
  }
${steers(plan) ? steering(plan) : ''}${plan.plane === 'kernel' ? guard(plan) : ''}  chain output {
    type filter hook output priority filter; policy accept;
    oifname "lo" accept
    jump out
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "lo" accept
    meta mark & 0xff000000 == 0x67000000 meta ipsec exists accept
    jump in
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    jump in
    jump out
  }
}
`
}

/** Of packets for and from carriers, in the first octet; the rest tells devices apart. Also the number of the routing table. */
const carriedMark = 0x68

/** nftables' words for any such packet. */
export const isCarriedMark = `meta mark & 0xff000000 == 0x${carriedMark.toString(16)}000000`

export function markOf(device: string): string {
  const hash = [...device].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 0xfffffd, 7)
  return `0x${(carriedMark * 0x100_0000 + hash).toString(16)}`
}

/** Whether packets have to find their way to the device. */
export function steers({ filters, plane }: PolicyPlan): boolean {
  return plane === 'userland' && filters.some(({ carried }) => carried)
}

function steering(plan: PolicyPlan): string {
  const mark = `meta mark set ${markOf(plan.device)}`
  const out = plan.filters.flatMap((filter) => {
    if (filter.direction === 'in') return []
    const match = `    ${matchOf(filter, 'out').replace('CARRIERS', `"${plan.carriers}"`)}`
    if (!filter.carried) return [`${match} return`]
    return [
      ...(filter.soft === undefined ? [] : [`${match} ip daddr @clear${filter.soft} return`]),
      `${match} ${mark} return`,
    ]
  })
  const arrived = plan.filters
    .filter(({ carried }) => carried)
    .map(
      ({ source, destination }) =>
        `    iifname "${plan.device}" ${[addressed('saddr', destination), addressed('daddr', source)].join('')}${mark}`,
    )
  return `  chain steer {
    type route hook output priority mangle; policy accept;
    oifname "lo" accept
${out.join('\n')}
  }
  chain arrived {
    type filter hook prerouting priority -310; policy accept;
${[...new Set(arrived)].join('\n')}
  }
  chain leaving {
    type filter hook postrouting priority filter; policy accept;
    meta mark ${markOf(plan.device)} oifname != "${plan.device}" counter drop
  }
`
}

/** Behind the queue of XFRM: what a rule carries has its SA here. What IPsec itself is made of is exempt, as everywhere. */
function guard(plan: PolicyPlan): string {
  if (!plan.filters.some(({ carried }) => carried)) return ''
  const rules = plan.filters.flatMap((filter) => {
    if (filter.direction === 'in') return []
    const match = `    ${matchOf(filter, 'out').replace('CARRIERS', `"${plan.carriers}"`)}`
    return filter.carried ? [`${match} rt ipsec exists return`, `${match} counter drop`] : [`${match} return`]
  })
  return `  chain leaving {
    type filter hook postrouting priority filter; policy accept;
    oifname "lo" accept
${rules.join('\n')}
  }
`
}

/** Text for `nft -f -` that leaves no such table, whether there was one or not. */
export function withoutPolicyTable(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`
}

function matchOf(filter: PolicyFilter, way: string): string {
  const { source, destination, protocol, sourcePort, destinationPort, connection } = filter
  return [
    // A packet is somebody else's where neither end is ours: transport mode doesn't mean it.
    filter.action === 'protect' && !filter.forwarded
      ? way === 'out'
        ? 'fib saddr type local'
        : 'fib daddr type local'
      : '',
    addressed('saddr', source).trim(),
    addressed('daddr', destination).trim(),
    source === '0.0.0.0/0' && destination === '0.0.0.0/0' ? 'meta nfproto ipv4' : '',
    protocol === 0 ? '' : `meta l4proto ${protocol}`,
    sourcePort === 0 ? '' : `th sport ${sourcePort}`,
    destinationPort === 0 ? '' : `th dport ${destinationPort}`,
    connection === 'all' ? '' : `${way === 'out' ? 'oifname' : 'iifname'} ${connection === 'lan' ? '!= ' : ''}CARRIERS`,
  ]
    .filter((part) => part !== '')
    .join(' ')
}

const addressed = (what: string, network: string) => (network === '0.0.0.0/0' ? '' : `ip ${what} ${network} `)

function outgoing(filter: PolicyFilter, plan: PolicyPlan): string[] {
  if (filter.direction === 'in') return []
  const match = `    ${matchOf(filter, 'out').replace('CARRIERS', `"${plan.carriers}"`)}`
  if (filter.action !== 'protect') return [`${match} ${verdict(filter)}`]
  // XFRM's policy holds it, and `leaving` sees what becomes of it.
  if (filter.carried && plan.plane === 'kernel') return [`${match} return`]
  const sealed = plan.plane === 'kernel' ? 'rt ipsec exists' : `oifname "${plan.device}"`
  const { soft } = filter
  return [
    `${match} ${sealed} return`,
    // Through a tunnel: what waits for its SA waits on the way to the device.
    ...(filter.forwarded && plan.plane === 'kernel' ? [`${match} oifname "${plan.device}" return`] : []),
    ...(filter.carried ? [`${match} meta mark ${markOf(plan.device)} return`] : []),
    ...(soft === undefined
      ? []
      : [`${match} ip daddr @clear${soft} return`, `${match} update @wanted${soft} { ip daddr }`]),
    `${match} counter drop`,
  ]
}

function incoming(filter: PolicyFilter, plan: PolicyPlan): string[] {
  if (filter.direction === 'out') return []
  const match = `    ${matchOf(filter, 'in').replace('CARRIERS', `"${plan.carriers}"`)}`
  if (filter.action !== 'protect') return [`${match} ${verdict(filter)}`]
  if (filter.acceptUnsecured) return [`${match} return`]
  const opened = plan.plane === 'kernel' ? 'meta ipsec exists' : `iifname "${plan.device}"`
  const { soft } = filter
  return [
    `${match} ${opened} return`,
    ...(soft === undefined ? [] : [`${match} ip saddr @clear${soft} return`]),
    `${match} counter drop`,
  ]
}

/** Return, not accept: in the forward chain the other direction is still to be asked. */
function verdict({ action }: PolicyFilter): string {
  return action === 'permit' ? 'return' : 'counter drop'
}
