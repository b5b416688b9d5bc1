// The algorithms that the big matrix leaves out: the oldest and the rarest, each used by a foreign client; and ways of forwarding that it leaves out.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Auth, Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, generous, inner, psk, users } from './settings.ts'

interop('algorithms and forwarding that the matrix leaves out', () => {
  let lab: Lab
  let client: Client
  let gateway: Gateway

  beforeAll(async () => {
    lab = await openLab()
    client = await lab.client('swan', 'strongswan', 11)
    await client.guest.replug(direct(11))
  })
  afterAll(() => lab?.close())

  async function moves(bytes: number): Promise<void> {
    for (const direction of ['up', 'down'] as const) {
      const { here, there } = await client.transfer(direction, lab.inside, bytes)
      expect(there).toEqual({ bytes, sha256: here })
    }
  }

  describe('with everything allowed', () => {
    beforeAll(async () => {
      const authentication = ['mschapv2', 'mschap', 'chap', 'pap']
      gateway = await lab.gateway({ ...generous, security: 'legacy', authentication })
    })
    afterAll(() => gateway.stop())
    afterEach(async () => {
      if (client.connected) await client.disconnect()
      await gateway.empty()
    })

    test.each([
      ['des-md5-modp768', 'des-md5', 'mschap', true],
      ['3des-md5-modp1536', '3des-md5', 'pap', true],
      ['aes192-sha512-modp4096', 'aes192-sha512', 'mschapv2', false],
      ['aes256-sha384-ecp521', 'aes256gcm16', 'mschapv2', false],
      ['aes128-sha256-modp3072', 'aes192gcm16', 'chap', false],
      ['aes256-sha256-ecp256', 'aes256-sha384', 'mschapv2', false],
    ] as const)('IKE %s, ESP %s, %s', async (ike, esp, auth, weak) => {
      await client.connect(dial('alice', { ike, esp, auth: auth as Auth }))
      expect(await gateway.session('alice')).toMatchObject({ ike, esp, weak })
      await moves(2_000_000)
    })
  })

  describe('forwarding', () => {
    afterEach(async () => {
      if (client.connected) await client.disconnect()
      await gateway.stop()
    })
    const pinged = async (address: string) => {
      const { stdout } = await lab.network.exec('inside', ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '2', address])
      return Number(/(\d+) received/.exec(stdout)?.[1] ?? 0)
    }

    test('routed: a host behind the gateway that knows the way reaches the client', async () => {
      gateway = await lab.gateway({ psk, users, more: { forwarding: 'route' } })
      const { address } = await client.connect(dial('alice'))
      expect([await client.ping(addresses.inside), await pinged(address)]).toEqual([3, 3])
    })

    test('proxy ARP: the client has an address of the LAN, and hosts there reach it without knowing', async () => {
      const more = { forwarding: 'proxy-arp', gatewayAddress: inner.gateway }
      gateway = await lab.gateway({ psk, users, pool: '10.1.0.100-10.1.0.110', more })
      const { address } = await client.connect(dial('alice'))
      expect(address).toMatch(/^10\.1\.0\.1\d\d$/)
      expect([await client.ping(addresses.inside), await pinged(address)]).toEqual([3, 3])
      await moves(2_000_000)
    })
  })
})
