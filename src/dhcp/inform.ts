// The answer to DHCPINFORM on a PPP link: IPCP gives a client its address and name servers, but only this gives it routes and a domain.
// One pure function, packet in and packet out. What Windows and Apple ask for is options 121, 249, 15 and 6.
import { ipv4Octets, ipv4Text } from '../wire/address.ts'
import { concat } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { emitDatagram, parseDatagram } from './wire/datagram.ts'
import { type DhcpMessage, emitDhcp, messageTypes, optionOctets, options, parseDhcp } from './wire/message.ts'

/** Addresses are dotted text; routes are networks in canonical form. */
export type InformSettings = {
  readonly client: string
  readonly server: string
  readonly dns: readonly string[]
  readonly nbns?: readonly string[]
  readonly domain: string | undefined
  readonly routes: readonly { readonly address: string; readonly prefix: number }[]
}

const serverPort = 67
const clientPort = 68
const request = 1
const reply = 2
/** Apple's server answers with Ethernet whatever the client put in; its clients and Windows take that. */
const ethernet = 1
/** Every client takes packets of the MRU that we let it ask for; one that says its own limit gets no more than that, and no less than RFC 2131 §2. */
const longestPacket = 1400
const leastLimit = 576
const overhead = 20 + 8
const headerOctets = 240

/** An IPv4 packet for `settings.client`, or undefined where none is due: not a DHCPINFORM, not this client's, or not readable. */
export function answerInform(packet: Uint8Array, settings: InformSettings): Uint8Array | undefined {
  try {
    const { to, payload } = parseDatagram(packet)
    if (to.port !== serverPort) return undefined
    const inform = parseDhcp(payload)
    return isOurs(inform, settings) ? acknowledge(inform, settings) : undefined
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

/** A client may leave ciaddr zero, but may not ask in another's name. */
function isOurs(inform: DhcpMessage, { client }: InformSettings): boolean {
  const type = inform.options.get(options.messageType)
  if (inform.op !== request || type?.length !== 1 || type[0] !== messageTypes.inform) return false
  const address = ipv4Text(inform.clientAddress)
  return address === '0.0.0.0' || address === client
}

/** DHCPACK (RFC 2131 §4.3.5): no lease time, yiaddr zero, sent to the client's address. */
function acknowledge(inform: DhcpMessage, settings: InformSettings): Uint8Array {
  const message: DhcpMessage = {
    ...inform,
    op: reply,
    hardwareType: ethernet,
    options: answers(inform, settings),
  }
  return emitDatagram({
    from: { address: settings.server, port: serverPort },
    to: { address: settings.client, port: clientPort },
    payload: emitDhcp(message),
  })
}

/** Type and server, and of what the client lists that which we have, in its order, as far as the message may be long. */
function answers(inform: DhcpMessage, settings: InformSettings): ReadonlyMap<number, Uint8Array> {
  const known = values(settings)
  const found = new Map<number, Uint8Array>([
    [options.messageType, Uint8Array.of(messageTypes.ack)],
    [options.serverIdentifier, addresses([settings.server])],
  ])
  let room = limit(inform) - overhead - headerOctets - 1
  for (const value of found.values()) room -= optionOctets(value)
  for (const code of inform.options.get(options.parameterRequestList) ?? known.keys()) {
    const value = known.get(code)
    if (!value || found.has(code) || optionOctets(value) > room) continue
    found.set(code, value)
    room -= optionOctets(value)
  }
  return found
}

/** Octets that the whole packet may have. */
function limit(inform: DhcpMessage): number {
  const said = inform.options.get(options.maximumMessageSize)
  if (said?.length !== 2) return longestPacket
  return Math.min(longestPacket, Math.max(leastLimit, (said[0]! << 8) | said[1]!))
}

function values({ client, dns, nbns = [], domain, routes }: InformSettings): ReadonlyMap<number, Uint8Array> {
  // The link has two ends and no network: the mask is that of a host.
  const known = new Map<number, Uint8Array>([[options.subnetMask, Uint8Array.of(255, 255, 255, 255)]])
  if (dns.length > 0) known.set(options.domainNameServer, addresses(dns))
  if (domain !== undefined) known.set(options.domainName, new TextEncoder().encode(domain))
  if (nbns.length > 0) known.set(options.netbiosNameServer, addresses(nbns))
  if (routes.length > 0) {
    known.set(options.classlessStaticRoute, classlessRoutes(routes, client))
    known.set(options.microsoftClasslessStaticRoute, classlessRoutes(routes, client))
  }
  return known
}

/** Prefix length, as many octets of the network as that touches, router (RFC 3442). The router is the client itself, as Apple's server says it: on the link. */
function classlessRoutes(routes: InformSettings['routes'], client: string): Uint8Array {
  const router = addresses([client])
  return concat(
    ...routes.flatMap(({ address, prefix }) => [
      Uint8Array.of(prefix),
      addresses([address]).subarray(0, Math.ceil(prefix / 8)),
      router,
    ]),
  )
}

/** IPv6 among them, which DHCP for IPv4 has no room for, is left out. */
function addresses(list: readonly string[]): Uint8Array {
  return concat(...list.flatMap((address) => ipv4Octets(address) ?? []))
}
