// `gatehouse status`: what is up, as tables or as JSON. Exit 3 if nothing runs.
import process from 'node:process'
import { policyLines, saTable, sessionTable } from '../console/status-tables.ts'
import { ControlError, openControl } from '../control/client.ts'
import type { Status } from '../control/protocol.ts'
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
  const { hostname, dataplane, description, since, pool, sessions, ikeSas, policy } = status
  return [
    `${hostname}: data plane ${dataplane} (${description}), up since ${since}`,
    `pool: ${pool.used} of ${pool.size} addresses in use`,
    '',
    sessionTable(sessions),
    '',
    saTable(ikeSas),
    '',
    ...policyLines(policy),
  ].join('\n')
}
