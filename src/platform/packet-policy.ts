// CONTRACT. The filter that puts an IPsec policy in force on the machine's packets: what should be protected and isn't is dropped. The list is in order, the first
// filter that means a packet decides; everything asked for is taken away again by `clear`. What a process
// leaves that dies stands, so that nothing goes unprotected meanwhile, until the next start replaces or clears it.

/** A filter as the machine needs it. Networks are CIDR text; protocol and ports 0 are any. */
export type PolicyFilter = {
  readonly source: string
  readonly destination: string
  readonly protocol: number
  readonly sourcePort: number
  readonly destinationPort: number
  /** What leaves the machine, what comes to it, or both. */
  readonly direction: 'out' | 'in' | 'either'
  readonly connection: 'all' | 'lan' | 'remote-access'
  readonly action: 'permit' | 'block' | 'protect'
  /** Packets of others that the machine forwards count too (tunnel mode); without it only the machine's own. */
  readonly forwarded: boolean
  /** Clear packets that come in pass all the same. */
  readonly acceptUnsecured: boolean
  /** Packets that leave the machine by it are held until they have an SA: by the userland plane, to whose device they are sent, or by the kernel. */
  readonly carried: boolean
  /** Peers can be let through for a while by `allowClear`, under this number; and who is wanted is told by `wanted`. */
  readonly soft: number | undefined
}

export type PolicyPlan = {
  /** The TUN device of the userland plane. */
  readonly device: string
  /** Whose packets count as protected: what the kernel put through an SA, or what goes through the TUN device. */
  readonly plane: 'userland' | 'kernel'
  /** What carries clients' sessions: the device or, with a star at the end, all of that name. */
  readonly carriers: string
  readonly filters: readonly PolicyFilter[]
}

export interface PacketPolicy {
  /** The machine's addresses (IPv4), DNS servers and default gateways at the time. */
  facts(): { readonly own: readonly string[]; readonly dns: readonly string[]; readonly gateway: readonly string[] }
  /** Puts the list in force in place of an earlier one; peers that were let through are so no longer. Fails with an Error whose message says why. */
  enforce(plan: PolicyPlan): Promise<void>
  /** Peers for which a packet met a filter with `soft`, went out and was dropped, since the last call. */
  wanted(): Promise<readonly { readonly soft: number; readonly peer: string }[]>
  allowClear(soft: number, peer: string, seconds: number): Promise<void>
  endClear(soft: number, peer: string): Promise<void>
  /** Takes away what belongs to the device, whoever put it there. */
  clear(device: string): Promise<void>
}
