// Tunnel and session IDs: random, so that a stale packet or a guesser meets nothing; never zero, which means "not known yet" (RFC 2661 §3.1).
import { type Random, randomBelow } from '../wire/machine.ts'

/** An ID from 1 to 65535 that `used` does not have; undefined: it has them all. */
export function takeId(random: Random, used: { has(id: number): boolean; readonly size: number }): number | undefined {
  if (used.size >= 0xffff) return undefined
  let id = 1 + randomBelow(random, 0xffff)
  // A few random tries while IDs abound, then the next free one upwards.
  for (let tries = 0; tries < 8 && used.has(id); tries++) id = 1 + randomBelow(random, 0xffff)
  while (used.has(id)) id = id === 0xffff ? 1 : id + 1
  return id
}
