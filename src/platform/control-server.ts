// The gateway's end of the control protocol: a Unix socket in the state folder. Who may open the folder (0700) and the socket (0600) may ask.
import { chmodSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import {
  type EventRecord,
  Lines,
  longestRequest,
  parseRequest,
  type Reply,
  type Request,
  type Status,
  socketName,
} from '../control/protocol.ts'
import type { Store } from './store.ts'

/** What the gateway lets its commands do. */
export type ControlTarget = {
  status(): Status
  /** Ends sessions of the user or inner address; how many there were. */
  disconnect(target: string): number
  /** Rejects with an Error whose message says why the file is not used. */
  reload(): Promise<void>
  /** Throws an Error whose message says why a restart would end sessions. */
  restart(): void
  stop(): void
  subscribe(receive: (record: EventRecord) => void): () => void
}

export type ControlServer = { close(): Promise<void> }

/** Our own: commands connected at once, and octets that a slow reader of events may leave lying before it is cut off. */
const mostConnections = 64
const mostUnread = 4 * 1024 * 1024

/** Listens in the store's folder, which must be locked: a socket that is there already is a dead daemon's. */
export async function serveControl(store: Store, target: ControlTarget): Promise<ControlServer> {
  const path = store.path(socketName)
  rmSync(path, { force: true })
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    converse(socket, target)
  })
  server.maxConnections = mostConnections
  await listen(server, path)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of open) socket.destroySoon()
        rmSync(path, { force: true })
      }),
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      // The folder is closed to others already; between `listen` and here the umask stood.
      chmodSync(path, 0o600)
      resolve()
    })
  })
}

function converse(socket: Socket, target: ControlTarget): void {
  const lines = new Lines(longestRequest)
  const ends: (() => void)[] = []
  const say = (reply: Reply) => {
    if (socket.writableLength > mostUnread) socket.destroy()
    else if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
  }
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('close', () => {
    for (const end of ends) end()
  })
  socket.on('data', (chunk: string) => {
    try {
      for (const line of lines.push(chunk)) {
        const request = parseRequest(line)
        if (typeof request === 'string') say({ id: 0, is: 'failed', message: request })
        else {
          answer(request, target, say, ends).catch((error: Error) =>
            say({ id: request.id, is: 'failed', message: error.message }),
          )
        }
      }
    } catch {
      socket.destroy()
    }
  })
}

async function answer(
  request: Request,
  target: ControlTarget,
  say: (reply: Reply) => void,
  ends: (() => void)[],
): Promise<void> {
  const { id } = request
  const ok = (value: unknown) => say({ id, is: 'ok', value })
  switch (request.ask) {
    case 'status':
      return ok(target.status())
    case 'disconnect':
      return ok(target.disconnect(request.target))
    case 'reload':
      await target.reload()
      return ok(null)
    case 'events':
      ends.push(target.subscribe((record) => say({ id, is: 'event', record })))
      return ok(null)
    case 'restart':
      target.restart()
      return ok(null)
    case 'stop':
      ok(null)
      return target.stop()
  }
}
