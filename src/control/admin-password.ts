// Makes and checks the hash of the console's password. A leaf, so that the console, the wizard and the provisioner share it.
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { parsePasswordHash, showPasswordHash } from '../wire/password-hash.ts'

/** 32 MiB and about 0.1 s on a laptop, under a second on a Cortex-A53: a guess costs an attacker as much. */
const cost = { ln: 15, r: 8, p: 1 }

/** The text for `system.admin.passwordHash`, with a salt of its own. */
export async function hashPassword(password: string): Promise<string> {
  const salt = new Uint8Array(randomBytes(16))
  return showPasswordHash({ ...cost, salt, hash: await derive(password, salt, 32, cost) })
}

/** Whether the password is the one of the text form; false where that isn't one. Takes the same time for either answer. */
export async function checkPassword(password: string, text: string): Promise<boolean> {
  const known = parsePasswordHash(text)
  if (!known) return false
  return timingSafeEqual(await derive(password, known.salt, known.hash.length, known), known.hash)
}

function derive(password: string, salt: Uint8Array, length: number, { ln, r, p }: typeof cost): Promise<Uint8Array> {
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 2 * 128 * 2 ** ln * r }
  return new Promise((resolve, reject) =>
    scrypt(password.normalize('NFC'), salt, length, options, (error, key) =>
      error ? reject(error) : resolve(new Uint8Array(key)),
    ),
  )
}
