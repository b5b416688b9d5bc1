// Flashing to files and, as root, to a loop device: equal after reading back, interrupted and resumed: equal; what must be refused is, with its reason.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { developmentSigner } from '../keys.ts'
import { signFiles } from '../sign.ts'
import type { Target } from './copy.ts'
import { type FlashRequest, flash, type Surroundings } from './flash.ts'
import { Journal } from './journal.ts'

const mega = 2 ** 20
const imageOctets = 24 * mega + 512
const name = 'gatehouse-test-0.2.0.img'

let folder = ''
let authority = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-flash-'))
  mkdirSync(join(folder, 'images'))
  writeFileSync(join(folder, 'images', name), imageOf(imageOctets))
  const signer = await developmentSigner(join(folder, 'keys'))
  authority = signer.authority
  await signFiles(join(folder, 'images'), [name], signer)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A disk image with a partition table, some megabytes of data and more of zeros. */
function imageOf(octets: number): Buffer {
  const image = Buffer.alloc(octets)
  for (const at of [1, 2, 5, 9, 17])
    image.write(createHash('sha256').update(String(at)).digest('hex').repeat(16_384), at * mega)
  const last = octets / 512 - 1
  image.writeUInt8(0xee, 450)
  image.writeUInt32LE(1, 454)
  image.writeUInt32LE(last, 458)
  image.writeUInt16LE(0xaa55, 510)
  const entries = image.subarray(1024, 1024 + 16_384)
  entries.write('AF3DC60F838472478E793D69D8477DE4', 'hex')
  entries.write('00112233445566778899AABBCCDDEEFF', 16, 'hex')
  entries.writeBigUInt64LE(2048n, 32)
  entries.writeBigUInt64LE(20_000n, 40)
  const header = (own: number, other: number, table: number) => {
    const octets = Buffer.alloc(92)
    octets.write('EFI PART')
    octets.writeUInt32LE(0x10000, 8)
    octets.writeUInt32LE(92, 12)
    octets.writeBigUInt64LE(BigInt(own), 24)
    octets.writeBigUInt64LE(BigInt(other), 32)
    octets.writeBigUInt64LE(34n, 40)
    octets.writeBigUInt64LE(BigInt(last - 33), 48)
    octets.write('6A7E6F757365400080000000000000AA', 56, 'hex')
    octets.writeBigUInt64LE(BigInt(table), 72)
    octets.writeUInt32LE(128, 80)
    octets.writeUInt32LE(128, 84)
    octets.writeUInt32LE(crc32(entries), 88)
    octets.writeUInt32LE(crc32(octets), 16)
    return octets
  }
  header(1, last, 2).copy(image, 512)
  entries.copy(image, (last - 32) * 512)
  header(last, 1, last - 32).copy(image, last * 512)
  return image
}

let scratch = ''
let device = ''

/** A file as big as a device, full of what somebody left on it. */
function deviceOf(octets: number): string {
  const path = join(scratch, 'device')
  writeFileSync(path, Buffer.alloc(octets, 'left by somebody '))
  return path
}

beforeEach(() => {
  scratch = mkdtempSync(join(folder, 'run-'))
  device = deviceOf(32 * mega)
})

type Try = Partial<FlashRequest> & { readonly around?: Partial<Surroundings> }

async function tryFlash({ around, ...request }: Try = {}) {
  const said: string[] = []
  const whole: FlashRequest = {
    board: 'test',
    to: device,
    image: undefined,
    folder: join(folder, 'images'),
    file: true,
    resume: false,
    authorities: [authority],
    ...request,
  }
  const surroundings: Surroundings = {
    say: (line) => said.push(line),
    progress: () => {},
    agree: async () => true,
    signal: new AbortController().signal,
    now: () => new Date(),
    journal: new Journal(join(scratch, 'journal')),
    ...around,
  }
  try {
    await flash(whole, surroundings)
    return said.at(-1)!
  } catch (error) {
    return (error as Error).message
  }
}

const left = Buffer.alloc(32 * mega, 'left by somebody ')

/** The device holds the image, with its partition table fitted, and is untouched behind it but for the backup table. */
function expectWhole(): void {
  const [image, found] = [readFileSync(join(folder, 'images', name)), readFileSync(device)]
  expect(found.subarray(1024, imageOctets).equals(image.subarray(1024))).toBe(true)
  expect(found.subarray(imageOctets, -33 * 512).equals(left.subarray(imageOctets, -33 * 512))).toBe(true)
  const last = found.length / 512 - 1
  const header = found.subarray(512, 604)
  const backup = found.subarray(last * 512, last * 512 + 92)
  expect([header.readBigUInt64LE(32), header.readBigUInt64LE(48)]).toEqual([BigInt(last), BigInt(last - 33)])
  expect([backup.readBigUInt64LE(24), backup.readBigUInt64LE(32), backup.readBigUInt64LE(72)]).toEqual([
    BigInt(last),
    1n,
    BigInt(last - 32),
  ])
  for (const one of [header, backup]) {
    const copy = Buffer.from(one)
    copy.writeUInt32LE(0, 16)
    expect(crc32(copy)).toBe(one.readUInt32LE(16))
  }
  expect(found.subarray(-33 * 512, -512).equals(found.subarray(1024, 1024 + 16_384))).toBe(true)
  expect(found.readUInt32LE(458)).toBe(last)
}

