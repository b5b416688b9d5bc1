// DNS at the addresses where somebody asks us: the gateway's inner one for clients, and the LAN's of an appliance. An address that isn't there yet (an
// interface that comes up later) is tried again; what stands in the way is said once.
import type { EventLog } from './event-log.ts'
import type { DnsForwarding, Platform } from './platform.ts'

/** Until an address is tried again. */
const retryMs = 10_000

export class Forwarders {
  readonly #platform: Pick<Platform, 'forwardDns' | 'timers'>
  readonly #events: EventLog
  /** By address; undefined: not yet. */
  readonly #open = new Map<string, DnsForwarding | undefined>()
  #cancel: (() => void) | undefined

  constructor(platform: Pick<Platform, 'forwardDns' | 'timers'>, events: EventLog) {
    this.#platform = platform
    this.#events = events
  }

  /** From now on DNS is answered at these addresses and no others. */
  async serve(addresses: readonly string[]): Promise<void> {
    for (const [address, forwarding] of [...this.#open]) {
      if (addresses.includes(address)) continue
      this.#open.delete(address)
      await forwarding?.close()
    }
    for (const address of addresses) {
      if (this.#open.get(address)) continue
      const failure = await this.#try(address)
      if (failure !== undefined)
        this.#events.emit({ event: 'network.trouble', what: `DNS at ${address}`, why: failure })
    }
    this.#arm()
  }

  async close(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    const all = [...this.#open.values()]
    this.#open.clear()
    for (const forwarding of all) await forwarding?.close()
  }

  /** Undefined, or why there is no DNS there. */
  async #try(address: string): Promise<string | undefined> {
    this.#open.set(address, undefined)
    try {
      const forwarding = await this.#platform.forwardDns?.(address)
      if (this.#open.has(address)) this.#open.set(address, forwarding)
      else await forwarding?.close()
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }

  #arm(): void {
    this.#cancel?.()
    this.#cancel = undefined
    const missing = [...this.#open].filter(([, forwarding]) => !forwarding).map(([address]) => address)
    if (missing.length === 0 || !this.#platform.forwardDns) return
    this.#cancel = this.#platform.timers.after(retryMs, () => {
      void Promise.all(missing.map((address) => this.#open.has(address) && this.#try(address))).then(() => this.#arm())
    })
  }
}
