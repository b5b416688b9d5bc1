// IPCP's options (RFC 1332, RFC 1877): the server gives an address and name servers, the client asks for them.
import type { At } from '../wire/machine.ts'
import type { Judgement, OptionRules } from './control-protocol.ts'
import type { Option } from './wire/control.ts'
import { addressOf, addressOption, IPCP_OPTIONS } from './wire/ipcp-options.ts'
import type { OptionKind } from './wire/option.ts'

export type Ipv4Agreement = {
  readonly ours: string
  readonly peers: string
  readonly dns: readonly string[]
  readonly nbns: readonly string[]
}

export type IpcpServerRecord = {
  readonly agreement: Ipv4Agreement
  readonly insistsOn: string | undefined
  readonly sendAddress: boolean
}

const NONE = '0.0.0.0'

/** The server's side. `grant` is what this user gets. */
export class IpcpServerRules implements OptionRules {
  readonly agreement: Ipv4Agreement
  readonly fault = undefined
  #insistsOn: string | undefined
  #sendAddress = true

  constructor(grant: Ipv4Agreement) {
    this.agreement = grant
  }

  record(): IpcpServerRecord {
    return { agreement: this.agreement, insistsOn: this.#insistsOn, sendAddress: this.#sendAddress }
  }

  static restored({ agreement, insistsOn, sendAddress }: IpcpServerRecord): IpcpServerRules {
    const rules = new IpcpServerRules(agreement)
    rules.#insistsOn = insistsOn
    rules.#sendAddress = sendAddress
    return rules
  }

  /** The address that the peer would not give up, if any: for the log. */
  get insistsOn(): string | undefined {
    return this.#insistsOn
  }

  reset(): void {
    this.#sendAddress = true
  }

  request(): readonly Option[] {
    return this.#sendAddress ? [addressOption(IPCP_OPTIONS.address, this.agreement.ours)] : []
  }

  judge(options: readonly Option[]): Judgement {
    const rejected = options.filter(({ type }) => this.#given(type) === undefined)
    if (rejected.length > 0) return { is: 'reject', options: rejected }
    const naked = options.flatMap((found) => {
      const given = this.#given(found.type)!
      return addressOf(found) === given.address ? [] : [addressOption(given.kind, given.address)]
    })
    // RFC 1332 §3.3: an address that has to be negotiated and isn't in the request is put into a Nak.
    if (!options.some(({ type }) => type === IPCP_OPTIONS.address.type))
      naked.push(addressOption(IPCP_OPTIONS.address, this.agreement.peers))
    return naked.length > 0 ? { is: 'nak', options: naked } : { is: 'ack' }
  }

  /** What the peer is to have under this option, or undefined where the option is not for it. */
  #given(type: number): { kind: OptionKind; address: string } | undefined {
    const { peers, dns, nbns } = this.agreement
    const rows: readonly (readonly [OptionKind, string | undefined])[] = [
      [IPCP_OPTIONS.address, peers],
      [IPCP_OPTIONS.dns1, dns[0]],
      [IPCP_OPTIONS.dns2, dns[1]],
      [IPCP_OPTIONS.nbns1, nbns[0]],
      [IPCP_OPTIONS.nbns2, nbns[1]],
    ]
    const [kind, address] = rows.find(([row]) => row.type === type) ?? []
    return kind && address !== undefined ? { kind, address } : undefined
  }

  agreed(): void {}

  /** Our own address is not the peer's to choose; we ask for the same again. */
  naked(): void {}

  rejected(options: readonly Option[]): void {
    if (options.some(({ type }) => type === IPCP_OPTIONS.address.type)) this.#sendAddress = false
  }

  insisted(options: readonly Option[]): void {
    const address = options.find(({ type }) => type === IPCP_OPTIONS.address.type)
    const asked = address && addressOf(address)
    if (asked !== undefined && asked !== this.agreement.peers) this.#insistsOn = asked
  }
}

/** The client's side: asks for 0.0.0.0 and takes what the server names (RFC 1332 §3.3, RFC 1877 §1). */
export class IpcpClientRules implements OptionRules {
  #asked: Map<OptionKind, string> = new Map()
  #peers = NONE
  #fault: string | undefined

  get fault(): string | undefined {
    return this.#fault
  }

  /** `peers` is 0.0.0.0 where the server doesn't tell its address. */
  get agreement(): Ipv4Agreement {
    // pppd names its only server twice.
    const servers = (...kinds: OptionKind[]) => [
      ...new Set(kinds.flatMap((kind) => this.#asked.get(kind) ?? []).filter((address) => address !== NONE)),
    ]
    return {
      ours: this.#asked.get(IPCP_OPTIONS.address) ?? NONE,
      peers: this.#peers,
      dns: servers(IPCP_OPTIONS.dns1, IPCP_OPTIONS.dns2),
      nbns: [],
    }
  }

  reset(): void {
    this.#asked = new Map<OptionKind, string>([
      [IPCP_OPTIONS.address, NONE],
      [IPCP_OPTIONS.dns1, NONE],
      [IPCP_OPTIONS.dns2, NONE],
    ])
    this.#peers = NONE
  }

  request(): readonly Option[] {
    return [...this.#asked].map(([kind, address]) => addressOption(kind, address))
  }

  judge(options: readonly Option[]): Judgement {
    const rejected = options.filter(
      (found) =>
        found.type !== IPCP_OPTIONS.address.type || addressOf(found) === undefined || addressOf(found) === NONE,
    )
    return rejected.length > 0 ? { is: 'reject', options: rejected } : { is: 'ack' }
  }

  agreed(options: readonly Option[]): void {
    const address = options.find(({ type }) => type === IPCP_OPTIONS.address.type)
    this.#peers = (address && addressOf(address)) ?? NONE
  }

  naked(options: readonly Option[], _at: At): void {
    for (const kind of this.#asked.keys()) {
      const found = options.find(({ type }) => type === kind.type)
      const address = found && addressOf(found)
      if (address !== undefined) this.#asked.set(kind, address)
    }
  }

  rejected(options: readonly Option[]): void {
    for (const kind of [...this.#asked.keys()]) {
      if (options.some(({ type }) => type === kind.type)) this.#asked.delete(kind)
    }
    if (!this.#asked.has(IPCP_OPTIONS.address)) this.#fault = 'the server gives no address to clients'
  }
}
