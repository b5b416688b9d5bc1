// Every payload of an ISAKMP message as a value, and the chain that they make. Each keeps its body as received or built (SAi_b, IDii_b, Ni_b of
// RFC 2409 §5 are bodies), because hashes cover exactly those octets. Constructors build the body; parsing keeps it; emitting copies it.
import { addressOctets, addressText } from '../../wire/address.ts'
import { type Reader, Writer } from '../../wire/codec.ts'
import { identificationType, payloadType } from './numbers.ts'
import { emitSecurityAssociation, parseSecurityAssociation, type SecurityAssociation } from './security-association.ts'

/** What all have: the number on the wire and the octets after the generic header. */
type Common<Is extends string> = { readonly is: Is; readonly type: number; readonly body: Uint8Array }

export type SaPayload = Common<'SA'> & SecurityAssociation
export type KePayload = Common<'KE'> & { readonly publicValue: Uint8Array }
export type IdPayload = Common<'ID'> & Identity
export type CertPayload = Common<'CERT'> & { readonly encoding: number; readonly data: Uint8Array }
export type CertReqPayload = Common<'CERTREQ'> & { readonly encoding: number; readonly data: Uint8Array }
export type HashPayload = Common<'HASH'> & { readonly data: Uint8Array }
export type SigPayload = Common<'SIG'> & { readonly data: Uint8Array }
export type NoncePayload = Common<'NONCE'> & { readonly nonce: Uint8Array }
export type NotifyPayload = Common<'N'> & Notify
export type DeletePayload = Common<'D'> & Deletion
export type VidPayload = Common<'VID'> & { readonly vendorId: Uint8Array }
export type NatDPayload = Common<'NAT-D'> & { readonly hash: Uint8Array }
export type NatOaPayload = Common<'NAT-OA'> & {
  /** ID_IPV4_ADDR or ID_IPV6_ADDR; with another type, `address` is undefined. */
  readonly idType: number
  readonly address: string | undefined
}
export type FragmentPayload = Common<'FRAGMENT'> & Fragment
/** A payload that we don't know: kept, so that the message rules can judge it. */
export type UnknownPayload = Common<'unknown'>

export type Payload =
  | SaPayload
  | KePayload
  | IdPayload
  | CertPayload
  | CertReqPayload
  | HashPayload
  | SigPayload
  | NoncePayload
  | NotifyPayload
  | DeletePayload
  | VidPayload
  | NatDPayload
  | NatOaPayload
  | FragmentPayload
  | UnknownPayload

/** RFC 2407 §4.6.2. `data` is what the type says: an address, a name, a DN. */
export type Identity = {
  readonly idType: number
  readonly protocol: number
  readonly port: number
  readonly data: Uint8Array
}

/** RFC 2408 §3.14. */
export type Notify = {
  readonly doi: number
  readonly protocol: number
  readonly spi: Uint8Array
  readonly notify: number
  readonly data: Uint8Array
}

/** RFC 2408 §3.15. */
export type Deletion = { readonly doi: number; readonly protocol: number; readonly spis: readonly Uint8Array[] }

/** Microsoft's fragment of a whole ISAKMP message ([MS-IKEE] §2.2.3). */
export type Fragment = {
  readonly id: number
  /** From 1. */
  readonly number: number
  readonly last: boolean
  readonly data: Uint8Array
}

// --- building ---------------------------------------------------------------------------------------------------------------------------

export function saPayload(sa: SecurityAssociation): SaPayload {
  return { is: 'SA', type: payloadType.SA, body: emitSecurityAssociation(sa), ...sa }
}

export function kePayload(publicValue: Uint8Array): KePayload {
  return { is: 'KE', type: payloadType.KE, body: publicValue, publicValue }
}

export function idPayload(identity: Identity): IdPayload {
  const body = new Writer().u8(identity.idType).u8(identity.protocol).u16(identity.port).put(identity.data).done()
  return { is: 'ID', type: payloadType.ID, body, ...identity }
}

export function certPayload(encoding: number, data: Uint8Array): CertPayload {
  return { is: 'CERT', type: payloadType.CERT, body: new Writer().u8(encoding).put(data).done(), encoding, data }
}

export function certReqPayload(encoding: number, data: Uint8Array): CertReqPayload {
  return { is: 'CERTREQ', type: payloadType.CERTREQ, body: new Writer().u8(encoding).put(data).done(), encoding, data }
}

export function hashPayload(data: Uint8Array): HashPayload {
  return { is: 'HASH', type: payloadType.HASH, body: data, data }
}

export function sigPayload(data: Uint8Array): SigPayload {
  return { is: 'SIG', type: payloadType.SIG, body: data, data }
}

export function noncePayload(nonce: Uint8Array): NoncePayload {
  return { is: 'NONCE', type: payloadType.NONCE, body: nonce, nonce }
}

export function notifyPayload(notify: Notify): NotifyPayload {
  const body = new Writer()
    .u32(notify.doi)
    .u8(notify.protocol)
    .u8(notify.spi.length)
    .u16(notify.notify)
    .put(notify.spi)
    .put(notify.data)
    .done()
  return { is: 'N', type: payloadType.N, body, ...notify }
}

/** All SPIs have the same length. */
export function deletePayload(deletion: Deletion): DeletePayload {
  const { doi, protocol, spis } = deletion
  const writer = new Writer()
    .u32(doi)
    .u8(protocol)
    .u8(spis[0]?.length ?? 0)
    .u16(spis.length)
  for (const spi of spis) writer.put(spi)
  return { is: 'D', type: payloadType.D, body: writer.done(), ...deletion }
}

export function vidPayload(vendorId: Uint8Array): VidPayload {
  return { is: 'VID', type: payloadType.VID, body: vendorId, vendorId }
}

