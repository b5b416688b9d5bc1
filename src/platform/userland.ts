// The userland fast path: ESP workers and a TUN in native code, which this wraps in the contract. Nothing but exceptions reaches JavaScript.
import { addressOctets, type Path } from '../wire/address.ts'
import { loadNative, type NativeDataPlane } from './addon.ts'
import type { Activity, Change, FastPath, FastPathEvent, FastPathOptions, PeerId, SessionId } from './fast-path.ts'
import { ChangeError, decodeActivity, decodeEvents, encodeChanges, encodePath, splitNetwork } from './userland-codec.ts'

/** One drain's room: a few hundred usual events, and always more than the largest one. */
const drainOctets = 256 * 1024

/**
 * Opens sockets and the TUN and starts the workers. Throws an OpenError (see addon.ts) that names what could not be opened. Like a server's socket it
 * keeps the process alive until close().
 */
export function openUserland(options: FastPathOptions): FastPath {
  return new Userland(options)
}

class Userland implements FastPath {
  readonly kind = 'userland'
  readonly description: string
  readonly ports: { readonly ike: number; readonly natt: number }
  readonly #native: NativeDataPlane
  readonly #buffer = new Uint8Array(drainOctets)
  /** Outcomes of changes, told before anything that came later. */
  #outcomes: FastPathEvent[] = []
  #receive: ((batch: readonly FastPathEvent[]) => void) | undefined
  #scheduled = false
  #closed = false

  constructor(options: FastPathOptions) {
    const { DataPlane } = loadNative()
    const [address, prefix] = tunAddress(options.tunAddress)
    this.#native = new DataPlane(
      {
        listen: options.listen.map(octetsOf),
        ikePort: options.ports.ike,
        nattPort: options.ports.natt,
        tunName: options.tunName,
        tunAddress: address,
        tunPrefix: prefix,
        tunMtu: options.tunMtu,
        workers: options.workers ?? 0,
        engine: options.engine ?? '',
      },
      // Not drained in here: an error thrown into Node-API is only warned of (DEP0168), out of an immediate it is an uncaught one.
      () => this.#schedule(),
    )
    this.ports = this.#native.ports()
    this.description = `userland, ${this.#native.description()}${options.why ? `; ${options.why}` : ''}`
  }

  listen(receive: (batch: readonly FastPathEvent[]) => void): void {
    this.#receive = receive
    this.#schedule()
  }

  apply(job: number, changes: readonly Change[]): void {
    const failure = this.#apply(changes)
    this.#outcomes.push(failure ? { on: 'applied', job, failure } : { on: 'applied', job })
    this.#schedule()
  }

  #apply(changes: readonly Change[]): { code: string; message: string } | undefined {
    try {
      const octets = encodeChanges(changes)
      try {
        return this.#native.apply(octets)
      } finally {
        octets.fill(0)
      }
    } catch (error) {
      if (error instanceof ChangeError) return { code: error.code, message: error.message }
      throw error
    }
  }

  sendIke(path: Path, octets: Uint8Array): void {
    this.#native.sendIke(encodePath(path), octets)
  }

  sendKeepalive(path: Path): void {
    this.#native.sendKeepalive(encodePath(path))
  }

  sendControl(peer: PeerId, localPort: number, remotePort: number, octets: Uint8Array): void {
    this.#native.sendControl(peer, localPort, remotePort, octets)
  }

  sendPpp(session: SessionId, protocol: number, payload: Uint8Array): void {
    this.#native.sendPpp(session, protocol, payload)
  }

  activity(): Activity {
    return decodeActivity(this.#native.activity())
  }

  counters(): Readonly<Record<string, number>> {
    return this.#native.counters()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#outcomes = []
    this.#native.close()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#drain()
    })
  }

  /** One batch; if there is more, timers and sockets get their turn first. */
  #drain(): void {
    if (this.#closed || !this.#receive) return
    const result = this.#native.drain(this.#buffer)
    const octets = this.#buffer.subarray(0, Math.floor(result / 2))
    const batch = [...this.#outcomes, ...decodeEvents(octets)]
    this.#outcomes = []
    if (result % 2 === 1) this.#schedule()
    if (batch.length > 0) this.#receive(batch)
  }
}

function octetsOf(address: string): Uint8Array {
  const octets = addressOctets(address)
  if (!octets) throw new Error(`'${address}' is no address`)
  return octets
}

function tunAddress(text: string | undefined): [Uint8Array | undefined, number] {
  if (text === undefined) return [undefined, 0]
  const [address, prefix] = splitNetwork(text)
  return [octetsOf(address), prefix]
}
