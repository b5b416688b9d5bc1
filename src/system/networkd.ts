// WAN and LAN as systemd-networkd's files. Resolvers are not networkd's: without systemd-resolved it only notes what DHCP says, and
// `resolvers` of the image makes resolv.conf of it.
import type { InterfaceAddress, LanEntry, WanEntry } from '../config/configuration.ts'
import { ipv4Number } from '../wire/address.ts'
import { ini, made, type SystemFile } from './file.ts'

const folder = '/etc/systemd/network'

/** The interface that PPPoE brings; pppd is told this name. */
export const pppDevice = 'wan-ppp'
/** The bridge over the LAN's ports, where there are several. */
const bridge = 'lan'

/** The interface that carries the WAN's packets: the port, or what PPPoE makes of it. */
export function wanDevice(wan: WanEntry): string {
  return wan.is === 'pppoe' ? pppDevice : wan.port
}

/** The LAN's interface: its one port, or the bridge over several. */
export function lanDevice(lan: LanEntry): string {
  return lan.ports.length > 1 ? bridge : lan.ports[0]!
}

export function networkFiles(wan: WanEntry | undefined, lan: LanEntry | undefined): SystemFile[] {
  const bridged = lan !== undefined && lan.ports.length > 1
  const file = (name: string, text: string | undefined) => made('network', `${folder}/50-gatehouse-${name}`, text)
  return [
    file('wan.network', wan && wanNetwork(wan)),
    file('lan.netdev', bridged ? ini([['NetDev', { Name: bridge, Kind: 'bridge' }], bridgeSection]) : undefined),
    file('lan-ports.network', bridged ? lanPorts(lan) : undefined),
    file('lan.network', lan && lanNetwork(lan)),
  ]
}

/** One box with one way in: spanning tree would only hold each port back for half a minute. */
const bridgeSection: [string, Record<string, string>] = ['Bridge', { STP: 'no' }]

function wanNetwork(wan: WanEntry): string {
  const match: [string, Record<string, string>] = ['Match', { Name: wan.port }]
  const quiet = { LLMNR: 'no', MulticastDNS: 'no', LLDP: 'no', EmitLLDP: 'no' }
  switch (wan.is) {
    case 'dhcp': {
      const ours = wan.dns.length > 0 ? 'no' : 'yes'
      return ini([
        match,
        ['Network', { DHCP: 'yes', IPv6AcceptRA: 'yes', DNS: wan.dns, ...quiet }],
        // A lease from the provider may name neither our host name nor our clock's servers.
        ['DHCPv4', { UseDNS: ours, UseHostname: 'no', UseNTP: 'no', UseTimezone: 'no', SendHostname: 'no' }],
        ['DHCPv6', { UseDNS: ours, UseHostname: 'no', UseNTP: 'no' }],
        ['IPv6AcceptRA', { UseDNS: ours }],
      ])
    }
    case 'static':
      return ini([
        match,
        ['Network', { Address: show(wan.address), Gateway: wan.gateway, DNS: wan.dns, IPv6AcceptRA: 'no', ...quiet }],
      ])
    case 'pppoe':
      // Up, with no address of any kind: only pppd speaks here.
      return ini([
        match,
        ['Link', { RequiredForOnline: 'no' }],
        ['Network', { LinkLocalAddressing: 'no', IPv6AcceptRA: 'no', ...quiet }],
      ])
  }
}

function lanPorts({ ports }: LanEntry): string {
  return ini([
    ['Match', { Name: ports.join(' ') }],
    ['Link', { RequiredForOnline: 'no' }],
    ['Network', { Bridge: bridge, LinkLocalAddressing: 'no' }],
  ])
}

function lanNetwork(lan: LanEntry): string {
  const sections: [string, Record<string, string | number>][] = [
    ['Match', { Name: lanDevice(lan) }],
    // A LAN without a cable is no reason to wait at start.
    ['Link', { RequiredForOnline: 'no' }],
    [
      'Network',
      {
        Address: show(lan.address),
        ConfigureWithoutCarrier: 'yes',
        LinkLocalAddressing: 'no',
        IPv6AcceptRA: 'no',
        IPForward: 'ipv4',
        DHCPServer: lan.dhcpServer ? 'yes' : 'no',
      },
    ],
  ]
  if (lan.dhcpServer) {
    const { first, last } = lan.dhcpServer
    const network = maskedNumber(lan.address)
    // The board answers DNS on the LAN itself.
    const server = { PoolOffset: first - network, PoolSize: last - first + 1, DNS: lan.address.address }
    sections.push(['DHCPServer', { ...server, EmitDNS: 'yes', EmitRouter: 'yes', EmitNTP: 'no', EmitTimezone: 'no' }])
  }
  return ini(sections)
}

function maskedNumber({ address, prefix }: InterfaceAddress): number {
  const number = ipv4Number(address)!
  return number - (number % 2 ** (32 - prefix))
}

function show({ address, prefix }: InterfaceAddress): string {
  return `${address}/${prefix}`
}
