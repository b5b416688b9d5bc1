import { expect, test } from 'vitest'
import { VirtualTime } from '../../test/fakes/virtual-time.ts'
import { jsonLog, type LogRecord, plainLog } from '../platform/log.ts'
import type { Path } from '../wire/address.ts'
import { Secret } from '../wire/secret.ts'
import { EventLog } from './event-log.ts'
import type { GatewayEvent } from './events.ts'
import { render } from './sentences.ts'

const path = (address: string, port = 500): Path => ({
  local: { address: '198.51.100.1', port: 500 },
  remote: { address, port },
})
const refused = (address: string, why = 'the key is another', port = 500): GatewayEvent => ({
  event: 'ike.negotiation.refused',
  path: path(address, port),
  client: 'windows',
  cause: 'pre-shared key',
  why,
  userSees: 789,
})

function house() {
  const time = new VirtualTime()
  const lines: string[] = []
  const log = new EventLog({ clock: time, timers: time }, { write: (record: LogRecord) => lines.push(record.sentence) })
  return { time, lines, log }
}

test('a refusal names the peer, the cause in plain words, the reason and the number that the user sees', () => {
  expect(render(refused('203.0.113.9'), {})).toEqual({
    level: 'warn',
    sentence: '203.0.113.9:500 (windows) was refused: pre-shared key: the key is another; Windows shows 789',
  })
  expect(
    render(
      { event: 'ppp.auth.refused', user: 'alice', kind: 'mschapv2', why: 'the response is wrong', userSees: 691 },
      { peer: '203.0.113.9:4500', client: 'apple' },
    ).sentence,
  ).toBe('alice at 203.0.113.9:4500 (apple) was refused: password: the response is wrong; Windows shows 691')
  expect(render({ event: 'pool.exhausted', user: 'bob', size: 1 }, { peer: '203.0.113.9:4500' }).sentence).toContain(
    'the address pool is exhausted (1 address)',
  )
})

test('text of a peer is escaped', () => {
  const { sentence } = render(
    { event: 'ppp.auth.accepted', user: 'x\n\u001b[31m', kind: 'pap', weak: true },
    { peer: '203.0.113.9:4500' },
  )
  expect(sentence).toBe('x\\x0a\\x1b[31m at 203.0.113.9:4500 has proved the password by pap (weak)')
})

test('what one source repeats becomes one line with a count', async () => {
  const { time, lines, log } = house()
  for (let i = 0; i < 40; i++) log.emit(refused('203.0.113.9', 'the key is another', 500 + i))
  log.emit(refused('203.0.113.10'))
  expect(lines.length).toBe(2)
  await time.advance(20_000)
  expect(lines[2]).toBe(
    '203.0.113.9:539 (windows) was refused: pre-shared key: the key is another; Windows shows 789 (39 times more within 20 s)',
  )
  await time.advance(40_000)
  expect([lines.length, time.pending]).toEqual([3, 0])
  log.emit(refused('203.0.113.9'))
  expect(lines.length).toBe(4)
  expect(log.counters()).toEqual({ 'ike.negotiation.refused': 42 })
})

test('another reason of the same source is another line, up to a bound', () => {
  const { lines, log } = house()
  for (let i = 0; i < 40; i++) log.emit(refused('203.0.113.9', `reason ${i}`))
  expect(lines.length).toBe(9)
})

test('a client that moves with every packet, or sets off a bug with every one, does not fill the log', () => {
  const { lines, log } = house()
  for (let i = 0; i < 1_000; i++) {
    const [from, to] = [path('203.0.113.9', 4500 + (i % 2)), path('203.0.113.9', 4501 - (i % 2))]
    log.emit({ event: 'ike.peer.moved', peer: 1, from, to }, { peer: `203.0.113.9:${to.remote.port}` })
    log.emit({ event: 'gateway.bug', machine: `ppp call ${i}`, input: 'frame', error: 'no such thing', stack: '' })
    log.emit({ event: 'fastpath.refused', what: `session ${i}`, code: 'refused', message: 'ids-in-use' })
  }
  expect(lines).toEqual([
    '203.0.113.9:4500 goes on from 203.0.113.9:4501',
    'a bug of ours in ppp call 0 (input frame): no such thing; only this one is dropped',
    'the data plane refused session 0: ids-in-use (refused)',
  ])
})

test('neighbours behind one NAT are told apart; whoever makes ISAKMP SAs without end is not', () => {
  const { lines, log } = house()
  const up = (port: number): GatewayEvent => ({
    event: 'ike.sa.established',
    path: path('203.0.113.9', port),
    sa: port,
    proposal: 'aes256-sha256-modp2048',
    client: 'windows',
    identity: '192.168.1.10',
    natted: true,
    rekeyed: false,
    weak: false,
  })
  for (let port = 0; port < 4; port++) log.emit(up(4500 + port))
  expect(lines.length).toBe(4)
  for (let port = 0; port < 1_000; port++) log.emit(up(5000 + port))
  expect(lines.length).toBe(9)
})

test('ten thousand sources neither fill the memory nor the log', () => {
  const { time, lines, log } = house()
  for (let i = 0; i < 10_000; i++) log.emit(refused(`10.0.${i >> 8}.${i & 255}`))
  expect(lines.length).toBe(1024)
  expect(time.pending).toBe(1025)
  log.close()
  expect(lines.length).toBe(1025)
  expect(lines[1024]).toContain('8976 times more')
})

test('JSON has the facts of an event, and the line that counts its repeats has them too', async () => {
  const time = new VirtualTime()
  const lines: { cause: string; repeated?: number }[] = []
  const json = jsonLog((line) => lines.push(JSON.parse(line)))
  const log = new EventLog({ clock: time, timers: time }, json)
  for (let i = 0; i < 3; i++) log.emit(refused('203.0.113.9'))
  await time.advance(20_000)
  expect(lines.map(({ cause, repeated }) => ({ cause, repeated }))).toEqual([
    { cause: 'pre-shared key', repeated: undefined },
    { cause: 'pre-shared key', repeated: 2 },
  ])
})

test('a plain line has time, level, sentence and event; JSON has the facts, secrets hidden', () => {
  const record: LogRecord = {
    at: new Date('2026-01-01T00:00:00Z'),
    level: 'warn',
    event: 'x.y',
    sentence: 'a\nb',
    facts: { peer: '203.0.113.9:500', key: new Secret('k') },
  }
  const out: string[] = []
  plainLog((line) => out.push(line)).write(record)
  jsonLog((line) => out.push(line)).write(record)
  plainLog((line) => out.push(line), 'error').write(record)
  expect(out[0]).toBe('2026-01-01T00:00:00.000Z warn  a\\x0ab [x.y]\n')
  expect(JSON.parse(out[1]!)).toEqual({
    level: 40,
    time: '2026-01-01T00:00:00.000Z',
    event: 'x.y',
    msg: 'a\\x0ab',
    peer: '203.0.113.9:500',
    key: '[secret]',
  })
  expect(out.length).toBe(2)
})
