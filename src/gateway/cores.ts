// The protocol machines that an endpoint runs, by their contracts: the real ones, unless a test says otherwise.

import type { Network } from '../config/configuration.ts'
import { answerInform } from '../dhcp/inform.ts'
import type { IkeEffect, IkeInput, IkePolicy, IkeSaStatus } from '../ike/contract.ts'
import { IkeCore } from '../ike/core.ts'
import type { L2tpEffect, L2tpInput, L2tpPolicy, L2tpTunnelStatus } from '../l2tp/contract.ts'
import { L2tpCore } from '../l2tp/core.ts'
import type { PppEffect, PppInput, PppLinkStatus, PppPolicy } from '../ppp/contract.ts'
import { PppLink } from '../ppp/link.ts'
import type { Machine } from '../wire/machine.ts'

export type IkeMachine = Machine<IkeInput, IkeEffect> & { status(): readonly IkeSaStatus[] }
export type L2tpMachine = Machine<L2tpInput, L2tpEffect> & { status(): readonly L2tpTunnelStatus[] }
export type PppMachine = Machine<PppInput, PppEffect> & { status(): PppLinkStatus }

/** What a DHCPINFORM is answered with. */
export type InformSettings = {
  /** The client's inner address, and ours. */
  readonly client: string
  readonly server: string
  readonly dns: readonly string[]
  readonly domain: string | undefined
  readonly routes: readonly Network[]
}

export type Cores = {
  ike(policy: IkePolicy): IkeMachine
  l2tp(policy: L2tpPolicy): L2tpMachine
  ppp(policy: PppPolicy): PppMachine
  /** The answer to an IPv4 packet that holds a DHCPINFORM, as another one; undefined where none is due. */
  inform(packet: Uint8Array, settings: InformSettings): Uint8Array | undefined
}

export const cores: Cores = {
  ike: (policy) => new IkeCore(policy),
  l2tp: (policy) => new L2tpCore(policy),
  ppp: (policy) => new PppLink(policy),
  inform: answerInform,
}
