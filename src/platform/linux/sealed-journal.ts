// The journal as a file on a file system in memory: records appended, each write sealed as a whole (AES-256-GCM) under a key that is in no file. What a crash
// cuts off in the middle of writing doesn't open, and the writes before it stand. A file is only ever appended to by the process that began it: a
// new one begins a new file, with a salt of its own, so that no nonce is used twice. When most of a file is of the past it is written anew and put in the
// other's place.
//
//   GHJ1, salt (32)                          key of this file: HKDF-SHA256(key, salt)
//   length (4), ciphertext, tag (16)         nonce: the number of the write in this file; the first is the heading
//   in each write: name length (2), name, length (4, FFFFFFFF: gone), the record as node:v8 serialises it
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'
import type { Records } from '../../wire/durable.ts'
import type { Journal } from '../journal.ts'

const mark = Buffer.from('GHJ1')
const saltOctets = 32
const tagOctets = 16
const gone = 0xffff_ffff
/** Our own: a file is written anew when it is so many times what is worth keeping, and not before it has this size. */
const rewriteAt = { factor: 4, octets: 1 << 20 } as const
/** Our own: a write larger than this is damage. */
const largestWrite = 1 << 28

/** What the first write says. `format` is of the records; Instants mean something in the same boot only. */
export type Heading = { readonly format: number; readonly boot: string }

export type Reading =
  | { readonly is: 'read'; readonly records: Records }
  /** There is nothing to go on from: a sentence. */
  | { readonly is: 'nothing'; readonly why: string }

export class SealedJournal implements Journal {
  readonly former: Records | undefined
  readonly #path: string
  readonly #key: Uint8Array
  readonly #heading: Heading
  readonly #failed: (why: string) => void
  /** Serialised, by name: what a file written anew consists of. */
  readonly #live: Map<string, Buffer> = new Map()
  #liveOctets = 0
  #file: number | undefined
  #sealer: Sealer | undefined
  #fileOctets = 0

  /** `former`: what `readJournal` found. `failed` is told once why nothing is written any more. */
  constructor(
    path: string,
    key: Uint8Array,
    heading: Heading,
    former: Records | undefined,
    failed: (why: string) => void,
  ) {
    this.#path = path
    this.#key = key
    this.#heading = heading
    this.#failed = failed
    this.former = former
    for (const [name, record] of former ?? []) this.#keep(name, serialize(record))
    this.#attempt(() => this.#rewrite())
  }

  write(records: Records): void {
    if (this.#file === undefined) return
    const parts: Buffer[] = []
    for (const [name, record] of records) {
      const octets = record === undefined ? undefined : serialize(record)
      const before = this.#live.get(name)
      if (octets && before?.equals(octets)) continue
      parts.push(...entry(name, octets))
      this.#keep(name, octets)
    }
    if (parts.length === 0) return
    this.#attempt(() => {
      this.#append(Buffer.concat(parts))
      if (this.#fileOctets > Math.max(rewriteAt.octets, rewriteAt.factor * this.#liveOctets)) this.#rewrite()
    })
  }

  end(): void {
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
    for (const octets of this.#live.values()) octets.fill(0)
    this.#live.clear()
    this.#key.fill(0)
    rmSync(this.#path, { force: true })
  }

  #keep(name: string, octets: Buffer | undefined): void {
    const before = this.#live.get(name)
    this.#liveOctets += (octets?.length ?? 0) - (before?.length ?? 0)
    before?.fill(0)
    if (octets) this.#live.set(name, octets)
    else this.#live.delete(name)
  }

  #append(plain: Buffer): void {
    const sealed = this.#sealer!.seal(plain)
    plain.fill(0)
    // A partial write leaves a file that ends in what doesn't open.
    if (writeSync(this.#file!, sealed) !== sealed.length) throw new Error('no space is left')
    this.#fileOctets += sealed.length
  }

  #rewrite(): void {
    const temporary = `${this.#path}.new`
    const salt = randomBytes(saltOctets)
    const file = openSync(temporary, 'w', 0o600)
    const before = this.#file
    try {
      this.#file = file
      this.#sealer = new Sealer(this.#key, salt)
      this.#fileOctets = writeSync(file, Buffer.concat([mark, salt]))
      this.#append(Buffer.from(JSON.stringify(this.#heading)))
      this.#append(Buffer.concat([...this.#live].flatMap(([name, octets]) => entry(name, octets))))
      renameSync(temporary, this.#path)
    } catch (error) {
      closeSync(file)
      this.#file = before
      throw error
    }
    if (before !== undefined) closeSync(before)
  }

  /** A journal that can't be written is worse than none: it is taken away, and the gateway goes on. */
  #attempt(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.end()
      this.#failed((error as Error).message)
    }
  }
}