/** `type` is 20 under RFC 3947, 130 under the drafts, 15 for Apple's. */
export function natDPayload(type: number, hash: Uint8Array): NatDPayload {
  return { is: 'NAT-D', type, body: hash, hash }
}

/** `type` is 21, 131 or 16. */
export function natOaPayload(type: number, address: string): NatOaPayload {
  const octets = addressOctets(address)
  if (!octets) throw new TypeError(`${address} is no address`)
  const idType = octets.length === 4 ? identificationType.ID_IPV4_ADDR : identificationType.ID_IPV6_ADDR
  return { is: 'NAT-OA', type, body: new Writer().u8(idType).zeros(3).put(octets).done(), idType, address }
}

export function fragmentPayload(fragment: Fragment): FragmentPayload {
  const body = new Writer()
    .u16(fragment.id)
    .u8(fragment.number)
    .u8(fragment.last ? 1 : 0)
    .put(fragment.data)
    .done()
  return { is: 'FRAGMENT', type: payloadType.FRAGMENT, body, ...fragment }
}

export function unknownPayload(type: number, body: Uint8Array): UnknownPayload {
  return { is: 'unknown', type, body }
}

// --- parsing ----------------------------------------------------------------------------------------------------------------------------

/** Parses the body of one payload whose generic header was read. */
export function parsePayload(type: number, reader: Reader): Payload {
  const body = reader.octets
  const parse = parsers[type]
  return parse ? parse(reader, body, type) : unknownPayload(type, body)
}

type Parser = (reader: Reader, body: Uint8Array, type: number) => Payload

const parsers: Readonly<Partial<Record<number, Parser>>> = {
  [payloadType.SA]: (reader, body, type) => ({ is: 'SA', type, body, ...parseSecurityAssociation(reader) }),
  [payloadType.KE]: (_, body) => kePayload(body),
  [payloadType.ID]: (reader, body, type) => ({ is: 'ID', type, body, ...parseIdentity(reader) }),
  [payloadType.CERT]: (reader, body, type) => ({ is: 'CERT', type, body, ...parseCertificate(reader) }),
  [payloadType.CERTREQ]: (reader, body, type) => ({ is: 'CERTREQ', type, body, ...parseCertificate(reader) }),
  [payloadType.HASH]: (_, body) => hashPayload(body),
  [payloadType.SIG]: (_, body) => sigPayload(body),
  [payloadType.NONCE]: (_, body) => noncePayload(body),
  [payloadType.N]: (reader, body, type) => ({ is: 'N', type, body, ...parseNotify(reader) }),
  [payloadType.D]: (reader, body, type) => ({ is: 'D', type, body, ...parseDeletion(reader) }),
  [payloadType.VID]: (_, body) => vidPayload(body),
  [payloadType['NAT-D']]: (_, body, type) => natDPayload(type, body),
  [payloadType['NAT-D (draft)']]: (_, body, type) => natDPayload(type, body),
  [payloadType['NAT-D (Apple)']]: (_, body, type) => natDPayload(type, body),
  [payloadType['NAT-OA']]: parseNatOa,
  [payloadType['NAT-OA (draft)']]: parseNatOa,
  [payloadType['NAT-OA (Apple)']]: parseNatOa,
  [payloadType.FRAGMENT]: (reader, body, type) => ({ is: 'FRAGMENT', type, body, ...parseFragment(reader) }),
}

function parseIdentity(reader: Reader): Identity {
  return {
    idType: reader.u8('ID type'),
    protocol: reader.u8('ID protocol'),
    port: reader.u16('ID port'),
    data: reader.rest(),
  }
}

function parseCertificate(reader: Reader): { encoding: number; data: Uint8Array } {
  return { encoding: reader.u8('certificate encoding'), data: reader.rest() }
}

function parseNotify(reader: Reader): Notify {
  const doi = reader.u32('notify DOI')
  const protocol = reader.u8('notify protocol')
  const spiOctets = reader.u8('notify SPI size')
  const notify = reader.u16('notify type')
  return { doi, protocol, notify, spi: reader.take(spiOctets, 'notify SPI'), data: reader.rest() }
}

function parseDeletion(reader: Reader): Deletion {
  const doi = reader.u32('delete DOI')
  const protocol = reader.u8('delete protocol')
  const spiOctets = reader.u8('delete SPI size')
  const count = reader.u16('delete SPI count')
  if (spiOctets === 0 ? count > 0 : spiOctets * count !== reader.remaining)
    reader.fail('delete SPIs', `${count} of ${spiOctets} octets are not the ${reader.remaining} octets that follow`)
  return { doi, protocol, spis: Array.from({ length: count }, () => reader.take(spiOctets, 'delete SPI')) }
}

// The three octets after the type are not checked: RFC 3947 §5.2 has them zero, nothing depends on them.
function parseNatOa(reader: Reader, body: Uint8Array, type: number): NatOaPayload {
  const idType = reader.u8('NAT-OA type')
  reader.take(3, 'NAT-OA reserved')
  const octets = reader.rest()
  const wanted = { [identificationType.ID_IPV4_ADDR]: 4, [identificationType.ID_IPV6_ADDR]: 16 }[idType]
  if (wanted !== undefined && octets.length !== wanted)
    reader.fail('NAT-OA address', `${octets.length} octets instead of ${wanted}`)
  return { is: 'NAT-OA', type, body, idType, address: wanted === undefined ? undefined : addressText(octets) }
}

function parseFragment(reader: Reader): Fragment {
  const id = reader.u16('fragment id')
  const number = reader.u8('fragment number')
  const flags = reader.u8('fragment flags')
  if (number === 0) reader.fail('fragment number', 'is 0; the first one is 1')
  return { id, number, last: (flags & 1) !== 0, data: reader.rest() }
}
