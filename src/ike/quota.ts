// How often something that strangers can cause may happen: by source and in all, with bounded memory.
import type { Instant } from '../wire/machine.ts'

export type Quota = {
  /** So many at once, refilled one every `everyMs`. */
  readonly burst: number
  readonly everyMs: number
  readonly totalBurst: number
  readonly totalEveryMs: number
  readonly sources: Map<string, Bucket>
  total: Bucket
}

type Bucket = { tokens: number; at: Instant }

// Ours: sources remembered at once. Beyond it the one that was added first is forgotten, and so starts anew.
const sourcesKept = 1024

export function quota(burst: number, everyMs: number, totalBurst: number, totalEveryMs: number): Quota {
  return {
    burst,
    everyMs,
    totalBurst,
    totalEveryMs,
    sources: new Map(),
    total: { tokens: totalBurst, at: Number.NEGATIVE_INFINITY },
  }
}

/** Whether one more is allowed for this source now; takes it if so. */
export function allowed(quota: Quota, source: string, now: Instant): boolean {
  const mine = quota.sources.get(source) ?? { tokens: quota.burst, at: now }
  refill(mine, quota.burst, quota.everyMs, now)
  refill(quota.total, quota.totalBurst, quota.totalEveryMs, now)
  if (!quota.sources.has(source)) {
    if (quota.sources.size >= sourcesKept) quota.sources.delete(quota.sources.keys().next().value!)
    quota.sources.set(source, mine)
  }
  if (mine.tokens < 1 || quota.total.tokens < 1) return false
  mine.tokens--
  quota.total.tokens--
  return true
}

function refill(bucket: Bucket, burst: number, everyMs: number, now: Instant): void {
  const since = now - bucket.at
  bucket.tokens = Number.isFinite(since) ? Math.min(burst, bucket.tokens + since / everyMs) : burst
  bucket.at = now
}
