// CONTRACT. What lies behind the gateway: addresses, routes, forwarding, the filter and address translation, as the gateway asks for them.
// Everything asked for is taken away again, at exit or, after a crash, at the next start.

/** Networks are CIDR text, addresses are dotted text. */
export type GatewayPlan = {
  /** The TUN device that carries the clients; with `devicePrefix` only a name for what belongs to this gateway. */
  readonly device: string
  /** Where each session has an interface of its own: its name is this and a number (`ghp0`). Addresses and routes of clients on it are not ours to make. */
  readonly devicePrefix?: string
  /** Our inner address. */
  readonly gatewayAddress: string
  /** The pool and the fixed addresses outside it: first and last address of each range. */
  readonly clients: readonly { readonly first: string; readonly last: string }[]
  /** Networks behind clients that are routers. */
  readonly clientNetworks: readonly string[]
  readonly forwarding: 'masquerade' | 'route' | 'proxy-arp'
  /** Clients may go beyond networks with private addresses. */
  readonly internet: boolean
  /** Networks behind us that clients may reach even without `internet`, beside the private ones (RFC 1918). */
  readonly localNetworks: readonly string[]
  readonly clientToClient: boolean
  /** Clients may reach services on the gateway beyond ping and DNS. */
  readonly gatewayServices: boolean
  /** Networks joined with other gateways': theirs are routed into the device, and each pair of networks may speak, started by either side. */
  readonly sites?: readonly SitePlan[]
}

export type SitePlan = {
  readonly local: readonly string[]
  readonly remote: readonly string[]
  /** A link that is dialled: down, its networks are routed to the device with the last metric only, so that any other way goes before it. */
  readonly link?: 'up' | 'down'
  /** Our own on a link that is up: put onto the device. */
  readonly address?: string | undefined
}

/** The client's side of a link: one device, one address, and what is routed into it. */
export type ClientPlan = {
  readonly device: string
  readonly address: string
  /** The gateway's inner address: always routed into the link. */
  readonly gatewayAddress: string
  readonly mtu: number
  /** Networks to route into it; `0.0.0.0/0` for all but the way to the gateway itself. */
  readonly routes: readonly string[]
  /** The gateway's outer address, which stays outside the link whatever is routed into it. */
  readonly outer: string
}

export interface Network {
  /** Removes what a killed daemon left; tells what, in words. Done before anything else. */
  recover(): Promise<readonly string[]>
  /** Takes over what a killed daemon left, as if it had been put there by this process: nothing is removed, and `clear` will undo it. */
  keep(): Promise<void>
  /**
   * Puts the plan in force, or changes what is in force into it. Fails with an Error whose message says what to do.
   * Resolves to what stands in the clients' way and isn't ours to change, a sentence each: a firewall of the machine's own.
   */
  serve(plan: GatewayPlan): Promise<readonly string[]>
  /** A client has this address from now on, or no longer (proxy ARP). */
  client(address: string, present: boolean): Promise<void>
  /** The client role. */
  join(plan: ClientPlan): Promise<void>
  /** Takes everything away. */
  clear(): Promise<void>
}
