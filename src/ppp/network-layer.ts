// The network protocols of one link: IPCP and, where wanted, IPV6CP. Neither of them ends the link by failing (RFC 1661 §3.7):
// what is left when all have is the link's to judge.
import { hex } from '../wire/codec.ts'
import { WireError } from '../wire/errors.ts'
import type { At, Instant } from '../wire/machine.ts'
import { ControlProtocol, type ControlRecord, type Output, type Restart } from './control-protocol.ts'
import { IpcpClientRules, type IpcpServerRecord, IpcpServerRules, type Ipv4Agreement } from './ipcp.ts'
import { type Ipv6cpRecord, Ipv6cpRules } from './ipv6cp.ts'
import { CODES, NCP_CODES } from './wire/control.ts'
import { PROTOCOL } from './wire/protocols.ts'

/** Ours: in the network phase a peer listens already, so our request is repeated at once only where it is old. */
const REPEAT_AFTER_MS = 200

export type NetworkOutput =
  | { readonly is: 'send'; readonly protocol: number; readonly octets: Uint8Array }
  | { readonly is: 'opened'; readonly protocol: 'ipcp' | 'ipv6cp'; readonly address: string }
  | { readonly is: 'closed'; readonly protocol: 'ipcp' | 'ipv6cp' }
  /** A sentence. */
  | { readonly is: 'failed'; readonly protocol: 'ipcp' | 'ipv6cp'; readonly why: string }
  | { readonly is: 'invalid'; readonly why: string }

type Name = 'ipcp' | 'ipv6cp'

export type NetworkRecord = {
  readonly ipcp: { readonly control: ControlRecord; readonly rules: IpcpServerRecord }
  readonly ipv6cp: { readonly control: ControlRecord; readonly rules: Ipv6cpRecord } | undefined
  readonly told: ReadonlySet<Name>
}

export class NetworkLayer {
  readonly #ipcp: ControlProtocol<IpcpServerRules | IpcpClientRules>
  readonly #ipv6cp: ControlProtocol<Ipv6cpRules> | undefined
  /** Protocols whose failure was said. */
  readonly #told: Set<Name> = new Set()

