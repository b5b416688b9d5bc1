// The machine around the daemon, against the programs that it is made of: nft, networkd, pppd, timesyncd, rsyslog. One test at a time: they are small
// networks with daemons in them.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/system/**/*.test.ts'],
    globalSetup: ['test/system/setup.ts'],
    // As in the other suites of whole programs: tried once more, and named.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
  },
})
