// What the kernel counts of a process: processor time and memory.
import { readdirSync, readFileSync } from 'node:fs'

/** Of a Linux process's clock tick, whatever HZ the kernel has (USER_HZ). */
const ticksPerSecond = 100

/** Seconds of processor time that all threads of a process have had, in user and kernel mode. */
export function processorSeconds(pid: number): number {
  // The name in parentheses may hold anything; field 3 follows it.
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(/\) (?=[^)]*$)/)
  const fields = rest!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** Seconds of processor time that a process's threads of this name have had, to the nanosecond. Needs a kernel that counts it (CONFIG_SCHED_INFO). */
export function threadSeconds(pid: number, name: string): number {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`)
  return threads
    .filter((thread) => readFileSync(`${thread}/comm`, 'latin1').trim() === name)
    .reduce((sum, thread) => sum + Number(readFileSync(`${thread}/schedstat`, 'latin1').split(' ')[0]) / 1e9, 0)
}

/** Octets: resident with what is shared, and its proportional share (PSS). */
export function memoryOf(pid: number): { readonly resident: number; readonly proportional: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) * 1024
  return { resident: kilobytes('Rss'), proportional: kilobytes('Pss') }
}
