// CONTRACT. The fast path as the gateway sees it: three implementations (userland, kernel, fake), equal in tests.
// Packets stay on the other side; what comes up are exceptions: IKE, L2TP control, PPP control, DHCPINFORM. Everything is numbers and octets.
import type { Cipher, Hash } from '../algorithms/algorithms.ts'
import type { Endpoint, Path } from '../wire/address.ts'

/** One remote host as the gateway tells hosts apart: by the SA pairs (successors included) that its packets come through. */
export type PeerId = number
/** One PPP session inside a peer. Unique in the whole gateway. */
export type SessionId = number

/** What a site protects, with or without an SA for it (tunnel mode). The caller's number. */
export type TunnelId = number

/** Seen from here; networks as CIDR text, protocol and ports 0: any. */
export type TunnelSelector = {
  readonly local: string
  readonly remote: string
  readonly protocol: number
  readonly localPort: number
  readonly remotePort: number
}

/** One direction of an ESP SA (RFC 4303). Keys are copied by the fast path; the caller wipes its own. */
export type EspSa = {
  /** Host order, 256 or above. */
  readonly spi: number
  readonly cipher: Cipher
  readonly hash: Hash | undefined
  /** The cipher's key; for GCM followed by the 4-octet salt (RFC 4106 §8.1). */
  readonly cipherKey: Uint8Array
  readonly integrityKey: Uint8Array
  readonly esn: boolean
}

export type Change =
  /** A host to which SAs and sessions will belong. */
  | { readonly do: 'addPeer'; readonly peer: PeerId }
  /** Takes away the peer, its SAs and its sessions. */
  | { readonly do: 'removePeer'; readonly peer: PeerId }
  /**
   * A pair. Inbound is live at once; outbound only after `useOutbound` (or at once with `use`). `encapsulated`: ESP in UDP on `path` (RFC 3948),
   * else protocol 50 between the path's addresses. `natOa`: the addresses that the PEER sees in its inner UDP checksums (RFC 3947 §5.2).
   */
  | {
      readonly do: 'addPair'
      readonly peer: PeerId
      readonly path: Path
      readonly encapsulated: boolean
      readonly mode: 'transport' | 'tunnel'
      /** Whose packets it carries, and which of them: whole ones in tunnel mode; in transport mode those between the path's own addresses. */
      readonly tunnel?: { readonly id: TunnelId; readonly selector: TunnelSelector }
      readonly inbound: EspSa
      readonly outbound: EspSa
      readonly use: boolean
      /** Anti-replay window in packets, 32 to 4096. */
      readonly replayWindow: number
      readonly natOa?: { readonly ours: string; readonly peers: string }
    }
  /** From now on this pair's outbound SA carries the peer's packets. Also done by the fast path itself when the first packet opens on the pair's inbound SA. */
  | { readonly do: 'useOutbound'; readonly peer: PeerId; readonly inboundSpi: number }
  | { readonly do: 'removePair'; readonly peer: PeerId; readonly inboundSpi: number }
  /** Outbound packets of every pair of the peer go to another outer address or port. */
  | { readonly do: 'move'; readonly peer: PeerId; readonly path: Path }
  /** A PPP session: data packets with these L2TP ids on this peer belong to it; nothing of another peer ever does. */
  | {
      readonly do: 'addSession'
      readonly session: SessionId
      readonly peer: PeerId
      /** Ids that the peer puts into its packets, and that we put into ours (RFC 2661 §3.1). */
      readonly local: { readonly tunnel: number; readonly session: number; readonly port: number }
      readonly remote: { readonly tunnel: number; readonly session: number; readonly port: number }
      /** We number data packets (the S bit). */
      readonly sequencing: boolean
    }
  /** What LCP and the NCPs agreed. Until an address is given no IP packet passes either way. */
  | {
      readonly do: 'configureSession'
      readonly session: SessionId
      /** We may leave out FF 03 / compress the protocol field when sending. */
      readonly acfc: boolean
      readonly pfc: boolean
      /** The largest inner IP packet that may be sent to the peer, in octets (peer's MRU; the SA's overhead is the fast path's business). */
      readonly mtu: number
      /** The peer's inner address: packets to it are routed here, and it may send only from it. */
      readonly address: string | undefined
      /** Networks behind the peer, for a client that is a router: accepted as sources and routed here. */
      readonly networks: readonly string[]
      /** Accept every inner source, and send here what nobody else's address or network is: the client role, whose peer is a gateway to the world. */
      readonly anySource?: boolean
      /** 8 octets, when IPV6CP is open: link-local with it may pass. */
      readonly interfaceId?: Uint8Array
    }
  | { readonly do: 'removeSession'; readonly session: SessionId }
  /**
   * From now on packets that one of the selectors means go through pairs of this tunnel and no other way. Without a pair they are dropped, or with `hold`
   * kept (bounded) and asked for by `acquire`. A tunnel that is there gets another meaning.
   * `transport`: its pairs are in transport mode, so each host has one of its own.
   */
  | {
      readonly do: 'setTunnel'
      readonly tunnel: TunnelId
      readonly hold: boolean
      readonly transport?: boolean
      readonly selectors: readonly TunnelSelector[]
    }
  | { readonly do: 'removeTunnel'; readonly tunnel: TunnelId }

