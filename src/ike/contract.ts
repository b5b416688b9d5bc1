// CONTRACT. What IKE takes and gives: one machine for all ISAKMP SAs of a gateway or a client. The gateway executes the effects.
import type { EspProposal, Group, IkeProposal } from '../algorithms/algorithms.ts'
import type { Path } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'
import type { Network } from '../wire/network.ts'
import type { Secret } from '../wire/secret.ts'
import type { IkeEvent } from './events.ts'

/** One ISAKMP SA, as effects and status name it. Never used again. */
export type IkeSaId = number
/** One remote host behind SA pairs and their successors; what L2TP belongs to. Never used again. */
export type PeerId = number

/** A gateway whose networks are joined with ours. Numbered by whoever configures; also the fast path's number of its tunnel. */
export type SiteId = number

/** Which packets a tunnel carries, seen from here: `source` is ours. Protocol and ports 0: any. */
export type Traffic = {
  readonly source: Network
  readonly destination: Network
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
}

/** Tunnel mode with a peer at one of `addresses`; its own of what IkePolicy says for all. A pre-shared key for it is among the policy's. */
export type SitePolicy = Pick<IkePolicy, 'ike' | 'esp' | 'pfsGroups' | 'requirePfs' | 'lifetimes'> & {
  readonly site: SiteId
  readonly name: string
  readonly addresses: readonly string[]
  /** We begin in aggressive mode, and answer it. */
  readonly aggressive?: boolean
  /** Who we are to it in phase 1 with a pre-shared key, where that isn't our address (identity.ts, `namedId`). */
  readonly identity?: string | undefined
  /** What may be asked for, all of it or a part. */
  readonly traffic: readonly Traffic[]
}

/** What a pair that doesn't carry L2TP is for. `transport`: in transport mode, between the two ends themselves; `site` is then a rule's carrier. */
export type TunnelUse = { readonly site: SiteId; readonly traffic: Traffic; readonly transport?: true | undefined }

/** What the administrator's IPsec policy says of traffic that leaves this machine, `source` ours; of several the first that holds all of what is asked for. */
export type TrafficRule = {
  readonly name: string
  readonly traffic: Traffic
  readonly action: 'permit' | 'block' | TrafficNegotiation
}

/** Its own of what IkePolicy says for all. `carrier`: where in the fast path its packets are; undefined: it is L2TP's. */
export type TrafficNegotiation = Pick<IkePolicy, 'esp' | 'pfsGroups' | 'requirePfs' | 'lifetimes'> & {
  readonly carrier: SiteId | undefined
}

