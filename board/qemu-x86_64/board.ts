// QEMU's q35 PC, booted by BIOS and UEFI: the board that tests build and start.
import type { Board } from '../common/board.ts'

export const board: Board = {
  name: 'qemu-x86_64',
  title: 'QEMU q35, x86-64',
  architecture: 'amd64',
  proven: { by: 'qemu', what: 'built, booted and updated by test/image' },
  console: { device: 'ttyS0', baud: 115200 },
  boot: { loader: 'pc', bios: true, uefi: true },
  kernelArguments: [],
  diskModules: ['virtio_blk', 'virtio_pci'],
  modules: [],
  ports: [
    { name: 'wan0', role: 'wan', label: 'first virtio-net', match: { by: 'path', path: 'pci-0000:00:02.0' } },
    { name: 'lan0', role: 'lan', label: 'second virtio-net', match: { by: 'path', path: 'pci-0000:00:03.0' } },
  ],
  engines: [
    {
      title: 'virtio-crypto',
      module: 'virtio_crypto',
      drivers: ['virtio_crypto_'],
      algorithms: ['cbc(aes)'],
      asynchronous: true,
      is: 'device',
    },
    {
      title: 'AES-NI',
      drivers: ['-aesni', '-aesni-avx'],
      algorithms: ['cbc(aes)', 'rfc4106(gcm(aes))'],
      asynchronous: false,
      is: 'instructions',
    },
  ],
  leds: [],
  watchdog: { module: 'i6300esb', seconds: 60 },
  packages: [],
}
