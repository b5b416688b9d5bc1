// What the kernel's crypto API has, seen as ESP: which driver of an algorithm comes first, what kind of thing it is, which proposals it would carry.
import type { NativeKernelAlgorithm } from '../addon.ts'

/** `device`: hardware behind a driver. `instructions`: the processor's own for it. `generic`: plain code. */
export type Kind = 'device' | 'instructions' | 'generic'

export type KernelDriver = {
  readonly algorithm: string
  readonly driver: string
  readonly module: string
  readonly type: string
  readonly kind: Kind
  readonly synchronous: boolean
  readonly priority: number
  readonly selfTest: 'passed' | 'not passed'
  /** A part of another driver that nobody may ask for. */
  readonly internal: boolean
  /** The kernel takes this one for its algorithm. */
  readonly chosen: boolean
  /** Proposals whose packets it would carry, alone or together with the kernel's choice for the other part; empty: nothing of ours. */
  readonly esp: readonly string[]
}

/** Modules and parts of driver names that are of devices. The kernel itself marks only some (CRYPTO_ALG_KERN_DRIVER_ONLY; virtio's isn't). */
const deviceMarks =
  /virtio_crypto|virtio-crypto|safexcel|caam|sun8i-[cs]|sun8i_[cs]|sun4i-ss|\bmv-|marvell.cesa|rk[0-9]*-|rk_crypto|\bqat|\bccp|omap|dcp|hisi_|\bcpt|stm32|artpec|atmel|octeon|chcr|talitos|\bnx-|aspeed|\bqce|zynqmp/
const instructionMarks =
  /aesni|pclmul|clmul|avx|ssse3|sse2|-ce(?:-|$)|-ce\b|neon|-ni\b|vaes|x86_64|arm64|-asm|-p8|vx\b|s390/

const cipherParts: Readonly<Record<string, readonly string[]>> = {
  'cbc(aes)': ['aes128', 'aes192', 'aes256'],
  'cbc(des3_ede)': ['3des'],
  'cbc(des)': ['des'],
}
const hashParts: Readonly<Record<string, readonly string[]>> = {
  'hmac(md5)': ['md5'],
  'hmac(sha1)': ['sha1'],
  'hmac(sha256)': ['sha256', 'sha256_96'],
  'hmac(sha384)': ['sha384'],
  'hmac(sha512)': ['sha512'],
}
const gcm = ['aes128gcm16', 'aes192gcm16', 'aes256gcm16']

/** The algorithms of which ESP is made: among the drivers of each there may be something to choose. */
export const espAlgorithms: readonly string[] = [
  ...Object.keys(cipherParts),
  'gcm(aes)',
  'rfc4106(gcm(aes))',
  ...Object.keys(hashParts),
]

/** The list with what can be told of each, those of ESP first. */
export function kernelDrivers(algorithms: readonly NativeKernelAlgorithm[]): readonly KernelDriver[] {
  const best = new Map<string, NativeKernelAlgorithm>()
  for (const one of algorithms) {
    if (!one.selfTestPassed || one.internal) continue
    const other = best.get(one.name)
    if (!other || one.priority > other.priority) best.set(one.name, one)
  }
  const drivers = algorithms.map((one) => ({
    algorithm: one.name,
    driver: one.driver,
    module: one.module,
    type: one.type,
    kind: kindOf(one),
    synchronous: !one.asynchronous,
    priority: one.priority,
    selfTest: one.selfTestPassed ? ('passed' as const) : ('not passed' as const),
    internal: one.internal,
    chosen: best.get(one.name) === one,
    esp: one.internal || !one.selfTestPassed ? [] : proposalsOf(one.name, (name) => best.has(name)),
  }))
  return drivers.sort((a, b) => rank(a) - rank(b) || compare(a.algorithm, b.algorithm) || b.priority - a.priority)
}

function kindOf({ driver, module, made }: NativeKernelAlgorithm): Kind {
  // An instance is what its parts are: cbc(aes) of a device inside authenc is still the device's.
  if (made === 'device' || deviceMarks.test(driver) || deviceMarks.test(module)) return 'device'
  return instructionMarks.test(driver) ? 'instructions' : 'generic'
}

/** `registered`: whether the kernel has a driver for the other part of a pair. */
function proposalsOf(name: string, registered: (name: string) => boolean): readonly string[] {
  const bare = name.replace(/^(?:echainiv|seqiv|seqniv)\((.*)\)$/, '$1')
  if (bare === 'gcm(aes)' || bare === 'rfc4106(gcm(aes))') return gcm
  const both = /^authenc\((hmac\(\w+\)),(cbc\(\w+\))\)$/.exec(bare)
  if (both) return pairs(cipherParts[both[2]!] ?? [], hashParts[both[1]!] ?? [])
  const all = (parts: Readonly<Record<string, readonly string[]>>) =>
    Object.keys(parts).flatMap((part) => (registered(part) ? parts[part]! : []))
  if (cipherParts[bare]) return pairs(cipherParts[bare], all(hashParts))
  return hashParts[bare] ? pairs(all(cipherParts), hashParts[bare]) : []
}

function pairs(ciphers: readonly string[], hashes: readonly string[]): readonly string[] {
  return ciphers.flatMap((cipher) => hashes.map((hash) => `${cipher}-${hash}`))
}

function rank({ algorithm, esp }: KernelDriver): number {
  const at = espAlgorithms.indexOf(algorithm)
  return at >= 0 ? at : esp.length > 0 ? espAlgorithms.length : espAlgorithms.length + 1
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
