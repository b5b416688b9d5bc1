// Of a DNS message (RFC 1035 §4.1) no more than a forwarder needs: the header, and where the first question ends.

const headerOctets = 12
const query = 0x80

export const responseCodes = { serverFailure: 2, notImplemented: 4, refused: 5 } as const

/** A question that may be forwarded: a whole header that says query, and one question or more that can be found. */
export function isQuery(message: Uint8Array): boolean {
  return message.length >= headerOctets && (message[2]! & query) === 0 && question(message) !== undefined
}

export function idOf(message: Uint8Array): number {
  return (message[0]! << 8) | message[1]!
}

/** The same message under another ID. */
export function withId(message: Uint8Array, id: number): Uint8Array {
  const copy = message.slice()
  copy[0] = id >>> 8
  copy[1] = id & 0xff
  return copy
}

export function responseCode(message: Uint8Array): number {
  return message[3]! & 0x0f
}

/** Octets of the first question: name (without compression, which can't stand there), type and class. Undefined where it runs out of the message. */
export function question(message: Uint8Array): Uint8Array | undefined {
  if (message.length < headerOctets || ((message[4]! << 8) | message[5]!) === 0) return undefined
  let at = headerOctets
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63) return undefined
    at += 1 + length
    if (length === 0) break
  }
  return at + 4 <= message.length ? message.subarray(headerOctets, at + 4) : undefined
}

/** Whether `message` is an answer to `asked`: the same ID, and the same question where it repeats one (a bare error may not). */
export function answers(message: Uint8Array, asked: Uint8Array): boolean {
  if (message.length < headerOctets || (message[2]! & query) === 0 || idOf(message) !== idOf(asked)) return false
  const repeated = question(message)
  const original = question(asked)
  if (!repeated || !original) return responseCode(message) !== 0
  return repeated.length === original.length && repeated.every((octet, i) => lower(octet) === lower(original[i]!))
}

/** Names are compared without regard to case. */
function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet
}

/** SERVFAIL with the question, so that the client need not wait for its own time to run out. */
export function serverFailure(asked: Uint8Array): Uint8Array {
  const end = headerOctets + (question(asked)?.length ?? 0)
  const message = asked.slice(0, end)
  message[2] = query | (message[2]! & 0x79)
  message[3] = 0x80 | responseCodes.serverFailure
  message[4] = 0
  message[5] = end > headerOctets ? 1 : 0
  message.fill(0, 6, headerOctets)
  return message
}
