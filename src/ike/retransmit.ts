// Reliability on a network that loses and repeats: our messages are sent again with back-off until they are answered, and a message that was
// answered is answered again from a cache, octet for octet, without another look at it (RFC 2408 §5.1).
import { hashHex } from '../crypto/hash.ts'
import type { Path } from '../wire/address.ts'
import type { Instant } from '../wire/machine.ts'
import { jittered } from '../wire/machine.ts'
import type { IkeSa } from './state.ts'
import { arm, send, type Turn } from './turn.ts'

// Ours. Eight times in 22 s: at 20 % loss each way an exchange fails once in four thousand, and a person at the other end still waits.
const pausesMs: readonly number[] = [1_000, 2_000, 3_000, 4_000, 4_000, 4_000, 4_000]
const mostSends = pausesMs.length + 1
/** In the middle of phase 1, where beginning anew is the better remedy (10 s). */
export const fewSends = 4
/** How long a message of ours is sent at most, from its first time on. */
export const patienceMs = pausesMs.reduce((sum, pause) => sum + pause, 0)

/** A message of ours that waits for an answer. */
export type Resend = { readonly octets: Uint8Array; readonly sends: number }

export function sendUntilAnswered(turn: Turn, timer: string, path: Path, octets: Uint8Array): Resend {
  send(turn, path, octets)
  arm(turn, timer, turn.now + jittered(turn.random, pausesMs[0]!))
  return { octets, sends: 1 }
}

/** The timer is due: sends again, or gives up after the last pause (undefined). */
export function sendAgain(turn: Turn, timer: string, path: Path, resend: Resend, most = mostSends): Resend | undefined {
  if (resend.sends >= most) return undefined
  send(turn, path, resend.octets)
  const pause = pausesMs[resend.sends] ?? pausesMs.at(-1)!
  arm(turn, timer, turn.now + jittered(turn.random, pause))
  return { octets: resend.octets, sends: resend.sends + 1 }
}

// Ours: answers kept for an SA, and for how long; the longest back-off of a client known is 16 s.
const answersKept = 8
export const answersKeptMs = 60_000
/** The same message again so soon is a repeat by the network, or a flood. */
const answerPauseMs = 200

/** By digest of the received octets. `reply` is empty where the message needed none. */
export type Answers = Map<string, { readonly reply: Uint8Array | undefined; at: Instant }>

/** The key of an answer. A message that is new is asked for it twice: whether it was answered, and when it is. */
export function digest(octets: Uint8Array): string {
  if (last?.octets !== octets) last = { octets, key: hashHex('sha1', octets) }
  return last.key
}

/** Octets that came in are changed by nobody. */
let last: { readonly octets: Uint8Array; readonly key: string } | undefined

/** Remembers that these octets were dealt with, and what went back. */
export function remember(turn: Turn, sa: IkeSa, received: Uint8Array, reply: Uint8Array | undefined): void {
  const { answers } = sa
  if (answers.size >= answersKept) answers.delete(answers.keys().next().value!)
  answers.set(digest(received), { reply, at: turn.now })
  arm(turn, `answers ${sa.id}`, turn.now + answersKeptMs)
}

/** Whether these octets were dealt with before; if so, answers them once more, to where they came from. */
export function answeredBefore(turn: Turn, sa: IkeSa, path: Path, received: Uint8Array): boolean {
  return repeatAnswer(turn, sa, path, digest(received))
}

/** The last answer once more, unasked: its own answer seems to be lost. */
export function answerAgain(turn: Turn, sa: IkeSa): void {
  const key = [...sa.answers].findLast(([, { reply }]) => reply !== undefined)?.[0]
  if (key !== undefined) repeatAnswer(turn, sa, sa.path, key)
}

/** The same by the key of the octets. */
export function repeatAnswer(turn: Turn, sa: IkeSa, path: Path, key: string): boolean {
  const answer = sa.answers.get(key)
  if (!answer) return false
  if (answer.reply && turn.now - answer.at >= answerPauseMs) {
    answer.at = turn.now
    send(turn, path, answer.reply)
  }
  return true
}
