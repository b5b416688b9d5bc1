// The DNS forwarder over real sockets on loopback: 127.0.0.1 forwards, 127.0.0.11 and up are resolvers.
import { createSocket, type RemoteInfo, Socket } from 'node:dgram'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { concat, hex, unhex } from '../wire/codec.ts'
import { type DnsForwarder, type DnsForwarderOptions, openDnsForwarder } from './dns-forwarder.ts'
import { answers, isQuery, question, serverFailure, withId } from './dns-message.ts'
import { resolversIn, resolversOf } from './resolv-conf.ts'

/** A question for the A record of `name`. */
function query(id: number, name = 'www.example.net'): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...new TextEncoder().encode(label)])
  return concat(unhex('0000 0100 0001 0000 0000 0000'), Uint8Array.from([...labels, 0, 0, 1, 0, 1])).map((octet, i) =>
    i === 0 ? id >>> 8 : i === 1 ? id & 0xff : octet,
  )
}

/** The answer to a question: one A record, or just a response code. */
function reply(asked: Uint8Array, code = 0, flags = 0x80): Uint8Array {
  const header = asked.slice(0, 12)
  header.set([0x81 | (flags & 0x02), 0x80 | code], 2)
  if (code === 0) header[7] = 1
  const record = code === 0 ? unhex('c00c 0001 0001 0000003c 0004 c0000207') : new Uint8Array(0)
  return concat(header, question(asked)!, record)
}

const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const undo of cleanUp.splice(0).reverse()) await undo()
})

type Handler = (asked: Uint8Array, from: RemoteInfo, socket: Socket) => void

const port = 20000 + (process.pid % 20000)

async function resolver(address: string, handle: Handler): Promise<Uint8Array[]> {
  const seen: Uint8Array[] = []
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    seen.push(Uint8Array.from(message))
    handle(Uint8Array.from(message), from, socket)
  })
  await new Promise<void>((resolve) => socket.bind(port, address, resolve))
  cleanUp.push(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  return seen
}

const honest: Handler = (asked, from, socket) => socket.send(reply(asked), from.port, from.address)
const silent: Handler = () => {}

async function forwarder(
  resolvers: readonly string[],
  options: Partial<DnsForwarderOptions> = {},
): Promise<DnsForwarder> {
  const opened = await openDnsForwarder({
    address: '127.0.0.1',
    port: 0,
    resolvers: () => resolvers,
    resolverPort: port,
    patienceMs: 150,
    ...options,
  })
  cleanUp.push(opened.close)
  return opened
}

/** A client's socket, and what it has received. */
async function client(
  address = '127.0.0.1',
): Promise<{ ask(to: DnsForwarder, message: Uint8Array): void; readonly got: Uint8Array[] }> {
  const got: Uint8Array[] = []
  const socket = createSocket('udp4')
  socket.on('message', (message) => got.push(Uint8Array.from(message)))
  await new Promise<void>((resolve) => socket.bind(0, address, resolve))
  cleanUp.push(() => new Promise<void>((resolve) => socket.close(() => resolve())))
  return { ask: (to, message) => socket.send(message, to.port, '127.0.0.1'), got }
}

