// What goes into every image, as lists: Debian packages, kernel modules, ballast, users. A change here is a change of the firmware.
import type { Architecture, Board } from '../board/common/board.ts'

export const suite = 'bookworm'

/** Debian packages that are asked for; what they depend on is added by apt. */
const base = [
  ...['base-files', 'base-passwd', 'netbase', 'tzdata', 'ca-certificates'],
  ...[
    'dash',
    'bash',
    'coreutils',
    'util-linux',
    'mount',
    'sed',
    'grep',
    'findutils',
    'mawk',
    'procps',
    'kmod',
    'libc-bin',
  ],
  ...['systemd', 'systemd-sysv', 'systemd-timesyncd', 'udev', 'dbus'],
  ...['rauc', 'rauc-service', 'dosfstools', 'e2fsprogs'],
  ...['iproute2', 'nftables', 'iputils-ping', 'traceroute', 'tcpdump', 'ppp', 'ethtool', 'rsyslog'],
  ...['libstdc++6'],
]

export function packagesOf(board: Board): readonly string[] {
  return [...base, ...kernelPackages[board.architecture], ...board.packages]
}

const kernelPackages: Readonly<Record<Architecture, readonly string[]>> = {
  amd64: ['linux-image-amd64'],
  arm64: ['linux-image-arm64'],
}

/** Packages of which single files are used at build time, not installed: `package` → what for. */
export function toolPackagesOf(board: Board): readonly string[] {
  const loader = board.architecture === 'arm64' ? ['grub-efi-arm64-bin'] : ['grub-pc-bin', 'grub-efi-amd64-bin']
  return ['busybox-static', ...loader, ...uBootPackagesOf(board)]
}

function uBootPackagesOf({ boot }: Board): readonly string[] {
  if (boot.loader !== 'u-boot-efi') return []
  const { uBoot } = boot
  return uBoot.is === 'in-image' ? [uBoot.package] : uBoot.is === 'in-esp' ? uBoot.packages : []
}

/** Paths below the root that the device never reads. A trailing slash is a folder. */
export const ballast: readonly string[] = [
  'usr/share/doc/',
  'usr/share/man/',
  'usr/share/info/',
  'usr/share/locale/',
  'usr/share/i18n/',
  'usr/share/lintian/',
  'usr/share/bug/',
  'usr/share/bash-completion/',
  'usr/share/zsh/',
  'usr/share/initramfs-tools/',
  'usr/share/pixmaps/',
  'usr/share/perl5/',
  'usr/share/polkit-1/',
  'usr/share/gcc/',
  'usr/share/gdb/',
  'usr/lib/valgrind/',
  'usr/lib/systemd/boot/',
  'usr/lib/udev/hwdb.d/',
  'usr/lib/kernel/',
  'usr/share/zoneinfo/right/',
  'usr/share/zoneinfo/posix/',
  'etc/kernel/',
  'etc/init.d/',
  'etc/rc0.d/',
  'etc/rc1.d/',
  'etc/rc2.d/',
  'etc/rc3.d/',
  'etc/rc4.d/',
  'etc/rc5.d/',
  'etc/rc6.d/',
  'etc/rcS.d/',
  'etc/apt/',
  'etc/cron.daily/',
  'etc/logrotate.d/',
  'etc/apparmor.d/',
  'etc/initramfs-tools/',
  'var/lib/apt/',
  'var/lib/dpkg/',
  'var/cache/apt/',
  'var/cache/debconf/',
  'usr/lib/apt/',
  'usr/share/debconf/',
  'usr/share/dpkg/',
  'usr/bin/perl',
  'usr/bin/perl5.36.0',
  'usr/bin/systemd-analyze',
  'usr/lib/systemd/systemd-homed',
  'usr/share/dbus-1/system-services/org.freedesktop.login1.service',
  'usr/lib/systemd/system/dbus-org.freedesktop.login1.service',
]

