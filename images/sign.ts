// Checksums of everything that a build hands out, and the signature over them. What flashes an image refuses it unless both are right.
import { createHash, createPrivateKey, sign } from 'node:crypto'
import { createReadStream, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Signer } from './keys.ts'

/** Writes SHA256SUMS (the form of sha256sum), SHA256SUMS.sig (base64 of an ECDSA or Ed25519 signature over its octets) and SHA256SUMS.pem (the signer's certificate). */
export async function signFiles(folder: string, files: readonly string[], signer: Signer): Promise<void> {
  const lines: string[] = []
  for (const file of files.toSorted()) lines.push(`${await sha256Of(join(folder, file))}  ${basename(file)}\n`)
  const sums = Buffer.from(lines.join(''))
  const key = createPrivateKey(readFileSync(signer.key))
  const digest = key.asymmetricKeyType?.startsWith('ed') ? null : 'sha256'
  writeFileSync(join(folder, 'SHA256SUMS'), sums)
  writeFileSync(join(folder, 'SHA256SUMS.sig'), `${sign(digest, sums, key).toString('base64')}\n`)
  writeFileSync(join(folder, 'SHA256SUMS.pem'), readFileSync(signer.certificate))
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
