// `gatehouse bench engines --tune`: measures every engine on this machine, idle and loaded, and writes the choice into the configuration: the userland
// engine, and the kernel's priorities where another driver than the kernel's own choice is faster. `--explain` shows the figures behind it.
import { existsSync, realpathSync } from 'node:fs'
import process from 'node:process'
import { proposalsFor } from '../../algorithms/levels.ts'
import { showEspProposal } from '../../algorithms/proposals.ts'
import type { Configuration } from '../../config/configuration.ts'
import { type EngineChoice, withEngines } from '../../config/engines-section.ts'
import { Archive } from '../../console/archive.ts'
import { systemDisk } from '../../console/disk.ts'
import { loadNative, type NativeBenchResult, type NativeModule } from '../../platform/addon.ts'
import { choose, gbps, priorityAbove, type Verdict } from '../../platform/linux/engine-choice.ts'
import { espAlgorithms, type KernelDriver, kernelDrivers } from '../../platform/linux/kernel-crypto.ts'
import { readText, replaceFile } from '../../platform/replace-file.ts'
import { loadConfiguration, showFault } from '../load.ts'
import type { Progress } from './result.ts'

export type TuneOptions = {
  /** Undefined: the board's own where there is one, else nothing is written. */
  readonly config: string | undefined
  readonly quick: boolean
  readonly explain: boolean
  readonly json: boolean
}

/** Where a board has its configuration. */
const ofTheBoard = '/config/gatehouse.yaml'
/** Measured whatever the configuration says: one of each cipher and hash that clients ask for. */
const usual: readonly string[] = [
  'aes128gcm16',
  'aes256gcm16',
  'aes128-sha1',
  'aes256-sha1',
  'aes128-sha256',
  'aes256-sha256',
  '3des-sha1',
  '3des-md5',
  'des-sha1',
]

/** With `--quick`: one of each cipher, with IMIX. */
const usualQuickly: readonly string[] = ['aes128gcm16', 'aes128-sha1', '3des-sha1', 'des-sha1']

type Line = { readonly subject: string; readonly choice: string; readonly why: string }

/** Answers the exit code. */
export async function tune(
  options: TuneOptions,
  progress: Progress,
  end: () => void,
  machine: object,
): Promise<number> {
  const file = options.config ?? (existsSync(ofTheBoard) ? ofTheBoard : undefined)
  let configuration: Configuration | undefined
  if (file !== undefined) {
    const outcome = loadConfiguration(file)
    if (outcome.is === 'faulty') {
      for (const fault of outcome.faults) process.stderr.write(`${showFault(file, fault)}\n`)
      return 2
    }
    configuration = outcome.configuration
  }
  const native = loadNative()
  const plan = planOf(native, configuration, options.quick ? usualQuickly : usual)
  const results = measure(native, plan, options.quick, progress)
  end()
  const { choice, lines } = decide(results, plan, configuration)
  const before = file === undefined ? undefined : readText(file)
  const after = before === undefined ? undefined : withEngines(before, choice)
  if (file !== undefined && before !== undefined && after !== undefined && after !== before)
    keep(realpathSync(file), before, after)
  const written = after === undefined ? null : file
  if (options.json) {
    process.stdout.write(
      `${JSON.stringify({ machine, results: results.map(toResult), choice, reasons: lines, written }, null, 2)}\n`,
    )
    return 0
  }
  if (options.explain) process.stdout.write(`${table(results)}\n\n`)
  for (const { subject, choice: chosen, why } of lines) process.stdout.write(`${subject}: ${chosen}. ${why}\n`)
  if (file === undefined) process.stdout.write('nothing was written: --config FILE names the configuration\n')
  else if (after === before) process.stdout.write(`${file} says so already\n`)
  else process.stdout.write(`written to ${file} (engines:); gatehouse up takes it when it starts\n`)
  return 0
}

