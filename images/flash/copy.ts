// Copies a verified image onto a device, so that it can be interrupted at any point and gone on with.
//
//  1. the first megabyte is cleared: nothing takes a half-written device for a whole one
//  2. the other chunks in order; a chunk of zeros is written only where the device has something else: cards last longer, and it is faster
//  3. the backup partition table at the device's end, then the first megabyte, its first two sectors last
//  4. everything is on the medium (fsync), the kernel's copies are dropped, and every chunk is read back and compared by its hash; what differs is
//     written once more and read again
//
// After every few megabytes the octets are put on the medium and the journal says so.
import { open } from 'node:fs/promises'
import { type MovedGpt, moveBackup } from './gpt.ts'
import type { Journal } from './journal.ts'
import { type ChunkHash, chunkOctets, hashOf, readFully, type VerifiedImage } from './verify.ts'

/** A device or a file that is written to; node:fs's FileHandle is one. */
export type Target = {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>
  sync(): Promise<void>
  close(): Promise<void>
}

export type CopyPhase = 'writing' | 'reading back'

export type CopyOptions = {
  readonly image: VerifiedImage
  readonly target: Target
  /** Octets of the device. */
  readonly targetOctets: number
  /** What the device is, for the journal. */
  readonly device: string
  readonly journal: Journal
  /** Goes on where the journal says. */
  readonly resume: boolean
  /** Drops what the kernel remembers of the device, so that reading back reads the medium. */
  readonly dropCaches: () => Promise<void>
  /** Octets done and in all; a chunk that needs no writing is done at once. */
  readonly progress: (phase: CopyPhase, done: number, of: number) => void
  readonly signal: AbortSignal
}

export type Copied = {
  readonly writtenOctets: number
  readonly skippedOctets: number
  readonly repaired: number
  readonly resumedAt: number
}

/** The device does not hold what was written to it. */
export class DeviceFault extends Error {}

/** The protective MBR and the partition table's header. */
const headOctets = 1024
/** Chunks between two entries of the journal. */
const chunksAtOnce = 16

/** Throws a DeviceFault, a GptError, what the signal gives as its reason, or the file system's error. */
export async function copyImage(options: CopyOptions): Promise<Copied> {
  const source = await open(options.image.path, 'r')
  try {
    return await new Copy(options, source).run()
  } finally {
    await source.close()
  }
}

class Copy {
  readonly #options: CopyOptions
  readonly #source: Awaited<ReturnType<typeof open>>
  readonly #order: readonly number[]
  readonly #buffer = Buffer.alloc(chunkOctets)
  readonly #other = Buffer.alloc(chunkOctets)
  #gpt: MovedGpt | undefined
  #written = 0
  #skipped = 0

  constructor(options: CopyOptions, source: Awaited<ReturnType<typeof open>>) {
    this.#options = options
    this.#source = source
    const last = options.image.chunks.length - 1
    this.#order = [...Array.from({ length: last }, (_, i) => i + 1), 0]
  }

  async run(): Promise<Copied> {
    const { image, targetOctets, journal, resume, device } = this.#options
    this.#gpt = moveBackup(Buffer.from(await this.#chunkOfImage(0)), targetOctets)
    const entry = resume ? journal.read() : undefined
    const from =
      entry && entry.image === image.sha256 && entry.device === device
        ? Math.min(entry.written, this.#order.length - 1)
        : 0
    if (from === 0) await this.#clearFirst()
    await this.#writeFrom(from)
    const repaired = await this.#readBack()
    journal.remove()
    return { writtenOctets: this.#written, skippedOctets: this.#skipped, repaired, resumedAt: from * chunkOctets }
  }

  async #clearFirst(): Promise<void> {
    const { image, target, journal, device } = this.#options
    journal.write({ image: image.sha256, device, written: 0 })
    await this.#put(Buffer.alloc(Math.min(chunkOctets, image.octets)), 0)
    await target.sync()
  }

  async #writeFrom(from: number): Promise<void> {
    const { image, target, journal, device, progress, signal } = this.#options
    for (let i = from; i < this.#order.length; i++) {
      signal.throwIfAborted()
      // The backup table before the first chunk, which makes the device whole.
      if (i === this.#order.length - 1) await this.#writeBackup()
      await this.#writeChunk(this.#order[i]!)
      progress('writing', Math.min((i + 1) * chunkOctets, image.octets), image.octets)
      if ((i + 1) % chunksAtOnce !== 0) continue
      await target.sync()
      journal.write({ image: image.sha256, device, written: i + 1 })
    }
    await target.sync()
  }

  async #writeBackup(): Promise<void> {
    if (this.#gpt) await this.#put(this.#gpt.backup, this.#gpt.backupAt)
  }

  async #writeChunk(index: number): Promise<void> {
    const chunk = await this.#wanted(index)
    if (hashOf(chunk) === undefined && (await this.#isZero(index, chunk.length))) {
      this.#skipped += chunk.length
      return
    }
    await this.#putChunk(chunk, index)
    this.#written += chunk.length
  }

  /** Of the first chunk the sectors by which a device is taken for a whole one come last. */
  async #putChunk(chunk: Buffer, index: number): Promise<void> {
    if (index > 0) return this.#put(chunk, index * chunkOctets)
    await this.#put(chunk.subarray(headOctets), headOctets)
    await this.#options.target.sync()
    await this.#put(chunk.subarray(0, headOctets), 0)
  }

