// The initiator's side of a choice: what we offer, and reading what the responder chose of it.
import type { EspProposal, Group, IkeProposal } from '../algorithms/algorithms.ts'
import { showEspProposal, showIkeProposal } from '../algorithms/proposals.ts'
import { ciphers, groups, hashes } from '../algorithms/registry.ts'
import { type NatMethod, natMethods } from './nat.ts'
import { espSpi, preSharedKeyMethods, type Refused, spiOctets } from './proposals.ts'
import { type EspTransform, type IkeTransform, readEspTransform, readIkeTransform } from './transforms.ts'
import { type Attribute, attribute, longAttribute } from './wire/attributes.ts'
import type { Lifetime } from './wire/notifications.ts'
import {
  doi,
  encapsulationMode,
  espAttribute,
  identityOnly,
  ikeAttribute,
  KEY_IKE,
  lifeType,
  notifyType,
  protocolId,
} from './wire/numbers.ts'
import { type SaPayload, saPayload } from './wire/payloads.ts'
import type { Proposal, Transform } from './wire/security-association.ts'

/** One proposal with a transform for each, in the order given; attributes in the order that Windows sends. */
export function offerIke(
  proposals: readonly IkeProposal[],
  lifetime: Lifetime,
  methods: readonly number[] = preSharedKeyMethods,
): SaPayload {
  const all = methods.flatMap((method) => proposals.map((proposal) => ({ ...proposal, method })))
  const transforms = all.map(({ cipher, hash, group, method }, i): Transform => {
    const { ikeValue, keyLengthAttribute } = ciphers[cipher]
    const attributes = [
      attribute(ikeAttribute['Encryption-Algorithm'], ikeValue!),
      ...(keyLengthAttribute === undefined ? [] : [attribute(ikeAttribute['Key-Length'], keyLengthAttribute)]),
      attribute(ikeAttribute['Hash-Algorithm'], hashes[hash].ikeValue!),
      attribute(ikeAttribute['Group-Description'], groups[group].value),
      attribute(ikeAttribute['Authentication-Method'], method),
      ...lifetimeAttributes(ikeAttribute['Life-Type'], ikeAttribute['Life-Duration'], lifetime),
    ]
    return { number: i + 1, id: KEY_IKE, attributes }
  })
  return offer({ number: 1, protocol: protocolId.ISAKMP, spi: new Uint8Array(), transforms })
}

export type EspOffer = {
  readonly proposals: readonly EspProposal[]
  /** PFS in this group; a quick mode has one KE, so one group for all (RFC 2409 §5.5). */
  readonly group: Group | undefined
  readonly spi: number
  /** The method whose UDP encapsulation is asked for, or undefined for plain ESP. */
  readonly udp: NatMethod | undefined
  readonly lifetime: Lifetime
  readonly mode?: 'transport' | 'tunnel'
}

/** One proposal with one SPI and a transform for each. */
export function offerEsp({ proposals, group, spi, udp, lifetime, mode: wanted = 'transport' }: EspOffer): SaPayload {
  const inUdp = udp && natMethods[udp]
  const mode =
    wanted === 'tunnel'
      ? (inUdp?.udpTunnel ?? encapsulationMode.tunnel)
      : (inUdp?.udpTransport ?? encapsulationMode.transport)
  const transforms = proposals.map(({ cipher, hash }, i): Transform => {
    const { espTransform, keyLengthAttribute } = ciphers[cipher]
    const attributes = [
      attribute(espAttribute['Encapsulation Mode'], mode),
      ...(keyLengthAttribute === undefined ? [] : [attribute(espAttribute['Key Length'], keyLengthAttribute)]),
      ...(hash === undefined ? [] : [attribute(espAttribute['Authentication Algorithm'], hashes[hash].espValue)]),
      ...(group === undefined ? [] : [attribute(espAttribute['Group Description'], groups[group].value)]),
      ...lifetimeAttributes(espAttribute['SA Life Type'], espAttribute['SA Life Duration'], lifetime),
    ]
    return { number: i + 1, id: espTransform, attributes }
  })
  return offer({ number: 1, protocol: protocolId.ESP, spi: spiOctets(spi), transforms })
}

