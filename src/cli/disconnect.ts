// `gatehouse disconnect USER|ADDRESS`: ends sessions, with the reason that the peer's protocol has for it. Exit 3 if no gateway runs, 1 if
// there is no such session.
import process from 'node:process'
import { command, parse, stateFolder, UsageError } from './arguments.ts'
import { openOrExplain } from './status.ts'

export function run(args: readonly string[]): Promise<number> {
  return command('disconnect', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: { state: { type: 'string' } },
    })
    const [target, ...more] = positionals
    if (target === undefined || more.length > 0)
      throw new UsageError('one user or inner address is right: gatehouse disconnect alice')
    const control = await openOrExplain(stateFolder(values.state))
    if (control === undefined) return 3
    const ended = await control.disconnect(target)
    control.close()
    process.stdout.write(
      ended === 0 ? `no session of ${target}\n` : `${ended} ${ended === 1 ? 'session' : 'sessions'} ended\n`,
    )
    return ended === 0 ? 1 : 0
  })
}
