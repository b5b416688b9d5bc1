// Which payloads each message has, how often, and whether it is sealed (RFC 2409 §5): as data, checked before a message is believed or acted upon.
import { exchangeType } from './wire/numbers.ts'
import type { Payload } from './wire/payloads.ts'

type Kind = Payload['is']
type Count = readonly [least: number, most: number]

export type MessageName =
  | 'AM1'
  | 'AM2'
  | 'AM3'
  | 'MM1'
  | 'MM2'
  | 'MM3'
  | 'MM4'
  | 'MM5'
  | 'MM6'
  | 'QM1'
  | 'QM2'
  | 'QM3'
  | 'QM4'
  | 'INFO'

export type MessageRule = {
  readonly exchange: number
  readonly sealed: boolean
  /** Phase 1 messages have message id 0, all others another (RFC 2408 §3.1). */
  readonly messageId: 'zero' | 'not zero'
  /** The kind that must stand first. */
  readonly first: Kind | undefined
  /** Kinds that are not here are not allowed; kinds of `everywhere` always are. */
  readonly payloads: Readonly<Partial<Record<Kind, Count>>>
}

// Ours: enough for every client known, little enough that no message keeps us busy.
const many = 24
const natD: Count = [0, 16]

/** Payloads that may come with every message and are heard or passed over; CERT and CERTREQ: RFC 2408 §3.9, §3.10. */
const everywhere: Readonly<Partial<Record<Kind, Count>>> = {
  VID: [0, many],
  N: [0, many],
  CERT: [0, many],
  CERTREQ: [0, many],
  unknown: [0, many],
}

const phase1 = { exchange: exchangeType.main, messageId: 'zero', first: undefined } as const
const aggressive = { exchange: exchangeType.aggressive, messageId: 'zero' } as const
const quick = { exchange: exchangeType.quick, messageId: 'not zero', sealed: true, first: 'HASH' } as const

const offer: MessageRule = {
  ...quick,
  payloads: { HASH: [1, 1], SA: [1, 1], NONCE: [1, 1], KE: [0, 1], ID: [0, 2], 'NAT-OA': [0, 2] },
}

const keyExchange: MessageRule = {
  ...phase1,
  sealed: false,
  payloads: { KE: [1, 1], NONCE: [1, 1], 'NAT-D': natD },
}

const identification: MessageRule = {
  ...phase1,
  sealed: true,
  payloads: { ID: [1, 1], HASH: [0, 1], SIG: [0, 1] },
}

export const messageRules: Readonly<Record<MessageName, MessageRule>> = {
  MM1: { ...phase1, sealed: false, first: 'SA', payloads: { SA: [1, 1] } },
  MM2: { ...phase1, sealed: false, first: 'SA', payloads: { SA: [1, 1] } },
  MM3: keyExchange,
  MM4: keyExchange,
  MM5: identification,
  MM6: identification,
  QM1: offer,
  QM2: offer,
  QM3: { ...quick, payloads: { HASH: [1, 1] } },
  QM4: { ...quick, payloads: { HASH: [1, 1] } },
  AM1: {
    ...aggressive,
    sealed: false,
    first: 'SA',
    payloads: { SA: [1, 1], KE: [1, 1], NONCE: [1, 1], ID: [1, 1] },
  },
  AM2: {
    ...aggressive,
    sealed: false,
    first: 'SA',
    payloads: { SA: [1, 1], KE: [1, 1], NONCE: [1, 1], ID: [1, 1], HASH: [1, 1], 'NAT-D': natD },
  },
  AM3: { ...aggressive, sealed: true, first: undefined, payloads: { HASH: [1, 1], 'NAT-D': natD } },
  INFO: {
    exchange: exchangeType.informational,
    sealed: true,
    messageId: 'not zero',
    first: 'HASH',
    // Windows puts a nonce before its Delete ([MS-IKEE] §3.8.4.1).
    payloads: { HASH: [1, 1], D: [0, many], NONCE: [0, 1] },
  },
}

/** What is wrong with these payloads as that message, in words, or undefined. */
export function breach(name: MessageName, payloads: readonly Payload[]): string | undefined {
  const rule = messageRules[name]
  if (rule.first && payloads[0]?.is !== rule.first)
    return `${name} begins with ${payloads[0]?.is ?? 'nothing'}, not with ${rule.first}`
  const counts = new Map<Kind, number>()
  for (const { is } of payloads) counts.set(is, (counts.get(is) ?? 0) + 1)
  for (const [is, count] of counts) {
    const most = (rule.payloads[is] ?? everywhere[is])?.[1] ?? 0
    if (count > most) return `${name} holds ${is} ${count} times, ${most} allowed`
  }
  for (const is in rule.payloads) {
    const [least] = rule.payloads[is as Kind]!
    if ((counts.get(is as Kind) ?? 0) < least) return `${name} holds no ${is}`
  }
  return undefined
}

/** The one payload of a kind, or undefined. */
export function only<K extends Kind>(payloads: readonly Payload[], is: K): Extract<Payload, { is: K }> | undefined {
  return payloads.find((payload): payload is Extract<Payload, { is: K }> => payload.is === is)
}

/** The payload that the rules have made sure of. */
export function required<K extends Kind>(payloads: readonly Payload[], is: K): Extract<Payload, { is: K }> {
  const found = only(payloads, is)
  if (!found) throw new TypeError(`the message rules let a message without ${is} pass`)
  return found
}

export function all<K extends Kind>(payloads: readonly Payload[], is: K): Extract<Payload, { is: K }>[] {
  return payloads.filter((payload): payload is Extract<Payload, { is: K }> => payload.is === is)
}