/** Where the console keeps revisions this is one more, so that `rollback` knows it. Throws where a commit waits: going back would take this away with it. */
function keep(file: string, before: string, after: string): void {
  const archive = new Archive(systemDisk, file)
  if (!existsSync(archive.folder)) return replaceFile(file, after)
  if (archive.pending() ?? archive.claimed())
    throw new Error('nothing is written: a commit waits for its confirmation; "confirm" it or "commit cancel" first')
  const note = (who: string, comment: string) => ({ at: new Date().toISOString(), who, comment })
  archive.record(before, note('found', 'as it was found'))
  archive.replace(after)
  archive.record(after, note('bench engines --tune', 'the fastest engines, as measured'))
}

export type Plan = {
  /** The userland engines, the one that is taken without a word first. */
  readonly engines: readonly string[]
  readonly algorithms: readonly string[]
  /** What the userland engine has to be good at. */
  readonly wanted: readonly string[]
  /** Of each algorithm of the kernel that has several drivers: these, what the kernel takes first. */
  readonly kernel: readonly {
    readonly algorithm: string
    readonly drivers: readonly KernelDriver[]
    readonly measured: readonly string[]
  }[]
  readonly hasAfAlg: boolean
}

function planOf(native: NativeModule, configuration: Configuration | undefined, asked: readonly string[]): Plan {
  const listed = native.listEngines()
  const engines = listed.map(({ name }) => name)
  const hasAfAlg = engines.includes('af-alg')
  const esp = configuration?.remoteAccess.esp ?? proposalsFor('modern').esp
  const wanted = [...new Set(esp.map((proposal) => showEspProposal({ ...proposal, group: undefined })))]
  const algorithms = [...new Set([...asked, ...wanted])]
  const drivers = kernelDrivers(native.listKernelAlgorithms().algorithms).filter(({ esp: serves }) => serves.length > 0)
  const kernel = espAlgorithms.flatMap((algorithm) => {
    const own = drivers.filter((one) => one.algorithm === algorithm)
    const rivals = [...own.filter(({ chosen }) => chosen), ...own.filter(({ chosen }) => !chosen)]
    if (!hasAfAlg || rivals.length < 2) return []
    // Of a hash one pair is enough to compare its drivers: the cipher beside it is the same.
    const measured = asked.filter((proposal) => rivals[0]!.esp.includes(proposal))
    return [{ algorithm, drivers: rivals, measured: algorithm.startsWith('hmac(') ? measured.slice(0, 1) : measured }]
  })
  return { engines, algorithms, wanted, kernel, hasAfAlg }
}

const afAlg = (driver: string) => `af-alg:${driver}`

export function measure(
  native: Pick<NativeModule, 'benchEngines'>,
  plan: Pick<Plan, 'engines' | 'algorithms' | 'kernel'>,
  quick: boolean,
  progress: Progress,
): readonly NativeBenchResult[] {
  // Quickly: IMIX alone, by which is chosen, and as few keys and packets as make one round of it, so that a slow machine comes to an end too.
  const effort = quick
    ? { milliseconds: 5, repeats: 3, securityAssociations: 4, batch: 12, sizes: [0] }
    : { milliseconds: 50, repeats: 5, securityAssociations: 64, sizes: [64, 512, 1400, 0] }
  // Under load a measurement is at least some of the scheduler's turns long.
  const underLoad = { ...effort, milliseconds: Math.max(effort.milliseconds, 25) }
  const sizes = effort.sizes.length
  const jobs = [
    ...plan.engines.map((engine) => ({ engine, algorithms: plan.algorithms })),
    ...plan.kernel.flatMap(({ drivers, measured }) =>
      drivers.map(({ driver }) => ({ engine: afAlg(driver), algorithms: measured })),
    ),
  ]
  const all = 2 * sizes * jobs.reduce((sum, job) => sum + job.algorithms.length, 0)
  let done = 0
  const results: NativeBenchResult[] = []
  for (const { engine, algorithms } of jobs) {
    for (const loaded of [false, true]) {
      const from = done
      const what = `${engine}, ${loaded ? 'loaded' : 'idle'}`
      const part = native.benchEngines(
        { ...(loaded ? underLoad : effort), engines: [engine], algorithms, loaded },
        (now) => {
          progress(from + now, all, what)
          return true
        },
      )
      results.push(...part)
      done += sizes * algorithms.length
    }
  }
  return results
}

