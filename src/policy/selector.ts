// Which packets are meant: the addresses, protocol and ports of a filter, of an SA's traffic, of a phase 2 identity. IPv4, one port or all,
// because that is what a phase 2 identity can carry (RFC 2407 §4.6.2).
import { hostNetwork, type Network, networkHolds, networkMeet, showNetwork } from '../wire/network.ts'

/** Seen from here: `source` is where packets come from that the selector means. */
export type Selector = {
  readonly source: Network
  readonly destination: Network
  /** IANA protocol number; 0: any. */
  readonly protocol: number
  /** 0: any. Anything else only with TCP or UDP. */
  readonly sourcePort: number
  readonly destinationPort: number
}

/** What is known of a packet before it is decided on. Ports are 0 where its protocol has none. */
export type Packet = {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
}

/** IANA numbers; the names are those that netsh, ipseccmd and nftables share. */
export const protocolNames: ReadonlyMap<number, string> = new Map([
  [1, 'icmp'],
  [6, 'tcp'],
  [17, 'udp'],
  [50, 'esp'],
  [51, 'ah'],
])

const withPorts = [6, 17]

/** Whether packets of the protocol (or of a selector for it) carry ports. */
export function hasPorts(protocol: number): boolean {
  return withPorts.includes(protocol)
}

/** The selector of one packet alone. */
export function selectorOf(packet: Packet): Selector | undefined {
  const source = hostNetwork(packet.source)
  const destination = hostNetwork(packet.destination)
  return source && destination && { ...packet, source, destination }
}

function holdsNumber(outer: number, inner: number): boolean {
  return outer === 0 || outer === inner
}

/** Whether every packet that `inner` means is one that `outer` means. */
export function selectorHolds(outer: Selector, inner: Selector): boolean {
  return (
    networkHolds(outer.source, inner.source) &&
    networkHolds(outer.destination, inner.destination) &&
    holdsNumber(outer.protocol, inner.protocol) &&
    holdsNumber(outer.sourcePort, inner.sourcePort) &&
    holdsNumber(outer.destinationPort, inner.destinationPort)
  )
}

/** Whether the packet is meant. IPv6 never is. */
export function meets(selector: Selector, packet: Packet): boolean {
  const one = selectorOf(packet)
  return one !== undefined && selectorHolds(selector, one)
}

/** The packets that both mean; undefined where there are none. What narrowing comes to. */
export function selectorMeet(a: Selector, b: Selector): Selector | undefined {
  const source = networkMeet(a.source, b.source)
  const destination = networkMeet(a.destination, b.destination)
  const numbers = [
    meetNumber(a.protocol, b.protocol),
    meetNumber(a.sourcePort, b.sourcePort),
    meetNumber(a.destinationPort, b.destinationPort),
  ] as const
  const [protocol, sourcePort, destinationPort] = numbers
  if (!source || !destination || protocol === undefined || sourcePort === undefined || destinationPort === undefined)
    return undefined
  return { source, destination, protocol, sourcePort, destinationPort }
}

function meetNumber(a: number, b: number): number | undefined {
  if (a === 0 || a === b) return b
  return b === 0 ? a : undefined
}

/** The same packets on their way back. */
export function mirrored(selector: Selector): Selector {
  return {
    source: selector.destination,
    destination: selector.source,
    protocol: selector.protocol,
    sourcePort: selector.destinationPort,
    destinationPort: selector.sourcePort,
  }
}

export function sameSelector(a: Selector, b: Selector): boolean {
  return selectorHolds(a, b) && selectorHolds(b, a)
}

export function showProtocol(protocol: number): string {
  return protocol === 0 ? 'any' : (protocolNames.get(protocol) ?? String(protocol))
}

/** `10.1.0.0/16 -> 10.2.0.0/16`, `any:1701 -> 192.0.2.1 udp`. */
export function showSelector(selector: Selector): string {
  const side = (network: Network, port: number) => `${showSide(network)}${port === 0 ? '' : `:${port}`}`
  const protocol = selector.protocol === 0 ? '' : ` ${showProtocol(selector.protocol)}`
  return `${side(selector.source, selector.sourcePort)} -> ${side(selector.destination, selector.destinationPort)}${protocol}`
}

function showSide(network: Network): string {
  if (network.prefix === 0) return 'any'
  return network.prefix === 32 ? network.address : showNetwork(network)
}
