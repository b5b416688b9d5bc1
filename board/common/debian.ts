// What Debian was seen to have for the boards, by unpacking its packages: names that a board.ts may lean on. `test/board.test.ts` compares them.
// Looked up in bookworm (main, arm64) on 2026-11-21; look again (dpkg-deb -c) when a board or the suite changes.

/** linux-image-6.1.0-56-arm64 6.1.192-2. */
export const kernel = {
  /** Below usr/lib/linux-image-VERSION/. */
  deviceTrees: [
    'allwinner/sun50i-h5-nanopi-neo2.dtb',
    'broadcom/bcm2711-rpi-4-b.dtb',
    'freescale/fsl-ls1028a-rdb.dtb',
    'marvell/armada-3720-espressobin-v7.dtb',
  ],
  /** Modules by name, a hyphen as an underscore. */
  modules: [
    ...[
      'ahci_mvebu',
      'armada_37xx_wdt',
      'bcm2835',
      'bcm2835_wdt',
      'caam_jr',
      'crypto_safexcel',
      'dwmac_sun8i',
      'fsl_enetc',
    ],
    ...[
      'genet',
      'i6300esb',
      'mscc_felix',
      'mv88e6xxx',
      'mvneta',
      'sd_mod',
      'sdhci_iproc',
      'sdhci_of_esdhc',
      'sdhci_xenon_driver',
    ],
    ...['sp805_wdt', 'sun8i_ce', 'sunxi_mmc', 'sunxi_wdt', 'usb_storage', 'virtio_blk', 'virtio_pci'],
  ],
} as const

/** Package → version, component, and octets of the files that boards take from it. */
export const packages: Readonly<
  Record<
    string,
    { readonly version: string; readonly component: string; readonly files: Readonly<Record<string, number>> }
  >
> = {
  'u-boot-mvebu': {
    version: '2023.01+dfsg-2+deb12u3',
    component: 'main',
    files: { 'usr/lib/u-boot/mvebu_espressobin-88f3720/u-boot.bin': 907_064 },
  },
  'u-boot-sunxi': {
    version: '2023.01+dfsg-2+deb12u3',
    component: 'main',
    files: {
      'usr/lib/u-boot/nanopi_neo2/sunxi-spl.bin': 32_768,
      'usr/lib/u-boot/nanopi_neo2/u-boot-sunxi-with-spl.fit.itb': 719_009,
    },
  },
  'u-boot-rpi': {
    version: '2023.01+dfsg-2+deb12u3',
    component: 'main',
    files: { 'usr/lib/u-boot/rpi_4/u-boot.bin': 620_328 },
  },
  'raspi-firmware': {
    version: '1.20220830+ds-1',
    component: 'non-free-firmware',
    files: { 'usr/lib/raspi-firmware/start4.elf': 2_249_280, 'usr/lib/raspi-firmware/fixup4.dat': 5399 },
  },
}