/** What the administrator allows, in our order of preference. A value: a new one replaces it (`{ on: 'policy' }`), existing SAs stay. */
export type IkePolicy = {
  readonly ike: readonly IkeProposal[]
  readonly esp: readonly EspProposal[]
  /** Accept quick modes with PFS in these groups (RFC 2409 §5.5); without PFS is always accepted unless `requirePfs`. */
  readonly pfsGroups: readonly Group[]
  readonly requirePfs: boolean
  /**
   * `peer` is an address or network text, a name that the peer must have as its ID, or `any` for everybody. Keys for an address go before all others; of
   * several candidates decryption decides.
   */
  readonly preSharedKeys: readonly { readonly peer: string; readonly key: Secret }[]
  /** What certificates serve for; `peer` is an address or network text or `any`. Without: none do. */
  readonly certificates?: readonly CertificateRule[]
  /** Methods in order of preference, by peer; without an entry certificates go before pre-shared keys. */
  readonly methods?: readonly {
    readonly peer: string
    readonly order: readonly ('certificate' | 'preSharedKey')[]
  }[]
  /** Upper bounds for what we ask for; a peer's shorter lifetime is obeyed, a longer one echoed and RESPONDER-LIFETIME sent (RFC 2407 §4.6.3.1). */
  readonly lifetimes: {
    readonly ikeSeconds: number
    readonly espSeconds: number
    readonly espKilobytes: number | undefined
  }
  readonly replayWindow: number
  /** Transport mode by the administrator's rules; without: L2TP alone, with what stands above. */
  readonly rules?: readonly TrafficRule[]
  /** Gateways in tunnel mode; the first that may be at an address counts. */
  readonly sites?: readonly SitePolicy[]
  /** Where we are behind a 1:1 NAT ourselves: the address that peers dial. */
  readonly publicAddress: string | undefined
  /** Let every peer believe that it is behind a NAT, so that its ESP always comes in UDP; always so with `publicAddress`. */
  readonly forceEncapsulation?: boolean
  /** Aggressive mode with pre-shared keys is answered: it shows names in clear and lets a guessable key be found. */
  readonly aggressiveMode?: boolean
  /** Octets of an IP packet beyond which our IKE messages go out in fragments, to peers that take them; 1280 if undefined. */
  readonly fragmentOctets?: number | undefined
  /** Our own UDP ports where they are not 500 and 4500 (tests, a client that shares a machine with a gateway). */
  readonly ports?: { readonly ike: number; readonly natt: number }
  /** Dead-peer detection (RFC 3706): quiet seconds until the first probe, seconds between probes, unanswered probes until the peer is dead. */
  readonly dpd: {
    readonly idleSeconds: number
    readonly intervalSeconds: number
    readonly tries: number
    /** The same for a client whose device dozes (`android`): it answers nothing for minutes and is still there. */
    readonly dozing?: { readonly idleSeconds: number; readonly intervalSeconds: number; readonly tries: number }
  }
  /** NAT-T keepalive interval in seconds while we are the one behind a NAT (RFC 3948 §4). */
  readonly keepaliveSeconds: number
  /** Unauthenticated negotiations at once: from one source address, and in all. */
  readonly halfOpen: { readonly perSource: number; readonly total: number }
  /** Where each refusal says what setting would allow it (`security: compatible` …): names of what is off, with the setting. */
  readonly disabled: readonly { readonly proposalPart: string; readonly setting: string }[]
}

/** What we prove ourselves with. The private key is kept by who does the work and called by `name`. */
export type Credential = {
  readonly name: string
  /** The authentication method that its key signs with: 3, 9, 10 or 11. */
  readonly method: number
  /** Our certificate, then those between it and the authority, as DER. */
  readonly chain: readonly Uint8Array[]
  /** The same as one PKCS #7. */
  readonly pkcs7: Uint8Array
  /** Names of all that issued in the chain, as DER: by these a peer asks for it. */
  readonly issuers: readonly Uint8Array[]
  /** Who we are in phase 1: the certificate's subject. */
  readonly identity: { readonly idType: number; readonly data: Uint8Array }
}

/** What is asked of peers with certificates, and what we have for them. */
export type CertificateRule = {
  readonly peer: string
  /** What `verify` judges by. */
  readonly name: string
  /** In order of preference. */
  readonly own: readonly Credential[]
  /** Names of the trusted authorities, as DER, to ask for. */
  readonly authorities: readonly Uint8Array[]
}

/** Work with certificates and private keys, which IKE doesn't look into. */
export type CertificateWork =
  /** HASH_I or HASH_R signed with the key of that credential. */
  | { readonly do: 'sign'; readonly credential: string; readonly hash: Uint8Array }
  /** Whether the peer's certificates lead to an authority that the rule trusts, are the ID's, and the signature is theirs. */
  | {
      readonly do: 'verify'
      readonly rule: string
      readonly method: number
      readonly hash: Uint8Array
      readonly signature: Uint8Array
      readonly certificates: readonly { readonly encoding: number; readonly data: Uint8Array }[]
      readonly identity: { readonly idType: number; readonly data: Uint8Array }
      /** Of the peer in this negotiation. */
      readonly role: 'initiator' | 'responder'
    }

/** Slow work, done off the main thread. Private values are octets, so that state stays plain data. */
export type Work =
  /** A fresh key pair. */
  | { readonly do: 'generate'; readonly group: Group }
  /** A fresh key pair and the secret shared with `peerPublic`. */
  | { readonly do: 'exchange'; readonly group: Group; readonly peerPublic: Uint8Array }
  /** The secret shared between an earlier private value and `peerPublic`. */
  | { readonly do: 'agree'; readonly group: Group; readonly privateValue: Uint8Array; readonly peerPublic: Uint8Array }