async function until(done: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(done()).toBe(true)
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('over UDP', () => {
  test('a question goes on as it is under another ID and port, and the answer comes back under its own', async () => {
    const ports = new Set<number>()
    const seen = await resolver('127.0.0.11', (asked, from, socket) => {
      ports.add(from.port)
      honest(asked, from, socket)
    })
    const [dns, one] = [await forwarder(['127.0.0.11']), await client()]
    for (let id = 1; id <= 20; id++) one.ask(dns, query(id, `host${id}.example.net`))
    await until(() => one.got.length === 20)
    const expected = Array.from({ length: 20 }, (_, i) => hex(reply(query(i + 1, `host${i + 1}.example.net`))))
    expect(one.got.map(hex).sort()).toEqual(expected.sort())
    expect(ports.size).toBe(20)
    expect(seen.every((message) => isQuery(message))).toBe(true)
    expect(new Set(seen.map((message) => hex(message.subarray(0, 2)))).size).toBeGreaterThan(15)
  })

  test('a truncated answer is passed on, so that the client asks by TCP', async () => {
    await resolver('127.0.0.11', (asked, from, socket) => socket.send(reply(asked, 0, 0x02), from.port, from.address))
    const [dns, one] = [await forwarder(['127.0.0.11']), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect(one.got[0]![2]! & 0x02).toBe(0x02)
  })

  test('a silent resolver, one that is not there and one that refuses are passed over', async () => {
    const first = await resolver('127.0.0.11', silent)
    const third = await resolver('127.0.0.13', (asked, from, socket) =>
      socket.send(reply(asked, 5), from.port, from.address),
    )
    await resolver('127.0.0.14', honest)
    const [dns, one] = [await forwarder(['127.0.0.11', '127.0.0.12', '127.0.0.13', '127.0.0.14']), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect(hex(one.got[0]!)).toBe(hex(reply(query(7))))
    expect([first.length, third.length]).toEqual([1, 1])
  })

  test('all silent: SERVFAIL, with the question', async () => {
    const seen = await resolver('127.0.0.11', silent)
    const [dns, one] = [await forwarder(['127.0.0.11'], { patienceMs: 50 }), await client()]
    one.ask(dns, query(0x1234))
    await until(() => one.got.length === 1)
    expect(hex(one.got[0]!)).toBe(`12348182000100000000${'0000'}${hex(question(query(1))!)}`)
    expect(seen.length).toBe(2)
  })

  test('all refuse: their refusal', async () => {
    await resolver('127.0.0.11', (asked, from, socket) => socket.send(reply(asked, 5), from.port, from.address))
    const [dns, one] = [await forwarder(['127.0.0.11']), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect(one.got[0]![3]! & 0x0f).toBe(5)
  })

  test('NXDOMAIN is an answer', async () => {
    const seen = await resolver('127.0.0.11', (asked, from, socket) =>
      socket.send(reply(asked, 3), from.port, from.address),
    )
    const [dns, one] = [await forwarder(['127.0.0.11', '127.0.0.12']), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect([one.got[0]![3]! & 0x0f, seen.length]).toEqual([3, 1])
  })

  test('an answer from elsewhere, to another question or under another ID is not taken', async () => {
    const stranger = createSocket('udp4')
    await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.99', resolve))
    cleanUp.push(() => stranger.close())
    await resolver('127.0.0.11', (asked, from, socket) => {
      stranger.send(reply(asked), from.port, from.address)
      socket.send(reply(query((asked[0]! << 8) | asked[1]!, 'evil.example')), from.port, from.address)
      socket.send(withId(reply(asked), ((asked[0]! << 8) | asked[1]!) ^ 1), from.port, from.address)
      socket.send(asked, from.port, from.address)
      setTimeout(() => honest(asked, from, socket), 50)
    })
    const [dns, one] = [await forwarder(['127.0.0.11'], { patienceMs: 500 }), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    await pause(30)
    expect(one.got.map(hex)).toEqual([hex(reply(query(7)))])
  })

  test('a question from port 0, which nobody can answer, is not asked and ends nothing', async () => {
    const seen = await resolver('127.0.0.11', honest)
    const listening = vi.spyOn(Socket.prototype, 'on')
    const dns = await forwarder(['127.0.0.11'])
    const receive = listening.mock.calls.find(([event]) => event === 'message')![1] as (
      message: Buffer,
      from: RemoteInfo,
    ) => void
    listening.mockRestore()
    const one = await client()
    receive(Buffer.from(query(6)), { address: '127.0.0.1', port: 0, family: 'IPv4', size: 33 })
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    await pause(50)
    expect([hex(one.got[0]!), seen.length]).toEqual([hex(reply(query(7))), 1])
  })

  test('the same question again while it is under way is asked once', async () => {
    const seen = await resolver('127.0.0.11', (asked, from, socket) =>
      setTimeout(() => honest(asked, from, socket), 60),
    )
    const [dns, one] = [await forwarder(['127.0.0.11'], { patienceMs: 500 }), await client()]
    for (let i = 0; i < 5; i++) one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect(seen.length).toBe(1)
  })

  test('one client has 64 questions under way, no more', async () => {
    const seen = await resolver('127.0.0.11', silent)
    const [dns, one] = [await forwarder(['127.0.0.11'], { patienceMs: 3000 }), await client()]
    for (let id = 0; id < 100; id++) one.ask(dns, query(id))
    await until(() => seen.length === 64)
    await pause(50)
    expect(seen.length).toBe(64)
  })

  test('eight clients who hold every place lose their oldest to a ninth', async () => {
    const late = query(999, 'late.example.net')
    const seen = await resolver('127.0.0.11', (asked, from, socket) => {
      if (hex(asked).includes('046c617465')) honest(asked, from, socket)
    })
    const dns = await forwarder(['127.0.0.11'], { patienceMs: 5000 })
    for (let i = 0; i < 8; i++) {
      const greedy = await client(`127.0.1.${i + 1}`)
      for (let id = 0; id < 64; id++) greedy.ask(dns, query(id))
      await until(() => seen.length === 64 * (i + 1))
    }
    const modest = await client('127.0.2.1')
    modest.ask(dns, late)
    await until(() => modest.got.length === 1)
    expect([seen.length, hex(modest.got[0]!)]).toEqual([513, hex(reply(late))])
  })

  test('what is no question is dropped: answers, stubs, names that run out', async () => {
    const seen = await resolver('127.0.0.11', honest)
    const [dns, one] = [await forwarder(['127.0.0.11']), await client()]
    for (const message of [reply(query(1)), new Uint8Array(0), query(2).subarray(0, 11), query(3).subarray(0, 20)])
      one.ask(dns, message)
    one.ask(dns, query(9))
    await until(() => one.got.length === 1)
    expect([seen.length, one.got[0]![1]]).toEqual([1, 9])
  })

  test('it never asks itself', async () => {
    const [dns, one] = [await forwarder(['127.0.0.1'], { port: port + 1, resolverPort: port + 1 }), await client()]
    one.ask(dns, query(7))
    await until(() => one.got.length === 1)
    expect(one.got[0]![3]! & 0x0f).toBe(2)
  })

  test('closed in the middle: nothing follows', async () => {
    await resolver('127.0.0.11', silent)
    const [dns, one] = [await forwarder(['127.0.0.11']), await client()]
    one.ask(dns, query(7))
    await pause(30)
    await dns.close()
    await pause(400)
    expect(one.got).toEqual([])
  })
})

/** A resolver over TCP. */
async function tcpResolver(address: string, answer: (asked: Uint8Array) => readonly Uint8Array[]): Promise<Server> {
  const server = createServer((socket) => {
    let held = Buffer.alloc(0)
    socket.on('error', () => {})
    socket.on('data', (octets) => {
      held = Buffer.concat([held, octets])
      while (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) {
        const asked = Uint8Array.from(held.subarray(2, 2 + held.readUInt16BE(0)))
        held = held.subarray(2 + asked.length)
        for (const message of answer(asked)) socket.write(framed(message))
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(port, address, resolve))
  cleanUp.push(() => new Promise<void>((resolve) => server.close(() => resolve())))
  return server
}

function framed(message: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(message.length >>> 8, message.length & 0xff), message)
}

/** Says `octets` over TCP, in pieces, and gives what came until `length` octets or the end. */
async function overTcp(dns: DnsForwarder, pieces: readonly Uint8Array[], length: number): Promise<string> {
  const socket = createConnection({ host: '127.0.0.1', port: dns.port })
  cleanUp.push(() => socket.destroy())
  const got: Buffer[] = []
  const done = new Promise<void>((resolve) => {
    socket.on('data', (octets) => {
      got.push(octets)
      if (Buffer.concat(got).length >= length) resolve()
    })
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
  })
  for (const piece of pieces) {
    socket.write(piece)
    await pause(5)
  }
  await done
  socket.destroy()
  return hex(Uint8Array.from(Buffer.concat(got)))
}

describe('over TCP', () => {
  test('several questions on one connection, cut anywhere', async () => {
    await tcpResolver('127.0.0.11', (asked) => [reply(asked)])
    const dns = await forwarder(['127.0.0.11'])
    const stream = concat(framed(query(1)), framed(query(2, 'b.example')))
    const expected = concat(framed(reply(query(1))), framed(reply(query(2, 'b.example'))))
    const pieces = [stream.subarray(0, 1), stream.subarray(1, 30), stream.subarray(30)]
    expect(await overTcp(dns, pieces, expected.length)).toBe(hex(expected))
  })

  test('a large answer, and a resolver that is not there before it', async () => {
    const large = (asked: Uint8Array) => concat(reply(asked), new Uint8Array(40_000))
    await tcpResolver('127.0.0.12', (asked) => [large(asked)])
    const dns = await forwarder(['127.0.0.11', '127.0.0.12'])
    expect(await overTcp(dns, [framed(query(1))], large(query(1)).length + 2)).toBe(hex(framed(large(query(1)))))
  })

  test('answers that nobody asked for are dropped', async () => {
    await tcpResolver('127.0.0.11', (asked) => [reply(query(99)), reply(asked), reply(asked)])
    const dns = await forwarder(['127.0.0.11'])
    const answer = framed(reply(query(1)))
    expect(await overTcp(dns, [framed(query(1))], answer.length)).toBe(hex(answer))
  })

  test('who says something else is cut off, and so is one whom no resolver can serve', async () => {
    const dns = await forwarder(['127.0.0.11'])
    expect(await overTcp(dns, [new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'), new Uint8Array(20_000)], 1)).toBe('')
    expect(await overTcp(dns, [framed(query(1))], 1)).toBe('')
  })

  test('one client has 16 connections, no more', async () => {
    const dns = await forwarder(['127.0.0.11'])
    const closed: boolean[] = []
    for (let i = 0; i < 20; i++) {
      const socket = createConnection({ host: '127.0.0.1', port: dns.port })
      socket.on('error', () => {})
      socket.on('close', () => closed.push(true))
      cleanUp.push(() => socket.destroy())
    }
    await until(() => closed.length === 4)
  })
})

describe('opening', () => {
  test('a port that is taken: the Error says by whom, likely, and what that means', async () => {
    const taken = await forwarder([])
    await expect(openDnsForwarder({ address: '127.0.0.1', port: taken.port, resolvers: () => [] })).rejects.toThrow(
      /DNS can't be forwarded at 127\.0\.0\.1 port \d+: another DNS server of this machine listens/,
    )
  })

  test('an address that is not there', async () => {
    await expect(openDnsForwarder({ address: '192.0.2.1', port: 0, resolvers: () => [] })).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
      message: "DNS can't be forwarded at 192.0.2.1 port 0: the address is on no interface.",
    })
  })
})

describe('resolv.conf', () => {
  test('addresses of either family; comments, names and other lines are passed over', () => {
    const text =
      '# nameserver 1.1.1.1\nnameserver 192.0.2.53\n  nameserver\t2001:db8::53 # here\nnameserver fe80::1%eth0\nnameserver dns.example\nsearch example.net\n'
    expect(resolversIn(text)).toEqual(['192.0.2.53', '2001:db8::53', 'fe80::1%eth0'])
  })

  test('none: the machine itself (resolv.conf(5))', () => {
    expect(resolversIn('search example.net\n')).toEqual(['127.0.0.1'])
  })

  test('a changed file is read again; one that is gone leaves what was known', () => {
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-resolv-'))
    const file = join(folder, 'resolv.conf')
    let now = 0
    const resolvers = resolversOf(file, () => now)
    expect(resolvers()).toEqual(['127.0.0.1'])
    writeFileSync(file, 'nameserver 192.0.2.1\n')
    now = 999
    expect(resolvers()).toEqual(['127.0.0.1'])
    now = 1000
    expect(resolvers()).toEqual(['192.0.2.1'])
    writeFileSync(file, 'nameserver 192.0.2.22\n')
    now = 2000
    expect(resolvers()).toEqual(['192.0.2.22'])
    rmSync(folder, { recursive: true })
    now = 3000
    expect(resolvers()).toEqual(['192.0.2.22'])
  })
})

describe('messages', () => {
  test('names are compared without regard to case', () => {
    expect(answers(reply(query(1, 'WWW.example.NET')), query(1))).toBe(true)
    expect(answers(reply(query(1, 'www.example.org')), query(1))).toBe(false)
  })

  test('anything at all', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 80 }),
        fc.uint8Array({ minLength: 12, maxLength: 80 }),
        (octets, asked) => {
          isQuery(octets)
          answers(octets, asked)
          question(octets)
          expect(isQuery(serverFailure(asked))).toBe(false)
        },
      ),
    )
  })
})
