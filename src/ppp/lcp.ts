// LCP's options (RFC 1661 §6): what we ask for, what we take, and the authentication that both ends settle on.
import type { AuthKind } from '../auth/contract.ts'
import { KIND_NAMES } from '../auth/names.ts'
import type { At, Random } from '../wire/machine.ts'
import type { Judgement, OptionRules } from './control-protocol.ts'
import type { Option } from './wire/control.ts'
import { authenticationKind, authenticationName, authenticationOption, LCP_OPTIONS } from './wire/lcp-options.ts'
import { kindOf, numberOf, numberOption, type OptionKind, option } from './wire/option.ts'

/** RFC 1661 §6.1: assumed where nothing is said, and always to be received. */
export const DEFAULT_MRU = 1500
/** Ours: below this nothing useful fits, nor do our Code-Rejects and Protocol-Rejects (control-protocol.ts). */
const LEAST_MRU = 128
/** Ours: requests with our own magic number one after the other, until the link counts as looped back (RFC 1661 §6.4). */
const LOOPS = 5

export type LcpSettings = {
  readonly role: 'server' | 'client'
  /** Octets. */
  readonly mru: number
  /** Server: what may be asked for, best first. Client: what it agrees to. */
  readonly authentication: readonly AuthKind[]
}

/** What the peer's acknowledged request says. */
export type LcpPeer = {
  readonly mru: number
  /** It receives frames without FF 03, and with short protocol fields. */
  readonly acfc: boolean
  readonly pfc: boolean
  /** How it wants us to authenticate ourselves. */
  readonly authentication: AuthKind | undefined
}

/** What was agreed and asked for, as it is written down. */
export type LcpRecord = {
  readonly peer: LcpPeer
  readonly mru: number | undefined
  readonly magic: number | undefined
  readonly acfc: boolean
  readonly pfc: boolean
  readonly candidates: readonly AuthKind[]
  readonly wanted: ReadonlySet<string>
  readonly loops: number
  readonly fault: string | undefined
}

const SILENT_PEER: LcpPeer = { mru: DEFAULT_MRU, acfc: false, pfc: false, authentication: undefined }

export class LcpRules implements OptionRules {
  readonly #settings: LcpSettings
  #peer: LcpPeer = SILENT_PEER
  #mru: number | undefined
  #magic: number | undefined
  #acfc = true
  #pfc = true
  /** Kinds that the peer hasn't refused; the first is asked for. */
  #candidates: readonly AuthKind[] = []
  /** What the peer named instead, or as a server demanded of us, and we don't allow. */
  #wanted: ReadonlySet<string> = new Set()
  #loops = 0
  #fault: string | undefined

  constructor(settings: LcpSettings) {
    this.#settings = settings
  }

  get fault(): string | undefined {
    return this.#fault
  }

  record(): LcpRecord {
    return {
      peer: this.#peer,
      mru: this.#mru,
      magic: this.#magic,
      acfc: this.#acfc,
      pfc: this.#pfc,
      candidates: this.#candidates,
      wanted: this.#wanted,
      loops: this.#loops,
      fault: this.#fault,
    }
  }

  restore(record: LcpRecord): void {
    this.#peer = record.peer
    this.#mru = record.mru
    this.#magic = record.magic
    this.#acfc = record.acfc
    this.#pfc = record.pfc
    this.#candidates = record.candidates
    this.#wanted = record.wanted
    this.#loops = record.loops
    this.#fault = record.fault
  }

  get peer(): LcpPeer {
    return this.#peer
  }

  /** Our magic number, or 0 where none is in use. */
  get magic(): number {
    return this.#magic ?? 0
  }

  /** The server: the kind that we ask for. */
  get asked(): AuthKind | undefined {
    return this.#settings.role === 'server' ? this.#candidates[0] : undefined
  }

  /** Why no authentication came about; undefined where that isn't the fault. */
  get impossible(): string | undefined {
    return this.#fault !== undefined && this.#loops < LOOPS ? this.#fault : undefined
  }

  reset(at: At): void {
    const { mru, authentication, role } = this.#settings
    this.#peer = SILENT_PEER
    this.#mru = mru === DEFAULT_MRU ? undefined : mru
    this.#magic = newMagic(at.random)
    this.#acfc = true
    this.#pfc = true
    this.#candidates = role === 'server' ? authentication : []
    this.#wanted = new Set()
    this.#fault = undefined
  }

