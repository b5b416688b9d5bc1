// What the native fast paths share: events drained in batches on the main thread, calls passed on as numbers and octets.
import process from 'node:process'
import { addressOctets, type Path } from '../wire/address.ts'
import type { NativeOptions, NativePlane } from './addon.ts'
import type { Activity, Change, FastPath, FastPathEvent, FastPathOptions, PeerId, SessionId } from './fast-path.ts'
import { ChangeError, decodeActivity, decodeEvents, MessageBatch, splitNetwork, withChanges } from './native-codec.ts'

/** One drain's room: a few hundred usual events, and always more than the largest one. */
const drainOctets = 256 * 1024

/**
 * Our own: messages that leave together. A system call for each costs the kernel more than the packet; but nobody shall wait for another's work longer than a
 * millisecond or two.
 */
const mostTogether = 24

export abstract class NativePath<Plane extends NativePlane> implements FastPath {
  abstract readonly kind: FastPath['kind']
  readonly ports: { readonly ike: number; readonly natt: number }
  protected readonly native: Plane
  readonly #why: string | undefined
  readonly #buffer = new Uint8Array(drainOctets)
  /** What is sent within one turn of the event loop leaves at its end, if not before. */
  readonly #messages = new MessageBatch()
  readonly #flush = () => this.#send()
  /** Outcomes that are known here, told before anything that came later. */
  #outcomes: FastPathEvent[] = []
  #receive: ((batch: readonly FastPathEvent[]) => void) | undefined
  #scheduled = false
  #closed = false

  /** `open` is given what wakes this path. Not drained in there: an error thrown into Node-API is only warned of (DEP0168), out of an immediate it is an uncaught one. */
  constructor(open: (wake: () => void) => Plane, why?: string) {
    this.#why = why
    this.native = open(() => this.#schedule())
    this.ports = this.native.ports()
  }

  get description(): string {
    return `${this.kind}, ${this.native.description()}${this.#why ? `; ${this.#why}` : ''}`
  }

  listen(receive: (batch: readonly FastPathEvent[]) => void): void {
    this.#receive = receive
    this.#schedule()
  }

  apply(job: number, changes: readonly Change[]): void {
    // What was sent before goes by what was there before.
    this.#send()
    try {
      withChanges(changes, (octets) => this.applyOctets(job, octets))
    } catch (error) {
      if (!(error instanceof ChangeError)) throw error
      this.told(job, { code: error.code, message: error.message })
    }
  }

  /** Hands the list over; its outcome comes by `told` or as an event. The octets are wiped afterwards. */
  protected abstract applyOctets(job: number, octets: Uint8Array): void

  protected told(job: number, failure: { code: string; message: string } | undefined): void {
    this.#outcomes.push(failure ? { on: 'applied', job, failure } : { on: 'applied', job })
    this.#schedule()
  }

  sendIke(path: Path, octets: Uint8Array): void {
    this.#messages.ike(path, octets)
    this.#sent()
  }

  sendKeepalive(path: Path): void {
    this.#messages.keepalive(path)
    this.#sent()
  }

  sendControl(peer: PeerId, localPort: number, remotePort: number, octets: Uint8Array): void {
    this.#messages.control(peer, localPort, remotePort, octets)
    this.#sent()
  }

  sendPpp(session: SessionId, protocol: number, payload: Uint8Array): void {
    this.#messages.ppp(session, protocol, payload)
    this.#sent()
  }

  activity(): Activity {
    return decodeActivity(this.native.activity())
  }

  counters(): Readonly<Record<string, number>> {
    return this.native.counters()
  }

  async close(): Promise<void> {
    this.#send()
    this.#closed = true
    this.#outcomes = []
    this.native.close()
  }

  #sent(): void {
    if (this.#messages.count === 1) process.nextTick(this.#flush)
    else if (this.#messages.count >= mostTogether) this.#send()
  }

  #send(): void {
    if (this.#messages.count > 0) this.#messages.hand((octets, length) => this.native.send(octets, length))
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
    const result = this.native.drain(this.#buffer)
    const octets = this.#buffer.subarray(0, Math.floor(result / 2))
    const batch = [...this.#outcomes, ...decodeEvents(octets)]
    this.#outcomes = []
    if (result % 2 === 1) this.#schedule()
    if (batch.length > 0) this.#receive(batch)
  }
}

/** What both planes are opened with. */
export function sharedOptions(
  options: FastPathOptions,
): Pick<NativeOptions, 'listen' | 'ikePort' | 'nattPort' | 'tunName' | 'tunAddress' | 'tunPrefix' | 'tunMtu'> {
  const [address, prefix] = tunAddress(options.tunAddress)
  return {
    listen: options.listen.map(octetsOf),
    ikePort: options.ports.ike,
    nattPort: options.ports.natt,
    tunName: options.tunName,
    tunAddress: address,
    tunPrefix: prefix,
    tunMtu: options.tunMtu,
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
