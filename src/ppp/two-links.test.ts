// Our server and our client against each other, over good paths and bad ones.
import { describe, expect, test } from 'vitest'
import { badPath, clientPolicy, goodPath, Pair, serverPolicy, user } from '../../test/fakes/ppp-pair.ts'
import type { AuthKind } from '../auth/contract.ts'
import { ntPasswordHash } from '../auth/mschap-crypto.ts'
import { Secret } from '../wire/secret.ts'

const agreed = (pair: Pair) => {
  const server = pair.last('server', 'network')?.ipv4
  const client = pair.last('client', 'network')?.ipv4
  return server !== undefined && client !== undefined && server.peers === client.ours && server.ours === client.peers
}
const finished = (pair: Pair) =>
  pair.last('server', 'finished') !== undefined && pair.last('client', 'finished') !== undefined

test.each([
  ['mschapv2', 'MS-CHAPv2'],
  ['mschap', 'MS-CHAP'],
  ['chap', 'CHAP-MD5'],
  ['pap', 'PAP'],
] as const)('%s: logged in, with everything that the fast path needs', (kind, name) => {
  const pair = new Pair(1, goodPath, { ...serverPolicy, authentication: [kind] })
  pair.up()
  expect(pair.run(1000, () => agreed(pair))).toBe(true)
  pair.run(1000)
  expect(pair.last('server', 'network')).toEqual({
    do: 'network',
    user: 'alice',
    acfc: true,
    pfc: true,
    mtu: 1400,
    ipv4: expectedGrant,
    ipv6: { ours: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1), peers: expect.any(Uint8Array) },
    authentication: kind,
  })
  expect(pair.last('client', 'network')).toMatchObject({
    user: 'alice',
    mtu: 1400,
    ipv4: { ours: '10.99.0.10', peers: '10.99.0.1', dns: ['10.99.0.1', '9.9.9.9'], nbns: [] },
    authentication: kind,
  })
  expect(pair.links.server.status()).toEqual({
    phase: 'network',
    user: 'alice',
    authentication: kind,
    address: '10.99.0.10',
    since: expect.any(Number),
  })
  expect(pair.links.client.status()).toMatchObject({ phase: 'network', address: '10.99.0.10' })
  expect(pair.effects.server.flatMap((effect) => (effect.do === 'report' ? [effect.event] : []))).toEqual([
    { event: 'ppp.lcp.opened', mru: 1400, authentication: name },
    { event: 'ppp.auth.accepted', user: 'alice', kind: name, weak: kind === 'pap' || kind === 'mschap' },
    {
      event: 'ppp.network.opened',
      user: 'alice',
      protocol: 'ipv6cp',
      address: expect.stringMatching(/^[0-9a-f:]{19}$/),
    },
    { event: 'ppp.network.opened', user: 'alice', protocol: 'ipcp', address: '10.99.0.10' },
  ])
})

const expectedGrant = { ours: '10.99.0.1', peers: '10.99.0.10', dns: ['10.99.0.1', '9.9.9.9'], nbns: [] }

test('a log-in takes a handful of round trips: 10 ms each way, no timer among them', () => {
  const pair = new Pair(1, goodPath)
  pair.up()
  expect(pair.run(60_000, () => agreed(pair))).toBe(true)
  expect(pair.now).toBeLessThan(150)
})

test('a client that listens only after its first second costs no more than that second', () => {
  const pair = new Pair(1, goodPath)
  pair.give('server', { on: 'up' })
  pair.run(1000)
  pair.give('client', { on: 'up' })
  expect(pair.run(60_000, () => agreed(pair))).toBe(true)
  expect(pair.now).toBeLessThan(1150)
})

test('the client agrees to what it can: the server steps down its list', () => {
  const policy = { ...serverPolicy, authentication: ['mschapv2', 'mschap', 'chap'] as const }
  const pair = new Pair(1, goodPath, policy, { ...clientPolicy, authentication: ['pap', 'chap'] })
  pair.up()
  expect(pair.run(10_000, () => agreed(pair))).toBe(true)
  expect(pair.links.server.status().authentication).toBe('chap')
})

test('no common authentication: both say what to change', () => {
  const pair = new Pair(1, goodPath, serverPolicy, { ...clientPolicy, authentication: ['pap'] })
  pair.up()
  expect(pair.run(60_000, () => finished(pair))).toBe(true)
  expect(pair.last('server', 'finished')).toEqual({
    do: 'finished',
    reason:
      'the client does not agree to any PPP authentication allowed here (MS-CHAPv2); it proposes PAP: allow one of ours in the client, or its own under remoteAccess.authentication',
    toPeer: 'No agreement on LCP options',
    byPeer: false,
    userSees: 734,
  })
  expect(pair.effects.server[0]).toMatchObject({ event: { event: 'ppp.auth.impossible', userSees: 734 } })
})

