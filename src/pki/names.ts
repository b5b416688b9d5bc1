// Distinguished names: read, shown, compared, built. A name keeps the octets that it came as: an ID payload holds exactly those.

import { der } from '../crypto/der.ts'
import { printable } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import { DerReader, latin1, oidText, tags } from './der-reader.ts'
import { derOid, derText } from './der-writer.ts'
import { oid } from './oids.ts'

type Attribute = { readonly type: string; readonly text: string }

export type Name = {
  /** The whole element, SEQUENCE and all. */
  readonly der: Uint8Array
  /** Outermost first, as on the wire. */
  readonly parts: readonly (readonly Attribute[])[]
}

// Ours: more parts than any directory has.
const mostParts = 64

/** Reads a Name from its whole element. */
export function parseName(whole: Uint8Array, where: string): Name {
  const outer = new DerReader(whole, where)
  const sequence = outer.inside(tags.sequence, 'the sequence')
  outer.end()
  const parts: Attribute[][] = []
  while (sequence.more) {
    const set = sequence.inside(tags.set, 'a part')
    const part: Attribute[] = []
    do {
      const attribute = set.inside(tags.sequence, 'an attribute')
      const type = oidText(attribute.take(tags.oid, 'its type').value, where)
      part.push({ type, text: stringText(attribute.any('its value')) })
      attribute.end()
    } while (set.more)
    parts.push(part)
    if (parts.length > mostParts) throw new WireError(where, 0, `a name of more than ${mostParts} parts`)
  }
  return { der: whole, parts }
}

const utf8 = new TextDecoder()

/** The text of a string of any of X.509's kinds. What is no string is shown in hex. */
export function stringText({ tag, value }: { readonly tag: number; readonly value: Uint8Array }): string {
  switch (tag) {
    case tags.utf8:
      return utf8.decode(value)
    case tags.printable:
    case tags.ia5:
    case tags.teletex:
    case tags.numeric:
      return latin1(value)
    case tags.bmp: {
      let text = ''
      for (let i = 0; i + 1 < value.length; i += 2) text += String.fromCharCode(value[i]! * 256 + value[i + 1]!)
      return text
    }
    case tags.universal: {
      let text = ''
      for (let i = 0; i + 3 < value.length; i += 4) text += `\\U${latin1Hex(value.subarray(i, i + 4))}`
      return text
    }
    default:
      return `#${latin1Hex(value)}`
  }
}

const latin1Hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

const short: Readonly<Record<string, string>> = {
  [oid.commonName]: 'CN',
  [oid.country]: 'C',
  [oid.locality]: 'L',
  [oid.state]: 'ST',
  [oid.organization]: 'O',
  [oid.organizationalUnit]: 'OU',
  [oid.domainComponent]: 'DC',
  [oid.emailAddress]: 'E',
  [oid.serialNumber]: 'serialNumber',
}

/** For people: `CN=gw.example.org, O=Example`, the innermost part first, with what a stranger wrote escaped and cut. */
export function showName({ parts }: Name): string {
  const shown = parts
    .toReversed()
    .map((part) => part.map(({ type, text }) => `${short[type] ?? type}=${printable(text, 64)}`).join('+'))
    .join(', ')
  return shown === '' ? 'an empty name' : shown.slice(0, 200)
}

/** Two names are the same where these are equal: RFC 5280 §7.1 in short (case and runs of white space mean nothing). */
export function nameKey({ parts }: Name): string {
  return JSON.stringify(
    parts.map((part) =>
      part.map(({ type, text }) => `${type}=${text.trim().replace(/\s+/g, ' ').toLowerCase()}`).toSorted(),
    ),
  )
}

/** Whether `name` lies below `base` in the directory, or is it (RFC 5280 §4.2.1.10). */
export function within(name: Name, base: Name): boolean {
  const start = { der: name.der, parts: name.parts.slice(0, base.parts.length) }
  return nameKey(start) === nameKey(base)
}

/** The last common name, or undefined. */
export function commonName({ parts }: Name): string | undefined {
  return parts.flat().findLast(({ type }) => type === oid.commonName)?.text
}

const types: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(short).map(([type, text]) => [text.toUpperCase(), type])),
  EMAIL: oid.emailAddress,
}

/** Builds a name of text as people write it, innermost first: `CN=gw.example.org, O=Example`; without `=` it is a common name. */
export function nameOf(text: string): Name {
  const pieces = text.includes('=') ? text.split(/(?<!\\),\s*/) : [`CN=${text}`]
  const parts = pieces.toReversed().map((piece) => {
    const [, key = '', value = ''] = /^\s*([^=]+?)\s*=\s*(.*?)\s*$/s.exec(piece) ?? []
    const type = types[key.toUpperCase()]
    if (type === undefined || value === '')
      throw new Error(`${JSON.stringify(piece)} is no part of a name; CN=gw.example.org, O=Example is right`)
    return [{ type, text: value.replace(/\\(.)/g, '$1') }]
  })
  const sets = parts.map(([one]) => der(tags.set, der(tags.sequence, derOid(one!.type), derText(one!.type, one!.text))))
  return { der: der(tags.sequence, ...sets), parts }
}
