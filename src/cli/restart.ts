// `gatehouse restart`: the running gateway starts anew, from whatever program lies there now, and no session ends. Exit 3 if no gateway runs, 1 where a restart
// would end sessions; the reason is said.
import process from 'node:process'
import { setTimeout as wait } from 'node:timers/promises'
import { openControl } from '../control/client.ts'
import { command, parse, stateFolder, UsageError } from './arguments.ts'
import { openOrExplain } from './status.ts'

/** Our own: a daemon with a thousand sessions is back in two seconds; systemd may wait for one before it starts it. */
const patienceMs = 20_000
const everyMs = 100

export function run(args: readonly string[]): Promise<number> {
  return command('restart', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: { state: { type: 'string' } },
    })
    if (positionals.length > 0) throw new UsageError('nothing but --state is right: gatehouse restart')
    const state = stateFolder(values.state)
    const control = await openOrExplain(state)
    if (control === undefined) return 3
    const before = (await control.status()).since
    await control.restart()
    control.close()
    const sessions = await back(state, before)
    if (sessions === undefined) {
      process.stderr.write(`the gateway is not back after ${patienceMs / 1000} s: its log says why\n`)
      return 1
    }
    process.stdout.write(`started anew with ${sessions} ${sessions === 1 ? 'session' : 'sessions'}\n`)
    return 0
  })
}

/** Sessions of the new process, once it answers. */
async function back(state: string, before: string): Promise<number | undefined> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await wait(everyMs)) {
    try {
      const control = await openControl(state)
      const { since, sessions } = await control.status()
      control.close()
      if (since !== before) return sessions.length
    } catch {
      // Between the two.
    }
  }
  return undefined
}
