// The configuration as everybody else sees it: a frozen value with every default filled in. `parse.ts` makes it of text.
import type { EspProposal, IkeProposal } from '../algorithms/algorithms.ts'
import type { SecurityLevel } from '../algorithms/levels.ts'
import type { Policies } from '../policy/policy.ts'
import type { Network } from '../wire/network.ts'
import type { Secret } from '../wire/secret.ts'
import type { CertificatesEntry, Method, PeerKey } from './certificates-section.ts'

export type { Network }

export type PppAuthentication = 'mschapv2' | 'mschap' | 'chap' | 'pap'

/** Both ends belong to it; IPv4 as unsigned numbers. */
export type AddressRange = { readonly first: number; readonly last: number }

/** Minutes from Monday 00:00, local time of the gateway; `from` belongs to it, `to` doesn't. */
export type WeekSpan = { readonly from: number; readonly to: number }

export type UserEntry = {
  readonly name: string
  readonly password: Secret | undefined
  /** 16 octets: MD4 of the UTF-16LE password (RFC 2433 §A.2): serves MS-CHAP and PAP, not CHAP-MD5. */
  readonly ntHash: Secret | undefined
  readonly enabled: boolean
  /** Fixed inner address. */
  readonly address: string | undefined
  /** Networks behind a user who is a router. */
  readonly networks: readonly Network[]
  /** Empty: at any time. */
  readonly hours: readonly WeekSpan[]
  /** The password is past its time: MS-CHAP says 648, everybody else is refused. */
  readonly passwordExpired: boolean
  /** What a second log-in of the same user does: nothing special, is refused, or ends the first. */
  readonly sessions: 'any' | 'refuse-second' | 'end-first'
  /** Seconds; undefined: the remote access default. */
  readonly sessionSeconds: number | undefined
  readonly idleSeconds: number | undefined
}

export type RemoteAccess = {
  /** The one that all clients share; undefined where they have certificates, or keys of their own. */
  readonly preSharedKey: Secret | undefined
  readonly preSharedKeys: readonly PeerKey[]
  readonly certificates: CertificatesEntry | undefined
  /** Methods of proving oneself, in order of preference. */
  readonly methods: readonly Method[]
  readonly pool: readonly AddressRange[]
  /** The gateway's inner address and the prefix length of the pool's network. */
  readonly gatewayAddress: string
  readonly poolNetwork: Network
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
  readonly domain: string | undefined
  /** Networks that clients are told to route here by DHCPINFORM. Empty: nothing is told, the client decides. */
  readonly routes: readonly Network[]
  /** In order of preference. */
  readonly authentication: readonly PppAuthentication[]
  readonly ike: readonly IkeProposal[]
  readonly esp: readonly EspProposal[]
  readonly requirePfs: boolean
  readonly lifetimes: {
    readonly ikeSeconds: number
    readonly espSeconds: number
    readonly espKilobytes: number | undefined
  }
  readonly replayWindow: number
  /** Sessions at once; undefined: any number. */
  readonly portLimit: number | undefined
  readonly mru: number
  /** How clients reach what lies behind: hidden behind our address, routed as they are, or as part of the LAN. */
  readonly forwarding: 'masquerade' | 'route' | 'proxy-arp'
  /** Clients may go out to the internet, not only to private networks (RFC 1918) and `localNetworks`. */
  readonly internet: boolean
  readonly localNetworks: readonly Network[]
  /** Clients may reach each other. */
  readonly clientToClient: boolean
  /** Clients may reach services on the gateway itself beyond ping and DNS. */
  readonly gatewayServices: boolean
  readonly sessionSeconds: number | undefined
  readonly idleSeconds: number | undefined
  /** Until a silent client counts as gone; by default a minute, and for a dozing Android more. */
  readonly deadPeerSeconds: number
  readonly deadPeerSecondsAndroid: number
  /** L2TP tunnel authentication (RFC 2661 §5.1.1). */
  readonly tunnelSecret: Secret | undefined
  readonly halfOpen: { readonly perSource: number; readonly total: number }
}

/** An interface's own address with its network's prefix length, as in `192.168.1.1/24`. */
export type InterfaceAddress = { readonly address: string; readonly prefix: number }

/** How the board reaches the internet. `dns`: resolvers instead of those that DHCP or PPP gives; empty: those. */
export type WanEntry = { readonly port: string; readonly dns: readonly string[] } & (
  | { readonly is: 'dhcp' }
  | { readonly is: 'static'; readonly address: InterfaceAddress; readonly gateway: string }
  | { readonly is: 'pppoe'; readonly user: string; readonly password: Secret; readonly service: string | undefined }
)

export type LanEntry = {
  /** At least one; several become one bridge. */
  readonly ports: readonly string[]
  readonly address: InterfaceAddress
  /** What the board's DHCP server leases; undefined: it leases nothing. */
  readonly dhcpServer: AddressRange | undefined
}

