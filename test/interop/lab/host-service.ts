// host-service.ts ADDRESS: runs inside a namespace as the host that clients reach: a TCP partner that hashes, and a small DNS server.
// TCP port 7000: «up BYTES ID» then the bytes, or «down BYTES ID» and it sends them. Tells on stdout, one JSON a line,
// what it received or sent. DNS port 53: every A question is answered 203.0.113.53.
import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer, type Socket } from 'node:net'

const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)

function receive(socket: Socket, bytes: number, id: string, head: Buffer): void {
  const hash = createHash('sha256')
  let got = 0
  const take = (chunk: Buffer) => {
    hash.update(chunk)
    got += chunk.length
    if (got === bytes) {
      tell({ id, bytes: got, sha256: hash.digest('hex') })
      socket.end('ok\n')
    }
  }
  socket.on('data', take)
  socket.on('close', () => {
    if (got < bytes) tell({ id, bytes: got, sha256: 'incomplete' })
  })
  if (head.length > 0) take(head)
}

function send(socket: Socket, bytes: number, id: string): void {
  const hash = createHash('sha256')
  const block = randomBytes(65536)
  let left = bytes
  const more = () => {
    while (left > 0) {
      const chunk = Buffer.from(block.subarray(0, Math.min(block.length, left)))
      chunk.writeUInt32BE(left, 0)
      hash.update(chunk)
      left -= chunk.length
      if (!socket.write(chunk)) return
    }
    socket.off('drain', more)
    socket.end()
    tell({ id, bytes, sha256: hash.digest('hex') })
  }
  socket.on('drain', more)
  more()
}

const server = createServer({ allowHalfOpen: true }, (socket) => {
  let text = Buffer.alloc(0)
  socket.setTimeout(30_000, () => socket.destroy())
  socket.on('error', () => {})
  const first = (chunk: Buffer) => {
    text = Buffer.concat([text, chunk])
    const end = text.indexOf(10)
    if (end < 0) return
    socket.off('data', first)
    const [verb, bytes, id] = text.subarray(0, end).toString('latin1').split(' ')
    if (verb === 'up') receive(socket, Number(bytes), id ?? '', text.subarray(end + 1))
    else send(socket, Number(bytes), id ?? '')
  }
  socket.on('data', first)
  socket.on('end', () => {
    if (socket.listenerCount('drain') === 0) socket.end()
  })
})

const dns = createSocket('udp4')
dns.on('message', (query, from) => {
  if (query.length < 17) return
  let end = 12
  while (end < query.length && query[end] !== 0) end += (query[end] as number) + 1
  const question = query.subarray(12, end + 5)
  const isA = query.readUInt16BE(end + 1) === 1
  const header = Buffer.from(query.subarray(0, 12))
  header.writeUInt16BE(0x8180, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(isA ? 1 : 0, 6)
  header.writeUInt32BE(0, 8)
  const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 53])
  dns.send(Buffer.concat([header, question, ...(isA ? [answer] : [])]), from.port, from.address)
})

const address = process.argv[2] ?? '0.0.0.0'
dns.bind(53, address, () => server.listen(7000, address, () => tell({ ready: true })))
