// Guests take from half a minute to some minutes, and need root. `npm test` runs those in user-mode Linux; with GATEHOUSE_QEMU=1 (npm run test:engines) those in
// QEMU too, one after the other.
import { defineConfig } from 'vitest/config'

const qemu = process.env.GATEHOUSE_QEMU === '1'

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: qemu ? ['*.test.ts'] : ['*.uml.test.ts'],
    globalSetup: ['lab/setup.ts'],
    pool: 'forks',
    fileParallelism: false,
    // Whole machines emulated on a noisy one: what fails is tried once more, and told.
    retry: 1,
    testTimeout: 930_000,
    hookTimeout: 600_000,
    reporters: ['verbose'],
  },
})
