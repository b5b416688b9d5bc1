// Identities: how an ID payload is compared, shown and built.

import { addressOctets, addressText } from '../wire/address.ts'
import { hex, printable } from '../wire/codec.ts'
import { identificationType as id, nameOf } from './wire/numbers.ts'
import { type Identity, type IdPayload, idPayload } from './wire/payloads.ts'

/** Equal where type and data are; port and protocol of a phase 1 ID mean nothing (RFC 2407 §4.6.2). */
export function identityKey({ idType, data }: Identity): string {
  return `${idType} ${hex(data)}`
}

/** For people: what a peer wrote is escaped. */
export function showIdentity({ idType, data }: Identity): string {
  if (idType === id.ID_IPV4_ADDR && data.length === 4) return addressText(data)
  if (idType === id.ID_IPV6_ADDR && data.length === 16) return addressText(data)
  const text = idType === id.ID_FQDN || idType === id.ID_USER_FQDN || idType === id.ID_KEY_ID
  return text ? printable(data) : `${nameOf(id, idType, 'ID type')} ${hex(data).slice(0, 64)}`
}

/** Whether the ID is this name: a host's, or a user's at one. */
export function isNamed({ idType, data }: Identity, name: string): boolean {
  const wanted = name.includes('@') ? id.ID_USER_FQDN : id.ID_FQDN
  return idType === wanted && printable(data, 256).toLowerCase() === name.toLowerCase()
}

/** The ID that a name means: an address, a user's at a host (`@` in it), a host's (a dot in it), or a key's. */
export function namedId(name: string): IdPayload {
  if (addressOctets(name)) return addressId(name)
  const host = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/i.test(name)
  const idType = name.includes('@') ? id.ID_USER_FQDN : host ? id.ID_FQDN : id.ID_KEY_ID
  return idPayload({ idType, protocol: 0, port: 0, data: new TextEncoder().encode(name) })
}

/** The ID of an address; protocol and port 0 in phase 1. */
export function addressId(address: string, protocol = 0, port = 0): IdPayload {
  const data = addressOctets(address)
  if (!data) throw new TypeError(`${address} is no address`)
  return idPayload({ idType: data.length === 4 ? id.ID_IPV4_ADDR : id.ID_IPV6_ADDR, protocol, port, data })
}
