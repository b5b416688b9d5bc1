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
const siteKey = 'between two gateways'
const [ike, esp] = ['aes256-sha256-modp2048', 'aes256-sha256']
type SiteStatus = { site: string; state: string; networks: string[]; packetsIn: number; packetsOut: number }

/** Another gateway: a guest with a network behind it. */
type Branch = { readonly name: string; readonly guest: Guest; readonly network: string; readonly host: string }

const entry = ({ name, network }: Branch, more: Record<string, unknown> = {}) => ({
  name,
  peer: '192.0.2.11',
  localNetworks: ours,
  remoteNetworks: network,
  authentication: { preSharedKey: siteKey },
  ike,
  esp,
  ...more,
})

const tunnel = (name: string, network: string, rekey = '1h', proposal = esp) =>
  `${name} { mode = tunnel\n local_ts = ${network}\n remote_ts = ${ours}\n esp_proposals = ${proposal}\n rekey_time = ${rekey}\n }\n`

const swanctl = (children: string, key: string) => `
connections {
  site {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = ${ike}
    local { auth = psk }
    remote { auth = psk }
    children {
${children}
    }
  }
}
secrets { ike-site { secret = "${key}" } }
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
    await gateway?.stop(60_000)
    gateway = await lab.gateway({ psk, users, sites, more: { deadPeer: '5min' } })
    return gateway
  }
  async function listen(who: Branch, children = tunnel('net', who.network), key = siteKey): Promise<void> {
    await who.guest.must('/lab/strongswan.sh kill', { timeoutMs: 60_000 })
    await who.guest.must(`/lab/strongswan.sh listen ${who.guest.put('sites.conf', swanctl(children, key))}`, {
      timeoutMs: 60_000,
    })
  }
  const initiate = (who: Branch) =>
    who.guest.must(`swanctl --initiate --child net --timeout 30 ${vici}`, { timeoutMs: 60_000 })
  const ping = (to: string, count = 3, every = '1') =>
    lab.network.exec('inside', ['ping', '-n', '-c', `${count}`, '-i', every, '-W', '5', to], {
      timeoutMs: 30_000 + 2000 * count * Number(every),
    })
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

  test('renewals every 20 s: no packet is lost', { timeout: 400_000 }, async () => {
    await begin([entry(east, { start: 'by-peer' })])
    await listen(east, tunnel('net', east.network, '20s'))
    await initiate(east)
    const { stdout } = await ping(east.host, 300, '0.2')
    expect(received(stdout)).toBe(300)
    expect(gateway!.log).not.toMatch(/bug/)
    expect((await sites())[0]!.state).toBe('up')
    const charon = await east.guest.must('cat /run/charon.log')
    expect(charon.match(/CHILD_SA net\{\d+\} established/g)?.length ?? 0).toBeGreaterThanOrEqual(3)
  })

  test('a rule in transport mode: its SAs must be kernel SAs', { timeout: 400_000 }, async () => {
    const peer = '192.0.2.11'
    await listen(
      east,
      `net { mode = transport\n local_ts = ${peer}/32[tcp/445]\n remote_ts = ${addresses.gateway}/32[tcp]\n esp_proposals = ${esp}\n rekey_time = 1h\n }`,
    )
    await east.guest.must('pgrep -x iperf3 >/dev/null || setsid iperf3 -s -p 445 >/dev/null 2>&1 </dev/null &')
    await gateway?.stop(60_000)
    gateway = await lab.gateway({
      psk,
      users,
      more: { ike: [ike] },
      policies: {
        assigned: 'Servers',
        filterLists: [
          { name: 'files', filters: [{ source: 'me', destination: peer, protocol: 'tcp', destinationPort: 445 }] },
        ],
        filterActions: [{ name: 'Secure', action: 'negotiate', methods: ['aes256-sha256'] }],
        policies: [
          {
            name: 'Servers',
            rules: [
              {
                name: 'files',
                filterList: 'files',
                filterAction: 'Secure',
                authentication: [{ preSharedKey: siteKey }],
              },
            ],
          },
        ],
      },
    })
    const wire = await capture(lab.network, 'hub', 'east', `host ${peer} and tcp`)
    const command = ['iperf3', '-c', peer, '-p', '445', '-n', '2M', '-J', '--connect-timeout', '60000']
    const { stdout } = await gateway.host.exec(command, { timeoutMs: 120_000 })
    const state = await kernels('state')
    const { stdout: policy } = await gateway.host.exec(['ip', 'xfrm', 'policy'])
    const said = `${stdout}\n${state}\n${policy}\n${gateway.log}`
    const { end } = JSON.parse(stdout || '{}') as { end?: { sum_received?: { bytes: number } } }
    expect(end?.sum_received?.bytes ?? 0, said).toBeGreaterThan(100_000)
    expect(state.match(/mode transport/g)?.length).toBeGreaterThanOrEqual(2)
    const inClear = await wire.lines(1_000)
    wire.stop()
    expect(inClear).toEqual([])
  })

  test('protocol 50 for an SA that nobody has is told', async () => {
    const running = await begin([entry(east, { start: 'by-peer' })])
    await east.guest.must(
      `printf '\\x12\\x34\\x56\\x78\\x00\\x00\\x00\\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | socat - IP4-SENDTO:${addresses.gateway}:50`,
    )
    const told = async () =>
      ((await running.status()) as unknown as { events: Record<string, number> }).events['spi.unknown']
    await until('it to be told', async () => (await told()) === 1, { timeoutMs: 10_000, everyMs: 500 })
  })

  test('two networks at once, AES-GCM with PFS: all SAs must be kernel SAs', { timeout: 400_000 }, async () => {
    const [second, secondHost] = ['10.3.0.0/16', '10.3.0.1']
    await east.guest.must(`ip address add ${secondHost}/16 dev lo`)
    const gcm = 'aes256gcm16-modp2048'
    await listen(east, tunnel('net', east.network, '1h', gcm) + tunnel('more', second, '1h', gcm))
    await begin([entry(east, { start: 'at-once', remoteNetworks: [east.network, second], esp: gcm })])
    await until('both networks', async () => (await sites())[0]!.networks.length === 2, {
      timeoutMs: 60_000,
      everyMs: 500,
    })
    for (const to of [east.host, secondHost]) expect(received((await ping(to)).stdout)).toBe(3)
    expect((await kernels('state')).match(/aead rfc4106/g)?.length).toBe(4)
  })

  test('a gateway and a client behind one NAT', { timeout: 600_000 }, async () => {
    const client = await lab.client('alice', 'strongswan', behindNat(13))
    await east.guest.replug(behindNat(11))
    try {
      // Who comes from a site's address proves itself with the site's key.
      const authentication = { preSharedKey: psk }
      await begin([entry(east, { peer: addresses.router, start: 'by-peer', authentication })])
      await listen(east, tunnel('net', east.network), psk)
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

  test('a goodbye leaves nothing', async () => {
    await gateway?.stop(60_000)
    const before = await lab.belongings()
    await begin([entry(east)])
    await listen(east)
    expect(received((await ping(east.host)).stdout)).toBe(3)
    expect(await gateway!.stop(60_000)).toBe(0)
    gateway = undefined
    expect(await lab.belongings()).toEqual(before)
  })
})
