// The fast path's contract on the kernel plane, inside a guest, whose kernel has ESP, L2TP and PPP. The traces are those of ../fast-path.test.ts.
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { Guest } from './lab/guest.ts'
import { lease, reapAbandoned } from './lab/lease.ts'
import { ensureModules, modulesPath } from './lab/modules.ts'
import { gatewayPlugs, Network } from './lab/network.ts'
import { ensurePackages } from './lab/packages.ts'
import { ensureRoots } from './lab/roots.ts'
import { interop } from './lab/suite.ts'

const checkout = join(import.meta.dirname, '..', '..')
/** Vitest takes some ten seconds to start in a guest, and each trace about one. */
const timeoutMs = 240_000

/** Both ends are on the guest's loopback, whose packets XFRM leaves alone unless told otherwise. Nothing of the checkout is written to. */
const order = `
sysctl -qw net.ipv4.conf.lo.disable_xfrm=0 net.ipv4.conf.lo.disable_policy=0
cd /run/checkout
HOME=/dev/shm TMPDIR=/dev/shm node_modules/.bin/node node_modules/vitest/vitest.mjs run test/fast-path.test.ts -t kernel \\
  --reporter=verbose --no-color --cache=false --configLoader runner`

interop('the fast path in a guest', () => {
  // On a fresh machine the guest's kernel modules are compiled here, which is not the test's time.
  beforeAll(async () => {
    await ensurePackages()
    await Promise.all([ensureRoots(), ensureModules()])
    await reapAbandoned()
  }, 1_200_000)

  test('the kernel plane keeps the contract', { timeout: timeoutMs + 60_000 }, async () => {
    const held = lease()
    try {
      const network = new Network(held)
      await network.lay('guest')
      const gateway = { inside: gatewayPlugs.inside, checkout, modules: modulesPath() }
      const guest = await Guest.boot(
        { name: 'gate', root: 'strongswan', plug: gatewayPlugs.outside, gateway },
        held,
        network,
      )
      const { code, stdout, stderr } = await guest.sh(order, { timeoutMs })
      const said = `${stdout}${stderr}`
      expect(said).toMatch(/Tests +\d+ passed/)
      expect(said).toMatch(/✓ .*kernel, with a userland client > control messages carry the inner ports/)
      expect(code, said).toBe(0)
    } finally {
      await held.release()
    }
  })
})
