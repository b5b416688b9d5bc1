// A rule's traffic with a host that doesn't speak IPsec: a namespace without a daemon, whose kernel says that UDP port 500 is closed, or that drops IKE without a
// word. Where the action allows it the traffic goes in clear and is shown as that; where it forbids it nothing passes. No guests: `npm run interop:exchanges` only.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Capture, capture } from './lab/capture.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_EXCHANGES === undefined ? describe.skip : interop

const peer = addresses.dialler
const slowly = { timeout: 300_000 }

type Soft = { policy: { soft: { rule: string; peer: string; since: string; until: string }[] } }

onDemand('a host without IPsec (npm run interop:exchanges)', () => {
  let lab: Lab
  let gateway: Gateway | undefined
  let wire: Capture | undefined

  beforeAll(async () => {
    lab = await openLab('namespace')
  }, 600_000)
  afterEach(async () => {
    await lab.network.exec('dialler', ['nft', 'flush', 'ruleset'])
    wire?.stop()
    wire = undefined
    await gateway?.stop(60_000)
    gateway = undefined
  })
  afterAll(() => lab?.close())

  const deaf = `table ip deaf {
  chain in {
    type filter hook input priority 0
    udp dport { 500, 4500 } counter drop
  }
}
`

  async function begin(action: Record<string, unknown>, drops: boolean): Promise<Gateway> {
    if (drops) await lab.network.mustExec('dialler', ['nft', '-f', '-'], { input: deaf })
    wire = await capture(lab.network, 'dialler', 'eth0', `host ${addresses.gateway} and not arp`)
    const to = [{ source: 'me', destination: peer, protocol: 'icmp' }]
    const rule = { name: 'host', filterList: 'host', filterAction: 'Ask', authentication: [{ preSharedKey: psk }] }
    gateway = await lab.gateway({
      psk,
      users,
      policies: {
        assigned: 'Servers',
        filterLists: [{ name: 'host', filters: to }],
        filterActions: [{ name: 'Ask', action: 'negotiate', methods: ['aes128gcm16'], ...action }],
        policies: [{ name: 'Servers', rules: [rule] }],
      },
    })
    return gateway
  }

  const soft = async () => ((await gateway!.status()) as unknown as Soft).policy.soft
  const ping = async (seconds: number) => {
    const command = ['ping', '-n', '-i', '0.5', '-w', `${seconds}`, '-c', '3', peer]
    return (await lab.network.exec('gw', command, { timeoutMs: 120_000 })).code === 0
  }
  const pings = async () => (await wire!.lines()).filter((line) => line.includes('ICMP echo'))
  const asked = async () => (await wire!.lines()).filter((line) => line.includes('isakmp')).length
  /** Packets that meet the rule. */
  const wanted = () => ping(1)

  test.each([
    ['its kernel says that the port is closed', false],
    ['it drops IKE without a word', true],
  ])('allowed, %s: the traffic goes in clear, and is shown as soft for its time', slowly, async (_, drops) => {
    const running = await begin({ allowUnsecured: true, softLifetime: '10s' }, drops)
    await wanted()
    expect([await pings(), await soft()]).toEqual([[], []])
    const row = await until('the soft association', async () => (await soft())[0], {
      timeoutMs: 90_000,
      everyMs: 500,
    })
    expect(row).toMatchObject({ rule: 'host', peer })
    expect(Date.parse(row.until) - Date.parse(row.since)).toBe(10_000)
    expect(await ping(5)).toBe(true)
    expect((await pings()).length).toBeGreaterThanOrEqual(6)
    expect(await asked()).toBeGreaterThan(0)
    await running.says(/a soft association with 192\.0\.2\.70 for 10 s: it doesn't answer IKE, .*nothing is encrypted/)
    await until('its end', async () => (await soft()).length === 0, { timeoutMs: 60_000, everyMs: 500 })
    const before = (await pings()).length
    expect(await ping(2)).toBe(false)
    expect((await pings()).length).toBe(before)
  })

  test.each([
    ['its kernel says that the port is closed', false],
    ['it drops IKE without a word', true],
  ])('forbidden, %s: nothing passes, and the log says why', slowly, async (_, drops) => {
    const running = await begin({}, drops)
    await wanted()
    const why = /packets to 192\.0\.2\.70 are dropped, as rule host wants them protected: the peer doesn't answer IKE/
    await running.says(why, { timeoutMs: 90_000 })
    expect(await asked()).toBeGreaterThan(0)
    expect(await ping(3)).toBe(false)
    expect([await pings(), await soft()]).toEqual([[], []])
  })
})
