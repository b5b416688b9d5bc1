// Raspberry Pi 4 B: four Cortex-A72 without ARMv8's crypto instructions and without an engine. The control: what plain software does.
// Read from Debian's device tree bcm2711-rpi-4-b.dtb, kernel configuration (6.1.192-2, arm64) and u-boot-rpi; no board was at hand.
import type { Board } from '../common/board.ts'

/** For the GPU, which starts before the processor does. */
const config = `arm_64bit=1
enable_uart=1
kernel=u-boot.bin
device_tree=bcm2711-rpi-4-b.dtb
`

export const board: Board = {
  name: 'raspberry-pi-4',
  title: 'Raspberry Pi 4 Model B',
  architecture: 'arm64',
  proven: { by: 'nothing' },
  console: { device: 'ttyS1', baud: 115200, earlycon: 'uart8250,mmio32,0xfe215040' },
  boot: {
    loader: 'u-boot-efi',
    uBoot: {
      is: 'in-esp',
      // raspi-firmware is in Debian's component non-free-firmware; u-boot-rpi in main.
      packages: ['raspi-firmware', 'u-boot-rpi'],
      files: {
        'start4.elf': 'usr/lib/raspi-firmware/start4.elf',
        'fixup4.dat': 'usr/lib/raspi-firmware/fixup4.dat',
        'u-boot.bin': 'usr/lib/u-boot/rpi_4/u-boot.bin',
        'bcm2711-rpi-4-b.dtb': 'boot/board.dtb',
      },
      texts: { 'config.txt': config },
    },
  },
  deviceTree: 'broadcom/bcm2711-rpi-4-b.dtb',
  kernelArguments: [],
  diskModules: ['sdhci-iproc', 'bcm2835', 'usb_storage', 'sd_mod'],
  modules: ['genet'],
  // One port of its own; a USB adapter is the LAN.
  ports: [{ name: 'wan0', role: 'wan', label: 'Ethernet', match: { by: 'path', path: 'platform-fd580000.ethernet' } }],
  engines: [],
  leds: [
    { name: 'PWR', shows: 'power' },
    { name: 'ACT', shows: 'tunnel' },
  ],
  // The SoC counts to 15 s at most.
  watchdog: { module: 'bcm2835_wdt', seconds: 15 },
  packages: [],
}