/** What the file holds, as far as it opens. */
export function readJournal(path: string, key: Uint8Array, heading: Heading): Reading {
  let octets: Buffer
  try {
    octets = readFileSync(path)
  } catch {
    return { is: 'nothing', why: 'there is no journal' }
  }
  const start = mark.length + saltOctets
  if (octets.length < start || !octets.subarray(0, mark.length).equals(mark))
    return { is: 'nothing', why: 'the journal is not one of ours' }
  const opener = new Opener(key, octets.subarray(mark.length, start))
  const [first, ...writes] = opener.open(octets.subarray(start))
  if (!first) return { is: 'nothing', why: 'the journal is sealed with another key' }
  const { format, boot } = JSON.parse(first.toString()) as Heading
  if (boot !== heading.boot) return { is: 'nothing', why: 'the journal is from before the machine was started' }
  if (format !== heading.format)
    return { is: 'nothing', why: `the journal is in format ${format}, and this program reads ${heading.format}` }
  const live = new Map<string, Buffer>()
  for (const write of writes) replay(write, live)
  try {
    return { is: 'read', records: new Map([...live].map(([name, record]) => [name, deserialize(record)])) }
  } catch (error) {
    return { is: 'nothing', why: `the journal can't be read: ${(error as Error).message}` }
  }
}

function* entryOf(name: string, octets: Buffer | undefined): Generator<Buffer> {
  const text = Buffer.from(name)
  const head = Buffer.alloc(2)
  head.writeUInt16BE(text.length)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(octets?.length ?? gone)
  yield head
  yield text
  yield length
  if (octets) yield octets
}

const entry = (name: string, octets: Buffer | undefined) => [...entryOf(name, octets)]

function replay(write: Buffer, live: Map<string, Buffer>): void {
  for (let at = 0; at < write.length; ) {
    const nameEnd = at + 2 + write.readUInt16BE(at)
    const name = write.toString('utf8', at + 2, nameEnd)
    const length = write.readUInt32BE(nameEnd)
    at = nameEnd + 4
    if (length === gone) live.delete(name)
    else {
      live.set(name, write.subarray(at, at + length))
      at += length
    }
  }
}

function fileKey(key: Uint8Array, salt: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, salt, 'gatehouse journal', 32))
}

function nonceOf(count: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(count, 6, 6)
  return nonce
}

class Sealer {
  readonly #key: Buffer
  #count = 0

  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = fileKey(key, salt)
  }

  seal(plain: Uint8Array): Buffer {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#count++))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(plain.length)
    return Buffer.concat([length, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  }
}

class Opener {
  readonly #key: Buffer

  constructor(key: Uint8Array, salt: Uint8Array) {
    this.#key = fileKey(key, salt)
  }

  /** The writes in order, up to the first that is not whole or doesn't open. */
  open(octets: Buffer): Buffer[] {
    const writes: Buffer[] = []
    for (let at = 0; at + 4 <= octets.length; ) {
      const length = octets.readUInt32BE(at)
      const end = at + 4 + length + tagOctets
      if (length > largestWrite || end > octets.length) break
      const opened = this.#open(octets.subarray(at + 4, end), writes.length)
      if (!opened) break
      writes.push(opened)
      at = end
    }
    return writes
  }

  #open(sealed: Buffer, count: number): Buffer | undefined {
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(count))
    decipher.setAuthTag(sealed.subarray(sealed.length - tagOctets))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagOctets)), decipher.final()])
    } catch {
      return undefined
    }
  }
}
