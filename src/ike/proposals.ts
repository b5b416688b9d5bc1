// Choosing among what a peer offers, by our own preference (clients put unknown or weak ones first), and building and reading offers in the
// initiator's role. A choice is echoed exactly as it came; a refusal is one sentence.
import type { EspProposal, Group, Hash, IkeProposal } from '../algorithms/algorithms.ts'
import { showIkeProposal } from '../algorithms/proposals.ts'
import { groups } from '../algorithms/registry.ts'
import { Reader } from '../wire/codec.ts'
import type { IkePolicy } from './contract.ts'
import type { IkeRefusal } from './events.ts'
import { explainEsp, explainIke } from './refusals.ts'
import { type EspTransform, readEspTransform, readIkeTransform } from './transforms.ts'
import type { Lifetime } from './wire/notifications.ts'
import { authenticationMethod, doi, identityOnly, notifyType, protocolId } from './wire/numbers.ts'
import { type SaPayload, saPayload } from './wire/payloads.ts'
import type { Proposal, SecurityAssociation, Transform } from './wire/security-association.ts'

/** `why` is a whole sentence for the operator; `notify` what to answer the peer with. */
export type Refused = {
  readonly is: 'refused'
  readonly cause: IkeRefusal
  readonly why: string
  readonly notify: number
}

/** The policy's part that choices go by. */
export type IkeChoicePolicy = Pick<IkePolicy, 'ike' | 'disabled'>
export type EspChoicePolicy = Pick<IkePolicy, 'esp' | 'pfsGroups' | 'requirePfs' | 'disabled'>

// --- phase 1 ----------------------------------------------------------------------------------------------------------------------------

export type IkeChosen = {
  readonly is: 'chosen'
  readonly proposal: IkeProposal
  readonly authentication: number
  /** As the peer said it. */
  readonly lifetime: Lifetime
  /** The SA payload to answer with: the chosen transform alone, octet for octet. */
  readonly answer: SaPayload
}

/** The authentication methods that stand behind a pre-shared key. */
export const preSharedKeyMethods: readonly number[] = [authenticationMethod['pre-shared key']]

export function selectIke(
  policy: IkeChoicePolicy,
  offer: SaPayload,
  methods: readonly number[] = preSharedKeyMethods,
): IkeChosen | Refused {
  const unreadable = unreadableOffer(offer)
  if (unreadable) return unreadable
  const offered = bundles(offer.proposals)
    .filter((bundle) => bundle.length === 1 && bundle[0]!.protocol === protocolId.ISAKMP)
    .flatMap(([proposal]) =>
      proposal!.transforms.map((transform) => ({
        proposal: proposal!,
        transform,
        meaning: readIkeTransform(transform),
      })),
    )
  const usable = new Map<string, (typeof offered)[number]>()
  for (const one of offered) {
    const { proposal, authentication } = one.meaning
    if (!proposal || authentication === undefined || !methods.includes(authentication)) continue
    const key = `${authentication} ${showIkeProposal(proposal)}`
    if (!usable.has(key)) usable.set(key, one)
  }
  for (const [method, wanted] of methods.flatMap((one) => policy.ike.map((proposal) => [one, proposal] as const))) {
    const found = usable.get(`${method} ${showIkeProposal(wanted)}`)
    if (found) {
      const { proposal, transform, meaning } = found
      return {
        is: 'chosen',
        proposal: wanted,
        authentication: meaning.authentication!,
        lifetime: meaning.lifetime,
        answer: saPayload(answerWith(offer, proposal, proposal.spi, transform)),
      }
    }
  }
  return explainIke(
    policy,
    offered.map(({ meaning }) => meaning),
    methods,
  )
}

// --- phase 2 ----------------------------------------------------------------------------------------------------------------------------

/** What the negotiation around the offer says. */
export type EspChoiceContext = {
  /** ESP in UDP: `must` where a NAT was found, `may` where NAT traversal was agreed on and none was found, `never` without it. */
  readonly udp: 'must' | 'may' | 'never'
  /** The peer's KE in the same message: octets of its public value; undefined where there is none. */
  readonly keyExchangeOctets: number | undefined
  /** The peer has the quirk `key length swapped`. */
  readonly keyLengthSwapped?: boolean
  /** Transport unless the peer is a site and asks for a tunnel. */
  readonly mode?: 'transport' | 'tunnel'
}

/** Plain data: the machine keeps it until the inbound SA stands, then answers with `espAnswer`. */
export type EspChosen = {
  readonly is: 'chosen'
  /** With the PFS group that was agreed on. */
  readonly proposal: EspProposal
  readonly mode: 'transport' | 'tunnel'
  readonly udp: boolean
  readonly esn: boolean
  readonly lifetime: Lifetime
  /** The peer's inbound SPI. */
  readonly peerSpi: number
  readonly offered: {
    readonly doi: number
    readonly situation: number | undefined
    readonly proposal: Pick<Proposal, 'number' | 'protocol'>
    readonly transform: Transform
  }
}

