// A UDP datagram in an IPv4 packet (RFC 791, RFC 768), whole: what DHCPINFORM comes in and its answer goes out in. Checksums are checked and made.

import type { Endpoint } from '../../wire/address.ts'
import { ipv4Octets, ipv4Text } from '../../wire/address.ts'
import { Reader, Writer } from '../../wire/codec.ts'

export type Datagram = { readonly from: Endpoint; readonly to: Endpoint; readonly payload: Uint8Array }

const udp = 17
const headerOctets = 20
const timeToLive = 64

/** Throws WireError; `payload` is a view. Fragments are refused: nothing that is due here is ever that long. */
export function parseDatagram(packet: Uint8Array): Datagram {
  const from = new Reader(packet)
  const first = from.u8('IP version')
  if (first >>> 4 !== 4) from.fail('IP version', `is ${first >>> 4}, not 4`)
  const header = (first & 0x0f) * 4
  from.u8('type of service')
  const total = from.u16('total length')
  if (header < headerOctets) from.fail('header length', `${header} octets are too short`)
  if (total < header + 8 || total > packet.length)
    from.fail('total length', `${total} octets do not fit ${packet.length}`)
  from.u16('identification')
  if ((from.u16('fragment') & 0x3fff) !== 0) from.fail('fragment', 'is one')
  from.u8('time to live')
  if (from.u8('protocol') !== udp) from.fail('protocol', 'is not UDP')
  from.u16('header checksum')
  if (checksum(packet.subarray(0, header)) !== 0) from.fail('header checksum', 'is wrong')
  const source = from.take(4, 'source address')
  const destination = from.take(4, 'destination address')
  from.take(header - headerOctets, 'IP options')
  return parseUdp(from.within(total - header, 'UDP'), source, destination)
}

function parseUdp(from: Reader, source: Uint8Array, destination: Uint8Array): Datagram {
  const sourcePort = from.u16('source port')
  const destinationPort = from.u16('destination port')
  const length = from.u16('UDP length')
  if (length < 8 || length > from.octets.length)
    from.fail('UDP length', `${length} octets do not fit ${from.octets.length}`)
  const sum = from.u16('UDP checksum')
  const datagram = from.octets.subarray(0, length)
  if (sum !== 0 && checksum(pseudoHeader(source, destination, length), datagram) !== 0)
    from.fail('UDP checksum', 'is wrong')
  return {
    from: { address: ipv4Text(source), port: sourcePort },
    to: { address: ipv4Text(destination), port: destinationPort },
    payload: from.take(length - 8, 'UDP payload'),
  }
}

/** Both addresses are IPv4 in dotted text. */
export function emitDatagram({ from, to, payload }: Datagram): Uint8Array {
  const source = ipv4Octets(from.address)
  const destination = ipv4Octets(to.address)
  if (!source || !destination) throw new TypeError(`${from.address} or ${to.address} is no IPv4 address`)
  const length = 8 + payload.length
  const octets = new Writer()
    .u16(0x4500)
    .u16(headerOctets + length)
    .u32(0)
    .u8(timeToLive)
    .u8(udp)
    .u16(0)
    .put(source)
    .put(destination)
    .u16(from.port)
    .u16(to.port)
    .u16(length)
    .u16(0)
    .put(payload)
    .done()
  const view = new DataView(octets.buffer)
  view.setUint16(10, checksum(octets.subarray(0, headerOctets)))
  const sum = checksum(pseudoHeader(source, destination, length), octets.subarray(headerOctets))
  view.setUint16(26, sum === 0 ? 0xffff : sum)
  return octets
}

function pseudoHeader(source: Uint8Array, destination: Uint8Array, length: number): Uint8Array {
  return new Writer().put(source).put(destination).u16(udp).u16(length).done()
}

/** The one's complement of the one's complement sum (RFC 1071); every part but the last has an even number of octets. 0 over a right whole. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0
  for (const part of parts) for (let i = 0; i < part.length; i++) sum += i % 2 === 0 ? part[i]! << 8 : part[i]!
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}
