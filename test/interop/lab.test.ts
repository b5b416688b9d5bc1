// The lab itself: foreign clients against a foreign server. When this passes, a failure elsewhere is the gateway's.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { capture } from './lab/capture.ts'
import type { Client, Dial } from './lab/client.ts'
import { foreignPool, serve } from './lab/foreign-server.ts'
import { forgedEcho, forgedStopCcn, sendFrom1701 } from './lab/forged.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct, sameAddress } from './lab/network.ts'
import { must, until } from './lab/run.ts'
import { softEtherPool, startSoftEther } from './lab/softether.ts'
import { interop } from './lab/suite.ts'

const server = '192.0.2.50'
const right: Dial = {
  server,
  ike: 'aes256-sha256-modp2048',
  esp: 'aes256-sha256',
  auth: 'mschapv2',
  user: 'alice',
  password: 'wonder land',
  psk: 'correct horse battery staple',
}

interop('the lab itself', () => {
  let lab: Lab
  let host: Guest
  const clients = {} as Record<'strongswan' | 'libreswan', Client>

  beforeAll(async () => {
    lab = await openLab()
    const booted = await Promise.all([
      lab.guest('server', 'strongswan', direct(50)),
      lab.client('swan', 'strongswan', 11),
      lab.client('libre', 'libreswan', 12),
    ])
    host = booted[0]
    clients.strongswan = booted[1]
    clients.libreswan = booted[2]
    await must('ip', ['-n', lab.network.ns('internet'), 'route', 'add', '10.98.0.0/24', 'via', server])
  })
  beforeEach(() =>
    serve(host, {
      psk: right.psk,
      users: [{ name: right.user, password: right.password }],
      require: 'require-mschap-v2',
      ike: 'aes256-sha256-modp2048,3des-sha1-modp2048,aes128-sha1-ecp256',
      esp: 'aes256-sha256,3des-sha1,aes128gcm16',
    }),
  )
  afterAll(() => lab?.close())

  describe.each(['strongswan', 'libreswan'] as const)('%s against strongSwan + xl2tpd + pppd', (stack) => {
    test.each([
      ['directly', direct(stack === 'strongswan' ? 11 : 12), 'aes256-sha256-modp2048', 'aes256-sha256'],
      ['behind two NATs', sameAddress(stack === 'strongswan' ? 1 : 2), 'aes128-sha1-ecp256', 'aes128gcm16'],
    ])('%s: logs in, is given its DNS server, and moves 10 MB each way unharmed', async (_, plug, ike, esp) => {
      const client = clients[stack]
      await client.guest.replug(plug)
      const session = await client.connect({ ...right, ike, esp })
      expect(session).toMatchObject({ iface: 'ppp0', peer: foreignPool.gateway })
      expect(session.address).toMatch(/^10\.98\.0\.1\d$/)
      expect(session.dns).toContain(foreignPool.dns)
      expect(await client.ping(foreignPool.gateway)).toBe(3)
      expect(await client.resolve('host.lab.test')).toBe('203.0.113.53')
      for (const direction of ['up', 'down'] as const) {
        const { here, there, mbit } = await client.transfer(direction, lab.internet, 10_000_000)
        expect(there).toEqual({ bytes: 10_000_000, sha256: here })
        expect(mbit).toBeGreaterThan(1)
      }
      expect(await client.up()).toBe(true)
      await client.disconnect()
      expect(await client.up()).toBe(false)
    })

    test('says where a login failed', async () => {
      const client = clients[stack]
      await client.guest.replug(direct(stack === 'strongswan' ? 11 : 12))
      const quick = { ...right, patience: { ike: 6, ppp: 8 } }
      expect(await client.attempt({ ...quick, psk: 'wrong' })).toMatchObject({ is: 'refused', stage: 'ike' })
      expect(await client.attempt({ ...quick, esp: 'aes128-sha1' })).toMatchObject({ is: 'refused', stage: 'ike' })
      expect(await client.attempt({ ...quick, password: 'wrong' })).toMatchObject({ is: 'refused', stage: 'ppp' })
    })
  })

  test('a forged packet with the ids that belong to it is a packet like any other', async () => {
    const client = clients.strongswan
    await client.guest.replug(direct(11))
    const session = await client.connect(right)
    const seen = await capture(lab.network, 'internet', 'eth0', 'icmp[icmptype] = icmp-echo')
    const forged = { ...(await client.l2tpIds()), from: session.address, to: addresses.far }
    await client.guest.must(sendFrom1701(server, forgedEcho({ ...forged, mark: 7 })))
    expect((await seen.lines()).map((line) => line.replace(/^.* IP/, 'IP'))).toEqual([
      `IP ${session.address} > ${addresses.far}: ICMP echo request, id 7, seq 1, length 24`,
    ])
    await client.guest.must(sendFrom1701(server, forgedStopCcn(forged.tunnel, { assigned: forged.own, ns: 4, nr: 2 })))
    await until('the server to end the tunnel', async () => !(await client.up()))
    seen.stop()
  })

  test('SoftEther lets a foreign client in', async () => {
    const { user, password } = { user: 'alice', password: 'wonderland' }
    await startSoftEther(lab.lease, lab.network, { psk: 'secretkey', user, password })
    const client = clients.strongswan
    const to = { server: addresses.softether, psk: 'secretkey', user, password }
    const session = await client.connect({ ...right, ...to, ike: 'aes256-sha1-modp2048', esp: 'aes256-sha1' })
    expect(session.address.startsWith(softEtherPool.prefix)).toBe(true)
    expect(await client.ping(softEtherPool.gateway)).toBe(3)
    await client.disconnect()
  })

  test('a client that vanishes leaves nothing in its guest, and the cable works again', async () => {
    const client = clients.strongswan
    await client.connect(right)
    await client.vanish()
    expect(await client.up()).toBe(false)
    expect(await client.guest.must('ip xfrm state; ip xfrm policy')).toBe('')
    expect(await client.ping(server)).toBe(3)
  })
})
