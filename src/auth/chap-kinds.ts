// What sets the three kinds of CHAP apart: the length of the challenge, what a response holds, and what the answers say.
// The conversation itself is one, in chap-authenticator.ts and chap-peer.ts.
import { hash } from '../crypto/hash.ts'
import type { Random } from '../wire/machine.ts'
import type { Secret } from '../wire/secret.ts'
import type { AuthAttempt } from './contract.ts'
import {
  authenticatorResponse,
  authenticatorResponseText,
  challengeResponse,
  ntPasswordHash,
  ntResponseV2,
  withoutDomain,
} from './mschap-crypto.ts'
import { userText } from './names.ts'
import {
  emitMschapFailure,
  emitMschapResponse,
  emitMschapv2Response,
  parseMschapResponse,
  parseMschapv2Response,
} from './wire/mschap.ts'

export type ChapKind = 'chap' | 'mschap' | 'mschapv2'

/** A response as received, with the challenge that it answers. */
export type Answered = {
  readonly id: number
  readonly challenge: Uint8Array
  readonly value: Uint8Array
  readonly name: Uint8Array
}

/** Fields of a failure that the authenticator decides. */
export type Failing = { readonly error: number; readonly retry: boolean; readonly challenge: Uint8Array }

/** What the peer computed; `expected` is the Success message that proves the server, where the kind has one. */
export type OwnResponse = { readonly value: Uint8Array; readonly expected: Uint8Array | undefined }

export type ChapRules = {
  /** Octets: 16 for MD5 (RFC 1994 §2.3 asks for no fixed one), 8 (RFC 2433 §3), 16 (RFC 2759 §3). */
  readonly challengeLength: number
  /** After a failure the peer may answer the challenge inside it. */
  readonly mayRetry: boolean
  /** A sentence where the response can't be judged at all. Throws WireError where it is malformed. */
  attempt(answered: Answered): AuthAttempt | string
  success(response: Uint8Array | undefined): string
  failure(failing: Failing): Uint8Array
  respond(id: number, challenge: Uint8Array, user: Uint8Array, password: Secret, random: Random): OwnResponse
}

const ascii = new TextEncoder()
const MESSAGE = 'Access denied'

const chap: ChapRules = {
  challengeLength: 16,
  mayRetry: false,
  attempt: ({ id, challenge, value, name }) => ({
    kind: 'chap',
    user: userText(name),
    identifier: id,
    challenge,
    response: value.slice(),
  }),
  success: () => 'Welcome',
  failure: () => ascii.encode(MESSAGE),
  /** RFC 1994 §4.1: MD5 over identifier, secret and challenge. */
  respond: (id, challenge, _user, password) => ({
    value: hash('md5', Uint8Array.of(id), password.reveal(), challenge),
    expected: undefined,
  }),
}

const mschap: ChapRules = {
  challengeLength: 8,
  mayRetry: true,
  attempt: ({ challenge, value, name }) => {
    const { ntResponse, useNt } = parseMschapResponse(value)
    if (!useNt) return 'the client answered with LAN Manager only, which is never accepted'
    return { kind: 'mschap', user: userText(name), challenge, ntResponse: ntResponse.slice() }
  },
  success: () => 'Welcome',
  failure: ({ error, retry, challenge }) =>
    emitMschapFailure({ error, retry, challenge, version: 2, message: undefined }),
  respond: (_id, challenge, _user, password) => ({
    value: emitMschapResponse({
      lmResponse: new Uint8Array(24),
      ntResponse: challengeResponse(challenge, ntPasswordHash(password.revealText())),
      useNt: true,
    }),
    expected: undefined,
  }),
}

const mschapv2: ChapRules = {
  challengeLength: 16,
  mayRetry: true,
  attempt: ({ challenge, value, name }) => {
    const { peerChallenge, ntResponse } = parseMschapv2Response(value)
    return {
      kind: 'mschapv2',
      user: userText(name),
      userOctets: name.slice(),
      authenticatorChallenge: challenge,
      peerChallenge: peerChallenge.slice(),
      ntResponse: ntResponse.slice(),
    }
  },
  success: (response) => `${authenticatorResponseText(response!)} M=Welcome`,
  failure: ({ error, retry, challenge }) =>
    emitMschapFailure({ error, retry, challenge, version: 3, message: MESSAGE }),
  respond: (_id, challenge, user, password, random) => {
    const peerChallenge = random.octets(16)
    const exchange = { authenticatorChallenge: challenge, peerChallenge, user: withoutDomain(user) }
    const passwordHash = ntPasswordHash(password.revealText())
    const ntResponse = ntResponseV2(exchange, passwordHash)
    return {
      value: emitMschapv2Response({ peerChallenge, ntResponse }),
      expected: authenticatorResponse(exchange, ntResponse, passwordHash),
    }
  },
}

export const CHAP_KINDS: Readonly<Record<ChapKind, ChapRules>> = { chap, mschap, mschapv2 }
