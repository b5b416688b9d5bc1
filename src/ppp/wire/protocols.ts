// Numbers of the protocols that PPP frames carry (RFC 1661 §2, IANA): number, name, source, once.

export const PROTOCOL = {
  ip: 0x0021,
  ipv6: 0x0057,
  ipcp: 0x8021,
  ipv6cp: 0x8057,
  lcp: 0xc021,
  pap: 0xc023,
  lqr: 0xc025,
  chap: 0xc223,
  eap: 0xc227,
} as const

const NAMES: ReadonlyMap<number, string> = new Map([
  [0x0021, 'IP'], // RFC 1332
  [0x002b, 'IPX'], // RFC 1552
  [0x002d, 'compressed TCP'], // RFC 1332
  [0x002f, 'uncompressed TCP'], // RFC 1332
  [0x003d, 'multilink'], // RFC 1990
  [0x0057, 'IPv6'], // RFC 5072
  [0x00fd, 'compressed data'], // RFC 1962
  [0x8021, 'IPCP'], // RFC 1332
  [0x8029, 'AppleTalk control'], // RFC 1378
  [0x802b, 'IPXCP'], // RFC 1552
  [0x803f, 'NetBIOS control'], // RFC 2097
  [0x8053, 'ECP'], // RFC 1968
  [0x8057, 'IPV6CP'], // RFC 5072
  [0x8281, 'MPLS control'], // RFC 3032
  [0x80fd, 'CCP'], // RFC 1962
  [0x8235, 'ACSCP'], // Apple
  [0xc021, 'LCP'], // RFC 1661
  [0xc023, 'PAP'], // RFC 1334
  [0xc025, 'Link Quality Report'], // RFC 1989
  [0xc029, 'CBCP'], // Microsoft
  [0xc02b, 'BACP'], // RFC 2125
  [0xc02d, 'BAP'], // RFC 2125
  [0xc223, 'CHAP'], // RFC 1994
  [0xc227, 'EAP'], // RFC 3748
])

/** The protocol's name, or its number (`0x8235`). */
export function protocolName(protocol: number): string {
  return NAMES.get(protocol) ?? `0x${protocol.toString(16).padStart(4, '0')}`
}
