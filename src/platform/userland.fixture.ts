// Two userland fast paths in one process, their TUNs moved into network namespaces, and programs in there that talk TCP to one another.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import process from 'node:process'
import { promisify } from 'node:util'
import type { Cipher, Hash } from '../algorithms/algorithms.ts'
import { loadNative } from './addon.ts'
import type { Change, EspSa, FastPath, FastPathEvent } from './fast-path.ts'
import { openUserland } from './userland.ts'

const execute = promisify(execFile)

/** Why none of this can run here, or undefined. */
export function userlandImpossible(): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root'
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    execFileSync('ip', ['netns', 'list'], { stdio: 'ignore' })
  } catch {
    return 'needs /dev/net/tun and iproute2'
  }
  try {
    loadNative()
  } catch (error) {
    return (error as Error).message
  }
  return undefined
}

/** An address of this process: raw sockets on the same one would hear other tests that run at the same time. */
export function loopback(host: number): string {
  return `127.${(process.pid >> 8) & 255}.${process.pid & 255}.${host}`
}

export type Suite = { readonly cipher: Cipher; readonly hash?: Hash; readonly esn?: boolean }

const cipherKeys: Record<Cipher, number> = {
  des: 8,
  '3des': 24,
  aes128: 16,
  aes192: 24,
  aes256: 32,
  aes128gcm16: 20,
  aes192gcm16: 28,
  aes256gcm16: 36,
  null: 0,
}
const hashKeys: Record<Hash, number> = { md5: 16, sha1: 20, sha256: 32, sha256_96: 32, sha384: 48, sha512: 64 }

/** The same SA for the same suite and SPI, so that both ends make it by themselves. */
export function saOf({ cipher, hash, esn }: Suite, spi: number): EspSa {
  const key = (length: number, first: number) => Uint8Array.from({ length }, (_, i) => (first + 11 * i) & 255)
  const integrityKey = key(hash ? hashKeys[hash] : 0, spi + 7)
  return { spi, cipher, hash, esn: esn ?? false, cipherKey: key(cipherKeys[cipher], spi), integrityKey }
}

/** Sends a file's worth each way and answers with sums: `up N` and `down N`, one request a connection. */
const server = `
const { createHash } = require('node:crypto'), net = require('node:net')
net.createServer({ allowHalfOpen: true }, (socket) => {
  const sum = createHash('sha256'); let command = ''
  socket.on('error', () => {})
  socket.on('data', (data) => {
    if (command.endsWith('\\n')) return sum.update(data)
    const end = data.indexOf(10); command += data.subarray(0, end + 1).toString(); sum.update(data.subarray(end + 1))
    const [what, size] = command.split(' ')
    if (what === 'down') socket.end(Buffer.alloc(Number(size), 'gatehouse '))
  })
  socket.on('end', () => { if (command.startsWith('up')) socket.end(sum.digest('hex')) })
}).listen(7000, '::', () => console.log('ready'))`

const client = `
const { createHash } = require('node:crypto'), net = require('node:net')
const [host, size] = [process.argv[1], Number(process.argv[2])], data = Buffer.alloc(size, 'gatehouse ')
const sum = (octets) => createHash('sha256').update(octets).digest('hex')
const ask = (line, body) => new Promise((resolve, reject) => {
  const parts = [], socket = net.connect({ port: 7000, host, allowHalfOpen: true }, () => { socket.write(line); body ? socket.end(body) : 0 })
  socket.setTimeout(15000, () => reject(new Error('no traffic for 15 s')))
  socket.on('error', reject); socket.on('data', (part) => parts.push(part))
  socket.on('end', () => { socket.end(); resolve(Buffer.concat(parts)) })
})
const main = async () => {
  const up = (await ask('up ' + size + '\\n', data)).toString(), down = sum(await ask('down ' + size + '\\n'))
  console.log(JSON.stringify({ up: up === sum(data), down: down === sum(data) }))
}
main().catch((error) => { console.error(error.message); process.exit(1) })`

export type Sides = {
  readonly gateway: FastPath
  readonly client: FastPath
  readonly events: { readonly gateway: FastPathEvent[]; readonly client: FastPathEvent[] }
  /** Makes the changes at once at one end; throws if they are refused. */
  apply(end: 'gateway' | 'client', changes: readonly Change[]): Promise<void>
  /** A pair of SAs at both ends, the gateway's inbound SPI being this; the former one is taken away. `clients`: where the client's suite is another. */
  rekey(suite: Suite, spi: number, encapsulated?: boolean, clients?: Suite): Promise<void>
  /** TCP both ways, from the client's side; whether what arrived is what was sent. */
  transfer(host: string, octets: number): Promise<unknown>
  /** A command inside one of the namespaces; its output, or what it said when it failed. */
  inside(end: 'gateway' | 'client', command: string, ...args: string[]): Promise<string>
  close(): Promise<void>
}

