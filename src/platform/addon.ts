// The one file that loads the native module. What is loaded is a class; its objects are separate data planes.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

/** What native/addon/data-plane-object.cc takes. Addresses are 4 or 16 octets. */
export type NativeOptions = {
  readonly listen: readonly Uint8Array[]
  readonly ikePort: number
  readonly nattPort: number
  readonly tunName: string
  readonly tunAddress: Uint8Array | undefined
  readonly tunPrefix: number
  readonly tunMtu: number
  /** 0: one a core. */
  readonly workers: number
  /** Empty: the best. */
  readonly engine: string
}

/** Thrown by the constructor: an Error whose `code` is the system's (`EADDRINUSE`, `EPERM`, `ENOENT`) and whose `subject` names the port, file or device. */
export type OpenError = Error & { readonly code: string; readonly subject: string }

/** What native/addon/kernel-plane-object.cc takes. */
export type NativeKernelOptions = Omit<NativeOptions, 'workers' | 'engine'> & {
  /** PPP interfaces are called so and a number. */
  readonly devicePrefix: string
  /** `auto`, `off`, `crypto`, `packet` or a device's name. */
  readonly offload: string
  /** Path of a holder's socket; empty: none. */
  readonly holder: string
  readonly resume: boolean
}

/** What both planes do. */
export interface NativePlane {
  ports(): { ike: number; natt: number }
  description(): string
  /** Sends the messages that stand in the first `length` octets (native/pipeline/messages.h). */
  send(messages: Uint8Array, length: number): void
  /** Twice the octets written to `into`, plus one if more is waiting. */
  drain(into: Uint8Array): number
  activity(): Uint8Array
  counters(): Record<string, number>
  close(): void
}

export interface NativeDataPlane extends NativePlane {
  apply(changes: Uint8Array): { code: string; message: string } | undefined
}

export interface NativeKernelPlane extends NativePlane {
  /** The outcome comes as an event. */
  apply(job: number, changes: Uint8Array): void
  forgetTheRest(): void
}

/** As native/bench/bench.h has it. */
export type NativeBenchResult = {
  readonly engine: string
  readonly algorithm: string
  readonly direction: 'seal' | 'open'
  readonly size: string
  readonly gbps: number
  readonly packetsPerSecond: number
  readonly spread: number
  readonly limitGbps: number
  readonly ratio: number
  readonly ratioSpread: number
  /** Of a core, that the measuring thread took. */
  readonly processorShare: number
  readonly loaded: boolean
}

type NativeEndpoint = { readonly address: Uint8Array; readonly port: number }

/** As native/bench/flood.h has it: ESP in UDP as a client sends it, or plain UDP as a host behind the gateway does. */
export type NativeFlood = {
  readonly local: NativeEndpoint
  readonly remote: NativeEndpoint
  readonly octets: number
  readonly together: number
  readonly milliseconds: number
} & (
  | { readonly sealed: false }
  | {
      readonly sealed: true
      readonly spi: number
      readonly sent: number
      readonly algorithm: string
      readonly cipherKey: Uint8Array
      readonly integrityKey: Uint8Array
      readonly tunnel: number
      readonly session: number
      readonly source: Uint8Array
      readonly destination: Uint8Array
      readonly flows: number
    }
)

/** As native/crypto/kernel-algorithms.h has it. */
export type NativeKernelAlgorithm = {
  readonly name: string
  readonly driver: string
  readonly module: string
  readonly type: string
  readonly priority: number
  readonly references: number
  readonly asynchronous: boolean
  readonly selfTestPassed: boolean
  readonly internal: boolean
  readonly instance: boolean
  readonly made: 'unknown' | 'device' | 'processor'
}

/** Engines of the userland data plane, and the crypto API of the kernel. */
export type NativeEngines = {
  /** The best first; `algorithms` are ESP proposals. */
  readonly listEngines: () => readonly {
    readonly name: string
    readonly description: string
    readonly algorithms: readonly string[]
  }[]
  /** Makes the kernel load or build what `af-alg:DRIVER` needs. */
  readonly hasEngine: (name: string) => boolean
  readonly listKernelAlgorithms: () => {
    readonly netlink: boolean
    readonly algorithms: readonly NativeKernelAlgorithm[]
  }
  /** Throws an OpenError: `ENOENT`, `EPERM`, `EPROTONOSUPPORT`. */
  readonly setAlgorithmPriority: (
    driver: string,
    priority: number,
  ) => { readonly before: number; readonly dropped: readonly string[]; readonly inUse: readonly string[] }
}