  /** What the device is to hold there: the image, with the partition table made for the device. */
  async #wanted(index: number): Promise<Buffer> {
    return index === 0 && this.#gpt ? this.#gpt.first : this.#chunkOfImage(index)
  }

  /** Throws where the image is not what was verified any more. */
  async #chunkOfImage(index: number): Promise<Buffer> {
    const { image } = this.#options
    const chunk = await readFully(this.#source, this.#buffer, index * chunkOctets, this.#lengthOf(index))
    if (hashOf(chunk) !== image.chunks[index]) throw new Error(`${image.path} was changed while it was copied`)
    return chunk
  }

  #lengthOf(index: number): number {
    return Math.min(chunkOctets, this.#options.image.octets - index * chunkOctets)
  }

  async #isZero(index: number, length: number): Promise<boolean> {
    return hashOf(await readFully(this.#options.target, this.#other, index * chunkOctets, length)) === undefined
  }

  async #put(octets: Buffer, position: number): Promise<void> {
    const { target } = this.#options
    for (let done = 0; done < octets.length; ) {
      const { bytesWritten } = await target.write(octets, done, octets.length - done, position + done)
      if (bytesWritten === 0) throw new DeviceFault(`the device takes nothing at octet ${position + done}`)
      done += bytesWritten
    }
  }

  /** Reads everything back; how many chunks had to be written again. */
  async #readBack(): Promise<number> {
    const { dropCaches, image, progress, signal } = this.#options
    await dropCaches()
    const wrong: number[] = []
    for (let index = 0; index < image.chunks.length; index++) {
      signal.throwIfAborted()
      if (!(await this.#holds(index))) wrong.push(index)
      progress('reading back', Math.min((index + 1) * chunkOctets, image.octets), image.octets)
    }
    if (wrong.length > 0) await this.#repair(wrong)
    if (!(await this.#holdsBackup()))
      throw new DeviceFault(
        'the device does not hold the backup partition table at its end: it is broken, or smaller than it says',
      )
    return wrong.length
  }

  async #repair(wrong: readonly number[]): Promise<void> {
    const { target, dropCaches } = this.#options
    for (const index of wrong) await this.#put(await this.#wanted(index), index * chunkOctets)
    await target.sync()
    await dropCaches()
    for (const index of wrong)
      if (!(await this.#holds(index)))
        throw new DeviceFault(
          `octets ${index * chunkOctets} and on do not read back as written, twice: the device is broken, or smaller than it says`,
        )
  }

  async #holds(index: number): Promise<boolean> {
    const wanted: ChunkHash = hashOf(await this.#wanted(index))
    return (
      hashOf(await readFully(this.#options.target, this.#other, index * chunkOctets, this.#lengthOf(index))) === wanted
    )
  }

  async #holdsBackup(): Promise<boolean> {
    if (!this.#gpt) return true
    const { backup, backupAt } = this.#gpt
    return (await readFully(this.#options.target, Buffer.alloc(backup.length), backupAt, backup.length)).equals(backup)
  }
}
