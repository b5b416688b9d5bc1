// The fast path's contract, kept by every implementation alike: the same traces on the fake, on the userland one (two of it, over the loopback) and, where the
// kernel can (in a guest: test/interop/fast-path.test.ts), on the kernel's as the gateway of a userland client.
import { createSocket, type Socket } from 'node:dgram'
import process from 'node:process'
import { afterEach, describe, expect, test } from 'vitest'
import type {
  Change,
  EspSa,
  FastPath,
  FastPathEvent,
  FastPathOptions,
  PairCounters,
} from '../src/platform/fast-path.ts'
import { openKernel, probeKernel } from '../src/platform/kernel.ts'
import { loopback, userlandImpossible } from '../src/platform/userland.fixture.ts'
import { openUserland } from '../src/platform/userland.ts'
import type { Endpoint, Path } from '../src/wire/address.ts'
import { FakeFastPath } from './fakes/fast-path.ts'
import { Network, SeededRandom, VirtualTime } from './scenarios/network.ts'

/** One end and everything that it told. */
type End = { readonly path: FastPath; readonly events: FastPathEvent[] }

/** Two ends and the road between them, which a test may bend. */
type Road = {
  readonly gateway: End
  readonly client: End
  /** As the gateway sees it; the client's packets come from its `remote`. */
  readonly gatewayPath: Path
  readonly clientPath: Path
  /** From now on the client's packets come from elsewhere. Returns the path that the gateway sees then. */
  readonly rebind: () => Promise<Path>
  /** What becomes of the client's next datagrams. */
  readonly fault: (fault: 'none' | 'repeat' | 'corrupt') => void
  /** A datagram from the client's address to the gateway's port 1701, in no SA. */
  readonly inClear: (octets: Uint8Array) => void
  /** Waits until it holds, or a while. */
  readonly until: (holds: () => boolean) => Promise<void>
  readonly close: () => Promise<void>
}

async function fakeRoad(): Promise<Road> {
  const time = new VirtualTime()
  const network = new Network(time, new SeededRandom(1))
  const end = (address: string): End => {
    const path = new FakeFastPath(network, network.host(address))
    const events: FastPathEvent[] = []
    path.listen((batch) => events.push(...batch))
    return { path, events }
  }
  let source: Endpoint = { address: loopback(2), port: 4500 }
  let fault: 'none' | 'repeat' | 'corrupt' = 'none'
  network.tap = (datagram) => {
    if (datagram.from.address !== loopback(2) || datagram.protocol !== 'udp') return [datagram]
    const octets =
      fault === 'corrupt' ? datagram.octets.map((o, i, all) => (i === all.length - 1 ? o ^ 1 : o)) : datagram.octets
    const sent = { ...datagram, from: datagram.from.port === 4500 ? source : datagram.from, octets }
    return fault === 'repeat' ? [sent, sent] : [sent]
  }
  return {
    gateway: end(loopback(1)),
    client: end(loopback(2)),
    gatewayPath: { local: { address: loopback(1), port: 4500 }, remote: source },
    clientPath: { local: source, remote: { address: loopback(1), port: 4500 } },
    rebind: async () => {
      source = { address: loopback(2), port: 6000 }
      return { local: { address: loopback(1), port: 4500 }, remote: source }
    },
    fault: (next) => {
      fault = next
    },
    inClear: (octets) =>
      network.inject({ protocol: 'udp', from: source, to: { address: loopback(1), port: 1701 }, octets }),
    until: async (holds) => {
      time.run(time.now + 1000, holds)
      time.run(time.now + 20)
    },
    close: async () => {},
  }
}

/** A socket that forwards; its own end is what the gateway sees. */
function relaySocket(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4')
    socket.once('error', reject)
    socket.bind(0, address, () => resolve(socket))
  })
}

let opened = 0

