// Tunnel mode with gateways that nobody of us wrote: both roles, several networks, PFS, AES-GCM, a NAT in between, renewal.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Gateway } from './lab/gateway.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat, direct } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

/** Behind the foreign gateway. */
const [theirs, theirSecond] = ['10.2.0.1', '10.3.0.1']
const networks = { ours: '10.1.0.0/24', theirs: '10.2.0.0/16', theirSecond: '10.3.0.0/16' }
const vici = '--uri unix:///run/charon.vici'

type Proposals = { ike: string; esp: string }
type SiteStatus = { site: string; state: string; networks: string[]; natted: boolean; esp: string; packetsIn: number }

interop('sites', () => {
  let lab: Lab
  let guest: Guest
  let gateway: Gateway | undefined

  beforeAll(async () => {
    lab = await openLab()
    guest = await lab.guest('swan', 'strongswan', direct(11))
    await guest.must(`ip address add ${theirs}/16 dev lo; ip address add ${theirSecond}/16 dev lo`)
  })
  afterAll(() => lab?.close())

  async function begin(site: Record<string, unknown>, { ike, esp }: Proposals, remote: readonly string[]) {
    await gateway?.stop()
    await guest.must('/lab/strongswan.sh kill', { timeoutMs: 40_000 })
    gateway = await lab.gateway({
      psk,
      users,
      sites: [
        {
          name: 'branch',
          peer: '192.0.2.11',
          localNetworks: networks.ours,
          remoteNetworks: remote,
          authentication: { preSharedKey: 'between two gateways' },
          ike,
          esp,
          ...site,
        },
      ],
    })
    const children = remote.map((network, i) => child(`net${i}`, network, esp)).join('')
    const file = guest.put('sites.conf', swanctl(ike, children))
    await guest.must(`/lab/strongswan.sh listen ${file}`, { timeoutMs: 40_000 })
    return gateway
  }

  const child = (name: string, network: string, esp: string) =>
    `${name} { mode = tunnel\n local_ts = ${network}\n remote_ts = ${networks.ours}\n esp_proposals = ${esp}\n rekey_time = 1h\n }\n`
  const swanctl = (ike: string, children: string) => `
connections {
  site {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = ${ike}
    local { auth = psk }
    remote { auth = psk }
    children {
${children}    }
  }
}
secrets { ike-site { secret = "between two gateways" } }
`

  const site = async () => ((await gateway!.status()) as unknown as { sites: SiteStatus[] }).sites[0]!
  const initiate = (name: string) =>
    guest.must(`swanctl --initiate --child ${name} --timeout 20 ${vici}`, { timeoutMs: 40_000 })
  const pingFromThem = (source: string) =>
    guest.must(`ping -n -c 3 -i 0.2 -W 5 -I ${source} ${addresses.inside}`, { timeoutMs: 30_000 })
  const pingFromUs = (to: string) => lab.network.mustExec('inside', ['ping', '-n', '-c', '3', '-W', '5', to])

  test.each([
    { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' },
    { ike: 'aes128-sha1-modp2048', esp: 'aes128gcm16' },
    { ike: 'aes256-sha256-ecp256', esp: 'aes256-sha1-modp2048' },
  ])('strongSwan begins, IKE $ike, ESP $esp: both networks reach each other', async (proposals) => {
    await begin({ start: 'by-peer' }, proposals, [networks.theirs])
    await initiate('net0')
    expect(await pingFromThem(theirs)).toContain('3 received')
    expect(await pingFromUs(theirs)).toContain('3 received')
    expect(await site()).toMatchObject({
      state: 'up',
      networks: [`${networks.ours} - ${networks.theirs}`],
      natted: false,
    })
  })

  test.each([
    { ike: 'aes256-sha256-modp2048', esp: 'aes128-sha1' },
    { ike: 'aes128-sha1-modp2048', esp: 'aes256gcm16-modp2048' },
  ])('we begin on the first packet, IKE $ike, ESP $esp: it is not lost', async (proposals) => {
    await begin({}, proposals, [networks.theirs])
    expect(await pingFromUs(theirs)).toContain('3 received')
    expect(await pingFromThem(theirs)).toContain('3 received')
    expect((await site()).state).toBe('up')
  })

  test('at once, two networks: a tunnel for each', async () => {
    const both = [networks.theirs, networks.theirSecond]
    await begin({ start: 'at-once' }, { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }, both)
    await until('both tunnels', async () => (await site()).networks.length === 2, { timeoutMs: 40_000, everyMs: 500 })
    for (const to of [theirs, theirSecond]) expect(await pingFromUs(to)).toContain('3 received')
  })

  test('a network that is not configured is refused, and the sentence has both sides’', async () => {
    const running = await begin(
      { remoteNetworks: '10.3.0.0/16', start: 'by-peer' },
      { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' },
      [networks.theirs],
    )
    const { code } = await guest.sh(`swanctl --initiate --child net0 --timeout 10 ${vici}`, { timeoutMs: 30_000 })
    expect(code).not.toBe(0)
    expect(await running.says(/was refused/)).toContain(
      'the peer wants a tunnel between 10.1.0.0/24 and 10.2.0.0/16 (ours first); site branch has 10.1.0.0/24 and 10.3.0.0/16',
    )
  })

  test('behind a NAT: ESP goes in UDP, both ways', async () => {
    await guest.replug(behindNat(11))
    try {
      await begin({ peer: addresses.router, start: 'by-peer' }, { ike: 'aes256-sha256-modp2048', esp: 'aes128gcm16' }, [
        networks.theirs,
      ])
      await initiate('net0')
      expect(await pingFromThem(theirs)).toContain('3 received')
      expect(await pingFromUs(theirs)).toContain('3 received')
      expect(await site()).toMatchObject({ state: 'up', natted: true })
    } finally {
      await guest.replug(direct(11))
    }
  })

  test('SIGTERM: the peer is told, and nothing is left', async () => {
    await begin({}, { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }, [networks.theirs])
    expect(await pingFromUs(theirs)).toContain('3 received')
    expect(await gateway!.stop()).toBe(0)
    gateway = undefined
    await until(
      'strongSwan to have no SA',
      async () => (await guest.must(`swanctl --list-sas ${vici}`)).trim() === '',
      { timeoutMs: 10_000, everyMs: 500 },
    )
  })
})
