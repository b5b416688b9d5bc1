// Changes to the fast path: numbered, their outcomes told to whoever waits, refusals reported.
import type { SaPair, Traffic } from '../ike/contract.ts'
import type { Change, FastPath, FastPathEvent, TunnelSelector } from '../platform/fast-path.ts'
import { showNetwork } from '../wire/network.ts'
import type { EventLog } from './event-log.ts'

export class Changes {
  readonly #fastPath: FastPath
  readonly #events: EventLog
  readonly #waiting = new Map<number, { readonly what: string; readonly back: (failure: string | undefined) => void }>()
  #jobs = 0
  #closed = false

  constructor(fastPath: FastPath, events: EventLog) {
    this.#fastPath = fastPath
    this.#events = events
  }

  /** All of the list or none of it; `what` names it where it is refused. */
  apply(changes: readonly Change[], what: string, back: (failure: string | undefined) => void = () => {}): void {
    const job = ++this.#jobs
    this.#waiting.set(job, { what, back })
    this.#fastPath.apply(job, changes)
  }

  applied({ job, failure, note }: Extract<FastPathEvent, { readonly on: 'applied' }>): void {
    const { what, back } = this.#waiting.get(job) ?? {}
    this.#waiting.delete(job)
    if (failure && what !== undefined && !this.#closed)
      this.#events.emit({ event: 'fastpath.refused', what, ...failure })
    if (note !== undefined && !this.#closed) this.#events.emit({ event: 'fastpath.offload', note })
    back?.(failure && `${failure.message} (${failure.code})`)
  }

  /** Nothing is reported any more. */
  close(): void {
    this.#closed = true
  }
}

/** What installs a pair. */
export function changesOf(pair: SaPair, newPeer: boolean): Change[] {
  const { cipher, hash } = pair.proposal
  return [
    ...(newPeer ? [{ do: 'addPeer', peer: pair.peer } as const] : []),
    {
      do: 'addPair',
      peer: pair.peer,
      path: pair.path,
      encapsulated: pair.encapsulated,
      mode: pair.mode,
      ...(pair.tunnel ? { tunnel: { id: pair.tunnel.site, selector: selectorOf(pair.tunnel.traffic) } } : {}),
      inbound: { ...pair.inbound, cipher, hash, esn: pair.esn },
      outbound: { ...pair.outbound, cipher, hash, esn: pair.esn },
      use: pair.use,
      replayWindow: pair.replayWindow,
      ...(pair.natOa ? { natOa: pair.natOa } : {}),
    },
  ]
}

/** Traffic as the fast path takes it. */
export function selectorOf({ source, destination, protocol, sourcePort, destinationPort }: Traffic): TunnelSelector {
  return {
    local: showNetwork(source),
    remote: showNetwork(destination),
    protocol,
    localPort: sourcePort,
    remotePort: destinationPort,
  }
}

/** Our copy of the keys, once the fast path has its own. */
export function wipe({ inbound, outbound }: SaPair): void {
  for (const { cipherKey, integrityKey } of [inbound, outbound]) {
    cipherKey.fill(0)
    integrityKey.fill(0)
  }
}
