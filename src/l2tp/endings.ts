// How control connections end: for each way the codes and text that the peer is told, and the sentence that the operator reads.

import type { WireError } from '../wire/errors.ts'
import type { Ending } from './acceptance.ts'
import type { ControlConnectionState } from './tables.ts'
import { errors, type MessageType, stopResults } from './wire/registry.ts'

export function noSessions(ms: number): Ending {
  return {
    result: stopResults.clear,
    error: errors.none,
    text: '',
    why: `No session is left on the control connection, and none was asked for in ${ms / 1000} s.`,
  }
}

export function tookTooLong(state: ControlConnectionState, ms: number): Ending {
  return {
    result: stopResults.clear,
    error: errors.none,
    text: 'set-up took too long',
    why: `The control connection was not set up within ${ms / 1000} s: the peer acknowledges our messages but stopped in state ${state}. Let it dial again.`,
  }
}

export function stateMachineError(type: MessageType, state: ControlConnectionState): Ending {
  return {
    result: stopResults.stateMachine,
    error: errors.none,
    text: `${type} in state ${state}`,
    why: `The peer sent ${type} in state ${state}, where RFC 2661 §7.2.1 has no place for it; it lost track of the control connection and must dial again.`,
  }
}

export function malformed(error: WireError): Ending {
  return {
    result: stopResults.generalError,
    error: errors.length,
    text: 'malformed message',
    why: `The peer sent a control message that can't be read (${error.message}); it is cleared, as RFC 2661 §7.1 wants.`,
  }
}

export function unknownMessage(number: number): Ending {
  return {
    result: stopResults.generalError,
    error: errors.unknownMandatoryAvp,
    text: `message type ${number} is not known`,
    why: `The peer sent message type ${number}, marked as mandatory, which RFC 2661 does not have; §4.4.1 ends the control connection for it. Switch the extension that sends it off at the peer.`,
  }
}

/** Retransmissions are used up. `unanswered`: the message that should have opened the connection, where it never was open. */
export function silence(unanswered: 'SCCRQ' | 'SCCRP' | undefined, seconds: number, tries: number): string {
  if (unanswered === undefined) {
    return `The peer has not acknowledged an L2TP message in ${seconds} s (${tries} retransmissions): it is switched off, asleep or cut off.`
  }
  const likely =
    unanswered === 'SCCRQ'
      ? 'no L2TP server listens there, or it does not accept us; check that one runs and that its IPsec policy covers UDP port 1701.'
      : 'its packets reach us and ours do not reach it; check the path back to it.'
  return `The peer did not answer ${unanswered} in ${seconds} s (${tries} retransmissions): ${likely}`
}

/** Added where a peer leaves after our challenge: Windows does, without a word about why. */
export const secretAsked =
  "This end asks for tunnel authentication (remoteAccess.tunnelSecret), and the peer has no L2TP secret or another one; Windows can't use one."

export const noRoom =
  'No further L2TP control connection or session is possible for this peer: it has as many as are allowed, or all IDs are taken. End some of them.'

export const peerGone: Ending = {
  result: 0,
  error: errors.none,
  text: '',
  why: "The peer's last IPsec SA is gone, and L2TP with it.",
}

export const startedOver: Ending = {
  result: 0,
  error: errors.none,
  text: '',
  why: 'The peer started over with the same L2TP tunnel ID; its earlier control connection is void.',
}

export function lastSession(why: string): Ending {
  return { result: stopResults.clear, error: errors.none, text: '', why }
}

export function shuttingDown(text: string): Ending {
  return {
    result: stopResults.shuttingDown,
    error: errors.none,
    text,
    why: `This end shuts down${text === '' ? '' : `: ${text}`}.`,
  }
}
