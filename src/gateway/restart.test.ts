// A gateway's second life: what it takes over, what it lets go, and in which order the first one acted.
import { expect, test } from 'vitest'
import { connectOptions } from '../../test/fakes/connect-options.ts'
import { type Deed, Life, type Written } from '../../test/fakes/life.ts'
import { ipv4Packet, type Machine, World } from '../../test/fakes/platform.ts'
import { parseConfiguration } from '../config/parse.ts'
import { type ClientSession, connect } from './connect.ts'
import { createGateway, type Gateway } from './gateway.ts'

function configured(users: string) {
  const outcome = parseConfiguration(
    `
remoteAccess: { preSharedKey: correct horse battery staple, addressPool: 10.99.0.10-10.99.0.250 }
users: [${users}]
`,
    () => '',
  )
  if (outcome.is === 'faulty') throw new Error('the test’s configuration is faulty')
  return outcome.configuration
}

const alice = '{ name: alice, password: wonderland }'
const configuration = configured(alice)

class Play {
  readonly world = new World(1)
  readonly machine: Machine = this.world.machine('192.0.2.1')
  readonly client: Machine = this.world.machine('198.51.100.7')
  readonly written: Written = new Map()
  readonly deeds: Deed[] = []
  life!: Life
  over: string | undefined
  onDeed: ((deed: Deed) => void) | undefined

  async start(given = configuration): Promise<Gateway> {
    this.life = new Life(this.machine, this.written, (deed) => {
      this.deeds.push(deed)
      this.onDeed?.(deed)
    })
    return this.world.of(createGateway(this.life, given))
  }

  async dial(): Promise<ClientSession> {
    const session = await this.world.of(connect(connectOptions(this.client.host.address), this.client))
    session.ended.then((why) => {
      this.over = why
    })
    return session
  }

  kill(): void {
    this.life.kill()
    this.machine.fastPath.abandon(false)
  }

  /** Packets each way that arrived. */
  async packets(session: ClientSession): Promise<[number, number]> {
    this.client.fastPath.fromTun(ipv4Packet(session.address, session.gateway, Uint8Array.of(1)))
    this.machine.fastPath.fromTun(ipv4Packet(session.gateway, session.address, Uint8Array.of(2)))
    await this.world.run(200)
    return [this.machine.fastPath.tun.splice(0).length, this.client.fastPath.tun.splice(0).length]
  }
}

test('a session goes on: each thing is adopted once, nothing is forgotten, packets pass at every moment', async () => {
  const it = new Play()
  const before = await it.start()
  const session = await it.dial()
  const [was] = before.status().sessions
  await it.world.run(5_000)
  it.kill()
  expect(await it.packets(session)).toEqual([1, 1])
  const after = await it.start()
  const { adopted, forgotten } = it.machine.fastPath
  expect(adopted.map((name) => name.replace(/pair \d+/, 'pair'))).toEqual(['peer 1', 'pair', 'session 1'])
  expect(forgotten).toEqual([])
  expect(await it.packets(session)).toEqual([1, 1])
  const [now] = after.status().sessions
  expect(now).toMatchObject({ user: 'alice', address: was!.address, since: was!.since, ike: was!.ike, esp: was!.esp })
  expect(it.machine.said('info')).toContain('resumed 1 session of 1 peer')
  expect(it.over).toBeUndefined()
})

test('what was never finished is forgotten by the fast path', async () => {
  const it = new Play()
  await it.start()
  const dialling = it.dial().catch(() => undefined)
  // Dies when the pair is asked for: it is there, and nobody knows of it.
  it.onDeed = ({ did }) => {
    if (did === 'apply') it.life.deedsLeft = 0
  }
  await it.world.until(() => it.life.dead, 10_000)
  it.onDeed = undefined
  it.kill()
  await it.start()
  expect(it.machine.fastPath.adopted).toEqual([])
  expect(it.machine.fastPath.forgotten.map((name) => name.replace(/\d+/, 'N'))).toEqual(['peer N', 'pair N'])
  await it.world.of(dialling, 200_000)
})

test('a user who is gone from the configuration is said goodbye to', async () => {
  const it = new Play()
  await it.start()
  await it.dial()
  it.kill()
  const after = await it.start(configured('{ name: bob, password: builder }'))
  await it.world.run(5_000)
  expect({ over: it.over, sessions: after.status().sessions, used: after.status().pool.used }).toEqual({
    over: expect.stringContaining('it was ending when the gateway was restarted'),
    sessions: [],
    used: 0,
  })
})

test('a session that the fast path lost ends at both ends, and says why', async () => {
  const it = new Play()
  await it.start()
  await it.dial()
  it.kill()
  it.machine.fastPath.forgetTheRest()
  it.machine.fastPath.abandon(false)
  const after = await it.start()
  await it.world.run(5_000)
  expect(after.status().sessions).toEqual([])
  expect(it.machine.said('info').some((line) => line.includes('lost in the restart'))).toBe(true)
})

test('a client in the middle of PPP logs in all the same', async () => {
  const it = new Play()
  await it.start()
  const dialling = it.dial()
  await it.world.until(() => it.deeds.filter(({ did }) => did === 'ppp').length === 2, 10_000)
  it.kill()
  const after = await it.start()
  const session = await dialling
  await it.world.run(2_000)
  expect(after.status().sessions.map(({ address }) => address)).toEqual([session.address])
})

test('a goodbye leaves nothing to go on from', async () => {
  const it = new Play()
  const gateway = await it.start()
  await it.dial()
  await it.world.of(gateway.stop())
  expect(it.written.size).toBe(0)
})

test('whatever goes to a peer was written down before', async () => {
  const it = new Play()
  await it.start()
  const session = await it.dial()
  it.deeds.length = 0
  await it.world.of(session.disconnect())
  await it.world.run(1_000)
  // CDN takes the session out of what is known; only then it is acknowledged.
  const acknowledged = it.deeds.findIndex(({ did }) => did === 'control')
  const before = it.deeds.slice(0, acknowledged).flatMap((deed) => (deed.did === 'write' ? deed.names : []))
  expect(before.filter((name) => name.startsWith('l2tp/connection'))).toHaveLength(1)
})
