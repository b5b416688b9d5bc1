// The daemon is killed with -9 under TCP load and started again, and no session ends: on the kernel's data plane packets don't need it. What passes is watched
// on the far side of the gateway, where the lab's own clock tells the gaps.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { capture } from './lab/capture.ts'
import type { Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { dataplane } from './lab/gateway-host.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses } from './lab/network.ts'
import { interop } from './lab/suite.ts'
import { dial, generous } from './settings.ts'

const seconds = Number(process.env.GATEHOUSE_LAB_SECONDS ?? 110)
const mbit = 4
const mostMs = 200

type Gap = { readonly way: 'in' | 'out'; readonly from: number; readonly ms: number }

/** Times between two packets of a direction, in ms of the day, by tcpdump's lines `HH:MM:SS.ffffff IP a.port > b.port: …`; and how many packets there were. */
function gaps(lines: readonly string[]): { readonly all: readonly Gap[]; readonly packets: number } {
  const all: Gap[] = []
  const last = { in: Number.NaN, out: Number.NaN }
  let packets = 0
  for (const line of lines) {
    const found = /^(\d+):(\d+):([\d.]+) IP \S+ > (\S+)\.\d+:/.exec(line)
    if (!found) continue
    const at = (Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3])) * 1000
    const way = found[4] === addresses.inside ? 'in' : 'out'
    if (at > last[way]) all.push({ way, from: last[way], ms: at - last[way] })
    last[way] = at
    packets++
  }
  return { all, packets }
}

const ofDay = () => Date.now() - new Date().setHours(0, 0, 0, 0)

/** The longest gap that overlaps the time. */
function worst(found: readonly Gap[], from: number, to: number): number {
  return Math.round(
    Math.max(0, ...found.filter((gap) => gap.from < to && gap.from + gap.ms > from).map(({ ms }) => ms)),
  )
}

interop('a daemon that is killed', () => {
  let lab: Lab
  let gateway: Gateway
  let client: Client

  beforeAll(async () => {
    lab = await openLab()
    client = await lab.client('swan', 'strongswan', 11)
  })
  afterAll(() => lab?.close())

  test.runIf(dataplane === 'kernel')(
    `kill -9 under TCP load, three times: the session stays, and no gap is above ${mostMs} ms that the machine itself doesn’t make`,
    { timeout: 400_000 },
    async () => {
      gateway = await lab.gateway(generous)
      await gateway.says(/a crash or a restart ends no session/)
      await client.connect(dial('alice', { lifetimes: { ikeSeconds: 600, espSeconds: 40 } }))
      const before = await gateway.session('alice')
      const seen = await capture(lab.network, 'inside', 'eth0', 'tcp port 5201 and greater 200')
      const load = client.load(lab.network, lab.inside, { seconds, mbit, port: 5201 })
      await sleep(20_000)
      const began = ofDay() - 19_000
      const killed: { from: number; to: number }[] = []
      for (let times = 0; times < 3; times++) {
        const from = ofDay()
        await gateway.kill()
        await sleep(times * 1_000)
        gateway = await lab.gateway(generous)
        await gateway.says(/resumed 1 session of 1 peer/)
        killed.push({ from, to: ofDay() })
        await sleep(3_000)
      }
      await load
      const { all, packets } = gaps(await seen.lines(0))
      seen.stop()
      const steady = worst(all, began, killed[0]!.from - 100)
      const gone = killed.map(({ from, to }) => worst(all, from, to))
      process.stdout.write(`longest gaps in ms: ${steady} in 19 s before, ${gone.join(', ')} around each kill -9\n`)
      expect(await gateway.session('alice')).toMatchObject({ address: before.address, since: before.since })
      expect(await client.up()).toBe(true)
      expect(await client.ping(addresses.inside)).toBe(3)
      expect(Math.min(...gone), 'the load went on all the time').toBeGreaterThan(0)
      // A machine that is busy with other things makes gaps of its own: those before tell how long.
      expect(Math.max(...gone)).toBeLessThan(Math.max(mostMs, 2 * steady))
      expect(packets).toBeGreaterThan((seconds * mbit * 1e6) / 8 / 1400 / 2)
    },
  )

  test.runIf(dataplane === 'kernel')('told to start anew, it does, and the session stays', async () => {
    const before = await gateway.session('alice')
    const mark = gateway.mark()
    const host = await lab.gatewayHost()
    const ask = JSON.stringify({ id: 1, ask: 'restart' })
    await host.exec(['sh', '-c', `echo '${ask}' | socat -t 5 - UNIX-CONNECT:${host.state('gateway')}/control.sock`])
    await gateway.says(/resumed 1 session of 1 peer/, { since: mark, timeoutMs: 60_000 })
    expect(await gateway.session('alice', 20_000)).toMatchObject({ address: before.address, since: before.since })
    expect(await client.ping(addresses.inside)).toBe(3)
  })

  test.runIf(dataplane === 'kernel')('afterwards it is ended like any other, and leaves nothing', async () => {
    await client.disconnect()
    expect(await gateway.stop(60_000)).toBe(0)
    const { links, xfrm, tables } = await lab.belongings()
    expect({ links: links.filter((link) => /ghp|gatehouse/.test(link)), xfrm, tables }).toEqual({
      links: [],
      xfrm: [],
      tables: [],
    })
  })
})
