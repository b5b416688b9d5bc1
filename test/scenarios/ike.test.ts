// Two or more whole IKE machines on a simulated network in virtual time.
import { describe, expect, test } from 'vitest'
import { IkeHost, ikePolicy, type Policy } from './ike-host.ts'
import { fairNetwork, Network, SeededRandom, VirtualTime } from './network.ts'

function world(seed: number, faults = fairNetwork) {
  const time = new VirtualTime()
  const random = new SeededRandom(seed)
  const network = new Network(time, random, faults)
  const gateway = (policy: Policy = {}, address = '192.0.2.1') =>
    new IkeHost(network, network.host(address), random, ikePolicy(policy))
  return { time, random, network, gateway }
}

describe('two cores on a fair network', () => {
  test('main mode and quick mode without NAT', () => {
    const { time, random, network, gateway } = world(1)
    const server = gateway()
    const client = new IkeHost(network, network.host('198.51.100.7'), random, ikePolicy())
    client.connect('192.0.2.1')
    time.run(2_000)
    console.log(
      JSON.stringify(client.events, null, 1),
      JSON.stringify(server.events, null, 1),
      client.news,
      server.news,
    )
    client.send(client.up[0]!, 'hello')
    server.send(server.up[0]!, 'welcome')
    time.run(3_000)
    expect(server.arrivals.map(({ text }) => text)).toEqual(['hello'])
    expect(client.arrivals.map(({ text }) => text)).toEqual(['welcome'])
  })
})
