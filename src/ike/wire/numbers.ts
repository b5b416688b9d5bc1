// One registry for each number space of ISAKMP, the IPSEC DOI and IKE. Numbers that are not here are values too, never errors.

/** Payload types (RFC 2408 §3.1, RFC 3947 §9; 15 and 16: draft-ietf-ipsec-nat-t-ike-00 as Apple sends it; 130 to 132: its later drafts and Microsoft). */
export const payloadType = {
  SA: 1,
  P: 2,
  T: 3,
  KE: 4,
  ID: 5,
  CERT: 6,
  CERTREQ: 7,
  HASH: 8,
  SIG: 9,
  NONCE: 10,
  N: 11,
  D: 12,
  VID: 13,
  ATTRIBUTES: 14,
  'NAT-D (Apple)': 15,
  'NAT-OA (Apple)': 16,
  'NAT-D': 20,
  'NAT-OA': 21,
  'NAT-D (draft)': 130,
  'NAT-OA (draft)': 131,
  FRAGMENT: 132,
} as const

/** Exchange types (RFC 2408 §3.1, RFC 2409 app. A; 243 is Microsoft's AuthIP). */
export const exchangeType = {
  base: 1,
  main: 2,
  'authentication only': 3,
  aggressive: 4,
  informational: 5,
  transaction: 6,
  quick: 32,
  'new group': 33,
  IKE_SA_INIT: 34,
  IKE_AUTH: 35,
  AuthIP: 243,
} as const

/** Domains of interpretation (RFC 2408 §3.4, RFC 2407 §4). */
export const doi = { ISAKMP: 0, IPSEC: 1 } as const

/** The situation that everybody uses (RFC 2407 §4.2.1). */
export const identityOnly = 1

/** Protocols (RFC 2407 §4.4.1). */
export const protocolId = { ISAKMP: 1, AH: 2, ESP: 3, IPCOMP: 4 } as const

/** The one transform of phase 1 (RFC 2407 §4.4.2). */
export const KEY_IKE = 1

/** Attributes of a phase 1 transform (RFC 2409 app. A). */
export const ikeAttribute = {
  'Encryption-Algorithm': 1,
  'Hash-Algorithm': 2,
  'Authentication-Method': 3,
  'Group-Description': 4,
  'Group-Type': 5,
  'Group-Prime': 6,
  'Group-Generator-One': 7,
  'Group-Generator-Two': 8,
  'Group-Curve-A': 9,
  'Group-Curve-B': 10,
  'Life-Type': 11,
  'Life-Duration': 12,
  PRF: 13,
  'Key-Length': 14,
  'Field-Size': 15,
  'Group-Order': 16,
} as const

/** Attributes of a phase 2 transform (RFC 2407 §4.5; 11: RFC 4304 §2). */
export const espAttribute = {
  'SA Life Type': 1,
  'SA Life Duration': 2,
  'Group Description': 3,
  'Encapsulation Mode': 4,
  'Authentication Algorithm': 5,
  'Key Length': 6,
  'Key Rounds': 7,
  'Compress Dictionary Size': 8,
  'Compress Private Algorithm': 9,
  'ECN Tunnel': 10,
  'Extended Sequence Number': 11,
} as const

/** Phase 1 encryption algorithms (RFC 2409 app. A, IANA), those that we don't have too, so that refusals can name them. */
export const ikeEncryption = {
  'DES-CBC': 1,
  'IDEA-CBC': 2,
  'Blowfish-CBC': 3,
  'RC5-CBC': 4,
  '3DES-CBC': 5,
  'CAST-CBC': 6,
  'AES-CBC': 7,
  'Camellia-CBC': 8,
} as const

export const ikeHash = { MD5: 1, SHA1: 2, Tiger: 3, 'SHA2-256': 4, 'SHA2-384': 5, 'SHA2-512': 6 } as const

/** Authentication methods (RFC 2409 app. A; 65001 and its row: XAUTH). */
export const authenticationMethod = {
  'pre-shared key': 1,
  'DSS signatures': 2,
  'RSA signatures': 3,
  'RSA encryption': 4,
  'revised RSA encryption': 5,
  'ECDSA with SHA2-256': 9,
  'ECDSA with SHA2-384': 10,
  'ECDSA with SHA2-512': 11,
  'XAUTH with pre-shared key': 65001,
  'XAUTH with RSA signatures': 65005,
} as const

/** Life types of phase 1 and phase 2, which have the same values (RFC 2409 app. A, RFC 2407 §4.5). */
export const lifeType = { seconds: 1, kilobytes: 2 } as const

/** Groups that we don't have, for sentences. */
export const groupDescription = {
  modp768: 1,
  modp1024: 2,
  ec2n155: 3,
  ec2n185: 4,
  modp1536: 5,
  modp2048: 14,
  modp3072: 15,
  modp4096: 16,
  modp6144: 17,
  modp8192: 18,
  ecp256: 19,
  ecp384: 20,
  ecp521: 21,
  'modp1024 with 160-bit subgroup': 22,
  'modp2048 with 224-bit subgroup': 23,
  'modp2048 with 256-bit subgroup': 24,
  ecp192: 25,
  ecp224: 26,
  x25519: 31,
} as const

