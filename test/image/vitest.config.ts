// The images' tests: whole boards in QEMU, one at a time. They take minutes, root, and two cores of their own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['setup.ts'],
    pool: 'forks',
    maxWorkers: 1,
    fileParallelism: false,
    testTimeout: 1_200_000,
    hookTimeout: 1_200_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
