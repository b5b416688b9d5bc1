// Every IKE message of whole connections, taken off the wire and opened: what stands in its header, which payloads it holds in which order, that what must
// be new is new each time, and that nothing is kept of what must be forgotten.
import { describe, expect, test } from 'vitest'
import type { IkeInput } from '../../src/ike/contract.ts'
import { showIdentity } from '../../src/ike/identity.ts'
import { exchangeIv, type IkeKeys, openBody, phase1Iv } from '../../src/ike/keys.ts'
import { protection } from '../../src/ike/sa.ts'
import { parseChain } from '../../src/ike/wire/chain.ts'
import { type Header, parseHeader } from '../../src/ike/wire/header.ts'
import { exchangeType, nameOf, notifyType } from '../../src/ike/wire/numbers.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { hex } from '../../src/wire/codec.ts'
import { IkeHost, ikePolicy, type Policy } from './ike-host.ts'
import { fairNetwork, Network, SeededRandom, VirtualTime } from './network.ts'

const addresses = { client: '198.51.100.7', gateway: '192.0.2.1' } as const
type Who = keyof typeof addresses
type Message = { readonly who: Who; readonly header: Header; readonly payloads: readonly Payload[] }

const pfs: Policy = { esp: [{ cipher: 'aes128', hash: 'sha1', group: 'ecp256' }] }

function world(client: Policy = pfs, gateway: Policy = pfs) {
  const time = new VirtualTime()
  const random = new SeededRandom(1)
  const network = new Network(time, random, fairNetwork)
  const hosts = {
    client: new IkeHost(network, network.host(addresses.client), random, ikePolicy(client)),
    gateway: new IkeHost(network, network.host(addresses.gateway), random, ikePolicy(gateway)),
  }
  const seen: { readonly who: Who; readonly octets: Uint8Array }[] = []
  network.tap = (datagram) => {
    const who = datagram.from.address === addresses.client ? 'client' : 'gateway'
    if (datagram.protocol === 'udp') seen.push({ who, octets: datagram.octets })
    return [datagram]
  }
  return { time, ...hosts, seen }
}

type World = ReturnType<typeof world>

/** Keys and last block of the one ISAKMP SA, before they are forgotten. */
function secured({ client }: World) {
  const [sa] = client.core.state.sas.values()
  return structuredClone(protection(sa!)!) as { readonly keys: IkeKeys; readonly lastBlock: Uint8Array }
}

/** Opens all of them; throws where a message is encrypted from anywhere but its first payload on, or has no whole blocks. */
function opened({ seen }: World, { keys, lastBlock }: ReturnType<typeof secured>): Message[] {
  const ivs = new Map<number, Uint8Array>()
  const publicValues: Uint8Array[] = []
  return seen.map(({ who, octets }) => {
    const { header, body } = parseHeader(octets)
    if (!header.encrypted) {
      const { payloads } = parseChain(header.next, body, 'clear')
      for (const one of payloads) if (one.is === 'KE') publicValues.push(one.publicValue)
      return { who, header, payloads }
    }
    const { messageId } = header
    const [gxi, gxr] = publicValues as [Uint8Array, Uint8Array]
    const first = messageId === 0 ? phase1Iv(keys, gxi, gxr) : exchangeIv(keys, lastBlock, messageId)
    const { plain, iv } = openBody(keys, ivs.get(messageId) ?? first, body)!
    ivs.set(messageId, iv)
    return { who, header, payloads: parseChain(header.next, plain, 'decrypted').payloads }
  })
}

function showPayload(payload: Payload): string {
  switch (payload.is) {
    case 'SA': {
      const spis = payload.proposals.map(({ spi, transforms }) => `SPI ${spi.length} × ${transforms.length}`)
      return `SA (${spis.join(', ')})`
    }
    case 'KE':
      return `KE ${payload.publicValue.length}`
    case 'NONCE':
      return `NONCE ${payload.nonce.length}`
    case 'ID':
      return `ID (${showIdentity(payload)} ${payload.protocol}/${payload.port})`
    case 'N':
      return nameOf(notifyType, payload.notify)
    case 'D':
      return `D ${payload.protocol}`
    default:
      return payload.is
  }
}

/** `CKY-I` and `CKY-R` are those of the first two messages; message ids are letters. */
function rows(messages: readonly Message[]): string[] {
  const [first, second] = messages
  const ids = new Map<number, string>([[0, '0']])
  const cookie = (octets: Uint8Array) => {
    if (octets.every((octet) => octet === 0)) return '0'
    const known = { 'CKY-I': first!.header.initiatorCookie, 'CKY-R': second!.header.responderCookie }
    return Object.entries(known).find(([, one]) => hex(one) === hex(octets))?.[0] ?? 'another cookie'
  }
  return messages.map(({ who, header, payloads }) => {
    const { messageId, major, minor, exchange, encrypted, commit, authenticationOnly, otherFlags } = header
    if (!ids.has(messageId)) ids.set(messageId, 'abcdefghij'[ids.size - 1]!)
    const flags = [encrypted ? 'E' : '', commit ? 'C' : '', authenticationOnly ? 'A' : '', otherFlags || ''].join('')
    const kinds = payloads.map(showPayload)
    const vendors = kinds.filter((kind) => kind === 'VID').length
    const held = [...kinds.filter((kind) => kind !== 'VID'), ...(vendors > 0 ? [`${vendors} VID`] : [])]
    return [
      `${who} ${nameOf(exchangeType, exchange)} ${major}.${minor}`,
      [cookie(header.initiatorCookie), cookie(header.responderCookie), ids.get(messageId), flags || 'clear'].join(' '),
      held.join(', '),
    ].join(' | ')
  })
}

