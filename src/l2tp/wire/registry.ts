// Every number of L2TP once: message types, AVPs with their form, result and error codes. Codec, checks and log sentences all read it here.
// Unknown numbers are values, not errors.
import {
  accm,
  callErrors,
  type Form,
  nothing,
  octets,
  octets16,
  proxyAuthenId,
  q931Cause,
  resultCode,
  tieBreaker,
  u16,
  u16NotZero,
  u32,
  version,
} from './forms.ts'

/** RFC 2661 §3.2. */
export const messageTypes = {
  SCCRQ: 1,
  SCCRP: 2,
  SCCCN: 3,
  StopCCN: 4,
  HELLO: 6,
  OCRQ: 7,
  OCRP: 8,
  OCCN: 9,
  ICRQ: 10,
  ICRP: 11,
  ICCN: 12,
  CDN: 14,
  WEN: 15,
  SLI: 16,
} as const

export type MessageType = keyof typeof messageTypes

const messageNames = new Map<number, MessageType>(
  (Object.keys(messageTypes) as MessageType[]).map((name) => [messageTypes[name], name]),
)

/** The name of a message type, or undefined where the number is not RFC 2661's. */
export function messageType(number: number): MessageType | undefined {
  return messageNames.get(number)
}

/** What a message is about, and so what an unusable mandatory AVP in it ends (RFC 2661 §4.1). */
export function scope(type: MessageType): 'tunnel' | 'session' {
  return messageTypes[type] >= messageTypes.OCRQ ? 'session' : 'tunnel'
}

/** One kind of AVP. `mandatory` is the M bit that we send; on receipt either is taken (Windows and Apple differ from the RFC). */
export type AvpKind<Value> = {
  readonly number: number
  readonly name: string
  readonly rfc: string
  readonly mandatory: boolean
  readonly mayHide: boolean
  readonly form: Form<Value>
}

function avp<Value>(
  number: number,
  name: string,
  bits: 'M' | 'MH' | 'H' | '',
  form: Form<Value>,
  rfc = 'RFC 2661 §4.4',
): AvpKind<Value> {
  return { number, name, rfc, mandatory: bits.includes('M'), mayHide: bits.includes('H'), form }
}

/** AVPs of vendor 0 (IETF). `M`: sent as mandatory; `H`: may be hidden. Which of those we do hide is `neverHidden`'s matter. */
export const avpKinds = {
  messageType: avp(0, 'Message Type', 'M', u16),
  resultCode: avp(1, 'Result Code', 'M', resultCode),
  protocolVersion: avp(2, 'Protocol Version', 'M', version),
  framingCapabilities: avp(3, 'Framing Capabilities', 'MH', u32),
  bearerCapabilities: avp(4, 'Bearer Capabilities', 'MH', u32),
  tieBreaker: avp(5, 'Tie Breaker', '', tieBreaker),
  firmwareRevision: avp(6, 'Firmware Revision', 'H', u16),
  hostName: avp(7, 'Host Name', 'M', octets),
  vendorName: avp(8, 'Vendor Name', 'H', octets),
  assignedTunnelId: avp(9, 'Assigned Tunnel ID', 'MH', u16NotZero),
  receiveWindowSize: avp(10, 'Receive Window Size', 'M', u16NotZero),
  challenge: avp(11, 'Challenge', 'MH', octets),
  q931CauseCode: avp(12, 'Q.931 Cause Code', 'M', q931Cause),
  challengeResponse: avp(13, 'Challenge Response', 'MH', octets16),
  assignedSessionId: avp(14, 'Assigned Session ID', 'MH', u16NotZero),
  callSerialNumber: avp(15, 'Call Serial Number', 'MH', u32),
  minimumBps: avp(16, 'Minimum BPS', 'MH', u32),
  maximumBps: avp(17, 'Maximum BPS', 'MH', u32),
  bearerType: avp(18, 'Bearer Type', 'MH', u32),
  framingType: avp(19, 'Framing Type', 'MH', u32),
  calledNumber: avp(21, 'Called Number', 'MH', octets),
  callingNumber: avp(22, 'Calling Number', 'MH', octets),
  subAddress: avp(23, 'Sub-Address', 'MH', octets),
  txConnectSpeed: avp(24, '(Tx) Connect Speed', 'MH', u32),
  physicalChannelId: avp(25, 'Physical Channel ID', 'H', u32),
  initialReceivedLcpConfreq: avp(26, 'Initial Received LCP CONFREQ', 'H', octets),
  lastSentLcpConfreq: avp(27, 'Last Sent LCP CONFREQ', 'H', octets),
  lastReceivedLcpConfreq: avp(28, 'Last Received LCP CONFREQ', 'H', octets),
  proxyAuthenType: avp(29, 'Proxy Authen Type', 'H', u16),
  proxyAuthenName: avp(30, 'Proxy Authen Name', 'H', octets),
  proxyAuthenChallenge: avp(31, 'Proxy Authen Challenge', 'H', octets),
  proxyAuthenId: avp(32, 'Proxy Authen ID', 'H', proxyAuthenId),
  proxyAuthenResponse: avp(33, 'Proxy Authen Response', 'H', octets),
  callErrors: avp(34, 'Call Errors', 'MH', callErrors),
  accm: avp(35, 'ACCM', 'MH', accm),
  randomVector: avp(36, 'Random Vector', 'M', octets),
  privateGroupId: avp(37, 'Private Group ID', 'H', octets),
  rxConnectSpeed: avp(38, 'Rx Connect Speed', 'H', u32),
  sequencingRequired: avp(39, 'Sequencing Required', 'M', nothing),
  pppDisconnectCause: avp(46, 'PPP Disconnect Cause Code', 'H', octets, 'RFC 3145 §2'),
} as const

