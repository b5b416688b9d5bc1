// The build itself: the same octets twice, and what is handed out beside the disk.
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Built, buildImage, cacheFolder } from '../../images/build.ts'
import { openSigner } from '../../images/keys.ts'
import { sha256Of } from '../../images/sign.ts'
import { boardOf, scratchFolder } from './images.ts'

const root = process.getuid?.() === 0
const names = ['qemu-x86_64', 'qemu-arm64'] as const
let scratch: string

beforeAll(() => {
  scratch = scratchFolder()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe.runIf(root)('two builds of one commit', () => {
  test.each(names)('%s: the same octets of disk, bill and record; sums and signature are right', async (name) => {
    const board = await boardOf(name)
    const folders = ['one', 'two'].map((sub) => join(scratch, name, sub)) as [string, string]
    const built: Built[] = []
    for (const out of folders) built.push(await buildImage({ board, out }))
    for (const file of [built[0]!.disk, built[0]!.bill, built[0]!.packages])
      expect([file, await sha256Of(join(folders[1], file))]).toEqual([file, await sha256Of(join(folders[0], file))])

    const sums = readFileSync(join(folders[0], 'SHA256SUMS'))
    const lines = sums.toString().trim().split('\n').map((line) => line.split('  '))
    for (const [sum, file] of lines) expect(await sha256Of(join(folders[0], file!))).toBe(sum)
    const signed = readdirSync(folders[0]).filter((file) => !file.startsWith('SHA256SUMS'))
    expect(lines.map(([, file]) => file)).toEqual(signed.sort())
    const { authority } = await openSigner({}, cacheFolder)
    const certificate = new X509Certificate(readFileSync(join(folders[0], 'SHA256SUMS.pem')))
    expect(certificate.verify(new X509Certificate(authority).publicKey)).toBe(true)
    const signature = Buffer.from(readFileSync(join(folders[0], 'SHA256SUMS.sig'), 'utf8'), 'base64')
    expect(verify('sha256', sums, createPublicKey(certificate.toString()), signature)).toBe(true)

    const bill = JSON.parse(readFileSync(join(folders[0], built[0]!.bill), 'utf8'))
    const billed = bill.packages.map((one: { name: string }) => one.name)
    for (const expected of ['systemd', 'rauc', 'nftables', 'zod', 'pino']) expect(billed).toContain(expected)
    rmSync(join(scratch, name), { recursive: true })
  })
})