function decide(
  results: readonly NativeBenchResult[],
  plan: Plan,
  configuration: Configuration | undefined,
): { readonly choice: EngineChoice; readonly lines: readonly Line[] } {
  const lines: Line[] = []
  const kernel: { driver: string; priority: number }[] = []
  for (const { algorithm, drivers, measured } of plan.kernel) {
    const verdict = choose(
      results,
      drivers.map(({ driver }) => afAlg(driver)),
      measured,
    )
    if (!verdict) continue
    const winner = drivers.find(({ driver }) => afAlg(driver) === verdict.winner)!
    const kept = configuration?.kernelPriorities.find(({ driver }) => driver === winner.driver)
    const others = drivers.filter((one) => one !== winner).map(({ priority }) => priority)
    // The kernel's own choice needs no word, unless it is only because a running gateway has raised it.
    if (kept) kernel.push(kept.priority > Math.max(...others) ? kept : { ...kept, priority: priorityAbove(others) })
    else if (!winner.chosen) kernel.push({ driver: winner.driver, priority: priorityAbove(others) })
    lines.push({ subject: `kernel ${algorithm}`, choice: winner.driver, why: `It does ${plainly(verdict)}.` })
  }
  if (!plan.hasAfAlg)
    lines.push({
      subject: 'kernel',
      choice: 'as it is',
      why: 'Its drivers can be measured only through AF_ALG, which this kernel lacks.',
    })
  else if (plan.kernel.length === 0)
    lines.push({ subject: 'kernel', choice: 'as it is', why: 'No algorithm of ESP has more than one driver.' })
  const raisedDrivers = kernel.map(({ driver }) => afAlg(driver))
  const userland =
    choose(results, [...plan.engines, ...raisedDrivers], plan.wanted) ?? choose(results, plan.engines, plan.algorithms)
  if (userland) lines.unshift({ subject: 'userland', choice: userland.winner, why: `It does ${plainly(userland)}.` })
  return { choice: { userland: userland?.winner, kernel }, lines }
}

function plainly({ why }: Verdict): string {
  return why.replaceAll('af-alg:', '')
}

/** In the form of the other benchmarks. */
function toResult(one: NativeBenchResult): object {
  const { engine, algorithm, direction, size, gbps: speed, limitGbps, ratio, spread, processorShare, loaded } = one
  return {
    what: `ESP in memory, ${engine}, ${size === 'imix' ? 'IMIX' : `${size} octets`}, ${loaded ? 'loaded' : 'idle'}`,
    esp: algorithm,
    direction,
    gbps: speed,
    limit: limitGbps,
    ratio,
    spread,
    processorShare,
  }
}

/** One row for each engine, algorithm and size: Gbit/s, and the share of a core that it took, both idle and loaded. */
function table(results: readonly NativeBenchResult[]): string {
  const rows = new Map<string, NativeBenchResult[]>()
  for (const one of results) {
    const key = [one.engine, one.algorithm, one.size].join('\t')
    rows.set(key, [...(rows.get(key) ?? []), one])
  }
  const cell = (of: readonly NativeBenchResult[], direction: string, loaded: boolean) =>
    gbps(of.find((one) => one.direction === direction && one.loaded === loaded)?.gbps ?? 0).padStart(9)
  const share = (of: readonly NativeBenchResult[], loaded: boolean) =>
    `${Math.round(100 * (of.find((one) => one.loaded === loaded)?.processorShare ?? 0))} %`.padStart(6)
  const width = Math.max(6, ...results.map(({ engine }) => engine.length))
  const head = `${'ENGINE'.padEnd(width)}  ${'ESP'.padEnd(14)}  ${'SIZE'.padEnd(5)}  idle: seal       open    CPU   loaded: seal     open    CPU`
  return [
    'Gbit/s of ESP payload',
    head,
    ...[...rows].map(([key, of]) => {
      const [engine, algorithm, size] = key.split('\t') as [string, string, string]
      const half = (loaded: boolean) => `${cell(of, 'seal', loaded)}  ${cell(of, 'open', loaded)} ${share(of, loaded)}`
      return `${engine.padEnd(width)}  ${algorithm.padEnd(14)}  ${size.padEnd(5)}  ${half(false)}     ${half(true)}`
    }),
  ].join('\n')
}
