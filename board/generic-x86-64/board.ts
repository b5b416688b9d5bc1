// Any PC with BIOS or UEFI and a serial port: thin clients, mini PCs, rack servers.
import type { Board } from '../common/board.ts'

export const board: Board = {
  name: 'generic-x86-64',
  title: 'PC, x86-64',
  architecture: 'amd64',
  proven: { by: 'nothing' },
  console: { device: 'ttyS0', baud: 115200 },
  boot: { loader: 'pc', bios: true, uefi: true },
  kernelArguments: [],
  diskModules: [
    'ahci',
    'nvme',
    'sd_mod',
    'usb_storage',
    'uas',
    'xhci_pci',
    'ehci_pci',
    'sdhci_pci',
    'mmc_block',
    'virtio_blk',
    'virtio_pci',
    'virtio_scsi',
  ],
  modules: [],
  ports: [
    { name: 'wan0', role: 'wan', label: 'first port', match: { by: 'order', index: 0 } },
    { name: 'lan0', role: 'lan', label: 'second port', match: { by: 'order', index: 1 } },
    { name: 'lan1', role: 'lan', label: 'third port', match: { by: 'order', index: 2 } },
    { name: 'lan2', role: 'lan', label: 'fourth port', match: { by: 'order', index: 3 } },
  ],
  engines: [
    {
      title: 'AES-NI',
      drivers: ['-aesni', '-aesni-avx'],
      algorithms: ['cbc(aes)', 'rfc4106(gcm(aes))'],
      asynchronous: false,
      is: 'instructions',
    },
    {
      title: 'QuickAssist',
      drivers: ['qat_'],
      algorithms: ['authenc(hmac(sha1),cbc(aes))', 'authenc(hmac(sha256),cbc(aes))', 'authenc(hmac(sha512),cbc(aes))'],
      asynchronous: true,
      is: 'device',
    },
  ],
  leds: [],
  watchdog: { seconds: 60 },
  packages: [],
}
