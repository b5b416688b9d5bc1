// Ports that let UDP packets of one flow go on together: the kernel gathers them where they come in, forwards them as one, and hands them to the TUN as one
// (`rx-udp-gro-forwarding`). TCP is gathered without asking. A packet that crosses the TUN alone costs eight times as much (docs/performance.md, "Small packets").
import { release } from 'node:os'
import { loadNative } from '../addon.ts'

const feature = 'rx-udp-gro-forwarding'
/** From then on a TUN takes them together; before, they would only be taken apart again. */
const least = { major: 6, minor: 2 }

/** Whether gathering is of use with this kernel (`uname -r`). */
export function usefulTo(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.', 2).map((part) => Number.parseInt(part, 10))
  return major > least.major || (major === least.major && minor >= least.minor)
}

/** Whether the port gathers UDP; undefined where it can't, or where that is of no use. */
export function gathers(port: string): boolean | undefined {
  if (!usefulTo(release())) return undefined
  try {
    return loadNative().deviceFeature(port, feature)
  } catch {
    return undefined // Without the native module there is no userland plane either.
  }
}

/** Says whether it is so now: a port may be gone, or the right missing. */
export function setGathering(port: string, on: boolean): boolean {
  try {
    return loadNative().setDeviceFeature(port, feature, on)
  } catch {
    return false
  }
}
