// The registry of IPCP's options (RFC 1332, RFC 1877).
import { ipv4Octets, ipv4Text } from '../../wire/address.ts'
import type { Option } from './control.ts'
import { type OptionKind, option } from './option.ts'

export const IPCP_OPTIONS = {
  addresses: { type: 1, name: 'IP-Addresses', source: 'RFC 1332 §3.1', octets: 8 },
  compression: { type: 2, name: 'IP-Compression-Protocol', source: 'RFC 1332 §3.2', octets: undefined },
  address: { type: 3, name: 'IP-Address', source: 'RFC 1332 §3.3', octets: 4 },
  mobile: { type: 4, name: 'Mobile-IPv4', source: 'RFC 2290 §2.1', octets: 4 },
  dns1: { type: 129, name: 'Primary-DNS-Address', source: 'RFC 1877 §1.1', octets: 4 },
  nbns1: { type: 130, name: 'Primary-NBNS-Address', source: 'RFC 1877 §1.2', octets: 4 },
  dns2: { type: 131, name: 'Secondary-DNS-Address', source: 'RFC 1877 §1.3', octets: 4 },
  nbns2: { type: 132, name: 'Secondary-NBNS-Address', source: 'RFC 1877 §1.4', octets: 4 },
} as const satisfies Record<string, OptionKind>

/** `address` is dotted text. */
export function addressOption(kind: OptionKind, address: string): Option {
  return option(kind, ipv4Octets(address)!)
}

/** The address as text, or undefined where the option hasn't four octets. */
export function addressOf(found: Option): string | undefined {
  return found.data.length === 4 ? ipv4Text(found.data) : undefined
}
