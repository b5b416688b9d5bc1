// The octets that go between this process's JavaScript and its native data planes: changes down (native/pipeline/commands.cc reads them), events and
// counters up (events.cc and control.cc write them). Big-endian; the two sides are built together, so there is no version.
import { addressOctets, addressText, type Path } from '../wire/address.ts'
import { Reader } from '../wire/codec.ts'
import type {
  Activity,
  Change,
  EspSa,
  FastPathEvent,
  PairCounters,
  SessionCounters,
  TunnelCounters,
  TunnelSelector,
} from './fast-path.ts'

/** A mistake of the caller: a change that can't even be written down. `code` is one of those that `applied` carries. */
export class ChangeError extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.name = 'ChangeError'
    this.code = code
  }
}

const changeCode = {
  addPeer: 1,
  removePeer: 2,
  addPair: 3,
  useOutbound: 4,
  removePair: 5,
  move: 6,
  addSession: 7,
  configureSession: 8,
  removeSession: 9,
  setTunnel: 10,
  removeTunnel: 11,
} as const satisfies Record<Change['do'], number>

/**
 * Gives the octets of a list of changes to `use`. They contain keys, and there is no other copy: they are wiped when it returns. Throws ChangeError, and what
 * `use` throws.
 */
export function withChanges<Result>(changes: readonly Change[], use: (octets: Uint8Array) => Result): Result {
  try {
    for (const change of changes) putChange(changesWritten, change)
    return use(changesWritten.written())
  } finally {
    changesWritten.clear()
  }
}

/** As wire's Writer, but it leaves no copy of secrets behind when it grows, and is used again and again: to allocate it anew costs more than to write. */
class SecretWriter {
  readonly #usual: number
  #octets: Uint8Array
  #length = 0

  /** `usual`: so much is kept; what it grows beyond goes when it is cleared. */
  constructor(usual: number) {
    this.#usual = usual
    this.#octets = new Uint8Array(usual)
  }

  get length(): number {
    return this.#length
  }

  /** Begins with what was written. */
  get octets(): Uint8Array {
    return this.#octets
  }

  u8(value: number): this {
    this.#grow(1)
    this.#octets[this.#length++] = value
    return this
  }

