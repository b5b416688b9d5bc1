// A thousand seeds: two IKE machines behind a NAT under 20 % loss, repeats, reordering and corruption reach the same end, in virtual time. A failing
// seed is printed; `SEED=… npx vitest run test/scenarios/ike-seeds` replays it exactly.
import { expect, test } from 'vitest'
import { IkeHost, ikePolicy } from './ike-host.ts'
import { badNetwork, fairNetwork, Network, SeededRandom, VirtualTime } from './network.ts'

const { SEED } = process.env
const seeds = SEED ? [Number(SEED)] : Array.from({ length: 1_000 }, (_, i) => i + 1)

type End = {
  readonly client: string[]
  readonly gateway: string[]
  readonly heard: [boolean, boolean]
  readonly left: number[]
}

// What is lost or damaged on the way must never end in anything but a connection that stays.
function run(seed: number): End {
  const time = new VirtualTime()
  const random = new SeededRandom(seed)
  const network = new Network(time, random, badNetwork)
  const policy = ikePolicy({
    // Main mode whose clear octets are damaged costs up to half a minute: what is left of a lifetime when its renewal begins must hold one.
    lifetimes: { ikeSeconds: 180, espSeconds: 120, espKilobytes: undefined },
    dpd: { idleSeconds: 20, intervalSeconds: 4, tries: 8 },
  })
  const gateway = new IkeHost(network, network.host('192.0.2.1'), random, policy)
  const client = new IkeHost(network, network.host('192.168.1.10', network.nat('203.0.113.9')), random, policy)
  client.connect('192.0.2.1')
  time.run(120_000, () => client.news.some((effect) => effect.do === 'peerUp'))
  // Both phases are rekeyed at least once, the NAT forgets its bindings once.
  for (const at of [time.now + 20_000 + random.below(140_000)]) time.at(at, () => network.rebind(client.host.behind!))
  for (let second = 1; second <= 200; second += 2)
    time.at(time.now + second * 1_000, () => {
      for (const host of [client, gateway]) for (const peer of host.up) host.send(peer, `${second}`)
      client.reportActivity()
      gateway.reportActivity()
    })
  time.run(time.now + 201_000)
  // Then the network is fair, and everything must be heard.
  network.faults = fairNetwork
  time.run(time.now + 20_000)
  for (const host of [client, gateway]) for (const peer of host.up) host.send(peer, 'at last')
  time.run(time.now + 2_000)
  return {
    client: client.news.map((effect) => effect.do),
    gateway: gateway.news.map((effect) => effect.do),
    heard: [client.arrivals.at(-1)?.text === 'at last', gateway.arrivals.at(-1)?.text === 'at last'],
    left: [gateway.core.state.jobs.size, client.core.state.jobs.size, gateway.core.state.peers.size],
  }
}

test('a thousand seeds reach the same end', { timeout: 300_000 }, () => {
  const end = run(0)
  expect(end).toEqual({ client: ['peerUp'], gateway: ['peerUp'], heard: [true, true], left: [0, 0, 1] })
  const failed = seeds.flatMap((seed) => {
    const got = run(seed)
    return JSON.stringify(got) === JSON.stringify(end) ? [] : [`SEED=${seed}: ${JSON.stringify(got)}`]
  })
  expect(failed).toEqual([])
})
