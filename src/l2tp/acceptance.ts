// "Acceptable", as the state tables say it: which start, connected and call messages are taken, and otherwise what the peer and the operator are told.
import { printable } from '../wire/codec.ts'
import type { Secret } from '../wire/secret.ts'
import { responseFits } from './tunnel-authentication.ts'
import type { Fault, Message } from './wire/message.ts'
import { callResults, errors, scope, stopResults } from './wire/registry.ts'

/** A refusal, or the end of something: codes and text for the peer, a sentence for the operator. */
export type Ending = {
  readonly result: number
  readonly error: number
  readonly text: string
  readonly why: string
}

/** L2TP 1.0 is RFC 2661, with the protocol's version 2 in the header. */
const ourVersion = { version: 1, revision: 0 }

/** Faults in mandatory AVPs and missing ones; undefined where the message can be acted on. */
export function unusable(message: Message): Ending | undefined {
  const fault = message.faults.find(({ mandatory }) => mandatory)
  if (fault) return unusableAvp(message, fault)
  const [missing] = message.missing
  if (missing === undefined) return undefined
  return {
    result: generalError,
    error: errors.vendor,
    text: `${message.type} lacks ${missing}`,
    why: `The peer's ${message.type} lacks the ${missing} AVP that RFC 2661 §6 demands; its L2TP is broken or the message was made by hand.`,
  }
}

/** General error is 2 in StopCCN and CDN alike. */
const generalError = 2

function unusableAvp(message: Message, fault: Fault): Ending {
  const ends = scope(message.type) === 'tunnel' ? 'control connection' : 'session'
  return {
    result: generalError,
    error: fault.error,
    text: `${fault.avp} ${fault.what}`,
    why: `The peer's ${message.type} holds an AVP that it marks as mandatory and that can't be used: ${fault.avp} ${fault.what}. RFC 2661 §4.1 ends the ${ends} for it; switch the extension or setting that sends it off at the peer.`,
  }
}

/** SCCRQ, or SCCRP with the challenge that our SCCRQ held. */
export function refuseStart(
  message: Message,
  secret: Secret | undefined,
  ourChallenge: Uint8Array | undefined,
): Ending | undefined {
  const { protocolVersion, challenge } = message.fields
  if (protocolVersion && protocolVersion.version !== ourVersion.version) {
    const theirs = `${protocolVersion.version}.${protocolVersion.revision}`
    return {
      result: stopResults.version,
      error: (ourVersion.version << 8) | ourVersion.revision,
      text: 'L2TP 1.0 (RFC 2661) is spoken here',
      why: `The peer speaks L2TP ${theirs}, and only 1.0 (RFC 2661, "L2TPv2") is spoken here: set the peer to L2TPv2.`,
    }
  }
  const fault = unusable(message)
  if (fault) return fault
  if (challenge && !secret) {
    return {
      result: stopResults.notAuthorized,
      error: errors.none,
      text: 'no L2TP secret is configured here',
      why: "The peer asks for tunnel authentication, but no L2TP secret is configured here: clear the L2TP secret in the peer's settings, or configure the same one here (remoteAccess.tunnelSecret).",
    }
  }
  return ourChallenge ? refuseResponse(message, secret, ourChallenge, 'SCCRP') : undefined
}

/** SCCCN, with the challenge that our SCCRP held. */
export function refuseConnected(
  message: Message,
  secret: Secret | undefined,
  ourChallenge: Uint8Array | undefined,
): Ending | undefined {
  return unusable(message) ?? (ourChallenge ? refuseResponse(message, secret, ourChallenge, 'SCCCN') : undefined)
}

function refuseResponse(
  message: Message,
  secret: Secret | undefined,
  challenge: Uint8Array,
  carrier: 'SCCRP' | 'SCCCN',
): Ending | undefined {
  const response = message.fields.challengeResponse
  const refusal = { result: stopResults.notAuthorized, error: errors.none }
  if (!response) {
    return {
      ...refusal,
      text: 'no response to the challenge',
      why: `The peer did not answer our tunnel authentication challenge: an L2TP secret is configured here and none at the peer. Enter the same L2TP secret there, or remove ours (remoteAccess.tunnelSecret); Windows can't use one.`,
    }
  }
  if (secret && responseFits(response, challenge, secret.reveal(), carrier)) return undefined
  return {
    ...refusal,
    text: 'wrong response to the challenge',
    why: "The peer's L2TP secret is not ours (its answer to the tunnel authentication challenge is wrong): make both the same. This is neither the pre-shared key of IPsec nor the user's password.",
  }
}

/** ICRQ. `used` of `limit` sessions stand already; `inTunnel` of them on this control connection. */
export function refuseCall(
  message: Message,
  room: { readonly used: number; readonly limit: number | undefined; readonly full: boolean },
): Ending | undefined {
  const fault = unusable(message)
  if (fault) return fault
  if (room.limit !== undefined && room.used >= room.limit) {
    return {
      result: callResults.noFacilitiesNow,
      error: errors.resources,
      text: `all ${room.limit} ports are in use`,
      why: `All ${room.limit} L2TP ports are in use, so the session was refused: end a session, or raise remoteAccess.portLimit.`,
    }
  }
  if (!room.full) return undefined
  return {
    result: callResults.noFacilitiesNow,
    error: errors.resources,
    text: 'too many sessions',
    why: 'The peer has as many sessions on one control connection as are allowed (or no session ID is free), so the session was refused: end some of them.',
  }
}

/** Text that a peer put into StopCCN or CDN, for a sentence: empty, or `, saying "…"`. */
export function saying(text: Uint8Array): string {
  let end = text.length
  while (end > 0 && text[end - 1] === 0) end--
  return end === 0 ? '' : `, saying "${printable(text.subarray(0, end), 120)}"`
}