/** Folders and files below lib/modules/VERSION/kernel that stay, with the modules that they depend on. */
export const kernelModules: readonly string[] = [
  'crypto/',
  'arch/x86/crypto/',
  'arch/arm64/crypto/',
  'lib/',
  'net/xfrm/',
  'net/key/',
  'net/ipv4/',
  'net/ipv6/',
  'net/l2tp/',
  'net/netfilter/',
  'net/bridge/',
  'net/8021q/',
  'net/802/',
  'net/llc/',
  'net/sched/',
  'net/packet/',
  'net/dsa/',
  'fs/squashfs/',
  'fs/overlayfs/',
  'fs/ext4/',
  'fs/fat/',
  'fs/nls/nls_cp437.ko',
  'fs/nls/nls_ascii.ko',
  'fs/nls/nls_iso8859-1.ko',
  'drivers/crypto/',
  'drivers/net/ethernet/intel/',
  'drivers/net/ethernet/realtek/',
  'drivers/net/ethernet/broadcom/',
  'drivers/net/ethernet/marvell/',
  'drivers/net/ethernet/freescale/',
  'drivers/net/ethernet/stmicro/',
  'drivers/net/ethernet/allwinner/',
  'drivers/net/ethernet/aquantia/',
  'drivers/net/ethernet/amd/',
  'drivers/net/ethernet/atheros/',
  'drivers/net/dsa/',
  'drivers/net/mdio/',
  'drivers/net/pcs/',
  'drivers/net/phy/',
  'drivers/net/ppp/',
  'drivers/net/slip/slhc.ko',
  'drivers/net/usb/',
  'drivers/net/tun.ko',
  'drivers/net/veth.ko',
  'drivers/net/dummy.ko',
  'drivers/net/macvlan.ko',
  'drivers/net/virtio_net.ko',
  'drivers/net/net_failover.ko',
  'drivers/net/vmxnet3/',
  'drivers/net/hyperv/',
  'drivers/net/xen-netfront.ko',
  'drivers/block/loop.ko',
  'drivers/block/virtio_blk.ko',
  'drivers/md/dm-mod.ko',
  'drivers/md/dm-verity.ko',
  'drivers/md/dm-bufio.ko',
  'drivers/ata/',
  'drivers/nvme/host/',
  'drivers/scsi/scsi_mod.ko',
  'drivers/scsi/scsi_common.ko',
  'drivers/scsi/sd_mod.ko',
  'drivers/scsi/virtio_scsi.ko',
  'drivers/usb/common/',
  'drivers/usb/core/',
  'drivers/usb/host/',
  'drivers/usb/storage/',
  'drivers/usb/serial/',
  'drivers/usb/dwc2/',
  'drivers/usb/dwc3/',
  'drivers/mmc/',
  'drivers/virtio/',
  'drivers/watchdog/',
  'drivers/char/hw_random/',
  'drivers/char/tpm/',
  'drivers/char/virtio_console.ko',
  'drivers/leds/',
  'drivers/gpio/',
  'drivers/i2c/busses/',
  'drivers/rtc/',
  'drivers/thermal/',
  'drivers/hwmon/coretemp.ko',
  'drivers/hwmon/k10temp.ko',
  'drivers/phy/',
  'drivers/pinctrl/',
  'drivers/clk/',
  'drivers/regulator/',
  'drivers/reset/',
  'drivers/bus/',
  'drivers/dma/',
  'drivers/soc/',
  'drivers/firmware/',
  'drivers/mailbox/',
  'drivers/nvmem/',
  'drivers/power/reset/',
  'drivers/tty/serial/',
  'drivers/ptp/',
]

/** What the initramfs loads on every board beside the board's disk drivers. */
export const initramfsModules: readonly string[] = ['squashfs', 'overlay', 'ext4', 'crc32c_generic']