/** ESP transforms (RFC 2407 §4.4.4, IANA). */
export const espTransform = {
  'DES with 64-bit IV': 1,
  DES: 2,
  '3DES': 3,
  RC5: 4,
  IDEA: 5,
  CAST: 6,
  Blowfish: 7,
  NULL: 11,
  'AES-CBC': 12,
  'AES-CTR': 13,
  'AES-CCM with 8-octet tag': 14,
  'AES-CCM with 12-octet tag': 15,
  'AES-CCM': 16,
  'AES-GCM with 8-octet tag': 18,
  'AES-GCM with 12-octet tag': 19,
  'AES-GCM': 20,
  Camellia: 22,
  'NULL with AES-GMAC': 23,
} as const

/** ESP authentication algorithms (RFC 2407 §4.5, IANA; 252: what Linux gateways use among themselves for SHA2-256 cut to 96 bits). */
export const espAuthentication = {
  MD5: 1,
  SHA1: 2,
  'DES-MAC': 3,
  KPDK: 4,
  'SHA2-256': 5,
  'SHA2-384': 6,
  'SHA2-512': 7,
  RIPEMD: 8,
  'AES-XCBC': 9,
  'SHA2-256 of 96 bits': 252,
} as const

/** Encapsulation modes (RFC 2407 §4.5, RFC 3947 §5.1, drafts before it). */
export const encapsulationMode = {
  tunnel: 1,
  transport: 2,
  'UDP tunnel': 3,
  'UDP transport': 4,
  'UDP tunnel (draft)': 61443,
  'UDP transport (draft)': 61444,
} as const

/** Identification types (RFC 2407 §4.6.2.1). */
export const identificationType = {
  ID_IPV4_ADDR: 1,
  ID_FQDN: 2,
  ID_USER_FQDN: 3,
  ID_IPV4_ADDR_SUBNET: 4,
  ID_IPV6_ADDR: 5,
  ID_IPV6_ADDR_SUBNET: 6,
  ID_IPV4_ADDR_RANGE: 7,
  ID_IPV6_ADDR_RANGE: 8,
  ID_DER_ASN1_DN: 9,
  ID_DER_ASN1_GN: 10,
  ID_KEY_ID: 11,
} as const

/** Certificate encodings (RFC 2408 §3.9). */
export const certificateEncoding = {
  'PKCS #7': 1,
  PGP: 2,
  'DNS signed key': 3,
  'X.509 signature': 4,
  'X.509 key exchange': 5,
  Kerberos: 6,
  CRL: 7,
  ARL: 8,
  SPKI: 9,
  'X.509 attribute': 10,
} as const

/** Notify messages (RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5; 40001 and above: vendors). */
export const notifyType = {
  'INVALID-PAYLOAD-TYPE': 1,
  'DOI-NOT-SUPPORTED': 2,
  'SITUATION-NOT-SUPPORTED': 3,
  'INVALID-COOKIE': 4,
  'INVALID-MAJOR-VERSION': 5,
  'INVALID-MINOR-VERSION': 6,
  'INVALID-EXCHANGE-TYPE': 7,
  'INVALID-FLAGS': 8,
  'INVALID-MESSAGE-ID': 9,
  'INVALID-PROTOCOL-ID': 10,
  'INVALID-SPI': 11,
  'INVALID-TRANSFORM-ID': 12,
  'ATTRIBUTES-NOT-SUPPORTED': 13,
  'NO-PROPOSAL-CHOSEN': 14,
  'BAD-PROPOSAL-SYNTAX': 15,
  'PAYLOAD-MALFORMED': 16,
  'INVALID-KEY-INFORMATION': 17,
  'INVALID-ID-INFORMATION': 18,
  'INVALID-CERT-ENCODING': 19,
  'INVALID-CERTIFICATE': 20,
  'CERT-TYPE-UNSUPPORTED': 21,
  'INVALID-CERT-AUTHORITY': 22,
  'INVALID-HASH-INFORMATION': 23,
  'AUTHENTICATION-FAILED': 24,
  'INVALID-SIGNATURE': 25,
  'ADDRESS-NOTIFICATION': 26,
  'NOTIFY-SA-LIFETIME': 27,
  'CERTIFICATE-UNAVAILABLE': 28,
  'UNSUPPORTED-EXCHANGE-TYPE': 29,
  'UNEQUAL-PAYLOAD-LENGTHS': 30,
  CONNECTED: 16384,
  'RESPONDER-LIFETIME': 24576,
  'REPLAY-STATUS': 24577,
  'INITIAL-CONTACT': 24578,
  'R-U-THERE': 36136,
  'R-U-THERE-ACK': 36137,
  'UNITY-LOAD-BALANCE': 40501,
} as const

/** The name of `value` in a registry, or its kind and number where it is unknown: safe to show. */
export function nameOf(registry: Readonly<Record<string, number>>, value: number, kind = 'number'): string {
  return Object.keys(registry).find((name) => registry[name] === value) ?? `${kind} ${value}`
}
