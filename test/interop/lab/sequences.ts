// Numbered packets between hosts, for counting what is lost: run in a namespace of its own by triangle.test.ts, as plain Node without anything else.
//   sequences.ts WHEN SECONDS PER-SECOND OUR-ADDRESS=PEER …
// WHEN, in milliseconds since 1970, all begin to send: by then all listen.
// For each pair of addresses a flow is sent and one received; at the end one line of JSON: `{ flows: { "OURS=PEER": { sent, refused, received, missing } }, drops: { OURS: n } }`,
// where refused is what this host's own kernel did not take, and drops are what came to us and found our socket full. The last packets have five seconds to arrive.
import { createSocket, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'

type Flow = {
  readonly socket: Socket
  readonly peer: string
  sent: number
  refused: number
  readonly seen: Set<number>
}

const port = 7007
const [when, seconds, perSecond, ...pairs] = process.argv.slice(2)
const flows = new Map<string, Flow>()
const sockets = new Map<string, Socket>()

for (const pair of pairs) {
  const [ours = '', peer = ''] = pair.split('=')
  const socket = sockets.get(ours) ?? createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  if (!sockets.has(ours)) socket.bind(port, ours)
  sockets.set(ours, socket)
  flows.set(pair, { socket, peer, sent: 0, refused: 0, seen: new Set() })
}
for (const [ours, socket] of sockets) {
  socket.on('error', () => {})
  socket.on('message', (octets, { address }) => {
    const flow = flows.get(`${ours}=${address}`)
    if (!flow || octets.length < 4) return
    flow.seen.add(octets.readUInt32BE(0))
  })
}

const filler = Buffer.alloc(Number(process.env.OCTETS ?? 200))
const began = Number(when)
const timer = setInterval(() => {
  // As many as are due: a process that was away catches up.
  const due = Math.floor(((Date.now() - began) / 1000) * Number(perSecond))
  for (const flow of flows.values()) {
    for (let n = 0; n < 5 && flow.sent < due; n++) {
      filler.writeUInt32BE(flow.sent++, 0)
      flow.socket.send(Buffer.from(filler), port, flow.peer, (error) => {
        if (error) flow.refused++
      })
    }
  }
  if (Date.now() - began < Number(seconds) * 1000) return
  clearInterval(timer)
  setTimeout(() => {
    const told = [...flows].map(([pair, { sent, refused, seen }]) => [
      pair,
      { sent, refused, received: seen.size, missing: missing(seen) },
    ])
    console.log(JSON.stringify({ flows: Object.fromEntries(told), drops: drops() }))
    process.exit(0)
  }, 5_000)
}, 10)

/** The first numbers that did not come, of those before the last one that did. */
function missing(seen: ReadonlySet<number>): number[] {
  const last = seen.size === 0 ? 0 : [...seen].reduce((most, number) => Math.max(most, number))
  const gaps: number[] = []
  for (let number = 0; number < last && gaps.length < 10; number++) if (!seen.has(number)) gaps.push(number)
  return gaps
}

/** proc(5), /proc/net/udp: addresses in hex, the host's order; the last column counts what a full socket dropped. */
function drops(): Record<string, number> {
  const lines = readFileSync('/proc/self/net/udp', 'utf8').split('\n').slice(1)
  return Object.fromEntries(
    lines.flatMap((line) => {
      const columns = line.trim().split(/\s+/)
      const [address = '', local = ''] = (columns[1] ?? '').split(':')
      const octets = address.match(/../g)?.reverse() ?? []
      if (Number.parseInt(local, 16) !== port) return []
      return [[octets.map((octet) => Number.parseInt(octet, 16)).join('.'), Number(columns.at(-1))]]
    }),
  )
}
