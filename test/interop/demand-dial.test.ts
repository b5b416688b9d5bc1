// Router-to-router L2TP with strongSwan, xl2tpd and pppd at the other end, in both directions: `npm run interop:sites`.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Auth, Client } from './lab/client.ts'
import { serve } from './lab/foreign-server.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, psk } from './settings.ts'

/** Guests and minutes that `npm test` has no room for. */
const onDemand = process.env.GATEHOUSE_LAB_SITES === undefined ? describe.skip : interop

/** Behind the foreign gateway. */
const theirs = '10.2.0.1'
const shared = 'between two gateways'
const proposals = { ike: 'aes256-sha256-modp2048', esp: 'aes256-sha256' }
const required: Readonly<Record<string, string>> = {
  mschapv2: 'require-mschap-v2',
  chap: 'require-chap',
  pap: 'require-pap',
}

type SiteStatus = { site: string; state: string; why?: string; ike: string; esp: string; packetsOut: number }

onDemand('demand-dial', () => {
  let lab: Lab
  let peer: Client
  let gateway: Gateway | undefined

  beforeAll(async () => {
    lab = await openLab('namespace')
    peer = new Client(await lab.guest('swan', 'strongswan', direct(11)), 'strongswan')
    await peer.guest.must(`ip address add ${theirs}/16 dev lo`)
  }, 500_000)
  afterAll(() => lab?.close())
  afterEach(async () => {
    await gateway?.stop()
    gateway = undefined
  })

  async function begin(site: Record<string, unknown>): Promise<Gateway> {
    gateway = await lab.gateway({
      psk,
      users: [{ name: 'branch', password: "branch's wonder land" }],
      sites: [
        {
          name: 'branch',
          mode: 'l2tp',
          peer: '192.0.2.11',
          localNetworks: '10.1.0.0/24',
          remoteNetworks: '10.2.0.0/16',
          authentication: { preSharedKey: shared },
          ...proposals,
          ...site,
        },
      ],
    })
    return gateway
  }

  const dialOut = (authentication: string, password = 'open sesame') => ({ user: 'hq', password, authentication })

  async function listen(kind: string) {
    const users = [{ name: 'hq', password: 'open sesame' }]
    await serve(peer.guest, { psk: shared, users, require: required[kind]!, ...proposals })
    const script = 'ip link set "$1" txqueuelen 1000; ip route replace 10.1.0.0/24 dev "$1"'
    await peer.guest.must(`printf '#!/bin/sh\\n%s\\n' '${script}' >/etc/ppp/ip-up; chmod +x /etc/ppp/ip-up`)
  }

  const site = async () => ((await gateway!.status()) as unknown as { sites: SiteStatus[] }).sites[0]!
  const state = async (wanted: string) =>
    until(`the site to be ${wanted}`, async () => (await site()).state === wanted, { timeoutMs: 60_000, everyMs: 500 })
  const pingFromUs = (to: string, count = 3) =>
    lab.network.mustExec('inside', ['ping', '-n', '-c', `${count}`, '-W', '10', to])
  const pingFromThem = () =>
    peer.guest.must(`ping -n -c 3 -i 0.2 -W 5 -I ${theirs} ${addresses.inside}`, { timeoutMs: 30_000 })
  const routes = () => lab.network.mustExec('gw', ['ip', '-4', 'route', 'show', '10.2.0.0/16'])

  test.each(['mschapv2', 'chap', 'pap'])(
    'xl2tpd and pppd listen, we dial on the first packet, %s',
    async (kind) => {
      await listen(kind)
      await begin({ dialOut: dialOut(kind) })
      expect(await routes()).toMatch(/^10\.2\.0\.0\/16 dev \S+ .*metric \d+\s*$/)
      // What waited for the link goes out with it; pppd's answers have no route before its ip-up is done.
      await lab.network.exec('inside', ['ping', '-n', '-c', '3', '-W', '1', theirs])
      await state('up')
      await until('what was held to be sent', async () => (await site()).packetsOut >= 3, { everyMs: 500 })
      expect(await pingFromUs(theirs)).toContain('3 received')
      expect(await pingFromThem()).toContain('3 received')
      expect(await site()).toMatchObject({ state: 'up', ...proposals })
      expect((await routes()).trim().split('\n')).toHaveLength(2)
      await peer.guest.must('/lab/l2tp.sh down')
      await state('down')
      await until('the route to be out', async () => (await routes()).trim().split('\n').length === 1, {
        timeoutMs: 5_000,
      })
    },
    180_000,
  )

  test('the link is up at once, and again when the peer is back', async () => {
    await listen('mschapv2')
    await begin({ dialOut: dialOut('mschapv2'), start: 'at-once' })
    await state('up')
    await peer.guest.must('/lab/l2tp.sh down')
    await state('down')
    await listen('mschapv2')
    await state('up')
    expect(await pingFromUs(theirs)).toContain('3 received')
  }, 240_000)

  test('a wrong password: the sentence says so, the next try waits', async () => {
    await listen('mschapv2')
    const running = await begin({ dialOut: dialOut('mschapv2', 'wrong'), start: 'at-once' })
    expect(await running.says(/site branch was not reached/)).toMatch(/password.*tried again in 5 s/)
  }, 120_000)

  test.each(['mschapv2', 'chap', 'pap'] as Auth[])(
    'the peer dials, %s: the networks are joined, both ways',
    async (auth) => {
      const more = { authentication: ['mschapv2', 'chap', 'pap'] }
      gateway = await lab.gateway({
        psk,
        users: [{ name: 'branch', password: "branch's wonder land" }],
        ...more,
        sites: [
          {
            name: 'branch',
            mode: 'l2tp',
            peer: '192.0.2.11',
            localNetworks: '10.1.0.0/24',
            remoteNetworks: '10.2.0.0/16',
            authentication: { preSharedKey: shared },
            ...proposals,
            dialIn: { user: 'branch' },
            start: 'by-peer',
          },
        ],
      })
      await peer.guest.must('/lab/l2tp.sh kill; /lab/strongswan.sh kill; cp /lab/ip-up.sh /etc/ppp/ip-up')
      await peer.connect(dial('branch', { ...proposals, auth, psk: shared, patience: { ike: 60, ppp: 60 } }))
      await state('up')
      await peer.guest.must('ip route replace 10.1.0.0/24 dev ppp0')
      expect(await pingFromThem()).toContain('3 received')
      expect(await pingFromUs(theirs)).toContain('3 received')
      await peer.disconnect()
      await state('down')
    },
    180_000,
  )
})
