// Sends small UDP packets to an address, and prints how many: what `bench sessions` puts into the gateway's TUN. A process of its own, for the namespace.
import { createSocket } from 'node:dgram'
import process from 'node:process'

const [address = '127.0.0.1', count = '1000'] = process.argv.slice(2)
/** With IPv4 and UDP headers 64 octets. */
const payload = Buffer.alloc(36)
/** Discard (RFC 863). */
const port = 9

const socket = createSocket('udp4')
let [sent, failed] = [0, 0]
await new Promise<void>((resolve) => socket.connect(port, address, () => resolve()))
// Some under way at any time: fewer wake the receiver for each, more overflow the socket.
await Promise.all(
  Array.from({ length: 64 }, async () => {
    while (sent + failed < Number(count)) {
      await new Promise<void>((resolve) =>
        socket.send(payload, (error) => {
          if (error) failed++
          else sent++
          resolve()
        }),
      )
    }
  }),
)
socket.close()
process.stdout.write(`${sent}\n`)
