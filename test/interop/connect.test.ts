// Our own client side, `gatehouse connect`, against servers that nobody of us wrote.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatehouseConnect } from './lab/dialler.ts'
import { foreignPool, serve } from './lab/foreign-server.ts'
import type { Guest } from './lab/guest.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, direct } from './lab/network.ts'
import { must } from './lab/run.ts'
import { softEtherPool, startSoftEther } from './lab/softether.ts'
import { interop } from './lab/suite.ts'

const psk = 'secretkey'
const user = 'alice'
const password = 'wonderland'
/** Tells what the command was given, and that the tunnel works. pppd takes its interface up only after its scripts have run: the first echo waits for that. */
const script = `
echo "local=$PPP_LOCAL remote=$PPP_REMOTE iface=$PPP_IFACE dns=$DNS1"
for i in 1 2 3 4 5 6 7 8; do ping -n -c 1 -W 1 "$PPP_REMOTE" >/dev/null && break; done
ping -n -c 3 -i 0.2 -W 2 "$PPP_REMOTE"`

interop('gatehouse connect', () => {
  let lab: Lab

  beforeAll(async () => {
    lab = await openLab()
  })
  afterAll(() => lab?.close())

  const deviceCount = async () =>
    (await lab.network.mustExec('dialler', ['ip', '-o', 'link'])).trim().split('\n').length

  describe('against SoftEther', () => {
    beforeAll(() => startSoftEther(lab.lease, lab.network, { psk, user, password }))

    test.each([
      ['aes256-sha1-modp2048', 'aes256-sha1'],
      ['aes128-sha1-modp2048', 'aes128-sha1'],
      ['3des-sha1-modp1024', '3des-sha1'],
    ])('IKE %s, ESP %s: in, an address from its DHCP server, ping, and out', async (ike, esp) => {
      const before = await deviceCount()
      const call = { server: addresses.softether, psk, user, password, ike, esp, script }
      const { code, stdout, stderr } = await gatehouseConnect(lab.network, call)
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toMatch(new RegExp(`local=${softEtherPool.prefix.replaceAll('.', '\\.')}\\d+ `))
      expect(stdout).toContain('3 received')
      expect(await deviceCount()).toBe(before)
    })

    test('a wrong password is said, and the command is not run', async () => {
      const call = { server: addresses.softether, psk, user, password: 'wrong', script: 'echo was run' }
      const { code, stdout, stderr } = await gatehouseConnect(lab.network, call)
      expect(code).not.toBe(0)
      expect(stdout).not.toContain('was run')
      expect(stderr).toMatch(/password/)
    })
  })

  describe('against strongSwan + xl2tpd + pppd', () => {
    let host: Guest

    beforeAll(async () => {
      host = await lab.guest('server', 'strongswan', direct(50))
      await must('ip', ['-n', lab.network.ns('internet'), 'route', 'add', '10.98.0.0/24', 'via', '192.0.2.50'])
    })

    test.each([
      ['aes256-sha256-modp2048', 'aes256-sha256', 'mschapv2'],
      ['aes128-sha1-ecp256', 'aes128gcm16', 'chap'],
      ['3des-sha1-modp1024', '3des-sha1', 'pap'],
    ])(
      'IKE %s, ESP %s, %s: in, the address and DNS server that it gives, ping, and out',
      async (ike, esp, authentication) => {
        const require = authentication === 'mschapv2' ? 'require-mschap-v2' : `require-${authentication}`
        await serve(host, { psk, users: [{ name: user, password }], require, ike, esp })
        const call = { server: '192.0.2.50', psk, user, password, ike, esp, authentication, script }
        const { code, stdout, stderr } = await gatehouseConnect(lab.network, call)
        expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
        expect(stdout).toMatch(/local=10\.98\.0\.1\d /)
        expect(stdout).toContain(`remote=${foreignPool.gateway} `)
        expect(stdout).toContain(`dns=${foreignPool.dns}`)
        expect(stdout).toContain('3 received')
      },
    )

    test('a wrong pre-shared key is said', async () => {
      await serve(host, {
        psk,
        users: [{ name: user, password }],
        require: 'require-mschap-v2',
        ike: 'aes256-sha256-modp2048',
        esp: 'aes256-sha256',
      })
      const call = { server: '192.0.2.50', psk: 'wrong', user, password, script: 'echo was run' }
      const { code, stdout, stderr } = await gatehouseConnect(lab.network, call)
      expect(code).not.toBe(0)
      expect(stdout).not.toContain('was run')
      expect(stderr).toMatch(/pre-shared key/)
    })
  })
})
