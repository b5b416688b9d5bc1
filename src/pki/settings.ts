// What certificates are judged by, as plain values that can be handed to another thread.
import type { Purpose } from './path.ts'

/** How revocation is asked for, as Windows has it: not at all; refused only where known to be revoked; refused on any doubt. */
export type RevocationStrength = 'off' | 'standard' | 'strict'

export type RuleSettings = {
  readonly name: string
  /** DER, or PEM that was split. */
  readonly authorities: readonly Uint8Array[]
  readonly intermediates: readonly Uint8Array[]
  readonly revocation: RevocationStrength
  /** Whether the certificates' own OCSP servers are asked before their lists. */
  readonly ocsp: boolean
  /** Lists by themselves, beside those that certificates name: paths of files, or http addresses. */
  readonly crls: readonly string[]
  /** Who the peers are in this rule: clients, a gateway, either. */
  readonly purpose: Purpose
  /** Names, addresses or subjects of which the peer's certificate must speak for one; none: any that the authorities issued. */
  readonly identities: readonly string[]
  /** SHA-1 and short keys are taken. */
  readonly weak: boolean
}

/** A credential's private key as PEM. */
export type KeySettings = { readonly credential: string; readonly pem: string }

export type CertificateSettings = { readonly rules: readonly RuleSettings[]; readonly keys: readonly KeySettings[] }