export type AvpName = keyof typeof avpKinds

/** Left open where all else is hidden: a challenge and its response give nothing away. */
export const neverHidden: ReadonlySet<AvpName> = new Set(['challenge', 'challengeResponse'])

type ValueOf<Kind> = Kind extends AvpKind<infer Value> ? Value : never
/** What a message says, by AVP. Absent AVPs are absent. */
export type Fields = { readonly [Name in AvpName]?: ValueOf<(typeof avpKinds)[Name]> }

const avpNames = new Map<number, AvpName>(
  (Object.keys(avpKinds) as AvpName[]).map((name) => [avpKinds[name].number, name]),
)

/** The registry's key of an IETF AVP, or undefined where the number is not known. */
export function avpName(type: number): AvpName | undefined {
  return avpNames.get(type)
}

/**
 * AVPs without which a message can't be acted on. Host Name stands nowhere (MSL2TP sends none), nor do the speeds and framing of ICCN
 * (Cisco), nor anything of the closing messages (RFC 2661 §6 has more).
 */
export const required: { readonly [Type in MessageType]?: readonly AvpName[] } = {
  SCCRQ: ['protocolVersion', 'framingCapabilities', 'assignedTunnelId'],
  SCCRP: ['protocolVersion', 'framingCapabilities', 'assignedTunnelId'],
  ICRQ: ['assignedSessionId', 'callSerialNumber'],
  ICRP: ['assignedSessionId'],
}

/** Result codes of StopCCN (RFC 2661 §4.4.2). */
export const stopResults = {
  clear: 1,
  generalError: 2,
  exists: 3,
  notAuthorized: 4,
  version: 5,
  shuttingDown: 6,
  stateMachine: 7,
} as const

/** Result codes of CDN (RFC 2661 §4.4.2). */
export const callResults = {
  carrierLost: 1,
  generalError: 2,
  administrative: 3,
  noFacilitiesNow: 4,
  noFacilitiesEver: 5,
  invalidDestination: 6,
  noCarrier: 7,
  busy: 8,
  noDialTone: 9,
  timeout: 10,
  noFraming: 11,
} as const

/** General error codes (RFC 2661 §4.4.2), meant where the result code is 2. */
export const errors = {
  none: 0,
  noControlConnection: 1,
  length: 2,
  value: 3,
  resources: 4,
  sessionId: 5,
  vendor: 6,
  tryAnother: 7,
  unknownMandatoryAvp: 8,
} as const

const stopWords: Readonly<Record<number, string>> = {
  1: 'it clears the control connection',
  2: 'general error',
  3: 'the control connection exists already',
  4: 'the requester is not authorised to establish a control connection',
  5: 'the protocol version is not supported',
  6: 'the requester is being shut down',
  7: 'state machine error',
}

const callWords: Readonly<Record<number, string>> = {
  1: 'loss of carrier',
  2: 'general error',
  3: 'administrative reasons',
  4: 'no facilities available for now',
  5: 'no facilities available',
  6: 'invalid destination',
  7: 'no carrier detected',
  8: 'busy',
  9: 'no dial tone',
  10: 'not established within the time allotted',
  11: 'no appropriate framing detected',
}

const errorWords: Readonly<Record<number, string>> = {
  1: 'no control connection exists yet',
  2: 'a length is wrong',
  3: 'a value is out of range or a reserved field was not zero',
  4: 'not enough resources now',
  5: 'the session ID is invalid here',
  6: 'a vendor-specific error',
  7: 'it asks to try another',
  8: 'a mandatory AVP was not known',
}

/** `result 2 (general error), error 4 (not enough resources now)`. */
export function resultText(of: 'StopCCN' | 'CDN', result: number, error: number): string {
  const word = (of === 'StopCCN' ? stopWords : callWords)[result] ?? 'unknown to RFC 2661'
  if (error === 0) return `result ${result} (${word})`
  const detail = result === 2 ? (errorWords[error] ?? 'unknown to RFC 2661') : undefined
  return `result ${result} (${word}), error ${error}${detail ? ` (${detail})` : ''}`
}
