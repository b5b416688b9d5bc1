// The notify messages whose bodies have a shape: lifetimes, first contact, dead-peer detection. Built for both the ISAKMP SA and ESP SAs.
import { concat, Reader, Writer } from '../../wire/codec.ts'
import {
  type Attribute,
  attribute,
  attributeNumber,
  longAttribute,
  parseAttributes,
  putAttribute,
} from './attributes.ts'
import { doi, lifeType, notifyType, protocolId } from './numbers.ts'
import { type Notify, type NotifyPayload, notifyPayload } from './payloads.ts'

type Cookies = { readonly initiatorCookie: Uint8Array; readonly responderCookie: Uint8Array }

/** How long an SA lives; undefined: not said. */
export type Lifetime = { readonly seconds: number | undefined; readonly kilobytes: number | undefined }

/** The SPI of an ISAKMP SA: both cookies (RFC 2408 §3.14). */
export function ikeSpi({ initiatorCookie, responderCookie }: Cookies): Uint8Array {
  return concat(initiatorCookie, responderCookie)
}

/** A plain notify in the IPSEC DOI, e.g. NO-PROPOSAL-CHOSEN. */
export function ikeNotify(
  notify: number,
  spi: Uint8Array = new Uint8Array(),
  data: Uint8Array = new Uint8Array(),
): NotifyPayload {
  return notifyPayload({ doi: doi.IPSEC, protocol: protocolId.ISAKMP, spi, notify, data })
}

export function espNotify(notify: number, spi: Uint8Array, data: Uint8Array = new Uint8Array()): NotifyPayload {
  return notifyPayload({ doi: doi.IPSEC, protocol: protocolId.ESP, spi, notify, data })
}

/** INITIAL-CONTACT (RFC 2407 §4.6.3.3): the sender knows of no other SA with us. */
export function initialContact(cookies: Cookies): NotifyPayload {
  return ikeNotify(notifyType['INITIAL-CONTACT'], ikeSpi(cookies))
}

/** R-U-THERE or its answer, with the same sequence number (RFC 3706 §5.3). */
export function deadPeerProbe(cookies: Cookies, sequence: number, answer: boolean): NotifyPayload {
  const notify = answer ? notifyType['R-U-THERE-ACK'] : notifyType['R-U-THERE']
  return ikeNotify(notify, ikeSpi(cookies), new Writer().u32(sequence).done())
}

/** The sequence number of a DPD notify, or undefined where its data has not four octets. */
export function deadPeerSequence({ data }: Notify): number | undefined {
  return data.length === 4 ? new Reader(data).u32('DPD sequence') : undefined
}

/** The data of RESPONDER-LIFETIME (RFC 2407 §4.6.3.1): the lifetime that the responder will really keep to. `phase` picks the attribute numbers. */
export function responderLifetimeData(phase: 1 | 2, { seconds, kilobytes }: Lifetime): Uint8Array {
  const writer = new Writer()
  const [type, duration] = phase === 1 ? [11, 12] : [1, 2]
  const put = (kind: number, value: number) => {
    putAttribute(writer, attribute(type!, kind))
    putAttribute(writer, longAttribute(duration!, Math.min(value, 0xffff_ffff)))
  }
  if (seconds !== undefined) put(lifeType.seconds, seconds)
  if (kilobytes !== undefined) put(lifeType.kilobytes, kilobytes)
  return writer.done()
}

/** Reads the data of RESPONDER-LIFETIME; throws WireError. */
export function parseResponderLifetime(phase: 1 | 2, { data }: Notify): Lifetime {
  return readLifetime(phase, parseAttributes(new Reader(data)))
}

/**
 * The lifetimes among a transform's attributes. A type precedes each duration (RFC 2407 §4.5: SA Life Type must precede); a duration without one
 * counts as seconds; a duration of 0 says nothing. Of several of one kind the shortest counts.
 */
export function readLifetime(phase: 1 | 2, attributes: readonly Attribute[]): Lifetime {
  const { seconds, kilobytes } = durations(phase, attributes)
  const least = (values: readonly number[]) => (values.length > 0 ? Math.min(...values) : undefined)
  return { seconds: least(seconds), kilobytes: least(kilobytes) }
}

/** Whether two durations of one kind contradict each other (RFC 2407 §4.5.2). */
export function lifetimesConflict(phase: 1 | 2, attributes: readonly Attribute[]): boolean {
  const { seconds, kilobytes } = durations(phase, attributes)
  return new Set(seconds).size > 1 || new Set(kilobytes).size > 1
}

function durations(phase: 1 | 2, attributes: readonly Attribute[]) {
  const [type, duration] = phase === 1 ? [11, 12] : [1, 2]
  const seconds: number[] = []
  const kilobytes: number[] = []
  let kind: number | undefined
  for (const one of attributes) {
    if (one.type === type) kind = attributeNumber(one)
    if (one.type !== duration) continue
    const value = attributeNumber(one)
    if (!value) continue
    if (kind === lifeType.kilobytes) kilobytes.push(value)
    else if (kind === lifeType.seconds || kind === undefined) seconds.push(value)
  }
  return { seconds, kilobytes }
}

/** Whether a Notify or Delete is written in numbers that mean something here (RFC 2408 §5.14, §5.15); a protocol of 0 names none, and harms nothing. */
export function understood({ doi: written, protocol }: Pick<Notify, 'doi' | 'protocol'>): boolean {
  return (written === doi.IPSEC || written === doi.ISAKMP) && protocol <= protocolId.IPCOMP
}