describe('header and payloads of every message', () => {
  test('RFC 2408 §3.1, RFC 2409 §5: main mode, a quick mode of each side, probes and Deletes', () => {
    const w = world()
    w.client.connect(addresses.gateway)
    w.time.run(2_000)
    const [peer] = w.gateway.up
    const inboundSpi = w.gateway.peers.get(peer!)!.using!
    w.gateway.handle({ on: 'sequenceLow', peer: peer!, inboundSpi })
    w.time.run(26_000)
    const keys = secured(w)
    w.client.handle({ on: 'disconnect', peer: w.client.up[0]!, reason: 'done' })
    w.time.run(27_000)
    expect(rows(opened(w, keys))).toMatchInlineSnapshot(`
      [
        "client main 1.0 | CKY-I 0 0 clear | SA (SPI 0 × 2), 7 VID",
        "gateway main 1.0 | CKY-I CKY-R 0 clear | SA (SPI 0 × 1), 4 VID",
        "client main 1.0 | CKY-I CKY-R 0 clear | KE 64, NONCE 32, NAT-D, NAT-D",
        "gateway main 1.0 | CKY-I CKY-R 0 clear | KE 64, NONCE 32, NAT-D, NAT-D",
        "client main 1.0 | CKY-I CKY-R 0 E | ID (198.51.100.7 0/0), HASH, INITIAL-CONTACT",
        "gateway main 1.0 | CKY-I CKY-R 0 E | ID (192.0.2.1 0/0), HASH",
        "client quick 1.0 | CKY-I CKY-R a E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (198.51.100.7 17/1701), ID (192.0.2.1 17/1701)",
        "gateway quick 1.0 | CKY-I CKY-R a E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (198.51.100.7 17/1701), ID (192.0.2.1 17/1701)",
        "client quick 1.0 | CKY-I CKY-R a E | HASH",
        "gateway quick 1.0 | CKY-I CKY-R b E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (192.0.2.1 17/1701), ID (198.51.100.7 17/1701)",
        "client quick 1.0 | CKY-I CKY-R b E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (192.0.2.1 17/1701), ID (198.51.100.7 17/1701)",
        "gateway quick 1.0 | CKY-I CKY-R b E | HASH",
        "gateway informational 1.0 | CKY-I CKY-R c E | HASH, R-U-THERE",
        "client informational 1.0 | CKY-I CKY-R d E | HASH, R-U-THERE-ACK",
        "client informational 1.0 | CKY-I CKY-R e E | HASH, D 3",
        "client informational 1.0 | CKY-I CKY-R f E | HASH, D 3",
        "client informational 1.0 | CKY-I CKY-R g E | HASH, D 1",
      ]
    `)
  })

  test('RFC 2407 §4.6.3: aggressive mode without a status notify', () => {
    const site = (address: string): Policy => {
      const { ike, pfsGroups, requirePfs, lifetimes } = ikePolicy()
      const esp = pfs.esp!
      const common = { ike: ike.slice(0, 1), esp, pfsGroups, requirePfs, lifetimes }
      return {
        sites: [{ site: 1, name: 'peer', addresses: [address], traffic: [], aggressive: true, ...common }],
      }
    }
    const w = world(site(addresses.gateway), site(addresses.client))
    w.client.connect(addresses.gateway)
    w.time.run(2_000)
    expect(rows(opened(w, secured(w)))).toMatchInlineSnapshot(`
      [
        "client aggressive 1.0 | CKY-I 0 0 clear | SA (SPI 0 × 1), KE 64, NONCE 32, ID (198.51.100.7 0/0), 7 VID",
        "gateway aggressive 1.0 | CKY-I CKY-R 0 clear | SA (SPI 0 × 1), KE 64, NONCE 32, ID (192.0.2.1 0/0), HASH, NAT-D, NAT-D, 4 VID",
        "client aggressive 1.0 | CKY-I CKY-R 0 E | HASH, NAT-D, NAT-D",
        "client informational 1.0 | CKY-I CKY-R a E | HASH, INITIAL-CONTACT",
        "client quick 1.0 | CKY-I CKY-R b E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (198.51.100.7 17/1701), ID (192.0.2.1 17/1701)",
        "gateway quick 1.0 | CKY-I CKY-R b E | HASH, SA (SPI 4 × 1), NONCE 32, KE 64, ID (198.51.100.7 17/1701), ID (192.0.2.1 17/1701)",
        "client quick 1.0 | CKY-I CKY-R b E | HASH",
      ]
    `)
  })

  test('RFC 2409 §5.5: for networks behind the two ends the IDs are IDci and then IDcr', () => {
    const traffic = (source: string, destination: string) => ({
      source: { address: source, prefix: 16 },
      destination: { address: destination, prefix: 16 },
      protocol: 0,
      sourcePort: 0,
      destinationPort: 0,
    })
    const site = (address: string, one: ReturnType<typeof traffic>): Policy => {
      const { ike, esp, pfsGroups, requirePfs, lifetimes } = ikePolicy()
      const common = { ike, esp, pfsGroups, requirePfs, lifetimes }
      return { sites: [{ site: 1, name: 'peer', addresses: [address], traffic: [one], ...common }] }
    }
    const ours = traffic('10.1.0.0', '10.2.0.0')
    const w = world(site(addresses.gateway, ours), site(addresses.client, traffic('10.2.0.0', '10.1.0.0')))
    const path = {
      local: { address: addresses.client, port: 500 },
      remote: { address: addresses.gateway, port: 500 },
    }
    const ports = { local: 0, remote: 0 }
    w.client.handle({ on: 'connect', request: 1, path, ports, tunnel: { site: 1, traffic: ours } })
    w.time.run(2_000)
    expect(rows(opened(w, secured(w))).slice(6)).toMatchInlineSnapshot(`
      [
        "client quick 1.0 | CKY-I CKY-R a E | HASH, SA (SPI 4 × 1), NONCE 32, ID (ID_IPV4_ADDR_SUBNET 0a010000ffff0000 0/0), ID (ID_IPV4_ADDR_SUBNET 0a020000ffff0000 0/0)",
        "gateway quick 1.0 | CKY-I CKY-R a E | HASH, SA (SPI 4 × 1), NONCE 32, ID (ID_IPV4_ADDR_SUBNET 0a010000ffff0000 0/0), ID (ID_IPV4_ADDR_SUBNET 0a020000ffff0000 0/0)",
        "client quick 1.0 | CKY-I CKY-R a E | HASH",
      ]
    `)
  })
})

