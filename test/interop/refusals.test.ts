// Who is refused, and the sentence that says why.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client, Dial } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, psk, users } from './settings.ts'

interop('refusals', () => {
  let lab: Lab
  let gateway: Gateway
  const clients = {} as Record<'strongswan' | 'libreswan', Client>

  beforeAll(async () => {
    lab = await openLab()
    const [swan, libre] = await Promise.all([
      lab.client('swan', 'strongswan', 11),
      lab.client('libre', 'libreswan', behindNat(12)),
    ])
    clients.strongswan = swan
    clients.libreswan = libre
    gateway = await lab.gateway({ psk, users, pool: '10.99.0.10-10.99.0.10' })
  })
  afterAll(() => lab?.close())

  /** Dials, expects to be refused at `stage`, and answers the sentence that the gateway said of it. */
  async function refused(client: Client, how: Partial<Dial>, stage: string, sentence: RegExp): Promise<string> {
    const mark = gateway.mark()
    const attempt = await client.attempt(dial('alice', { patience: { ike: 6, ppp: 12 }, ...how }))
    expect(attempt).toMatchObject({ is: 'refused', stage })
    const line = await gateway.says(sentence, { since: mark })
    await gateway.empty()
    return line
  }

  describe.each(['strongswan', 'libreswan'] as const)('%s', (stack) => {
    test('with the wrong key: «pre-shared key»', async () => {
      const line = await refused(clients[stack], { psk: 'wrong' }, 'ike', /pre-shared key/)
      expect(line).toContain('789')
      expect(line).not.toContain(psk)
    })

    test('with an IKE proposal that the rules forbid: «proposal», and what was offered', async () => {
      const line = await refused(clients[stack], { ike: '3des-sha1-modp2048' }, 'ike', /proposal/)
      expect(line).toMatch(/3des/i)
    })

    test('with an ESP proposal that the rules forbid: «proposal», and what was offered', async () => {
      const line = await refused(clients[stack], { esp: '3des-sha1' }, 'ike', /proposal/)
      expect(line).toMatch(/3des/i)
    })

    test('with the wrong password: «password», the user, and 691', async () => {
      const line = await refused(clients[stack], { password: 'wrong' }, 'ppp', /password/)
      expect(line).toMatch(/alice/)
      expect(line).toContain('691')
    })

    test('as somebody unknown: the log tells it from a wrong password, the peer cannot', async () => {
      const line = await refused(clients[stack], { user: 'mallory' }, 'ppp', /mallory/)
      expect(line).toMatch(/unknown|no user|no such user/i)
    })
  })

  test('a client that knows only PAP: «authentication», and what is allowed', async () => {
    await refused(clients.strongswan, { auth: 'pap' }, 'ppp', /authentication/)
  })

  test('the second of two, where the pool has one address: «address pool»; free again, it is given again', async () => {
    const { strongswan: first, libreswan: second } = clients
    const session = await first.connect(dial('alice'))
    expect(session.address).toBe('10.99.0.10')
    const mark = gateway.mark()
    const attempt = await second.attempt(dial('bob', { patience: { ppp: 12 } }))
    expect(attempt).toMatchObject({ is: 'refused', stage: 'ppp' })
    expect(await gateway.says(/address pool/, { since: mark })).toMatch(/bob/)
    expect(await first.ping(addresses.inside)).toBe(3)
    await first.disconnect()
    await gateway.empty()
    expect((await second.connect(dial('bob'))).address).toBe('10.99.0.10')
    await second.disconnect()
    await gateway.empty()
  })
})
