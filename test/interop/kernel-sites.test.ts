// Sites in tunnel mode on the kernel's data plane, in a guest, with strongSwan in others: what is the kernel plane's own. The roles, proposals and refusals that both
// planes share are in sites.test.ts, which runs with either.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { capture } from './lab/capture.ts'
import type { Gateway } from './lab/gateway.ts'
import { dataplane } from './lab/gateway-host.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat, direct } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, psk, users } from './settings.ts'

const vici = '--uri unix:///run/charon.vici'
const ours = '10.1.0.0/24'
const [ike, esp] = ['aes256-sha256-modp2048', 'aes256-sha256']
type SiteStatus = { site: string; state: string; networks: string[]; packetsIn: number; packetsOut: number }

/** Another gateway: a guest with a network behind it. */
type Branch = { readonly name: string; readonly guest: Guest; readonly network: string; readonly host: string }

const entry = ({ name, network }: Branch, more: Record<string, unknown> = {}) => ({
  name,
  peer: '192.0.2.11',
  localNetworks: ours,
  remoteNetworks: network,
  authentication: { preSharedKey: 'between two gateways' },
  ike,
  esp,
  ...more,
})

const swanctl = ({ network }: Branch, rekey: string) => `
connections {
  site {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = ${ike}
    local { auth = psk }
    remote { auth = psk }
    children {
      net { mode = tunnel
       local_ts = ${network}
       remote_ts = ${ours}
       esp_proposals = ${esp}
       rekey_time = ${rekey}
      }
    }
  }
}
secrets { ike-site { secret = "between two gateways" } }
`

