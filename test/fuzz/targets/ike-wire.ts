// The parsers of IKE, from octets to choices.
import { disabledAt, proposalsFor } from '../../../src/algorithms/levels.ts'
import { fingerprint } from '../../../src/ike/fingerprint.ts'
import { offerEsp, offerIke, readEspAnswer, readIkeAnswer } from '../../../src/ike/offers.ts'
import { espAnswer, selectEsp, selectIke } from '../../../src/ike/proposals.ts'
import { parseAttributes } from '../../../src/ike/wire/attributes.ts'
import { emitChain, mostPayloads, parseChain } from '../../../src/ike/wire/chain.ts'
import { emitMessage, headerOctets, parseHeader } from '../../../src/ike/wire/header.ts'
import { readLifetime } from '../../../src/ike/wire/notifications.ts'
import { payloadType } from '../../../src/ike/wire/numbers.ts'
import { type Payload, parsePayload, type SaPayload, saPayload } from '../../../src/ike/wire/payloads.ts'
import { identifyVendor } from '../../../src/ike/wire/vendor-ids.ts'
import { equal, Reader } from '../../../src/wire/codec.ts'
import { captureOctets, datagrams, hasCapture } from '../../captures.ts'
import { hexVectors, jsonVector } from '../../vectors.ts'
import { demand, parser, type Target } from '../target.ts'

const malformed = [
  'ikev1_id_ipv6_addr_subnet-oobr',
  'isakmp-3948-oobr-2',
  'isakmp-delete-segfault',
  'isakmp-identification-segfault',
  'isakmp-ikev1_n_print-oobr',
  'isakmp-rfc3948-oobr',
  'isakmp-various-oobr',
  'isakmpv1-attr-oobr',
]

/** Datagrams of real clients, and what broke other parsers. */
export function ikeDatagrams(): readonly Uint8Array[] {
  const known = ['ike/first-packets', 'ike/other-exchanges'].flatMap(hexVectors).map(({ octets }) => octets)
  const broken = malformed
    .map((name) => `malformed/${name}.pcap`)
    .filter(hasCapture)
    .flatMap((path) => [...datagrams(path).map(({ payload }) => payload), captureOctets(path).slice(40, 1500)])
  return [...known, ...broken]
}

/** Bodies in clear, with the type of their first payload in front. */
function chains(): readonly Uint8Array[] {
  const first = ikeDatagrams()
    .filter((octets) => octets.length > headerOctets)
    .map((octets) => Uint8Array.of(octets[16]!, ...octets.subarray(headerOctets)))
  const quick = hexVectors('ike/quick-mode').map(({ octets }) => Uint8Array.of(payloadType.HASH, ...octets))
  const { vectors } = jsonVector<{ vectors: { m5_plain: string; qm_plain?: string[] }[] }>('ike/main-and-quick-mode')
  const main = vectors.map(({ m5_plain }) => Uint8Array.of(payloadType.ID, ...Buffer.from(m5_plain, 'hex')))
  return [...first, ...quick, ...main]
}

function bodiesOf(type: number): readonly Uint8Array[] {
  return chains().flatMap((octets) => {
    try {
      const { payloads } = parseChain(octets[0]!, octets.subarray(1), 'decrypted')
      return payloads.filter((payload) => payload.type === type).map(({ body }) => body)
    } catch {
      return []
    }
  })
}

const kinds = (payloads: readonly Payload[]) => [...new Set(payloads.map(({ is }) => is))].join(' ')

function message(octets: Uint8Array): string {
  const { header, body } = parseHeader(octets)
  demand(equal(emitMessage(header, body), octets), 'a header is built anew to the same octets')
  return kinds(parseChain(header.next, body, header.encrypted ? 'decrypted' : 'clear').payloads)
}

// A length that lies would end almost every input in the header; the datagram's own length is put in.
function withLength(octets: Uint8Array): Uint8Array {
  if (octets.length < headerOctets) return octets
  new DataView(octets.buffer, octets.byteOffset).setUint32(24, octets.length)
  return octets
}

function chain(octets: Uint8Array): string {
  const parsed = parseChain(octets[0] ?? 0, octets.subarray(1), 'decrypted')
  demand(parsed.payloads.length <= mostPayloads, 'no more payloads than allowed')
  const again = emitChain(parsed.payloads)
  demand(equal(again.octets, parsed.octets), 'a chain is built anew to the same octets')
  return `${kinds(parsed.payloads)} ${fingerprint(parsed.payloads)}`
}

const levels = ['modern', 'compatible', 'legacy'] as const
const policies = levels.map((level) => ({ ...proposalsFor(level), disabled: disabledAt(level), requirePfs: false }))
const offeredIke = offerIke(proposalsFor('legacy').ike.slice(0, 40), { seconds: 3600, kilobytes: undefined })
const offeredEsp = offerEsp({
  proposals: proposalsFor('legacy').esp,
  group: undefined,
  spi: 0xc0de0001,
  udp: 'RFC 3947',
  lifetime: { seconds: 3600, kilobytes: 250_000 },
})

function choice(octets: Uint8Array): string {
  const sa = parsePayload(payloadType.SA, new Reader(octets)) as SaPayload
  if (sa.proposals.length > 0) demand(equal(saPayload(sa).body, octets), 'an SA is built anew to the same octets')
  const outcomes = policies.map((policy) => {
    const ike = selectIke(policy, sa)
    const esp = selectEsp(policy, sa, { udp: 'may', keyExchangeOctets: octets.length % 2 === 0 ? 256 : undefined })
    if (ike.is === 'chosen') demand(ike.answer.proposals[0]!.transforms.length === 1, 'one transform is answered')
    if (esp.is === 'chosen') demand(esp.proposal.cipher !== 'null', 'NULL is never chosen')
    if (esp.is === 'chosen') espAnswer(esp, 0x01020304)
    return `${ike.is === 'chosen' ? ike.proposal.group : ike.cause} ${esp.is === 'chosen' ? esp.proposal.cipher : esp.cause}`
  })
  const answers = [readIkeAnswer(offeredIke, sa), readEspAnswer(offeredEsp, sa)].map(({ is }) => is)
  return [...outcomes, ...answers].join(' ')
}

export const ikeWireTargets: readonly Target[] = [
  parser('ike message', ikeDatagrams, message, 10),
  parser('ike message of its right length', ikeDatagrams, (octets) => message(withLength(octets)), 20),
  parser('ike chain', chains, chain, 30),
  parser('ike choice', () => bodiesOf(payloadType.SA), choice, 8),
  parser(
    'ike attributes',
    () => [Buffer.from('80010005800200028003000180040002800b0001000c000400007080', 'hex')],
    (octets) => {
      const attributes = parseAttributes(new Reader(octets))
      return `${JSON.stringify(readLifetime(1, attributes)).length} ${JSON.stringify(readLifetime(2, attributes)).length}`
    },
    5,
  ),
  parser(
    'ike vendor id',
    () => bodiesOf(payloadType.VID),
    (octets) => identifyVendor(octets)?.name ?? 'unknown',
    1,
  ),
]
