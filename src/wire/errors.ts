// The forms that a peer's mistakes take. Failures of the world are plain Errors with a stable `code`; our own bugs are assertions.

/** Octets that don't parse. `where` names the field, `offset` counts octets from the start of the message. */
export class WireError extends Error {
  readonly where: string
  readonly offset: number
  constructor(where: string, offset: number, what: string) {
    super(`${where} at octet ${offset}: ${what}`)
    this.name = 'WireError'
    this.where = where
    this.offset = offset
  }
}

/** The peer parsed but broke the protocol. `reply` is what the RFC recommends to answer, in the protocol's own terms. */
export class ProtocolError<Reply> extends Error {
  readonly reply: Reply
  constructor(message: string, reply: Reply) {
    super(message)
    this.name = 'ProtocolError'
    this.reply = reply
  }
}
