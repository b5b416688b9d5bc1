// Judges an image before its first octet is written: the signer is one that we trust, SHA256SUMS is what he signed, and the image is what it lists.
// The same pass through the image makes its block map: which megabytes hold something, and the hash of each.
import { createHash, createPublicKey, type KeyObject, verify, X509Certificate } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** An image that is not written, with the reason and what to do. */
export class BadImage extends Error {}

/** Octets of a chunk: what is written, journalled and verified at once. */
export const chunkOctets = 2 ** 20

/** SHA-256 in hex; undefined: nothing but zeros. */
export type ChunkHash = string | undefined

export type VerifiedImage = {
  readonly path: string
  readonly octets: number
  readonly sha256: string
  /** Whose signature it is: the certificate's subject. */
  readonly signer: string
  /** By position. */
  readonly chunks: readonly ChunkHash[]
}

export type VerifyOptions = {
  /** Certificates (PEM) whose signatures, or whose signers' signatures, are trusted. */
  readonly authorities: readonly string[]
  readonly now: Date
  /** Octets read and in all. */
  readonly progress: (done: number, of: number) => void
  readonly signal?: AbortSignal
}

/** Throws BadImage. */
export async function verifyImage(path: string, options: VerifyOptions): Promise<VerifiedImage> {
  const folder = dirname(path)
  const name = basename(path)
  const sums = await sibling(folder, 'SHA256SUMS')
  const signature = await sibling(folder, 'SHA256SUMS.sig')
  const signer = certificateOf(await sibling(folder, 'SHA256SUMS.pem'))
  judgeSigner(signer, options)
  if (!verify(digestOf(signer.publicKey), sums, signer.publicKey, Buffer.from(signature.toString('latin1'), 'base64')))
    throw new BadImage(
      `the signature of ${join(folder, 'SHA256SUMS')} is wrong: it was changed after ${subject(signer)} signed it`,
    )
  const wanted = listedHash(sums.toString('utf8'), name)
  if (wanted === undefined) throw new BadImage(`SHA256SUMS does not list ${name}: it belongs to another build`)
  const { octets, sha256, chunks } = await mapOf(path, options)
  if (sha256 !== wanted)
    throw new BadImage(
      `${name} has SHA-256 ${sha256}, the signed list says ${wanted}: it is damaged or was changed; fetch or build it again`,
    )
  return { path, octets, sha256, signer: subject(signer), chunks }
}

async function sibling(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name))
  } catch (error) {
    throw new BadImage(
      `${name} beside the image can't be read (${(error as NodeJS.ErrnoException).code}): an image comes with SHA256SUMS, SHA256SUMS.sig and SHA256SUMS.pem`,
    )
  }
}

function certificateOf(pem: Buffer | string): X509Certificate {
  try {
    return new X509Certificate(pem)
  } catch {
    throw new BadImage('SHA256SUMS.pem is no certificate')
  }
}

function judgeSigner(signer: X509Certificate, { authorities, now }: VerifyOptions): void {
  if (authorities.length === 0)
    throw new BadImage("no authority is known whose signature counts: --authority FILE names the maker's certificate")
  const trusted = authorities
    .map(certificateOf)
    .some((authority) => authority.fingerprint256 === signer.fingerprint256 || issued(authority, signer))
  if (!trusted)
    throw new BadImage(
      `the image is signed by ${subject(signer)}, who is not trusted: --authority FILE names the maker's certificate`,
    )
  if (now < new Date(signer.validFrom) || now > new Date(signer.validTo))
    throw new BadImage(
      `the certificate of ${subject(signer)} is valid from ${signer.validFrom} to ${signer.validTo}: is this machine's clock right?`,
    )
}

function issued(authority: X509Certificate, signer: X509Certificate): boolean {
  return (
    authority.ca &&
    signer.checkIssued(authority) &&
    signer.verify(createPublicKey(authority.publicKey.export({ type: 'spki', format: 'pem' })))
  )
}

/** The common name, or all there is; text of a stranger until his signature is judged. */
function subject(certificate: X509Certificate): string {
  const name = /^CN=(.+)$/m.exec(certificate.subject)?.[1]?.replace(/\\(.)/g, '$1')
  return JSON.stringify(name ?? certificate.subject)
}

function digestOf(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType?.startsWith('ed') ? null : 'sha256'
}

/** The hash of a name in the form of sha256sum: `HEX  NAME` or `HEX *NAME`. */
export function listedHash(sums: string, name: string): string | undefined {
  for (const line of sums.split('\n')) {
    const found = /^([0-9a-f]{64}) [ *](.+)$/.exec(line)
    if (found?.[2] === name) return found[1]
  }
  return undefined
}

async function mapOf(path: string, { progress, signal }: VerifyOptions) {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new BadImage(`${path} can't be read (${error.code})`)
  })
  try {
    const { size } = await file.stat()
    if (size === 0 || size % 512 !== 0)
      throw new BadImage(`${path} has ${size} octets: a disk image is a multiple of 512`)
    const whole = createHash('sha256')
    const chunks: ChunkHash[] = []
    const buffer = Buffer.alloc(chunkOctets)
    for (let at = 0; at < size; at += chunkOctets) {
      signal?.throwIfAborted()
      const chunk = await readFully(file, buffer, at, Math.min(chunkOctets, size - at))
      whole.update(chunk)
      chunks.push(hashOf(chunk))
      progress(at + chunk.length, size)
    }
    return { octets: size, sha256: whole.digest('hex'), chunks }
  } finally {
    await file.close()
  }
}

const zeros = Buffer.alloc(chunkOctets)

export function hashOf(chunk: Buffer): ChunkHash {
  if (chunk.equals(zeros.subarray(0, chunk.length))) return undefined
  return createHash('sha256').update(chunk).digest('hex')
}

type Readable = {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
}

/** A view of `buffer` with exactly these octets of the file. Throws an Error at its end. */
export async function readFully(file: Readable, buffer: Buffer, position: number, length: number): Promise<Buffer> {
  for (let got = 0; got < length; ) {
    const { bytesRead } = await file.read(buffer, got, length - got, position + got)
    if (bytesRead === 0) throw new Error(`it ends at octet ${position + got}`)
    got += bytesRead
  }
  return buffer.subarray(0, length)
}