/** Loaded at start: what the data planes and updates use, so that nothing waits for modprobe in the middle of a login. */
export const startModules: readonly string[] = [
  ...['tun', 'veth', 'ppp_generic', 'pppox', 'pppoe', 'l2tp_ppp', 'l2tp_netlink'],
  ...[
    'xfrm_user',
    'esp4',
    'esp6',
    'xfrm_interface',
    'af_alg',
    'algif_skcipher',
    'algif_hash',
    'algif_aead',
    'crypto_user',
  ],
  ...['authenc', 'cbc', 'des_generic', 'gcm', 'ctr', 'seqiv', 'echainiv', 'hmac', 'sha1_generic', 'md5', 'drbg'],
  ...['loop', 'dm_verity', 'vfat', 'nls_cp437', 'nls_ascii', 'nf_tables', 'nft_chain_nat', 'nft_masq'],
]

/** Fixed numbers: images of two architectures and two builds must agree on them, /config keeps files of them. */
export const users = {
  root: 0,
  messagebus: 100,
  'systemd-network': 101,
  'systemd-timesync': 102,
  tcpdump: 103,
  gatehouse: 900,
} as const

/** What apt would add for the sake of maintainer scripts, which never run here, and what nothing on the device calls. */
export const neverUnpacked: readonly RegExp[] = [
  /^(perl|perl-base|perl-modules-.*|libperl.*|libfile-find-rule-perl|libnumber-compare-perl|libtext-glob-perl|libgdbm.*|libdb5\.3)$/,
  /^(usrmerge|initramfs-tools|initramfs-tools-core|klibc-utils|libklibc|linux-base|cpio)$/,
  /^(debconf|dpkg|adduser|libdebconfclient0|debianutils|init-system-helpers|sensible-utils|ucf|openssl|ca-certificates)$/,
  /^(libc-l10n|locales|libsemanage.*|libsepol.*|util-linux-extra|logsave|libss2|tar|diffutils|ncurses-.*|libpam-runtime|polkitd.*)$/,
]

/** Units of the packages that have nothing to do here. */
export const maskedUnits: readonly string[] = [
  ...['getty@tty1.service', 'serial-getty@.service', 'systemd-firstboot.service', 'systemd-machine-id-commit.service'],
  ...['systemd-sysusers.service', 'systemd-hwdb-update.service', 'systemd-update-done.service', 'ldconfig.service'],
  ...['systemd-journal-catalog-update.service', 'systemd-journal-flush.service', 'systemd-random-seed.service'],
  ...[
    'systemd-update-utmp.service',
    'systemd-update-utmp-runlevel.service',
    'systemd-user-sessions.service',
    'systemd-pcrphase.service',
  ],
  ...[
    'systemd-pcrphase-sysinit.service',
    'systemd-pcrphase-initrd.service',
    'systemd-binfmt.service',
    'proc-sys-fs-binfmt_misc.automount',
  ],
  ...[
    'systemd-remount-fs.service',
    'systemd-fsck-root.service',
    'systemd-repart.service',
    'systemd-growfs-root.service',
  ],
  ...[
    'dev-hugepages.mount',
    'dev-mqueue.mount',
    'sys-kernel-debug.mount',
    'sys-kernel-tracing.mount',
    'sys-fs-fuse-connections.mount',
  ],
  ...[
    'systemd-ask-password-wall.path',
    'systemd-ask-password-console.path',
    'ctrl-alt-del.target',
    'e2scrub_reap.service',
  ],
  ...[
    'e2scrub_all.timer',
    'fstrim.timer',
    'systemd-logind.service',
    'nftables.service',
    'pppd-dns.service',
    'systemd-pstore.service',
  ],
  ...[
    'rauc-mark-good.service',
    'modprobe@drm.service',
    'modprobe@efi_pstore.service',
    'modprobe@fuse.service',
    'modprobe@configfs.service',
  ],
  ...[
    'sys-kernel-config.mount',
    'systemd-networkd-wait-online.service',
    'procps.service',
    'systemd-boot-system-token.service',
  ],
]

/** Packages' units that start by themselves: unit → the target that wants it. Ours say it in their [Install]. */
export const enabledUnits: Readonly<Record<string, string>> = {
  'systemd-networkd.service': 'multi-user.target',
  'systemd-networkd.socket': 'sockets.target',
  'systemd-timesyncd.service': 'sysinit.target',
}
