// Proposal strings (`aes256-sha1-modp2048`): how configuration, status and the log write what was negotiated.
import type { Cipher, EspProposal, Group, Hash, IkeProposal } from './algorithms.ts'
import { cipherNames, ciphers, groupNames, hashes, hashNames } from './registry.ts'

export type Parsed<P> =
  | { readonly is: 'proposal'; readonly proposal: P }
  /** `fault` is one sentence that says what was found and what would be right. */
  | { readonly is: 'fault'; readonly fault: string }

export function showIkeProposal({ cipher, hash, group }: IkeProposal): string {
  return `${cipher}-${hash}-${group}`
}

export function showEspProposal({ cipher, hash, group }: EspProposal): string {
  return [cipher, hash, group].filter((part) => part !== undefined).join('-')
}

/** Reads `CIPHER-HASH-GROUP`. */
export function parseIkeProposal(text: string): Parsed<IkeProposal> {
  const parts = sort(text)
  if (typeof parts === 'string') return fault(text, parts, ikeForm)
  const { cipher, hash, group } = parts
  if (!cipher) return fault(text, 'it names no cipher', ikeForm)
  if (ciphers[cipher].ikeValue === undefined) return fault(text, `${cipher} is for ESP only`, ikeForm)
  if (!hash) return fault(text, 'it names no hash', ikeForm)
  if (hashes[hash].ikeValue === undefined) return fault(text, `${hash} is for ESP only`, ikeForm)
  if (!group) return fault(text, 'it names no group', ikeForm)
  return { is: 'proposal', proposal: { cipher, hash, group } }
}

/** Reads `CIPHER-HASH` or an AEAD cipher alone, either with a group where PFS is asked for. */
export function parseEspProposal(text: string): Parsed<EspProposal> {
  const parts = sort(text)
  if (typeof parts === 'string') return fault(text, parts, espForm)
  const { cipher, hash, group } = parts
  if (!cipher) return fault(text, 'it names no cipher', espForm)
  if (ciphers[cipher].aead && hash) return fault(text, `${cipher} authenticates by itself and takes no hash`, espForm)
  if (!ciphers[cipher].aead && !hash) return fault(text, 'it names no hash', espForm)
  return { is: 'proposal', proposal: { cipher, hash, group } }
}

const ikeForm = 'write CIPHER-HASH-GROUP, for example aes256-sha256-modp2048'
const espForm =
  'write CIPHER-HASH or an AEAD cipher alone, with -GROUP after it for PFS, for example aes128-sha1 or aes128gcm16'

function fault(text: string, what: string, form: string): { is: 'fault'; fault: string } {
  return { is: 'fault', fault: `“${text}” is no proposal: ${what}; ${form}` }
}

type Parts = { cipher?: Cipher; hash?: Hash; group?: Group }

function sort(text: string): Parts | string {
  const parts: Parts = {}
  for (const word of text.trim().toLowerCase().split('-')) {
    const cipher = cipherNames.find((name) => name === word)
    const hash = hashNames.find((name) => name === word)
    const group = groupNames.find((name) => name === word)
    if (cipher && !parts.cipher && !parts.hash && !parts.group) parts.cipher = cipher
    else if (hash && !parts.hash && !parts.group) parts.hash = hash
    else if (group && !parts.group) parts.group = group
    else if (cipher || hash || group) return `${word} stands in the wrong place`
    else return unknownWord(word)
  }
  return parts
}

function unknownWord(word: string): string {
  const meant = aliases[word]
  if (meant) return `it says ${word} where ${meant} would be right`
  if (word === '') return 'a part is empty'
  const all = [...cipherNames, ...hashNames, ...groupNames]
  const near = all.find((name) => name.replace(/[^a-z0-9]/g, '') === word.replace(/[^a-z0-9]/g, ''))
  if (near) return `it says ${word} where ${near} would be right`
  return `${word} is not known; ciphers are ${cipherNames.join(', ')}; hashes are ${hashNames.join(', ')}; groups are ${groupNames.join(', ')}`
}

// What other products call the same things.
const aliases: Readonly<Record<string, string>> = {
  aes: 'aes128 or aes256',
  aes128gcm: 'aes128gcm16',
  aes192gcm: 'aes192gcm16',
  aes256gcm: 'aes256gcm16',
  aes_gcm: 'aes128gcm16 or aes256gcm16',
  aes_gcm128: 'aes128gcm16',
  aes_gcm256: 'aes256gcm16',
  tripledes: '3des',
  '3des_cbc': '3des',
  sha: 'sha1',
  sha2: 'sha256',
  sha2_256: 'sha256',
  sha2_384: 'sha384',
  sha2_512: 'sha512',
  hmac_sha1: 'sha1',
  hmac_md5: 'md5',
  dh1: 'modp768',
  dh2: 'modp1024',
  dh5: 'modp1536',
  dh14: 'modp2048',
  dh15: 'modp3072',
  dh16: 'modp4096',
  dh19: 'ecp256',
  dh20: 'ecp384',
  dh21: 'ecp521',
  p256: 'ecp256',
  p384: 'ecp384',
  p521: 'ecp521',
}