export type WorkResult =
  | { readonly is: 'generated'; readonly privateValue: Uint8Array; readonly publicValue: Uint8Array }
  | { readonly is: 'exchanged'; readonly publicValue: Uint8Array; readonly shared: Uint8Array }
  | { readonly is: 'agreed'; readonly shared: Uint8Array }
  | { readonly is: 'signed'; readonly signature: Uint8Array }
  /** `subject` of the peer's certificate, for people. */
  | { readonly is: 'verified'; readonly subject: string }
  /** The peer's value is 0, 1, p-1, p or above, no point of the curve, or the library refused; or, of certificates, one sentence. */
  | { readonly is: 'failed'; readonly reason: string; readonly tell?: CertificateFault }

/** What the peer is told of its certificates (RFC 2408 §3.14.1); AUTHENTICATION-FAILED without. */
export type CertificateFault =
  | 'INVALID-CERTIFICATE'
  | 'INVALID-CERT-AUTHORITY'
  | 'INVALID-ID-INFORMATION'
  | 'INVALID-SIGNATURE'

/** Two ESP SAs that one quick mode made. Keys as the fast path wants them (GCM: key, then salt). */
export type SaPair = {
  readonly peer: PeerId
  readonly ikeSa: IkeSaId
  readonly proposal: EspProposal
  readonly path: Path
  readonly encapsulated: boolean
  readonly mode: 'transport' | 'tunnel'
  /** In tunnel mode. */
  readonly tunnel: TunnelUse | undefined
  readonly inbound: { readonly spi: number; readonly cipherKey: Uint8Array; readonly integrityKey: Uint8Array }
  readonly outbound: { readonly spi: number; readonly cipherKey: Uint8Array; readonly integrityKey: Uint8Array }
  readonly esn: boolean
  readonly replayWindow: number
  readonly natOa: { readonly ours: string; readonly peers: string } | undefined
  /** UDP ports that the selectors name; 0 is any. */
  readonly ports: { readonly local: number; readonly remote: number }
  /** Use outbound at once (we initiated), or only once the peer shows that it has the pair (QM3 or a first packet). */
  readonly use: boolean
}

export type IkeInput =
  /** An IKE message without non-ESP marker. */
  | { readonly on: 'datagram'; readonly path: Path; readonly octets: Uint8Array }
  | { readonly on: 'tick' }
  | { readonly on: 'done'; readonly job: number; readonly result: WorkResult }
  /** The outcome of `install`. */
  | { readonly on: 'installed'; readonly job: number; readonly failure?: string }
  /** Peers from which authenticated ESP came since the last time, with the moment, and processed octets per pair (both directions). */
  | {
      readonly on: 'heard'
      readonly pairs: readonly {
        readonly peer: PeerId
        readonly inboundSpi: number
        readonly at: Instant | undefined
        readonly octets: number
        /** Packets of ours went out. */
        readonly sent?: boolean
      }[]
    }
  /** First authenticated packet on a pair. `truncation`: to how many bits the peer cuts SHA2-256; the fast path goes along. Said again when that changes. */
  | { readonly on: 'pairUsed'; readonly peer: PeerId; readonly inboundSpi: number; readonly truncation?: 96 | 128 }
  /** Authenticated ESP inside the window came from another outer address or port. */
  | { readonly on: 'moved'; readonly peer: PeerId; readonly inboundSpi: number; readonly path: Path }
  /** This pair's sequence space runs out. */
  | { readonly on: 'sequenceLow'; readonly peer: PeerId; readonly inboundSpi: number }
  /** The initiator's role: bring up an ISAKMP SA and a pair for UDP `ports` to the remote. Answered by `peerUp` or `failed`, with the same `request`. */
  | {
      readonly on: 'connect'
      readonly request: number
      readonly path: Path
      readonly ports: { readonly local: number; readonly remote: number }
      /** Tunnel mode for this traffic instead of L2TP's. Where the site has an ISAKMP SA already, on that: then nothing answers but `install`. */
      readonly tunnel?: TunnelUse
      /** The remote's port for UDP encapsulation where it is not 4500. */
      readonly nattPort?: number
    }
  /** Says Delete for all of the peer (ESP first, ISAKMP last) and forgets it. */
  | { readonly on: 'disconnect'; readonly peer: PeerId; readonly reason: string }
  /** Shutdown: disconnect of everybody. */
  | { readonly on: 'shutdown' }
  | { readonly on: 'policy'; readonly policy: IkePolicy }

