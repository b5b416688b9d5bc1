// `gatehouse bench`: what this machine does. `engines`: ESP in memory, through the SA, against the engine alone. `throughput`: TCP through a whole
// gateway and client in two network namespaces, against the bare wire between them. `engines --tune` writes the best into the configuration. As a table, or
// with --json as
// `{ machine, results: [{ what, esp, direction, gbps, limit, ratio, spread }] }`.
import { cpus, release, totalmem } from 'node:os'
import process from 'node:process'
import { command, parse, UsageError } from './arguments.ts'
import { benchEngines } from './bench-engines.ts'
import { benchThroughput } from './bench-throughput.ts'

/** One figure with what it is measured against, taken in the same run. */
export type Result = {
  /** `ESP in memory, ipsec-mb, 1400 octets`, `TCP, one client`. */
  readonly what: string
  readonly esp: string
  /** `seal`, `open`, `up` (client to gateway), `down`. */
  readonly direction: string
  readonly gbps: number
  readonly limit: number
  /** gbps / limit. */
  readonly ratio: number
  /** Half the distance from the slowest to the fastest repeat, as a share of the median. */
  readonly spread: number
}

/** Tells how far a run is: done, of how many, what comes now. */
export type Progress = (done: number, all: number, what: string) => void

const kinds = { engines: benchEngines, throughput: benchThroughput }

export function run(args: readonly string[]): Promise<number> {
  return command('bench', async () => {
    const { values, positionals } = parse({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        quick: { type: 'boolean' },
        tune: { type: 'boolean' },
        explain: { type: 'boolean' },
        config: { type: 'string' },
      },
    })
    const [name = 'engines', ...more] = positionals
    if (!Object.hasOwn(kinds, name) || more.length > 0) {
      throw new UsageError(`bench ${positionals.join(' ')}: bench engines or bench throughput is right`)
    }
    const machine = {
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      memory: totalmem(),
      kernel: release(),
      node: process.version,
    }
    const { quick = false, explain = false, json = false, config } = values
    if (values.tune) {
      if (name !== 'engines') throw new UsageError('--tune goes with bench engines')
      const { tune } = await import('./bench-tune.ts')
      return tune({ config, quick, explain, json }, progress, machine)
    }
    if (explain || config !== undefined) throw new UsageError('--explain and --config go with --tune')
    const results = await kinds[name as keyof typeof kinds](quick, progress)
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
    process.stdout.write(json ? `${JSON.stringify({ machine, results }, null, 2)}\n` : render(machine, results))
    return 0
  })
}

/** What was said last where lines can't be written over. */
let said = ''

const progress: Progress = (done, all, what) => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${Math.round((100 * done) / all)} %  ${what}`)
  else if (what !== said) process.stderr.write(`measuring, ${done} of ${all} done: ${what}\n`)
  said = what
}

function render(machine: { cpu: string; cores: number; kernel: string }, results: readonly Result[]): string {
  const rows = results.map(({ what, esp, direction, gbps, limit, ratio, spread }) =>
    [what.padEnd(38), esp.padEnd(16), direction.padEnd(5), gbps.toFixed(3).padStart(9), limit.toFixed(3).padStart(9)]
      .concat(`${(100 * ratio).toFixed(0)} %`.padStart(7), `±${(100 * spread).toFixed(0)} %`.padStart(7))
      .join('  '),
  )
  const head = [
    'WHAT'.padEnd(38),
    'ESP'.padEnd(16),
    'DIR'.padEnd(5),
    'Gbit/s'.padStart(9),
    'limit'.padStart(9),
    'ratio'.padStart(7),
  ]
  return `${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}\n\n${[head.concat('spread'.padStart(7)).join('  '), ...rows].join('\n')}\n`
}
