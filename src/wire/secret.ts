// Secrets have a type that never prints: logs, status and JSON show `[secret]`.

export class Secret {
  readonly #octets: Uint8Array

  constructor(octets: Uint8Array | string) {
    this.#octets = typeof octets === 'string' ? new TextEncoder().encode(octets) : octets
  }

  /** The octets themselves. Call it where they are used, never where they are shown. */
  reveal(): Uint8Array {
    return this.#octets
  }

  /** The secret as UTF-8 text. */
  revealText(): string {
    return new TextDecoder().decode(this.#octets)
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
