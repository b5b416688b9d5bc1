// GUID partition tables (UEFI specification 2.10, chapter 5): an image's backup table stands at the image's end, and must stand at the device's.
import { crc32 } from 'node:zlib'

const sector = 512
const signature = 'EFI PART'
/** Offsets in the header, §5.3.2. */
const at = {
  size: 12,
  crc: 16,
  own: 24,
  alternate: 32,
  lastUsable: 48,
  entries: 72,
  count: 80,
  entrySize: 84,
  entriesCrc: 88,
}
const leastHeader = 92

/** A table that can't be moved; the message says why. */
export class GptError extends Error {}

export type MovedGpt = {
  /** The image's first megabyte with its header and protective MBR made for the device. */
  readonly first: Buffer
  /** What stands at the device's end, and where: entries, then the header. */
  readonly backup: Buffer
  readonly backupAt: number
}

/**
 * Fits the table in the first octets of an image to a device of so many octets; undefined where the image has none. Where the device has the image's
 * size nothing changes. Throws a GptError where the table is damaged or the device too small for it.
 */
export function moveBackup(first: Buffer, deviceOctets: number): MovedGpt | undefined {
  if (first.length < 34 * sector || first.toString('latin1', sector, sector + 8) !== signature) return undefined
  const moved = Buffer.from(first)
  const size = moved.readUInt32LE(sector + at.size)
  if (size < leastHeader || size > sector) throw new GptError(`its partition table's header has ${size} octets`)
  const header = moved.subarray(sector, sector + size)
  if (crcOf(header) !== header.readUInt32LE(at.crc)) throw new GptError("its partition table's checksum is wrong")
  const entriesAt = Number(header.readBigUInt64LE(at.entries)) * sector
  const entriesOctets = header.readUInt32LE(at.count) * header.readUInt32LE(at.entrySize)
  if (entriesAt + entriesOctets > moved.length)
    throw new GptError('its partition entries lie beyond the first megabyte')
  const entries = moved.subarray(entriesAt, entriesAt + entriesOctets)
  if (crc32(entries) !== header.readUInt32LE(at.entriesCrc))
    throw new GptError("its partition entries' checksum is wrong")

  const last = Math.floor(deviceOctets / sector) - 1
  const entriesSectors = Math.ceil(entriesOctets / sector)
  const lastUsable = last - entriesSectors - 1
  if (lastUsable < lastUsed(entries, header.readUInt32LE(at.entrySize)))
    throw new GptError('the device is too small for its partitions')
  header.writeBigUInt64LE(BigInt(last), at.alternate)
  header.writeBigUInt64LE(BigInt(lastUsable), at.lastUsable)
  header.writeUInt32LE(crcOf(header), at.crc)
  fitProtectiveMbr(moved, last)

  const backup = Buffer.alloc((entriesSectors + 1) * sector)
  entries.copy(backup)
  const copy = backup.subarray(entriesSectors * sector, entriesSectors * sector + size)
  header.copy(copy)
  copy.writeBigUInt64LE(BigInt(last), at.own)
  copy.writeBigUInt64LE(1n, at.alternate)
  copy.writeBigUInt64LE(BigInt(last - entriesSectors), at.entries)
  copy.writeUInt32LE(crcOf(copy), at.crc)
  return { first: moved, backup, backupAt: (last - entriesSectors) * sector }
}

/** CRC-32 of a header with its own field as zeros. */
function crcOf(header: Buffer): number {
  const copy = Buffer.from(header)
  copy.writeUInt32LE(0, at.crc)
  return crc32(copy)
}

function lastUsed(entries: Buffer, size: number): number {
  let last = 0
  for (let i = 0; i + size <= entries.length; i += size)
    if (!entries.subarray(i, i + 16).equals(Buffer.alloc(16)))
      last = Math.max(last, Number(entries.readBigUInt64LE(i + 40)))
  return last
}

/** §5.2.3: one partition of type EE over the whole disk, as far as 32 bits go. A hybrid MBR is left as it is. */
function fitProtectiveMbr(octets: Buffer, last: number): void {
  const entry = 446
  const others = octets.subarray(entry + 16, entry + 64)
  if (octets[entry + 4] === 0xee && others.equals(Buffer.alloc(48)))
    octets.writeUInt32LE(Math.min(last, 0xffff_ffff), entry + 12)
}
