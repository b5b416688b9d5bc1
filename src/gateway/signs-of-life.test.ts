// Whether the other end is still there, over the simulated network: how often a quiet one is asked and by what, and when one that is gone is known to be.
import { beforeEach, expect, test } from 'vitest'
import { connectOptions } from '../../test/fakes/connect-options.ts'
import type { FakeFastPath } from '../../test/fakes/fast-path.ts'
import { type Machine, World } from '../../test/fakes/platform.ts'
import type { Nat } from '../../test/scenarios/network.ts'
import { parseConfiguration } from '../config/parse.ts'
import { type ClientSession, connect } from './connect.ts'
import { type Cores, cores } from './cores.ts'
import { createGateway, type Gateway } from './gateway.ts'

const outcome = parseConfiguration(
  `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.13 }
users: [{ name: alice, password: wonderland }]
`,
  () => '',
)
if (outcome.is === 'faulty') throw new Error('the test’s configuration is faulty')
const { configuration } = outcome

/** What a machine says. */
type Said = 'echo' | 'control' | 'ike' | 'keepalive'
/** What a peer takes no notice of, once its session is up. */
type Deaf = { echo?: boolean; control?: boolean; ike?: boolean }

let world: World
let machine: Machine
let gateway: Gateway

beforeEach(async () => {
  world = new World()
  machine = world.machine('192.0.2.1')
  gateway = await world.of(createGateway(machine, configuration))
})

/** A client whose own questions come so seldom that it only answers, unless `asking`. */
async function logIn({ deaf = {}, behind, asking = false }: { deaf?: Deaf; behind?: Nat; asking?: boolean } = {}) {
  const client = world.machine(behind ? '192.168.1.10' : '198.51.100.7', behind)
  const options = connectOptions(client.host.address, { deadPeerSeconds: asking ? 60 : 86_400 })
  const ears: Deaf = {}
  const session = await world.of(connect(options, client, withEars(ears)))
  await world.run(2000)
  Object.assign(ears, deaf)
  return { client, session }
}

function withEars(ears: Deaf): Cores {
  const deafTo = <M extends { handle: (input: never, at: never) => readonly unknown[] }>(
    made: M,
    ignores: (input: { on: string; protocol?: number; payload?: Uint8Array }) => boolean | undefined,
  ): M => {
    const handle = made.handle.bind(made)
    made.handle = (input, at) => (ignores(input) ? [] : handle(input, at))
    return made
  }
  return {
    ...cores,
    ike: (...given) => deafTo(cores.ike(...given), ({ on }) => ears.ike && on === 'datagram'),
    l2tp: (...given) => deafTo(cores.l2tp(...given), ({ on }) => ears.control && on === 'control'),
    ppp: (...given) =>
      deafTo(cores.ppp(...given), ({ on, protocol, payload }) => {
        return ears.echo && on === 'frame' && protocol === 0xc021 && payload![0] === 9
      }),
  }
}

/** Counts what is said from now on. */
function listenTo({ fastPath }: Machine): Record<Said, number> {
  const said = { echo: 0, control: 0, ike: 0, keepalive: 0 }
  const count = <Name extends 'sendPpp' | 'sendControl' | 'sendIke' | 'sendKeepalive'>(name: Name, what: Said) => {
    const send = fastPath[name].bind(fastPath) as (...given: never[]) => void
    fastPath[name] = ((...given: never[]) => {
      said[what]++
      send(...given)
    }) as FakeFastPath[Name]
  }
  count('sendPpp', 'echo')
  count('sendControl', 'control')
  count('sendIke', 'ike')
  count('sendKeepalive', 'keepalive')
  return said
}

/** Datagrams that leave this address are lost. */
function losing(address: string): void {
  world.network.tap = (datagram) => (datagram.from.address === address ? [] : [datagram])
}

const minutes = (count: number) => count * 60_000
const standing = () => gateway.status().sessions.length

/** Seconds until `done`. */
async function secondsUntil(done: () => boolean): Promise<number> {
  const since = world.time.now
  expect(await world.until(done, minutes(10))).toBe(true)
  return (world.time.now - since) / 1000
}

function endOf(session: ClientSession): () => boolean {
  let over = false
  session.ended.then(() => (over = true))
  return () => over
}

test('a quiet client is asked by one echo in half a minute, and by nothing else', async () => {
  const { client } = await logIn()
  const [ours, theirs] = [listenTo(machine), listenTo(client)]
  await world.run(minutes(30))
  expect(standing()).toBe(1)
  expect(ours).toEqual({ echo: theirs.echo, control: 0, ike: 0, keepalive: 0 })
  expect(theirs).toEqual({ echo: expect.any(Number), control: 0, ike: 0, keepalive: 0 })
  expect(ours.echo).toBeGreaterThanOrEqual(60)
  expect(ours.echo).toBeLessThanOrEqual(67)
})

