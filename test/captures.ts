// The one place through which tests read captures that others made. They stay outside the project, in a folder `shared/captures` beside the
// checkout; tests that need one are skipped, by name, where it is absent.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..', 'shared', 'captures')

/** Whether a capture is there: `test.skipIf(!hasCapture('ike/isakmp4500.pcap'))`. */
export function hasCapture(path: string): boolean {
  return existsSync(join(root, path))
}

/** A capture's file as it is. */
export function captureOctets(path: string): Uint8Array {
  return Uint8Array.from(readFileSync(join(root, path)))
}

export type Datagram = {
  readonly from: { readonly address: string; readonly port: number }
  readonly to: { readonly address: string; readonly port: number }
  readonly payload: Uint8Array
}

/** The frames of a pcap file, link layer included. Cut short where the file is. */
export function frames(path: string): { readonly linkType: number; readonly frames: readonly Uint8Array[] } {
  const octets = captureOctets(path)
  const view = new DataView(octets.buffer)
  const little = view.getUint32(0, true) === 0xa1b2c3d4
  const all: Uint8Array[] = []
  for (let at = 24; at + 16 <= octets.length; ) {
    const length = view.getUint32(at + 8, little)
    if (at + 16 + length > octets.length) break
    all.push(octets.subarray(at + 16, at + 16 + length))
    at += 16 + length
  }
  return { linkType: view.getUint32(20, little) & 0xffff, frames: all }
}

/** Octets of the link layer's header, by link type: null, Ethernet, raw IP, Linux cooked. */
const linkOctets: Readonly<Record<number, number>> = { 0: 4, 1: 14, 12: 0, 101: 0, 113: 16 }

/** The UDP datagrams over IPv4 in a pcap file; other frames are passed over. */
export function datagrams(path: string): readonly Datagram[] {
  const { linkType, frames: all } = frames(path)
  return all.flatMap((frame) => {
    const ip = frame.subarray(linkOctets[linkType] ?? 0)
    const headerOctets = (ip[0]! & 0x0f) * 4
    if (ip[0]! >>> 4 !== 4 || ip[9] !== 17 || ip.length < headerOctets + 8) return []
    const udp = ip.subarray(headerOctets)
    const u16 = (at: number) => (udp[at]! << 8) | udp[at + 1]!
    return [
      {
        from: { address: ip.subarray(12, 16).join('.'), port: u16(0) },
        to: { address: ip.subarray(16, 20).join('.'), port: u16(2) },
        payload: udp.subarray(8, Math.min(udp.length, Math.max(8, u16(4)))),
      },
    ]
  })
}