async function nativeRoad(workers: number, openGateway: (options: FastPathOptions) => FastPath): Promise<Road> {
  const end = (address: string, openPath: (options: FastPathOptions) => FastPath): End => {
    const path = openPath({
      listen: [address],
      ports: { ike: 0, natt: 0 },
      tunName: `ghf${process.pid % 100000}x${opened++}`,
      tunAddress: undefined,
      tunMtu: 1400,
      workers,
      engine: undefined,
    })
    const events: FastPathEvent[] = []
    path.listen((batch) => events.push(...batch))
    return { path, events }
  }
  const gateway = end(loopback(1), openGateway)
  const client = end(loopback(2), openUserland)
  // The client sends to `entrance`; what leaves by one of the exits reaches the gateway, and comes back the same way.
  const entrance = await relaySocket(loopback(3))
  const exits = [await relaySocket(loopback(4)), await relaySocket(loopback(4))]
  const stranger = await relaySocket(loopback(2))
  let exit = exits[0]!
  let fault: 'none' | 'repeat' | 'corrupt' = 'none'
  entrance.on('message', (message) => {
    if (fault === 'corrupt') message[message.length - 1]! ^= 1
    for (let i = 0; i < (fault === 'repeat' ? 2 : 1); i++) exit.send(message, gateway.path.ports.natt, loopback(1))
  })
  for (const socket of exits)
    socket.on('message', (message) => entrance.send(message, client.path.ports.natt, loopback(2)))
  const gatewayPath = () => ({
    local: { address: loopback(1), port: gateway.path.ports.natt },
    remote: { address: loopback(4), port: exit.address().port },
  })
  return {
    gateway,
    client,
    gatewayPath: gatewayPath(),
    clientPath: {
      local: { address: loopback(2), port: client.path.ports.natt },
      remote: { address: loopback(3), port: entrance.address().port },
    },
    rebind: async () => {
      exit = exits[1]!
      return gatewayPath()
    },
    fault: (next) => {
      fault = next
    },
    inClear: (octets) => stranger.send(octets, 1701, loopback(1)),
    until: async (holds) => {
      for (const end = Date.now() + 3000; !holds() && Date.now() < end; )
        await new Promise((resolve) => setTimeout(resolve, 5))
      // What must not happen gets a moment to happen.
      await new Promise((resolve) => setTimeout(resolve, 20))
    },
    close: async () => {
      await Promise.all([gateway.path.close(), client.path.close()])
      for (const socket of [entrance, stranger, ...exits]) socket.close()
    },
  }
}

function sa(spi: number): EspSa {
  const key = (length: number, first: number) => Uint8Array.from({ length }, (_, i) => (first + i) & 255)
  return { spi, cipher: 'aes128', hash: 'sha1', esn: false, cipherKey: key(16, spi), integrityKey: key(20, spi + 1) }
}

function pairChange(path: Path, inbound: number, outbound: number, use: boolean): Change & { do: 'addPair' } {
  const parameters = { encapsulated: true, mode: 'transport', replayWindow: 64, use } as const
  return { do: 'addPair', peer: 1, path, ...parameters, inbound: sa(inbound), outbound: sa(outbound) }
}

const gatewayIds = { tunnel: 10, session: 11, port: 1701 }
const clientIds = { tunnel: 20, session: 21, port: 50000 }

/** Peer 1 at both ends with one pair (inbound SPI 1000 at the gateway, 2000 at the client), and session 5. */
async function connect(road: Road): Promise<void> {
  const { gateway, client } = road
  gateway.path.apply(1, [
    { do: 'addPeer', peer: 1 },
    pairChange(road.gatewayPath, 1000, 2000, true),
    { do: 'addSession', session: 5, peer: 1, local: gatewayIds, remote: clientIds, sequencing: false },
  ])
  client.path.apply(1, [
    { do: 'addPeer', peer: 1 },
    pairChange(road.clientPath, 2000, 1000, true),
    { do: 'addSession', session: 5, peer: 1, local: clientIds, remote: gatewayIds, sequencing: true },
  ])
  await road.until(() => gateway.events.length > 0 && client.events.length > 0)
  expect(take(gateway)).toEqual([{ on: 'applied', job: 1 }])
  expect(take(client)).toEqual([{ on: 'applied', job: 1 }])
}

