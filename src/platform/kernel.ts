// The kernel fast path: SAs, L2TP tunnels and PPP interfaces of the kernel, made by native code, which this wraps in the contract.
import type { FastPath, FastPathOptions } from './fast-path.ts'

/** Opens the plane. Throws an OpenError (see addon.ts) that names what could not be opened. */
export function openKernel(_options: FastPathOptions): FastPath {
  throw new Error('this build of the native module has no kernel data plane; write dataplane: userland')
}
