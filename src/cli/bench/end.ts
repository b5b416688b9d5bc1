// One end of a tunnel without a control plane, as a process of its own in a namespace: SAs and sessions are agreed beforehand. With the engine that
// does nothing it segments, copies, sends by UDP GSO, receives by GRO, coalesces and writes to the TUN, and that is all: the limit of every tunnel here.
//
//     node end.ts '{"tun":"ghnothing","address":"10.98.0.1","peer":"10.98.0.2",…}'     prints "ready"; ends when its stdin does
import process from 'node:process'
import type { EspSa } from '../../platform/fast-path.ts'
import { openUserland } from '../../platform/userland.ts'

export type EndOptions = {
  readonly tun: string
  /** Inner addresses, of this end and the other. */
  readonly address: string
  readonly peer: string
  /** Outer ones. */
  readonly local: string
  readonly remote: string
  readonly port: number
  readonly engine: string
  /** The lower end's inbound SPI is the higher end's outbound one. */
  readonly inboundSpi: number
  readonly outboundSpi: number
  readonly mtu: number
}

const innerPrefix = 24

/** Its key is the same at both ends and everywhere: nothing is protected here. */
function sa(spi: number): EspSa {
  const cipherKey = new Uint8Array(20).fill(1)
  return { spi, cipher: 'aes128gcm16', hash: undefined, esn: false, cipherKey, integrityKey: new Uint8Array() }
}

function open(options: EndOptions): Promise<() => Promise<void>> {
  const { local, remote, port } = options
  const path = openUserland({
    listen: [local],
    ports: { ike: port + 1, natt: port },
    tunName: options.tun,
    tunAddress: `${options.address}/${innerPrefix}`,
    tunMtu: options.mtu,
    workers: undefined,
    engine: options.engine,
  })
  const ids = { tunnel: 1, session: 1, port: 1701 }
  return new Promise((resolve, reject) => {
    path.listen((batch) => {
      for (const event of batch) {
        if (event.on !== 'applied') continue
        if (event.failure) reject(new Error(event.failure.message))
        else resolve(() => path.close())
      }
    })
    path.apply(1, [
      { do: 'addPeer', peer: 1 },
      {
        do: 'addPair',
        peer: 1,
        path: { local: { address: local, port }, remote: { address: remote, port } },
        encapsulated: true,
        mode: 'transport',
        inbound: sa(options.inboundSpi),
        outbound: sa(options.outboundSpi),
        use: true,
        replayWindow: 1024,
      },
      { do: 'addSession', session: 1, peer: 1, local: ids, remote: ids, sequencing: false },
      {
        do: 'configureSession',
        session: 1,
        acfc: true,
        pfc: true,
        mtu: options.mtu,
        address: options.peer,
        networks: [],
      },
    ])
  })
}

const close = await open(JSON.parse(process.argv[2] ?? '{}') as EndOptions)
process.stdout.write('ready\n')
process.stdin.on('end', () => void close()).resume()