const inner = { gateway: ['10.98.0.1/24', 'fd98::1/64'], client: ['10.98.0.2/24', 'fd98::2/64'] } as const
const ids = { gateway: { tunnel: 3, session: 4, port: 1701 }, client: { tunnel: 5, session: 6, port: 1701 } } as const

/** `prefix` names devices and namespaces: at most ten characters. */
export async function openSides(
  prefix: string,
  options: { workers: number; tunMtu: number; sequencing: boolean; mtu: number },
): Promise<Sides> {
  const names = { gateway: `${prefix}g`, client: `${prefix}c` }
  const events = { gateway: [] as FastPathEvent[], client: [] as FastPathEvent[] }
  const outer = { gateway: loopback(1), client: loopback(2) }
  const open = (end: 'gateway' | 'client') => {
    execFileSync('ip', ['netns', 'add', names[end]])
    const path = openUserland({
      listen: [outer[end]],
      ports: { ike: 0, natt: 0 },
      tunName: names[end],
      tunAddress: undefined,
      tunMtu: options.tunMtu,
      workers: options.workers,
      engine: undefined,
    })
    path.listen((batch) => events[end].push(...batch))
    execFileSync('ip', ['link', 'set', names[end], 'netns', names[end]])
    const ip = (...args: string[]) => execFileSync('ip', ['-n', names[end], ...args])
    for (const address of inner[end])
      ip('addr', 'add', address, 'dev', names[end], ...(address.includes(':') ? ['nodad'] : []))
    ip('link', 'set', 'lo', 'up')
    ip('link', 'set', names[end], 'up')
    return path
  }
  const paths = { gateway: open('gateway'), client: open('client') }
  const pathOf = (end: 'gateway' | 'client') => {
    const other = end === 'gateway' ? 'client' : 'gateway'
    const endpoint = (which: 'gateway' | 'client') => ({ address: outer[which], port: paths[which].ports.natt })
    return { local: endpoint(end), remote: endpoint(other) }
  }
  let job = 0
  let current: number | undefined
  const sides: Sides = {
    ...paths,
    events,
    apply: async (end, changes) => {
      const mine = ++job
      paths[end].apply(mine, changes)
      for (;;) {
        const outcome = events[end].find((event) => event.on === 'applied' && event.job === mine)
        if (outcome?.on === 'applied' && outcome.failure) throw new Error(outcome.failure.message)
        if (outcome) return
        await new Promise(setImmediate)
      }
    },
    rekey: async (suite, spi, encapsulated = true, clients = suite) => {
      for (const end of ['gateway', 'client'] as const) {
        const [inbound, outbound] = end === 'gateway' ? [spi, spi + 1] : [spi + 1, spi]
        const pair = {
          peer: 1,
          path: pathOf(end),
          encapsulated,
          mode: 'transport',
          replayWindow: 1024,
          use: true,
        } as const
        const own = end === 'gateway' ? suite : clients
        const add: Change = { do: 'addPair', ...pair, inbound: saOf(own, inbound), outbound: saOf(own, outbound) }
        const old = current === undefined ? undefined : current + (end === 'gateway' ? 0 : 1)
        await sides.apply(end, old === undefined ? [add] : [add, { do: 'removePair', peer: 1, inboundSpi: old }])
      }
      current = spi
    },
    transfer: async (host, octets) => {
      const args = ['netns', 'exec', names.client, process.execPath, '-e', client, host, String(octets)]
      return JSON.parse((await execute('ip', args)).stdout)
    },
    inside: async (end, command, ...args) => {
      try {
        return (await execute('ip', ['netns', 'exec', names[end], command, ...args])).stdout
      } catch (error) {
        const { stdout, stderr } = error as { stdout?: string; stderr?: string }
        return `${stdout ?? ''}${stderr ?? ''}`
      }
    },
    close: async () => {
      await stop(listener)
      await Promise.all([paths.gateway.close(), paths.client.close()])
      for (const name of Object.values(names)) execFileSync('ip', ['netns', 'del', name])
    },
  }
  for (const end of ['gateway', 'client'] as const) {
    const other = end === 'gateway' ? 'client' : 'gateway'
    const session = { peer: 1, local: ids[end], remote: ids[other], sequencing: options.sequencing }
    await sides.apply(end, [
      { do: 'addPeer', peer: 1 },
      { do: 'addSession', session: 1, ...session },
      {
        do: 'configureSession',
        session: 1,
        acfc: options.sequencing,
        pfc: options.sequencing,
        mtu: options.mtu,
        address: inner[other][0].split('/')[0],
        networks: [inner[other][1].replace('/64', '/128')],
      },
    ])
  }
  const listener = spawn('ip', ['netns', 'exec', names.gateway, process.execPath, '-e', server], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise((resolve) => listener.stdout?.once('data', resolve))
  return sides
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}
