// The images' tests: whole boards in QEMU. They take minutes, root, and two cores of their own.
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest first, so that no processor is idle at the end: minutes that a file takes, measured. */
const minutes: Readonly<Record<string, number>> = {
  updates: 14,
  'power-cuts': 9,
  appliance: 6,
  boots: 5,
  client: 4,
  build: 3,
}

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const length = ({ moduleId }: TestSpecification) => minutes[/([\w-]+)\.test\.ts$/.exec(moduleId)?.[1] ?? ''] ?? 0
    return files.toSorted((a, b) => length(b) - length(a))
  }
}

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['setup.ts'],
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // QEMU emulates on one processor: two boards at a time use two.
    maxWorkers: Number(process.env.GATEHOUSE_IMAGE_WORKERS ?? 2),
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