export type IkeAnswer = {
  readonly is: 'chosen'
  readonly proposal: IkeProposal
  readonly method: number
  readonly lifetime: Lifetime
}

/** What a responder chose of our offer. It must be one transform that we offered; numbers and lifetimes are not held against it. */
export function readIkeAnswer(offered: SaPayload, answer: SaPayload): IkeAnswer | Refused {
  const single = singleTransform(answer, protocolId.ISAKMP)
  if (!single) return refused('one phase 1 transform')
  const meaning = readIkeTransform(single.transform)
  const ours = offered.proposals.flatMap(({ transforms }) => transforms.map(readIkeTransform))
  if (!ours.some((one) => sameIke(one, meaning)))
    return refused(`a phase 1 transform that we offered, but ${meaning.shown}`)
  return { is: 'chosen', proposal: meaning.proposal!, method: meaning.authentication!, lifetime: meaning.lifetime }
}

export type EspAnswer = {
  readonly is: 'chosen'
  readonly proposal: EspProposal
  readonly peerSpi: number
  readonly udp: boolean
  readonly esn: boolean
  readonly lifetime: Lifetime
}

export function readEspAnswer(offered: SaPayload, answer: SaPayload): EspAnswer | Refused {
  const single = singleTransform(answer, protocolId.ESP)
  const peerSpi = single && espSpi(single.proposal.spi)
  if (!single || peerSpi === undefined) return refused('one ESP transform with an SPI')
  const meaning = readEspTransform(single.transform)
  const ours = offered.proposals.flatMap(({ transforms }) => transforms.map((one) => readEspTransform(one)))
  if (!ours.some((one) => sameEsp(one, meaning)))
    return refused(`an ESP transform that we offered, but ${meaning.shown}`)
  return {
    is: 'chosen',
    proposal: { ...meaning.algorithms!, group: meaning.group as Group | undefined },
    peerSpi,
    udp: meaning.encapsulation!.udp,
    esn: meaning.esn,
    lifetime: meaning.lifetime,
  }
}

function sameIke(a: IkeTransform, b: IkeTransform): boolean {
  if (!a.proposal || !b.proposal) return false
  return (
    showIkeProposal(a.proposal) === showIkeProposal(b.proposal) &&
    a.authentication !== undefined &&
    a.authentication === b.authentication
  )
}

function sameEsp(a: EspTransform, b: EspTransform): boolean {
  if (!a.algorithms || !b.algorithms || !a.encapsulation || !b.encapsulation) return false
  return (
    showEspProposal({ ...a.algorithms, group: undefined }) === showEspProposal({ ...b.algorithms, group: undefined }) &&
    a.group === b.group &&
    a.esn === b.esn &&
    a.encapsulation.udp === b.encapsulation.udp &&
    a.encapsulation.mode === b.encapsulation.mode
  )
}

function singleTransform(
  answer: SaPayload,
  protocol: number,
): { readonly proposal: Proposal; readonly transform: Transform } | undefined {
  const [proposal, ...others] = answer.proposals
  const [transform, ...more] = proposal?.transforms ?? []
  if (!proposal || !transform || others.length > 0 || more.length > 0 || proposal.protocol !== protocol)
    return undefined
  return { proposal, transform }
}

function refused(insteadOf: string): Refused {
  return {
    is: 'refused',
    cause: 'proposal',
    why: `the responder did not choose ${insteadOf}: its answer to our proposal breaks RFC 2408 §4.2`,
    notify: notifyType['BAD-PROPOSAL-SYNTAX'],
  }
}

function offer(proposal: Proposal): SaPayload {
  return saPayload({ doi: doi.IPSEC, situation: identityOnly, proposals: [proposal] })
}

function lifetimeAttributes(type: number, duration: number, { seconds, kilobytes }: Lifetime): Attribute[] {
  return [
    ...(seconds === undefined ? [] : [attribute(type, lifeType.seconds), longAttribute(duration, seconds)]),
    ...(kilobytes === undefined ? [] : [attribute(type, lifeType.kilobytes), longAttribute(duration, kilobytes)]),
  ]
}
