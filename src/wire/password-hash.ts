// The text form of a password's scrypt hash (RFC 7914), as in `$scrypt$ln=15,r=8,p=1$SALT$HASH`: parsed and written here, made and checked
// in control/admin-password.ts.

export type PasswordHash = {
  /** Binary logarithm of the cost N. */
  readonly ln: number
  /** Block size and parallelism. */
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/**
 * Reads the text form; undefined where it is none, or one whose cost is outside what a board can compute: at least 2^14 (below it guesses are
 * cheap), at most 64 MiB, since 128 × N × r octets are held while it is computed.
 */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const [, ln, r, p, salt, hash] =
    /^\$scrypt\$ln=(\d\d),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43,86})$/.exec(text) ?? []
  if (ln === undefined || r === undefined || p === undefined || salt === undefined || hash === undefined)
    return undefined
  const parsed = { ln: Number(ln), r: Number(r), p: Number(p), salt: octetsOf(salt), hash: octetsOf(hash) }
  const memory = 128 * 2 ** parsed.ln * parsed.r
  const sane = parsed.ln >= 14 && parsed.r >= 1 && parsed.p >= 1 && memory <= 64 * 2 ** 20
  return sane ? parsed : undefined
}

export function showPasswordHash({ ln, r, p, salt, hash }: PasswordHash): string {
  return `$scrypt$ln=${ln},r=${r},p=${p}$${textOf(salt)}$${textOf(hash)}`
}

function octetsOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/** Base64 without padding. */
function textOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64').replace(/=+$/, '')
}