export function selectEsp(policy: EspChoicePolicy, offer: SaPayload, context: EspChoiceContext): EspChosen | Refused {
  const unreadable = unreadableOffer(offer)
  if (unreadable) return unreadable
  const offered = bundles(offer.proposals)
    .filter(
      (bundle) => bundle.length === 1 && bundle[0]!.protocol === protocolId.ESP && espSpi(bundle[0]!.spi) !== undefined,
    )
    .flatMap(([proposal]) =>
      proposal!.transforms.map((transform) => ({
        proposal: proposal!,
        transform,
        meaning: readEspTransform(transform, context.keyLengthSwapped),
      })),
    )
  for (const wanted of policy.esp) {
    const found = offered.find(({ meaning }) => espFault(policy, meaning, wanted, context) === undefined)
    if (!found) continue
    const { proposal, transform, meaning } = found
    return {
      is: 'chosen',
      proposal: { cipher: wanted.cipher, hash: wanted.hash, group: meaning.group as Group | undefined },
      mode: meaning.encapsulation!.mode,
      udp: meaning.encapsulation!.udp,
      esn: meaning.esn,
      lifetime: meaning.lifetime,
      peerSpi: espSpi(proposal.spi)!,
      offered: {
        doi: offer.doi,
        situation: offer.situation,
        proposal: { number: proposal.number, protocol: proposal.protocol },
        transform,
      },
    }
  }
  return explainEsp(
    policy,
    offered.map(({ meaning }) => meaning),
    context,
    espFault,
  )
}

/** Whether any transform of the offer is for tunnel mode. */
export function offersTunnel(offer: SaPayload): boolean {
  return offer.proposals.some(
    ({ protocol, transforms }) =>
      protocol === protocolId.ESP &&
      transforms.some((transform) => readEspTransform(transform).encapsulation?.mode === 'tunnel'),
  )
}

/** The SA payload that answers a choice: the chosen transform alone, octet for octet, with our SPI. */
export function espAnswer({ offered }: EspChosen, ourSpi: number): SaPayload {
  return saPayload(answerWith(offered, offered.proposal, spiOctets(ourSpi), offered.transform))
}

export type EspFault = 'algorithms' | 'group' | 'mode' | 'key exchange'

/** Why a transform is not `wanted`, or undefined where it is. */
function espFault(
  policy: EspChoicePolicy,
  offered: EspTransform,
  wanted: EspProposal,
  context: EspChoiceContext,
): EspFault | undefined {
  const { algorithms, group, encapsulation } = offered
  if (algorithms?.cipher !== wanted.cipher || !hashFits(algorithms.hash, wanted.hash)) return 'algorithms'
  if (group === undefined ? policy.requirePfs : !pfsAllowed(policy, wanted, group)) return 'group'
  if (encapsulation?.mode !== (context.mode ?? 'transport')) return 'mode'
  if (encapsulation.udp ? context.udp === 'never' : context.udp === 'must') return 'mode'
  // A group and a KE come together (RFC 2409 §5.5); the KE's length tells which group it is for.
  const needed = group === undefined ? undefined : groups[group as Group].publicOctets
  return context.keyExchangeOctets === needed ? undefined : 'key exchange'
}

// Old Androids and Linuxes say SHA2-256 and cut it to 96 bits; where a rule asks for the cut one, it is taken at its word.
function hashFits(offered: Hash | undefined, wanted: Hash | undefined): boolean {
  return offered === wanted || (offered === 'sha256' && wanted === 'sha256_96')
}

function pfsAllowed(policy: EspChoicePolicy, wanted: EspProposal, group: Group | 'unknown'): boolean {
  if (group === 'unknown') return false
  return wanted.group === undefined ? policy.pfsGroups.includes(group) : wanted.group === group
}

// --- both -------------------------------------------------------------------------------------------------------------------------------

// Proposals with equal numbers must be taken together (RFC 2408 §4.2): AH and ESP, or ESP and IPCOMP. We take single ones only.
function bundles(proposals: readonly Proposal[]): readonly (readonly Proposal[])[] {
  const all: Proposal[][] = []
  for (const proposal of proposals) {
    const last = all.at(-1)
    if (last && last[0]!.number === proposal.number) last.push(proposal)
    else all.push([proposal])
  }
  return all
}

function unreadableOffer({ doi: offered, situation }: SecurityAssociation): Refused | undefined {
  if (offered !== doi.IPSEC)
    return {
      is: 'refused',
      cause: 'proposal',
      why: `the peer's proposal is written for DOI ${offered}; only IPSEC (1) is spoken here`,
      notify: notifyType['DOI-NOT-SUPPORTED'],
    }
  if (situation !== identityOnly)
    return {
      is: 'refused',
      cause: 'proposal',
      why: `the peer's proposal asks for situation ${situation}; only SIT_IDENTITY_ONLY (1) is spoken here`,
      notify: notifyType['SITUATION-NOT-SUPPORTED'],
    }
  return undefined
}

function answerWith(
  offer: { readonly doi: number; readonly situation: number | undefined },
  proposal: Pick<Proposal, 'number' | 'protocol'>,
  spi: Uint8Array,
  transform: Transform,
): SecurityAssociation {
  const { number, protocol } = proposal
  return { doi: offer.doi, situation: offer.situation, proposals: [{ number, protocol, spi, transforms: [transform] }] }
}

/** An ESP SPI: four octets, not in the reserved range 0 to 255 (RFC 4303 §2.1). */
export function espSpi(octets: Uint8Array): number | undefined {
  if (octets.length !== 4) return undefined
  const spi = new Reader(octets).u32('SPI')
  return spi > 255 ? spi : undefined
}

export function spiOctets(spi: number): Uint8Array {
  return Uint8Array.of(spi >>> 24, (spi >>> 16) & 0xff, (spi >>> 8) & 0xff, spi & 0xff)
}
