// The daemon is killed with -9 under TCP load and started again, and no session ends: on the kernel's data plane packets don't need it. What passes is watched
// on the far side of the gateway, where the lab's own clock tells the gaps.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { capture } from './lab/capture.ts'
import type { Client } from './lab/client.ts'
import type { Gateway } from './lab/gateway.ts'
import { compileCache, dataplane } from './lab/gateway-host.ts'
import { type Lab, openLab } from './lab/lab.ts'
import { addresses, sameAddress } from './lab/network.ts'
import { until } from './lab/run.ts'
import { interop } from './lab/suite.ts'
import { dial, generous, users } from './settings.ts'

/** Of the load at most: it is ended when the last daemon is there. */
const seconds = 500
/** Each client's, each way: small writes, so that what a pause of the gateway would be is not hidden between two of the load's own. */
const mbit = 0.4
const mostMs = 200

type Gap = { readonly from: number; readonly ms: number }

/** Fewer packets than this are iperf3's own talk and not the load. */
const leastOfLoad = 100

/** Times between two packets of a flow in one direction, in ms of the day, by tcpdump's lines `HH:MM:SS.ffffff IP a.port > b.port: …`; and how many packets there were. */
function gaps(lines: readonly string[]): {
  readonly all: readonly Gap[]
  readonly packets: number
  /** When the last packet of each flow came. */
  readonly lasts: readonly number[]
} {
  const flows = new Map<string, number[]>()
  for (const line of lines) {
    const found = /^(\d+):(\d+):([\d.]+) IP (\S+ > \S+):/.exec(line)
    if (!found) continue
    const at = (Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3])) * 1000
    const flow = flows.get(found[4]!) ?? []
    flows.set(found[4]!, flow)
    flow.push(at)
  }
  const loads = [...flows.values()].filter((times) => times.length >= leastOfLoad)
  return {
    all: loads.flatMap((times) => times.slice(1).map((at, i) => ({ from: times[i]!, ms: at - times[i]! }))),
    packets: loads.reduce((sum, times) => sum + times.length, 0),
    lasts: loads.map((times) => times.at(-1)!),
  }
}

const ofDay = () => Date.now() - new Date().setHours(0, 0, 0, 0)

/** The longest gap that overlaps the time. */
function worst(found: readonly Gap[], from: number, to: number): number {
  return Math.round(
    Math.max(0, ...found.filter((gap) => gap.from < to && gap.from + gap.ms > from).map(({ ms }) => ms)),
  )
}

type Measured = { ms: number; steady: number; beside: number; gone: readonly number[]; packets: number }

/** A machine that is busy with other things starts a daemon in a minute: what is shown is not how long a client waits for one. */
const patient = { ike: 60, ppp: 60, echoes: 30, retries: 8 }

/** The life that is the present one. */
type Running = { gateway: Gateway | undefined }

/**
 * Every client under load both ways. First the program is loaded and killed beside the running daemon: what that costs packets is the price of a program in a
 * guest of one processor. Then the daemon is killed three times: started again at once, after one second, after two.
 */
