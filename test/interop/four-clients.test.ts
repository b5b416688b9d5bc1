// Four clients behind one NAT at once, and what one of them tries to do to the others.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { capture } from './lab/capture.ts'
import type { Client } from './lab/client.ts'
import { forgedEcho, forgedStopCcn, policyForAll, sendBetween, sendFrom1701 } from './lab/forged.ts'
import type { Gateway } from './lab/gateway.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, behindNat, type Plug, sameAddress } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, generous, inner, megabytes, slowly, users } from './settings.ts'

/** UDP ports that are open where the gateway runs, and L2TP's. */
async function portsOf(gateway: Gateway): Promise<number[]> {
  const { stdout } = await gateway.host.exec(['ss', '-Huna'])
  const found = [...stdout.matchAll(/:(\d+) +\S+:\*/g)].map((match) => Number(match[1]))
  return [...new Set([...found, 1701])].filter((port) => port !== 53)
}

const names = users.map((user) => user.name)

interop('four clients behind one NAT', () => {
  let lab: Lab
  let gateway: Gateway
  let clients: Client[]

  beforeAll(async () => {
    lab = await openLab()
    clients = await Promise.all(names.map((name, index) => lab.client(name, 'strongswan', sameAddress(index + 1))))
    gateway = await lab.gateway(generous)
  })
  afterAll(() => lab?.close())

  async function connectAll(plugs: (index: number) => Plug): Promise<string[]> {
    await Promise.all(clients.map((client, index) => client.guest.replug(plugs(index))))
    const sessions = await Promise.all(clients.map((client) => client.connect(dial(client.name))))
    return sessions.map((session) => session.address)
  }

  async function everybodyMoves(megabytes: number): Promise<void> {
    for (const direction of ['up', 'down'] as const) {
      const bytes = megabytes * 1_000_000
      const moved = await Promise.all(clients.map((client) => client.transfer(direction, lab.inside, bytes)))
      for (const { here, there } of moved) expect(there).toEqual({ bytes, sha256: here })
    }
  }

  test.each([
    ['each with an address of its own', (index: number) => behindNat(11 + index), Math.min(10, megabytes)],
    ['all with the same private address', (index: number) => sameAddress(index + 1), megabytes],
  ] as const)(
    '%s: all are in, all from one address, and all move data at the same time',
    slowly(120_000),
    async (_, plugs, megabytes) => {
      const given = await connectAll(plugs)
      expect(new Set(given).size).toBe(4)
      const { sessions, pool } = await gateway.status()
      expect(sessions.map((session) => session.user).sort()).toEqual([...names].sort())
      expect(new Set(sessions.map((session) => session.peer.split(':')[0]))).toEqual(new Set([addresses.router]))
      expect(new Set(sessions.map((session) => session.peer)).size).toBe(4)
      expect(pool.used).toBe(4)
      expect(await Promise.all(clients.map((client) => client.ping(addresses.inside)))).toEqual([3, 3, 3, 3])
      await everybodyMoves(megabytes)
      const [first, ...others] = clients as [Client, ...Client[]]
      await first.disconnect()
      expect(await Promise.all(others.map((client) => client.ping(addresses.inside)))).toEqual([3, 3, 3])
      expect((await gateway.status()).sessions).toHaveLength(3)
      await Promise.all(others.map((client) => client.disconnect()))
      await gateway.empty()
    },
  )

  describe('what one tries to do to another', () => {
    let [attacker, victim] = [] as unknown as [Client, Client]

    beforeAll(async () => {
      await connectAll((index) => sameAddress(index + 1))
      attacker = clients[0] as Client
      victim = clients[1] as Client
    })
    // A test that ended a session has failed already; the next must not fail for it.
    beforeEach(async () => {
      for (const client of [attacker, victim]) if (!(await client.up())) await client.connect(dial(client.name))
    })
    afterAll(async () => {
      await Promise.all((clients ?? []).map((client) => client.disconnect()))
    })

    test('sends with the address of another: nothing of it arrives, and the log says so', async () => {
      const mark = gateway.mark()
      const seen = await capture(lab.network, 'inside', 'eth0', 'icmp[icmptype] = icmp-echo')
      expect(await attacker.ping(addresses.inside)).toBe(3)
      expect(await seen.lines()).toHaveLength(3)
      const { address } = victim.session
      await attacker.sh(
        `ip address add ${address}/32 dev lo && ping -n -c 3 -i 0.2 -W 1 -I ${address} ${addresses.inside}`,
      )
      await attacker.sh(`ip address del ${address}/32 dev lo`)
      expect(await seen.lines()).toHaveLength(3)
      seen.stop()
      await gateway.says(/source/, { since: mark, timeoutMs: 20_000 })
    })

    test('sends data with the tunnel and session ids of another inside its own SA: nothing of it arrives', async () => {
      const seen = await capture(lab.network, 'inside', 'eth0', 'icmp[icmptype] = icmp-echo')
      const own = { ...(await attacker.l2tpIds()), from: attacker.session.address, to: addresses.inside }
      const others = { ...(await victim.l2tpIds()), from: victim.session.address, to: addresses.inside }
      const send = (hex: string) => attacker.guest.must(sendFrom1701(addresses.gateway, hex))
      await send(forgedEcho({ ...own, mark: 1 }))
      expect(await seen.lines()).toHaveLength(1)
      await send(forgedEcho({ ...others, mark: 2 }))
      await send(forgedEcho({ ...others, from: own.from, mark: 3 }))
      await send(forgedEcho({ ...own, session: others.session, mark: 4 }))
      await send(forgedEcho({ ...own, tunnel: others.tunnel, mark: 5 }))
      await send(forgedEcho({ ...own, from: others.from, mark: 6 }))
      expect(await seen.lines()).toHaveLength(1)
      seen.stop()
      expect(await victim.ping(addresses.inside)).toBe(3)
    })

    test('sends data between other ports inside its own SA, even those that only the gateway knows: nothing of it arrives', async () => {
      const seen = await capture(lab.network, 'inside', 'eth0', 'icmp[icmptype] = icmp-echo')
      const own = { ...(await attacker.l2tpIds()), from: attacker.session.address, to: addresses.inside }
      const others = { ...(await victim.l2tpIds()), from: victim.session.address, to: addresses.inside }
      await attacker.guest.must(policyForAll(addresses.gateway))
      const send = (all: Parameters<typeof sendBetween>[1]) => attacker.guest.must(sendBetween(addresses.gateway, all))
      await send([{ from: 1701, port: 1701, hex: forgedEcho({ ...own, mark: 10 }) }])
      expect(await seen.lines()).toHaveLength(1)
      // A plane may tell tunnels apart by ports and numbers of its own: small ones, and the ids of the wire.
      const sources = [1, 2, 3, 4, 5, 6, 1701, 1702, others.tunnel]
      const ports = await portsOf(gateway)
      const ways = ports.flatMap((port) => sources.map((from) => ({ from, port })))
      await send(
        ways.flatMap((way) => [
          { ...way, hex: forgedEcho({ ...others, mark: 11 }) },
          { ...way, hex: forgedEcho({ ...others, tunnel: way.from, mark: 12 }) },
          { ...way, hex: forgedEcho({ ...others, from: own.from, tunnel: way.from, mark: 13 }) },
        ]),
      )
      expect((await seen.lines()).filter((line) => !line.includes(' id 10,'))).toEqual([])
      seen.stop()
      expect(await victim.ping(addresses.inside)).toBe(3)
    })

    test('sends StopCCN for the tunnel of another inside its own SA: the other goes on', async () => {
      const { tunnel, own } = await victim.l2tpIds()
      for (let ns = 0; ns < 8; ns++)
        await attacker.guest.must(sendFrom1701(addresses.gateway, forgedStopCcn(tunnel, { assigned: own, ns, nr: 2 })))
      expect(await victim.ping(addresses.inside)).toBe(3)
      expect(await victim.up()).toBe(true)
      expect((await gateway.status()).sessions.map((session) => session.user)).toContain(victim.name)
    })

    test('speaks to another directly: the filter between clients denies it', async () => {
      expect(await attacker.ping(victim.session.address)).toBe(0)
      expect(await attacker.ping(inner.gateway)).toBe(3)
    })
  })
})
