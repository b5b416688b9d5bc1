// CONTRACT. What L2TP reports.

export type L2tpEvent =
  | {
      readonly event: 'l2tp.tunnel.established'
      readonly peer: number
      readonly localTunnel: number
      readonly remoteTunnel: number
      readonly peerHostName: string
      readonly vendor: string
    }
  /** `why` is a sentence; `result`/`error` as RFC 2661 §4.4.2, with the peer's own text escaped. */
  | {
      readonly event: 'l2tp.tunnel.closed'
      readonly peer: number
      readonly localTunnel: number
      readonly byUs: boolean
      readonly result: number
      readonly error: number
      readonly why: string
    }
  | {
      readonly event: 'l2tp.tunnel.refused'
      readonly peer: number
      readonly why: string
      readonly userSees: number | undefined
    }
  | {
      readonly event: 'l2tp.session.established'
      readonly peer: number
      readonly call: number
      readonly localSession: number
      readonly remoteSession: number
    }
  | {
      readonly event: 'l2tp.session.closed'
      readonly peer: number
      readonly call: number
      readonly byUs: boolean
      readonly result: number
      readonly error: number
      readonly why: string
    }
  | {
      readonly event: 'l2tp.session.refused'
      readonly peer: number
      readonly why: string
      readonly userSees: number | undefined
    }
  | { readonly event: 'l2tp.message.invalid'; readonly peer: number; readonly why: string }
  | {
      readonly event: 'l2tp.peer.silent'
      readonly peer: number
      readonly localTunnel: number
      readonly tries: number
      readonly why: string
    }
