// The interop lab's own configuration: guests take minutes, need root, and must be taken down whatever happens.
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest first, so that two workers end at about the same time; the rest in any order. */
const longest = [
  'logins.test.ts',
  'rekey.test.ts',
  'rekey-by-gateway.test.ts',
  'four-clients.test.ts',
  'refusals.test.ts',
]

/** With the kernel plane, or the gateway in a guest: only what speaks of the gateway. The others (the lab, our client, our PPP and L2TP alone) have no plane. */
const ofTheGateway = [
  ...[
    'four-clients',
    'logins',
    'rekey',
    'rekey-by-gateway',
    'refusals',
    'endings',
    'dataplane',
    'throughput',
    'restart',
    'sites',
    'kernel-sites',
    'policies',
  ].map((name) => `${name}.test.ts`),
]
const inGuest = process.env.GATEHOUSE_DATAPLANE === 'kernel' || process.env.GATEHOUSE_GATEWAY_IN === 'guest'

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/${name}`))
      return at < 0 ? longest.length : at
    }
    return files.toSorted((a, b) => rank(a) - rank(b))
  }
}

/** What looks at single seconds, and is disturbed by three more guests on the same two cores: with the gateway in a guest too, these run after the others, one by one. */
const undisturbed = inGuest ? ['rekey.test.ts', 'rekey-by-gateway.test.ts', 'restart.test.ts'] : []

const project = (name: string, groupOrder: number, maxWorkers: number, include: string[], exclude: string[]) => ({
  test: {
    name,
    root: import.meta.dirname,
    include,
    exclude: ['node_modules', ...exclude],
    globalSetup: ['lab/setup.ts'],
    pool: 'forks' as const,
    maxWorkers,
    sequence: { groupOrder },
    // Guests emulate whole machines on a noisy one: what fails is tried once more, and told.
    retry: 1,
    testTimeout: inGuest ? 240_000 : 120_000,
    hookTimeout: 180_000,
  },
})
const workers = Number(process.env.GATEHOUSE_LAB_WORKERS ?? 2)

export default defineConfig({
  test: {
    projects: [
      project('interop', 0, workers, inGuest ? ofTheGateway : ['**/*.test.ts'], undisturbed),
      ...(undisturbed.length > 0 ? [project('undisturbed', 1, 1, undisturbed, [])] : []),
    ],
    sequence: { sequencer: LongestFirst },
    maxWorkers: workers,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
