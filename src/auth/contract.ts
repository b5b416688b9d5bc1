// CONTRACT. What a conversation hands over for judgement, and the judgement: the same for local users and RADIUS; and what a conversation itself takes and gives.
import type { Secret } from '../wire/secret.ts'

export type AuthKind = 'pap' | 'chap' | 'mschap' | 'mschapv2'

/** Everything a verifier needs; user names are as sent (octets decoded as UTF-8, else as Latin-1; domain kept). */
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
      /** The name's octets as sent, domain kept: the response's hash covers them, less the domain (RFC 2759 §8.2). */
      readonly userOctets: Uint8Array
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

/**
 * What every conversation takes, in both roles. The link starts it when LCP has opened; packets are the payloads of its protocol
 * (c023 for PAP, c223 for the CHAPs).
 */
export type AuthInput =
  | { readonly on: 'start' }
  | { readonly on: 'packet'; readonly octets: Uint8Array }
  | { readonly on: 'verdict'; readonly job: number; readonly verdict: AuthVerdict }
  | { readonly on: 'tick' }

export type AuthEffect =
  | { readonly do: 'send'; readonly octets: Uint8Array }
  | { readonly do: 'verify'; readonly job: number; readonly attempt: AuthAttempt }
  /** Once, when the conversation first succeeds. Authenticator: `user` is the verdict's name. Peer: our own. */
  | { readonly do: 'accepted'; readonly user: string }
  /** `final`: nothing follows; else the peer may try again. `userSees`: the number that a Windows user is shown. */
  | {
      readonly do: 'refused'
      readonly user: string
      readonly why: string
      readonly userSees: number
      readonly final: boolean
    }
  /** A packet that was thrown away, for the log. */
  | { readonly do: 'ignored'; readonly why: string }
