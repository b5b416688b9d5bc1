// ESP in memory: whole packets through SAs (headers, sequence number, IV, padding, replay window), and the engine alone in the same run.
import { loadNative } from '../../platform/addon.ts'
import type { Progress, Result } from './result.ts'

/** Blocks: nothing else runs in this process meanwhile. */
export async function benchEngines(quick: boolean, progress: Progress): Promise<Result[]> {
  const effort = quick ? { milliseconds: 5, repeats: 3 } : { milliseconds: 50, repeats: 5 }
  const results = loadNative().benchEngines(effort, (done, all) => {
    progress(done, all, 'ESP in memory')
    return true
  })
  return results.map(({ engine, algorithm, direction, size, gbps, spread, limitGbps, ratio, ratioSpread }) => ({
    what: `ESP in memory, ${engine}, ${size === 'imix' ? 'IMIX' : `${size} octets`}`,
    esp: algorithm,
    direction,
    gbps,
    limit: limitGbps,
    ratio,
    spread,
    ratioSpread,
    limitOf: 'for ESP in memory the engine alone: its library on the same packets and keys',
    // The aim is of what is fastest here; what other engines reach is for the choice between them.
    ...(size === '1400' && engine === results[0]?.engine ? { aim: { ratio: 0.8 } } : {}),
  }))
}
