// Every proposal, every kind of password, with and without NAT, from two foreign IPsec stacks: in, the right address
// and DNS server, ping, and 100 MB of TCP each way that arrive as they were sent.
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Auth, Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat, direct, sameAddress } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, fewLogins, generous, inner, megabytes, slowly } from './settings.ts'

const ikes = [
  '3des-sha1-modp1024',
  '3des-sha1-modp2048',
  'aes128-sha1-modp2048',
  'aes256-sha256-modp2048',
  'aes256-sha1-ecp384',
  'aes128-sha1-ecp256',
]
const esps = ['3des-sha1', 'aes128-sha1', 'aes256-sha1', 'aes256-sha256', 'aes128gcm16']
const auths: Auth[] = ['mschapv2', 'chap', 'pap']
type Row = { ike: string; esp: string; auth: Auth; natted: boolean; ccp: boolean }

/** Every IKE with every ESP; authentication and NAT take turns so that each meets each IKE and each ESP. */
const strongswanRows: Row[] = ikes.flatMap((ike, i) =>
  esps.map((esp, j) => ({
    ike,
    esp,
    auth: auths[(i + j) % 3] as Auth,
    natted: (i + j) % 2 === 1,
    ccp: (i * esps.length + j) % 4 === 3,
  })),
)
/** libreswan has no MODP1024: every IKE and every ESP, once without NAT and once behind one. */
const libreswanRows: Row[] = ikes
  .filter((ike) => !ike.endsWith('modp1024'))
  .flatMap((ike, i) =>
    [false, true].map((natted, k) => ({
      ike,
      esp: esps[(i + 2 * k) % esps.length] as string,
      auth: auths[(i + k) % 3] as Auth,
      natted,
      ccp: false,
    })),
  )

/** Of strongSwan's each IKE proposal once, with each ESP proposal, kind of password and NAT among them; of libreswan's four. */
function selected(rows: Row[], stack: 'strongswan' | 'libreswan'): Row[] {
  if (!fewLogins) return rows
  const chosen = stack === 'strongswan' ? ikes.map((_, i) => i * esps.length + ((2 * i) % esps.length)) : [0, 3, 4, 9]
  return rows.filter((_, i) => chosen.includes(i))
}

interop('logins', () => {
  let lab: Lab
  let gateway: Gateway
  const clients = {} as Record<'strongswan' | 'libreswan', Client>

  beforeAll(async () => {
    lab = await openLab()
    const booted = await Promise.all([lab.client('swan', 'strongswan', 11), lab.client('libre', 'libreswan', 12)])
    clients.strongswan = booted[0]
    clients.libreswan = booted[1]
    gateway = await lab.gateway(generous)
  })
  afterAll(() => lab?.close())
  // A row that fails must not take the next one with it.
  afterEach(async () => {
    for (const client of Object.values(clients)) if (client.connected) await client.disconnect()
    await gateway.empty()
  })

  async function check(stack: 'strongswan' | 'libreswan', { natted, ...row }: Row): Promise<void> {
    const client = clients[stack]
    const number = stack === 'strongswan' ? 11 : 12
    const plug = natted ? (stack === 'strongswan' ? behindNat(number) : sameAddress(1)) : direct(number)
    if (client.guest.plug.bridge !== plug.bridge) await client.guest.replug(plug)
    const session = await client.connect(dial('alice', row))
    expect(session.address).toMatch(inner.pool)
    expect(session).toMatchObject({ peer: inner.gateway, dns: expect.arrayContaining([inner.gateway]) })
    expect(await gateway.session('alice')).toMatchObject({
      user: 'alice',
      address: session.address,
      natted,
      peer: expect.stringMatching(
        natted
          ? new RegExp(`^${addresses.router}:\\d+$`)
          : new RegExp(`^${client.guest.plug.address.split('/')[0]}:500$`),
      ),
      ike: row.ike,
      esp: row.esp,
    })
    const places = [inner.gateway, addresses.inside, addresses.far]
    expect(await Promise.all(places.map((place) => client.ping(place)))).toEqual([3, 3, 3])
    expect(await client.resolve('host.lab.test')).toBe('203.0.113.53')
    for (const direction of ['up', 'down'] as const) {
      const { here, there } = await client.transfer(direction, lab.inside, megabytes * 1_000_000)
      expect(there).toEqual({ bytes: megabytes * 1_000_000, sha256: here })
    }
    await until('the status to count the octets of both directions', async () => {
      const { bytesIn, bytesOut } = await gateway.session('alice')
      return Math.min(bytesIn, bytesOut) > megabytes * 1_000_000
    })
  }

  test.each(selected(strongswanRows, 'strongswan'))(
    'strongSwan, IKE $ike, ESP $esp, $auth, NAT $natted',
    slowly(120_000),
    (row) => check('strongswan', row),
  )
  test.each(selected(libreswanRows, 'libreswan'))(
    'libreswan, IKE $ike, ESP $esp, $auth, NAT $natted',
    slowly(120_000),
    (row) => check('libreswan', row),
  )

  test('with perfect forward secrecy, asked for by the client', async () => {
    const client = clients.strongswan
    await client.connect(dial('alice', { esp: 'aes256-sha1-modp2048' }))
    expect(await client.ping(addresses.inside)).toBe(3)
  })
})
