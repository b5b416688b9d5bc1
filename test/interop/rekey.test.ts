// Five minutes with both phases renewed every 30 s under TCP load, beside a client that never renews under the same
// load; and, meanwhile, a client that vanishes without a word.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client, Load } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { dataplane } from './lab/gateway-host.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, generous, inner, steadyMbit as mbit } from './settings.ts'

const seconds = 300
/** A second apart, or charon leaves out the one that comes while the other is under way. */
const lifetimes = { ikeSeconds: 29, espSeconds: 30 }

const short = ({ again, mbitUp, mbitDown }: Load) => ({ again, mbitUp, mbitDown })

interop('time passes', () => {
  let lab: Lab
  let gateway: Gateway
  let [renewing, steady, vanishing] = [] as unknown as [Client, Client, Client]

  beforeAll(async () => {
    lab = await openLab()
    ;[renewing, steady, vanishing] = await Promise.all([
      lab.client('alice', 'strongswan', 11),
      lab.client('bob', 'strongswan', 12),
      lab.client('carol', 'strongswan', 13),
    ])
    gateway = await lab.gateway(generous)
  })
  afterAll(() => lab?.close())

  test.concurrent('both phases renewed every 30 s for five minutes under TCP load: no session lost, nothing sent again that would not be without', {
    timeout: (seconds + 120) * 1000,
  }, async () => {
    await steady.connect(dial('bob'))
    await renewing.connect(dial('alice', { lifetimes }))
    const before = await gateway.session('alice')
    const [renewed, plain] = await Promise.all([
      renewing.load(lab.network, lab.inside, { seconds, mbit, port: 5201 }),
      steady.load(lab.network, lab.inside, { seconds, mbit, port: 5202 }),
    ])
    const charon = await renewing.guest.must('cat /run/charon.log')
    const count = (pattern: RegExp) => charon.match(pattern)?.length ?? 0
    expect(count(/IKE_SA lab\[\d+\] established between/g)).toBeGreaterThanOrEqual(9)
    expect(count(/CHILD_SA l2tp\{\d+\} established/g)).toBeGreaterThanOrEqual(9)
    expect(await renewing.up()).toBe(true)
    expect(await renewing.ping(addresses.inside)).toBe(3)
    expect(await gateway.session('alice')).toMatchObject({ address: before.address, since: before.since })
    const rates = JSON.stringify({ renewed: short(renewed), plain: short(plain) })
    process.stdout.write(`${rates}\n`)
    if (dataplane === 'userland') expect(Math.min(plain.mbitUp, plain.mbitDown), rates).toBeGreaterThan(mbit * 0.9)
    // Where the gateway is a guest too, a busy machine carries less, also for the client that renews nothing.
    const least = Math.min(mbit, plain.mbitUp, plain.mbitDown) * 0.9
    expect(Math.min(renewed.mbitUp, renewed.mbitDown), rates).toBeGreaterThan(least)
    // About twenty renewals: a packet lost at each would show. A few may be lost by a busy machine, to either client.
    // What came for an SA that wasn't there any more, or not yet.
    const host = await lab.gatewayHost()
    const { stdout: missed } = await host.exec(['grep', '-Ehs', 'Xfrm(In|Out)NoStates', '/proc/net/xfrm_stat'])
    if (dataplane === 'kernel')
      expect(
        missed.split('\n').filter((line) => / *\t[1-9]/.test(line)),
        'packets without an SA',
      ).toEqual([])
    // A busy machine costs a few segments on either side; twenty renewals that lost ten milliseconds each would cost hundreds.
    expect(renewed.again, `segments sent again without renewing: ${plain.again}`).toBeLessThan(plain.again + 100)
  })

  test.concurrent('a client killed without a word is gone within a minute, and its address is free again', {
    timeout: 150_000,
  }, async () => {
    await vanishing.connect(dial('carol'))
    const { address } = vanishing.session
    expect(address).toMatch(inner.pool)
    expect(await vanishing.ping(addresses.inside)).toBe(3)
    await vanishing.vanish()
    const from = Date.now()
    const mark = gateway.mark()
    const there = async () => (await gateway.status()).sessions.some((session) => session.user === 'carol')
    expect(await there()).toBe(true)
    await until('the gateway to miss carol', async () => !(await there()), { timeoutMs: 75_000, everyMs: 500 })
    expect((Date.now() - from) / 1000).toBeLessThanOrEqual(62)
    await gateway.says(/carol.*(gone|heard|answer|disconnected)/, { since: mark })
    const { sessions, pool } = await gateway.status()
    expect(pool.used).toBe(sessions.length)
    await vanishing.connect(dial('carol'))
    expect(await vanishing.ping(addresses.inside)).toBe(3)
    await vanishing.disconnect()
  })
})
