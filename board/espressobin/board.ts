// Globalscale ESPRESSObin V7: Marvell Armada 3720, two Cortex-A53, a switch with three ports, and the EIP97 engine inside.
// Read from Debian's device tree armada-3720-espressobin-v7.dtb and kernel configuration (6.1.192-2, arm64); no board was at hand.
import type { Board } from '../common/board.ts'

const hashes = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']

export const board: Board = {
  name: 'espressobin',
  title: 'Globalscale ESPRESSObin V7',
  architecture: 'arm64',
  proven: { by: 'nothing' },
  console: { device: 'ttyMV0', baud: 115200, earlycon: 'ar3700_uart,0xd0012000' },
  boot: {
    loader: 'u-boot-efi',
    uBoot: {
      is: 'on-board',
      source:
        'in SPI flash: U-Boot 2021.01 or newer, with EFI; u-boot-mvebu has u-boot.bin, but not the whole flash image (see README)',
    },
  },
  deviceTree: 'marvell/armada-3720-espressobin-v7.dtb',
  kernelArguments: [],
  diskModules: ['sdhci-xenon-driver', 'ahci_mvebu', 'usb_storage', 'sd_mod'],
  modules: ['mvneta', 'mv88e6xxx'],
  // The switch's ports carry the device tree's labels; the processor's own side of it, eth0, is nobody's port.
  ports: [
    { name: 'wan0', role: 'wan', label: 'WAN', match: { by: 'kernel-name', kernelName: 'wan' } },
    { name: 'lan0', role: 'lan', label: 'LAN 0', match: { by: 'kernel-name', kernelName: 'lan0' } },
    { name: 'lan1', role: 'lan', label: 'LAN 1', match: { by: 'kernel-name', kernelName: 'lan1' } },
  ],
  engines: [
    {
      title: 'EIP97',
      module: 'crypto_safexcel',
      drivers: ['safexcel-'],
      algorithms: [
        ...['cbc(aes)', 'cbc(des3_ede)', 'cbc(des)', 'rfc4106(gcm(aes))'],
        ...hashes.filter((hash) => hash !== 'md5').map((hash) => `authenc(hmac(${hash}),cbc(aes))`),
        ...['sha1', 'sha256'].flatMap((hash) => [
          `authenc(hmac(${hash}),cbc(des3_ede))`,
          `authenc(hmac(${hash}),cbc(des))`,
        ]),
        ...hashes.map((hash) => `hmac(${hash})`),
      ],
      asynchronous: true,
      is: 'device',
    },
    {
      title: 'ARMv8 Crypto Extensions',
      drivers: ['-ce'],
      algorithms: ['cbc(aes)', 'gcm(aes)'],
      asynchronous: false,
      is: 'instructions',
    },
  ],
  leds: [{ name: 'led2', shows: 'power' }],
  watchdog: { module: 'armada_37xx_wdt', seconds: 60 },
  packages: [],
}
