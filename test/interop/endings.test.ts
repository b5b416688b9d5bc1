// How the gateway ends, and what it leaves: nothing.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from './lab/client.ts'
import type { Belongings } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, generous } from './settings.ts'

interop('endings', () => {
  let lab: Lab
  let client: Client
  let before: Belongings

  beforeAll(async () => {
    lab = await openLab()
    client = await lab.client('alice', 'strongswan', 11)
    before = await lab.belongings()
  })
  afterAll(() => lab?.close())

  test('SIGTERM: the client is told, the exit code is 0, and no route, table or device is left', async () => {
    const gateway = await lab.gateway(generous)
    await client.connect(dial('alice'))
    expect(await client.ping(addresses.inside)).toBe(3)
    expect(await lab.belongings()).not.toEqual(before)
    expect(await gateway.stop()).toBe(0)
    expect(await lab.belongings()).toEqual(before)
    await until('the client to hang up', async () => !(await client.up()), { timeoutMs: 5_000, everyMs: 200 })
    const { stdout } = await client.guest.sh('cat /run/charon.log')
    expect(stdout).toMatch(/received DELETE for/)
    await client.disconnect()
  })

  test('kill -9, and the next start: nothing of the first is left, and clients come in again', async () => {
    const first = await lab.gateway(generous)
    await client.connect(dial('alice'))
    await first.kill()
    const second = await lab.gateway(generous)
    await client.connect(dial('alice'))
    expect(await client.ping(addresses.inside)).toBe(3)
    const { sessions, pool } = await second.status()
    expect({ sessions: sessions.length, used: pool.used }).toEqual({ sessions: 1, used: 1 })
    await client.disconnect()
    expect(await second.stop()).toBe(0)
    expect(await lab.belongings()).toEqual(before)
  })
})
