// NXP LS1028A reference design board: two Cortex-A72, one port of its own and a switch with four, the CAAM engine.
// Not the LS1046A: Debian's kernel has no driver for its Ethernet (FSL_FMAN is not set).
// Read from Debian's device tree fsl-ls1028a-rdb.dtb and kernel configuration (6.1.192-2, arm64); no board was at hand.
import type { Board } from '../common/board.ts'

const hashes = ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512']
const ciphers = ['cbc(aes)', 'cbc(des3_ede)', 'cbc(des)']

export const board: Board = {
  name: 'ls1028a-rdb',
  title: 'NXP LS1028A-RDB',
  architecture: 'arm64',
  proven: { by: 'nothing' },
  console: { device: 'ttyS0', baud: 115200, earlycon: 'uart8250,mmio,0x21c0500' },
  boot: {
    loader: 'u-boot-efi',
    uBoot: { is: 'on-board', source: "NXP's own, in flash (Layerscape SDK); Debian has none for it" },
  },
  deviceTree: 'freescale/fsl-ls1028a-rdb.dtb',
  kernelArguments: [],
  diskModules: ['sdhci-of-esdhc', 'usb_storage', 'sd_mod'],
  modules: ['fsl-enetc', 'mscc_felix'],
  ports: [
    { name: 'wan0', role: 'wan', label: '1G MAC0', match: { by: 'path', path: 'pci-0000:00:00.0' } },
    { name: 'lan0', role: 'lan', label: '1G SWP0', match: { by: 'kernel-name', kernelName: 'swp0' } },
    { name: 'lan1', role: 'lan', label: '1G SWP1', match: { by: 'kernel-name', kernelName: 'swp1' } },
    { name: 'lan2', role: 'lan', label: '1G SWP2', match: { by: 'kernel-name', kernelName: 'swp2' } },
    { name: 'lan3', role: 'lan', label: '1G SWP3', match: { by: 'kernel-name', kernelName: 'swp3' } },
  ],
  engines: [
    {
      title: 'CAAM',
      module: 'caam_jr',
      drivers: ['-caam'],
      algorithms: [
        ...ciphers,
        ...ciphers.flatMap((cipher) => hashes.map((hash) => `authenc(hmac(${hash}),${cipher})`)),
        ...['gcm(aes)', 'rfc4106(gcm(aes))'],
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
  leds: [],
  watchdog: { module: 'sp805_wdt', seconds: 60 },
  packages: [],
}