/** As native/kernel/probe.h has it. */
export type NativeKernelProbe = {
  /** SAs, PPPoL2TP sockets, /dev/ppp and nftables all answered. */
  readonly usable: boolean
  /** One sentence: what is missing, or what was found. */
  readonly why: string
  /** ESP proposals without group whose SAs the kernel took. */
  readonly ciphers: readonly string[]
  /** Each what is missing, in words. */
  readonly missing: readonly string[]
}

export type NativeExchanged = { readonly publicValue: Uint8Array; readonly shared: Uint8Array }

export type NativeModule = NativeEngines & {
  readonly DataPlane: new (options: NativeOptions, wake: () => void) => NativeDataPlane
  readonly KernelPlane: new (options: NativeKernelOptions, wake: () => void) => NativeKernelPlane
  /** Some milliseconds. */
  readonly probeKernel: () => NativeKernelProbe
  /** Takes away SAs, policies and the table of a kernel plane that is gone. */
  readonly removeKernelRemains: () => void
  /** Blocks for seconds to minutes. */
  readonly benchEngines: (
    options: {
      milliseconds: number
      repeats: number
      loaded?: boolean
      /** 64 unless said. */
      securityAssociations?: number
      /** Packets; 128 unless said. */
      batch?: number
      /** Absent or empty: all that are here; the usual ones. */
      engines?: readonly string[]
      algorithms?: readonly string[]
      /** Octets of ESP payload; 0 is IMIX. Absent: 64, 512, 1400 and IMIX. */
      sizes?: readonly number[]
    },
    progress: (done: number, all: number) => boolean,
  ) => readonly NativeBenchResult[]
  /** As native/bench/flood.h has it. Blocks for that long. */
  readonly benchFlood: (options: NativeFlood) => {
    readonly packets: number
    readonly wallSeconds: number
    readonly processorSeconds: number
  }
  /** As native/bench/tun-reader.h has it: makes a device, and blocks while what the flood sends into it is read. */
  readonly benchTunReader: (
    device: { readonly name: string; readonly address: Uint8Array; readonly prefix: number },
    flood: NativeFlood,
  ) => { readonly packets: number; readonly processorSeconds: number }
  /** As native/crypto/key-exchange.h has it, on Node's thread pool; `group` is one of MODP. */
  readonly exchangeKeys: (group: string, peerPublic: Uint8Array) => Promise<NativeExchanged | undefined>
  /** The same on this thread, for ECP256. */
  readonly exchangeKeysAtOnce: (group: string, peerPublic: Uint8Array) => NativeExchanged | undefined
  /** As native/addon/cipher-function.h has it: key, IV and text stand in `octets` one after the other. */
  readonly codeCbc: (encrypt: boolean, octets: Uint8Array, key: number, iv: number, text: number) => boolean
  /** The journal's key with the holder at `where` (a socket's path, or `systemd`). All three throw an OpenError where nobody is there. */
  readonly holderKey: (where: string) => Uint8Array | undefined
  readonly keepHolderKey: (where: string, key: Uint8Array) => void
  /** Lets go of everything that is held there. */
  readonly releaseHolder: (where: string) => void
  /** Gives pages of program files that nobody wrote to back to the page cache, and what malloc() has to spare; some milliseconds. Octets that were mapped. */
  readonly releaseUnusedMemory: () => number
  /** A feature by its name in `ethtool -k`: whether it is active; undefined where there is no such device or feature. */
  readonly deviceFeature: (device: string, feature: string) => boolean | undefined
  /** As `ethtool -K`; says whether it is so now. */
  readonly setDeviceFeature: (device: string, feature: string, on: boolean) => boolean
  /** sd_notify(3) to the socket: empty, or why nothing was sent. */
  readonly notifyManager: (socket: string, assignments: string) => string
}

const modulePath = fileURLToPath(new URL('../../native/build/Release/gatehouse.node', import.meta.url))

/** Loads the module. Throws an Error with code `ERR_NATIVE_MISSING` that says what to run. */
export function loadNative(path = modulePath): NativeModule {
  try {
    return createRequire(import.meta.url)(path) as NativeModule
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause)
    const error = new Error(`the native module does not load; run npm run build:native (${what})`, { cause })
    throw Object.assign(error, { code: 'ERR_NATIVE_MISSING' })
  }
}
