// CONTRACT. What PPP reports. The gateway adds which session and peer it was.

export type PppEvent =
  | { readonly event: 'ppp.lcp.opened'; readonly mru: number; readonly authentication: string }
  | { readonly event: 'ppp.auth.accepted'; readonly user: string; readonly kind: string; readonly weak: boolean }
  /** `why` is a sentence for the operator (unknown user is told from wrong password here, never to the peer). */
  | {
      readonly event: 'ppp.auth.refused'
      readonly user: string
      readonly kind: string
      readonly why: string
      readonly userSees: number | undefined
    }
  /** The peer agrees to no authentication that we allow. */
  | { readonly event: 'ppp.auth.impossible'; readonly why: string; readonly userSees: number | undefined }
  | {
      readonly event: 'ppp.network.refused'
      readonly user: string
      readonly why: string
      readonly userSees: number | undefined
    }
  | {
      readonly event: 'ppp.network.opened'
      readonly user: string
      readonly protocol: 'ipcp' | 'ipv6cp'
      readonly address: string
    }
  /** The peer told who it is (LCP Identification, RFC 1570). */
  | { readonly event: 'ppp.peer.identified'; readonly text: string }
  | { readonly event: 'ppp.limit.reached'; readonly user: string; readonly limit: 'session' | 'idle' }
  | { readonly event: 'ppp.peer.silent'; readonly quietSeconds: number }
  | { readonly event: 'ppp.message.invalid'; readonly why: string }
  | { readonly event: 'ppp.closed'; readonly user: string | undefined; readonly byPeer: boolean; readonly why: string }
