// Between the machines and the fast path of a gateway that survives its own end: what they want done waits until what they know is written down.
// So a restarted daemon never knows less than its peers have seen: no acknowledgement of a message it has forgotten, no message id or number used twice. What
// was written and not yet done is lost like a packet on the way, and retransmission sees to it.
import type { Change, FastPath, FastPathEvent } from '../platform/fast-path.ts'
import type { Path } from '../wire/address.ts'

export class WriteAhead implements FastPath {
  readonly #fastPath: FastPath
  readonly #write: () => void
  readonly #busy: () => boolean
  readonly #guard: (act: () => void) => void
  #waiting: (() => void)[] = []

  /** `write`: everything that changed; `busy`: machines are at work, and `flush` will be called when they have done; `guard` runs what may throw. */
  constructor(
    fastPath: FastPath,
    { write, busy, guard }: { write: () => void; busy: () => boolean; guard: (act: () => void) => void },
  ) {
    this.#fastPath = fastPath
    this.#write = write
    this.#busy = busy
    this.#guard = guard
  }

  get kind(): FastPath['kind'] {
    return this.#fastPath.kind
  }

  get description(): string {
    return this.#fastPath.description
  }

  get ports(): FastPath['ports'] {
    return this.#fastPath.ports
  }

  /** Writes, then does what has waited, in order. */
  flush(): void {
    this.#guard(this.#write)
    const waiting = this.#waiting
    this.#waiting = []
    for (const act of waiting) this.#guard(act)
  }

  listen(receive: (batch: readonly FastPathEvent[]) => void): void {
    this.#fastPath.listen(receive)
  }

  apply(job: number, changes: readonly Change[]): void {
    this.afterwards(() => this.#fastPath.apply(job, changes))
  }

  sendIke(path: Path, octets: Uint8Array): void {
    this.afterwards(() => this.#fastPath.sendIke(path, octets))
  }

  sendKeepalive(path: Path): void {
    this.afterwards(() => this.#fastPath.sendKeepalive(path))
  }

  sendControl(peer: number, localPort: number, remotePort: number, octets: Uint8Array): void {
    this.afterwards(() => this.#fastPath.sendControl(peer, localPort, remotePort, octets))
  }

  sendPpp(session: number, protocol: number, payload: Uint8Array): void {
    this.afterwards(() => this.#fastPath.sendPpp(session, protocol, payload))
  }

  forgetTheRest(): void {
    this.afterwards(() => this.#fastPath.forgetTheRest?.())
  }

  activity(): ReturnType<FastPath['activity']> {
    return this.#fastPath.activity()
  }

  counters(): ReturnType<FastPath['counters']> {
    return this.#fastPath.counters()
  }

  close(): Promise<void> {
    return this.#fastPath.close()
  }

  /** What is to follow on all that was asked for before, in order. */
  afterwards(act: () => void): void {
    this.#waiting.push(act)
    if (!this.#busy()) this.flush()
  }
}
