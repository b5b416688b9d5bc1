// What a board is: the facts that the image, the system's configuration and the console need, as one value a board.
// A board is data, never code: nothing here runs on the device, and no script asks for a board's name.

/** Debian's names. */
export type Architecture = 'amd64' | 'arm64'

export type Board = {
  /** The folder's name, what `--board` takes, and RAUC's compatible string after `gatehouse-`. */
  readonly name: string
  /** For people: maker and model. */
  readonly title: string
  readonly architecture: Architecture
  /** What the facts below rest on. `nothing` means: read from data sheets, device trees and the kernel's configuration. */
  readonly proven: Proven
  readonly console: SerialConsole
  readonly boot: BootChain
  /** A device tree blob below the kernel package's `usr/lib/linux-image-VERSION/`; absent where firmware hands one over. */
  readonly deviceTree?: string
  /** Words for the kernel's command line beside the console's and the slot's. */
  readonly kernelArguments: readonly string[]
  /** Kernel modules that the initramfs needs to see the disk, dependencies are added. */
  readonly diskModules: readonly string[]
  /** Kernel modules that are loaded at start beside those that udev finds and those that every image loads. */
  readonly modules: readonly string[]
  /** Network ports in the order of their labels on the case. */
  readonly ports: readonly Port[]
  /** Crypto engines, best first; empty where there is none. */
  readonly engines: readonly Engine[]
  readonly leds: readonly Led[]
  /** The hardware watchdog that systemd feeds; absent where there is none. */
  readonly watchdog?: Watchdog
  /** Debian packages that only this board needs (firmware, for instance). */
  readonly packages: readonly string[]
}

export type Proven =
  | { readonly by: 'qemu'; readonly what: string }
  | { readonly by: 'hardware'; readonly what: string }
  | { readonly by: 'nothing' }

/** The line at which the console and provisioning talk; 8 data bits, no parity, 1 stop bit. */
export type SerialConsole = {
  /** The kernel's name below /dev: `ttyS0`, `ttyAMA0`, `ttyMV0`. */
  readonly device: string
  readonly baud: 9600 | 19200 | 38400 | 57600 | 115200 | 1500000
  /** Word for `earlycon=`, so that a kernel that dies before its drivers says so; absent where the firmware tells. */
  readonly earlycon?: string
}

/** Who loads GRUB, which chooses the slot. Every board chooses slots with the same GRUB script. */
export type BootChain =
  /** A PC: GRUB in the bios-boot partition and as EFI/BOOT/BOOTX64.EFI. */
  | { readonly loader: 'pc'; readonly bios: boolean; readonly uefi: boolean }
  /** U-Boot that starts EFI/BOOT/BOOTAA64.EFI from the ESP. */
  | { readonly loader: 'u-boot-efi'; readonly uBoot: UBoot }
  /** Firmware of the board itself offers UEFI on arm64. */
  | { readonly loader: 'uefi' }

/** Where the board's U-Boot comes from. */
export type UBoot =
  /** In flash or handed over by the emulator: the image holds none. `source` says where to get it. */
  | { readonly is: 'on-board'; readonly source: string }
  /** Files of a Debian package, written at fixed places outside every partition. */
  | { readonly is: 'in-image'; readonly package: string; readonly parts: readonly RawPart[] }
  /** Files of a Debian package that the board's ROM reads from the FAT partition (Raspberry Pi). */
  | {
      readonly is: 'in-esp'
      readonly packages: readonly string[]
      /** Name on the partition → file below the packages' root; `boot/board.dtb` is the board's own device tree. */
      readonly files: Readonly<Record<string, string>>
      /** Name on the partition → what the file says. */
      readonly texts: Readonly<Record<string, string>>
    }

/** A file below the package's root, written to the disk from an offset in octets on. */
export type RawPart = { readonly file: string; readonly offset: number }

export type Port = {
  /** The interface's name on the device, which the configuration uses: `wan0`, `lan0`, `lan1`. */
  readonly name: string
  /** What the port is for until the configuration says otherwise. */
  readonly role: 'wan' | 'lan'
  /** What is printed on the case. */
  readonly label: string
  readonly match: PortMatch
}

/** How the kernel's interface behind a port is found. */
export type PortMatch =
  /** udev's ID_PATH, as in `pci-0000:00:02.0` or `platform-d0030000.ethernet`. */
  | { readonly by: 'path'; readonly path: string }
  /** The kernel's own name, as in `eth0`: for switch ports that the device tree labels (`lan1@eth0` is `lan1`). */
  | { readonly by: 'kernel-name'; readonly kernelName: string }
  /** The n-th wired interface, from 0, by the path of its device: for machines whose ports nobody knows. */
  | { readonly by: 'order'; readonly index: number }

/** A crypto engine, by the kernel driver that registers its algorithms. */
export type Engine = {
  /** The maker's name: `EIP97`, `CAAM`, `AES-NI`. */
  readonly title: string
  /** Kernel module; absent where it is built in or found by udev. */
  readonly module?: string
  /** How its entries in the column `driver` of /proc/crypto begin or end, `safexcel-` for instance. */
  readonly drivers: readonly string[]
  /** The kernel's algorithm names that it registers and ESP uses: `authenc(hmac(sha1),cbc(aes))`. */
  readonly algorithms: readonly string[]
  /** An engine beside the processor works asynchronously; instructions of the processor don't. */
  readonly asynchronous: boolean
  /** Whether it is a device of its own or instructions of the processor. */
  readonly is: 'device' | 'instructions'
  /** Firmware file that the driver asks for; without it the engine stays dark. */
  readonly firmware?: string
}

export type Led = {
  /** Below /sys/class/leds. */
  readonly name: string
  /** What it shows: power (on when the system is up), `tunnel` (a session is up), `fault` (self-test failed). */
  readonly shows: 'power' | 'tunnel' | 'fault'
}

export type Watchdog = {
  /** Kernel module of the driver; absent where it is built in or found by udev. */
  readonly module?: string
  /** Seconds without a sign of life after which the hardware restarts the board. */
  readonly seconds: number
}
