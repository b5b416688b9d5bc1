// What a run was measured on, so that its figures can be told from another machine's.
import { cpus, loadavg, release, totalmem } from 'node:os'
import process from 'node:process'
import { loadNative } from '../../platform/addon.ts'

export type Machine = {
  readonly cpu: string
  readonly cores: number
  /** Octets. */
  readonly memory: number
  readonly kernel: string
  readonly node: string
  readonly architecture: string
  /** What can carry ESP in user space, the best first, in its own words. */
  readonly engines: readonly string[]
  /** Runnable threads in the last minute before the run: other work makes every figure smaller, ratios less so. */
  readonly load: number
  /** ISO 8601. */
  readonly date: string
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory: totalmem(),
    kernel: release(),
    node: process.version,
    architecture: process.arch,
    engines: loadNative()
      .listEngines()
      .map(({ description }) => description),
    load: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString(),
  }
}

/** Above this the table says that the machine was busy. */
export function busy({ load, cores }: Pick<Machine, 'load' | 'cores'>): boolean {
  return load > cores / 2
}
