// The build itself: the same octets twice, and what is handed out beside the disk.
import { createPublicKey, verify, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { buildImage, cacheFolder } from '../../images/build.ts'
import { openSigner } from '../../images/keys.ts'
import { sha256Of } from '../../images/sign.ts'
import { alone, boardOf, ensureImage, scratchFolder, testOverlays } from './images.ts'

const root = process.getuid?.() === 0
/** Both in `npm run image:test:long`: a build takes minutes. */
const names = process.env.GATEHOUSE_LONG === '1' ? (['qemu-x86_64', 'qemu-arm64'] as const) : (['qemu-x86_64'] as const)
let scratch: string

beforeAll(() => {
  scratch = scratchFolder()
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe.runIf(root)('two builds of one commit', () => {
  test.each(names)('%s, built again: the same octets of disk, bill and record; sums and signature are right', async (name) => {
    const first = dirname((await ensureImage(name, { exactly: true })).disk)
    const out = join(scratch, name)
    const board = await boardOf(name)
    const { disk, bill, packages } = await alone(() => buildImage({ board, out, overlays: testOverlays }))
    for (const file of [disk, bill, packages])
      expect([file, await sha256Of(join(out, file))]).toEqual([file, await sha256Of(join(first, file))])

    const sums = readFileSync(join(out, 'SHA256SUMS'))
    const lines = sums.toString().trim().split('\n').map((line) => line.split('  '))
    for (const [sum, file] of lines) expect(await sha256Of(join(out, file!))).toBe(sum)
    const signed = readdirSync(out).filter((file) => !file.startsWith('SHA256SUMS'))
    expect(lines.map(([, file]) => file)).toEqual(signed.sort())
    const { authority } = await openSigner({}, cacheFolder)
    const certificate = new X509Certificate(readFileSync(join(out, 'SHA256SUMS.pem')))
    expect(certificate.verify(new X509Certificate(authority).publicKey)).toBe(true)
    const signature = Buffer.from(readFileSync(join(out, 'SHA256SUMS.sig'), 'utf8'), 'base64')
    expect(verify('sha256', sums, createPublicKey(certificate.toString()), signature)).toBe(true)

    const listed = JSON.parse(readFileSync(join(out, bill), 'utf8'))
    const billed = listed.packages.map((one: { name: string }) => one.name)
    for (const expected of ['systemd', 'rauc', 'nftables', 'zod', 'pino']) expect(billed).toContain(expected)
    rmSync(out, { recursive: true })
  })
})
