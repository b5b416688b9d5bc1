// The other direction: the gateway's own lifetimes are a minute, and a foreign client follows.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, generous, steadyMbit as mbit, slowly } from './settings.ts'

const seconds = 125
/** Of the load, until the gateway renews for the first time: 94 % of its lifetime. */
const renewedAfter = 50

interop('renewed by the gateway', () => {
  let lab: Lab
  let gateway: Gateway
  const clients: Client[] = []

  beforeAll(async () => {
    lab = await openLab()
    clients.push(
      ...(await Promise.all([lab.client('alice', 'strongswan', behindNat(11)), lab.client('bob', 'libreswan', 12)])),
    )
    gateway = await lab.gateway({ ...generous, more: { lifetimes: { ike: '60s', esp: '60s' } } })
  })
  afterAll(() => lab?.close())

  test('a strongSwan behind a NAT and a libreswan without stay connected, and their data arrives', {
    ...slowly(240_000),
  }, async () => {
    for (const client of clients) await client.connect(dial(client.name))
    const before = await Promise.all(clients.map((client) => gateway.session(client.name)))
    const loads = await Promise.all(
      clients.map((client, index) => client.load(lab.network, lab.inside, { seconds, mbit, port: 5201 + index })),
    )
    for (const [index, client] of clients.entries()) {
      expect(await client.up()).toBe(true)
      expect(await client.ping(addresses.inside)).toBe(3)
      const { address, since } = before[index] as (typeof before)[number]
      expect(await gateway.session(client.name)).toMatchObject({ address, since })
      const load = loads[index] as (typeof loads)[number]
      const slow = (way: 'up' | 'down', from: number, to: number) =>
        load.rates.slice(from, to).filter((rate) => rate[way] < mbit / 2).length
      const told = (['up', 'down'] as const).map((way) => ({
        way,
        before: slow(way, 0, renewedAfter),
        after: slow(way, renewedAfter, seconds),
      }))
      process.stdout.write(
        `${client.name}: ${load.again} sent again; seconds below half the load: ${JSON.stringify(told)}\n`,
      )
      // A busy machine has slow seconds before anything is renewed, too. Two renewals may each cost one; a second without SAs would show in both ways.
      for (const { before, after } of told) expect(after, JSON.stringify(told)).toBeLessThanOrEqual(2 + 4 * before)
      // Of some 100,000: a busy machine costs a few, a second without SAs would cost hundreds.
      expect(load.again).toBeLessThanOrEqual(200)
    }
    const charon = await (clients[0] as Client).guest.must('cat /run/charon.log')
    expect(charon.match(/CHILD_SA l2tp\{\d+\} established/g)?.length ?? 0).toBeGreaterThanOrEqual(3)
    for (const client of clients) await client.disconnect()
    await gateway.empty()
  })
})
