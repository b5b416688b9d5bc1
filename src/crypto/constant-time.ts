// Comparing and forgetting secrets.
import { timingSafeEqual } from 'node:crypto'

/** Equality whose time says nothing about where the values differ. Lengths are public. */
export function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Overwrites secrets that are not needed any more. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0)
}
