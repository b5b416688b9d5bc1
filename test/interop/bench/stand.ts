// Two gateways on the same kernel, side by side: the kernel data plane in one guest, strongSwan, xl2tpd and pppd in another that is its twin, and a client for
// each. Both sessions are up at once, so that each figure of the one is taken seconds from the other's.

import { rulesetOf, withoutTable } from '../../../src/platform/linux/ruleset.ts'
import type { Client } from '../lab/client.ts'
import { foreignPool, serve } from '../lab/foreign-server.ts'
import { Gateway } from '../lab/gateway.ts'
import { type GuestHost, openGuestHost } from '../lab/gateway-host.ts'
import type { Lab } from '../lab/lab.ts'
import { addresses, direct, gatewayPlugs } from '../lab/network.ts'
import { dial, generous, psk, users } from '../settings.ts'

export const sides = ['ours', 'theirs'] as const
export type Side = (typeof sides)[number]

export type Lane = {
  readonly side: Side
  readonly server: GuestHost
  readonly client: Client
  /** The server's address outside and inside, and its client's. */
  readonly outside: string
  readonly inside: string
  readonly from: string
}

export type Stand = { readonly lab: Lab; readonly lanes: Readonly<Record<Side, Lane>> }

const twin = { outside: '192.0.2.2', inside: '10.1.0.3' } as const
const clients = { ours: 11, theirs: 12 } as const

/** Boots four guests; no server runs yet, both forward. */
export async function openStand(lab: Lab): Promise<Stand> {
  const { lease, network } = lab
  const place = {
    name: 'twin',
    outside: { ...gatewayPlugs.outside, address: `${twin.outside}/24` },
    inside: { ...gatewayPlugs.inside, address: `${twin.inside}/24` },
  }
  const [host, other, mine, theirs] = await Promise.all([
    openGuestHost(lease, network, 'kernel'),
    openGuestHost(lease, network, 'kernel', place),
    lab.client('mine', 'strongswan', clients.ours),
    lab.client('theirs', 'strongswan', clients.theirs),
  ])
  const lanes = {
    ours: laneOf('ours', host, mine, addresses.gateway, addresses.gatewayInside),
    theirs: laneOf('theirs', other, theirs, twin.outside, twin.inside),
  }
  for (const { server, client } of [lanes.ours, lanes.theirs]) {
    await server.guest.must('sysctl -qw net.ipv4.ip_forward=1')
    await client.guest.must(hasty)
  }
  // Each client's packets go back the way that they came.
  await network.mustExec(lab.inside.place, ['sh', '-c', `${hasty}\n${routesBack}`])
  return { lab, lanes }
}

// The lab waits long before it sends a segment again, to count losses; here that would be the noise.
const hasty = 'sysctl -qw net.ipv4.tcp_early_retrans=3'
const routesBack = `set -e
ip route replace default via ${addresses.gatewayInside}
ip route add 10.98.0.0/24 via ${twin.inside}
ip route add ${direct(clients.theirs).address.split('/')[0]}/32 via ${twin.inside}`

function laneOf(side: Side, server: GuestHost, client: Client, outside: string, inside: string): Lane {
  return { side, server, client, outside, inside, from: direct(clients[side]).address.split('/')[0] as string }
}

/** Starts both servers; what they take is the same. Nothing is translated on either. */
export async function startServers({ lanes }: Stand, proposals: readonly string[]): Promise<Gateway> {
  const settings = { ...generous, dataplane: 'kernel', more: { forwarding: 'route' } } as const
  const gateway = await Gateway.start(lanes.ours.server, settings)
  const { ike } = dial('alice')
  await serve(lanes.theirs.server.guest, {
    psk,
    users,
    require: 'require-mschap-v2',
    ike,
    esp: proposals.join(','),
  })
  return gateway
}

/** Brings the lane's session up, and what lies behind the server is reached through it. Answers the seconds it took. */
export async function logIn({ client, outside }: Lane, esp: string): Promise<number> {
  const attempt = await client.attempt(dial('alice', { server: outside, esp }))
  if (attempt.is !== 'up')
    throw new Error(`${client.name} did not get in (${attempt.stage}, ${attempt.seconds} s):\n${attempt.said}`)
  const { iface, address } = attempt.session
  await client.guest.must(`ip route replace 10.1.0.0/24 dev ${iface} src ${address}`)
  return attempt.seconds
}

/** What both ends say that a packet of the session may be, and how the client's packets reach the server. */
export async function mtus({ client, server }: Lane): Promise<string> {
  const told = 'ip -o link show type ppp | sed "s/.*mtu \\([0-9]*\\).*/\\1/"'
  return `${await client.guest.must(told)} and ${await server.guest.must(told)}`
}

/** The client reaches the inside through the server in clear. */
export async function inClear({ client, outside }: Lane): Promise<void> {
  await client.guest.must(`ip route replace ${addresses.inside} via ${outside}`)
}

export async function noMoreInClear({ client, outside }: Lane): Promise<void> {
  await client.guest.must(`ip route del ${addresses.inside} via ${outside}`)
}

/** The filter that our gateway puts around its clients, for the other's: who sends from elsewhere, to another client or to the server itself is dropped. */
const theirFilter = rulesetOf(
  {
    device: 'gatehouse0',
    devicePrefix: 'ppp',
    gatewayAddress: foreignPool.gateway,
    clients: [{ first: foreignPool.first, last: foreignPool.last }],
    clientNetworks: [],
    forwarding: 'route',
    internet: true,
    localNetworks: [],
    clientToClient: false,
    gatewayServices: false,
  },
  [],
)
const filtered = new WeakMap<Stand, boolean>()

/** Gives strongSwan's server our filter, or takes it away. */
export async function filter(stand: Stand, wanted: boolean): Promise<void> {
  if ((filtered.get(stand) ?? false) === wanted) return
  const { guest } = stand.lanes.theirs.server
  const text = wanted ? theirFilter : withoutTable('gatehouse')
  await guest.must(`nft -f ${guest.put('filter.nft', text)}`)
  filtered.set(stand, wanted)
}
