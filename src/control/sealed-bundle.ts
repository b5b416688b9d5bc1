// A site bundle that only one board can read: sealed on a laptop to the public half of the board's key, opened by its console (`load sealed`).
//
//     "GHSEAL1\n" | sender's X25519 public key, 32 octets | AES-256-GCM of the site file | tag, 16 octets
//
// The sender's key pair is made for this bundle and thrown away. Key and nonce are HKDF-SHA256 over the shared secret, salted with both public
// halves; the head and both public halves are authenticated, so that nothing of a bundle can be exchanged. Nobody is authenticated as its sender:
// whoever may log in to the console and load it may also write the plain file.
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto'

const head = Buffer.from('GHSEAL1\n')
const keyOctets = 32
const tagOctets = 16
/** PKCS #8 and SubjectPublicKeyInfo before the 32 octets of an X25519 key (RFC 8410 §7, §4). */
const publicPrefix = Buffer.from('302a300506032b656e032100', 'hex')

/** What can't be sealed or opened; the message says why and what would be right. */
export class SealError extends Error {}

/** A fresh key of a board, as PEM (PKCS #8). */
export function makeBoardKey(): string {
  return generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** The public half of a board's key in the form that people copy: `x25519:BASE64`. Throws a SealError where the text is no such key. */
export function hostKeyOf(pem: string): string {
  return `x25519:${raw(createPublicKey(privateKey(pem))).toString('base64')}`
}

/** `SHA256:…`, for comparing with the eye. Throws a SealError where the text is no host key. */
export function fingerprintOf(hostKey: string): string {
  const hash = createHash('sha256').update(hostKeyOctets(hostKey)).digest('base64')
  return `SHA256:${hash.replace(/=+$/, '')}`
}

/** Seals a file to the board that has this host key (`x25519:BASE64`). */
export function seal(file: Uint8Array, hostKey: string): Uint8Array {
  const theirs = hostKeyOctets(hostKey)
  const ours = generateKeyPairSync('x25519')
  const sender = raw(ours.publicKey)
  const { key, nonce, bound } = agree(ours.privateKey, publicKey(theirs), sender, theirs)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(bound)
  return new Uint8Array(Buffer.concat([head, sender, cipher.update(file), cipher.final(), cipher.getAuthTag()]))
}

export function isSealed(file: Uint8Array): boolean {
  return head.equals(file.subarray(0, head.length))
}

/** Opens a bundle with the board's own key (PEM). Throws a SealError. */
export function openSealed(bundle: Uint8Array, pem: string): Uint8Array {
  if (!isSealed(bundle)) throw new SealError('this is no sealed bundle: it does not begin with GHSEAL1')
  const from = head.length + keyOctets
  if (bundle.length < from + tagOctets) throw new SealError('the sealed bundle is cut short')
  const own = privateKey(pem)
  const sender = Buffer.from(bundle.subarray(head.length, from))
  try {
    const { key, nonce, bound } = agree(own, publicKey(sender), sender, raw(createPublicKey(own)))
    const cipher = createDecipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(bound).setAuthTag(bundle.subarray(bundle.length - tagOctets))
    return new Uint8Array(Buffer.concat([cipher.update(bundle.subarray(from, -tagOctets)), cipher.final()]))
  } catch {
    throw new SealError(
      "the bundle is sealed to another board's key, or was changed; `show board` says this board's host-key",
    )
  }
}

function agree(own: KeyObject, other: KeyObject, sender: Uint8Array, board: Uint8Array) {
  const bound = Buffer.concat([head, sender, board])
  const secret = diffieHellman({ privateKey: own, publicKey: other })
  const octets = Buffer.from(hkdfSync('sha256', secret, bound, 'gatehouse sealed bundle', 44))
  secret.fill(0)
  return { key: octets.subarray(0, 32), nonce: octets.subarray(32), bound }
}

function hostKeyOctets(hostKey: string): Buffer {
  const [, text] = /^x25519:([A-Za-z0-9+/]{43}=)$/.exec(hostKey.trim()) ?? []
  if (text === undefined)
    throw new SealError('a host key as `show board` prints it is right: x25519: and 44 characters of base64')
  return Buffer.from(text, 'base64')
}

function publicKey(octets: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([publicPrefix, octets]), format: 'der', type: 'spki' })
}

function raw(key: KeyObject): Buffer {
  return (key.export({ type: 'spki', format: 'der' }) as Buffer).subarray(-keyOctets)
}

function privateKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'x25519') return key
  } catch {
    // The same complaint for both.
  }
  throw new SealError(
    "the board's key file holds no X25519 key; a new one is made when it is removed and the console starts again",
  )
}