  /** `grant`: what the server gives; undefined in the client's role. `ipv6`: whether to speak it, with 8 octets as our identifier if given. */
  constructor(
    restart: Restart,
    grant: Ipv4Agreement | undefined,
    ipv6: { interfaceId: Uint8Array | undefined } | undefined,
    former?: NetworkRecord,
  ) {
    const options = { codes: NCP_CODES, restart, repeatAfterMs: REPEAT_AFTER_MS }
    this.#ipcp = new ControlProtocol<IpcpServerRules | IpcpClientRules>(
      former ? IpcpServerRules.restored(former.ipcp.rules) : grant ? new IpcpServerRules(grant) : new IpcpClientRules(),
      options,
    )
    const ipv6Rules = former?.ipv6cp
      ? Ipv6cpRules.restored(former.ipv6cp.rules)
      : ipv6 && new Ipv6cpRules(ipv6.interfaceId)
    this.#ipv6cp = ipv6Rules && new ControlProtocol(ipv6Rules, options)
    if (!former) return
    this.#ipcp.restore(former.ipcp.control)
    if (former.ipv6cp) this.#ipv6cp?.restore(former.ipv6cp.control)
    for (const name of former.told) this.#told.add(name)
  }

  /** The server's side, as plain data; undefined in the client's role. */
  record(): NetworkRecord | undefined {
    const { rules } = this.#ipcp
    if (!(rules instanceof IpcpServerRules)) return undefined
    return {
      ipcp: { control: this.#ipcp.record(), rules: rules.record() },
      ipv6cp: this.#ipv6cp && { control: this.#ipv6cp.record(), rules: this.#ipv6cp.rules.record() },
      told: this.#told,
    }
  }

  get deadline(): Instant | undefined {
    const due = [this.#ipcp.deadline, this.#ipv6cp?.deadline].filter((at) => at !== undefined)
    return due.length === 0 ? undefined : Math.min(...due)
  }

  get ipv4(): Ipv4Agreement | undefined {
    return this.#ipcp.state === 'Opened' ? this.#ipcp.rules.agreement : undefined
  }

  get ipv6(): { readonly ours: Uint8Array; readonly peers: Uint8Array } | undefined {
    return this.#ipv6cp?.state === 'Opened' ? this.#ipv6cp.rules.agreement : undefined
  }

  get anyOpen(): boolean {
    return this.ipv4 !== undefined || this.ipv6 !== undefined
  }

  /** Whether the protocol, or the control protocol of it, is one of ours. */
  speaks(protocol: number): boolean {
    return protocol === PROTOCOL.ipcp || protocol === PROTOCOL.ip || this.#named(protocol) !== undefined
  }

  start(at: At): readonly NetworkOutput[] {
    return this.#each(at, (control) => control.start(at))
  }

  lowerDown(at: At): readonly NetworkOutput[] {
    return this.#each(at, (control) => control.lowerDown(at))
  }

  tick(at: At): readonly NetworkOutput[] {
    return this.#each(at, (control) => control.tick(at))
  }

  receive(protocol: number, payload: Uint8Array, at: At): readonly NetworkOutput[] {
    const name = this.#named(protocol)
    if (!name || protocol === PROTOCOL.ip || protocol === PROTOCOL.ipv6) return []
    try {
      const control = this.#control(name)
      // Rejected before, and now the peer speaks it itself.
      const woken = control.state === 'Starting' && payload[0] === CODES['Configure-Request'] ? control.start(at) : []
      return this.#outputs(name, [...woken, ...control.receive(payload, at)], at)
    } catch (error) {
      if (error instanceof WireError) return [{ is: 'invalid', why: `${name.toUpperCase()}: ${error.message}` }]
      throw error
    }
  }

  /**
   * The peer doesn't speak it: as if the layer below were gone, so that not even a Terminate-Request goes out (RFC 1661 §5.7). The table's RXJ- would send one,
   * and §4.3 means it for LCP.
   */
  rejected(protocol: number, at: At): readonly NetworkOutput[] {
    const name = this.#named(protocol)
    if (!name) return []
    const closed = this.#outputs(name, this.#control(name).lowerDown(at), at)
    return [...closed, ...this.#failed(name, 'the peer does not speak it')]
  }

  #named(protocol: number): Name | undefined {
    if (protocol === PROTOCOL.ipcp || protocol === PROTOCOL.ip) return 'ipcp'
    return this.#ipv6cp && (protocol === PROTOCOL.ipv6cp || protocol === PROTOCOL.ipv6) ? 'ipv6cp' : undefined
  }

  #control(name: Name): ControlProtocol {
    return name === 'ipcp' ? this.#ipcp : this.#ipv6cp!
  }

  #each(at: At, act: (control: ControlProtocol) => readonly Output[]): readonly NetworkOutput[] {
    const names: Name[] = this.#ipv6cp ? ['ipcp', 'ipv6cp'] : ['ipcp']
    return names.flatMap((name) => this.#outputs(name, act(this.#control(name)), at))
  }

  #outputs(name: Name, outputs: readonly Output[], at: At): readonly NetworkOutput[] {
    return outputs.flatMap((output): readonly NetworkOutput[] => {
      switch (output.is) {
        case 'send':
          return [{ is: 'send', protocol: PROTOCOL[name], octets: output.octets }]
        case 'up':
          return this.#opened(name, at)
        case 'down':
          return [{ is: 'closed', protocol: name }]
        case 'finished':
          return this.#failed(name, this.#failure(name, output.silent))
        case 'fault':
          return [...this.#failed(name, output.why), ...this.#close(name, at)]
        case 'invalid':
          return [{ is: 'invalid', why: `${name.toUpperCase()}: ${output.why}` }]
        default:
          return []
      }
    })
  }

  #opened(name: Name, at: At): readonly NetworkOutput[] {
    const address = this.#address(name)
    // A server that acknowledges 0.0.0.0 gave nothing.
    if (address === '0.0.0.0') return [...this.#failed(name, 'the server gave no address'), ...this.#close(name, at)]
    this.#told.delete(name)
    return [{ is: 'opened', protocol: name, address }]
  }

  #close(name: Name, at: At): readonly NetworkOutput[] {
    return this.#outputs(name, this.#control(name).close(new Uint8Array(), at), at)
  }

  /** Said once, until it opens. */
  #failed(name: Name, why: string): readonly NetworkOutput[] {
    if (this.#told.has(name)) return []
    this.#told.add(name)
    return [{ is: 'failed', protocol: name, why }]
  }

  /** Of the user: what the server gave, what the client got. */
  #address(name: Name): string {
    if (name === 'ipv6cp') return hex(this.#ipv6cp!.rules.agreement.peers).replace(/(.{4})(?=.)/g, '$1:')
    const { rules } = this.#ipcp
    return rules instanceof IpcpServerRules ? rules.agreement.peers : rules.agreement.ours
  }

  #failure(name: Name, silent: boolean): string {
    if (silent) return 'the peer never answered'
    const { rules } = this.#ipcp
    if (name === 'ipcp' && rules instanceof IpcpServerRules && rules.insistsOn !== undefined)
      return `the client insists on the inner address ${rules.insistsOn} and was given ${rules.agreement.peers}: let it take its address from the server`
    return 'the peer did not agree, or closed it'
  }
}
