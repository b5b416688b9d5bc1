// Tunnel mode with libreswan and its kernel's ESP in a guest: both roles, a pre-shared key, AES-CBC and AES-GCM, PFS on and off, renewal, the end.
// With `npm run interop:libreswan` only.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Gateway } from './lab/gateway.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct } from './lab/network.ts'
import { libreProposal } from './lab/peer-files.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { psk, users } from './settings.ts'

const onDemand = process.env.GATEHOUSE_LAB_LIBRESWAN === undefined ? describe.skip : interop

const theirs = '10.2.0.1'
const networks = { ours: '10.1.0.0/24', theirs: '10.2.0.0/16' }
const peer = '192.0.2.12'
const key = 'between two gateways'

type Proposals = { ike: string; esp: string }
type SiteStatus = { state: string; networks: string[]; ike: string; esp: string; packetsIn: number; packetsOut: number }

/** Our names: the group at the end of ESP's is PFS. */
function libreswanConf({ ike, esp }: Proposals, lifetime: number): string {
  const [cipher, ...rest] = esp.split('-')
  const group = rest.find((word) => /^(modp|ecp)/.test(word))
  const algorithms = libreProposal([cipher, ...rest.filter((word) => word !== group)].join('-'))
  // With IKEv1 it takes no elliptic curve here; without a word of it the group is phase 1's.
  const named = group === undefined || ike.endsWith(group) ? '' : `;${libreProposal(group)}`
  return `
config setup
  ikev1-policy=accept

conn site
  ikev2=no
  authby=secret
  type=tunnel
  left=${peer}
  leftsubnet=${networks.theirs}
  right=${addresses.gateway}
  rightsubnet=${networks.ours}
  ike=${libreProposal(ike)}
  phase2alg=${algorithms}${named}
  pfs=${group === undefined ? 'no' : 'yes'}
  salifetime=${lifetime}s
  rekeymargin=10s
  rekeyfuzz=0%
  auto=ignore
`
}

onDemand('sites with libreswan (npm run interop:libreswan)', () => {
  let lab: Lab
  let guest: Guest
  let gateway: Gateway | undefined

  beforeAll(async () => {
    lab = await openLab('namespace')
    guest = await lab.guest('libre', 'libreswan', direct(12))
    await guest.must(`ip address add ${theirs}/16 dev lo`)
  }, 600_000)
  afterAll(() => lab?.close())

  async function begin(start: string, proposals: Proposals, more: object = {}, lifetime = 3600): Promise<Gateway> {
    await gateway?.stop(60_000)
    await guest.must('/lab/libreswan.sh kill', { timeoutMs: 60_000 })
    const both = { localNetworks: networks.ours, remoteNetworks: networks.theirs }
    const authentication = { preSharedKey: key }
    const sites = [{ name: 'branch', peer, ...both, authentication, start, ...proposals, ...more }]
    gateway = await lab.gateway({ psk, users, sites })
    const conf = guest.put('ipsec.conf', libreswanConf(proposals, lifetime))
    const secrets = guest.put('ipsec.secrets', `%any %any : PSK "${key}"\n`)
    await guest.must(`/lab/libreswan.sh listen ${conf} ${secrets} site`, { timeoutMs: 90_000 })
    return gateway
  }

  const site = async () => ((await gateway!.status()) as unknown as { sites: SiteStatus[] }).sites[0]!
  const initiate = () => guest.must('timeout 60 ipsec auto --up site', { timeoutMs: 90_000 })
  const pingFromThem = (count = 3) =>
    guest.must(`ping -n -c ${count} -i 0.2 -W 10 -I ${theirs} ${addresses.inside}`, { timeoutMs: 120_000 })
  const pingFromUs = () =>
    lab.network.mustExec('inside', ['ping', '-n', '-c', '3', '-W', '10', theirs], { timeoutMs: 60_000 })

  test.each([
    { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' },
    { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha1-modp2048' },
    { ike: 'aes128-sha1-modp2048', esp: 'aes128gcm16' },
    { ike: 'aes256-sha256-ecp256', esp: 'aes256gcm16-ecp256' },
  ])(
    'libreswan begins, IKE $ike, ESP $esp: both networks reach each other',
    { timeout: 300_000 },
    async (proposals) => {
      const running = await begin('by-peer', proposals)
      expect(await initiate()).toMatch(/IPsec SA established tunnel mode/)
      expect(await pingFromThem()).toContain('3 received')
      expect(await pingFromUs()).toContain('3 received')
      const joined = { state: 'up', networks: [`${networks.ours} - ${networks.theirs}`], natted: false }
      expect(await site()).toMatchObject({ ...joined, ...proposals })
      expect(running.log).toContain('(libreswan)')
    },
  )

  test.each([
    { ike: 'aes256-sha256-modp2048', esp: 'aes128-sha1' },
    { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256-modp2048' },
    { ike: 'aes128-sha1-modp2048', esp: 'aes256gcm16' },
    { ike: 'aes256-sha256-ecp256', esp: 'aes128gcm16-ecp256' },
  ])('we begin on the first packet, IKE $ike, ESP $esp: it is not lost', { timeout: 300_000 }, async (proposals) => {
    await begin('on-traffic', proposals)
    expect(await pingFromUs()).toContain('3 received')
    expect(await pingFromThem()).toContain('3 received')
    expect(await site()).toMatchObject({ state: 'up', ...proposals })
  })

  test('libreswan renews its SA under traffic: no ping is lost', { timeout: 300_000 }, async () => {
    await begin('by-peer', { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }, {}, 30)
    await initiate()
    const replies = await pingFromThem(200)
    expect(replies).toContain('200 received')
    const pluto = await guest.must('cat /run/pluto.log')
    expect(pluto.match(/IPsec SA established tunnel mode/g)?.length ?? 0).toBeGreaterThanOrEqual(2)
  })

  test('SIGTERM: libreswan is told, and has no SA any more', { timeout: 300_000 }, async () => {
    await begin('on-traffic', { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' })
    expect(await pingFromUs()).toContain('3 received')
    expect(await gateway!.stop(60_000)).toBe(0)
    gateway = undefined
    await until('libreswan to have no SA', async () => (await guest.must('ip xfrm state')).trim() === '', {
      timeoutMs: 30_000,
      everyMs: 500,
    })
  })
})
