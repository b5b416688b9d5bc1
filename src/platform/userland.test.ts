// Real packets: TCP, UDP and ICMP through two userland data planes, for every transform; what doesn't fit; how it opens, closes and dies.
import { execFile, execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { existsSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FastPathOptions } from './fast-path.ts'
import { loopback, openSides, type Sides, type Suite, userlandImpossible } from './userland.fixture.ts'
import { openUserland } from './userland.ts'

const execute = promisify(execFile)
const impossible = userlandImpossible()
const prefix = `ghu${process.pid % 10000}`
const ping = ['/usr/bin/ping', '/bin/ping'].find(existsSync)
const megabyte = 1_000_000

const suites: readonly Suite[] = [
  { cipher: 'des', hash: 'md5' },
  { cipher: 'des', hash: 'sha1' },
  { cipher: '3des', hash: 'md5' },
  { cipher: '3des', hash: 'sha1' },
  { cipher: '3des', hash: 'sha256' },
  { cipher: 'aes128', hash: 'md5' },
  { cipher: 'aes128', hash: 'sha1' },
  { cipher: 'aes192', hash: 'sha1' },
  { cipher: 'aes256', hash: 'sha1' },
  { cipher: 'aes128', hash: 'sha256' },
  { cipher: 'aes256', hash: 'sha256' },
  { cipher: 'aes128', hash: 'sha256_96' },
  { cipher: 'aes256', hash: 'sha384' },
  { cipher: 'aes256', hash: 'sha512' },
  { cipher: 'aes128gcm16' },
  { cipher: 'aes192gcm16' },
  { cipher: 'aes256gcm16' },
  { cipher: 'null', hash: 'sha1' },
  { cipher: 'aes128', hash: 'sha1', esn: true },
  { cipher: 'aes128gcm16', esn: true },
]

function quiet(counters: Readonly<Record<string, number>>): Record<string, number> {
  const expected = ['dropNoRoute', 'dropSource', 'dropUnknownSpi']
  return Object.fromEntries(
    Object.entries(counters).filter(([name, n]) => name.startsWith('drop') && n > 0 && !expected.includes(name)),
  )
}

if (impossible) {
  test.skip(`userland: ${impossible}`, () => {})
} else {
  describe('traffic', () => {
    let sides: Sides
    let spi = 0x1000
    const next = () => {
      spi += 16
      return spi
    }
    beforeAll(async () => {
      sides = await openSides(prefix, { workers: 2, tunMtu: 1500, sequencing: false, mtu: 1400 })
    })
    afterAll(async () => await sides.close())

    for (const suite of suites) {
      const name = [suite.cipher, suite.hash, suite.esn && 'esn'].filter(Boolean).join('-')
      test(`${name}: TCP both ways in UDP and over protocol 50`, async () => {
        for (const encapsulated of [true, false]) {
          await sides.rekey(suite, next(), encapsulated)
          expect(await sides.transfer('10.98.0.1', megabyte)).toEqual({ up: true, down: true })
        }
        expect([quiet(sides.gateway.counters()), quiet(sides.client.counters())]).toEqual([{}, {}])
      })
    }

    test('a client that cuts SHA2-256 to 96 bits is found out by its first packet, and nothing is lost', async () => {
      for (const encapsulated of [true, false]) {
        const spi = next()
        const before = sides.gateway.counters().truncationSwitched!
        const cut = { cipher: 'aes256', hash: 'sha256_96' } as const
        await sides.rekey({ cipher: 'aes256', hash: 'sha256' }, spi, encapsulated, cut)
        expect(await sides.transfer('10.98.0.1', megabyte)).toEqual({ up: true, down: true })
        expect(sides.gateway.counters().truncationSwitched! - before).toBe(1)
        const used = [...sides.events.gateway, ...sides.events.client].filter(
          (event) => event.on === 'pairUsed' && event.inboundSpi >= spi,
        )
        expect(used).toEqual([
          { on: 'pairUsed', peer: 1, inboundSpi: spi, truncation: 96 },
          { on: 'pairUsed', peer: 1, inboundSpi: spi + 1, truncation: 96 },
        ])
      }
      expect([quiet(sides.gateway.counters()), quiet(sides.client.counters())]).toEqual([{}, {}])
    })

    test('IPv6 inside: TCP both ways', async () => {
      await sides.rekey({ cipher: 'aes256', hash: 'sha1' }, next())
      expect(await sides.transfer('fd98::1', 3 * megabyte)).toEqual({ up: true, down: true })
    })

    test('the MSS is clamped to what the SA leaves, so that TCP meets no packet that is too large', async () => {
      await sides.rekey({ cipher: 'aes256', hash: 'sha512' }, next())
      const before = sides.client.counters()
      expect(await sides.transfer('10.98.0.1', 3 * megabyte)).toEqual({ up: true, down: true })
      const after = sides.client.counters()
      expect(after.mssClamped! - before.mssClamped!).toBeGreaterThanOrEqual(2)
      expect([after.dropTooBig, after.fragmented]).toEqual([before.dropTooBig, before.fragmented])
    })

    test.skipIf(!ping)(
      'a packet with DF that is too large is answered with the MTU that fits; without DF it is cut',
      async () => {
        await sides.rekey({ cipher: 'aes128', hash: 'sha1' }, next())
        const cut = await sides.inside('client', 'ping', '-c', '1', '-W', '2', '-M', 'dont', '-s', '1472', '10.98.0.1')
        expect(cut).toMatch(/1 received/)
        expect(sides.client.counters().fragmented).toBeGreaterThan(0)
        // 1,400 is what the peer takes; the outer packet of 1,500 less IP 20, UDP 8, ESP 8 + 16 + 12, trailer 2, inner UDP 8, L2TP 6, PPP 4 and whole blocks leaves 1,404.
        const refused = await sides.inside(
          'client',
          'ping',
          '-c',
          '2',
          '-i',
          '0.2',
          '-W',
          '1',
          '-M',
          'do',
          '-s',
          '1373',
          '10.98.0.1',
        )
        expect(refused).toMatch(/mtu ?= ?1400/)
        const passed = await sides.inside('client', 'ping', '-c', '1', '-W', '2', '-M', 'do', '-s', '1372', '10.98.0.1')
        expect(passed).toMatch(/1 received/)
        const cut6 = await sides.inside(
          'client',
          'ping',
          '-6',
          '-c',
          '4',
          '-i',
          '0.2',
          '-W',
          '2',
          '-s',
          '1440',
          'fd98::1',
        )
        expect(cut6).toMatch(/[1-4] received/)
      },
    )

    test('counters tell pairs and sessions that had traffic, then nothing', async () => {
      await sides.rekey({ cipher: 'aes128gcm16' }, next())
      const refused = sides.gateway.counters().dropTooBig
      sides.gateway.activity()
      await sides.transfer('10.98.0.1', megabyte)
      await new Promise((resolve) => setTimeout(resolve, 50))
      const { pairs, sessions } = sides.gateway.activity()
      expect(pairs.map(({ peer, inboundSpi, replayed, forged }) => ({ peer, inboundSpi, replayed, forged }))).toEqual([
        { peer: 1, inboundSpi: spi, replayed: 0, forged: 0 },
      ])
      expect(sessions.map(({ session, tooBig }) => [session, tooBig])).toEqual([[1, refused]])
      expect(
        Math.min(pairs[0]!.octetsIn, pairs[0]!.octetsOut, sessions[0]!.octetsIn, sessions[0]!.octetsOut),
      ).toBeGreaterThan(megabyte)
      expect(sides.gateway.activity()).toEqual({ pairs: [], sessions: [] })
    })
  })

  describe('traffic, numbered and compressed, one worker', () => {
    let sides: Sides
    beforeAll(async () => {
      sides = await openSides(`${prefix}s`, { workers: 1, tunMtu: 1400, sequencing: true, mtu: 1400 })
    })
    afterAll(async () => await sides.close())

    test('TCP both ways while the SAs are replaced again and again', async () => {
      await sides.rekey({ cipher: 'aes128', hash: 'sha1' }, 0x2000)
      let done = false
      const transfer = sides.transfer('10.98.0.1', 20 * megabyte).finally(() => {
        done = true
      })
      let rekeyed = 0
      for (let spi = 0x2010; !done; spi += 16) {
        // Make before break at both ends, one after the other, as it is on a network.
        await sides.rekey(
          { cipher: spi % 32 === 0 ? 'aes128gcm16' : 'aes256', ...(spi % 32 === 0 ? {} : { hash: 'sha256' as const }) },
          spi,
        )
        rekeyed++
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      expect(await transfer).toEqual({ up: true, down: true })
      expect(rekeyed).toBeGreaterThan(1)
    })
  })

  describe('life and death', () => {
    const options = (name: string, more: Partial<FastPathOptions> = {}): FastPathOptions => ({
      listen: [loopback(9)],
      ports: { ike: 0, natt: 0 },
      tunName: `${prefix}${name}`,
      tunAddress: '10.97.0.1/24',
      tunMtu: 1400,
      workers: 2,
      engine: undefined,
      ...more,
    })

    test('a busy port is named, with a code', async () => {
      const holder = createSocket('udp4')
      await new Promise<void>((resolve) => holder.bind(0, loopback(9), resolve))
      const { port } = holder.address()
      try {
        expect(() => openUserland(options('a', { ports: { ike: 0, natt: port } }))).toThrowError(
          expect.objectContaining({ code: 'EADDRINUSE', subject: `udp ${loopback(9)}:${port}` }),
        )
      } finally {
        holder.close()
      }
    })

    test('an engine, a device name or an address that is not there is named', () => {
      expect(() => openUserland(options('b', { engine: 'abacus' }))).toThrowError(
        expect.objectContaining({ code: 'ENOENT', subject: "crypto engine 'abacus'" }),
      )
      expect(() => openUserland(options('b', { tunName: 'a-name-that-is-too-long' }))).toThrowError(
        expect.objectContaining({ code: 'EINVAL' }),
      )
      expect(() => openUserland(options('b', { listen: ['192.0.2.77'] }))).toThrowError(
        expect.objectContaining({ code: 'EADDRNOTAVAIL', subject: 'udp 192.0.2.77:0' }),
      )
    })

    test('the device has its address while it is open and is gone afterwards; closing twice is one closing', async () => {
      const path = openUserland(options('c'))
      expect(execFileSync('ip', ['addr', 'show', `${prefix}c`], { encoding: 'utf8' })).toMatch(
        /mtu 1400[\s\S]*inet 10\.97\.0\.1\/24/,
      )
      expect(path.description).toMatch(/^userland, .*2 workers/)
      await path.close()
      await path.close()
      expect(existsSync(`/sys/class/net/${prefix}c`)).toBe(false)
      path.apply(1, [{ do: 'addPeer', peer: 1 }])
      path.sendKeepalive({ local: { address: loopback(9), port: 1 }, remote: { address: loopback(9), port: 2 } })
      expect(path.activity()).toEqual({ pairs: [], sessions: [] })
    })

    const script = (body: string) => `
      import { openUserland } from ${JSON.stringify(fileURLToPath(new URL('./userland.ts', import.meta.url)))}
      import { Worker, isMainThread } from 'node:worker_threads'
      import { createSocket } from 'node:dgram'
      const options = (name, address) => ({ listen: [address], ports: { ike: 0, natt: 0 }, tunName: '${prefix}' + name, tunAddress: undefined, tunMtu: 1400, workers: 2, engine: undefined })
      const flood = (path, address, count) => {
        const socket = createSocket('udp4'), junk = Buffer.alloc(200, 7)
        for (let i = 0; i < count; i++) socket.send(i % 2 ? junk : Buffer.concat([Buffer.alloc(4), junk]), path.ports.natt, address)
        return socket
      }
      ${body}`
    const runScript = async (body: string) => {
      const { stdout } = await execute(process.execPath, ['--input-type=module-typescript', '-e', script(body)], {
        timeout: 20_000,
      })
      return stdout.trim()
    }
    // Type stripping and input-type need the pinned Node.
    const modern = Number(process.versions.node.split('.')[0]) >= 24

    test.skipIf(!modern)('process.exit() while packets arrive ends the process cleanly, without close()', async () => {
      const body = `
        const path = openUserland(options('d', '${loopback(9)}'))
        let events = 0
        path.listen((batch) => { events += batch.length; if (events > 5) { console.log('seen'); process.exit(0) } })
        flood(path, '${loopback(9)}', 2000)`
      expect(await runScript(body)).toBe('seen')
      expect(existsSync(`/sys/class/net/${prefix}d`)).toBe(false)
    })

    test.skipIf(!modern)('an uncaught error while packets arrive leaves nothing behind', async () => {
      const body = `
        const path = openUserland(options('e', '${loopback(9)}'))
        path.listen(() => { throw new Error('on purpose') })
        flood(path, '${loopback(9)}', 500)`
      await expect(runScript(body)).rejects.toMatchObject({ code: 1, signal: null })
      expect(existsSync(`/sys/class/net/${prefix}e`)).toBe(false)
    })

    test.skipIf(!modern)(
      'several in one process, and one more in a worker thread that is terminated while busy',
      async () => {
        const body = `
        const one = openUserland(options('f', '${loopback(9)}')), two = openUserland(options('g', '${loopback(10)}'))
        const code = "import { parentPort, workerData } from 'node:worker_threads'; const { openUserland } = await import(workerData.module);" +
          'const path = openUserland(workerData.options); path.listen(() => {}); parentPort.postMessage(path.ports)'
        const worker = new Worker(code, { eval: true, workerData: { module: ${JSON.stringify(new URL('./userland.ts', import.meta.url).href)}, options: options('h', '${loopback(11)}') } })
        worker.once('message', async (ports) => {
          const socket = flood({ ports }, '${loopback(11)}', 2000)
          await worker.terminate()
          socket.close()
          let heard = 0
          one.listen((batch) => { heard += batch.length })
          const second = flood(one, '${loopback(9)}', 10)
          setTimeout(async () => { second.close(); await one.close(); await two.close(); console.log(heard > 0 ? 'fine' : 'deaf') }, 300)
        })`
        expect(await runScript(body)).toBe('fine')
        expect(existsSync(`/sys/class/net/${prefix}h`)).toBe(false)
      },
    )

    test.skipIf(!modern)(
      'what nobody listens to fills the rings, drops and counts, and the process goes on',
      async () => {
        const body = `
        const path = openUserland(options('i', '${loopback(9)}'))
        const socket = flood(path, '${loopback(9)}', 20000)
        setTimeout(async () => {
          const { ikeIn, dropIkeRingFull } = path.counters()
          await path.close()
          socket.close()
          console.log(ikeIn > 0 && ikeIn > dropIkeRingFull && dropIkeRingFull > 0 ? 'bounded' : JSON.stringify({ ikeIn, dropIkeRingFull }))
        }, 1500)`
        expect(await runScript(body)).toBe('bounded')
      },
    )
  })
}