export type FastPathEvent =
  /** The list given with this job number is in force, or none of it is. */
  | {
      readonly on: 'applied'
      readonly job: number
      readonly failure?: { readonly code: string; readonly message: string }
      /** Beside success, when it is another than before: whether a network device takes the SAs, or why it doesn't. */
      readonly note?: string
    }
  /** An IKE message; the non-ESP marker is off. `overflowed` counts messages dropped since the last one because the ring was full. */
  | { readonly on: 'ike'; readonly path: Path; readonly octets: Uint8Array; readonly overflowed?: number }
  /** An L2TP control message that came through this peer's SA. */
  | {
      readonly on: 'control'
      readonly peer: PeerId
      readonly localPort: number
      readonly remotePort: number
      readonly octets: Uint8Array
    }
  /** A PPP frame that is no routable IP: LCP, authentication, NCPs, and unknown protocols. `payload` begins after the protocol field. */
  | { readonly on: 'ppp'; readonly session: SessionId; readonly protocol: number; readonly payload: Uint8Array }
  /** An IPv4 packet from the client to UDP port 67: DHCPINFORM. */
  | { readonly on: 'dhcp'; readonly session: SessionId; readonly packet: Uint8Array }
  /** An L2TP data packet with ids that belong to no session of this peer (its session ended, or it tries somebody else's). Rate-limited. */
  | { readonly on: 'strayData'; readonly peer: PeerId; readonly tunnel: number; readonly session: number }
  /** A packet opened and passed the window, but came from another outer address or port than the path's (RFC 3947 §6, RFC 3948 §2.2). */
  | { readonly on: 'moved'; readonly peer: PeerId; readonly inboundSpi: number; readonly path: Path }
  /**
   * First packet on a pair: the peer uses the new SAs, the old ones drain. `truncation`: the bits to which it cuts SHA2-256, whatever was agreed on
   * (`sha256`, `sha256_96`); both SAs do so from now on. Said again when packets show another one.
   */
  | { readonly on: 'pairUsed'; readonly peer: PeerId; readonly inboundSpi: number; readonly truncation?: 96 | 128 }
  /** The outbound sequence number passed three quarters of its space, so a successor is needed. */
  | { readonly on: 'sequenceLow'; readonly peer: PeerId; readonly inboundSpi: number }
  /** A packet of a tunnel for which no pair is in use: it is held. Rate-limited. */
  | {
      readonly on: 'acquire'
      readonly tunnel: TunnelId
      readonly protocol: number
      readonly source: Endpoint
      readonly destination: Endpoint
    }
  /** An ESP packet with an SPI that nobody has. Rate-limited per source. */
  | { readonly on: 'unknownSpi'; readonly path: Path; readonly spi: number }