test('where both ends ask, either’s question serves both', async () => {
  const { client } = await logIn({ asking: true })
  const [ours, theirs] = [listenTo(machine), listenTo(client)]
  await world.run(minutes(30))
  expect(standing()).toBe(1)
  expect([ours, theirs].map(({ control, ike, keepalive }) => control + ike + keepalive)).toEqual([0, 0])
  // Two frames a question; now and then both ask in the same tenth of a second.
  expect(ours.echo + theirs.echo).toBeLessThanOrEqual(160)
})

test('behind a NAT only the client keeps the binding alive, and only where nothing else went out for 20 s', async () => {
  const { client } = await logIn({ behind: world.network.nat('203.0.113.9') })
  const [ours, theirs] = [listenTo(machine), listenTo(client)]
  await world.run(minutes(30))
  expect([standing(), ours.keepalive, ours.ike, theirs.ike]).toEqual([1, 0, 0, 0])
  // Its answers come every 27 to 30 s; one keepalive lies between two of them, where there were 90 before.
  expect(theirs.keepalive).toBeGreaterThan(55)
  expect(theirs.keepalive).toBeLessThanOrEqual(67)
})

test.each([
  ['both ways', () => undefined],
  ['to us', () => losing('198.51.100.7')],
])(
  'what is lost %s for good: the client is known to be gone within a minute, and with it all of it',
  async (way, lose) => {
    const { client } = await logIn()
    if (way === 'both ways') client.host.unplugged = true
    lose()
    const seconds = await secondsUntil(() => gateway.status().pool.used === 0)
    expect(seconds).toBeGreaterThan(45)
    expect(seconds).toBeLessThanOrEqual(60)
    await world.run(minutes(1))
    expect(gateway.status()).toMatchObject({ sessions: [], ikeSas: [], tunnels: [] })
    expect(machine.said('warn').join('\n')).toMatch(/gone without a word/)
  },
)

test('what is lost on the way to the client only: it finds out within a minute, and its goodbye ends the session here', async () => {
  const { session } = await logIn({ asking: true })
  losing('192.0.2.1')
  expect(await secondsUntil(endOf(session))).toBeLessThanOrEqual(60)
  await world.run(minutes(1))
  expect(gateway.status()).toMatchObject({ sessions: [], tunnels: [] })
})

test('a client that answers echoes only lives: nobody asks it by other means', async () => {
  const { client } = await logIn({ deaf: { control: true, ike: true } })
  const ours = listenTo(machine)
  await world.run(minutes(10))
  expect([standing(), ours.control, ours.ike]).toEqual([1, 0, 0])
  client.host.unplugged = true
  expect(await secondsUntil(() => standing() === 0)).toBeLessThanOrEqual(60)
})

test('a client that answers no echo, but HELLO, lives, and is gone within a minute once it answers nothing', async () => {
  const { client } = await logIn({ deaf: { echo: true } })
  await world.run(minutes(5))
  const ours = listenTo(machine)
  await world.run(minutes(10))
  // Its echoes were given up; its answers to HELLO spare it dead-peer detection.
  expect([standing(), ours.echo, ours.ike]).toEqual([1, 0, 0])
  expect(ours.control).toBeLessThanOrEqual(23)
  client.host.unplugged = true
  expect(await secondsUntil(() => standing() === 0)).toBeLessThanOrEqual(60)
})

test('a client whose IKE alone answers has no session any more', async () => {
  const { client } = await logIn({ deaf: { echo: true, control: true } })
  const ours = listenTo(machine)
  expect(await secondsUntil(() => standing() === 0)).toBeLessThanOrEqual(60)
  expect(ours.ike).toBeGreaterThan(0)
  await world.run(minutes(1))
  expect([gateway.status().tunnels, client.said('error')]).toEqual([[], []])
})

test('an ISAKMP SA whose session is over is asked by dead-peer detection, and gone within a minute', async () => {
  const { client } = await logIn()
  client.host.unplugged = true
  const ours = listenTo(machine)
  gateway.disconnect('alice')
  expect(await secondsUntil(() => standing() === 0)).toBeLessThanOrEqual(10)
  expect(gateway.status().ikeSas.length).toBe(1)
  expect(await secondsUntil(() => gateway.status().ikeSas.length === 0)).toBeLessThanOrEqual(60)
  expect(ours.ike).toBe(3)
})
