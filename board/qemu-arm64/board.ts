// QEMU's `virt` machine for arm64 with U-Boot: the board that tests build and start.
import type { Board } from '../common/board.ts'

export const board: Board = {
  name: 'qemu-arm64',
  title: 'QEMU virt, arm64',
  architecture: 'arm64',
  proven: { by: 'qemu', what: 'built and booted by test/image' },
  console: { device: 'ttyAMA0', baud: 115200 },
  boot: {
    loader: 'u-boot-efi',
    uBoot: { is: 'on-board', source: 'u-boot-qemu: qemu_arm64/u-boot.bin, given by -bios' },
  },
  kernelArguments: [],
  diskModules: ['virtio_blk', 'virtio_pci'],
  modules: [],
  ports: [
    { name: 'wan0', role: 'wan', label: 'first virtio-net', match: { by: 'order', index: 0 } },
    { name: 'lan0', role: 'lan', label: 'second virtio-net', match: { by: 'order', index: 1 } },
  ],
  engines: [
    {
      title: 'ARMv8 Crypto Extensions',
      drivers: ['-ce'],
      algorithms: ['cbc(aes)', 'gcm(aes)'],
      asynchronous: false,
      is: 'instructions',
    },
  ],
  leds: [],
  watchdog: { module: 'i6300esb', seconds: 60 },
  packages: [],
}
