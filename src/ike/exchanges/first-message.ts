// What the body of a first message of main mode comes to, apart from who sent it and with which cookie. Clients of one kind all send the same one, and so do
// most forgers, ten thousand times a second: it is judged once and remembered, by its octets and by what it was judged with.
import { hashHex } from '../../crypto/hash.ts'
import { type Encoded, requestsIn, signs } from '../authentication.ts'
import type { ClientKind, IkePolicy } from '../contract.ts'
import type { IkeRefusal } from '../events.ts'
import { recognise, type Software, vendorNames } from '../fingerprint.ts'
import { fragmentationId } from '../fragmentation.ts'
import { all, breach, required } from '../message-rules.ts'
import { chooseNatMethod, type NatMethod, natMethods } from '../nat.ts'
import { selectIke } from '../proposals.ts'
import { hasQuirk } from '../quirks.ts'
import { policyAt, siteAt } from '../sites.ts'
import type { Agreed } from '../state.ts'
import { type EmittedChain, emitChain, parseChain } from '../wire/chain.ts'
import { type Payload, vidPayload } from '../wire/payloads.ts'
import { vendorOctets } from '../wire/vendor-ids.ts'

/** What a peer's first message says of itself. */
export type Introduction = {
  readonly client: ClientKind
  readonly software: Software
  readonly natMethod: NatMethod | undefined
  readonly dpd: boolean
  readonly fragmentation: boolean
}

export type Judgement =
  | { readonly is: 'wrong'; readonly why: string }
  /** Nothing is configured by which the two sides could prove themselves. */
  | { readonly is: 'unknown peer'; readonly client: ClientKind }
  | {
      readonly is: 'refused'
      readonly client: ClientKind
      readonly cause: IkeRefusal
      readonly why: string
      readonly notify: number
    }
  | {
      readonly is: 'chosen'
      readonly introduction: Introduction
      readonly agreed: Agreed
      /** The certificates that the peer asks for already. */
      readonly requests: readonly Encoded[]
      /** MM2 without its header. */
      readonly answer: EmittedChain
    }

/** Ours: bodies remembered of one policy. There are some twenty kinds of clients; whoever sends others costs what he would anyway. */
const mostRemembered = 64

const remembered = new WeakMap<IkePolicy, Map<string, Judgement>>()

/** Judges the chain of payloads that begins with `next`. Throws WireError where it is none. `methods`: what may prove the two sides at this address. */
export function judgeFirst(
  policy: IkePolicy,
  address: string,
  methods: readonly number[],
  { next, body }: { readonly next: number; readonly body: Uint8Array },
): Judgement {
  let known = remembered.get(policy)
  if (!known) {
    known = new Map()
    remembered.set(policy, known)
  }
  const key = `${hashHex('sha1', body)} ${next} ${methods.join()} ${siteAt(policy, address)?.name ?? ''}`
  const before = known.get(key)
  if (before) return before
  const judgement = judge(policyAt(policy, address), methods, next, body.slice())
  if (known.size >= mostRemembered) known.delete(known.keys().next().value!)
  known.set(key, judgement)
  return judgement
}

/** `body` is kept. */
function judge(policy: IkePolicy, methods: readonly number[], next: number, body: Uint8Array): Judgement {
  const { payloads } = parseChain(next, body, 'clear')
  const wrong = breach('MM1', payloads)
  if (wrong) return { is: 'wrong', why: wrong }
  const introduction = introductionOf(payloads)
  const { client } = introduction
  if (methods.length === 0) return { is: 'unknown peer', client }
  const sa = required(payloads, 'SA')
  const chosen = selectIke(policy, sa, methods)
  if (chosen.is === 'refused') return { is: 'refused', client, ...without(chosen) }
  const agreed: Agreed = {
    proposal: chosen.proposal,
    method: chosen.authentication,
    saiB: sa.body,
    lifeSeconds: chosen.lifetime.seconds,
    lifeKilobytes: chosen.lifetime.kilobytes,
  }
  const requests = signs(agreed.method) ? requestsIn(all(payloads, 'CERTREQ')) : []
  return {
    is: 'chosen',
    introduction,
    agreed,
    requests,
    answer: emitChain([chosen.answer, ...vendorIds(introduction)]),
  }
}

const without = ({ cause, why, notify }: { cause: IkeRefusal; why: string; notify: number }) => ({ cause, why, notify })

export function introductionOf(payloads: readonly Payload[]): Introduction {
  const { kind: client, software } = recognise(payloads)
  const vendors = vendorNames(payloads)
  return {
    client,
    software,
    natMethod: chooseNatMethod(vendors),
    dpd: vendors.includes('DPD'),
    fragmentation: vendors.includes('FRAGMENTATION'),
  }
}

// Only what the peer itself announced is answered: a Windows update once refused gateways for their vendor ids.
export function vendorIds(peer: Introduction): readonly Payload[] {
  return [
    ...(peer.natMethod ? [vidPayload(vendorOctets(natMethods[peer.natMethod].vendor))] : []),
    ...(peer.fragmentation ? [vidPayload(fragmentationId(hasQuirk('plain FRAGMENTATION id', peer)))] : []),
    ...(peer.dpd ? [vidPayload(vendorOctets('DPD'))] : []),
    ...(peer.client === 'gatehouse' ? [vidPayload(vendorOctets('Gatehouse'))] : []),
  ]
}