describe('a copy', () => {
  test('onto a larger device: equal, with the backup table at its end', async () => {
    expect(await tryFlash()).toMatch(
      /25\.2 MB written, 0 B of zeros were there already, everything read back and equal$/,
    )
    expectWhole()
  })

  test.skipIf(spawnSync('sgdisk', ['--version']).status !== 0)('sgdisk finds the table sound', async () => {
    await tryFlash()
    expect(spawnSync('sgdisk', ['-v', device], { encoding: 'utf8' }).stdout).toContain('No problems found')
  })

  test('onto a device of the same size: every octet', async () => {
    truncateSync(device, imageOctets)
    await tryFlash()
    expect(readFileSync(device).equals(readFileSync(join(folder, 'images', name)))).toBe(true)
  })

  test('zeros that are there already are not written', async () => {
    truncateSync(device, 0)
    truncateSync(device, 32 * mega)
    expect(await tryFlash()).toContain('7.3 MB written, 17.8 MB of zeros were there already')
  })
})

/** A target that fails after so many octets, as a card that is pulled out does: in the middle of a write. */
async function pulledAfter(octets: number, path: string): Promise<Target> {
  const file = await open(path, 'r+')
  let room = octets
  return {
    read: (...args) => file.read(...args),
    async write(buffer, offset, length, position) {
      if (room <= 0) throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
      const part = Math.min(length, room)
      room -= part
      return file.write(buffer, offset, part, position)
    },
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

describe('interrupted and resumed', () => {
  test.each(Array.from({ length: 12 }, (_, i) => Math.floor(((i + 0.37) / 12) * 26 * mega)))(
    'the device is gone after %i octets',
    async (octets) => {
      const said = await tryFlash({ around: { openTarget: (path) => pulledAfter(octets, path) } })
      expect(said).toMatch(/EIO.*; once it is there again the same command with --resume goes on$/)
      // Until everything else is on the medium nothing takes it for a whole one.
      expect(readFileSync(device).subarray(512, 520).toString('latin1')).not.toBe('EFI PART')
      expect(await tryFlash({ resume: true })).toContain('everything read back and equal')
      expectWhole()
      expect(await tryFlash({ resume: true })).toContain('there is nothing to resume')
    },
  )

  test('Ctrl-C says how to go on; what is on the medium is not written again', async () => {
    const stop = new AbortController()
    const progress = (what: string, done: number) => {
      if (what === 'writing' && done > 19 * mega) stop.abort()
    }
    expect(await tryFlash({ around: { signal: stop.signal, progress } })).toMatch(
      /^interrupted: .*--resume goes on where it stopped$/,
    )
    expect(await tryFlash({ resume: true })).toContain(': 5.2 MB written, 3.1 MB of zeros')
    expectWhole()
  })

  test('another image does not go on where the first stopped', async () => {
    await tryFlash({ around: { openTarget: (path) => pulledAfter(20 * mega, path) } })
    const journal = new Journal(join(scratch, 'journal'))
    journal.write({ ...journal.read()!, image: '00' })
    expect(await tryFlash({ resume: true })).toContain('there is nothing to resume')
  })
})

describe('a device that does not hold what is written', () => {
  /** Bits fall over in one chunk whenever it is read, or the first time only. */
  async function forgetful(path: string, times: number): Promise<Target> {
    const file = await open(path, 'r+')
    let spoilt = 0
    let whole = false
    return {
      async read(buffer, offset, length, position) {
        const result = await file.read(buffer, offset, length, position)
        if (whole && position === 5 * mega && spoilt++ < times) buffer[offset]! ^= 4
        return result
      },
      async write(buffer, offset, length, position) {
        if (position === 0 && buffer.subarray(offset + 512, offset + 520).toString('latin1') === 'EFI PART')
          whole = true
        return file.write(buffer, offset, length, position)
      },
      sync: () => file.sync(),
      close: () => file.close(),
    }
  }

  test('once: it is written again, and said', async () => {
    expect(await tryFlash({ around: { openTarget: (path) => forgetful(path, 1) } })).toContain(
      '1 MiB had to be written twice: mistrust this device',
    )
    expectWhole()
  })

  test('always: the device is broken', async () => {
    expect(await tryFlash({ around: { openTarget: (path) => forgetful(path, 99) } })).toContain(
      'octets 5242880 and on do not read back as written, twice: the device is broken, or smaller than it says',
    )
  })
})

describe('refused before the first octet', () => {
  const untouched = () => expect(readFileSync(device).equals(left)).toBe(true)

  /** The images' folder with one thing changed. */
  function spoilt(change: (folder: string) => void): string {
    const copy = join(scratch, 'images')
    mkdirSync(copy)
    for (const file of [name, 'SHA256SUMS', 'SHA256SUMS.sig', 'SHA256SUMS.pem'])
      copyFileSync(join(folder, 'images', file), join(copy, file))
    change(copy)
    return copy
  }

  const flip = (path: string, at: number) => {
    const octets = readFileSync(path)
    octets[at]! ^= 1
    writeFileSync(path, octets)
  }

  test.each<[string, (folder: string) => void, RegExp]>([
    [
      'an octet of the image is another',
      (at) => flip(join(at, name), 9 * mega),
      /has SHA-256 \w+, the signed list says \w+: it is damaged/,
    ],
    ['the image is cut short', (at) => truncateSync(join(at, name), 20 * mega), /it is damaged or was changed/],
    [
      'the list was changed',
      (at) => flip(join(at, 'SHA256SUMS'), 3),
      /the signature of .*SHA256SUMS is wrong: it was changed after "Gatehouse development, not for sale: signer"/,
    ],
    [
      'the signature was changed',
      (at) => flip(join(at, 'SHA256SUMS.sig'), 30),
      /the signature of .*SHA256SUMS is wrong/,
    ],
    [
      'no signature',
      (at) => rmSync(join(at, 'SHA256SUMS.sig')),
      /SHA256SUMS\.sig beside the image can't be read \(ENOENT\)/,
    ],
    [
      'no certificate in its file',
      (at) => writeFileSync(join(at, 'SHA256SUMS.pem'), 'none'),
      /SHA256SUMS\.pem is no certificate/,
    ],
  ])('%s', async (_, change, reason) => {
    const said = await tryFlash({ folder: spoilt(change) })
    expect(said).toMatch(/^nothing was written: /)
    expect(said).toMatch(reason)
    untouched()
  })

  test('a signer whom nobody trusts', async () => {
    const other = await developmentSigner(join(scratch, 'keys'), 'Somebody else')
    expect(await tryFlash({ authorities: [other.authority] })).toMatch(
      /signed by "Gatehouse.*who is not trusted: --authority FILE/,
    )
    expect(await tryFlash({ authorities: [] })).toContain('no authority is known whose signature counts')
    untouched()
  })

  test("a signature by a stranger's key under the right name", async () => {
    const copy = spoilt(() => {})
    const other = await developmentSigner(join(scratch, 'keys'))
    await signFiles(copy, [name], other)
    expect(await tryFlash({ folder: copy })).toContain('who is not trusted')
    untouched()
  })

  test('an image of another board, none, or a device that is too small', async () => {
    expect(await tryFlash({ board: 'other', image: join(folder, 'images', name) })).toContain(
      'is an image of test, not of other',
    )
    expect(await tryFlash({ board: 'other' })).toContain('there is no image of other')
    expect(await tryFlash({ to: join(scratch, 'nothing') })).toContain('is no regular file')
    untouched()
    truncateSync(device, 20 * mega)
    expect(await tryFlash()).toBe(`${device} is not written to: it has ${20 * mega} octets, the image ${imageOctets}`)
  })

  test('interrupted while the image is checked', async () => {
    const stop = new AbortController()
    const progress = (_: string, done: number) => {
      if (done > 4 * mega) stop.abort()
    }
    expect(await tryFlash({ around: { signal: stop.signal, progress } })).toBe('interrupted: nothing was written')
    untouched()
  })

  test('nobody agreed', async () => {
    expect(await tryFlash({ around: { agree: async () => false } })).toBe('nothing was written')
    untouched()
  })
})

const losetup = (...args: string[]) => spawnSync('losetup', args, { encoding: 'utf8' })
const loops = process.getuid?.() === 0 && losetup('-f').status === 0

describe.skipIf(!loops)('a loop device (needs root)', () => {
  test('mounted: refused with the place; unmounted: written, equal', async () => {
    const loop = losetup('--show', '-f', device).stdout.trim()
    const place = join(scratch, 'mounted here')
    try {
      mkdirSync(place)
      expect(spawnSync('mkfs.ext4', ['-q', '-F', loop]).status).toBe(0)
      expect(spawnSync('mount', [loop, place]).status).toBe(0)
      expect(await tryFlash({ to: loop, file: false })).toBe(
        `${loop} is not written to: ${loop.slice(5)} is mounted at ${place}; "umount ${place}" first`,
      )
      expect(spawnSync('umount', [place]).status).toBe(0)
      expect(await tryFlash({ to: loop, file: false })).toContain('everything read back and equal')
    } finally {
      spawnSync('umount', [place])
      losetup('-d', loop)
    }
    expect(
      readFileSync(device)
        .subarray(1024, imageOctets)
        .equals(readFileSync(join(folder, 'images', name)).subarray(1024)),
    ).toBe(true)
  })
})
