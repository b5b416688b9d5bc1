// The SA payload and the proposals and transforms inside it (RFC 2408 §3.4 to §3.6).
import type { Reader } from '../../wire/codec.ts'
import { Writer } from '../../wire/codec.ts'
import { type Attribute, parseAttributes, putAttribute } from './attributes.ts'
import { doi as dois, identityOnly, payloadType } from './numbers.ts'

export type Transform = {
  /** As the peer numbered it: 0, 1, or with gaps; an answer repeats it. */
  readonly number: number
  readonly id: number
  readonly attributes: readonly Attribute[]
}

export type Proposal = {
  /** Proposals with equal numbers are a conjunction (RFC 2408 §4.2). */
  readonly number: number
  readonly protocol: number
  readonly spi: Uint8Array
  readonly transforms: readonly Transform[]
}

export type SecurityAssociation = {
  readonly doi: number
  /** Undefined with another DOI than IPSEC. */
  readonly situation: number | undefined
  /** Empty where DOI or situation are none of ours: what follows them can't be read. */
  readonly proposals: readonly Proposal[]
}

// Our own bounds: the largest list known from a client has 24 transforms.
const mostProposals = 64
const mostTransforms = 128

/** The body of an SA payload. */
export function parseSecurityAssociation(reader: Reader): SecurityAssociation {
  const doi = reader.u32('DOI')
  if (doi !== dois.IPSEC && doi !== dois.ISAKMP) return { doi, situation: undefined, proposals: [] }
  const situation = reader.u32('situation')
  if (situation !== identityOnly) return { doi, situation, proposals: [] }
  const proposals: Proposal[] = []
  let transforms = 0
  for (let next: number = payloadType.P; next !== 0; ) {
    if (next !== payloadType.P) reader.fail('next payload', `${next} inside an SA is neither 0 nor a proposal (2)`)
    if (proposals.length === mostProposals) reader.fail('proposal', `more than ${mostProposals} in one SA`)
    next = reader.u8('next payload')
    const proposal = parseProposal(nested(reader, 'proposal'))
    proposals.push(proposal)
    transforms += proposal.transforms.length
    if (transforms > mostTransforms) reader.fail('transform', `more than ${mostTransforms} in one SA`)
  }
  if (reader.remaining > 0) reader.fail('SA', `${reader.remaining} octets after the last proposal`)
  return { doi, situation, proposals }
}

function parseProposal(reader: Reader): Proposal {
  const number = reader.u8('proposal number')
  const protocol = reader.u8('protocol')
  const spiOctets = reader.u8('SPI size')
  const count = reader.u8('number of transforms')
  const spi = reader.take(spiOctets, 'SPI')
  const transforms: Transform[] = []
  for (let next: number = payloadType.T; next !== 0; ) {
    if (next !== payloadType.T)
      reader.fail('next payload', `${next} inside a proposal is neither 0 nor a transform (3)`)
    next = reader.u8('next payload')
    transforms.push(parseTransform(nested(reader, 'transform')))
  }
  if (reader.remaining > 0) reader.fail('proposal', `${reader.remaining} octets after the last transform`)
  if (transforms.length !== count) reader.fail('number of transforms', `says ${count}, there are ${transforms.length}`)
  return { number, protocol, spi, transforms }
}

function parseTransform(reader: Reader): Transform {
  const number = reader.u8('transform number')
  const id = reader.u8('transform id')
  if (reader.u16('RESERVED2') !== 0) reader.fail('RESERVED2', 'is not zero')
  return { number, id, attributes: parseAttributes(reader) }
}

// What follows `next payload` in a generic header: RESERVED and the length, which counts the header's four octets.
function nested(reader: Reader, what: string): Reader {
  if (reader.u8('RESERVED') !== 0) reader.fail('RESERVED', 'is not zero')
  const length = reader.u16(`${what} length`)
  if (length < 4) reader.fail(`${what} length`, `${length} is shorter than its own header`)
  return reader.within(length - 4, what)
}

/** The body of an SA payload; proposals and transforms are chained in the order given. */
export function emitSecurityAssociation({ doi, situation, proposals }: SecurityAssociation): Uint8Array {
  const writer = new Writer().u32(doi)
  if (situation !== undefined) writer.u32(situation)
  for (const [i, proposal] of proposals.entries()) putProposal(writer, proposal, i === proposals.length - 1)
  return writer.done()
}

function putProposal(writer: Writer, { number, protocol, spi, transforms }: Proposal, last: boolean): void {
  const from = writer.length
  writer
    .u8(last ? 0 : payloadType.P)
    .u8(0)
    .u16(0)
  writer.u8(number).u8(protocol).u8(spi.length).u8(transforms.length).put(spi)
  for (const [i, transform] of transforms.entries()) putTransform(writer, transform, i === transforms.length - 1)
  writer.patchU16(from + 2, writer.length - from)
}

function putTransform(writer: Writer, { number, id, attributes }: Transform, last: boolean): void {
  const from = writer.length
  writer
    .u8(last ? 0 : payloadType.T)
    .u8(0)
    .u16(0)
  writer.u8(number).u8(id).u16(0)
  for (const attribute of attributes) putAttribute(writer, attribute)
  writer.patchU16(from + 2, writer.length - from)
}
