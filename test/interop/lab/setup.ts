// Runs once before all interop tests: what they need is installed, built and free of an earlier run's leftovers.
import { gatewayIn } from './gateway-host.ts'
import { reapAbandoned } from './lease.ts'
import { ensureModules } from './modules.ts'
import { ensurePackages } from './packages.ts'
import { ensureRoots } from './roots.ts'
import { say } from './run.ts'

export default async function setup(): Promise<void> {
  if (process.getuid?.() !== 0) return say('not root: the interop tests are skipped (they make namespaces and taps)')
  await ensurePackages()
  await reapAbandoned()
  await ensureRoots()
  if (gatewayIn === 'guest') await ensureModules()
}
