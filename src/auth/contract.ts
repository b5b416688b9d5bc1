// CONTRACT. What a conversation hands over for judgement, and the judgement: the same for local users and RADIUS.
import type { Secret } from '../wire/secret.ts'

/** Everything a verifier needs; user names are as sent (octets decoded as UTF-8, domain kept). */
export type AuthAttempt =
  | { readonly kind: 'pap'; readonly user: string; readonly password: Secret }
  | {
      readonly kind: 'chap'
      readonly user: string
      readonly identifier: number
      readonly challenge: Uint8Array
      readonly response: Uint8Array
    }
  /** 8-octet challenge; `ntResponse` 24 octets; LAN Manager responses are never used (RFC 2433 §10). */
  | { readonly kind: 'mschap'; readonly user: string; readonly challenge: Uint8Array; readonly ntResponse: Uint8Array }
  | {
      readonly kind: 'mschapv2'
      readonly user: string
      readonly authenticatorChallenge: Uint8Array
      readonly peerChallenge: Uint8Array
      readonly ntResponse: Uint8Array
    }

export type AuthVerdict =
  | {
      readonly is: 'accepted'
      /** The user's name as configured: what addresses and limits go by. */
      readonly user: string
      /** MS-CHAPv2: the 20 octets of the authenticator's response (RFC 2759 §8.7), which the success message carries. */
      readonly authenticatorResponse: Uint8Array | undefined
    }
  | {
      readonly is: 'refused'
      /** For the peer: which MS-CHAP error (RFC 2759 §6): 691 authentication failure, 646 restricted hours, 647 disabled, 648 password expired, 649 no dial-in permission. */
      readonly error: 646 | 647 | 648 | 649 | 691
      readonly retry: boolean
      /** For the operator: a sentence. */
      readonly why: string
    }
