// IPV6CP's options (RFC 5072 §4): interface identifiers, which must be there, not zero, and not the same at both ends.
import { equal } from '../wire/codec.ts'
import type { At, Random } from '../wire/machine.ts'
import type { Judgement, OptionRules } from './control-protocol.ts'
import type { Option } from './wire/control.ts'
import { IPV6CP_OPTIONS } from './wire/ipv6cp-options.ts'
import { find, option } from './wire/option.ts'

const NONE = new Uint8Array(8)

export type Ipv6cpRecord = {
  readonly preferred: Uint8Array | undefined
  readonly ours: Uint8Array
  readonly peers: Uint8Array
}

export class Ipv6cpRules implements OptionRules {
  readonly #preferred: Uint8Array | undefined
  readonly fault = undefined
  #ours: Uint8Array = NONE
  #peers: Uint8Array = NONE

  /** `preferred`: our identifier, 8 octets; else a random one. */
  constructor(preferred: Uint8Array | undefined) {
    this.#preferred = preferred
  }

  get agreement(): { readonly ours: Uint8Array; readonly peers: Uint8Array } {
    return { ours: this.#ours, peers: this.#peers }
  }

  record(): Ipv6cpRecord {
    return { preferred: this.#preferred, ours: this.#ours, peers: this.#peers }
  }

  static restored({ preferred, ours, peers }: Ipv6cpRecord): Ipv6cpRules {
    const rules = new Ipv6cpRules(preferred)
    rules.#ours = ours
    rules.#peers = peers
    return rules
  }

  reset(at: At): void {
    this.#ours = this.#preferred ?? randomIdentifier(at.random)
    this.#peers = NONE
  }

  request(): readonly Option[] {
    return [option(IPV6CP_OPTIONS.interfaceId, this.#ours)]
  }

  judge(options: readonly Option[], at: At): Judgement {
    const rejected = options.filter(({ type }) => type !== IPV6CP_OPTIONS.interfaceId.type)
    if (rejected.length > 0) return { is: 'reject', options: rejected }
    const asked = find(options, IPV6CP_OPTIONS.interfaceId)
    if (asked && this.#possible(asked.data)) return { is: 'ack' }
    return { is: 'nak', options: [option(IPV6CP_OPTIONS.interfaceId, this.#other(at.random))] }
  }

  #possible(identifier: Uint8Array): boolean {
    return identifier.length === 8 && !equal(identifier, NONE) && !equal(identifier, this.#ours)
  }

  #other(random: Random): Uint8Array {
    for (;;) {
      const identifier = randomIdentifier(random)
      if (this.#possible(identifier)) return identifier
    }
  }

  agreed(options: readonly Option[]): void {
    this.#peers = find(options, IPV6CP_OPTIONS.interfaceId)?.data ?? NONE
  }

  naked(options: readonly Option[], at: At): void {
    const proposed = find(options, IPV6CP_OPTIONS.interfaceId)?.data
    if (!proposed) return
    const fine = proposed.length === 8 && !equal(proposed, NONE) && !equal(proposed, this.#peers)
    this.#ours = fine ? proposed.slice() : randomIdentifier(at.random)
  }

  /** Without an identifier there is nothing to send; we ask again and the count of requests ends it. */
  rejected(): void {}
}

/** Not global: the universal/local bit is clear (RFC 5072 §4.1). */
function randomIdentifier(random: Random): Uint8Array {
  const identifier = random.octets(8).slice()
  identifier[0]! &= 0xfd
  return identifier
}
