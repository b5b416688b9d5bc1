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

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: inGuest ? ofTheGateway : ['**/*.test.ts'],
    globalSetup: ['lab/setup.ts'],
    pool: 'forks',
    maxWorkers: Number(process.env.GATEHOUSE_LAB_WORKERS ?? 2),
    sequence: { sequencer: LongestFirst },
    // Guests emulate whole machines on a noisy one: what fails is tried once more, and told.
    retry: 1,
    testTimeout: inGuest ? 240_000 : 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
