// What CI holds on to: which share of its engine's speed the path through an SA reaches, with and without much to do for the engine. A share within one run
// is nearly the same on any machine; what it isn't is told by the run itself, and the bound is as wide.
import type { NativeBenchResult } from '../../src/platform/addon.ts'

/** Of ipsec-mb, on the machine that docs/performance.md names; IMIX is mostly small packets, so that the path's own work shows. */
export const expected: readonly { readonly algorithm: string; readonly size: string; readonly ratio: number }[] = [
  { algorithm: 'aes128gcm16', size: '1400', ratio: 0.8 },
  { algorithm: 'aes128gcm16', size: 'imix', ratio: 0.65 },
  { algorithm: 'aes256-sha1', size: '1400', ratio: 0.88 },
  { algorithm: 'aes256-sha1', size: 'imix', ratio: 0.8 },
]

/** What may be missing for no reason of ours: another processor's caches and vectors are worth that much. */
const generous = 0.25
/** Quartiles' half distances from the median: nearly nothing lies beyond so many of them. */
const spreads = 4

export type Loss = { readonly what: string; readonly ratio: number; readonly least: number }

/** Figures whose ratio is below its bound. */
export function losses(results: readonly NativeBenchResult[]): readonly Loss[] {
  return results.flatMap(({ algorithm, size, direction, ratio, ratioSpread }) => {
    const wanted = expected.find((one) => one.algorithm === algorithm && one.size === size)
    if (!wanted) return []
    const least = wanted.ratio * (1 - generous) * Math.max(0, 1 - spreads * ratioSpread)
    return ratio < least ? [{ what: `${algorithm}, ${size}, ${direction}`, ratio, least }] : []
  })
}
