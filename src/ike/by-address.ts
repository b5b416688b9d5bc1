// Which entry of a policy's list is for an address: the first that names it or a network around it. Lists are read once, since each first message of a
// stranger asks several of them, and there may be a thousand sites.
import { addressOctets, addressText } from '../wire/address.ts'

type NetworkAt = { readonly octets: Uint8Array; readonly bits: number; readonly place: number }
/** `hosts` by canonical text; both hold the place in the list. */
type Index = { readonly hosts: ReadonlyMap<string, number>; readonly networks: readonly NetworkAt[] }

const indexes = new WeakMap<readonly unknown[], Index>()

/** `textsOf`: an entry's addresses and networks (`192.0.2.0/24`); other texts (names, `any`) are passed over. The list is never changed. */
export function entryFor<Entry>(
  list: readonly Entry[],
  textsOf: (entry: Entry) => readonly string[],
  address: string,
): Entry | undefined {
  if (list.length === 0) return undefined
  let index = indexes.get(list)
  if (!index) {
    index = indexOf(list.map(textsOf))
    indexes.set(list, index)
  }
  const host = index.hosts.get(address)
  const network = networkAround(index.networks, address, host ?? list.length)
  const place = network ?? host
  return place === undefined ? undefined : list[place]
}

function indexOf(all: readonly (readonly string[])[]): Index {
  const hosts = new Map<string, number>()
  const networks: NetworkAt[] = []
  for (const [place, texts] of all.entries())
    for (const text of texts) {
      const [start = '', length] = text.split('/')
      const octets = addressOctets(start)
      if (!octets) continue
      const bits = length === undefined ? octets.length * 8 : Number(length)
      if (bits < octets.length * 8) networks.push({ octets, bits, place })
      else if (!hosts.has(addressText(octets))) hosts.set(addressText(octets), place)
    }
  return { hosts, networks }
}

/** The place of the first network around the address that stands before `end`. */
function networkAround(networks: readonly NetworkAt[], address: string, end: number): number | undefined {
  if (networks.length === 0) return undefined
  const octets = addressOctets(address)
  return octets && networks.find((one) => one.place < end && holds(one, octets))?.place
}

function holds({ octets: wanted, bits }: NetworkAt, octets: Uint8Array): boolean {
  if (wanted.length !== octets.length) return false
  return octets.every((octet, i) => {
    const mask = 0xff & (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i)))
    return (octet & mask) === (wanted[i]! & mask)
  })
}
