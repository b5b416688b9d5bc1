// What each `security` level allows (design table), in our order of preference, and which algorithms count as weak.
import type { Cipher, EspProposal, Group, Hash, IkeProposal } from './algorithms.ts'
import { type AllowedFrom, ciphers, groups, hashes, type SecurityLevel } from './registry.ts'

export type { SecurityLevel } from './registry.ts'

const order: readonly SecurityLevel[] = ['modern', 'compatible', 'legacy']

function allows(level: SecurityLevel, from: AllowedFrom): boolean {
  return from !== 'rule' && order.indexOf(from) <= order.indexOf(level)
}

/** The strictest level that allows the whole proposal; `rule` where only a rule can. */
export function allowedFrom(proposal: IkeProposal | EspProposal): AllowedFrom {
  const parts: AllowedFrom[] = [ciphers[proposal.cipher].from]
  if (proposal.hash) parts.push(hashes[proposal.hash].from)
  if (proposal.group) parts.push(groups[proposal.group].from)
  if (parts.includes('rule')) return 'rule'
  return order.findLast((level) => parts.includes(level)) ?? 'modern'
}

/** Anything that `security: modern` would not allow; such an SA is shown as weak. */
export function isWeak(proposal: IkeProposal | EspProposal): boolean {
  return allowedFrom(proposal) !== 'modern'
}

// Our own orders of preference, with their reasons.
/** One phase 1 an hour costs nothing, so the longest key first. */
const ikeCiphers: readonly Cipher[] = ['aes256', 'aes192', 'aes128', '3des', 'des']
/** HMAC-SHA1 is sound; SHA2 comes first because auditors ask. */
const ikeHashes: readonly Hash[] = ['sha256', 'sha384', 'sha512', 'sha1', 'md5']
/** 128 bits of strength at the least cost first; P-521 and MODP4096 cost the most and give nothing that the session keys could use. */
const ikeGroups: readonly Group[] = [
  'ecp256',
  'ecp384',
  'modp3072',
  'modp2048',
  'modp4096',
  'ecp521',
  'modp1536',
  'modp1024',
  'modp768',
]
/** GCM is the fastest by far; 128-bit keys are enough and faster than 256-bit ones. */
const espCiphers: readonly Cipher[] = [
  'aes128gcm16',
  'aes256gcm16',
  'aes192gcm16',
  'aes128',
  'aes256',
  'aes192',
  '3des',
  'des',
]
/** SHA1 first: every client cuts it to 96 bits alike, whereas old Androids and Linuxes cut SHA2-256 to 96 without saying so. */
const espHashes: readonly Hash[] = ['sha1', 'sha256', 'sha384', 'sha512', 'sha256_96', 'md5']

/** What a gateway accepts at this level, best first. */
export function proposalsFor(level: SecurityLevel): {
  readonly ike: readonly IkeProposal[]
  readonly esp: readonly EspProposal[]
  readonly pfsGroups: readonly Group[]
} {
  const allowedGroups = ikeGroups.filter((group) => allows(level, groups[group].from))
  const ike = ikeCiphers
    .filter((cipher) => allows(level, ciphers[cipher].from))
    .flatMap((cipher) =>
      ikeHashes
        .filter((hash) => allows(level, hashes[hash].from))
        .flatMap((hash) => allowedGroups.map((group): IkeProposal => ({ cipher, hash, group }))),
    )
  const esp = espCiphers
    .filter((cipher) => allows(level, ciphers[cipher].from))
    .flatMap((cipher): EspProposal[] =>
      ciphers[cipher].aead
        ? [{ cipher, hash: undefined, group: undefined }]
        : espHashes
            .filter((hash) => allows(level, hashes[hash].from))
            .map((hash) => ({ cipher, hash, group: undefined })),
    )
  return { ike: strongestGroupFirst(ike), esp, pfsGroups: allowedGroups }
}

// Weak groups last, whatever the cipher: 3DES with MODP2048 is better than AES-256 with MODP1024.
function strongestGroupFirst(proposals: readonly IkeProposal[]): readonly IkeProposal[] {
  const rank = (p: IkeProposal) =>
    order.indexOf(allowedFrom(p) as SecurityLevel) * 1000 + ikeGroups.indexOf(p.group) * 10
  return proposals
    .map((proposal, i) => ({ proposal, i }))
    .sort((a, b) => rank(a.proposal) - rank(b.proposal) || a.i - b.i)
    .map(({ proposal }) => proposal)
}

/** What an initiator offers when nobody chose: short, because a first packet should fit one datagram. */
export function offersFor(level: SecurityLevel): {
  readonly ike: readonly IkeProposal[]
  readonly esp: readonly EspProposal[]
} {
  const ike: IkeProposal[] = [
    { cipher: 'aes256', hash: 'sha256', group: 'ecp256' },
    { cipher: 'aes256', hash: 'sha256', group: 'modp2048' },
    { cipher: 'aes256', hash: 'sha1', group: 'modp2048' },
    { cipher: 'aes128', hash: 'sha256', group: 'modp2048' },
    { cipher: 'aes128', hash: 'sha1', group: 'modp2048' },
  ]
  const esp: EspProposal[] = [
    { cipher: 'aes128gcm16', hash: undefined, group: undefined },
    { cipher: 'aes256gcm16', hash: undefined, group: undefined },
    { cipher: 'aes128', hash: 'sha1', group: undefined },
    { cipher: 'aes256', hash: 'sha1', group: undefined },
    { cipher: 'aes256', hash: 'sha256', group: undefined },
    { cipher: 'aes128', hash: 'sha256', group: undefined },
  ]
  if (level !== 'modern') {
    ike.push(
      { cipher: '3des', hash: 'sha1', group: 'modp2048' },
      { cipher: 'aes256', hash: 'sha1', group: 'modp1024' },
      { cipher: 'aes128', hash: 'sha1', group: 'modp1024' },
      { cipher: '3des', hash: 'sha1', group: 'modp1024' },
    )
    esp.push({ cipher: '3des', hash: 'sha1', group: undefined })
  }
  if (level === 'legacy') {
    ike.push({ cipher: '3des', hash: 'md5', group: 'modp1024' }, { cipher: 'des', hash: 'md5', group: 'modp768' })
    esp.push({ cipher: '3des', hash: 'md5', group: undefined }, { cipher: 'des', hash: 'md5', group: undefined })
  }
  return { ike, esp }
}

/** What is off at this level and the setting that would allow it: for sentences about refusals. */
export function disabledAt(
  level: SecurityLevel,
): readonly { readonly proposalPart: string; readonly setting: string }[] {
  const parts: [string, AllowedFrom][] = [
    ...ikeCiphers.map((name): [string, AllowedFrom] => [name, ciphers[name].from]),
    ...espHashes.map((name): [string, AllowedFrom] => [name, hashes[name].from]),
    ...ikeGroups.map((name): [string, AllowedFrom] => [name, groups[name].from]),
    ['aggressive mode', 'legacy'],
  ]
  return parts
    .filter(([, from]) => !allows(level, from))
    .map(([proposalPart, from]) => ({ proposalPart, setting: `security: ${from}` }))
}
