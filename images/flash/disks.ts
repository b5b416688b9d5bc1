// Which disks there are, and why one must not be written to. From /sys/block and /proc, so that it works without udev; `root` is for tests.
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'

export type Disk = {
  /** `sdb`, `mmcblk0`. */
  readonly name: string
  readonly path: string
  readonly octets: number
  readonly model: string
  /** How it is attached: `usb`, `mmc`, `loop`, or another bus. */
  readonly bus: string
  /** The medium, or the disk as a whole, can be taken out. */
  readonly removable: boolean
  /** What keeps its contents apart from those of another disk under the same name: serial number, WWID or CID; else its model. */
  readonly identity: string
  /** Why it must not be written to; empty: it may. */
  readonly objections: readonly string[]
}

type Facts = {
  /** `8:1` → where it is mounted. */
  readonly mounts: ReadonlyMap<string, readonly string[]>
  /** Device names that are swapped to, without /dev/. */
  readonly swaps: ReadonlySet<string>
}

/** Octets of a sector in sysfs, whatever the disk's own are. */
const sector = 512

/** All disks with something in them; loop devices, RAM disks and device-mapper targets only where `all` says so. */
export function disks(root = '/', all = false): readonly Disk[] {
  const facts = factsOf(root)
  const folder = join(root, 'sys/block')
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  return names
    .filter((name) => all || !/^(?:loop|ram|zram|dm-|md|nbd|sr|fd)\d*/.test(name))
    .map((name) => diskOf(root, name, facts))
    .filter((disk) => disk.octets > 0)
}

/** The disk of a name, `/dev/sdb` or a link to it; for a partition, its disk and an objection. Undefined where it is none. */
export function diskAt(path: string, root = '/'): Disk | undefined {
  const name = basename(resolveLink(path))
  const folder = join(root, 'sys/block')
  if (existsSync(join(folder, name))) return diskOf(root, name, factsOf(root))
  const whole = existsSync(folder)
    ? readdirSync(folder).find((disk) => existsSync(join(folder, disk, name, 'partition')))
    : undefined
  if (whole === undefined) return undefined
  const disk = diskOf(root, whole, factsOf(root))
  return { ...disk, objections: [`${path} is a partition; its whole disk is /dev/${whole}`, ...disk.objections] }
}

/** What speaks against writing an image of so many octets. */
export function objectionsTo(disk: Disk, imageOctets: number): readonly string[] {
  if (disk.octets >= imageOctets) return disk.objections
  return [...disk.objections, `it has ${disk.octets} octets, the image ${imageOctets}`]
}

function resolveLink(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function diskOf(root: string, name: string, facts: Facts): Disk {
  const folder = join(root, 'sys/block', name)
  const read = (file: string) => readText(join(folder, file))
  const octets = Number(read('size') ?? 0) * sector
  const bus = busOf(folder, name)
  const removable =
    read('removable') === '1' || bus === 'usb' || (bus === 'mmc' && read('device/type') !== 'MMC') || bus === 'loop'
  const model =
    [read('device/vendor'), read('device/model') ?? read('device/name')].filter((text) => text).join(' ') || name
  const serial =
    read('device/serial') ?? read('device/wwid') ?? read('wwid') ?? read('device/cid') ?? read('loop/backing_file')
  const parts = partsOf(folder, name)
  const objections = [
    ...(read('ro') === '1' ? ['it is write-protected'] : []),
    ...(removable ? [] : [`it can't be taken out: a disk of this machine (${bus}), not a card or a stick`]),
    ...(Number(read('queue/logical_block_size') ?? sector) !== sector
      ? [`its sectors have ${read('queue/logical_block_size')} octets; images are made for ${sector}`]
      : []),
    ...parts.flatMap((part) => objectionsToPart(root, part, facts)),
  ]
  return {
    name,
    path: `/dev/${name}`,
    octets,
    model,
    bus,
    removable,
    identity: serial ?? model,
    objections: [...new Set(objections)],
  }
}

type Part = { readonly name: string; readonly folder: string }

/** The disk itself and its partitions. */
function partsOf(folder: string, name: string): readonly Part[] {
  const inside = readdirSync(folder)
    .filter((entry) => existsSync(join(folder, entry, 'partition')))
    .sort()
  return [{ name, folder }, ...inside.map((part) => ({ name: part, folder: join(folder, part) }))]
}

function objectionsToPart(root: string, part: Part, facts: Facts): readonly string[] {
  const found: string[] = []
  const number = readText(join(part.folder, 'dev')) ?? ''
  for (const place of facts.mounts.get(number) ?? []) found.push(mountedAt(part.name, place))
  if (facts.swaps.has(part.name)) found.push(`${part.name} is swap of this machine`)
  for (const holder of listed(join(part.folder, 'holders'))) {
    const upper = join(root, 'sys/block', holder)
    const what = holder.startsWith('md') ? 'a RAID' : (readText(join(upper, 'dm/name')) ?? 'a volume')
    found.push(`${part.name} is part of ${what} (${holder}): RAID, LVM or encryption is using it`)
    const above = { name: holder, folder: upper }
    if (existsSync(upper))
      found.push(...objectionsToPart(root, above, facts).map((text) => `${text}, by way of ${part.name}`))
  }
  return found
}

function mountedAt(name: string, place: string): string {
  if (place === '/' || /^\/(?:boot|usr|var|home|efi)(?:\/|$)/.test(place))
    return `${name} holds ${place} of this machine`
  return `${name} is mounted at ${place}; "umount ${place}" first`
}

function busOf(folder: string, name: string): string {
  if (name.startsWith('loop')) return 'loop'
  if (name.startsWith('mmcblk')) return 'mmc'
  const place = resolveLink(folder)
  const device = resolveLink(join(folder, 'device'))
  const found = /\/(usb|ata|nvme|virtio|mmc|scsi)\d*/i.exec(`${place}\n${device}`)
  if (/\/usb\d/.test(`${place}\n${device}`)) return 'usb'
  return found?.[1]?.toLowerCase() ?? 'built in'
}

function factsOf(root: string): Facts {
  const mounts = new Map<string, string[]>()
  const add = (number: string, place: string) => mounts.set(number, [...(mounts.get(number) ?? []), place])
  const numbers = new Map(blockNumbers(root))
  for (const line of (readText(join(root, 'proc/self/mountinfo')) ?? '').split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const [, , number, , place] = before.split(' ')
    if (number === undefined || place === undefined) continue
    // Btrfs and overlay have numbers of their own; their source names the device.
    const source = basename(after.split(' ')[1] ?? '')
    const named = [...numbers].find(([, name]) => name === source)?.[0]
    add(numbers.has(number) ? number : (named ?? number), unescaped(place))
  }
  const swaps = (readText(join(root, 'proc/swaps')) ?? '')
    .split('\n')
    .slice(1)
    .map((line) => basename(line.split(/\s/)[0] ?? ''))
  return { mounts, swaps: new Set(swaps.filter((name) => name !== '')) }
}

/** `8:1` → `sda1`, of disks and partitions. */
function blockNumbers(root: string): readonly (readonly [string, string])[] {
  const folder = join(root, 'sys/block')
  return listed(folder).flatMap((disk) =>
    partsOf(join(folder, disk), disk).map(({ name, folder }) => [readText(join(folder, 'dev')) ?? '', name] as const),
  )
}

/** Octal escapes of mountinfo: `\040` is a space. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function listed(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function readText(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8').trim()
    return text === '' ? undefined : text
  } catch {
    return undefined
  }
}
