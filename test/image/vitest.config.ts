// The images' tests: whole boards in QEMU. They take minutes, root, and two cores of their own.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.test.ts'],
    globalSetup: ['setup.ts'],
    pool: 'forks',
    // QEMU emulates on one processor: two boards at a time use two.
    maxWorkers: Number(process.env.GATEHOUSE_IMAGE_WORKERS ?? 2),
    testTimeout: 3_600_000,
    hookTimeout: 3_600_000,
    teardownTimeout: 30_000,
    reporters: ['verbose'],
  },
})
