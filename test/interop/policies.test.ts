// A rule of the IPsec policy between us and a host that nobody of us wrote: strongSwan in a guest, TCP to one port in transport mode, either side beginning; a method that
// it doesn't have. On demand, since guests take minutes: npm run interop:policies.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Capture, capture } from './lab/capture.ts'
import type { Gateway } from './lab/gateway.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_POLICIES === undefined ? describe.skip : interop
const vici = '--uri unix:///run/charon.vici'
const peer = '192.0.2.11'
const key = 'between a host and a gateway'

/** A guest on a busy machine. */
const slowly = { timeout: 300_000 }

type Row = { rule: string; traffic: string; esp: string }

onDemand('policies', () => {
  let lab: Lab
  let guest: Guest
  let gateway: Gateway | undefined
  let wire: Capture | undefined

  beforeAll(async () => {
    lab = await openLab()
    guest = await lab.guest('swan', 'strongswan', direct(11))
    await guest.must('setsid iperf3 -s -p 445 >/dev/null 2>&1 </dev/null &')
  })
  afterEach(() => {
    wire?.stop()
    wire = undefined
  })
  afterAll(() => lab?.close())

  async function begin(action: Record<string, unknown>, esp: string) {
    await gateway?.stop()
    await guest.must('/lab/strongswan.sh kill', { timeoutMs: 120_000 })
    gateway = await lab.gateway({
      psk,
      users,
      more: { ike: ['aes256-sha256-modp2048'] },
      policies: {
        assigned: 'Servers',
        filterLists: [
          { name: 'files', filters: [{ source: 'me', destination: peer, protocol: 'tcp', destinationPort: 445 }] },
        ],
        filterActions: [{ name: 'Secure', action: 'negotiate', ...action }],
        policies: [
          {
            name: 'Servers',
            rules: [
              { name: 'files', filterList: 'files', filterAction: 'Secure', authentication: [{ preSharedKey: key }] },
            ],
          },
        ],
      },
    })
    const file = guest.put(
      'policy.conf',
      `
connections {
  host {
    version = 1
    remote_addrs = ${addresses.gateway}
    proposals = aes256-sha256-modp2048
    local { auth = psk }
    remote { auth = psk }
    children {
      files { mode = transport\n local_ts = ${peer}/32[tcp/445]\n remote_ts = ${addresses.gateway}/32[tcp]\n esp_proposals = ${esp}\n rekey_time = 1h\n }
    }
  }
}
secrets { ike-host { secret = "${key}" } }
`,
    )
    await guest.must(`/lab/strongswan.sh listen ${file}`, { timeoutMs: 120_000 })
    // The guest's end of its cable.
    wire = await capture(lab.network, 'hub', 'swan', `host ${peer} and tcp`)
  }

  const inClear = () => wire!.lines(2_000)

  const secured = async () => ((await gateway!.status()) as unknown as { policy: { secured: Row[] } }).policy.secured
  /** Octets that arrived; none where no connection came about in time. */
  async function transfer(patienceMs = 60_000): Promise<number> {
    const command = ['iperf3', '-c', peer, '-p', '445', '-n', '2M', '-J', '--connect-timeout', `${patienceMs}`]
    const { stdout } = await gateway!.host.exec(command, { timeoutMs: 120_000 })
    const { end, error } = JSON.parse(stdout || '{}') as { end?: { sum_received?: { bytes: number } }; error?: string }
    if (error !== undefined) console.info(`iperf3: ${error}`)
    return end?.sum_received?.bytes ?? 0
  }
  const inTransport = async () => {
    expect(await inClear()).toEqual([])
    expect(await guest.must('ip xfrm state')).toMatch(/mode transport/)
    expect(await secured()).toMatchObject([{ rule: 'files', traffic: `${addresses.gateway} -> ${peer}:445 tcp` }])
  }

  test('we begin on the first packet, by the second method, with PFS', slowly, async () => {
    await begin({ methods: ['aes128gcm16', 'aes256-sha1'], pfs: 'modp2048' }, 'aes256-sha1-modp2048')
    const octets = await transfer()
    expect(octets).toBeGreaterThan(100_000)
    await inTransport()
    expect((await secured())[0]?.esp).toBe('aes256-sha1-modp2048')
  })

  test('it begins', slowly, async () => {
    await begin({ methods: ['aes128gcm16'] }, 'aes128gcm16')
    await guest.must(`swanctl --initiate --child files --timeout 20 ${vici}`, { timeoutMs: 60_000 })
    await until('the pair', async () => (await secured()).length === 1, { timeoutMs: 20_000, everyMs: 500 })
    expect(await transfer()).toBeGreaterThan(100_000)
    await inTransport()
  })

  test('it has none of our methods: nothing passes, and the log says why', slowly, async () => {
    await begin({ methods: ['aes128gcm16'] }, 'aes256-sha1')
    // Past two tries: a refusal bars for ten seconds.
    expect(await transfer(25_000)).toBe(0)
    expect([await inClear(), await secured()]).toEqual([[], []])
    await gateway!.says(/the peer speaks IPsec, and no SA could be made/, { timeoutMs: 60_000 })
  })
})
