// Command lines as cmd.exe cuts them, and what both tools have in common: addresses, protocols, security methods.
import type { Cipher, Hash } from '../../algorithms/algorithms.ts'
import { ipv4Number } from '../../wire/address.ts'
import { networkAround, parseNetwork, prefixOfMask, showNetwork } from '../../wire/network.ts'
import { protocolNames } from '../selector.ts'

/** A line that can't be taken; the message says why and what would be right. */
export class Refusal extends Error {}

/** Words between white space; quotes hold them together and are taken off. */
export function wordsOf(line: string): string[] {
  const words: string[] = []
  let word = ''
  let quoted = false
  let begun = false
  for (const character of line) {
    if (character === '"') {
      quoted = !quoted
      begun = true
    } else if (!quoted && /\s/.test(character)) {
      if (begun) words.push(word)
      word = ''
      begun = false
    } else {
      word += character
      begun = true
    }
  }
  if (quoted) throw new Refusal('a quotation mark is not closed')
  if (begun) words.push(word)
  return words
}

/** A side as the configuration writes it. */
export function sideText(text: string, mask: string | undefined): string {
  const word = text.toLowerCase()
  if (['me', 'any', 'dns'].includes(word)) return word
  if (word === 'gateway') return word
  if (word === 'wins' || word === 'dhcp')
    throw new Refusal(`the ${word.toUpperCase()} servers aren't known here; their addresses are right`)
  if (text === '0') return 'me'
  if (text === '*') return 'any'
  if (parseNetwork(text)) return showNetwork(parseNetwork(text)!)
  if (ipv4Number(text) === undefined)
    throw new Refusal(`${JSON.stringify(text)} is no IPv4 address; names, IPv6 and ranges aren't taken in filters`)
  const prefix = mask === undefined ? 32 : /^\d{1,2}$/.test(mask) ? Number(mask) : prefixOfMask(mask)
  if (prefix === undefined || prefix > 32) throw new Refusal(`${JSON.stringify(mask)} is no mask`)
  if (text === '0.0.0.0' && mask !== undefined && prefix === 0) return 'any'
  return prefix === 32 ? text : showNetwork(networkAround(text, prefix))
}

export function protocolText(text: string): string {
  const word = text.toLowerCase()
  if (word === 'any' || word === '0' || word === '*') return 'any'
  if ([...protocolNames.values()].includes(word)) return word
  if (word === 'raw') return '255'
  if (/^\d{1,3}$/.test(word) && Number(word) <= 255) return protocolNames.get(Number(word)) ?? word
  throw new Refusal(`protocol ${JSON.stringify(text)} isn't known; a number from 1 to 255 is right`)
}

export function portText(text: string): string {
  if (text === '0' || text === '*' || text === '') return 'any'
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return String(Number(text))
  throw new Refusal(`${JSON.stringify(text)} is no port; a filter takes one port or all`)
}

const ciphers: Readonly<Record<string, Cipher>> = {
  des: 'des',
  '3des': '3des',
  aes128: 'aes128',
  aes192: 'aes192',
  aes256: 'aes256',
}
const hashes: Readonly<Record<string, Hash>> = { md5: 'md5', sha: 'sha1', sha1: 'sha1', sha256: 'sha256' }

export type ImportedMethod = {
  readonly proposal: string
  readonly seconds: number | undefined
  readonly kilobytes: number | undefined
  readonly pfs: boolean
}

/** `ESP[3DES,SHA1]:100000k/3600s`, with `PFS` or a group behind it in ipseccmd. */
export function methodOf(text: string): ImportedMethod {
  const [, what = '', limits = ''] = /^((?:AH\[\w+\]\+?)?(?:ESP\[[\w, ]+\])?):?(.*)$/i.exec(text) ?? []
  if (/^AH/i.test(what)) throw new Refusal(`${text}: AH isn't carried; ESP with the same hash is right`)
  const [, first = '', second = ''] = /^ESP\[\s*(\w+)\s*,\s*(\w+)\s*\]$/i.exec(what) ?? []
  const cipher = ciphers[first.toLowerCase()]
  const hash = hashes[second.toLowerCase()]
  if (first.toLowerCase() === 'none')
    throw new Refusal(`${text}: without encryption nothing is protected; a cipher is right`)
  if (second.toLowerCase() === 'none')
    throw new Refusal(`${text}: encryption without integrity is unsafe; a hash is right`)
  if (!cipher || !hash)
    throw new Refusal(`${JSON.stringify(text)} is no security method; ESP[3DES,SHA1] or ESP[AES128,SHA1] is right`)
  const kilobytes = /(\d{1,9})k/i.exec(limits)?.[1]
  const seconds = /(\d{1,9})s/i.exec(limits)?.[1]
  return {
    proposal: `${cipher}-${hash}`,
    seconds: seconds === undefined ? undefined : Number(seconds),
    kilobytes: kilobytes === undefined ? undefined : Number(kilobytes),
    pfs: /P/i.test(limits),
  }
}