function configured(address: string, more: Partial<Change & { do: 'configureSession' }> = {}): Change {
  return { do: 'configureSession', session: 5, acfc: true, pfc: true, mtu: 1400, address, networks: [], ...more }
}

/** What an end has told since it was asked last. */
function take(end: End): FastPathEvent[] {
  return end.events.splice(0)
}

async function heard(road: Road, end: End, count = 1): Promise<FastPathEvent[]> {
  await road.until(() => end.events.length >= count)
  return take(end)
}

const octets = (...values: number[]) => Uint8Array.from(values)
const controlMessage = octets(0xc8, 0x02, 0, 12, 0, 0, 0, 0, 0, 1, 0, 2)
const ikeMessage = Uint8Array.from({ length: 40 }, (_, i) => i + 1)

function udp(source: readonly number[], destination: readonly number[], port: number): Uint8Array {
  const payload = [0x9c, 0x40, port >> 8, port & 255, 0, 8, 0, 0]
  const header = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, ...source, ...destination]
  const sum = header.reduce((all, octet, i) => all + (i % 2 === 0 ? octet << 8 : octet), 0)
  const folded = ~((sum & 0xffff) + (sum >> 16)) & 0xffff
  header.splice(10, 2, folded >> 8, folded & 255)
  return Uint8Array.from([...header, ...payload])
}