async function killUnderLoad(lab: Lab, running: Running, clients: readonly Client[]): Promise<Measured> {
  const last = 5200 + clients.length
  const seen = await capture(lab.network, 'inside', 'eth0', `tcp portrange 5201-${last} and greater 200`)
  const loads = clients.map((client, i) =>
    client.load(lab.network, lab.inside, { seconds, mbit, port: 5201 + i, write: '1K' }).then(
      () => 'ended by itself',
      (error: Error) => error.message,
    ),
  )
  await sleep(20_000)
  const began = ofDay() - 19_000
  const started = await startBeside(lab)
  await sleep(3_000)
  const killed: { from: number; to: number }[] = []
  const sessions = `${clients.length} session${clients.length === 1 ? '' : 's'}`
  for (let times = 0; times < 3; times++) {
    const from = ofDay()
    await running.gateway!.kill()
    await sleep(times * 1_000)
    running.gateway = await lab.gateway(generous)
    await running.gateway.says(new RegExp(`resumed ${sessions} of ${clients.length} peer`), { timeoutMs: 60_000 })
    killed.push({ from, to: ofDay() })
    await sleep(3_000)
  }
  await sleep(7_000)
  const ended = ofDay()
  // Fails where none is there any more.
  await Promise.all(clients.map((client) => client.guest.must('pkill -INT -x iperf3')))
  expect(await Promise.all(loads)).toEqual(clients.map(() => expect.stringContaining('interrupt')))
  const { all, packets, lasts } = gaps(await seen.lines(0))
  seen.stop()
  expect(
    lasts.filter((at) => at > ended - 5_000),
    'flows to the end',
  ).toHaveLength(2 * clients.length)
  // What the machine does by itself: the longest gap of all the time in which nothing was killed or started.
  const busy = [started, ...killed]
  const quiet = [began, ...busy.map(({ to }) => to + 1_000)]
  const steady = Math.max(...quiet.map((from, i) => worst(all, from, (busy[i]?.from ?? ended) - 100)))
  const beside = worst(all, started.from, started.to)
  const gone = killed.map(({ from, to }) => worst(all, from, to))
  process.stdout.write(
    `${sessions}: longest gaps in ms: ${gone.join(', ')} around each kill -9, ${beside} while its program was loaded and killed beside, ${steady} at other times\n`,
  )
  return { ms: ended - began, steady, beside, gone, packets }
}

/** Another Node that loads the daemon's program and its native module, and is killed as the daemon will be: in a guest an end is work, too. */
async function startBeside(lab: Lab): Promise<{ from: number; to: number }> {
  const host = await lab.gatewayHost()
  const from = ofDay()
  const src = '/run/checkout/src'
  const load = `await import('${src}/cli/up.ts'); const { loadNative } = await import('${src}/platform/addon.ts'); loadNative(); process.kill(process.pid, 'SIGKILL')`
  const node = ['/run/checkout/node_modules/.bin/node', '--disable-warning=ExperimentalWarning']
  const words = ['env', `NODE_COMPILE_CACHE=${compileCache}`, ...node, '--input-type=module', '-e', load]
  expect((await host.exec(words, { timeoutMs: 180_000 })).code).toBe(137)
  return { from, to: ofDay() }
}

function expectNoGap({ ms, steady, beside, gone, packets }: Measured, clients: number): void {
  expect(Math.min(...gone), 'the load went on all the time').toBeGreaterThan(0)
  // A machine that is busy with other things makes gaps of its own: those at other times, and while a program only came and went, tell how long.
  expect(Math.max(...gone)).toBeLessThan(Math.max(mostMs, 2 * Math.max(steady, beside)))
  expect(packets).toBeGreaterThan((clients * (ms / 1000) * mbit * 1e6) / 8 / 1400 / 2)
}