export type IkeEffect =
  | { readonly do: 'send'; readonly path: Path; readonly octets: Uint8Array }
  | { readonly do: 'keepalive'; readonly path: Path }
  | { readonly do: 'work'; readonly job: number; readonly work: Work }
  /** Answered by `done`, as `work` is. */
  | { readonly do: 'certificateWork'; readonly job: number; readonly work: CertificateWork }
  /** Put the pair into the fast path (adding the peer first where `newPeer`), then answer `installed`. */
  | { readonly do: 'install'; readonly job: number; readonly pair: SaPair; readonly newPeer: boolean }
  | { readonly do: 'use'; readonly peer: PeerId; readonly inboundSpi: number }
  | { readonly do: 'remove'; readonly peer: PeerId; readonly inboundSpi: number }
  | { readonly do: 'move'; readonly peer: PeerId; readonly path: Path }
  /** The peer has its first pair: L2TP may begin. */
  | {
      readonly do: 'peerUp'
      readonly peer: PeerId
      readonly request: number | undefined
      readonly path: Path
      readonly client: ClientKind
      /** It is this site's: its first pair is in tunnel mode. */
      readonly site?: SiteId
    }
  /** The last pair went and no successor came within 5 s, or the peer is dead, or it was disconnected. Everything above it ends. */
  | { readonly do: 'peerGone'; readonly peer: PeerId; readonly reason: PeerGoneReason }
  /** An attempt of a `connect` came to nothing and another begins. `reason` is one sentence: what to say should time run out. */
  | { readonly do: 'retrying'; readonly request: number; readonly reason: string }
  /** A `connect` failed for good. `reason` is one sentence. */
  /** `silent`: it answered nothing at all. */
  | { readonly do: 'failed'; readonly request: number; readonly reason: string; readonly silent?: true }
  | { readonly do: 'report'; readonly event: IkeEvent }

export type PeerGoneReason = 'deleted-by-peer' | 'dead' | 'expired' | 'disconnected' | 'replaced' | 'shutdown'

/** What the fingerprint of the first packet says (clients.md 1.x); facts only, for timeouts, quirks and the log. */
export type ClientKind =
  | 'windows'
  | 'windows-legacy'
  | 'apple'
  | 'android'
  | 'strongswan'
  | 'libreswan'
  | 'mikrotik'
  | 'cisco'
  | 'draytek'
  | 'softether'
  | 'gatehouse'
  | 'unknown'

/** For `status`: what is up now. */
export type IkeSaStatus = {
  readonly id: IkeSaId
  readonly peer: PeerId | undefined
  readonly path: Path
  readonly role: 'initiator' | 'responder'
  readonly state: string
  readonly proposal: string | undefined
  readonly natted: boolean
  readonly weLieBehindNat: boolean
  readonly client: ClientKind
  /** The same more exactly: a row of the table in fingerprint.ts. */
  readonly software: string
  readonly identity: string | undefined
  readonly established: Instant | undefined
  readonly expires: Instant | undefined
  readonly pairs: readonly {
    readonly inboundSpi: number
    readonly outboundSpi: number
    readonly proposal: string
    readonly established: Instant
    readonly state: 'new' | 'current' | 'draining'
  }[]
}

/** What the fast path has of a peer after a restart: pairs without their keys, which it holds already. */
export type StandingPeer = {
  readonly peer: PeerId
  readonly path: Path
  readonly client: ClientKind
  readonly pairs: readonly SaPair[]
  /** Inbound SPI of the pair that carries our packets. */
  readonly using: number | undefined
}
