// The userland fast path: ESP workers and a TUN in native code, which this wraps in the contract. Nothing but exceptions reaches JavaScript.
import { loadNative, type NativeDataPlane } from './addon.ts'
import type { FastPath, FastPathOptions } from './fast-path.ts'
import { NativePath, sharedOptions } from './native-path.ts'

/**
 * Opens sockets and the TUN and starts the workers. Throws an OpenError (see addon.ts) that names what could not be opened. Like a server's socket it
 * keeps the process alive until close().
 */
export function openUserland(options: FastPathOptions): FastPath {
  return new Userland(options)
}

class Userland extends NativePath<NativeDataPlane> {
  readonly kind = 'userland'

  constructor(options: FastPathOptions) {
    const { DataPlane } = loadNative()
    const own = { workers: options.workers ?? 0, engine: options.engine ?? '' }
    super((wake) => new DataPlane({ ...sharedOptions(options), ...own }, wake), options.why)
  }

  protected applyOctets(job: number, octets: Uint8Array): void {
    this.told(job, this.native.apply(octets))
  }
}
