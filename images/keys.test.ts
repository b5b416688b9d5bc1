import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { developmentSigner, openSigner } from './keys.ts'
import { signFiles } from './sign.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-keys-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('checksums are signed by a signer whom the authority knows', async () => {
  const signer = await developmentSigner(join(folder, 'one'))
  writeFileSync(join(folder, 'image'), 'octets')
  await signFiles(folder, ['image'], signer)
  const sums = readFileSync(join(folder, 'SHA256SUMS'))
  expect(sums.toString()).toMatch(/^[0-9a-f]{64} {2}image\n$/)
  const certificate = new X509Certificate(readFileSync(join(folder, 'SHA256SUMS.pem')))
  expect(certificate.verify(new X509Certificate(signer.authority).publicKey)).toBe(true)
  const signature = Buffer.from(readFileSync(join(folder, 'SHA256SUMS.sig'), 'utf8'), 'base64')
  expect(
    verify('sha256', sums, createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })), signature),
  ).toBe(true)
})

test('a key of another certificate, and a certificate of another authority, are refused', async () => {
  const one = await developmentSigner(join(folder, 'one'))
  const two = await developmentSigner(join(folder, 'two'))
  await expect(openSigner({ key: one.key }, folder)).rejects.toThrow('--key and --certificate go together')
  await expect(openSigner({ key: one.key, certificate: two.certificate }, folder)).rejects.toThrow(
    'is not the private key of',
  )
  const authority = join(folder, 'two/authority.pem')
  await expect(openSigner({ key: one.key, certificate: one.certificate, authority }, folder)).rejects.toThrow(
    'is not signed by',
  )
})
