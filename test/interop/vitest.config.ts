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
    include: ['**/*.test.ts'],
    globalSetup: ['lab/setup.ts'],
    pool: 'forks',
    maxWorkers: Number(process.env.GATEHOUSE_LAB_WORKERS ?? 2),
    sequence: { sequencer: LongestFirst },
    // Guests emulate whole machines on a noisy one: what fails is tried once more, and told.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
