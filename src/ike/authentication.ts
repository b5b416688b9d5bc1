// How the two sides prove themselves in phase 1: which methods we take from or offer to a peer at an address, which certificate of ours it can verify,
// and what CERT and CERTREQ payloads say. What certificates mean is not known here: they are octets, judged elsewhere (`verify` of the contract).
import { equal } from '../wire/codec.ts'
import { entryFor } from './by-address.ts'
import type { CertificateRule, Credential, IkePolicy } from './contract.ts'
import { preSharedKeysFor } from './pre-shared-keys.ts'
import { authenticationMethod, certificateEncoding } from './wire/numbers.ts'
import { type CertPayload, type CertReqPayload, certPayload, certReqPayload, type Payload } from './wire/payloads.ts'

/** What CERT and CERTREQ carry. */
export type Encoded = { readonly encoding: number; readonly data: Uint8Array }

const preSharedKey = authenticationMethod['pre-shared key']
const signatures: readonly number[] = [
  authenticationMethod['RSA signatures'],
  authenticationMethod['ECDSA with SHA2-256'],
  authenticationMethod['ECDSA with SHA2-384'],
  authenticationMethod['ECDSA with SHA2-512'],
]

/** Whether a method is proved by a signature and not by a key that both have. */
export function signs(method: number): boolean {
  return signatures.includes(method)
}

type Policy = Pick<IkePolicy, 'preSharedKeys' | 'certificates' | 'methods'>

/** The rule for certificates of peers at this address: one of its own, or that for everybody. */
export function certificateRuleFor({ certificates = [] }: Policy, address: string): CertificateRule | undefined {
  return entryFor(certificates, ({ peer }) => [peer], address) ?? certificates.find(({ peer }) => peer === 'any')
}

/** Authentication methods in our order of preference, as the wire numbers them; empty where nothing is configured for the address. */
export function methodsFor(policy: Policy, address: string): readonly number[] {
  const own = entryFor(policy.methods ?? [], ({ peer }) => [peer], address)
  const { order } = own ?? policy.methods?.find(({ peer }) => peer === 'any') ?? { order: defaultOrder }
  const credentials = certificateRuleFor(policy, address)?.own ?? []
  const available = {
    certificate: [...new Set(credentials.map(({ method }) => method))],
    preSharedKey: preSharedKeysFor(policy, address).length > 0 ? [preSharedKey] : [],
  }
  return order.flatMap((kind) => available[kind])
}

const defaultOrder = ['certificate', 'preSharedKey'] as const

/** Ours for this method, best one that the peer can verify: one that an authority of its requests issued, at whatever height, else the first. */
export function credentialFor(
  rule: CertificateRule,
  method: number,
  requests: readonly Encoded[],
): Credential | undefined {
  const fitting = rule.own.filter((one) => one.method === method)
  const verifiable = fitting.find(({ issuers }) =>
    issuers.some((issuer) => requests.some(({ data }) => equal(data, issuer))),
  )
  return verifiable ?? fitting[0]
}

// Ours: more requests would make MM4 too large for what stands between; one without a name asks for any certificate (RFC 2408 §3.10).
const mostRequests = 8

/** What we ask the peer for: certificates of the authorities that we trust. */
export function requestsOf({ authorities }: CertificateRule): readonly Payload[] {
  const named = authorities.length > mostRequests ? [new Uint8Array()] : authorities
  return named.map((name) => certReqPayload(certificateEncoding['X.509 signature'], name))
}

/** Our certificate and those between it and the authority; as one PKCS #7 where the peer asked for that and nothing else. */
export function certificatesOf({ chain, pkcs7 }: Credential, requests: readonly Encoded[]): readonly Payload[] {
  const wantsPkcs7 =
    requests.length > 0 && requests.every(({ encoding }) => encoding === certificateEncoding['PKCS #7'])
  if (wantsPkcs7) return [certPayload(certificateEncoding['PKCS #7'], pkcs7)]
  return chain.map((one) => certPayload(certificateEncoding['X.509 signature'], one))
}

// What is asked for in another encoding can't be had here, so it is passed over (RFC 2408 §5.10). Some ask for 5 and mean any certificate with that key.
const encodings: readonly number[] = [
  certificateEncoding['PKCS #7'],
  certificateEncoding['X.509 signature'],
  certificateEncoding['X.509 key exchange'],
]

/** The requests of a message that can be heeded, as copies. */
export function requestsIn(payloads: readonly CertReqPayload[]): readonly Encoded[] {
  return encoded(payloads.filter(({ encoding }) => encodings.includes(encoding)))
}

/** Copies of what a message carries, to be kept. */
export function encoded(payloads: readonly (CertPayload | CertReqPayload)[]): readonly Encoded[] {
  return payloads.map(({ encoding, data }) => ({ encoding, data: data.slice() }))
}