  request(): readonly Option[] {
    const options: Option[] = []
    if (this.#mru !== undefined) options.push(numberOption(LCP_OPTIONS.mru, this.#mru))
    if (this.asked) options.push(authenticationOption(this.asked))
    if (this.#magic !== undefined) options.push(numberOption(LCP_OPTIONS.magic, this.#magic))
    if (this.#pfc) options.push(option(LCP_OPTIONS.pfc))
    if (this.#acfc) options.push(option(LCP_OPTIONS.acfc))
    return options
  }

  judge(options: readonly Option[], at: At): Judgement {
    const rejected = options.filter((found) => this.#refuses(found))
    if (rejected.length > 0) return { is: 'reject', options: rejected }
    const naked = options.flatMap((found) => this.#correction(found, at.random) ?? [])
    return naked.length > 0 ? { is: 'nak', options: naked } : { is: 'ack' }
  }

  /** Options that we don't speak, and a peer that wants a server, or an end without credentials, to authenticate itself. */
  #refuses(found: Option): boolean {
    const kind = kindOf(LCP_OPTIONS, found)
    if (kind === LCP_OPTIONS.authentication)
      return this.#settings.role === 'server' || this.#settings.authentication.length === 0
    // A boolean with a value (RFC 1661 §5.3): there is none to propose instead.
    return !NEGOTIABLE.has(kind) || (kind?.octets === 0 && found.data.length > 0)
  }

  /** The value that we would take instead, or undefined where the option is fine as it is. */
  #correction(found: Option, random: Random): Option | undefined {
    const kind = kindOf(LCP_OPTIONS, found)!
    const misshapen = kind.octets !== undefined && kind.octets !== found.data.length
    switch (kind) {
      case LCP_OPTIONS.mru:
        if (misshapen) return numberOption(kind, DEFAULT_MRU)
        return numberOf(found) < LEAST_MRU ? numberOption(kind, LEAST_MRU) : undefined
      case LCP_OPTIONS.magic:
        return this.#magicCorrection(found, misshapen, random)
      case LCP_OPTIONS.authentication: {
        const named = authenticationKind(found)
        if (named && this.#settings.authentication.includes(named)) return undefined
        this.#wanted = new Set([...this.#wanted, named ? KIND_NAMES[named] : authenticationName(found)])
        return authenticationOption(this.#settings.authentication[0]!)
      }
      default:
        return misshapen ? option(kind, new Uint8Array(kind.octets!)) : undefined
    }
  }

  /** RFC 1661 §6.4: zero is illegal, and our own number means that we may be talking to ourselves. */
  #magicCorrection(found: Option, misshapen: boolean, random: Random): Option | undefined {
    const same = !misshapen && numberOf(found) === this.#magic
    this.#loops = same ? this.#loops + 1 : 0
    if (this.#loops >= LOOPS) this.looped()
    return misshapen || same || numberOf(found) === 0 ? numberOption(LCP_OPTIONS.magic, newMagic(random)) : undefined
  }

  /** Our own packets come back: the lower layer is a mirror. */
  looped(): void {
    this.#loops = LOOPS
    this.#fault = 'our own LCP packets come back to us: the link is looped back'
  }

  agreed(options: readonly Option[]): void {
    const has = (kind: OptionKind) => options.find(({ type }) => type === kind.type)
    const mru = has(LCP_OPTIONS.mru)
    const authentication = has(LCP_OPTIONS.authentication)
    this.#peer = {
      mru: mru ? numberOf(mru) : DEFAULT_MRU,
      acfc: has(LCP_OPTIONS.acfc) !== undefined,
      pfc: has(LCP_OPTIONS.pfc) !== undefined,
      authentication: authentication && authenticationKind(authentication),
    }
  }

  naked(options: readonly Option[], at: At): void {
    for (const found of options) {
      if (found.type === LCP_OPTIONS.mru.type) {
        const proposed = numberOf(found)
        this.#mru = found.data.length === 2 && proposed >= LEAST_MRU && proposed < DEFAULT_MRU ? proposed : undefined
      } else if (found.type === LCP_OPTIONS.magic.type) this.#magic = newMagic(at.random)
      else if (found.type === LCP_OPTIONS.pfc.type) this.#pfc = false
      else if (found.type === LCP_OPTIONS.acfc.type) this.#acfc = false
    }
    const instead = options.filter(({ type }) => type === LCP_OPTIONS.authentication.type)
    if (this.asked && instead.length > 0) this.#otherAuthentication(instead)
  }

  /** The best kind that the peer names, of those that we allow and it hasn't refused; else our next one. */
  #otherAuthentication(instead: readonly Option[]): void {
    const named = instead.map(authenticationKind)
    const left = this.#candidates.slice(1)
    const best = left.find((kind) => named.includes(kind))
    this.#candidates = best ? [best, ...left.filter((kind) => kind !== best)] : left
    const names = instead.map((found, i) => (named[i] ? KIND_NAMES[named[i]] : authenticationName(found)))
    this.#wanted = new Set([...this.#wanted, ...names])
    if (this.#candidates.length === 0) this.#impossible()
  }

  rejected(options: readonly Option[]): void {
    for (const { type } of options) {
      if (type === LCP_OPTIONS.mru.type) this.#mru = undefined
      else if (type === LCP_OPTIONS.magic.type) this.#magic = undefined
      else if (type === LCP_OPTIONS.pfc.type) this.#pfc = false
      else if (type === LCP_OPTIONS.acfc.type) this.#acfc = false
      else if (type === LCP_OPTIONS.authentication.type) this.#impossible()
    }
  }

  insisted(options: readonly Option[]): void {
    const authentication = options.find(({ type }) => type === LCP_OPTIONS.authentication.type)
    const named = authentication && authenticationKind(authentication)
    if (authentication && !(named && this.#settings.authentication.includes(named))) this.#impossible()
  }

  #impossible(): void {
    const ours = this.#settings.authentication.map((kind) => KIND_NAMES[kind]).join(', ')
    const theirs = [...this.#wanted].join(', ')
    this.#fault =
      this.#settings.role === 'client'
        ? `the server demands ${theirs} as PPP authentication, and we agree to ${ours} only`
        : theirs === ''
          ? `the client refuses to authenticate itself by PPP (asked for: ${ours}): enter a user name and password there, and allow one of these kinds`
          : `the client does not agree to any PPP authentication allowed here (${ours}); it proposes ${theirs}: allow one of ours in the client, or its own under remoteAccess.authentication`
  }
}

const NEGOTIABLE: ReadonlySet<OptionKind | undefined> = new Set([
  LCP_OPTIONS.mru,
  LCP_OPTIONS.accm,
  LCP_OPTIONS.authentication,
  LCP_OPTIONS.magic,
  LCP_OPTIONS.pfc,
  LCP_OPTIONS.acfc,
])

function newMagic(random: Random): number {
  for (;;) {
    const magic = numberOf({ type: 0, data: random.octets(4) })
    if (magic !== 0) return magic
  }
}
