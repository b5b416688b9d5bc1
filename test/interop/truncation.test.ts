// SHA2-256 in ESP cut to 96 bits, as old Linuxes and Androids do it under the number of 128: strongSwan's sha256_96 and libreswan's sha2-truncbug, each against the
// userland plane, which finds it out by itself. The same clients without that option beside them. With `npm run interop:truncation` only: guests take minutes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { interop } from './lab/suite.ts'
import { dial, psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_TRUNCATION === undefined ? describe.skip : interop
const patience = { ike: 60, ppp: 60 }
const slowly = { timeout: 600_000 }
const found = /cuts SHA2-256 to 96 bits/

onDemand('SHA2-256 of 96 bits (npm run interop:truncation)', () => {
  let lab: Lab
  let gateway: Gateway

  beforeAll(async () => {
    lab = await openLab('namespace')
    gateway = await lab.gateway({ psk, users })
  }, 600_000)
  afterAll(() => lab?.close())

  async function exchange(client: Client, user: string, truncated: boolean): Promise<string> {
    const mark = gateway.mark()
    await client.connect(dial(user, { esp: 'aes256-sha256', truncated, patience }))
    expect(await client.ping('10.99.0.1')).toBe(3)
    for (const direction of ['up', 'down'] as const) {
      const { here, there } = await client.transfer(direction, lab.inside, 1_000_000)
      expect(there).toEqual({ bytes: 1_000_000, sha256: here })
    }
    expect((await gateway.session(user)).esp).toBe('aes256-sha256')
    await client.disconnect()
    await gateway.empty()
    return gateway.since(mark)
  }

  test.each([
    ['strongswan', 'alice', 11],
    ['libreswan', 'bob', 12],
  ] as const)(
    '%s: found out, and what it sends and gets is whole; then without the option',
    slowly,
    async (stack, user, host) => {
      const client = await lab.client(stack, stack, host)
      expect(await exchange(client, user, true)).toMatch(found)
      expect(await exchange(client, user, false)).not.toMatch(found)
    },
  )
})
