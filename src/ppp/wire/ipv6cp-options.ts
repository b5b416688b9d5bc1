// The registry of IPV6CP's options (RFC 5072 §4, RFC 5172).
import type { OptionKind } from './option.ts'

export const IPV6CP_OPTIONS = {
  interfaceId: { type: 1, name: 'Interface-Identifier', source: 'RFC 5072 §4.1', octets: 8 },
  compression: { type: 2, name: 'IPv6-Compression-Protocol', source: 'RFC 5172 §2', octets: undefined },
} as const satisfies Record<string, OptionKind>
