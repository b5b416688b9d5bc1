// Runs once before all interop tests: what they need is installed, built and free of an earlier run's leftovers.
import { reapAbandoned } from './lease.ts'
import { ensurePackages } from './packages.ts'
import { ensureRoots } from './roots.ts'

export default async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('the interop lab makes network namespaces and taps: run it as root')
  await ensurePackages()
  await reapAbandoned()
  await ensureRoots()
}
