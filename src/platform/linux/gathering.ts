// Ports that let UDP packets of one flow go on together: the kernel gathers them where they come in, forwards them as one, and hands them to the TUN as one
// (`rx-udp-gro-forwarding`, Linux 5.12). TCP is gathered without asking. A packet that crosses the TUN alone costs eight times as much (docs/performance.md, "Small
// packets").
import { loadNative } from '../addon.ts'

const feature = 'rx-udp-gro-forwarding'

/** Whether the port gathers UDP; undefined where it never could. */
export function gathers(port: string): boolean | undefined {
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
