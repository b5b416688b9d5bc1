// The inner addresses that clients get: free ones in turn, a user's last one again where it is free, fixed ones kept for their users.
import { ipv4FromNumber, ipv4Number } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'

/** Both ends belong to it; unsigned numbers. */
export type PoolRange = { readonly first: number; readonly last: number }

export type PoolPlan = {
  readonly ranges: readonly PoolRange[]
  /** Never given out: the gateway's own. */
  readonly excluded: readonly string[]
  /** Fixed addresses by user, inside the ranges or not. */
  readonly fixed: ReadonlyMap<string, string>
}

/**
 * Our own: an address rests so long after its session, so that late packets don't reach the next client. A rest never refuses anybody: where
 * nothing else is free, the address that has rested longest is given out. The same user gets his own back at once.
 */
const restMs = 30_000
/** Our own: so many users' last addresses are remembered. */
const rememberedUsers = 16_384

export class AddressPool {
  #plan: PoolPlan
  #size = 0
  /** Address (number) → user that holds it. */
  readonly #held = new Map<number, string>()
  /** Address → when it was given back, the longest ago first. */
  readonly #resting = new Map<number, Instant>()
  /** User → last address, and the reverse; the least recently seen user first. */
  readonly #last = new Map<string, number>()
  #reserved = new Set<number>()
  /** Where the search for a fresh address goes on: addresses are used again as late as can be. */
  #cursor = 0

  constructor(plan: PoolPlan) {
    this.#plan = plan
    this.change(plan)
  }

  /** Addresses that it can give out, fixed ones inside it included. */
  get size(): number {
    return this.#size
  }

  get used(): number {
    return this.#held.size
  }

  /** An address for the user, or undefined where none is left (or the user's fixed one is held, by another session of his). */
  take(user: string, now: Instant): string | undefined {
    const fixed = this.#plan.fixed.get(user)
    const address = fixed === undefined ? this.#choose(user, now) : this.#free(ipv4Number(fixed)!)
    if (address === undefined) return undefined
    this.#held.set(address, user)
    this.#resting.delete(address)
    if (fixed === undefined) this.#remember(user, address)
    return ipv4FromNumber(address)
  }

  /** An address that a user had before a restart. False: somebody has it, or it is not his any more. */
  hold(user: string, address: string): boolean {
    const value = ipv4Number(address)
    if (value === undefined || this.#held.has(value) || !this.#fits(value, user)) return false
    this.#held.set(value, user)
    if (!this.#plan.fixed.has(user)) this.#remember(user, value)
    return true
  }

  release(address: string, now: Instant): void {
    const value = ipv4Number(address)
    if (value === undefined || !this.#held.delete(value)) return
    this.#resting.delete(value)
    if (this.#contains(value)) this.#resting.set(value, now)
  }

  /** Another plan; what is held stays held. Returns the held addresses that the new plan would not give to their users. */
  change(plan: PoolPlan): string[] {
    this.#plan = plan
    this.#reserved = new Set([...plan.fixed.values(), ...plan.excluded].map((text) => ipv4Number(text)!))
    const excluded = plan.excluded.filter((text) => this.#contains(ipv4Number(text)!)).length
    this.#size = plan.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0) - excluded
    this.#cursor = 0
    for (const address of this.#resting.keys()) if (!this.#contains(address)) this.#resting.delete(address)
    return [...this.#held]
      .filter(([address, user]) => !this.#fits(address, user))
      .map(([address]) => ipv4FromNumber(address))
  }

  #fits(address: number, user: string): boolean {
    const fixed = this.#plan.fixed.get(user)
    return fixed === undefined
      ? this.#contains(address) && !this.#reserved.has(address)
      : fixed === ipv4FromNumber(address)
  }

  #choose(user: string, now: Instant): number | undefined {
    const last = this.#last.get(user)
    if (last !== undefined && this.#contains(last) && this.#usable(last)) return last
    for (const [address, since] of this.#resting) {
      if (now - since < restMs) break
      this.#resting.delete(address)
    }
    const fresh = this.#search((address) => !this.#resting.has(address))
    return fresh ?? [...this.#resting.keys()].find((address) => this.#usable(address))
  }

  /** The first usable address from the cursor on, once around. */
  #search(wanted: (address: number) => boolean): number | undefined {
    const count = this.#plan.ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)
    for (let i = 0; i < count; i++) {
      const at = (this.#cursor + i) % count
      const address = this.#at(at)
      if (!this.#usable(address) || !wanted(address)) continue
      this.#cursor = at + 1
      return address
    }
    return undefined
  }

  #at(index: number): number {
    let left = index
    for (const { first, last } of this.#plan.ranges) {
      if (left <= last - first) return first + left
      left -= last - first + 1
    }
    throw new RangeError(`the pool has no address ${index}`)
  }

  #usable(address: number): boolean {
    return !this.#held.has(address) && !this.#reserved.has(address)
  }

  #free(address: number): number | undefined {
    return this.#held.has(address) ? undefined : address
  }

  #contains(address: number): boolean {
    return this.#plan.ranges.some(({ first, last }) => address >= first && address <= last)
  }

  #remember(user: string, address: number): void {
    this.#last.delete(user)
    this.#last.set(user, address)
    if (this.#last.size > rememberedUsers) this.#last.delete(this.#last.keys().next().value!)
  }
}
