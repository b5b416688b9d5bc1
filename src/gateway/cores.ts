// The protocol machines that an endpoint runs, by their contracts: the real ones, unless a test says otherwise.

import type { Network } from '../config/configuration.ts'
import { answerInform } from '../dhcp/inform.ts'
import type { IkeEffect, IkeInput, IkePolicy, IkeSaStatus, StandingPeer } from '../ike/contract.ts'
import { IkeCore } from '../ike/core.ts'
import type { L2tpEffect, L2tpInput, L2tpPolicy, L2tpTunnelStatus, StandingCall } from '../l2tp/contract.ts'
import { L2tpCore } from '../l2tp/core.ts'
import type { PppEffect, PppInput, PppLinkStatus, PppPolicy } from '../ppp/contract.ts'
import { type LinkRecord, PppLink } from '../ppp/link.ts'
import type { Durable, Records } from '../wire/durable.ts'
import type { At, Instant, Machine } from '../wire/machine.ts'

export type IkeMachine = Machine<IkeInput, IkeEffect> &
  Durable & { status(): readonly IkeSaStatus[]; standing(): readonly StandingPeer[] }
export type L2tpMachine = Machine<L2tpInput, L2tpEffect> &
  Durable & { status(): readonly L2tpTunnelStatus[]; standing(): readonly StandingCall[] }
export type PppMachine = Machine<PppInput, PppEffect> & { status(): PppLinkStatus; record(): LinkRecord | undefined }

/** What an earlier machine wrote down, and the moment from which another goes on. */
export type Former = { readonly records: Records; readonly now: Instant }

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
  ike(policy: IkePolicy, former?: Former): IkeMachine
  l2tp(policy: L2tpPolicy, former?: Former): L2tpMachine
  ppp(policy: PppPolicy, former?: { readonly record: LinkRecord; readonly at: At }): PppMachine
  /** The answer to an IPv4 packet that holds a DHCPINFORM, as another one; undefined where none is due. */
  inform(packet: Uint8Array, settings: InformSettings): Uint8Array | undefined
}

export const cores: Cores = {
  ike: (policy, former) => new IkeCore(policy, former),
  l2tp: (policy, former) => new L2tpCore(policy, former),
  ppp: (policy, former) => (former ? PppLink.restored(policy, former.record, former.at) : new PppLink(policy)),
  inform: answerInform,
}
