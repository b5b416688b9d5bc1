// Which data plane a gateway chooses, and what it says of it.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { gatewayIn } from './lab/gateway-host.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, generous } from './settings.ts'

interop('the data plane', () => {
  let lab: Lab
  let gateway: Gateway | undefined

  beforeAll(async () => {
    lab = await openLab()
  })
  afterEach(async () => {
    if (gateway?.alive) await gateway.stop()
  })
  afterAll(() => lab?.close())

  // Guests' kernels have ESP, L2TP and PPP; this machine's own usually not, and if it does it isn't ours to use.
  test.runIf(gatewayIn === 'guest')(
    'auto, where the kernel has everything: kernel; status, log and the line ready say why',
    async () => {
      gateway = await lab.gateway({ ...generous, dataplane: 'auto' })
      const why = /kernel, .*ESP, L2TP and PPP were tried in this kernel, and work/
      expect(gateway.ready).toMatch(why)
      await gateway.says(why)
      expect(await gateway.status()).toMatchObject({ dataplane: 'kernel', description: expect.stringMatching(why) })
      const client: Client = await lab.client('swan', 'strongswan', 11)
      await client.connect(dial('alice'))
      expect(await client.ping(addresses.inside)).toBe(3)
      await client.disconnect()
    },
  )

  test.runIf(gatewayIn === 'guest')(
    'a kernel without PPP: auto is userland and says what is missing; kernel is an error that says so too',
    async () => {
      const host = await lab.gatewayHost()
      await host.exec(['mv', '/dev/ppp', '/dev/ppp.away'])
      try {
        gateway = await lab.gateway({ ...generous, dataplane: 'auto' })
        expect(gateway.ready).toMatch(/userland, .*the kernel can't: \/dev\/ppp/)
        expect(await gateway.stop()).toBe(0)
        await expect(lab.gateway({ ...generous, dataplane: 'kernel' })).rejects.toThrow(
          /dataplane: kernel can't work here: \/dev\/ppp .*modprobe .*dataplane: auto/,
        )
      } finally {
        await host.exec(['mv', '/dev/ppp.away', '/dev/ppp'])
      }
    },
  )

  test('userland, whatever the kernel can do', async () => {
    gateway = await lab.gateway({ ...generous, dataplane: 'userland' })
    expect(gateway.ready).toMatch(/userland, .*the configuration says so/)
    expect((await gateway.status()).dataplane).toBe('userland')
  })
})
