// What `status` shows, from what is up now.
import { isWeak } from '../algorithms/levels.ts'
import { parseEspProposal, parseIkeProposal } from '../algorithms/proposals.ts'
import type { Configuration } from '../config/configuration.ts'
import type { IkeSaRow, Status, TunnelRow } from '../control/protocol.ts'
import type { IkeSaStatus } from '../ike/contract.ts'
import type { L2tpTunnelStatus } from '../l2tp/contract.ts'
import type { Clock } from '../platform/clock.ts'
import type { FastPath } from '../platform/fast-path.ts'
import { showEndpoint } from '../wire/address.ts'
import { printable } from '../wire/codec.ts'
import type { Instant } from '../wire/machine.ts'
import type { DemandDial } from './demand-dial.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventLog } from './event-log.ts'
import type { PolicySide } from './policy-side.ts'
import type { Sessions } from './sessions.ts'
import type { Sites } from './sites.ts'

type Parts = {
  readonly configuration: Configuration
  readonly fastPath: FastPath
  readonly endpoint: Endpoint
  readonly sessions: Sessions
  readonly sites: Sites
  readonly dialled: DemandDial
  readonly policy: PolicySide
  readonly events: EventLog
  readonly since: Date
  readonly clock: Clock
}

export function statusOf({
  configuration,
  fastPath,
  endpoint,
  sessions,
  sites,
  dialled,
  policy,
  events,
  since,
  clock,
}: Parts): Status {
  const shift = clock.date().getTime() - clock.now()
  const iso = (at: Instant) => new Date(at + shift).toISOString()
  return {
    hostname: configuration.hostname,
    dataplane: fastPath.kind,
    description: fastPath.description,
    since: since.toISOString(),
    pool: { size: sessions.pool.size, used: sessions.pool.used },
    ikeSas: endpoint.ikeStatus().map((sa) => ikeRow(sa, iso)),
    sessions: sessions.all.filter(({ leaving }) => leaving === undefined).map((session) => session.row()),
    tunnels: endpoint.l2tpStatus().map((tunnel) => tunnelRow(tunnel, endpoint, iso)),
    sites: [...sites.rows(), ...dialled.rows()],
    policy: policy.status(),
    events: events.counters(),
    counters: fastPath.counters(),
  }
}

function ikeRow(sa: IkeSaStatus, iso: (at: Instant) => string): IkeSaRow {
  const ike = sa.proposal === undefined ? undefined : parseIkeProposal(sa.proposal)
  return {
    id: sa.id,
    peer: showEndpoint(sa.path.remote),
    role: sa.role,
    state: sa.state,
    proposal: sa.proposal,
    weak: (ike?.is === 'proposal' && isWeak(ike.proposal)) || sa.pairs.some(({ proposal }) => weakEsp(proposal)),
    natted: sa.natted,
    client: sa.client,
    identity: sa.identity === undefined ? undefined : printable(sa.identity),
    since: sa.established === undefined ? undefined : iso(sa.established),
    expires: sa.expires === undefined ? undefined : iso(sa.expires),
    esp: sa.pairs.map((pair) => ({
      inboundSpi: spiText(pair.inboundSpi),
      outboundSpi: spiText(pair.outboundSpi),
      proposal: pair.proposal,
      state: pair.state,
      since: iso(pair.established),
    })),
  }
}

function weakEsp(text: string): boolean {
  const parsed = parseEspProposal(text)
  return parsed.is === 'proposal' && isWeak(parsed.proposal)
}

function spiText(spi: number): string {
  return spi.toString(16).padStart(8, '0')
}

function tunnelRow(tunnel: L2tpTunnelStatus, endpoint: Endpoint, iso: (at: Instant) => string): TunnelRow {
  const peer = endpoint.peers.get(tunnel.peer)
  return {
    peer: peer ? showEndpoint(peer.path.remote) : '',
    localTunnel: tunnel.localTunnel,
    remoteTunnel: tunnel.remoteTunnel,
    hostName: printable(tunnel.peerHostName),
    state: tunnel.state,
    since: iso(tunnel.since),
    sessions: tunnel.calls,
  }
}
