// DNS over TCP (RFC 1035 §4.2.2, RFC 7766) for clients whose answer did not fit UDP: each connection gets one of its own to a resolver, and whole
// messages pass between the two, each behind its length.
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { idOf, isQuery } from './dns-message.ts'

export type DnsTcp = { readonly close: () => Promise<void> }

export type DnsTcpOptions = {
  readonly address: string
  readonly port: number
  readonly resolvers: () => readonly string[]
  readonly resolverPort: number
  /** Milliseconds until the next resolver is tried. */
  readonly patienceMs: number
}

/** Connections in all, and of one client; questions of one connection that wait for an answer. */
const mostConnections = 128
const mostOfOne = 16
const mostQuestions = 32
/** Octets of answers that a client leaves lying before it is cut off. */
const mostUnread = 256 * 1024
/** A connection on which nothing moves is closed (RFC 7766 §6.2.3). */
const idleMs = 10_000

export function openDnsTcp(options: DnsTcpOptions): Promise<DnsTcp> {
  const open = new Set<Socket>()
  const ofClient = (address: string | undefined) =>
    [...open].filter(({ remoteAddress }) => remoteAddress === address).length
  const server = createServer((client) => {
    if (open.size >= mostConnections || ofClient(client.remoteAddress) >= mostOfOne) {
      client.destroy()
      return
    }
    open.add(client)
    client.on('close', () => open.delete(client))
    new Connection(client, options).begin()
  })
  return listening(server, options).then(() => ({
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const client of open) client.destroy()
      }),
  }))
}

function listening(server: Server, { address, port }: DnsTcpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
}

/** Cuts a stream into messages by their two octets of length. */
class Framer {
  /** Part of one message at most. */
  #held = Buffer.alloc(0)

  push(octets: Buffer): readonly Uint8Array[] {
    this.#held = Buffer.concat([this.#held, octets])
    const whole: Uint8Array[] = []
    while (this.#held.length >= 2) {
      const end = 2 + this.#held.readUInt16BE(0)
      if (this.#held.length < end) break
      whole.push(Uint8Array.from(this.#held.subarray(2, end)))
      this.#held = this.#held.subarray(end)
    }
    return whole
  }
}

class Connection {
  readonly #client: Socket
  readonly #options: DnsTcpOptions
  readonly #resolvers: string[]
  /** IDs of the questions that were passed on: nothing else is an answer. */
  readonly #asked = new Set<number>()
  readonly #waiting: Uint8Array[] = []
  #resolver: Socket | undefined
  #connected = false

  constructor(client: Socket, options: DnsTcpOptions) {
    this.#client = client
    this.#options = options
    this.#resolvers = [...options.resolvers()]
  }

  begin(): void {
    const framer = new Framer()
    this.#client.setTimeout(idleMs, () => this.#end())
    this.#client.on('error', () => this.#end())
    this.#client.on('close', () => this.#end())
    this.#client.on('data', (octets: Buffer) => {
      for (const message of framer.push(octets)) if (!this.#question(message)) return this.#end()
    })
  }

  /** False: nothing that a client of ours says. */
  #question(message: Uint8Array): boolean {
    if (!isQuery(message) || this.#asked.size >= mostQuestions) return false
    this.#asked.add(idOf(message))
    if (this.#connected) send(this.#resolver!, message)
    else this.#waiting.push(message)
    if (!this.#resolver) this.#connect()
    return true
  }

  #connect(): void {
    const host = this.#resolvers.shift()
    if (host === undefined) return this.#end()
    const resolver = createConnection({ host, port: this.#options.resolverPort })
    this.#resolver = resolver
    const framer = new Framer()
    const patience = setTimeout(() => resolver.destroy(), this.#options.patienceMs)
    resolver.on('connect', () => {
      clearTimeout(patience)
      this.#connected = true
      for (const message of this.#waiting.splice(0)) send(resolver, message)
    })
    resolver.on('data', (octets: Buffer) => {
      for (const message of framer.push(octets)) this.#answer(message)
    })
    resolver.on('error', () => resolver.destroy())
    resolver.on('close', () => {
      clearTimeout(patience)
      if (this.#resolver !== resolver) return
      // One that could not be reached has a successor; one that ended a conversation ends it for the client too.
      if (this.#connected || this.#client.destroyed) this.#end()
      else this.#connect()
    })
  }

  #answer(message: Uint8Array): void {
    if (message.length < 12 || !this.#asked.delete(idOf(message))) return
    if (this.#client.writableLength > mostUnread) return this.#end()
    send(this.#client, message)
  }

  #end(): void {
    const resolver = this.#resolver
    this.#resolver = undefined
    resolver?.destroy()
    this.#client.destroySoon()
  }
}

function send(socket: Socket, message: Uint8Array): void {
  const framed = Buffer.alloc(2 + message.length)
  framed.writeUInt16BE(message.length, 0)
  framed.set(message, 2)
  socket.write(framed)
}
