// The kernel fast path: XFRM carries ESP, PPPoL2TP sockets carry sessions, nftables keeps peers apart. Native code asks the kernel for it; this wraps it in
// the contract. Needs Linux 5.19 or later; `probeKernel` says by trying whether this one will do.
import { loadNative, type NativeKernelPlane, type NativeKernelProbe } from './addon.ts'
import type { FastPath, FastPathOptions } from './fast-path.ts'
import { NativePath, sharedOptions } from './native-path.ts'

/** What only this path takes. `workers` and `engine` of the rest mean nothing here. */
export type KernelPathOptions = {
  /** PPP interfaces are called so and a number; at most 10 characters. */
  readonly devicePrefix?: string
  /** `auto`: by the device that the packets leave by, if it can: whole packets, else the cipher. `crypto`, `packet`: only that. Or a device's name. */
  readonly offload?: 'auto' | 'off' | 'crypto' | 'packet' | (string & {})
  /** Path of the socket of the holder, which keeps descriptors while the daemon is away. */
  readonly holder?: string
  /** Take over what a former process left in the kernel and with the holder, instead of removing it. */
  readonly resume?: boolean
}

/** Opens sockets, the nftables table and the device of our inner address, and starts the thread. Throws an OpenError (see addon.ts). */
export function openKernel(options: FastPathOptions & KernelPathOptions): FastPath {
  return new Kernel(options)
}

/** Tries what this path needs of the kernel, and takes it away again. Some milliseconds; needs CAP_NET_ADMIN. */
export function probeKernel(): NativeKernelProbe {
  return loadNative().probeKernel()
}

class Kernel extends NativePath<NativeKernelPlane> {
  readonly kind = 'kernel'

  constructor(options: FastPathOptions & KernelPathOptions) {
    const { KernelPlane } = loadNative()
    const own = {
      devicePrefix: options.devicePrefix ?? 'ghp',
      offload: options.offload ?? 'auto',
      holder: options.holder ?? '',
      resume: options.resume ?? false,
    }
    super((wake) => new KernelPlane({ ...sharedOptions(options), ...own }, wake), options.why)
  }

  forgetTheRest(): void {
    this.native.forgetTheRest()
  }

  protected applyOctets(job: number, octets: Uint8Array): void {
    this.native.apply(job, octets)
  }
}
