// Namespaces, TUN devices and raw sockets take root: said before anything is begun.
import process from 'node:process'

/** Throws an Error that says what would be right. */
export function needRoot(bench: string): void {
  if (process.getuid?.() === 0) return
  throw new Error(`network namespaces and TUN devices take root: sudo ./gatehouse bench ${bench}`)
}
