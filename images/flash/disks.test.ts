// Which disks are offered and which refused, from the /sys and /proc of machines made of files.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { diskAt, disks, objectionsTo } from './disks.ts'

let root = ''

function put(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-disks-'))
  put({
    // A PC: a disk with the system in a volume group, swap; a stick, mounted; a card; a read-only card; a stick of 4096-octet sectors; two disks of a RAID.
    'sys/block/sda/size': '1000000',
    'sys/block/sda/removable': '0',
    'sys/block/sda/device/model': 'SAMSUNG SSD',
    'sys/block/sda/dev': '8:0',
    'sys/block/sda/sda1/partition': '1',
    'sys/block/sda/sda1/dev': '8:1',
    'sys/block/sda/sda2/partition': '2',
    'sys/block/sda/sda2/dev': '8:2',
    'sys/block/sda/sda2/holders/dm-0/dev': '253:0',
    'sys/block/sda/sda3/partition': '3',
    'sys/block/sda/sda3/dev': '8:3',
    'sys/block/dm-0/size': '900000',
    'sys/block/dm-0/dev': '253:0',
    'sys/block/dm-0/dm/name': 'vg0-root',
    'sys/block/sdb/size': '60000000',
    'sys/block/sdb/removable': '1',
    'sys/block/sdb/device/vendor': 'SanDisk',
    'sys/block/sdb/device/model': 'Ultra',
    'sys/block/sdb/dev': '8:16',
    'sys/block/sdb/sdb1/partition': '1',
    'sys/block/sdb/sdb1/dev': '8:17',
    'sys/block/mmcblk0/size': '30000000',
    'sys/block/mmcblk0/removable': '0',
    'sys/block/mmcblk0/device/type': 'SD',
    'sys/block/mmcblk0/device/name': 'SC32G',
    'sys/block/mmcblk0/device/cid': '035344',
    'sys/block/mmcblk0/dev': '179:0',
    'sys/block/mmcblk1/size': '30000000',
    'sys/block/mmcblk1/removable': '0',
    'sys/block/mmcblk1/ro': '1',
    'sys/block/mmcblk1/device/type': 'SD',
    'sys/block/mmcblk1/dev': '179:8',
    'sys/block/mmcblk2/size': '30000000',
    'sys/block/mmcblk2/removable': '0',
    'sys/block/mmcblk2/device/type': 'MMC',
    'sys/block/mmcblk2/dev': '179:16',
    'sys/block/sdc/size': '60000000',
    'sys/block/sdc/removable': '1',
    'sys/block/sdc/queue/logical_block_size': '4096',
    'sys/block/sdc/dev': '8:32',
    'sys/block/sdd/size': '60000000',
    'sys/block/sdd/removable': '1',
    'sys/block/sdd/dev': '8:48',
    'sys/block/sdd/holders/md0/x': '',
    'sys/block/loop0/size': '8',
    'sys/block/sde/size': '0',
    'sys/block/sde/removable': '1',
    'proc/self/mountinfo': [
      '22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg0-root rw',
      '23 22 8:1 / /boot rw,relatime shared:2 - ext4 /dev/sda1 rw',
      '24 22 0:40 / /media/user/MY\\040STICK rw - btrfs /dev/sdb1 rw',
      '25 22 0:5 / /proc rw - proc proc rw',
    ].join('\n'),
    'proc/swaps':
      'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sda3                               partition\t1000\t0\t-2',
  })
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

test('the disks of a PC', () => {
  const shown = Object.fromEntries(disks(root).map(({ name, objections }) => [name, objections]))
  expect(shown).toEqual({
    sda: [
      "it can't be taken out: a disk of this machine (built in), not a card or a stick",
      'sda1 holds /boot of this machine',
      'sda2 is part of vg0-root (dm-0): RAID, LVM or encryption is using it',
      'dm-0 holds / of this machine, by way of sda2',
      'sda3 is swap of this machine',
    ],
    sdb: ['sdb1 is mounted at /media/user/MY STICK; "umount /media/user/MY STICK" first'],
    mmcblk0: [],
    mmcblk1: ['it is write-protected'],
    mmcblk2: ["it can't be taken out: a disk of this machine (mmc), not a card or a stick"],
    sdc: ['its sectors have 4096 octets; images are made for 512'],
    sdd: ['sdd is part of a RAID (md0): RAID, LVM or encryption is using it'],
  })
})

test('a disk by its path, its size against the image', () => {
  const card = diskAt('/dev/mmcblk0', root)!
  expect(card).toEqual({
    name: 'mmcblk0',
    path: '/dev/mmcblk0',
    octets: 15_360_000_000,
    model: 'SC32G',
    bus: 'mmc',
    removable: true,
    identity: '035344',
    objections: [],
  })
  expect(objectionsTo(card, 1_000)).toEqual([])
  expect(objectionsTo(card, 15_360_000_001)).toEqual(['it has 15360000000 octets, the image 15360000001'])
})

test('a partition is refused, with its disk; what is no disk is none', () => {
  expect(diskAt('/dev/sdb1', root)?.objections[0]).toBe('/dev/sdb1 is a partition; its whole disk is /dev/sdb')
  expect(diskAt('/dev/null', root)).toBeUndefined()
})
