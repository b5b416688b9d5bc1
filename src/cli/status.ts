// `gatehouse status`: what is up, as tables or as JSON. Exit 3 if nothing runs.
import process from 'node:process'
import { type Column, octets, table } from '../console/table.ts'
import { ControlError, openControl } from '../control/client.ts'
import type { IkeSaRow, SessionRow, Status } from '../control/protocol.ts'
import { command, parse, stateFolder } from './arguments.ts'

export function run(args: readonly string[]): Promise<number> {
  return command('status', async () => {
    const { values } = parse({
      args: [...args],
      options: { json: { type: 'boolean' }, state: { type: 'string' } },
    })
    const control = await openOrExplain(stateFolder(values.state))
    if (control === undefined) return 3
    const status = await control.status()
    control.close()
    process.stdout.write(values.json ? `${JSON.stringify(status, null, 2)}\n` : render(status))
    return 0
  })
}

/** The running gateway; undefined, with a line on stderr, where none runs. */
export async function openOrExplain(folder: string) {
  try {
    return await openControl(folder)
  } catch (error) {
    if (!(error instanceof ControlError) || error.code !== 'not-running') throw error
    process.stderr.write(`${error.message}\n`)
    return undefined
  }
}

export function render(status: Status): string {
  const { hostname, dataplane, description, since, pool, sessions, ikeSas } = status
  return [
    `${hostname}: data plane ${dataplane} (${description}), up since ${since}`,
    `pool: ${pool.used} of ${pool.size} addresses in use`,
    '',
    sessions.length === 0 ? 'no sessions' : table(sessionColumns, sessions),
    '',
    ikeSas.length === 0 ? 'no ISAKMP SAs' : table(saColumns, ikeSas),
    '',
  ].join('\n')
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