  u16(value: number): this {
    this.#grow(2)
    this.#octets[this.#length++] = value >>> 8
    this.#octets[this.#length++] = value
    return this
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff)
  }

  put(octets: Uint8Array): this {
    this.#grow(octets.length)
    this.#octets.set(octets, this.#length)
    this.#length += octets.length
    return this
  }

  /** A view of the only copy. */
  written(): Uint8Array {
    return this.#octets.subarray(0, this.#length)
  }

  clear(): void {
    this.#octets.fill(0, 0, this.#length)
    this.#length = 0
    if (this.#octets.length > this.#usual) this.#octets = new Uint8Array(this.#usual)
  }

  #grow(by: number): void {
    const length = this.#length + by
    if (length <= this.#octets.length) return
    const larger = new Uint8Array(Math.max(2 * this.#octets.length, length))
    larger.set(this.#octets)
    this.#octets.fill(0)
    this.#octets = larger
  }
}

const changesWritten = new SecretWriter(4096)

const messageCode = { ike: 1, keepalive: 2, control: 3, ppp: 4 } as const

/** Messages on their way down, one after the other in one array (native/pipeline/messages.h reads them). They may hold a password: `clear` wipes them. */
export class MessageBatch {
  readonly #to = new SecretWriter(32 * 1024)
  #count = 0

  get count(): number {
    return this.#count
  }

  ike(path: Path, octets: Uint8Array): void {
    this.#begin(messageCode.ike)
    putPath(this.#to, path)
    this.#to.u32(octets.length).put(octets)
  }

  keepalive(path: Path): void {
    this.#begin(messageCode.keepalive)
    putPath(this.#to, path)
  }

  control(peer: number, localPort: number, remotePort: number, octets: Uint8Array): void {
    this.#begin(messageCode.control)
    this.#to.u32(peer).u16(localPort).u16(remotePort).u32(octets.length).put(octets)
  }

  ppp(session: number, protocol: number, payload: Uint8Array): void {
    this.#begin(messageCode.ppp)
    this.#to.u32(session).u16(protocol).u32(payload.length).put(payload)
  }

  /** Gives an array and how much of its beginning was written. */
  hand(to: (octets: Uint8Array, length: number) => void): void {
    try {
      to(this.#to.octets, this.#to.length)
    } finally {
      this.clear()
    }
  }

  clear(): void {
    this.#to.clear()
    this.#count = 0
  }

  #begin(code: number): void {
    this.#count++
    this.#to.u8(code)
  }
}

function putChange(to: SecretWriter, change: Change): void {
  to.u8(changeCode[change.do])
  switch (change.do) {
    case 'addPeer':
    case 'removePeer':
      putId(to, change.peer)
      return
    case 'addPair':
      putPair(to, change)
      return
    case 'useOutbound':
    case 'removePair':
      putId(to, change.peer)
      to.u32(change.inboundSpi)
      return
    case 'move':
      putId(to, change.peer)
      putPath(to, change.path)
      return
    case 'addSession':
      putId(to, change.session)
      putId(to, change.peer)
      for (const ids of [change.local, change.remote]) to.u16(ids.tunnel).u16(ids.session).u16(ids.port)
      putFlag(to, change.sequencing)
      return
    case 'configureSession':
      putConfiguration(to, change)
      return
    case 'removeSession':
      putId(to, change.session)
      return
    case 'setTunnel':
      putId(to, change.tunnel)
      // hold, transport
      to.u8((change.hold ? 1 : 0) | (change.transport ? 2 : 0))
      to.u16(change.selectors.length)
      for (const selector of change.selectors) putSelector(to, selector)
      return
    case 'removeTunnel':
      putId(to, change.tunnel)
  }
}

function putPair(to: SecretWriter, pair: Change & { do: 'addPair' }): void {
  putId(to, pair.peer)
  putPath(to, pair.path)
  putFlag(to, pair.encapsulated)
  putFlag(to, pair.use)
  to.u16(pair.replayWindow)
  putFlag(to, pair.natOa !== undefined)
  if (pair.natOa) {
    putAddress(to, pair.natOa.ours)
    putAddress(to, pair.natOa.peers)
  }
  // L2TP's, a tunnel's, or a tunnel's in transport mode.
  to.u8(pair.tunnel === undefined ? 0 : pair.mode === 'tunnel' ? 1 : 2)
  if (pair.tunnel) {
    putId(to, pair.tunnel.id)
    putSelector(to, pair.tunnel.selector)
  }
  putSa(to, pair.inbound)
  putSa(to, pair.outbound)
}

function putSelector(to: SecretWriter, selector: TunnelSelector): void {
  for (const text of [selector.local, selector.remote]) {
    const [address, prefix] = splitNetwork(text)
    putAddress(to, address)
    to.u8(prefix)
  }
  to.u8(selector.protocol).u16(selector.localPort).u16(selector.remotePort)
}

function putSa(to: SecretWriter, sa: EspSa): void {
  to.u32(sa.spi)
  putText(to, sa.cipher)
  putText(to, sa.hash ?? '')
  putFlag(to, sa.esn)
  putShort(to, sa.cipherKey, 'cipher key')
  putShort(to, sa.integrityKey, 'integrity key')
}

function putConfiguration(to: SecretWriter, session: Change & { do: 'configureSession' }): void {
  putId(to, session.session)
  putFlag(to, session.acfc)
  putFlag(to, session.pfc)
  putFlag(to, session.anySource ?? false)
  to.u16(Math.min(session.mtu, 0xffff))
  if (session.address === undefined) to.u8(0)
  else putAddress(to, session.address)
  to.u16(session.networks.length)
  for (const network of session.networks) {
    const [address, prefix] = splitNetwork(network)
    putAddress(to, address)
    to.u8(prefix)
  }
  putFlag(to, session.interfaceId !== undefined)
  if (session.interfaceId) {
    if (session.interfaceId.length !== 8) throw new ChangeError('bad-interface-id', 'an interface id has 8 octets')
    to.put(session.interfaceId)
  }
}

/** `10.0.0.0/8` as address and prefix length. Throws ChangeError. */
export function splitNetwork(text: string): [string, number] {
  const [address, digits, more] = text.split('/')
  const octets = address === undefined ? undefined : addressOctets(address)
  const prefix = digits !== undefined && /^\d{1,3}$/.test(digits) ? Number(digits) : Number.NaN
  if (!octets || more !== undefined || !(prefix <= octets.length * 8))
    throw new ChangeError('bad-network', `'${text}' is no network`)
  return [address!, prefix]
}

function putId(to: SecretWriter, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id > 0xffff_ffff) throw new ChangeError('bad-id', `${id} is no id`)
  to.u32(id)
}

function putFlag(to: SecretWriter, flag: boolean): void {
  to.u8(flag ? 1 : 0)
}

/** Names of algorithms: ASCII. */
function putText(to: SecretWriter, text: string): void {
  if (text.length > 255) throw new ChangeError('unknown-algorithm', `a name of ${text.length} characters`)
  to.u8(text.length)
  for (let i = 0; i < text.length; i++) to.u8(text.charCodeAt(i))
}

function putShort(to: SecretWriter, octets: Uint8Array, what: string): void {
  if (octets.length > 255) throw new ChangeError('bad-key-length', `a ${what} of ${octets.length} octets`)
  to.u8(octets.length).put(octets)
}

function putAddress(to: SecretWriter, text: string): void {
  const octets = addressOctets(text)
  if (!octets) throw new ChangeError('bad-address', `'${text}' is no address`)
  to.u8(octets.length).put(octets)
}

function putPath(to: SecretWriter, path: Path): void {
  for (const { address, port } of [path.local, path.remote]) {
    putAddress(to, address)
    to.u16(port)
  }
}

function takeEndpoint(from: Reader) {
  const address = addressText(from.take(from.u8('family'), 'address'))
  return { address, port: from.u16('port') }
}

function takePath(from: Reader): Path {
  return { local: takeEndpoint(from), remote: takeEndpoint(from) }
}

/** Events of one drain. What they carry is copied, so that the buffer can be used again. */
export function decodeEvents(octets: Uint8Array): FastPathEvent[] {
  const events: FastPathEvent[] = []
  const from = new Reader(octets)
  while (from.remaining > 0) events.push(takeEvent(from.within(from.u32('length'), 'event')))
  return events
}

function takeEvent(from: Reader): FastPathEvent {
  const kind = from.u8('kind')
  switch (kind) {
    case 1: {
      const overflowed = from.u32('overflowed')
      const path = takePath(from)
      const octets = from.rest().slice()
      return overflowed === 0 ? { on: 'ike', path, octets } : { on: 'ike', path, octets, overflowed }
    }
    case 2: {
      const peer = from.u32('peer')
      const localPort = from.u16('local port')
      const remotePort = from.u16('remote port')
      return { on: 'control', peer, localPort, remotePort, octets: from.rest().slice() }
    }
    case 3: {
      const session = from.u32('session')
      const protocol = from.u16('protocol')
      return { on: 'ppp', session, protocol, payload: from.rest().slice() }
    }
    case 4: {
      const session = from.u32('session')
      return { on: 'dhcp', session, packet: from.rest().slice() }
    }
    case 5: {
      const peer = from.u32('peer')
      const tunnel = from.u16('tunnel')
      return { on: 'strayData', peer, tunnel, session: from.u16('session') }
    }
    case 6: {
      const peer = from.u32('peer')
      const inboundSpi = from.u32('spi')
      return { on: 'moved', peer, inboundSpi, path: takePath(from) }
    }
    case 7: {
      const peer = from.u32('peer')
      const inboundSpi = from.u32('spi')
      const octets = from.u8('truncation')
      return octets === 0
        ? { on: 'pairUsed', peer, inboundSpi }
        : { on: 'pairUsed', peer, inboundSpi, truncation: octets === 12 ? 96 : 128 }
    }
    case 8: {
      const peer = from.u32('peer')
      return { on: 'sequenceLow', peer, inboundSpi: from.u32('spi') }
    }
    case 9: {
      const spi = from.u32('spi')
      return { on: 'unknownSpi', path: takePath(from), spi }
    }
    case 10: {
      const job = from.u32('job')
      const code = words(from.take(from.u8('code length'), 'code'))
      const message = words(from.rest())
      if (code !== '') return { on: 'applied', job, failure: { code, message } }
      return message === '' ? { on: 'applied', job } : { on: 'applied', job, note: message }
    }
    case 11: {
      const tunnel = from.u32('tunnel')
      const protocol = from.u8('protocol')
      return { on: 'acquire', tunnel, protocol, source: takeEndpoint(from), destination: takeEndpoint(from) }
    }
    default:
      return from.fail('kind', `event ${kind} is unknown`)
  }
}

/** Counters that changed, as native/pipeline/control.cc writes them. */
export function decodeActivity(octets: Uint8Array): Activity {
  const pairs: PairCounters[] = []
  const sessions: SessionCounters[] = []
  const tunnels: TunnelCounters[] = []
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength)
  let at = 0
  const counts = (how: number) => Array.from({ length: how }, (_, i) => view.getFloat64(at + 8 * i))
  while (at < octets.length) {
    if (octets[at] === 1) {
      const ids = { peer: view.getUint32(at + 1), inboundSpi: view.getUint32(at + 5) }
      at += 9
      pairs.push({
        ...ids,
        ...traffic(counts(4)),
        replayed: view.getFloat64(at + 32),
        forged: view.getFloat64(at + 40),
      })
    } else {
      const isSession = octets[at] === 2
      const id = view.getUint32(at + 1)
      at += 5
      const counted = {
        ...traffic(counts(4)),
        wrongSource: view.getFloat64(at + 32),
        tooBig: view.getFloat64(at + 40),
      }
      if (isSession) sessions.push({ session: id, ...counted })
      else tunnels.push({ tunnel: id, ...counted })
    }
    at += 48
  }
  return tunnels.length > 0 ? { pairs, sessions, tunnels } : { pairs, sessions }
}

function traffic([octetsIn, packetsIn, octetsOut, packetsOut]: readonly number[]) {
  return { octetsIn: octetsIn!, packetsIn: packetsIn!, octetsOut: octetsOut!, packetsOut: packetsOut! }
}

function words(octets: Uint8Array): string {
  return new TextDecoder().decode(octets)
}
