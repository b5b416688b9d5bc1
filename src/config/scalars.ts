// The scalar values of a configuration. YAML is read with every scalar as text (`0123` stays `0123`), so each kind is parsed here,
// and says what would be right when it isn't.
import { z } from 'zod'
import { addressOctets, addressText, ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import { maskOf, parseNetwork } from '../wire/network.ts'
import type { AddressRange, InterfaceAddress, WeekSpan } from './configuration.ts'

/** A scalar parsed by `read`, which returns a string where the text is wrong: what would be right. */
export function scalar<T>(
  read: (text: string) => T,
): z.ZodPipe<z.ZodString, z.ZodTransform<Exclude<T, Wrong>, string>> {
  return z.string().transform((text, context) => {
    const value = read(text.trim())
    if (!(value instanceof Wrong)) return value as Exclude<T, Wrong>
    context.issues.push({ code: 'custom', input: text, message: value.right })
    return z.NEVER
  })
}

/** What would be right, as the end of a sentence: "10.99.0.10-10.99.0.250 …". */
export class Wrong {
  readonly right: string
  constructor(right: string) {
    this.right = right
  }
}

export const bool = scalar((text) => {
  if (['true', 'yes', 'on'].includes(text)) return true
  if (['false', 'no', 'off'].includes(text)) return false
  return new Wrong('true or false is right')
})

export function integer(least: number, most: number) {
  return scalar((text) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    return value >= least && value <= most ? value : new Wrong(`a whole number from ${least} to ${most} is right`)
  })
}

const secondsPer: Record<string, number> = { s: 1, sec: 1, m: 60, min: 60, h: 3600, d: 86_400 }

/** Seconds. */
export function duration(leastSeconds: number, mostSeconds: number) {
  return scalar((text) => {
    const [, count, unit] = /^(\d{1,9})\s*([a-z]+)$/.exec(text) ?? []
    const seconds = Number(count) * (secondsPer[unit ?? ''] ?? Number.NaN)
    if (Number.isNaN(seconds)) return new Wrong('a number with its unit is right: 45s, 10min, 8h or 1d')
    if (seconds >= leastSeconds && seconds <= mostSeconds) return seconds
    return new Wrong(`at least ${leastSeconds}s and at most ${showSeconds(mostSeconds)} is right`)
  })
}

function showSeconds(seconds: number): string {
  return seconds % 86_400 === 0 ? `${seconds / 86_400}d` : seconds % 3600 === 0 ? `${seconds / 3600}h` : `${seconds}s`
}

const kilobytesPer: Record<string, number> = { KB: 1, MB: 1000, GB: 1_000_000 }

/** Kilobytes, as IKE counts them (RFC 2407 §4.5). */
export const kilobytes = scalar((text) => {
  const [, count, unit] = /^(\d{1,9})\s*([KMG]B)$/.exec(text) ?? []
  const value = Number(count) * (kilobytesPer[unit ?? ''] ?? Number.NaN)
  if (Number.isNaN(value)) return new Wrong('a number with its unit is right: 250MB or 4GB')
  return value >= 2560 && value < 2 ** 32 ? value : new Wrong('at least 2560KB and below 4294GB is right')
})

export const address = scalar((text) => {
  const octets = addressOctets(text)
  return octets ? addressText(octets) : new Wrong('an address such as 192.0.2.1 or 2001:db8::1 is right')
})

export const ipv4 = scalar((text) =>
  ipv4Number(text) === undefined ? new Wrong('an IPv4 address such as 10.99.0.1 is right') : text,
)

export const network = scalar((text) => {
  const value = parseNetwork(text)
  if (!value) return new Wrong('a network such as 10.1.0.0/16 is right')
  if (!text.startsWith(`${value.address}/`))
    return new Wrong(`${value.address}/${value.prefix} is right for that network`)
  return value
})

/** An address with the prefix length of its network; neither the network itself nor its broadcast address. */
export const interfaceAddress = scalar((text): InterfaceAddress | Wrong => {
  const [, address = '', bits] = /^([\d.]+)(?:\/(\d{1,2}))?$/.exec(text) ?? []
  const number = ipv4Number(address)
  if (number === undefined) return new Wrong('an address with its prefix length such as 192.168.1.1/24 is right')
  if (bits === undefined)
    return new Wrong(
      `the prefix length of its network belongs to it: ${address}/24, if the mask is 255.255.255.0, is right`,
    )
  const prefix = Number(bits)
  if (prefix < 8 || prefix > 31) return new Wrong('a prefix length from 8 to 31 is right')
  const net = maskOf(number, prefix)
  if (prefix < 31 && (number === net || number === net + 2 ** (32 - prefix) - 1))
    return new Wrong(`an address of a host is right: ${ipv4FromNumber(net + 1)}/${prefix}`)
  return { address, prefix }
})

/** A range, a network (its first and last address left out up to /30), or one address. */
export const addressRange = scalar((text): AddressRange | Wrong => {
  const example = '10.99.0.10-10.99.0.250 or 10.99.0.0/24 is right'
  const single = ipv4Number(text)
  if (single !== undefined) return { first: single, last: single }
  const net = parseNetwork(text)
  if (net) {
    const first = ipv4Number(net.address)!
    const last = first + 2 ** (32 - net.prefix) - 1
    if (net.prefix < 12) return new Wrong('a network of /12 or smaller is right')
    return net.prefix > 30 ? { first, last } : { first: first + 1, last: last - 1 }
  }
  const [, from, to] = /^([\d.]+)\s*-\s*([\d.]+)$/.exec(text) ?? []
  const first = ipv4Number(from ?? '')
  const last = ipv4Number(to ?? '')
  if (first === undefined || last === undefined) return new Wrong(`an IPv4 range or network such as ${example}`)
  if (first > last) return new Wrong(`the lower address first is right: ${to}-${from}`)
  return last - first < 2 ** 20 ? { first, last } : new Wrong('a range of at most 1048576 addresses is right')
})

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** `mon-fri 08:00-18:00`, `sat 09:00-12:00`, `daily 22:00-06:00`: spans of the week, in minutes from Monday 00:00. */
export const hours = scalar((text): readonly WeekSpan[] | Wrong => {
  const wrong = new Wrong('days and times such as "mon-fri 08:00-18:00" or "daily 22:00-06:00" are right')
  const [, from, to, hour1, minute1, hour2, minute2] =
    /^([a-z]+)(?:-([a-z]+))? (\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text.toLowerCase()) ?? []
  const first = from === 'daily' ? 0 : days.indexOf(from ?? '')
  const last = from === 'daily' ? 6 : to === undefined ? first : days.indexOf(to)
  const start = Number(hour1) * 60 + Number(minute1)
  const end = Number(hour2) * 60 + Number(minute2)
  if (first < 0 || last < 0 || !(start < 1440) || !(end <= 1440) || Number(minute1) > 59 || Number(minute2) > 59)
    return wrong
  const length = end > start ? end - start : end - start + 1440
  const count = ((last - first + 7) % 7) + 1
  return Array.from({ length: count }, (_, i) => {
    const begin = ((first + i) % 7) * 1440 + start
    return { from: begin, to: begin + length }
  }).flatMap((span) =>
    span.to <= 10_080
      ? [span]
      : [
          { from: span.from, to: 10_080 },
          { from: 0, to: span.to - 10_080 },
        ],
  )
})