/** What makes a board an appliance; `gatehouse system apply` acts on it, the daemon reads of it only whether it is there. */
export type SystemEntry = {
  /** The console's log-in `admin`: exactly one of the two. `passwordHash` is the text form of `wire/password-hash.ts`. */
  readonly admin: { readonly password: Secret | undefined; readonly passwordHash: Secret | undefined } | undefined
  readonly wan: WanEntry | undefined
  readonly lan: LanEntry | undefined
  /** Names or addresses; empty: the clock is never set from the network. */
  readonly ntp: readonly string[]
  /** An IANA name, `Europe/Berlin`. */
  readonly timezone: string
  readonly syslog: { readonly server: string; readonly port: number; readonly protocol: 'udp' | 'tcp' } | undefined
  /** Seconds until a silent console logs out; 0: never. */
  readonly idleLogoutSeconds: number
}

/** Another gateway, whose networks are joined with ours. */
/** Methods in order of preference, and what they need. */
export type SiteAuthentication = {
  readonly methods: readonly Method[]
  readonly preSharedKey: Secret | undefined
  /** `identity` undefined: the peer's certificate must speak for one of its addresses or names; `any`: for anybody. */
  readonly certificates: CertificatesEntry | undefined
}

export type SiteEntry = {
  readonly name: string
  /** Addresses and names; the next is tried where one doesn't answer. */
  readonly peers: readonly string[]
  /** Networks in ESP (tunnel mode), or a link of PPP in L2TP that one of the two dials. */
  readonly mode: 'tunnel' | 'l2tp'
  /** At least one each; in tunnel mode a tunnel from each of ours to each of theirs. */
  readonly localNetworks: readonly Network[]
  readonly remoteNetworks: readonly Network[]
  readonly authentication: SiteAuthentication
  /** Of phase 1: as we begin, and what else than main mode is answered. */
  readonly exchange: 'main' | 'aggressive'
  /** What we call ourselves in phase 1 with a pre-shared key. Undefined: our address. */
  readonly localIdentity: string | undefined
  /** Who brings it up: our first packet, we at once and always, or the peer alone. */
  readonly start: 'on-traffic' | 'at-once' | 'by-peer'
  readonly ike: readonly IkeProposal[]
  readonly esp: readonly EspProposal[]
  readonly requirePfs: boolean
  readonly lifetimes: RemoteAccess['lifetimes']
  /** Mode l2tp: as whom we log in there, and the kinds that we agree to. Undefined: we don't dial. */
  readonly dialOut:
    | { readonly user: string; readonly password: Secret; readonly authentication: readonly PppAuthentication[] }
    | undefined
  /** Mode l2tp: as whom it logs in here, one of `users`. Undefined: it doesn't dial. */
  readonly dialIn: { readonly user: string } | undefined
  /** Mode l2tp, on-traffic: a link that we dialled is hung up after so long without a packet. Undefined: never. */
  readonly idleSeconds: number | undefined
}

export type Configuration = {
  readonly hostname: string
  /** `auto`: the kernel's where it can carry all that is allowed, found by trying. */
  readonly dataplane: 'auto' | 'userland' | 'kernel'
  /** Whether the kernel data plane leaves ESP to a network device: `auto` tries whole packets, then the cipher; `crypto` and `packet` only the one. */
  readonly offload: 'auto' | 'off' | 'crypto' | 'packet'
  /** Outer addresses; empty: all. */
  readonly listen: readonly string[]
  /** UDP ports; 500 and 4500 but in tests. */
  readonly ports: { readonly ike: number; readonly natt: number }
  readonly publicAddress: string | undefined
  readonly security: SecurityLevel
  /** The TUN device. */
  readonly device: string
  /** ESP engine of the userland data plane (`openssl`, `af-alg:virtio_crypto_aes_cbc`), or undefined for the best there is; worker threads, or undefined
   *  for one a core. */
  readonly engine: string | undefined
  /** Priorities that the kernel's crypto drivers get while we run. */
  readonly kernelPriorities: readonly { readonly driver: string; readonly priority: number }[]
  readonly workers: number | undefined
  readonly remoteAccess: RemoteAccess
  readonly users: readonly UserEntry[]
  readonly sites: readonly SiteEntry[]
  /** IPsec policies in the terms of Windows; without the section only the built-in L2TP rule. */
  readonly policies: Policies
  /** Undefined: the machine's own settings are somebody else's business. */
  readonly system: SystemEntry | undefined
}

/** One thing wrong in the text. Lines and columns count from 1. */
export type Fault = {
  readonly severity: 'error' | 'warning'
  readonly line: number
  readonly column: number
  /** Where in the tree: `remoteAccess.addressPool`. */
  readonly where: string
  /** What was found, and what would be right. */
  readonly message: string
}