test('RFC 2408 §2.5.3, §5.5, §5.13: cookies, nonces, public values, SPIs and message ids are new each time', () => {
  const w = world()
  const used: string[] = []
  for (let round = 0; round < 3; round++) {
    w.seen.length = 0
    w.client.connect(addresses.gateway)
    w.time.run(w.time.now + 2_000)
    const messages = opened(w, secured(w))
    used.push(hex(messages[1]!.header.initiatorCookie), hex(messages[1]!.header.responderCookie))
    const ids = new Set(messages.map(({ header }) => header.messageId).filter((id) => id !== 0))
    used.push(...[...ids].map((id) => `message ${id}`))
    for (const one of messages.flatMap(({ payloads }) => payloads)) {
      if (one.is === 'NONCE') used.push(hex(one.nonce))
      if (one.is === 'KE') used.push(hex(one.publicValue))
      if (one.is === 'SA') used.push(...one.proposals.flatMap(({ spi }) => (spi.length > 0 ? [hex(spi)] : [])))
    }
    w.client.handle({ on: 'disconnect', peer: w.client.up[0]!, reason: 'done' })
    w.time.run(w.time.now + 10_000)
  }
  // Two cookies, a message id, four nonces, four public values, two SPIs.
  expect([used.length, new Set(used).size]).toEqual([39, 39])
})

test('RFC 2409 §3.3, §5.5, §8: of the secrets and private values of both Diffie-Hellman exchanges nothing is kept', () => {
  const w = world()
  const secrets: string[] = []
  const shared: Uint8Array[] = []
  for (const host of [w.client, w.gateway]) {
    const handle = host.handle.bind(host)
    host.handle = (input: IkeInput) => {
      const result = input.on === 'done' ? input.result : undefined
      if (result?.is === 'generated') secrets.push(hex(result.privateValue))
      if (result?.is === 'exchanged' || result?.is === 'agreed') {
        secrets.push(hex(result.shared))
        shared.push(result.shared)
      }
      return handle(input)
    }
  }
  w.client.connect(addresses.gateway)
  w.time.run(2_000)
  expect(w.gateway.eventsOf('ike.pair.established')).toHaveLength(1)
  // Of each exchange the initiator's private value, and the secret at both ends.
  expect([secrets.length, new Set(secrets).size]).toEqual([6, 4])
  const kept = [w.client, w.gateway].flatMap(({ core }) => octetsIn(core.state).map(hex))
  expect(kept.length).toBeGreaterThan(20)
  expect(secrets.filter((secret) => kept.some((one) => one.includes(secret)))).toEqual([])
  // Nor do the octets themselves wait for who comes by them.
  expect(shared.map((secret) => secret.every((octet) => octet === 0))).toEqual([true, true, true, true])
})

/** All octets of a value, however deep. */
function octetsIn(value: unknown): Uint8Array[] {
  if (value instanceof Uint8Array) return [value]
  if (value instanceof Map) return [...value].flat().flatMap(octetsIn)
  if (value instanceof Set) return [...value].flatMap(octetsIn)
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(octetsIn) : []
}