interop('a daemon that is killed', () => {
  let lab: Lab
  const running: Running = { gateway: undefined }
  let client: Client

  beforeAll(async () => {
    lab = await openLab()
    client = await lab.client('swan', 'strongswan', 11)
  })
  afterAll(() => lab?.close())

  test.runIf(dataplane === 'kernel')(
    `kill -9 under TCP load, three times: the session stays, and no gap is above ${mostMs} ms that the machine itself doesn’t make`,
    { timeout: 600_000 },
    async () => {
      if (running.gateway?.alive) await running.gateway.stop(60_000)
      running.gateway = await lab.gateway(generous)
      await running.gateway.says(/a crash or a restart ends no session/)
      await client.connect(dial('alice', { lifetimes: { ikeSeconds: 600, espSeconds: 40 }, patience: patient }))
      const before = await running.gateway!.session('alice')
      const measured = await killUnderLoad(lab, running, [client])
      expect(await running.gateway!.session('alice')).toMatchObject({ address: before.address, since: before.since })
      expect(await client.up()).toBe(true)
      expect(await client.ping(addresses.inside)).toBe(3)
      expectNoGap(measured, 1)
    },
  )

  test.runIf(dataplane === 'kernel')('told to start anew, it does, and the session stays', async () => {
    const before = await running.gateway!.session('alice')
    const mark = running.gateway!.mark()
    const host = await lab.gatewayHost()
    const ask = JSON.stringify({ id: 1, ask: 'restart' })
    await host.exec(['sh', '-c', `echo '${ask}' | socat -t 5 - UNIX-CONNECT:${host.state('gateway')}/control.sock`])
    await running.gateway!.says(/resumed 1 session of 1 peer/, { since: mark, timeoutMs: 60_000 })
    expect(await running.gateway!.session('alice', 20_000)).toMatchObject({
      address: before.address,
      since: before.since,
    })
    expect(await client.ping(addresses.inside)).toBe(3)
  })

  test.runIf(dataplane === 'kernel')(
    'away for three quarters of a minute, it answers what L2TP asked meanwhile, and the session stays',
    { timeout: 300_000 },
    async () => {
      await client.disconnect()
      await running.gateway!.empty(30_000)
      // xl2tpd asks (HELLO) a minute after the tunnel came up, again after 1, 3, 7, 15 and 31 seconds, and gives up after 63.
      await client.connect(dial('alice', { patience: { echoes: 12, retries: 6 } }))
      const up = Date.now()
      const at = (second: number) => sleep(up + second * 1_000 - Date.now())
      const before = await running.gateway!.session('alice')
      await at(50)
      await running.gateway!.kill()
      await at(95)
      running.gateway = await lab.gateway(generous)
      await running.gateway.says(/resumed 1 session of 1 peer/)
      await at(130)
      expect(await running.gateway.session('alice')).toMatchObject({ address: before.address, since: before.since })
      expect(await client.up()).toBe(true)
      expect(await client.ping(addresses.inside)).toBe(3)
    },
  )

  test.runIf(dataplane === 'kernel')('afterwards it is ended like any other, and leaves nothing', async () => {
    await client.disconnect()
    expect(await running.gateway!.stop(60_000)).toBe(0)
    const { links, xfrm, tables } = await lab.belongings()
    expect({ links: links.filter((link) => /ghp|gatehouse/.test(link)), xfrm, tables }).toEqual({
      links: [],
      xfrm: [],
      tables: [],
    })
  })
})

interop('a daemon that is killed while four clients with one private address are behind one NAT', () => {
  let lab: Lab
  const running: Running = { gateway: undefined }
  let clients: Client[]

  beforeAll(async () => {
    lab = await openLab()
    clients = await Promise.all(users.map(({ name }, i) => lab.client(name, 'strongswan', sameAddress(i + 1))))
  })
  afterAll(() => lab?.close())

  test.runIf(dataplane === 'kernel')(
    `kill -9 under TCP load of all four, three times: every session stays, each with its own data, and no gap is above ${mostMs} ms that the machine itself doesn’t make`,
    { timeout: 600_000 },
    async () => {
      if (running.gateway?.alive) await running.gateway.stop(60_000)
      running.gateway = await lab.gateway(generous)
      await Promise.all(clients.map((client) => client.connect(dial(client.name, { patience: patient }))))
      const before = await Promise.all(clients.map((client) => running.gateway!.session(client.name)))
      const measured = await killUnderLoad(lab, running, clients)
      for (const [i, client] of clients.entries()) {
        const { address, since } = before[i]!
        expect(await running.gateway!.session(client.name)).toMatchObject({ address, since })
        expect(await client.up()).toBe(true)
        expect(await client.ping(addresses.inside)).toBe(3)
        const { here, there } = await client.transfer('up', lab.inside, 1e6)
        expect(there).toEqual({ bytes: 1e6, sha256: here })
      }
      expectNoGap(measured, clients.length)
      await running.gateway!.kill()
    },
  )

  test.runIf(dataplane === 'kernel')(
    'killed and not started again: for two minutes everything waits, then nothing of it is left',
    { timeout: 300_000 },
    async () => {
      expect((await lab.belongings()).xfrm).not.toEqual([])
      await until(
        'nothing of the gateway to be left',
        async () => {
          const { links, xfrm, tables } = await lab.belongings()
          return links.every((link) => !/ghp|gatehouse/.test(link)) && xfrm.length === 0 && tables.length === 0
        },
        { timeoutMs: 200_000, everyMs: 5_000 },
      )
    },
  )
})
