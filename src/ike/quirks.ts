// What old and odd clients need, as data: each quirk with whom it is for, why, and where that is known from. A quirk is chosen by the fingerprint of
// the first packet; what nobody is harmed by is done for everybody and stands in `tolerances`.
import type { ClientKind } from './contract.ts'
import type { Software } from './fingerprint.ts'

export type Quirk = {
  /** What we do for it. */
  readonly does: string
  /** Whole kinds, or single rows of the fingerprint table. */
  readonly of: readonly (ClientKind | Software)[]
  readonly reason: string
  readonly source: string
}

export const quirks = {
  dozes: {
    does: 'dead-peer detection waits `dpd.dozing`, several times as long',
    of: ['android'],
    reason: 'a dozing device answers nothing for minutes and is still there',
    source: 'xl2tpd#191 (HELLO unanswered by Android 9 and 10)',
  },
  'shows no numbers': {
    does: 'a refusal names no error number',
    of: ['apple', 'android'],
    reason: 'its user sees words, so a number in the log would lead nowhere',
    source: 'Apple’s and Android’s dialogues',
  },
  'key length swapped': {
    does: 'an ESP key length of 0x8000 is read as 128, 0x0001 in the high octet as 256; the answer repeats it as it came',
    of: ['Windows Vista or Server 2008'],
    reason: 'a beta of Vista sent the octets of the attribute in the wrong order',
    source: 'nakedible/vpnease-l2tp openswan-2.4.0rc4-aes-keylen-vista.patch (low)',
  },
  'plain FRAGMENTATION id': {
    does: 'our FRAGMENTATION vendor id has 16 octets, without the word of capabilities behind it',
    of: ['windows', 'windows-legacy'],
    reason:
      'Windows sends and compares 16 octets; racoon’s family has 80000000 behind them, which means “with an identity”',
    source: '[MS-IKEE] §1.7; first packets of Windows XP to 11',
  },
} as const satisfies Readonly<Record<string, Quirk>>

export type QuirkName = keyof typeof quirks

/** Done for every peer: harmless to those that do not need it, and the fingerprint may be wrong. */
export const tolerances = {
  'commit bit': {
    reason: 'Windows responders set it in QM2 and send CONNECTED as a fourth message: waited for, and not for ever',
    source: '[MS-IKEE] §3.8; strongSwan task_manager_v1.c: “a Windows responder sends a fourth quick mode message”',
  },
  'NAT-D in any order': { reason: 'Mac OS X 10.3 sends them the wrong way round', source: 'openswan’s list of peers' },
  'NAT-OA only for who sent it': {
    reason: 'old racoon rejects messages with NAT-OA that it did not ask for; Vista and later want both back',
    source: 'vpnease-l2tp openswan natoa-vista.patch',
  },
  'IDci of any kind': {
    reason:
      'XP with KB818043 sends its name, Windows 2000 port 0, macOS an ephemeral port: IDs come back as they came and bind nothing',
    source: 'libreswan ikev1_quick.c; kitten/setup-strong-strongswan#28',
  },
  'second non-ESP marker': { reason: 'an iOS of 2013 sent it twice', source: 'libreswan iface_udp.c' },
  'sealed flag on fragments': {
    reason: 'iOS sends fragments with the encryption flag set',
    source: 'strongSwan message.c',
  },
  'quick mode on a deleted ISAKMP SA': {
    reason: 'Apple’s systems delete phase 1 and go on with quick modes on it: answered for a minute',
    source: 'libreswan ikev1.c',
  },
  'INITIAL-CONTACT by itself': {
    reason: 'Android sends it in an informational exchange right after main mode',
    source: 'hwdsl2/setup-ipsec-vpn#391',
  },
  'ESP NULL never': { reason: 'Windows offers it last where encryption is optional', source: 'Windows first packets' },
  'AuthIP passed over': {
    reason: 'Windows Vista and later try exchange type 243 beside IKE',
    source: 'libreswan testing/pluto/replay-authip-01',
  },
} as const satisfies Readonly<Record<string, { readonly reason: string; readonly source: string }>>

type Who = { readonly client: ClientKind; readonly software?: Software }

/** Whether this peer has the quirk, by its kind or by its software. */
export function hasQuirk(name: QuirkName, { client, software }: Who): boolean {
  const { of }: Quirk = quirks[name]
  return of.includes(client) || (software !== undefined && of.includes(software))
}

export function quirksOf(who: Who): readonly QuirkName[] {
  return (Object.keys(quirks) as QuirkName[]).filter((name) => hasQuirk(name, who))
}
