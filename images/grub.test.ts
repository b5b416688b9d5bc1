import { describe, expect, test } from 'vitest'
import { board as arm64 } from '../board/qemu-arm64/board.ts'
import { board as pc } from '../board/qemu-x86_64/board.ts'
import { bootSector, freshEnvironment, grubConfiguration, placedCore, slotConfiguration } from './grub.ts'

describe('the pieces before the partitions', () => {
  test('the boot sector knows where the core is, and leaves the partition table alone', () => {
    const boot = bootSector(Buffer.alloc(512, 0xaa), 32768)
    expect(boot).toHaveLength(440)
    expect(boot.readBigUInt64LE(0x5c)).toBe(32768n)
    expect(boot.readUInt16LE(0x66)).toBe(0x9090)
  })

  test('the core knows where its own rest is: start, length, segment', () => {
    const core = placedCore(Buffer.alloc(1300, 1), 32768, 3)
    expect(core).toHaveLength(1536)
    expect([core.readBigUInt64LE(500), core.readUInt16LE(508), core.readUInt16LE(510)]).toEqual([32769n, 2, 0x820])
  })
})

describe('what the boot loader reads', () => {
  test('a fresh environment is 1024 octets', () => {
    expect(freshEnvironment()).toHaveLength(1024)
  })

  test('numbers and the serial line stand in the script', () => {
    expect(grubConfiguration('@A@ @B@ @UNIT@ @BAUD@', pc, { esp: 2, a: 3, b: 4 })).toBe('3 4 0 115200')
  })

  test("a slot says how its kernel is started, on the board's console", () => {
    expect(slotConfiguration(arm64)).toBe(
      [
        '# How this slot is started; read by the boot loader.',
        'if linux "$slotroot/boot/vmlinuz" rauc.slot=$slot console=ttyAMA0,115200n8 ro panic=10 oops=panic quiet loglevel=3 systemd.show_status=no; then',
        '  if initrd "$slotroot/boot/initrd.img"; then boot; fi',
        'fi',
        '',
      ].join('\n'),
    )
    expect(slotConfiguration({ ...arm64, deviceTree: 'marvell/x.dtb' })).toContain(
      'devicetree "$slotroot/boot/board.dtb"',
    )
  })
})
