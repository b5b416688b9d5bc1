// DHCP messages (RFC 2131 §2): the BOOTP header and the options behind the magic cookie, long ones split and joined as RFC 3396 has it.
import { concat, Reader, Writer } from '../../wire/codec.ts'

/** The options that are read or answered here; the registry of all is IANA's. */
export const options = {
  subnetMask: 1,
  domainNameServer: 6,
  domainName: 15,
  netbiosNameServer: 44,
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  parameterRequestList: 55,
  maximumMessageSize: 57,
  clientIdentifier: 61,
  /** RFC 3442. */
  classlessStaticRoute: 121,
  /** The same format under the number that Windows up to Vista asks for ([MS-DHCPE]). */
  microsoftClasslessStaticRoute: 249,
} as const

export const messageTypes = { ack: 5, inform: 8 } as const

export type DhcpMessage = {
  /** 1: request, 2: reply. */
  readonly op: number
  readonly hardwareType: number
  /** Significant octets of `hardwareAddress`, which is 16. */
  readonly hardwareLength: number
  readonly transaction: number
  readonly flags: number
  /** 4 octets: the client's own address. */
  readonly clientAddress: Uint8Array
  readonly gatewayAddress: Uint8Array
  readonly hardwareAddress: Uint8Array
  /** By number, in the order in which they stand; of split ones the whole value. */
  readonly options: ReadonlyMap<number, Uint8Array>
}

const magicCookie = 0x63825363
const pad = 0
const end = 255
/** BOOTP messages are no shorter (RFC 951 §3); old clients and relays drop what is. */
const shortest = 300

/** Throws WireError; octets are copies. */
export function parseDhcp(octets: Uint8Array): DhcpMessage {
  const from = new Reader(octets)
  const op = from.u8('op')
  const hardwareType = from.u8('htype')
  const hardwareLength = from.u8('hlen')
  if (hardwareLength > 16) from.fail('hlen', `${hardwareLength} octets do not fit 16`)
  from.u8('hops')
  const transaction = from.u32('xid')
  from.u16('secs')
  const flags = from.u16('flags')
  const clientAddress = from.take(4, 'ciaddr').slice()
  from.take(8, 'yiaddr and siaddr')
  const gatewayAddress = from.take(4, 'giaddr').slice()
  const hardwareAddress = from.take(16, 'chaddr').slice()
  const serverName = from.within(64, 'sname')
  const file = from.within(128, 'file')
  if (from.u32('magic cookie') !== magicCookie) from.fail('magic cookie', 'is not that of DHCP: this is plain BOOTP')
  const options = parseOptions(from, file, serverName)
  return {
    op,
    hardwareType,
    hardwareLength,
    transaction,
    flags,
    clientAddress,
    gatewayAddress,
    hardwareAddress,
    options,
  }
}

/** Options, and those in `file` and `sname` where the overload option says so (RFC 2131 §4.1). */
function parseOptions(from: Reader, file: Reader, serverName: Reader): ReadonlyMap<number, Uint8Array> {
  const parts = new Map<number, Uint8Array[]>()
  readOptions(from, parts)
  const overload = parts.get(options.overload)?.[0]?.[0] ?? 0
  if ((overload & 1) !== 0) readOptions(file, parts)
  if ((overload & 2) !== 0) readOptions(serverName, parts)
  return new Map([...parts].map(([code, values]) => [code, concat(...values)]))
}

function readOptions(from: Reader, parts: Map<number, Uint8Array[]>): void {
  while (from.remaining > 0) {
    const code = from.u8('option')
    if (code === pad) continue
    if (code === end) return
    const value = from.take(from.u8('option length'), `option ${code}`)
    const values = parts.get(code)
    if (values) values.push(value)
    else parts.set(code, [value])
  }
}

export function emitDhcp(message: DhcpMessage): Uint8Array {
  const to = new Writer()
    .u8(message.op)
    .u8(message.hardwareType)
    .u8(message.hardwareLength)
    .u8(0)
    .u32(message.transaction)
    .u16(0)
    .u16(message.flags)
    .put(message.clientAddress)
    .zeros(8)
    .put(message.gatewayAddress)
    .put(message.hardwareAddress)
    .zeros(64 + 128)
    .u32(magicCookie)
  for (const [code, value] of message.options) emitOption(to, code, value)
  to.u8(end)
  return to.zeros(Math.max(0, shortest - to.length)).done()
}

function emitOption(to: Writer, code: number, value: Uint8Array): void {
  for (let at = 0; at < value.length || at === 0; at += 255) {
    const part = value.subarray(at, at + 255)
    to.u8(code).u8(part.length).put(part)
  }
}

/** Octets that an option takes in a message. */
export function optionOctets(value: Uint8Array): number {
  return value.length + 2 * Math.max(1, Math.ceil(value.length / 255))
}
