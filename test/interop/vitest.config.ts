// The interop lab's own configuration: guests take minutes, need root, and must be taken down whatever happens.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['lab/setup.ts'],
    pool: 'forks',
    maxWorkers: Number(process.env.GATEHOUSE_LAB_WORKERS ?? 2),
    testTimeout: 120_000,
    hookTimeout: 180_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