function contract(name: string, open: () => Promise<Road>): void {
  let road: Road
  const opening = async () => {
    road = await open()
    return road
  }

  describe(name, () => {
    afterEach(async () => await road.close())

    test('IKE messages come up with their path, from either port, and an answer goes back to where they came from', async () => {
      const { gateway, client, clientPath } = await opening()
      const { ports } = gateway.path
      const from = { address: loopback(2), port: client.path.ports.ike }
      const plain = { local: from, remote: { address: loopback(1), port: ports.ike } }
      client.path.sendIke(plain, ikeMessage)
      expect(await heard(road, gateway)).toEqual([
        { on: 'ike', path: { local: plain.remote, remote: plain.local }, octets: ikeMessage },
      ])
      gateway.path.sendIke({ local: plain.remote, remote: plain.local }, ikeMessage.toReversed())
      expect(await heard(road, client)).toEqual([{ on: 'ike', path: plain, octets: ikeMessage.toReversed() }])
      client.path.sendIke(clientPath, ikeMessage)
      expect(await heard(road, gateway)).toEqual([{ on: 'ike', path: road.gatewayPath, octets: ikeMessage }])
    })

    test('keepalives are swallowed', async () => {
      const { gateway, client, clientPath } = await opening()
      client.path.sendKeepalive(clientPath)
      await road.until(() => gateway.path.counters().keepaliveIn === 1)
      expect(gateway.path.counters().keepaliveIn).toBe(1)
      expect(take(gateway)).toEqual([])
    })

    test('control messages carry the inner ports, and the first packet says that the pair is used', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      client.path.sendControl(1, 50000, 1701, controlMessage)
      expect(await heard(road, gateway, 2)).toEqual([
        { on: 'pairUsed', peer: 1, inboundSpi: 1000 },
        { on: 'control', peer: 1, localPort: 1701, remotePort: 50000, octets: controlMessage },
      ])
      gateway.path.sendControl(1, 1701, 50000, controlMessage)
      expect(await heard(road, client, 2)).toEqual([
        { on: 'pairUsed', peer: 1, inboundSpi: 2000 },
        { on: 'control', peer: 1, localPort: 50000, remotePort: 1701, octets: controlMessage },
      ])
    })

    test('L2TP in clear is nobody’s, whatever ids it has', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      const data = octets(0, 2, 0, gatewayIds.tunnel, 0, gatewayIds.session, 0xff, 3, 0xc0, 0x21, 1, 1, 0, 4)
      for (const message of [controlMessage, data]) road.inClear(message)
      client.path.sendControl(1, 50000, 1701, controlMessage)
      const control = { on: 'control', peer: 1, localPort: 1701, remotePort: 50000, octets: controlMessage }
      expect(await heard(road, gateway, 2)).toEqual([{ on: 'pairUsed', peer: 1, inboundSpi: 1000 }, control])
      await road.until(() => true)
      expect(take(gateway)).toEqual([])
    })

    test('PPP frames belong to their session', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      client.path.sendPpp(5, 0xc021, octets(1, 1, 0, 4))
      expect(await heard(road, gateway, 2)).toEqual([
        { on: 'pairUsed', peer: 1, inboundSpi: 1000 },
        { on: 'ppp', session: 5, protocol: 0xc021, payload: octets(1, 1, 0, 4) },
      ])
      gateway.path.sendPpp(5, 0x8021, octets(2, 1, 0, 4))
      expect((await heard(road, client, 2))[1]).toEqual({
        on: 'ppp',
        session: 5,
        protocol: 0x8021,
        payload: octets(2, 1, 0, 4),
      })
    })

    test('data with ids of no session of this peer is told, and goes nowhere', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      gateway.path.apply(2, [
        { do: 'addPeer', peer: 2 },
        { do: 'addSession', session: 6, peer: 2, local: gatewayIds, remote: clientIds, sequencing: false },
        { do: 'removeSession', session: 5 },
      ])
      await road.until(() => gateway.events.length > 0)
      client.path.sendPpp(5, 0xc021, octets(1, 1, 0, 4))
      expect(await heard(road, gateway, 3)).toEqual([
        { on: 'applied', job: 2 },
        { on: 'pairUsed', peer: 1, inboundSpi: 1000 },
        { on: 'strayData', peer: 1, tunnel: 10, session: 11 },
      ])
    })

    test('no IP packet passes before the session has an address, then only from that', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      // To everybody, so that no kernel answers.
      const all = [255, 255, 255, 255]
      const own = udp([10, 9, 0, 2], all, 9)
      client.path.sendPpp(5, 0x21, own)
      await road.until(() => gateway.path.counters().dropUnconfigured === 1)
      gateway.path.apply(2, [configured('10.9.0.2', { networks: ['10.77.0.0/16'] })])
      await road.until(() => gateway.events.some(({ on }) => on === 'applied'))
      client.path.sendPpp(5, 0x21, own)
      client.path.sendPpp(5, 0x21, udp([10, 77, 3, 4], all, 9))
      client.path.sendPpp(5, 0x21, udp([10, 9, 0, 3], all, 9))
      await road.until(() => gateway.path.counters().dropSource === 1)
      expect(gateway.path.activity().sessions).toEqual([
        { session: 5, octetsIn: 56, packetsIn: 2, octetsOut: 0, packetsOut: 0, wrongSource: 1, tooBig: 0 },
      ])
      expect(gateway.path.activity().sessions).toEqual([])
    })

    test('DHCP comes up, also from a client without an address; the client role leaves it alone', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      gateway.path.apply(2, [configured('10.9.0.2')])
      client.path.apply(2, [configured('10.9.0.1', { anySource: true })])
      await road.until(() => gateway.events.some(({ on }) => on === 'applied'))
      const inform = udp([10, 9, 0, 2], [255, 255, 255, 255], 67)
      client.path.sendPpp(5, 0x21, inform)
      client.path.sendPpp(5, 0x21, udp([0, 0, 0, 0], [255, 255, 255, 255], 67))
      const events = await heard(road, gateway, 4)
      expect(events.slice(2)).toEqual([
        { on: 'dhcp', session: 5, packet: inform },
        { on: 'dhcp', session: 5, packet: udp([0, 0, 0, 0], [255, 255, 255, 255], 67) },
      ])
      gateway.path.sendPpp(5, 0x21, udp([1, 2, 3, 4], [10, 9, 0, 2], 67))
      await road.until(() => client.path.activity().sessions.length === 1)
      expect((await heard(road, client, 2)).filter(({ on }) => on === 'dhcp')).toEqual([])
    })

    test('a new pair carries what we send once the peer has used it; the old one drains', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      gateway.path.apply(2, [pairChange(road.gatewayPath, 1001, 2001, false)])
      gateway.path.sendControl(1, 1701, 1701, controlMessage)
      expect((await heard(road, client, 2)).map(({ on }) => on)).toEqual(['pairUsed', 'control'])
      client.path.apply(2, [pairChange(road.clientPath, 2001, 1001, true)])
      client.path.sendControl(1, 1701, 1701, controlMessage)
      expect(await heard(road, gateway, 3)).toEqual([
        { on: 'applied', job: 2 },
        { on: 'pairUsed', peer: 1, inboundSpi: 1001 },
        { on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets: controlMessage },
      ])
      gateway.path.sendControl(1, 1701, 1701, controlMessage)
      expect(await heard(road, client, 3)).toEqual([
        { on: 'applied', job: 2 },
        { on: 'pairUsed', peer: 1, inboundSpi: 2001 },
        { on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets: controlMessage },
      ])
      // Late packets of the old pair are still taken, and don't bring it back.
      client.path.apply(3, [{ do: 'useOutbound', peer: 1, inboundSpi: 2000 }])
      client.path.sendControl(1, 1701, 1701, controlMessage)
      expect((await heard(road, gateway, 2)).map(({ on }) => on)).toEqual(['pairUsed', 'control'])
      client.path.apply(4, [{ do: 'removePair', peer: 1, inboundSpi: 2000 }])
      gateway.path.sendControl(1, 1701, 1701, controlMessage)
      expect((await heard(road, client, 3)).map(({ on }) => on)).toEqual(['applied', 'applied', 'control'])
    })

    test('an authentic packet from elsewhere is told once, and moves nothing by itself', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      const path = await road.rebind()
      client.path.sendControl(1, 1701, 1701, controlMessage)
      client.path.sendControl(1, 1701, 1701, controlMessage)
      const control = { on: 'control', peer: 1, localPort: 1701, remotePort: 1701, octets: controlMessage }
      expect(await heard(road, gateway, 4)).toEqual([
        { on: 'pairUsed', peer: 1, inboundSpi: 1000 },
        { on: 'moved', peer: 1, inboundSpi: 1000, path },
        control,
        control,
      ])
      gateway.path.apply(2, [{ do: 'move', peer: 1, path }])
      client.path.sendControl(1, 1701, 1701, controlMessage)
      expect(await heard(road, gateway, 2)).toEqual([{ on: 'applied', job: 2 }, control])
    })

    test('forged and repeated packets are counted at their pair and go no further', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      const refusals = ({ pairs }: { pairs: readonly PairCounters[] }) =>
        pairs.map((pair) => [pair.forged, pair.replayed, pair.packetsIn])
      road.fault('corrupt')
      client.path.sendControl(1, 1701, 1701, controlMessage)
      await road.until(() => gateway.path.counters().dropForged === 1)
      expect(take(gateway)).toEqual([])
      expect(refusals(gateway.path.activity())).toEqual([[1, 0, 0]])
      road.fault('repeat')
      client.path.sendControl(1, 1701, 1701, controlMessage)
      await road.until(() => gateway.path.counters().dropReplayed === 1)
      expect(take(gateway).map(({ on }) => on)).toEqual(['pairUsed', 'control'])
      expect(refusals(gateway.path.activity())).toEqual([[1, 1, 1]])
    })

    test('an SPI that nobody has is told with its path', async () => {
      const { gateway, client } = await opening()
      await connect(road)
      gateway.path.apply(2, [{ do: 'removePair', peer: 1, inboundSpi: 1000 }])
      await road.until(() => gateway.events.length > 0)
      client.path.sendControl(1, 1701, 1701, controlMessage)
      expect(await heard(road, gateway, 2)).toEqual([
        { on: 'applied', job: 2 },
        { on: 'unknownSpi', path: road.gatewayPath, spi: 1000 },
      ])
    })

    test('a list that fails leaves nothing behind and says why', async () => {
      const { gateway } = await opening()
      await connect(road)
      const session = {
        do: 'addSession',
        session: 8,
        peer: 2,
        local: gatewayIds,
        remote: clientIds,
        sequencing: false,
      } as const
      const bad: [string, Change[]][] = [
        ['peer-exists', [{ do: 'addPeer', peer: 1 }]],
        ['no-such-peer', [{ do: 'removePeer', peer: 3 }]],
        ['spi-in-use', [{ ...pairChange(road.gatewayPath, 1000, 2000, false), peer: 2 }]],
        ['bad-spi', [{ ...pairChange(road.gatewayPath, 255, 2000, false), peer: 2 }]],
        ['bad-window', [{ ...pairChange(road.gatewayPath, 1009, 2000, false), peer: 2, replayWindow: 8 }]],
        [
          'bad-key-length',
          [
            {
              ...pairChange(road.gatewayPath, 1009, 2000, false),
              peer: 2,
              outbound: { ...sa(9), spi: 300, cipher: 'aes256' },
            },
          ],
        ],
        [
          'unknown-algorithm',
          [{ ...pairChange(road.gatewayPath, 1009, 2000, false), peer: 2, outbound: { ...sa(300), hash: undefined } }],
        ],
        ['no-such-pair', [{ do: 'useOutbound', peer: 2, inboundSpi: 1000 }]],
        ['no-such-pair', [{ do: 'removePair', peer: 2, inboundSpi: 1000 }]],
        ['session-exists', [{ ...session, session: 5 }]],
        ['ids-in-use', [{ ...session, peer: 1 }]],
        ['no-such-session', [{ do: 'removeSession', session: 9 }]],
        ['address-in-use', [configured('10.9.0.2'), session, { ...configured('10.9.0.2'), session: 8 } as Change]],
        ['bad-network', [configured('10.9.0.2', { networks: ['10.0.0.0/33'] })]],
      ]
      for (const [code, changes] of bad) {
        gateway.path.apply(9, [{ do: 'addPeer', peer: 2 }, ...changes])
        const [outcome] = await heard(road, gateway)
        expect(outcome, code).toMatchObject({ on: 'applied', job: 9, failure: { code } })
      }
      gateway.path.apply(10, [{ do: 'addPeer', peer: 2 }])
      expect(await heard(road, gateway)).toEqual([{ on: 'applied', job: 10 }])
    })

    test('taking a peer away takes its pairs and sessions', async () => {
      const { gateway } = await opening()
      await connect(road)
      gateway.path.apply(2, [configured('10.9.0.2'), { do: 'removePeer', peer: 1 }])
      gateway.path.apply(3, [
        { do: 'addPeer', peer: 1 },
        pairChange(road.gatewayPath, 1000, 2000, true),
        { do: 'addSession', session: 5, peer: 1, local: gatewayIds, remote: clientIds, sequencing: false },
        configured('10.9.0.2'),
      ])
      expect(await heard(road, gateway, 2)).toEqual([
        { on: 'applied', job: 2 },
        { on: 'applied', job: 3 },
      ])
    })
  })
}

contract('fake', fakeRoad)
const impossible = userlandImpossible()
if (impossible) {
  test.skip(`userland: ${impossible}`, () => {})
} else {
  contract('userland, one worker', () => nativeRoad(1, openUserland))
  contract('userland, three workers', () => nativeRoad(3, openUserland))
  const lacking = probeKernel()
  if (lacking.usable) contract('kernel, with a userland client', () => nativeRoad(1, openKernel))
  else test.skip(`kernel: ${lacking.why}`, () => {})
}
