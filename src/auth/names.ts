// What is shown of a conversation: kinds by their usual names, and the error numbers of RFC 2759 §6 in words.
import type { AuthKind } from './contract.ts'

export const KIND_NAMES: Readonly<Record<AuthKind, string>> = {
  pap: 'PAP',
  chap: 'CHAP-MD5',
  mschap: 'MS-CHAP',
  mschapv2: 'MS-CHAPv2',
}

/** Kinds whose words on the wire betray the password to whoever reads them or has an afternoon. */
export const WEAK_KINDS: ReadonlySet<AuthKind> = new Set(['pap', 'mschap'])

/** What a Windows user reads beside the number. */
export const AUTH_ERRORS: Readonly<Record<number, string>> = {
  646: 'the account may not log in at this time of day',
  647: 'the account is disabled',
  648: 'the password has expired',
  649: 'the account has no permission to dial in',
  691: 'the user name or the password is wrong',
  709: 'the password could not be changed',
}

/** A user name's octets as text: UTF-8 where they are, else Latin-1, as old Windows sends. */
export function userText(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets)
  } catch {
    return String.fromCharCode(...octets)
  }
}