test('a wrong password: the server names it, the client says 691', () => {
  const credentials = { user: 'alice', password: new Secret('wrong') }
  const pair = new Pair(1, goodPath, serverPolicy, { ...clientPolicy, credentials })
  pair.up()
  expect(pair.run(60_000, () => finished(pair))).toBe(true)
  expect(
    pair.effects.server.find((effect) => effect.do === 'report' && effect.event.event === 'ppp.auth.refused'),
  ).toEqual({
    do: 'report',
    event: {
      event: 'ppp.auth.refused',
      user: 'alice',
      kind: 'MS-CHAPv2',
      why: 'the password of "alice" is wrong',
      userSees: 691,
    },
  })
  expect(pair.last('client', 'finished')).toMatchObject({
    reason:
      'authentication of "alice" refused: the server refused with error 691, the user name or the password is wrong: "Access denied"',
    userSees: 691,
  })
})

test('a server that does not know the password but says yes is not believed', () => {
  const pair = new Pair(1, goodPath, serverPolicy, clientPolicy, [])
  pair.up()
  const impostor = pair.links.server
  const handle = impostor.handle.bind(impostor)
  // Whatever the verifier says, this server accepts, with a proof that it made up.
  impostor.handle = (input, at) =>
    handle(
      input.on === 'verdict'
        ? { ...input, verdict: { is: 'accepted', user: 'alice', authenticatorResponse: new Uint8Array(20) } }
        : input,
      at,
    )
  expect(pair.run(60_000, () => finished(pair))).toBe(true)
  expect(pair.last('client', 'finished')).toMatchObject({ byPeer: false, userSees: 778 })
  expect(pair.last('client', 'network')).toBeUndefined()
})

test('closed by the client: a Terminate-Request, its Ack, both finished', () => {
  const pair = new Pair(1, goodPath)
  pair.up()
  pair.run(1000)
  pair.give('client', { on: 'close', reason: 'the user hung up' })
  expect(pair.run(60_000, () => finished(pair))).toBe(true)
  expect(pair.last('client', 'finished')).toMatchObject({ reason: 'the user hung up', byPeer: false })
  expect(pair.last('server', 'finished')).toMatchObject({
    reason: 'the peer closed the link: "the user hung up"',
    byPeer: true,
  })
  expect(pair.links.server.deadline).toBeUndefined()
  expect(pair.links.client.deadline).toBeUndefined()
})

test('a client gone without a word is found by echo within a minute', () => {
  const pair = new Pair(1, goodPath)
  pair.up()
  pair.run(1000)
  pair.give('client', { on: 'down' })
  expect(pair.run(60_000, () => pair.last('server', 'finished') !== undefined)).toBe(true)
  expect(pair.last('server', 'finished')).toMatchObject({ reason: 'the peer was silent for 49 s', byPeer: false })
})

test('an idle link stays up: echoes are answered', () => {
  const pair = new Pair(1, goodPath)
  pair.up()
  pair.run(1000)
  const { frames } = pair
  pair.run(3_600_000)
  expect(pair.links.server.status().phase).toBe('network')
  // Each end asks after 18 to 20 quiet seconds, and either's question serves both.
  expect(pair.frames - frames).toBeGreaterThan(300)
  expect(pair.frames - frames).toBeLessThan(440)
})

describe('over a path with 20 % loss, repeats and reordering', () => {
  const kinds: readonly AuthKind[] = ['mschapv2', 'mschap', 'chap', 'pap']
  const patient = { ...serverPolicy, echo: { idleSeconds: 20, intervalSeconds: 10, tries: 12 } }

  test('1,000 seeds reach the same end', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const authentication = [kinds[seed % 4]!]
      const pair = new Pair(seed, badPath, { ...patient, authentication }, { ...clientPolicy, echo: patient.echo })
      pair.up()
      const both = pair.run(300_000, () => agreed(pair))
      expect(both, `seed ${seed}`).toBe(true)
      // And nothing that is still on its way brings it down for good.
      pair.run(20_000)
      expect(
        pair.run(120_000, () => agreed(pair)),
        `seed ${seed}, later`,
      ).toBe(true)
      expect(pair.last('server', 'finished'), `seed ${seed}`).toBeUndefined()
      expect(pair.last('client', 'finished'), `seed ${seed}`).toBeUndefined()
    }
  }, 60_000)

  test('300 seeds with a wrong password: never a network, and both ends end', () => {
    const credentials = { user: 'alice', password: new Secret('wrong') }
    for (let seed = 1; seed <= 300; seed++) {
      const authentication = [kinds[seed % 4]!]
      const users = [user('alice', seed % 8 < 4 ? {} : { password: new Secret(ntPasswordHash('x')) })]
      const pair = new Pair(seed, badPath, { ...patient, authentication }, { ...clientPolicy, credentials }, users)
      pair.up()
      expect(
        pair.run(300_000, () => finished(pair)),
        `seed ${seed}`,
      ).toBe(true)
      expect(pair.last('server', 'network'), `seed ${seed}`).toBeUndefined()
      expect(pair.last('client', 'network'), `seed ${seed}`).toBeUndefined()
    }
  }, 60_000)
})