/** Counters of one pair since it was added. Octets are those of ESP payloads (RFC 2407 §4.5.4: the processed data). */
export type PairCounters = {
  readonly peer: PeerId
  readonly inboundSpi: number
  readonly octetsIn: number
  readonly packetsIn: number
  readonly octetsOut: number
  readonly packetsOut: number
  /** Packets refused: already seen or left of the window; wrong integrity value. */
  readonly replayed: number
  readonly forged: number
}

export type SessionCounters = {
  readonly session: SessionId
  /** Inner IP octets and packets; in = from the client. */
  readonly octetsIn: number
  readonly packetsIn: number
  readonly octetsOut: number
  readonly packetsOut: number
  /** Inner packets refused because of their source address; too large and answered with ICMP. */
  readonly wrongSource: number
  readonly tooBig: number
}

/** Inner octets and packets of a tunnel; `wrongSource`: packets that came out of an SA and weren't what it was agreed for. */
export type TunnelCounters = Omit<SessionCounters, 'session'> & { readonly tunnel: TunnelId }

/** What moved since the last call: pairs, sessions and tunnels whose counters changed. */
export type Activity = {
  readonly pairs: readonly PairCounters[]
  readonly sessions: readonly SessionCounters[]
  readonly tunnels?: readonly TunnelCounters[]
}

export type FastPathOptions = {
  /** Addresses to listen on; empty: all. */
  readonly listen: readonly string[]
  /** UDP ports for IKE and for ESP-in-UDP: 500 and 4500, or others in tests and for a client that shares a machine (0: any free). */
  readonly ports: { readonly ike: number; readonly natt: number }
  /** Name of the TUN device, at most 15 characters. */
  readonly tunName: string
  /** Inner address of our end and its prefix length (`10.99.0.1/24`), put onto the TUN; undefined leaves that to configure later. */
  readonly tunAddress: string | undefined
  readonly tunMtu: number
  /** Worker threads; undefined: one a core. */
  readonly workers: number | undefined
  /** 'ipsec-mb' | 'openssl'; undefined: the best that is there. 'do-nothing' encrypts nothing: for `bench` only, as the limit of the rest. */
  readonly engine: string | undefined
  /** Why it is this plane and no other: said at the end of its description. */
  readonly why?: string
  /**
   * Kernel only: what a former process left is kept. The same changes are applied again, without keys, and find what is there under the same ids; what is
   * not found is a refusal (`nothing-to-adopt`). `forgetTheRest` ends it.
   */
  readonly resume?: boolean
}

export interface FastPath {
  readonly kind: 'userland' | 'kernel' | 'fake'
  /** Human words: engine, workers, queues, offloads. For `status` and the log. */
  readonly description: string
  /** Ports really bound. */
  readonly ports: { readonly ike: number; readonly natt: number }
  /** Delivers events in batches on the main thread. Set once, before anything else. */
  listen(receive: (batch: readonly FastPathEvent[]) => void): void
  /** All of the list in order or none; the outcome comes as `applied`. Job numbers are the caller's. */
  apply(job: number, changes: readonly Change[]): void
  sendIke(path: Path, octets: Uint8Array): void
  /** One octet FF from the NAT-T port (RFC 3948 §2.3). */
  sendKeepalive(path: Path): void
  /** An L2TP message through the peer's outbound SA. */
  sendControl(peer: PeerId, localPort: number, remotePort: number, octets: Uint8Array): void
  /** A PPP frame on a session; LCP always with FF 03 and an uncompressed protocol. */
  sendPpp(session: SessionId, protocol: number, payload: Uint8Array): void
  /** After `resume`: takes away what nobody has claimed. */
  forgetTheRest?(): void
  /** Changed counters since the last call; cheap for idle sessions. */
  activity(): Activity
  /** Counters of the whole path by name (drops by cause, rings full, …), for `status` and metrics. */
  counters(): Readonly<Record<string, number>>
  /** Says nothing to peers; stops workers, closes sockets and the TUN, wipes keys. Resolves when all is gone. */
  close(): Promise<void>
}
