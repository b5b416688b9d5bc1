// The registry of LCP's options (IANA): what we negotiate, and what we refuse by name.
import type { AuthKind } from '../../auth/contract.ts'
import { concat } from '../../wire/codec.ts'
import type { Option } from './control.ts'
import { numberOf, type OptionKind, option } from './option.ts'
import { PROTOCOL, protocolName } from './protocols.ts'

export const LCP_OPTIONS = {
  mru: { type: 1, name: 'Maximum-Receive-Unit', source: 'RFC 1661 §6.1', octets: 2 },
  accm: { type: 2, name: 'Async-Control-Character-Map', source: 'RFC 1662 §7.1', octets: 4 },
  authentication: { type: 3, name: 'Authentication-Protocol', source: 'RFC 1661 §6.2', octets: undefined },
  quality: { type: 4, name: 'Quality-Protocol', source: 'RFC 1661 §6.3', octets: undefined },
  magic: { type: 5, name: 'Magic-Number', source: 'RFC 1661 §6.4', octets: 4 },
  pfc: { type: 7, name: 'Protocol-Field-Compression', source: 'RFC 1661 §6.5', octets: 0 },
  acfc: { type: 8, name: 'Address-and-Control-Field-Compression', source: 'RFC 1661 §6.6', octets: 0 },
  fcs: { type: 9, name: 'FCS-Alternatives', source: 'RFC 1570 §3.1', octets: 1 },
  padding: { type: 10, name: 'Self-Describing-Padding', source: 'RFC 1570 §3.2', octets: 1 },
  callback: { type: 13, name: 'Callback', source: 'RFC 1570 §3.3', octets: undefined },
  compound: { type: 15, name: 'Compound-Frames', source: 'RFC 1570 §3.4', octets: 0 },
  mrru: { type: 17, name: 'Multilink-Maximum-Received-Reconstructed-Unit', source: 'RFC 1990 §5.1.1', octets: 2 },
  shortSequence: { type: 18, name: 'Short-Sequence-Number', source: 'RFC 1990 §5.1.2', octets: 0 },
  endpoint: { type: 19, name: 'Endpoint-Discriminator', source: 'RFC 1990 §5.1.3', octets: undefined },
  linkDiscriminator: { type: 23, name: 'Link-Discriminator', source: 'RFC 2125 §4', octets: 2 },
} as const satisfies Record<string, OptionKind>

/** Algorithms of CHAP in the Authentication-Protocol option (RFC 1994 §3, RFC 2433 §3, RFC 2759 §3). */
const ALGORITHMS = { chap: 5, mschap: 0x80, mschapv2: 0x81 } as const

export function authenticationOption(kind: AuthKind): Option {
  const protocol = kind === 'pap' ? PROTOCOL.pap : PROTOCOL.chap
  const numbers = Uint8Array.of(protocol >>> 8, protocol & 0xff)
  const data = kind === 'pap' ? numbers : concat(numbers, Uint8Array.of(ALGORITHMS[kind]))
  return option(LCP_OPTIONS.authentication, data)
}

/** Which of our kinds an Authentication-Protocol option names; undefined for any other (EAP, SPAP …). */
export function authenticationKind(found: Option): AuthKind | undefined {
  const { data } = found
  if (data.length < 2) return undefined
  const protocol = (data[0]! << 8) | data[1]!
  if (protocol === PROTOCOL.pap) return data.length === 2 ? 'pap' : undefined
  if (protocol !== PROTOCOL.chap || data.length !== 3) return undefined
  return (['chap', 'mschap', 'mschapv2'] as const).find((kind) => ALGORITHMS[kind] === data[2])
}

/** The protocol that it names, in words: for kinds that we don't speak. */
export function authenticationName(found: Option): string {
  const { data } = found
  if (data.length < 2) return 'nothing'
  const protocol = numberOf({ type: found.type, data: data.subarray(0, 2) })
  const algorithm = protocol === PROTOCOL.chap && data.length > 2 ? ` algorithm ${data[2]}` : ''
  return `${protocolName(protocol)}${algorithm}`
}
