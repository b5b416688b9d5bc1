// Sessions, ISAKMP SAs and tunnels as tables: what `gatehouse status` and the console's `show` print.
import type { IkeSaRow, PolicyStatus, SessionRow, TunnelRow } from '../control/protocol.ts'
import { type Column, octets, table } from './table.ts'

export const sessionTable = (rows: readonly SessionRow[]): string =>
  rows.length === 0 ? 'no sessions' : table(sessionColumns, rows)

export const saTable = (rows: readonly IkeSaRow[]): string =>
  rows.length === 0 ? 'no ISAKMP SAs' : table(saColumns, rows)

export const tunnelTable = (rows: readonly TunnelRow[]): string =>
  rows.length === 0 ? 'no tunnels' : table(tunnelColumns, rows)

/** What the assigned policy protects in transport mode, and with whom it lets pass in clear; nothing without one. */
export function policyLines(policy: PolicyStatus | undefined): string[] {
  if (policy?.assigned === undefined) return []
  const secured = policy.secured.map(
    ({ traffic, peer, rule, esp, weak }) =>
      `  ${traffic} with ${peer}: ESP ${esp}${weak ? ' (weak)' : ''}, rule ${rule}`,
  )
  const soft = policy.soft.map(
    ({ peer, rule, until }) => `  ${peer}: soft association, in clear until ${until}, rule ${rule}`,
  )
  const none = secured.length + soft.length === 0 ? ['  nothing is protected or soft now'] : []
  return [`IPsec policy ${policy.assigned}`, ...secured, ...soft, ...none, '']
}

const sessionColumns: readonly Column<SessionRow>[] = [
  ['USER', (row) => row.user],
  ['ADDRESS', (row) => row.address],
  ['PEER', (row) => `${row.peer}${row.natted ? ' (NAT)' : ''}`],
  ['CLIENT', (row) => row.client],
  ['IKE', (row) => row.ike],
  ['ESP', (row) => `${row.esp}${row.weak ? ' (weak)' : ''}`],
  ['SINCE', (row) => row.since],
  ['IN', (row) => octets(row.bytesIn)],
  ['OUT', (row) => octets(row.bytesOut)],
]

const saColumns: readonly Column<IkeSaRow>[] = [
  ['ISAKMP SA', (row) => String(row.id)],
  ['PEER', (row) => row.peer],
  ['STATE', (row) => row.state],
  ['PROPOSAL', (row) => `${row.proposal ?? ''}${row.weak ? ' (weak)' : ''}`],
  ['EXPIRES', (row) => row.expires ?? ''],
  ['ESP', (row) => row.esp.map((pair) => `${pair.inboundSpi}/${pair.outboundSpi} ${pair.state}`).join(', ')],
]

const tunnelColumns: readonly Column<TunnelRow>[] = [
  ['TUNNEL', (row) => `${row.localTunnel}/${row.remoteTunnel}`],
  ['PEER', (row) => row.peer],
  ['HOST NAME', (row) => row.hostName],
  ['STATE', (row) => row.state],
  ['SINCE', (row) => row.since],
  ['SESSIONS', (row) => row.sessions.join(' ')],
]
