// Control messages by meaning: AVPs read through the registry, with everything that is wrong with them listed beside, and written back.
import { Reader, Writer } from '../../wire/codec.ts'
import { WireError } from '../../wire/errors.ts'
import { type Avp, emitAvps, largestValue, parseAvps, parseClosingAvps } from './avp.ts'
import { hide, reveal } from './hidden.ts'
import {
  type AvpKind,
  type AvpName,
  avpKinds,
  avpName,
  errors,
  type Fields,
  type MessageType,
  messageType,
  messageTypes,
  neverHidden,
  required,
} from './registry.ts'

/** An AVP that can't be used. With `mandatory` it ends what the message is about (RFC 2661 §4.1, §7.1), else it is passed over. */
export type Fault = {
  readonly avp: string
  readonly mandatory: boolean
  /** Words for the log and for the peer, without the AVP's name. */
  readonly what: string
  /** General error code to answer with. */
  readonly error: number
}

export type Message = {
  readonly is: 'message'
  readonly type: MessageType
  readonly fields: Fields
  readonly faults: readonly Fault[]
  /** AVPs that a message of this type can't do without, and that are not there. */
  readonly missing: readonly string[]
}

/** A message type that RFC 2661 does not have; with the M bit the control connection must be cleared (RFC 2661 §4.4.1). */
export type UnknownMessage = { readonly is: 'unknown'; readonly number: number; readonly mandatory: boolean }

/** Hides the AVPs that may be hidden, with this secret and random vector (16 octets or more); `padding` gives random octets. */
export type Hiding = {
  readonly secret: Uint8Array
  readonly randomVector: Uint8Array
  readonly padding: (length: number) => Uint8Array
}

/**
 * A message's body (all behind the header) by meaning. Throws WireError where the AVPs don't add up or the first is not the Message Type;
 * all else that is wrong is listed. `secret` reveals hidden AVPs.
 */
export function parseMessage(body: Uint8Array, secret: Uint8Array | undefined): Message | UnknownMessage {
  const first = parseFirst(body)
  const type = messageType(first.number)
  if (!type) return { is: 'unknown', ...first }
  const closing = type === 'CDN' || type === 'StopCCN'
  const avps = closing ? parseClosingAvps(body) : parseAvps(body)
  const fields: Record<string, unknown> = {}
  const faults: Fault[] = []
  let randomVector: Uint8Array | undefined
  for (const avp of avps) {
    const name = avp.vendor === 0 && avp.reserved === 0 ? avpName(avp.type) : undefined
    const fault = name ? read(avp, name, secret, randomVector, fields) : unrecognised(avp)
    if (fault) faults.push(fault)
    if (name === 'randomVector' && !fault) randomVector = avp.value
  }
  const result = fields as Fields
  const missing = (required[type] ?? []).filter((name) => result[name] === undefined).map((name) => avpKinds[name].name)
  return { is: 'message', type, fields: closing ? inOrder(result) : result, faults, missing }
}

function parseFirst(body: Uint8Array): { number: number; mandatory: boolean } {
  const from = new Reader(body, 12)
  const word = from.u16('Message Type')
  const plain = (word & 0x7fff) === 8 && from.u16('Message Type') === 0 && from.u16('Message Type') === 0
  if (!plain) from.fail('Message Type', 'is not the first AVP (RFC 2661 §4.4.1)')
  return { number: from.u16('Message Type'), mandatory: (word & 0x8000) !== 0 }
}

function unrecognised(avp: Avp): Fault {
  const known = avp.vendor === 0 ? avpName(avp.type) : undefined
  const what = avp.reserved !== 0 ? 'has reserved bits set' : 'is not known here'
  const title = known
    ? avpKinds[known].name
    : avp.vendor === 0
      ? `AVP ${avp.type}`
      : `AVP ${avp.type} of vendor ${avp.vendor}`
  return { avp: title, mandatory: avp.mandatory, what, error: errors.unknownMandatoryAvp }
}

/** Reads one AVP into `fields`; of repeated ones the first counts, save for random vectors. */
function read(
  avp: Avp,
  name: AvpName,
  secret: Uint8Array | undefined,
  randomVector: Uint8Array | undefined,
  fields: Record<string, unknown>,
): Fault | undefined {
  const kind = avpKinds[name] as AvpKind<unknown>
  const fault = (what: string, error: number): Fault => ({ avp: kind.name, mandatory: avp.mandatory, what, error })
  if (avp.hidden) {
    if (!kind.mayHide) return fault('is hidden and must not be', errors.unknownMandatoryAvp)
    if (!secret) return fault('is hidden, and no L2TP secret is configured to reveal it', errors.unknownMandatoryAvp)
    if (!randomVector) return fault('is hidden without a Random Vector before it', errors.unknownMandatoryAvp)
  }
  try {
    const value = avp.hidden ? reveal(avp.type, avp.value, secret!, randomVector!) : avp.value
    const read = kind.form.read(new Reader(value))
    if (!(name in fields)) fields[name] = read
    return undefined
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    if (error.where === 'range') return fault('is zero', errors.value)
    if (avp.hidden) return fault('could not be revealed: the L2TP secrets of the two ends differ', errors.length)
    return fault(`has ${avp.value.length} octets, which is wrong`, errors.length)
  }
}

/** Apple's clients send the Result Code in their processor's byte order: 0300 for 3. No code above 255 exists. */
function inOrder(fields: Fields): Fields {
  const code = fields.resultCode
  if (!code || code.result < 0x100 || (code.result & 0xff) !== 0) return fields
  return { ...fields, resultCode: { ...code, result: code.result >>> 8, error: swap(code.error) } }
}

function swap(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}

/** The body of a message: Message Type first, then the fields in the order given, with the M bits of the registry. Long text is cut. */
export function emitMessage(type: MessageType, fields: Fields, hiding?: Hiding): Uint8Array {
  const avps = [plainAvp('messageType', messageTypes[type])]
  let vectorSent = false
  for (const name of Object.keys(fields) as AvpName[]) {
    if (fields[name] === undefined) continue
    const avp = plainAvp(name, fields[name])
    const hides = hiding !== undefined && avpKinds[name].mayHide && !neverHidden.has(name)
    if (hides && !vectorSent) avps.push(plainAvp('randomVector', hiding.randomVector))
    vectorSent ||= hides
    avps.push(hides ? hiddenAvp(avp, hiding) : avp)
  }
  return emitAvps(avps)
}

function plainAvp(name: AvpName, value: unknown): Avp {
  const kind = avpKinds[name] as AvpKind<unknown>
  const to = new Writer()
  kind.form.write(to, value)
  const octets = to.done().slice(0, largestValue)
  return { mandatory: kind.mandatory, hidden: false, reserved: 0, vendor: 0, type: kind.number, value: octets }
}

/** Padded to whole digests, so that the length says little. */
function hiddenAvp(avp: Avp, { secret, randomVector, padding }: Hiding): Avp {
  const padded = Math.min(Math.ceil((avp.value.length + 2) / 16) * 16, largestValue)
  if (avp.value.length + 2 > padded) return avp
  const value = hide(avp.type, avp.value, secret, randomVector, padding(padded - avp.value.length - 2))
  return { ...avp, hidden: true, value }
}
