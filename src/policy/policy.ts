// The terms in which Windows administrators think of IPsec: policies, rules, filter lists, filter actions, authentication methods. Plain values; names of
// lists and actions are resolved already. What they come to for a packet is in spd.ts.
import type { EspProposal, Group } from '../algorithms/algorithms.ts'
import type { Network } from '../wire/network.ts'
import type { Secret } from '../wire/secret.ts'

/** An end of a filter. `me`: each address of this machine. `dns` and `gateway`: the servers that this machine uses at the time. */
export type Side = 'me' | 'any' | 'dns' | 'gateway' | Network

/** `protocol` 0 is any, ports 0 are any. */
export type Filter = {
  readonly source: Side
  readonly destination: Side
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
  /** The same for packets on their way back. */
  readonly mirrored: boolean
}

export type FilterList = { readonly name: string; readonly filters: readonly Filter[] }

/** A security method: algorithms, and when the pair is to be renewed. */
export type Method = {
  readonly proposal: EspProposal
  readonly seconds: number | undefined
  readonly kilobytes: number | undefined
}

export type Negotiation = {
  readonly is: 'negotiate'
  /** In order of preference; at least one. */
  readonly methods: readonly Method[]
  /** Diffie-Hellman in quick mode, with this group. */
  readonly pfs: Group | undefined
  /** "Accept unsecured communication, but always respond using IPsec": what comes in clear is let in; our answer asks for IPsec. */
  readonly acceptUnsecured: boolean
  /** "Allow unsecured communication with non-IPsec-aware computers": a peer that doesn't answer IKE gets clear traffic for so many seconds. */
  readonly softSeconds: number | undefined
}

export type FilterAction = { readonly name: string } & (
  | { readonly is: 'permit' }
  | { readonly is: 'block' }
  | Negotiation
)

/** In order of preference. `authority`: a trusted CA by its subject; undefined: each that we trust. */
export type AuthenticationMethod =
  | { readonly is: 'preSharedKey'; readonly key: Secret }
  | { readonly is: 'certificate'; readonly authority: string | undefined }

/** Which packets by the way they come: over the network's interfaces, through clients' sessions, or both. */
export type Connection = 'all' | 'lan' | 'remote-access'

export type Rule = {
  readonly name: string
  readonly filterList: FilterList
  readonly action: FilterAction
  readonly authentication: readonly AuthenticationMethod[]
  /** Where the tunnel ends: the peer's address for what goes out, our own for what comes in. Undefined: transport mode. */
  readonly tunnel: string | undefined
  readonly connection: Connection
  readonly enabled: boolean
}

export type Policy = {
  readonly name: string
  readonly rules: readonly Rule[]
  /** The default response rule: a peer that asks for IPsec where no filter says anything is answered. */
  readonly defaultResponse: DefaultResponse | undefined
}

export type DefaultResponse = {
  readonly methods: readonly Method[]
  readonly authentication: readonly AuthenticationMethod[]
}

export type Policies = {
  readonly policies: readonly Policy[]
  /** The one that is in force; at most one is. */
  readonly assigned: string | undefined
  /** Windows makes a rule for L2TP (UDP 1701) by itself; with ProhibitIpSec it doesn't, and a manual policy takes its place. */
  readonly builtInL2tpRule: boolean
}

/** What a policy must be told of the machine. */
export type Facts = {
  /** Addresses of this machine, dotted text. */
  readonly own: readonly string[]
  readonly dns: readonly string[]
  readonly gateway: readonly string[]
  /** What the built-in rule protects with. */
  readonly l2tp: {
    readonly methods: readonly Method[]
    readonly pfs: Group | undefined
    readonly authentication: readonly AuthenticationMethod[]
  }
}

export const noPolicies: Policies = { policies: [], assigned: undefined, builtInL2tpRule: true }
