// Unit tests stand beside the code, what spans folders in test/. The interop lab has a configuration of its own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'images/**/*.test.ts'],
    exclude: ['test/interop/**', 'test/engines/**', 'test/image/**', 'test/system/**', 'node_modules/**'],
    // Programs are started and waited for beside suites of other people: what fails is tried once more, and named (test/second-tries.ts).
    retry: 1,
    testTimeout: 30_000,
    pool: 'forks',
    // Vitest leaves a core free by itself: half of two.
    maxWorkers: Number(process.env.GATEHOUSE_TEST_WORKERS ?? 2),
  },
})