interop('sites on the kernel plane', () => {
  if (dataplane !== 'kernel') {
    test.skip('only with GATEHOUSE_DATAPLANE=kernel: npm run interop:kernel', () => {})
    return
  }
  let lab: Lab
  let east: Branch
  let gateway: Gateway | undefined

  async function branch(name: string, network: string, host: string, plug = direct(11)): Promise<Branch> {
    const guest = await lab.guest(name, 'strongswan', plug)
    await guest.must(`ip address add ${host}/16 dev lo`)
    return { name, guest, network, host }
  }
  beforeAll(async () => {
    lab = await openLab()
    east = await branch('east', '10.2.0.0/16', '10.2.0.1')
  }, 300_000)
  afterAll(() => lab?.close())

  async function begin(sites: readonly Record<string, unknown>[]): Promise<Gateway> {
    await gateway?.stop()
    gateway = await lab.gateway({ psk, users, sites, more: { deadPeer: '5min' } })
    return gateway
  }
  async function listen(who: Branch, rekey = '1h'): Promise<void> {
    await who.guest.must('/lab/strongswan.sh kill', { timeoutMs: 60_000 })
    await who.guest.must(`/lab/strongswan.sh listen ${who.guest.put('sites.conf', swanctl(who, rekey))}`, {
      timeoutMs: 60_000,
    })
  }
  const initiate = (who: Branch) =>
    who.guest.must(`swanctl --initiate --child net --timeout 30 ${vici}`, { timeoutMs: 60_000 })
  const ping = (to: string, count = 3, every = '1') =>
    lab.network.exec('inside', ['ping', '-n', '-c', `${count}`, '-i', every, '-W', '5', to])
  const received = (text: string) => Number(/(\d+) received/.exec(text)?.[1])
  const sites = async () => ((await gateway!.status()) as unknown as { sites: SiteStatus[] }).sites
  /** What the gateway's kernel has of ours. */
  const kernels = async (what: 'state' | 'policy') => {
    const { stdout } = await gateway!.host.exec(['ip', 'xfrm', what])
    return stdout
  }

  test('the SAs are the kernel’s, in tunnel mode; their counters are the site’s', async () => {
    await begin([entry(east)])
    await listen(east)
    const { stdout } = await ping(east.host)
    expect(received(stdout)).toBe(3)
    expect((await kernels('state')).match(/mode tunnel/g)?.length).toBeGreaterThanOrEqual(2)
    expect(await kernels('policy')).toMatch(/dir fwd/)
    await until('the counters', async () => (await sites())[0]!.packetsIn >= 3, { timeoutMs: 20_000, everyMs: 500 })
    expect((await sites())[0]).toMatchObject({ state: 'up', networks: [`${ours} - ${east.network}`] })
  })

  test('without an SA nothing leaves in clear, and nothing in clear gets in', async () => {
    await begin([entry(east, { start: 'by-peer' })])
    await east.guest.must('/lab/strongswan.sh kill', { timeoutMs: 60_000 })
    const outside = await capture(lab.network, 'internet', 'eth0', 'net 10.2.0.0/16 or net 10.1.0.0/16')
    const within = await capture(lab.network, 'inside', 'eth0', 'net 10.2.0.0/16')
    expect(received((await ping(east.host)).stdout)).toBe(0)
    // Our own requests are seen, so the capture works; answers can't come.
    await east.guest.sh(
      `ip route add ${ours} via ${addresses.gateway}; ping -n -c 3 -W 1 -I ${east.host} ${addresses.inside}`,
      {
        timeoutMs: 30_000,
      },
    )
    const seen = await within.lines(3)
    within.stop()
    expect(seen.filter((line) => line.includes(`IP ${east.host} >`))).toEqual([])
    const left = await outside.lines(0)
    outside.stop()
    expect(left).toEqual([])
    await east.guest.must(`ip route del ${ours}`)
  })

  test('renewals every 20 s: no packet is lost', { timeout: 400_000 }, async () => {
    await begin([entry(east, { start: 'by-peer' })])
    await listen(east, '20s')
    await initiate(east)
    const { stdout } = await ping(east.host, 400, '0.2')
    expect(received(stdout)).toBe(400)
    const log = gateway!.log
    expect(log).not.toMatch(/bug/)
    expect((await sites())[0]!.state).toBe('up')
  })

  test('protocol 50 for an SA that nobody has is told', async () => {
    const running = await begin([entry(east, { start: 'by-peer' })])
    await east.guest.must(
      `printf '\\x12\\x34\\x56\\x78\\x00\\x00\\x00\\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | socat - IP4-SENDTO:${addresses.gateway}:50`,
    )
    expect(await running.says(/12345678|305419896/)).toContain('192.0.2.11')
  })

  test('kill -9 and a new start: the tunnel stands, and packets go on', { timeout: 400_000 }, async () => {
    await begin([entry(east, { start: 'by-peer' })])
    await listen(east)
    await initiate(east)
    expect(received((await ping(east.host)).stdout)).toBe(3)
    const before = await kernels('state')
    const flowing = ping(east.host, 300, '0.2')
    await gateway!.kill()
    gateway = await lab.gateway({ psk, users, sites: [entry(east, { start: 'by-peer' })], more: { deadPeer: '5min' } })
    await gateway.says(/resumed 0 sessions of 1 peer/, { timeoutMs: 60_000 })
    expect((await sites())[0]).toMatchObject({ state: 'up', networks: [`${ours} - ${east.network}`] })
    expect(received((await flowing).stdout)).toBe(300)
    const spis = (text: string) => text.match(/spi 0x\w+/g)?.toSorted()
    expect(spis(await kernels('state'))).toEqual(spis(before))
  })

  test('a gateway and a client behind one NAT', { timeout: 600_000 }, async () => {
    const client = await lab.client('alice', 'strongswan', behindNat(13))
    await east.guest.replug(behindNat(11))
    try {
      await begin([entry(east, { peer: addresses.router, start: 'by-peer' })])
      await listen(east)
      await initiate(east)
      expect(received((await ping(east.host)).stdout)).toBe(3)
      await client.connect(dial('alice'))
      await client.ping(addresses.inside)
      expect(received((await ping(east.host)).stdout)).toBe(3)
      expect((await sites())[0]!.state).toBe('up')
    } finally {
      await east.guest.replug(direct(11))
    }
  })

  test('SIGTERM leaves nothing', async () => {
    await gateway?.stop()
    const before = await lab.belongings()
    await begin([entry(east)])
    await listen(east)
    expect(received((await ping(east.host)).stdout)).toBe(3)
    expect(await gateway!.stop()).toBe(0)
    gateway = undefined
    expect(await lab.belongings()).toEqual(before)
  })
})
