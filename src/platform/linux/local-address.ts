// Which of our addresses a packet to somebody leaves from.
import { createSocket } from 'node:dgram'

/** Asks the routing table by connecting a UDP socket, which sends nothing. Rejects where no route leads there. */
export function localAddressFor(remote: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(remote.includes(':') ? 'udp6' : 'udp4')
    socket.once('error', (error) => {
      socket.close()
      reject(new Error(`there is no route to ${remote}: ${error.message}`))
    })
    socket.connect(500, remote, () => {
      const { address } = socket.address()
      socket.close()
      resolve(address)
    })
  })
}
