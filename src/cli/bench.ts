// `gatehouse bench`: what this machine does. Each kind measures its figures beside the limit that they have, in the same run. As a table, as
// `{ machine, results: [{ what, esp, direction, gbps | perSecond, limit, ratio, spread }] }` with --json, as one page with plots with --html FILE;
// --compare OLD.json says what got slower. `engines --tune` writes the best engines into the configuration.
import { command, parse, UsageError } from './arguments.ts'
import { describeMachine } from './bench/machine.ts'
import { showProgress } from './bench/progress.ts'
import type { Bench } from './bench/result.ts'
import { type Run, readRun } from './bench/run.ts'
import { tell } from './bench/tell.ts'

/** Each is loaded when it is asked for; `all` runs those that need no peer of somebody else's. */
const kinds: Readonly<Record<string, { readonly inAll: boolean; readonly load: () => Promise<Bench> }>> = {
  engines: { inAll: true, load: async () => (await import('./bench/engines.ts')).benchEngines },
  packets: { inAll: true, load: async () => (await import('./bench/packets.ts')).benchPackets },
  throughput: { inAll: true, load: async () => (await import('./bench/throughput.ts')).benchThroughput },
  logins: { inAll: true, load: async () => (await import('./bench/logins.ts')).benchLogins },
  sessions: { inAll: true, load: async () => (await import('./bench/sessions.ts')).benchSessions },
  'sessions 50000': { inAll: false, load: async () => (await import('./bench/sessions.ts')).benchManySessions },
  idle: { inAll: true, load: async () => (await import('./bench/idle.ts')).benchIdle },
  'against softether': { inAll: false, load: async () => (await import('./bench/against.ts')).benchAgainstSoftEther },
}

export function run(args: readonly string[]): Promise<number> {
  return command('bench', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        html: { type: 'string' },
        compare: { type: 'string' },
        from: { type: 'string' },
        quick: { type: 'boolean' },
        tune: { type: 'boolean' },
        explain: { type: 'boolean' },
        config: { type: 'string' },
      },
    })
    const { quick = false, explain = false, json = false, config, html, from } = values
    if (values.tune) {
      if (positionals.join(' ') !== 'engines') throw new UsageError('--tune goes with bench engines')
      const { tune } = await import('./bench/tune.ts')
      const { progress, end } = showProgress()
      return tune({ config, quick, explain, json }, progress, end, describeMachine())
    }
    if (explain || config !== undefined) throw new UsageError('--explain and --config go with --tune')
    const names = from === undefined ? chosen(positionals) : []
    return tell(async () => (from === undefined ? measure(names, quick) : readRun(from)), {
      json,
      html,
      compare: values.compare,
    })
  })
}

function chosen(positionals: readonly string[]): readonly string[] {
  const words = positionals.length === 0 ? ['engines'] : [positionals.join(' ')]
  if (words[0] === 'all') return Object.keys(kinds).filter((name) => kinds[name]!.inAll)
  if (Object.hasOwn(kinds, words[0]!)) return words
  const names = [...Object.keys(kinds), 'all'].map((name) => `bench ${name}`)
  throw new UsageError(`bench ${words[0]}: there are ${names.slice(0, -1).join(', ')} and ${names.at(-1)}`)
}

async function measure(names: readonly string[], quick: boolean): Promise<Run> {
  const machine = describeMachine()
  const results = []
  for (const name of names) {
    const bench = await kinds[name]!.load()
    const { progress, end } = showProgress()
    try {
      results.push(...(await bench(quick, progress)))
    } finally {
      end()
    }
  }
  return { machine, results }
}
