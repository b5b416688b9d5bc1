// FriendlyARM NanoPi NEO2: Allwinner H5, four Cortex-A53, one port, the sun8i-ce engine.
// Read from Debian's device tree sun50i-h5-nanopi-neo2.dtb, kernel configuration (6.1.192-2, arm64) and u-boot-sunxi; no board was at hand.
import type { Board } from '../common/board.ts'

export const board: Board = {
  name: 'nanopi-neo2',
  title: 'FriendlyARM NanoPi NEO2',
  architecture: 'arm64',
  proven: { by: 'nothing' },
  console: { device: 'ttyS0', baud: 115200, earlycon: 'uart,mmio32,0x01c28000' },
  boot: {
    loader: 'u-boot-efi',
    uBoot: {
      is: 'in-image',
      package: 'u-boot-sunxi',
      // The ROM looks at 8 KiB, where the partition table lies, and then at 128 KiB. The first stage has 32 KiB; found there, it looks for the rest behind itself.
      // Debian's `u-boot-sunxi-with-spl.fit.itb` is that rest alone, whatever it is called.
      parts: [
        { file: 'usr/lib/u-boot/nanopi_neo2/sunxi-spl.bin', offset: 131_072 },
        { file: 'usr/lib/u-boot/nanopi_neo2/u-boot-sunxi-with-spl.fit.itb', offset: 163_840 },
      ],
    },
  },
  deviceTree: 'allwinner/sun50i-h5-nanopi-neo2.dtb',
  kernelArguments: [],
  diskModules: ['sunxi-mmc'],
  modules: ['dwmac-sun8i'],
  // One port: a gateway on a stick. A USB adapter is the LAN, or there is none.
  ports: [
    {
      name: 'wan0',
      role: 'wan',
      label: 'Ethernet',
      match: { by: 'path', path: 'platform-1c30000.ethernet' },
    },
  ],
  engines: [
    {
      title: 'Crypto Engine (sun8i-ce)',
      module: 'sun8i-ce',
      drivers: ['-sun8i-ce'],
      // Debian builds it without its hashes: HMAC stays the processor's, and there is no authenc and no single DES.
      algorithms: ['cbc(aes)', 'cbc(des3_ede)'],
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
  leds: [
    { name: 'nanopi:green:pwr', shows: 'power' },
    { name: 'nanopi:blue:status', shows: 'tunnel' },
  ],
  // The SoC counts to 16 s at most.
  watchdog: { module: 'sunxi_wdt', seconds: 16 },
  packages: [],
}
