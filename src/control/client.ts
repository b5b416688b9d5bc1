// The commands' end of the control protocol.
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type Ask, type EventRecord, Lines, longestLine, type Reply, type Status, socketName } from './protocol.ts'

/** The gateway can't be asked; `code` says why. */
export class ControlError extends Error {
  /** `not-running`: nobody listens there. `refused`: it answered that it can't. `not-allowed`: the folder is another user's. */
  readonly code: 'not-running' | 'not-allowed' | 'refused' | 'lost'
  constructor(code: ControlError['code'], message: string) {
    super(message)
    this.name = 'ControlError'
    this.code = code
  }
}

export type Control = {
  status(): Promise<Status>
  /** How many sessions were ended. */
  disconnect(target: string): Promise<number>
  reload(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
  /** Calls back with each event until the connection ends; resolves once they are on their way. */
  events(receive: (record: EventRecord) => void): Promise<void>
  close(): void
}

/** Connects to the gateway that has this state folder. */
export async function openControl(folder: string): Promise<Control> {
  const socket = await dial(join(folder, socketName), folder)
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const receivers = new Map<number, (record: EventRecord) => void>()
  const lines = new Lines(longestLine)
  let ids = 0
  const lost = () => {
    for (const { reject } of waiting.values()) reject(new ControlError('lost', 'the gateway closed the connection'))
    waiting.clear()
  }
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    for (const line of lines.push(chunk)) {
      const reply = JSON.parse(line) as Reply
      if (reply.is === 'event') {
        receivers.get(reply.id)?.(reply.record)
        continue
      }
      const asked = waiting.get(reply.id)
      waiting.delete(reply.id)
      if (reply.is === 'ok') asked?.resolve(reply.value)
      else asked?.reject(new ControlError('refused', reply.message))
    }
  })
  socket.on('error', lost)
  socket.on('close', lost)
  const ask = (request: Ask, id = ++ids) =>
    new Promise<unknown>((resolve, reject) => {
      waiting.set(id, { resolve, reject })
      socket.write(`${JSON.stringify({ id, ...request })}\n`)
    })
  return {
    status: async () => (await ask({ ask: 'status' })) as Status,
    disconnect: async (target) => (await ask({ ask: 'disconnect', target })) as number,
    reload: async () => void (await ask({ ask: 'reload' })),
    restart: async () => void (await ask({ ask: 'restart' })),
    stop: async () => void (await ask({ ask: 'stop' })),
    events: async (receive) => {
      const id = ++ids
      receivers.set(id, receive)
      await ask({ ask: 'events' }, id)
    },
    close: () => socket.end(),
  }
}

function dial(path: string, folder: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.removeAllListeners('error')
      resolve(socket)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const denied = error.code === 'EACCES' || error.code === 'EPERM'
      reject(
        denied
          ? new ControlError(
              'not-allowed',
              `the state folder ${folder} is another user's; ask as the user that runs the gateway`,
            )
          : new ControlError('not-running', `no gateway runs with the state folder ${folder}`),
      )
    })
  })
}
